/** Defines the thresholds for warnings and failures, their names, and the advice to retrain. */

/** A verdict. `not-enough-data` and `unknown` are neither good nor bad; a note or reason explains them. */
export type Severity = "ok" | "warn" | "fail" | "not-enough-data" | "unknown";

/** Thresholds for warnings and failures; `docs/monitoring.md` explains the values. */
export const thresholds = {
  min_rows: 100,
  psi: { warn: 0.1, fail: 0.25 },
  ks: { distance: 0.1, p_adjusted: 0.05 },
  missing_share_change: { warn: 0.02, fail: 0.1 },
  out_of_range_share: { warn: 0.02, fail: 0.1 },
  drifted_share: { fail: 0.5 },
  auc_drop: { warn: 0.02, fail: 0.05, warn_errors: 1.96, fail_errors: 2.576 },
  calibration_shift: { warn: 0.2, fail: 0.5, errors: 3 },
  coverage: { warn: 0.8, unknown: 0.5, score_spread: 0.2 },
  drift_fails_to_retrain: 2,
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
 * Returns the advice to retrain: yes if performance failed, or drift failed in
 * two consecutive monitored runs of this model version. While the run itself has
 * no judged performance, the latest one of the same model version is used.
 *
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 *
 * const quiet = { performance: "unknown", drift: "fail", previousDrift: "ok" } as const;
 * strictEqual(decide(quiet).retrain, false);
 * strictEqual(decide({ ...quiet, previousDrift: "fail" }).retrain, true);
 * const earlier = { severity: "fail", scoring_run_id: 4 } as const;
 * strictEqual(decide({ ...quiet, earlier }).retrain, true);
 * strictEqual(decide({ ...quiet, earlier, performance: "ok" }).retrain, false);
 * ```
 *
 * @param found `previousDrift`: the verdict on the previous scoring run, undefined when there is none; `earlier`: the latest judged performance among the earlier runs of this model version, absent when there is none.
 */
export function decide(
  found: {
    performance: Severity;
    drift: Severity;
    previousDrift: Severity | undefined;
    earlier?: { severity: Severity; scoring_run_id: number } | undefined;
  },
): Decision {
  const { performance, drift, previousDrift, earlier } = found;
  if (performance === "fail") {
    return { retrain: true, reason: "performance fell on matured outcomes" };
  }
  if (!isJudged(performance) && earlier?.severity === "fail") {
    return {
      retrain: true,
      reason:
        `performance fell on the matured outcomes of scoring run ${earlier.scoring_run_id}, the latest known for this model version`,
    };
  }
  if (drift === "fail" && previousDrift === "fail") {
    return { retrain: true, reason: "drift failed in two runs in a row" };
  }
  const reason = drift === "fail"
    ? "drift failed once; retraining is advised if the next run fails, too"
    : "performance has not failed, and drift has not failed twice in a row";
  return { retrain: false, reason };
}
