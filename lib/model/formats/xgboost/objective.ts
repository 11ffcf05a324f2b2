/**
 * XGBoost's objectives: how each transforms margins and `base_score`. Unknown
 * objectives are rejected.
 *
 * Source: `PredTransform` and `ProbToMargin` of each objective in XGBoost's
 * `src/objective/`, tags v1.0.2 to v3.4.1.
 */
import { modelError } from "../document.ts";
import type { Transform } from "../../ensemble.ts";
import { logf } from "./logarithm.ts";

/** How an objective transforms margins and `base_score`. */
export interface Objective {
  readonly transform: Transform;
  /** The function from `base_score`, which is in prediction space, to the margin. */
  readonly link: "identity" | "logit" | "log";
  readonly predictionKind: "probability" | "score";
}

const score = { predictionKind: "score" } as const;
const plain: Objective = {
  transform: { kind: "identity" },
  link: "identity",
  ...score,
};
const logistic: Objective = {
  transform: { kind: "logistic", slope: 1 },
  link: "logit",
  predictionKind: "probability",
};
const exponential: Objective = {
  transform: { kind: "exponential" },
  link: "log",
  ...score,
};

const objectives: ReadonlyMap<string, Objective> = new Map([
  ["reg:squarederror", plain],
  ["reg:linear", plain],
  ["reg:squaredlogerror", plain],
  ["reg:pseudohubererror", plain],
  ["reg:absoluteerror", plain],
  ["reg:quantileerror", plain],
  ["reg:logistic", logistic],
  ["binary:logistic", logistic],
  ["binary:logitraw", plain],
  ["binary:hinge", { ...plain, transform: { kind: "step" } }],
  ["count:poisson", exponential],
  ["survival:cox", exponential],
  ["survival:aft", exponential],
  ["reg:gamma", exponential],
  ["reg:tweedie", exponential],
  ["rank:pairwise", plain],
  ["rank:ndcg", plain],
  ["rank:map", plain],
  ["multi:softmax", { ...plain, transform: { kind: "argmax" } }],
  ["multi:softprob", {
    transform: { kind: "softmax" },
    link: "identity",
    predictionKind: "probability",
  }],
]);

/**
 * Returns an objective by name.
 *
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 *
 * strictEqual(objectiveOf("count:poisson", { groups: 1, version: [3, 2, 0] }).link, "log");
 * ```
 *
 * @param options `version`: the XGBoost that wrote the file; two objectives changed.
 * @throws {InputError} If the objective is unknown, with its name.
 */
export function objectiveOf(
  name: string,
  options: { groups: number; version: readonly number[] },
): Objective {
  const { groups, version } = options;
  // Since 3.3; with several expectiles the outputs depend on each other.
  if (name === "reg:expectileerror" && groups === 1) return plain;
  // Since 3.4, XGBoost sorts the quantiles of each row.
  if (name === "reg:quantileerror" && groups > 1 && !isBefore(version, 3, 4)) {
    return { ...plain, transform: { kind: "sort" } };
  }
  const objective = objectives.get(name);
  if (objective !== undefined) return objective;
  throw modelError(
    "objective",
    `${JSON.stringify(name)} is not supported; supported: ${
      [...objectives.keys()].join(", ")
    }`,
  );
}

/**
 * Converts a `base_score` to a margin, in float32 and with `logf`, as XGBoost
 * does.
 *
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 *
 * const logit = objectiveOf("binary:logistic", { groups: 1, version: [2, 1, 3] });
 * strictEqual(toMargin(0.5, { objective: logit, version: [2, 1, 3] }) + 0, 0);
 * ```
 *
 * @throws {InputError} If the margin is not finite.
 */
export function toMargin(
  baseScore: number,
  options: { objective: Objective; version: readonly number[] },
): number {
  const { objective: { link }, version } = options;
  const margin = link === "identity"
    ? baseScore
    : link === "log"
    ? logf(baseScore)
    : logit32(baseScore, version);
  if (Number.isFinite(margin)) return margin;
  throw modelError("base_score", `${baseScore} is invalid for this objective`);
}

/** `kRtEps`: since 3.2, probabilities are clamped to this distance from 0 and 1; earlier versions only reject 0 and 1. */
const epsilon = Math.fround(1e-6);

function logit32(baseScore: number, version: readonly number[]): number {
  const p = isBefore(version, 3, 2)
    ? baseScore
    : Math.min(Math.max(baseScore, epsilon), Math.fround(1 - epsilon));
  if (!(baseScore >= 0 && baseScore <= 1)) return NaN;
  return -logf(Math.fround(Math.fround(1 / p) - 1));
}

/** Returns whether a version is earlier than another, such as `isBefore([2, 1, 3], 3, 2)`. */
export function isBefore(
  version: readonly number[],
  major: number,
  minor: number,
): boolean {
  const [ownMajor = 0, ownMinor = 0] = version;
  return ownMajor < major || ownMajor === major && ownMinor < minor;
}
