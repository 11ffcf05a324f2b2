/** Measures the performance of stored scores on matured outcomes. */
import { InputError } from "../base/errors.ts";
import {
  areaUnderCurve,
  evaluationMetrics,
  type Scored,
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

/**
 * Returns the 95 % interval of AUC by DeLong, DeLong and Clarke-Pearson (1988,
 * https://doi.org/10.2307/2531595), computed from ranks as in Sun and Xu (2014,
 * https://doi.org/10.1109/LSP.2014.2337313) and clipped to 0 and 1. Undefined
 * if either outcome has fewer than two rows.
 *
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 *
 * // Placements 1, 0.5 and 0.5, 1: variances 0.125 each, so the standard error is sqrt(0.125).
 * const [low] = areaInterval({ probabilities: [0.9, 0.4, 0.6, 0.1], outcomes: [1, 1, 0, 0] })!;
 * deepStrictEqual(low.toFixed(4), (0.75 - 1.96 * Math.sqrt(0.125)).toFixed(4));
 * ```
 */
export function areaInterval(
  scored: Scored,
): readonly [number, number] | undefined {
  const { probabilities, outcomes } = scored;
  const rows = Array.from(probabilities, (_, row) => row);
  const ranks = midranks(rows.map((row) => probabilities[row]!));
  const placements = [1, 0].map((outcome) => {
    const own = rows.filter((row) => outcomes[row] === outcome);
    const others = rows.length - own.length;
    const within = midranks(own.map((row) => probabilities[row]!));
    return own.map((row, index) => (ranks[row]! - within[index]!) / others);
  });
  if (placements.some(({ length }) => length < 2)) return undefined;
  const normalQuantile975 = 1.959963984540054;
  const half = normalQuantile975 * Math.sqrt(
    placements.reduce((sum, each) => sum + variance(each) / each.length, 0),
  );
  const auc = areaUnderCurve(scored);
  return [Math.max(0, auc - half), Math.min(1, auc + half)];
}

/** Returns ranks, which count from 1; equal values share the mean of their ranks. */
function midranks(values: readonly number[]): number[] {
  const order = values.map((_, index) => index)
    .sort((a, b) => values[a]! - values[b]!);
  const ranks = new Array<number>(values.length);
  for (let start = 0; start < order.length;) {
    let end = start;
    while (
      end < order.length && values[order[end]!] === values[order[start]!]
    ) end++;
    for (const index of order.slice(start, end)) {
      ranks[index] = (start + 1 + end) / 2;
    }
    start = end;
  }
  return ranks;
}

function variance(values: readonly number[]): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return values.reduce((sum, value) => sum + (value - mean) ** 2, 0) /
    (values.length - 1);
}
