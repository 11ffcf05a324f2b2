/** LightGBM's objectives: how each transforms margins (`ConvertOutput` in its `src/objective/`, 4.7). */
import { modelError } from "../document.ts";
import type { ModelFacts } from "../../ensemble.ts";

/** The properties of a model that its objective determines. */
type ObjectiveFacts = Pick<
  ModelFacts,
  "objective" | "transform" | "predictionKind"
>;

const identity = new Set([
  "regression",
  "regression_l1",
  "huber",
  "fair",
  "quantile",
  "mape",
  "lambdarank",
  "rank_xendcg",
  "custom",
]);
const exponential = new Set(["poisson", "gamma", "tweedie"]);

/**
 * Parses the `objective=` line of a model. A model without one was trained with
 * a custom objective, and LightGBM predicts its margins.
 *
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 *
 * const { transform } = lightgbmObjective("binary sigmoid:2", 1);
 * deepStrictEqual(transform, { kind: "logistic", slope: 2 });
 * ```
 *
 * @throws {InputError} If the objective is unknown, or its number of classes is not the model's number of groups.
 */
export function lightgbmObjective(
  line: string | undefined,
  groups: number,
): ObjectiveFacts {
  const [objective = "", ...words] = (line ?? "custom").split(" ");
  const score = { objective, predictionKind: "score" } as const;
  const probability = { objective, predictionKind: "probability" } as const;
  if (identity.has(objective)) {
    const kind = words.includes("sqrt") ? "signed-square" : "identity";
    return { ...score, transform: { kind } };
  }
  if (exponential.has(objective)) {
    return { ...score, transform: { kind: "exponential" } };
  }
  switch (objective) {
    case "binary":
      return { ...probability, transform: logistic(words) };
    case "cross_entropy":
      return { ...probability, transform: { kind: "logistic", slope: 1 } };
    case "cross_entropy_lambda":
      return { ...score, transform: { kind: "softplus" } };
    case "multiclass":
      checkClasses(words, groups);
      return { ...probability, transform: { kind: "softmax" } };
    case "multiclassova":
      checkClasses(words, groups);
      return { ...probability, transform: logistic(words) };
    default:
      throw modelError(
        "objective",
        `LightGBM's ${JSON.stringify(objective)} is not supported`,
      );
  }
}

function logistic(words: readonly string[]): ObjectiveFacts["transform"] {
  const slope = option(words, "sigmoid");
  if (slope > 0 && Number.isFinite(slope)) return { kind: "logistic", slope };
  throw modelError("objective", `sigmoid:${slope} is not a positive number`);
}

function checkClasses(words: readonly string[], groups: number): void {
  const classes = option(words, "num_class");
  if (classes === groups) return;
  throw modelError(
    "objective",
    `num_class:${classes}, expected ${groups}, the trees per round`,
  );
}

function option(words: readonly string[], name: string): number {
  const word = words.find((word) => word.startsWith(`${name}:`));
  return Number(word?.slice(name.length + 1) || NaN);
}
