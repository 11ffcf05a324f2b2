/** Metrics of binary classification, by scikit-learn's definitions. */
import { knownFields } from "../base/objects.ts";

/** The probability of outcome 1 and the actual outcome, 0 or 1, per row. */
export interface Scored {
  readonly probabilities: ArrayLike<number>;
  readonly outcomes: ArrayLike<number>;
}

/** Metrics of one labelled set; an undefined metric is absent, never a number. */
export type EvaluationMetrics = Readonly<Record<string, number>>;

/**
 * Returns AUC, log loss, Brier score, accuracy, precision and recall, the number
 * of rows and the base rate, under the names they are logged with. A row is
 * predicted positive if its probability is above the threshold, 0.5 by default as
 * in XGBoost and scikit-learn, and not if it is equal to it.
 * Undefined metrics are omitted: AUC when only one outcome occurs, precision
 * when no row is predicted positive, recall when no outcome is positive.
 *
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 *
 * const metrics = evaluationMetrics({ probabilities: [0.9, 0.4, 0.6, 0.1], outcomes: [1, 1, 0, 0] });
 * deepStrictEqual([metrics.auc, metrics.accuracy, metrics.base_rate], [0.75, 0.5, 0.5]);
 * ```
 *
 * @throws {RangeError} If there are no rows, or the lengths differ.
 */
export function evaluationMetrics(
  scored: Scored,
  { threshold = 0.5 } = {},
): EvaluationMetrics {
  const { probabilities, outcomes } = scored;
  const rows = probabilities.length;
  if (rows === 0 || rows !== outcomes.length) {
    throw new RangeError(
      `Cannot evaluate ${rows} probabilities against ${outcomes.length} outcomes`,
    );
  }
  const losses = logLosses(scored);
  let [positives, predicted, hits, correct, loss, squares] = [0, 0, 0, 0, 0, 0];
  for (let row = 0; row < rows; row++) {
    const outcome = outcomes[row]!;
    const isPredicted = Number(probabilities[row]! > threshold);
    positives += outcome;
    predicted += isPredicted;
    hits += isPredicted * outcome;
    correct += Number(isPredicted === outcome);
    loss += losses[row]!;
    squares += (probabilities[row]! - outcome) ** 2;
  }
  const isMixed = positives > 0 && positives < rows;
  return knownFields({
    auc: isMixed ? areaUnderCurve(scored) : undefined,
    log_loss: loss / rows,
    brier: squares / rows,
    accuracy: correct / rows,
    precision: predicted === 0 ? undefined : hits / predicted,
    recall: positives === 0 ? undefined : hits / positives,
    rows,
    base_rate: positives / rows,
  });
}

/**
 * Returns the probability that a random positive row scores above a random
 * negative one, with ties counted as half: the Mann-Whitney U statistic divided by the number of pairs
 * (Hanley and McNeil 1982, https://doi.org/10.1148/radiology.143.1.7063747).
 *
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 *
 * strictEqual(areaUnderCurve({ probabilities: [0.2, 0.2, 0.9], outcomes: [0, 1, 1] }), 0.75);
 * ```
 *
 * @throws {RangeError} If only one outcome occurs.
 */
export function areaUnderCurve({ probabilities, outcomes }: Scored): number {
  const ranks = midranks(probabilities);
  let [positives, positiveRanks] = [0, 0];
  for (const [row, rank] of ranks.entries()) {
    if (outcomes[row] !== 1) continue;
    positives++;
    positiveRanks += rank;
  }
  const negatives = ranks.length - positives;
  if (positives === 0 || negatives === 0) {
    throw new RangeError("Cannot compute AUC: it needs rows of both outcomes");
  }
  return (positiveRanks - positives * (positives + 1) / 2) /
    (positives * negatives);
}

