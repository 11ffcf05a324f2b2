/** Measures the performance of stored scores on matured outcomes. */
import { type Names, usualNames } from "../config/names.ts";
import { InputError } from "../base/errors.ts";
import { knownFields } from "../base/objects.ts";
import { type Thresholds, thresholds } from "../config/monitoring.ts";
import {
  type CalibrationInTheLarge,
  calibrationInTheLarge,
  calibrationSlope,
  type ReliabilityBin,
  reliabilityBins,
} from "../statistics/calibration.ts";
import {
  evaluationMetrics,
  type Scored,
} from "../statistics/classification.ts";
import { metricIntervals } from "../statistics/intervals.ts";
import { pooledArea } from "../statistics/area-comparison.ts";
import type { Estimate, Interval } from "../statistics/estimate.ts";
import { concordance, topDecile } from "../statistics/ranking.ts";
import {
  coverageFault,
  describeCoverage,
  type JoinedOutcomes,
  joinOutcomes,
} from "./coverage.ts";
import {
  type CalibrationChange,
  compareCalibration,
  finiteShift,
  judgePerformance,
  type LoggedPerformance,
  type PeriodSample,
  type PooledPerformance,
  poolPerformance,
  verdict,
} from "./judge-performance.ts";
import { isJudged, type Judgement, worstFirst } from "./verdict.ts";

/** Performance on matured outcomes, with the fields of the JSON report; unknown numbers are absent. */
export interface Performance extends Judgement {
  /** Number of scored rows. */
  readonly rows: number;
  /** Number of scored players: distinct ids, plus each row without an id. Like `outcomes` and `warnings`, absent in results stored before 2026-12. */
  readonly players?: number | undefined;
  /** Number of scored players with an outcome; `coverage` is their share of the scored players. */
  readonly matured: number;
  readonly coverage: number;
  /** Number of players with an outcome, scored or not. */
  readonly outcomes?: number | undefined;
  /** Reasons why the metrics may not represent all scored players; empty when there are none. */
  readonly warnings?: readonly string[] | undefined;
  /**
   * Metrics on the players with a matured outcome, by
   * `lib/statistics/classification.ts`, `calibration.ts` and `ranking.ts`.
   * `calibration_shift` is in log-odds, and `calibration_z` its standard errors,
   * after allowing for the calibration when the model was logged.
   */
  readonly metrics: Readonly<Record<string, number>>;
  /**
   * 95 % intervals by metric, by the methods of `lib/statistics/intervals.ts`,
   * `ranking.ts` (`c_index`) and `area-comparison.ts` (`auc`, DeLong); absent in
   * results stored before 2026-12.
   */
  readonly intervals?: Readonly<Record<string, Interval>> | undefined;
  /** Scores above it count as predicted churn, for precision, recall and accuracy; absent in results stored before 2026-12. */
  readonly threshold?: number | undefined;
  /** 95 % interval of AUC. */
  readonly auc_interval?: Interval | undefined;
  /** AUC on the labelled set when the model was logged. */
  readonly auc_reference?: number | undefined;
  /** Expected and observed rate per tenth of the scores; absent in results stored before 2026-12. */
  readonly reliability?: readonly ReliabilityBin[] | undefined;
  /** Over this period and those before it that the same model version scored; absent without any. */
  readonly pooled?: PooledPerformance | undefined;
}

/**
 * Returns the performance of scores whose players have a matured outcome. A
 * player counts once, with the score of the last row.
 *
 * The verdict is the worse of those on AUC and on calibration
 * (`judge-performance.ts`), of this period and of this one with those before it.
 * Outcomes that do not represent the scored players give `unknown`. With fewer
 * than 100 outcomes, only several periods together are judged.
 *
 * @param scored `ids`: the player id of each score; null for a score without one.
 * @param options `durations`: the time until each player's outcome, for the C-index; `reference`: the profile of the labelled set, undefined when unknown; `period` of the scores and `before`, earlier periods of the same model version, oldest first; `limits`: the variant's thresholds; `names`: what it calls its rows.
 * @throws {InputError} If no outcome belongs to any of the players.
 */
