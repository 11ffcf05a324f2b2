/** Measures the performance of stored scores on matured outcomes. */
import { InputError } from "../base/errors.ts";
import {
  areaInterval,
  evaluationMetrics,
} from "../statistics/classification.ts";
import { describeCoverage, joinOutcomes } from "./coverage.ts";
import { type Severity, thresholds } from "./verdict.ts";

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
  /** Metrics by `lib/statistics/classification.ts`, on the players with a matured outcome. */
  readonly metrics: Readonly<Record<string, number>>;
  /** 95 % interval of AUC. */
  readonly auc_interval?: readonly [number, number];
  /** AUC on the labelled set when the model was logged. */
  readonly auc_reference?: number;
}

/**
 * Returns the performance of scores whose players have a matured outcome. A
 * player counts once, with the score of the last row.
 *
 * The verdict is `warn` when AUC is at least 0.02 below the reference, and
 * `fail` when it is at least 0.05 below and the reference is above the whole
 * interval; a drop that may be due to chance only warns.
 *
 * @param scored `ids`: the player id of each score; null for a score without one.
 * @param options `referenceAuc`: AUC when the model was logged, undefined when unknown.
 * @throws {InputError} If no outcome belongs to any of the players.
 */
export function measurePerformance(
  scored: { ids: readonly (string | null)[]; scores: ArrayLike<number> },
  options: {
    outcomes: ReadonlyMap<string, number>;
    referenceAuc: number | undefined;
    file: string;
  },
): Performance {
  const { outcomes, referenceAuc, file } = options;
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
  return {
    ...judgeArea(metrics["auc"], {
      interval,
      referenceAuc,
      rows: found.length,
    }),
    rows: scored.ids.length,
    players: joined.players,
    matured: found.length,
    coverage: found.length / joined.players,
    outcomes: outcomes.size,
    warnings: describeCoverage(joined, {
      rows: scored.ids.length,
      outcomes: outcomes.size,
    }),
    metrics,
    ...(interval ? { auc_interval: interval } : {}),
    ...(referenceAuc === undefined ? {} : { auc_reference: referenceAuc }),
  };
}

function judgeArea(
  auc: number | undefined,
  { interval, referenceAuc, rows }: {
    interval: readonly [number, number] | undefined;
    referenceAuc: number | undefined;
    rows: number;
  },
): Pick<Performance, "severity" | "reasons"> {
  const verdict = (severity: Severity, reason: string) => ({
    severity,
    reasons: [reason],
  });
  if (rows < thresholds.min_rows) {
    return verdict(
      "not-enough-data",
      `${rows} outcomes, at least ${thresholds.min_rows} are needed`,
    );
  }
  if (auc === undefined || interval === undefined) {
    return verdict("unknown", "too few rows with one of the two outcomes");
  }
  if (referenceAuc === undefined) {
    return verdict("unknown", "the model was logged without an AUC");
  }
  const drop = referenceAuc - auc;
  const numbers = `AUC ${auc.toFixed(4)} (95 % interval ${
    interval.map((end) => end.toFixed(3)).join(" to ")
  }), ${referenceAuc.toFixed(4)} when the model was logged`;
  const { warn, fail } = thresholds.auc_drop;
  const isCertain = referenceAuc > interval[1];
  if (drop >= fail && isCertain) return verdict("fail", numbers);
  return verdict(drop >= warn ? "warn" : "ok", numbers);
}