/**
 * Returns how far each row moves AUC, scaled so that the sum of squares is
 * the variance of DeLong, DeLong and Clarke-Pearson (1988,
 * https://doi.org/10.2307/2531595), computed from ranks as in Sun and Xu (2014,
 * https://doi.org/10.1109/LSP.2014.2337313): for a positive row, the share of negative rows that it
 * outranks, less the mean of this share; for a negative row, likewise the share of
 * positive rows that outrank it. Sums over rows of one player, or differences of
 * two scores of a row, have the variances of correlated AUCs. Undefined if either
 * outcome has fewer than two rows.
 */
export function areaInfluence(
  { probabilities, outcomes }: Scored,
): Float64Array | undefined {
  const rows = Array.from(probabilities, (_, row) => row);
  const ranks = midranks(probabilities);
  const influence = new Float64Array(rows.length);
  for (const outcome of [1, 0]) {
    const own = rows.filter((row) => outcomes[row] === outcome);
    const others = rows.length - own.length;
    if (own.length < 2 || others === 0) return undefined;
    const within = midranks(own.map((row) => probabilities[row]!));
    const shares = own.map((row, index) =>
      (ranks[row]! - within[index]!) / others
    );
    const mean = shares.reduce((sum, share) => sum + share, 0) / own.length;
    const scale = Math.sqrt(own.length * (own.length - 1));
    const sign = outcome === 1 ? 1 : -1;
    for (const [index, row] of own.entries()) {
      influence[row] = sign * (shares[index]! - mean) / scale;
    }
  }
  return influence;
}

/**
 * Returns the standard error of an AUC of which only the value and the numbers
 * of rows are known, by Hanley and McNeil (1982,
 * https://doi.org/10.1148/radiology.143.1.7063747, equation 1, with the
 * approximation for exponential scores). Undefined without rows of both outcomes.
 *
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 *
 * // At 0.5, this is the variance of the Mann-Whitney statistic: (m + n + 1) / (12 m n).
 * const error = loggedAreaError({ auc: 0.5, positives: 10, negatives: 20 })!;
 * strictEqual(error.toFixed(12), Math.sqrt(31 / 2400).toFixed(12));
 * ```
 */
export function loggedAreaError(
  { auc, positives, negatives }: {
    auc: number;
    positives: number;
    negatives: number;
  },
): number | undefined {
  if (!(positives > 0 && negatives > 0)) return undefined;
  const q1 = auc / (2 - auc);
  const q2 = 2 * auc ** 2 / (1 + auc);
  const pairs = auc * (1 - auc) + (positives - 1) * (q1 - auc ** 2) +
    (negatives - 1) * (q2 - auc ** 2);
  return Math.sqrt(pairs / (positives * negatives));
}

/** Returns ranks, which count from 1; equal values share the mean of their ranks. */
function midranks(values: ArrayLike<number>): Float64Array {
  const ranks = new Float64Array(values.length);
  let below = 0;
  for (const tied of tiedRows(values)) {
    for (const row of tied) ranks[row] = below + (1 + tied.length) / 2;
    below += tied.length;
  }
  return ranks;
}

/** Yields the rows of each distinct value, smallest value first. */
export function* tiedRows(
  values: ArrayLike<number>,
): Generator<readonly number[]> {
  const order = Array.from(values, (_, row) => row)
    .sort((a, b) => values[a]! - values[b]!);
  for (let start = 0; start < order.length;) {
    const value = values[order[start]!];
    let end = start;
    while (end < order.length && values[order[end]!] === value) end++;
    yield order.slice(start, end);
    start = end;
  }
}

/** Returns a probability at least double's epsilon from 0 and 1, as in scikit-learn. */
export function clipped(probability: number): number {
  return Math.min(Math.max(probability, Number.EPSILON), 1 - Number.EPSILON);
}

/** Returns the negative log likelihood of each row in nats, of {@linkcode clipped} probabilities. */
export function logLosses({ probabilities, outcomes }: Scored): Float64Array {
  return Float64Array.from(probabilities, (each, row) => {
    const probability = clipped(each);
    return -Math.log(outcomes[row] === 1 ? probability : 1 - probability);
  });
}
