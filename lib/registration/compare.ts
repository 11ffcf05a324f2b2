/** Decides whether a candidate is good enough, compared with the champion, to request its promotion. */
import { InputError } from "../base/errors.ts";
import type { EvaluationMetrics } from "../statistics/classification.ts";
import type { PromotionThresholds } from "../config/variants.ts";

/** The result of a comparison. */
export interface Comparison {
  /** `better`: promotion should be requested. `worse`: a threshold is missed. `unchanged`: both are the same model. */
  readonly status: "better" | "worse" | "unchanged";
  /** One sentence per threshold, with its numbers. */
  readonly reasons: readonly string[];
}

/** The comparison of a model with itself. */
export const sameModel: Comparison = {
  status: "unchanged",
  reasons: ["candidate and champion are identical; nothing to compare"],
};

/**
 * Compares two models that were evaluated on the same labelled rows. The
 * candidate is better if AUC gained at least `minAucGain` and log loss rose by
 * at most `maxLogLossIncrease`, which are both set in `variants.yaml`.
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
 * @throws {InputError} If AUC is undefined, because the labelled rows have only one outcome.
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
      `AUC gain ${gain.toFixed(4)}, at least ${minAucGain} required`,
      `log loss increase ${
        increase.toFixed(4)
      }, at most ${maxLogLossIncrease} allowed`,
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
