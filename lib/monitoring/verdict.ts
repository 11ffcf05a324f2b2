/** Names the verdicts, and derives the advice to retrain from them. */
import { listSome } from "../base/phrases.ts";
import type { Bands } from "../config/monitoring.ts";

/** A verdict on what could be judged. */
export type JudgedSeverity = "ok" | "warn" | "fail";

/** A verdict. `not-enough-data` and `unknown` are neither good nor bad; a note or reason explains them. */
export type Severity = JudgedSeverity | "not-enough-data" | "unknown";

/** A verdict, and one reason per threshold that was exceeded, or why it could not be given. */
export interface Judgement {
  readonly severity: Severity;
  readonly reasons: readonly string[];
}

/** All severities, worst first. */
export const worstFirst: readonly Severity[] = [
  "fail",
  "warn",
  "unknown",
  "not-enough-data",
  "ok",
];

/** Returns true for what was judged. Only a performance that was judged replaces an earlier one. */
export function isJudged(severity: Severity): severity is JudgedSeverity {
  return severity === "ok" || isAlarm(severity);
}

/** Returns true for a failure or a warning. */
export function isAlarm(severity: Severity): severity is "warn" | "fail" {
  return severity === "warn" || severity === "fail";
}

/** Returns the worst of severities: `ok` unless one fails or warns. */
export function worstSeverity(severities: readonly Severity[]): JudgedSeverity {
  return (["fail", "warn"] as const).find((worst) =>
    severities.includes(worst)
  ) ?? "ok";
}

/**
 * Returns the band that a number falls into.
 *
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 *
 * strictEqual(band(0.1, { warn: 0.1, fail: 0.25 }), "warn");
 * ```
 */
export function band(value: number, limits: Bands): JudgedSeverity {
  if (value >= limits.fail) return "fail";
  return value >= limits.warn ? "warn" : "ok";
}

/** The advice whether to retrain, and its reason; nothing is retrained automatically. */
export interface Decision {
  readonly retrain: boolean;
  readonly reason: string;
  /** Whether there is a cause to retrain that the cool-down holds back; absent if not. */
  readonly held_back?: true;
}

/** The age of a model that has a largest age. */
export interface ModelAge {
  readonly days: number;
  readonly maxDays: number;
}

/** What the advice to retrain is derived from. */
export interface Findings {
  readonly performance: Severity;
  readonly drift: Severity;
  readonly data: Severity;
  /** What failed in this run and in that of the period before. */
  readonly lasting: readonly string[];
  /** The latest judged performance among the earlier runs of this model version; absent when there is none. */
  readonly earlier?:
    | { readonly severity: Severity; readonly scoring_run_id: number }
    | undefined;
  /** Absent without a largest age. */
  readonly age?: ModelAge | undefined;
  /** Why it is too early to retrain again; absent if it is not. */
  readonly coolDown?: string | undefined;
}

/**
 * Returns the advice to retrain: yes if performance failed, if the same column
 * or the score failed in two adjacent periods of this model version, or if the
 * model is too old, and no cool-down is on. While the run itself has no judged
 * performance, the latest one of the same model version is used. What is measured
 * on a run whose data failed never advises retraining.
 *
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 *
 * const quiet = { performance: "unknown", data: "ok", drift: "fail", lasting: [] } as const;
 * strictEqual(decide(quiet).retrain, false);
 * strictEqual(decide({ ...quiet, lasting: ["the score"] }).retrain, true);
 * strictEqual(decide({ ...quiet, lasting: ["the score"], data: "fail" }).retrain, false);
 * strictEqual(decide({ ...quiet, age: { days: 200, maxDays: 180 } }).retrain, true);
 * const earlier = { severity: "fail", scoring_run_id: 4 } as const;
 * strictEqual(decide({ ...quiet, earlier }).retrain, true);
 * strictEqual(decide({ ...quiet, earlier, performance: "ok" }).retrain, false);
 * strictEqual(decide({ ...quiet, earlier, coolDown: "version 2 was logged 3 days ago" }).retrain, false);
 * ```
 */
export function decide(found: Findings): Decision {
  const cause = findCause(found);
  if (cause !== undefined) {
    return found.coolDown === undefined ? { retrain: true, reason: cause } : {
      retrain: false,
      reason: `${cause}, but ${found.coolDown}`,
      held_back: true,
    };
  }
  if (found.data === "fail") {
    return {
      retrain: false,
      reason: "the data failed; repair it at its source and score it again",
    };
  }
  const reason = found.drift === "fail"
    ? "drift failed, but nothing failed in the period before, too; retraining is advised when the same column or the score fails in two adjacent periods"
    : "performance has not failed, and the same drift has not failed in two adjacent periods";
  return { retrain: false, reason };
}

/** Returns why the model should be retrained; undefined if there is no reason. */
function findCause(
  { performance, data, drift, lasting, earlier, age }: Findings,
): string | undefined {
  if (performance === "fail" && data !== "fail") {
    return "performance fell on matured outcomes";
  }
  if (!isJudged(performance) && earlier?.severity === "fail") {
    return `performance fell on the matured outcomes of scoring run ${earlier.scoring_run_id}, the latest known for this model version`;
  }
  if (data === "fail") return undefined;
  if (drift === "fail" && lasting.length > 0) {
    return `drift of ${listSome(lasting, 3)} failed in two adjacent periods`;
  }
  if (age && age.days > age.maxDays) {
    return `the model was trained ${age.days} days before, the limit is ${age.maxDays}`;
  }
  return undefined;
}