export function measurePerformance(
  scored: { ids: readonly (string | null)[]; scores: ArrayLike<number> },
  options: {
    outcomes: ReadonlyMap<string, number>;
    durations?: ReadonlyMap<string, number> | undefined;
    reference: LoggedPerformance | undefined;
    file: string;
    threshold?: number | undefined;
    period?: string;
    before?: readonly PeriodSample[] | undefined;
    limits?: Thresholds;
    names?: Names;
  },
): Performance {
  const { outcomes, reference, file, threshold = 0.5 } = options;
  const { limits = thresholds, names = usualNames } = options;
  const joined = joinOutcomes(scored, outcomes);
  const matured = joined.outcomes.length;
  if (matured === 0) {
    const [wanted] = outcomes.keys();
    const there = scored.ids.find((id) => id !== null);
    throw new InputError(
      `Cannot measure performance: none of the ${outcomes.size} outcomes of ${file} belongs to a ${names.entity} of the scoring run; ids are compared as text, the outcomes have "${
        wanted ?? ""
      }", the run has ${there === undefined ? "no ids" : `"${there}"`}`,
    );
  }
  const area = pooledArea([joined]);
  const large = calibrationInTheLarge(joined);
  const calibration = large && compareCalibration(large, {
    probabilities: joined.probabilities,
    reference,
  });
  const fault = coverageFault(joined, { limits, names });
  const pooled = fault === undefined
    ? poolPerformance(
      [...options.before ?? [], { ...joined, period: options.period ?? "" }],
      { reference, limits },
    )
    : undefined;
  const own = matured < limits.min_rows
    ? verdict(
      "not-enough-data",
      `${matured} outcomes, at least ${limits.min_rows} are needed`,
    )
    : fault === undefined
    ? judgePerformance(area, calibration, { reference, limits })
    : verdict("unknown", fault);
  const ranked = concordanceOf(joined, options.durations);
  return {
    ...withPooled(own, pooled),
    rows: joined.rows,
    players: joined.scored,
    matured,
    coverage: matured / joined.scored,
    outcomes: joined.known,
    warnings: describeCoverage(joined, { limits, names }),
    metrics: {
      ...evaluationMetrics(joined, { threshold }),
      ...furtherMetrics(joined, { large, calibration }),
      ...knownFields({ c_index: ranked?.value }),
    },
    intervals: knownFields({
      auc: area?.interval,
      ...metricIntervals(joined, { threshold }),
      c_index: ranked?.interval,
    }),
    threshold,
    auc_interval: area?.interval,
    auc_reference: reference?.metrics?.["auc"],
    reliability: reliabilityBins(joined),
    pooled,
  };
}

/** Returns the C-index of the players whose duration is known; undefined without any. */
function concordanceOf(
  { players, probabilities, outcomes }: JoinedOutcomes,
  durations: ReadonlyMap<string, number> | undefined,
): Estimate | undefined {
  if (!durations) return undefined;
  const known = players.flatMap((id, row) => durations.has(id) ? [row] : []);
  return concordance({
    risks: known.map((row) => probabilities[row]!),
    durations: known.map((row) => durations.get(players[row]!)!),
    events: known.map((row) => outcomes[row]!),
  });
}

/** Returns a period's verdict, or that of several periods if it is worse or the period alone could not be judged. */
function withPooled(
  own: Judgement,
  pooled: PooledPerformance | undefined,
): Judgement {
  if (!pooled || !isJudged(pooled.severity)) return own;
  const isWorse = !isJudged(own.severity) ||
    worstFirst.indexOf(pooled.severity) < worstFirst.indexOf(own.severity);
  if (!isWorse) return own;
  const over = `over ${pooled.periods.length} periods from ${
    pooled.periods[0]
  } on`;
  return {
    severity: pooled.severity,
    reasons: [
      ...own.reasons,
      ...pooled.reasons.map((reason) => `${over}: ${reason}`),
    ],
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
  return knownFields({
    calibration_difference: large?.difference,
    calibration_difference_low: large?.interval[0],
    calibration_difference_high: large?.interval[1],
    calibration_z: change?.z,
    calibration_shift: finiteShift(change),
    calibration_slope: slope?.slope,
    calibration_slope_error: slope?.standardError,
    top_decile_capture: top?.capture,
    top_decile_lift: top?.lift,
  });
}
