/** Judges AUC and calibration, of one period and of several together, against those of the model when it was logged. Several show a slow fall that no period shows alone. */
import {
  pooledArea,
  type ScoredPlayers,
} from "../statistics/area-comparison.ts";
import { logOddsShift } from "../statistics/calibration.ts";
import { loggedAreaError } from "../statistics/classification.ts";
import type { Estimate, Interval } from "../statistics/estimate.ts";
import type { ReferenceProfile } from "../statistics/profile.ts";
import type { Thresholds } from "../config/monitoring.ts";
import { points } from "./numbers.ts";
import { isAlarm, type Judgement, type Severity } from "./verdict.ts";

/** The profile of the labelled set that the model was logged with; only the parts that performance is compared with. */
export type LoggedPerformance = Pick<ReferenceProfile, "metrics" | "score">;

/** What performance is judged by. */
export interface Yardstick {
  readonly reference: LoggedPerformance | undefined;
  readonly limits: Thresholds;
}

/** Returns a verdict for one reason. */
export function verdict(severity: Severity, reason: string): Judgement {
  return { severity, reasons: [reason] };
}

/**
 * Judges AUC and calibration, see {@linkcode judgeArea} and {@linkcode judgeCalibration}:
 * a failure or warning of either counts, otherwise AUC decides.
 *
 * @param area, change Undefined if they have no value.
 */
export function judgePerformance(
  area: Estimate | undefined,
  change: CalibrationChange | undefined,
  yardstick: Yardstick,
): Judgement {
  const ranking = judgeArea(area, yardstick);
  if (!change) return ranking;
  const calibration = judgeCalibration(change, yardstick.limits);
  const isWorse = isAlarm(calibration.severity) &&
    ranking.severity !== "fail";
  return {
    severity: isWorse ? calibration.severity : ranking.severity,
    reasons: [...ranking.reasons, ...calibration.reasons],
  };
}

/**
 * Judges an AUC: `warn` when it is at least 0.02 below the logged one and the
 * difference exceeds its 95 % interval, `fail` at 0.05 and the 99.8 % interval; both
 * intervals count the errors of both AUCs. `unknown` without either AUC.
 */
function judgeArea(
  measured: Estimate | undefined,
  { reference, limits }: Yardstick,
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
    probabilities: ArrayLike<number>;
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

/** The scored players of a period with an outcome. */
export interface PeriodSample extends ScoredPlayers {
  /** The period, such as 2026-11-23. */
  readonly period: string;
}

/** The performance over several periods, with the fields of the JSON report; unknown numbers are absent. */
export interface PooledPerformance extends Judgement {
  /** Oldest first; the last one is the period of the monitored run. */
  readonly periods: readonly string[];
  /** Number of outcomes in all periods. */
  readonly matured: number;
  /** Number of different players among them. */
  readonly players: number;
  /** The mean of the periods' AUCs, and its 95 % interval. */
  readonly auc?: number | undefined;
  readonly auc_interval?: Interval | undefined;
  /** Observed minus expected rate, its change since the model was logged in standard errors, and in log-odds. */
  readonly calibration_difference?: number | undefined;
  readonly calibration_z?: number | undefined;
  readonly calibration_shift?: number | undefined;
}

/**
 * Returns the performance over several periods, judged as that of one is; undefined
 * for a single one, or for too few outcomes. AUC is the mean of the periods'
 * (`pooledArea`), calibration that of all rows. Both errors allow for players who
 * occur in several periods: what a player contributes is added over the periods
 * before it is squared.
 *
 * @param samples Oldest first.
 */
export function poolPerformance(
  samples: readonly PeriodSample[],
  { reference, limits }: Yardstick,
): PooledPerformance | undefined {
  const matured = samples.reduce((sum, { players }) => sum + players.length, 0);
  if (samples.length < 2 || matured < limits.min_rows) return undefined;
  const area = pooledArea(samples);
  const { players, change } = poolCalibration(samples, reference);
  return {
    ...judgePerformance(area, change, { reference, limits }),
    periods: samples.map(({ period }) => period),
    matured,
    players,
    auc: area?.value,
    auc_interval: area?.interval,
    calibration_difference: change?.difference,
    calibration_z: change?.z,
    calibration_shift: finiteShift(change),
  };
}

/** Returns the number of different players, and the change of their calibration. */
function poolCalibration(
  samples: readonly PeriodSample[],
  reference: LoggedPerformance | undefined,
): { players: number; change: CalibrationChange | undefined } {
  const byPlayer = new Map<string, number>();
  const all: number[] = [];
  let observed = 0;
  for (const { players, probabilities, outcomes } of samples) {
    for (const [row, player] of players.entries()) {
      const residual = outcomes[row]! - probabilities[row]!;
      byPlayer.set(player, (byPlayer.get(player) ?? 0) + residual);
      all.push(probabilities[row]!);
      observed += outcomes[row]!;
    }
  }
  const rows = all.length;
  let [sum, squares] = [0, 0];
  for (const residual of byPlayer.values()) {
    sum += residual;
    squares += residual ** 2;
  }
  const players = byPlayer.size;
  const difference = sum / rows;
  // About the mean, because a shift that is the same for all players is no error.
  const spread = squares - sum ** 2 / players;
  const change = compareCalibration(
    {
      difference,
      observed: observed / rows,
      standardError: Math.sqrt(Math.max(0, spread)) / rows,
    },
    { probabilities: all, reference },
  );
  return { players, change };
}
