/** Measures the performance of stored scores on matured outcomes. */
import { InputError } from "../base/errors.ts";
import { type Thresholds, thresholds } from "../config/monitoring.ts";
import {
  type CalibrationInTheLarge,
  calibrationInTheLarge,
  calibrationSlope,
  logOddsShift,
  type ReliabilityBin,
  reliabilityBins,
} from "../statistics/calibration.ts";
import {
  areaError,
  areaInterval,
  evaluationMetrics,
  loggedAreaError,
  type Scored,
} from "../statistics/classification.ts";
import type { ReferenceProfile } from "../statistics/profile.ts";
import { topDecile } from "../statistics/ranking.ts";
import { coverageFault, describeCoverage, joinOutcomes } from "./coverage.ts";
import type { Severity } from "./verdict.ts";

/** Performance on matured outcomes, with the fields of the JSON report; unknown numbers are absent. */
export interface Performance {
  readonly severity: Severity;
  readonly reasons: readonly string[];
  /** Number of scored rows. */
  readonly rows: number;
  /** Number of scored players: distinct ids, plus each row without an id. Like `outcomes` and `warnings`, absent in results stored before 2026-12. */
  readonly players?: number;
  /** Number of scored players with an outcome; `coverage` is their share of the scored players. */
  readonly matured: number;
  readonly coverage: number;
  /** Number of players with an outcome, scored or not. */
  readonly outcomes?: number;
  /** Reasons why the metrics may not represent all scored players; empty when there are none. */
  readonly warnings?: readonly string[];
  /**
   * Metrics on the players with a matured outcome, by
   * `lib/statistics/classification.ts`, `calibration.ts` and `ranking.ts`.
   * `calibration_shift` is in log-odds, and `calibration_z` its standard errors,
   * after allowing for the calibration when the model was logged.
   */
  readonly metrics: Readonly<Record<string, number>>;
  /** 95 % interval of AUC. */
  readonly auc_interval?: readonly [number, number];
  /** AUC on the labelled set when the model was logged. */
  readonly auc_reference?: number;
  /** Expected and observed rate per tenth of the scores; absent in results stored before 2026-12. */
  readonly reliability?: readonly ReliabilityBin[];
}

/** The profile of the labelled set that the model was logged with; only the parts that performance is compared with. */
export type LoggedPerformance = Pick<ReferenceProfile, "metrics" | "score">;

/**
 * Returns the performance of scores whose players have a matured outcome. A
 * player counts once, with the score of the last row.
 *
 * The verdict is the worse of two. AUC: `warn` when it is at least 0.02 below
 * the reference and the difference exceeds its 95 % interval, `fail` at 0.05 and
 * the 99.8 % interval; both intervals count the errors of both AUCs. Calibration:
 * the observed rate minus the expected one, less the same difference of the
 * reference; `warn` when the outcomes are shifted by 0.2 in log-odds, `fail` at
 * 0.5, both beyond three standard errors. Outcomes that do not represent the
 * scored players give `unknown`.
 *
 * @param scored `ids`: the player id of each score; null for a score without one.
 * @param options `reference`: the profile of the labelled set, undefined when unknown; `limits`: the variant's thresholds.
 * @throws {InputError} If no outcome belongs to any of the players.
 */
export function measurePerformance(
  scored: { ids: readonly (string | null)[]; scores: ArrayLike<number> },
  options: {
    outcomes: ReadonlyMap<string, number>;
    reference: LoggedPerformance | undefined;
    file: string;
    limits?: Thresholds;
  },
): Performance {
  const { outcomes, reference, file, limits = thresholds } = options;
  const joined = joinOutcomes(scored, outcomes);
  const { probabilities, found } = joined;
  if (found.length === 0) {
    const [wanted] = outcomes.keys();
    const there = scored.ids.find((id) => id !== null);
    throw new InputError(
      `Cannot measure performance: none of the ${outcomes.size} outcomes of ${file} belongs to a player of the scoring run; ids are compared as text, the outcomes have "${
        wanted ?? ""
      }", the run has ${there === undefined ? "no ids" : `"${there}"`}`,
    );
  }
  const sample = { probabilities, outcomes: found };
  const metrics = evaluationMetrics(sample);
  const interval = areaInterval(sample);
  const large = calibrationInTheLarge(sample);
  const calibration = large &&
    compareCalibration(large, { probabilities, reference });
  const referenceAuc = reference?.metrics?.["auc"];
  return {
    ...judge(sample, {
      auc: metrics["auc"],
      interval,
      reference,
      calibration,
      fault: coverageFault(joined, limits),
      limits,
    }),
    rows: scored.ids.length,
    players: joined.players,
    matured: found.length,
    coverage: found.length / joined.players,
    outcomes: outcomes.size,
    warnings: describeCoverage(joined, {
      rows: scored.ids.length,
      outcomes: outcomes.size,
      limits,
    }),
    metrics: { ...metrics, ...furtherMetrics(sample, { large, calibration }) },
    ...(interval ? { auc_interval: interval } : {}),
    ...(referenceAuc === undefined ? {} : { auc_reference: referenceAuc }),
    reliability: reliabilityBins(sample),
  };
}

