/** Metrics of binary classification, by scikit-learn's definitions. */

/** The probability of outcome 1 and the actual outcome, 0 or 1, per row. */
export interface Scored {
  readonly probabilities: ArrayLike<number>;
  readonly outcomes: ArrayLike<number>;
}

/** Metrics of one labelled set; an undefined metric is absent, never a number. */
export type EvaluationMetrics = Readonly<Record<string, number>>;

/**
 * Returns AUC, log loss, Brier score, accuracy, precision and recall at 0.5,
 * the number of rows and the base rate, under the names they are logged with.
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
export function evaluationMetrics(scored: Scored): EvaluationMetrics {
  const { probabilities, outcomes } = scored;
  const rows = probabilities.length;
  if (rows === 0 || rows !== outcomes.length) {
    throw new RangeError(
      `Cannot evaluate ${rows} probabilities against ${outcomes.length} outcomes`,
    );
  }
  const positives = sum(rows, (row) => outcomes[row]!);
  const predicted = sum(rows, (row) => Number(isPositive(probabilities[row]!)));
  const hits = sum(
    rows,
    (row) => Number(isPositive(probabilities[row]!) && outcomes[row] === 1),
  );
  const correct = sum(
    rows,
    (row) => Number(isPositive(probabilities[row]!) === (outcomes[row] === 1)),
  );
  return {
    ...(positives === 0 || positives === rows
      ? {}
      : { auc: areaUnderCurve(scored) }),
    log_loss: logLoss(scored),
    brier: sum(rows, (row) => (probabilities[row]! - outcomes[row]!) ** 2) /
      rows,
    accuracy: correct / rows,
    ...(predicted === 0 ? {} : { precision: hits / predicted }),
    ...(positives === 0 ? {} : { recall: hits / positives }),
    rows,
    base_rate: positives / rows,
  };
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
  const order = Array.from(probabilities, (_, row) => row)
    .sort((a, b) => probabilities[a]! - probabilities[b]!);
  let positives = 0;
  let positiveRanks = 0;
  for (let start = 0; start < order.length;) {
    let end = start;
    while (
      end < order.length &&
      probabilities[order[end]!] === probabilities[order[start]!]
    ) end++;
    // Rows with equal scores share the mean of their ranks, which count from 1.
    const rank = (start + 1 + end) / 2;
    for (const row of order.slice(start, end)) {
      if (outcomes[row] !== 1) continue;
      positives++;
      positiveRanks += rank;
    }
    start = end;
  }
  const negatives = order.length - positives;
  if (positives === 0 || negatives === 0) {
    throw new RangeError("Cannot compute AUC: it needs rows of both outcomes");
  }
  return (positiveRanks - positives * (positives + 1) / 2) /
    (positives * negatives);
}

/** Returns the mean negative log likelihood in nats; probabilities are clipped to double's epsilon from 0 and 1, as in scikit-learn. */
function logLoss({ probabilities, outcomes }: Scored): number {
  const rows = probabilities.length;
  return -sum(rows, (row) => {
    const probability = Math.min(
      Math.max(probabilities[row]!, Number.EPSILON),
      1 - Number.EPSILON,
    );
    return Math.log(outcomes[row] === 1 ? probability : 1 - probability);
  }) / rows;
}

/** Returns the predicted label at the default threshold of XGBoost and scikit-learn: above 0.5, excluding 0.5. */
function isPositive(probability: number): boolean {
  return probability > 0.5;
}

function sum(rows: number, term: (row: number) => number): number {
  let total = 0;
  for (let row = 0; row < rows; row++) total += term(row);
  return total;
}
