/** Measures how well scores rank rows: capture and lift of the top decile, and concordance with censored durations. */
import { type Scored, tiedRows } from "./classification.ts";
import { type Estimate, toEstimate } from "./estimate.ts";

/** What the tenth of the rows with the highest scores contains. */
export interface TopDecile {
  /** Share of all rows with outcome 1 that are in the top decile. */
  readonly capture: number;
  /** The rate of outcome 1 in the top decile divided by the base rate. */
  readonly lift: number;
}

/**
 * Returns capture and lift of the top decile: the point of the cumulative gains
 * curve at a tenth of the rows. Rows that share the score at the boundary count
 * proportionally, so the order of rows does not matter. Undefined if no outcome
 * is 1.
 *
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 *
 * const probabilities = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0];
 * const outcomes = [1, 1, 0, 0, 0, 0, 0, 0, 0, 0];
 * deepStrictEqual(topDecile({ probabilities, outcomes }), { capture: 0.5, lift: 5 });
 * ```
 */
export function topDecile(
  { probabilities, outcomes }: Scored,
): TopDecile | undefined {
  const rows = probabilities.length;
  let [positives, captured, above] = [0, 0, 0];
  const descending = Float64Array.from(probabilities, (each) => -each);
  for (const tied of tiedRows(descending)) {
    const found = tied.reduce((sum, row) => sum + outcomes[row]!, 0);
    positives += found;
    const share = Math.min(1, (rows / 10 - above) / tied.length);
    if (share > 0) captured += found * share;
    above += tied.length;
  }
  if (positives === 0) return undefined;
  const capture = captured / positives;
  return { capture, lift: 10 * capture };
}

/** The risk, the observed duration and whether it ended with the event, per row; the duration of a row without the event is censored. */
export interface Durations {
  /** A higher risk predicts an earlier event. */
  readonly risks: ArrayLike<number>;
  /** In any unit, at least 0. */
  readonly durations: ArrayLike<number>;
  /** 1: the event ended the duration; 0: censored. */
  readonly events: ArrayLike<number>;
}

/**
 * Returns Harrell's C-index (Harrell, Lee and Mark 1996,
 * https://doi.org/10.1002/(SICI)1097-0258(19960229)15:4%3C361::AID-SIM168%3E3.0.CO;2-4):
 * among the pairs of which one is known to have had the event first, the share
 * in which it has the higher risk. Ties are treated as in lifelines'
 * `concordance_index`: equal risks count as half, two events at the same
 * duration are not compared, and a duration censored at the time of an event
 * outlasts it. Undefined if no pair is comparable. Takes O(n log n).
 *
 * The standard error is the infinitesimal jackknife's, as in R's
 * `survival::concordance` (Therneau and Watson 2015): the root of the summed
 * squares of the index's derivatives by the rows' weights. The interval is the
 * normal one, clipped to 0 and 1.
 *
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 *
 * // Comparable: the event at 1 against both others, the event at 3 against none.
 * strictEqual(concordance({ risks: [0.5, 0.9, 0.2], durations: [1, 2, 3], events: [1, 0, 1] })!.value, 0.5);
 * ```
 *
 * @throws {RangeError} If the lengths differ.
 */
export function concordance(data: Durations): Estimate | undefined {
  const { concordant, comparable } = concordancePairs(data);
  const [agreed, pairs] = [concordant, comparable].map((each) =>
    each.reduce((sum, own) => sum + own, 0) / 2
  );
  if (!pairs) return undefined;
  const index = agreed! / pairs;
  let variance = 0;
  for (const [row, own] of concordant.entries()) {
    variance += ((own - index * comparable[row]!) / pairs) ** 2;
  }
  return toEstimate(index, Math.sqrt(variance), [0, 1]);
}

/**
 * Returns, for each row, the number of rows that it can be compared with, and in
 * how many of these pairs the one with the earlier event has the higher risk; the
 * rules are those of {@linkcode concordance}. A pair counts for both of its rows.
 *
 * @throws {RangeError} If the lengths differ.
 */
export function concordancePairs(
  { risks, durations, events }: Durations,
): { concordant: Float64Array; comparable: Float64Array } {
  const rows = risks.length;
  if (durations.length !== rows || events.length !== rows) {
    throw new RangeError(
      `Cannot compare ${rows} risks with ${durations.length} durations and ${events.length} events`,
    );
  }
  const distinct = [...new Set(Array.from(risks))].sort((a, b) => a - b);
  const rankOf = new Map(distinct.map((risk, rank) => [risk, rank]));
  const ranks = Array.from(risks, (risk) => rankOf.get(risk)!);
  const concordant = new Float64Array(rows);
  const comparable = new Float64Array(rows);
  /** The rows that end at the same time: those with the event, and those without. */
  const groups = [...tiedRows(durations)].map((group) =>
    [1, 0].map((event) => group.filter((row) => events[row] === event))
  );
  // Each row against the events before it; an event precedes what is censored at its time.
  const earlier = countsByRank(distinct.length);
  const outlast = (row: number) => {
    const all = earlier.below(distinct.length);
    const [below, upTo] = [ranks[row]!, ranks[row]! + 1].map(earlier.below);
    comparable[row]! += all;
    concordant[row]! += all - (below! + upTo!) / 2;
  };
  for (const [died, censored] of groups) {
    for (const row of died!) outlast(row);
    for (const row of died!) earlier.add(ranks[row]!);
    for (const row of censored!) outlast(row);
  }
  // Each event against the rows that outlast it.
  const longer = countsByRank(distinct.length);
  for (const [died, censored] of groups.reverse()) {
    for (const row of censored!) longer.add(ranks[row]!);
    for (const row of died!) {
      const [below, upTo] = [ranks[row]!, ranks[row]! + 1].map(longer.below);
      comparable[row]! += longer.below(distinct.length);
      concordant[row]! += (below! + upTo!) / 2;
    }
    for (const row of died!) longer.add(ranks[row]!);
  }
  return { concordant, comparable };
}

/** Returns counts per rank whose sums below a rank take O(log n) (Fenwick 1994, https://doi.org/10.1002/spe.4380240306). */
function countsByRank(ranks: number) {
  const sums = new Float64Array(ranks + 1);
  return {
    add(rank: number): void {
      for (let at = rank + 1; at <= ranks; at += at & -at) sums[at]!++;
    },
    below(rank: number): number {
      let total = 0;
      for (let at = rank; at > 0; at -= at & -at) total += sums[at]!;
      return total;
    },
  };
}
