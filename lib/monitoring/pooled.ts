/** Judges the performance of one model version over several periods, so that a slow fall is found that no period shows alone. */
import {
  pooledArea,
  type ScoredPlayers,
} from "../statistics/area-comparison.ts";
import {
  type CalibrationChange,
  compareCalibration,
  finiteShift,
  judgeArea,
  judgeCalibration,
  type LoggedPerformance,
  worstOf,
} from "./judge-performance.ts";
import type { Thresholds } from "../config/monitoring.ts";
import type { Severity } from "./verdict.ts";

/** The scored players of a period with an outcome. */
export interface PeriodSample extends ScoredPlayers {
  readonly probabilities: readonly number[];
  readonly outcomes: readonly number[];
  /** The period, such as 2026-11-23. */
  readonly period: string;
}

/** The performance over several periods, with the fields of the JSON report; unknown numbers are absent. */
export interface PooledPerformance {
  readonly severity: Severity;
  readonly reasons: readonly string[];
  /** Oldest first; the last one is the period of the monitored run. */
  readonly periods: readonly string[];
  /** Number of outcomes in all periods. */
  readonly matured: number;
  /** Number of different players among them. */
  readonly players: number;
  /** The mean of the periods' AUCs, and its 95 % interval. */
  readonly auc?: number | undefined;
  readonly auc_interval?: readonly [number, number] | undefined;
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
  { reference, limits }: {
    reference: LoggedPerformance | undefined;
    limits: Thresholds;
  },
): PooledPerformance | undefined {
  const matured = samples.reduce((sum, { players }) => sum + players.length, 0);
  if (samples.length < 2 || matured < limits.min_rows) return undefined;
  const area = pooledArea(samples);
  const { players, change } = poolCalibration(samples, reference);
  const ranking = judgeArea(area, { reference, limits });
  return {
    ...(change
      ? worstOf([ranking, judgeCalibration(change, limits)])
      : ranking),
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
