/** Defines the thresholds for warnings and failures, their names, and the advice to retrain. */

/** A verdict. `not-enough-data` and `unknown` are neither good nor bad; a note or reason explains them. */
export type Severity = "ok" | "warn" | "fail" | "not-enough-data" | "unknown";

/** Thresholds for warnings and failures; `docs/monitoring.md` explains the values. */
export const thresholds = {
  min_rows: 100,
  importance: 0.01,
  psi: { warn: 0.1, fail: 0.25 },
  ks: { distance: 0.1 },
  group: { distance: 0.1 },
  p_adjusted: { warn: 0.05, fail: 0.001 },
  cusum: { warn: 5, fail: 8, tolerance: 0.02, errors: 3, most: 4, limit: 10 },
  missing_share_change: { warn: 0.02, fail: 0.1 },
  out_of_range_share: { warn: 0.02, fail: 0.1 },
  drifted_share: { fail: 0.5, min_rows_for_one: 300 },
  auc_drop: { warn: 0.02, fail: 0.05, warn_errors: 1.96, fail_errors: 2.576 },
  calibration_shift: { warn: 0.2, fail: 0.5, errors: 3 },
  coverage: { warn: 0.8, unknown: 0.5, score_spread: 0.2 },
  rows_ratio: { warn: 1.8, fail: 5 },
  unseen_share_rise: { warn: 0.02, fail: 0.1 },
  zero_share_rise: { warn: 0.1, fail: 0.25 },
  scale: { factor: 10, values: 30 },
  constant_chance: 1e-6,
} as const;

/**
 * Returns the band that a number falls into.
 *
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 *
 * strictEqual(band(0.1, { warn: 0.1, fail: 0.25 }), "warn");
 * ```
 */
export function band(
  value: number,
  limits: { warn: number; fail: number },
): "ok" | "warn" | "fail" {
  if (value >= limits.fail) return "fail";
  return value >= limits.warn ? "warn" : "ok";
}

/** The advice whether to retrain, and its reason; nothing is retrained automatically. */
export interface Decision {
  readonly retrain: boolean;
  readonly reason: string;
}

/** Returns true for a performance that was measured and judged; only such a verdict replaces an earlier one. */
export function isJudged(severity: Severity): boolean {
  return severity === "ok" || severity === "warn" || severity === "fail";
}

/**
 * Returns the advice to retrain: yes if performance failed, or the same column
 * or the score failed in two adjacent periods of this model version. While the
 * run itself has no judged performance, the latest one of the same model version
 * is used. What is measured on a run whose data failed never advises retraining.
 *
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 *
 * const quiet = { performance: "unknown", data: "ok", drift: "fail", lasting: [] } as const;
 * strictEqual(decide(quiet).retrain, false);
 * strictEqual(decide({ ...quiet, lasting: ["the score"] }).retrain, true);
 * strictEqual(decide({ ...quiet, lasting: ["the score"], data: "fail" }).retrain, false);
 * const earlier = { severity: "fail", scoring_run_id: 4 } as const;
 * strictEqual(decide({ ...quiet, earlier }).retrain, true);
 * strictEqual(decide({ ...quiet, earlier, performance: "ok" }).retrain, false);
 * ```
 *
 * @param found `lasting`: what failed in this run and in that of the period before; `earlier`: the latest judged performance among the earlier runs of this model version, absent when there is none.
 */
export function decide(
  found: {
    performance: Severity;
    drift: Severity;
    data: Severity;
    lasting: readonly string[];
    earlier?: { severity: Severity; scoring_run_id: number } | undefined;
  },
): Decision {
  const { performance, data, drift, lasting, earlier } = found;
  if (performance === "fail" && data !== "fail") {
    return { retrain: true, reason: "performance fell on matured outcomes" };
  }
  if (!isJudged(performance) && earlier?.severity === "fail") {
    return {
      retrain: true,
      reason:
        `performance fell on the matured outcomes of scoring run ${earlier.scoring_run_id}, the latest known for this model version`,
    };
  }
  if (data === "fail") {
    return {
      retrain: false,
      reason: "the data failed; repair it at its source and score it again",
    };
  }
  if (drift === "fail" && lasting.length > 0) {
    const names = lasting.slice(0, 3).join(", ");
    const more = lasting.length > 3 ? ` and ${lasting.length - 3} more` : "";
    return {
      retrain: true,
      reason: `drift of ${names}${more} failed in two adjacent periods`,
    };
  }
  const reason = drift === "fail"
    ? "drift failed once; retraining is advised if the same drift fails in the next period, too"
    : "performance has not failed, and the same drift has not failed in two adjacent periods";
  return { retrain: false, reason };
}