/** The change of the calibration in the large since the model was logged. */
interface CalibrationChange {
  /** Observed minus expected rate now, and when the model was logged. */
  readonly difference: number;
  readonly before: number;
  /** The change in standard errors of both, and in log-odds. */
  readonly z: number;
  readonly shift: number;
}

/** Returns the change of the calibration; undefined without a labelled reference, or if it has no value. */
function compareCalibration(
  now: CalibrationInTheLarge,
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

function furtherMetrics(
  sample: Scored,
  { large, calibration: change }: {
    large: CalibrationInTheLarge | undefined;
    calibration: CalibrationChange | undefined;
  },
): Record<string, number> {
  const slope = calibrationSlope(sample);
  const top = topDecile(sample);
  return {
    ...(large
      ? {
        calibration_difference: large.difference,
        calibration_difference_low: large.interval[0],
        calibration_difference_high: large.interval[1],
      }
      : {}),
    ...(change ? { calibration_z: change.z } : {}),
    ...(change && Number.isFinite(change.shift)
      ? { calibration_shift: change.shift }
      : {}),
    ...(slope
      ? {
        calibration_slope: slope.slope,
        calibration_slope_error: slope.standardError,
      }
      : {}),
    ...(top
      ? { top_decile_capture: top.capture, top_decile_lift: top.lift }
      : {}),
  };
}

type Judgement = Pick<Performance, "severity" | "reasons">;

/** What AUC is judged by. */
interface MeasuredArea {
  readonly auc: number | undefined;
  /** 95 % interval. */
  readonly interval: readonly [number, number] | undefined;
  readonly reference: LoggedPerformance | undefined;
}

function judge(
  sample: Scored,
  { calibration, fault, limits, ...area }: MeasuredArea & {
    calibration: CalibrationChange | undefined;
    fault: string | undefined;
    limits: Thresholds;
  },
): Judgement {
  const rows = sample.probabilities.length;
  if (rows < limits.min_rows) {
    return verdict(
      "not-enough-data",
      `${rows} outcomes, at least ${limits.min_rows} are needed`,
    );
  }
  if (fault !== undefined) return verdict("unknown", fault);
  const ranking = judgeArea(sample, { ...area, limits });
  const level = calibration && judgeCalibration(calibration, limits);
  if (!level) return ranking;
  const judged = [ranking, level];
  const severity =
    (["fail", "warn"] as const).find((worst) =>
      judged.some((each) => each.severity === worst)
    ) ?? ranking.severity;
  return { severity, reasons: judged.flatMap(({ reasons }) => reasons) };
}

function judgeArea(
  sample: Scored,
  { auc, interval, reference, limits }: MeasuredArea & { limits: Thresholds },
): Judgement {
  const { auc: before, rows, base_rate: rate } = reference?.metrics ?? {};
  const error = areaError(sample);
  if (error === undefined || auc === undefined || interval === undefined) {
    return verdict("unknown", "too few rows with one of the two outcomes");
  }
  if (before === undefined || rows === undefined || rate === undefined) {
    return verdict("unknown", "the model was logged without an AUC");
  }
  const errorBefore = loggedAreaError({
    auc: before,
    positives: rate * rows,
    negatives: (1 - rate) * rows,
  }) ?? 0;
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

function judgeCalibration(
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

function verdict(severity: Severity, reason: string): Judgement {
  return { severity, reasons: [reason] };
}

/** Formats a difference of two rates in percentage points. */
function points(difference: number): string {
  return `${difference < 0 ? "" : "+"}${(100 * difference).toFixed(1)} pp`;
}
