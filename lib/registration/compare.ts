/** Whether a candidate does well enough against the champion that a person should be asked to promote it. */
import { InputError } from "../base/errors.ts";
import type { EvaluationMetrics } from "../statistics/classification.ts";
import type { PromotionThresholds } from "../config/variants.ts";

/** What a comparison found. */
export interface Comparison {
  /** `better`: ask for promotion. `worse`: a threshold is missed. */
  readonly status: "better" | "worse";
  /** One sentence a threshold, each with the numbers. */
  readonly reasons: readonly string[];
}

/**
 * The verdict on two models that were measured on the same labelled rows:
 * better when AUC gained at least `minAucGain` and log loss rose by at most
 * `maxLogLossIncrease`, both of `variants.yaml`.
 *
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 *
 * const thresholds = { minAucGain: 0, maxLogLossIncrease: 0.01 };
 * const champion = { auc: 0.7, log_loss: 0.56 };
 * const { status } = compareMetrics({ auc: 0.71, log_loss: 0.565 }, { champion, thresholds });
 * strictEqual(status, "better");
 * ```
 *
 * @throws {InputError} If AUC is not defined, because the labelled rows have one outcome only.
 */
export function compareMetrics(
  candidate: EvaluationMetrics,
  options: { champion: EvaluationMetrics; thresholds: PromotionThresholds },
): Comparison {
  const { champion, thresholds } = options;
  const { minAucGain, maxLogLossIncrease } = thresholds;
  const gain = get(candidate, "auc") - get(champion, "auc");
  const increase = get(candidate, "log_loss") - get(champion, "log_loss");
  const isBetter = gain >= minAucGain && increase <= maxLogLossIncrease;
  return {
    status: isBetter ? "better" : "worse",
    reasons: [
      `AUC gained ${gain.toFixed(4)}, wanted at least ${minAucGain}`,
      `log loss rose by ${
        increase.toFixed(4)
      }, allowed at most ${maxLogLossIncrease}`,
    ],
  };
}

function get(metrics: EvaluationMetrics, name: string): number {
  const value = metrics[name];
  if (value !== undefined) return value;
  throw new InputError(
    `Cannot compare models without ${name}: the labelled set needs rows of both outcomes`,
  );
}
