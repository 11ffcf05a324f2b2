/** Judges a measured AUC and calibration against those of the model when it was logged. */
import { logOddsShift } from "../statistics/calibration.ts";
import { loggedAreaError } from "../statistics/classification.ts";
import type { Estimate } from "../statistics/estimate.ts";
import type { ReferenceProfile } from "../statistics/profile.ts";
import type { Thresholds } from "../config/monitoring.ts";
import { points } from "./reason.ts";
import type { Severity } from "./verdict.ts";

/** The profile of the labelled set that the model was logged with; only the parts that performance is compared with. */
export type LoggedPerformance = Pick<ReferenceProfile, "metrics" | "score">;

/** A verdict on performance, and why. */
export interface Judgement {
  readonly severity: Severity;
  readonly reasons: readonly string[];
}

/** Returns a verdict for one reason. */
export function verdict(severity: Severity, reason: string): Judgement {
  return { severity, reasons: [reason] };
}

/** Returns the first `fail` or `warn` of these, otherwise the first verdict, with the reasons of all. */
export function worstOf(
  judged: readonly [Judgement, ...Judgement[]],
): Judgement {
  const severity =
    (["fail", "warn"] as const).find((worst) =>
      judged.some((each) => each.severity === worst)
    ) ?? judged[0].severity;
  return { severity, reasons: judged.flatMap(({ reasons }) => reasons) };
}

/**
 * Judges an AUC: `warn` when it is at least 0.02 below the logged one and the
 * difference exceeds its 95 % interval, `fail` at 0.05 and the 99.8 % interval; both
 * intervals count the errors of both AUCs. `unknown` without either AUC.
 *
 * @param measured Undefined if it has no value.
 */
export function judgeArea(
  measured: Estimate | undefined,
  { reference, limits }: {
    reference: LoggedPerformance | undefined;
    limits: Thresholds;
  },
): Judgement {
  const { auc: before, rows, base_rate: rate } = reference?.metrics ?? {};
  if (!measured) {
    return verdict(
      "unknown",
      "too few rows with the outcome 0, or too few with 1",
    );
  }
  if (before === undefined || rows === undefined || rate === undefined) {
    return verdict("unknown", "the model was logged without an AUC");
  }
  const errorBefore = loggedAreaError({
    auc: before,
    positives: rate * rows,
    negatives: (1 - rate) * rows,
  }) ?? 0;
  const { value: auc, standardError: error, interval } = measured;
  const drop = before - auc;
  const { warn, fail, warn_errors, fail_errors } = limits.auc_drop;
  const errors = drop / Math.hypot(error, errorBefore);
  const numbers = `AUC ${auc.toFixed(4)} (95 % interval ${
    interval.map((end) => end.toFixed(3)).join(" to ")
  }), ${before.toFixed(4)} when the model was logged (± ${
    (limits.auc_drop.warn_errors * errorBefore).toFixed(3)
  })`;
  if (drop >= fail && errors > fail_errors) return verdict("fail", numbers);
  const isWarning = drop >= warn && errors > warn_errors;
  return verdict(isWarning ? "warn" : "ok", numbers);
}

/** The change of the calibration in the large since the model was logged. */
export interface CalibrationChange {
  /** Observed minus expected rate now, and when the model was logged. */
  readonly difference: number;
  readonly before: number;
  /** The change in standard errors of both, and in log-odds. */
  readonly z: number;
  readonly shift: number;
}

/**
 * Returns the change of the calibration; undefined without a labelled reference, or
 * if it has no value.
 *
 * @param now Observed minus expected rate, its error, and the observed rate.
 */
export function compareCalibration(
  now: { difference: number; standardError: number; observed: number },
  { probabilities, reference }: {
    probabilities: readonly number[];
    reference: LoggedPerformance | undefined;
  },
): CalibrationChange | undefined {
  const expected = reference?.score?.mean;
  const { base_rate: observed, brier, rows } = reference?.metrics ?? {};
  if (
    expected === undefined || observed === undefined || brier === undefined ||
    rows === undefined
  ) return undefined;
  const before = observed - expected;
  // Brier's score is the mean square of outcome minus probability: less the squared mean, their variance.
  const variance = Math.max(0, brier - before ** 2) / rows;
  const shift = logOddsShift(probabilities, now.observed - before);
  return {
    difference: now.difference,
    before,
    z: (now.difference - before) /
      Math.hypot(now.standardError, Math.sqrt(variance)),
    // Without a finite shift, all or none of the players churned.
    shift: shift ?? Math.sign(now.difference - before) * Infinity,
  };
}

/** Returns the change in log-odds; undefined if it is unknown, or infinite because all or none of the players churned. */
export function finiteShift(
  change: CalibrationChange | undefined,
): number | undefined {
  return Number.isFinite(change?.shift) ? change?.shift : undefined;
}

/**
 * Judges a change of the calibration: `warn` when the outcomes are shifted by 0.2
 * in log-odds, `fail` at 0.5, both beyond three standard errors.
 */
export function judgeCalibration(
  { difference, before, z, shift }: CalibrationChange,
  limits: Thresholds,
): Judgement {
  const { warn, fail, errors } = limits.calibration_shift;
  const numbers = `calibration: observed minus expected rate ${
    points(difference)
  }, ${points(before)} when the model was logged; shift ${
    shift.toFixed(2)
  } log-odds, z ${z.toFixed(1)}`;
  const size = Math.abs(z) > errors ? Math.abs(shift) : 0;
  if (size >= fail) return verdict("fail", numbers);
  return verdict(size >= warn ? "warn" : "ok", numbers);
}
