/** 95 % intervals of the metrics on outcomes. */
import { knownFields } from "../base/objects.ts";
import { logLosses, type Scored } from "./classification.ts";
import { type Interval, normalQuantile975, toEstimate } from "./estimate.ts";
import { topDecile } from "./ranking.ts";

/**
 * Returns Wilson's 95 % interval of a proportion (1927,
 * https://doi.org/10.1080/01621459.1927.10502953), as statsmodels'
 * `proportion_confint(method="wilson")`. Undefined without rows.
 *
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 *
 * deepStrictEqual(proportionInterval(0, 10)!.map((end) => end.toFixed(4)), ["0.0000", "0.2775"]);
 * ```
 */
export function proportionInterval(
  successes: number,
  rows: number,
): Interval | undefined {
  if (rows === 0) return undefined;
  const share = successes / rows;
  const square = normalQuantile975 ** 2;
  const center = (share + square / (2 * rows)) / (1 + square / rows);
  const half = normalQuantile975 / (1 + square / rows) *
    Math.sqrt(share * (1 - share) / rows + square / (4 * rows ** 2));
  return [Math.max(0, center - half), Math.min(1, center + half)];
}

/**
 * Returns the 95 % interval of a mean by the normal distribution, with the
 * standard error of the values (`scipy.stats.sem`). Undefined for fewer than two
 * values.
 */
export function meanInterval(values: ArrayLike<number>): Interval | undefined {
  const rows = values.length;
  if (rows < 2) return undefined;
  let mean = 0;
  for (let row = 0; row < rows; row++) mean += values[row]! / rows;
  let squares = 0;
  for (let row = 0; row < rows; row++) squares += (values[row]! - mean) ** 2;
  return toEstimate(mean, Math.sqrt(squares / (rows - 1) / rows)).interval;
}

/**
 * Returns the 95 % intervals of the metrics of `evaluationMetrics` and `topDecile`,
 * by metric; without those that are undefined. Log loss and Brier score are means
 * ({@linkcode meanInterval}), precision and recall proportions
 * ({@linkcode proportionInterval}); of the top decile, see {@linkcode captureError}.
 *
 * @param options `threshold`: above it, a row is predicted positive.
 */
export function metricIntervals(
  scored: Scored,
  options: { threshold: number },
): Record<string, Interval> {
  const { probabilities, outcomes } = scored;
  const rows = probabilities.length;
  let [positives, predicted, hits] = [0, 0, 0];
  const squares = new Float64Array(rows);
  for (let row = 0; row < rows; row++) {
    const isPredicted = Number(probabilities[row]! > options.threshold);
    positives += outcomes[row]!;
    predicted += isPredicted;
    hits += isPredicted * outcomes[row]!;
    squares[row] = (probabilities[row]! - outcomes[row]!) ** 2;
  }
  const top = topDecile(scored);
  const capture = top &&
    toEstimate(top.capture, captureError(scored) ?? 0, [0, 1]).interval;
  return knownFields({
    log_loss: meanInterval(logLosses(scored)),
    brier: meanInterval(squares),
    precision: proportionInterval(hits, predicted),
    recall: proportionInterval(hits, positives),
    top_decile_capture: capture,
    top_decile_lift: capture && [10 * capture[0], 10 * capture[1]] as const,
  });
}

/**
 * Returns the standard error of the capture C of the top decile, from its
 * influence function: a row with outcome y and a score in the top decile (a = 1)
 * or not (a = 0) moves C by (y (a − C) − r (a − 0.1)) / (n π), where π is the base
 * rate and r the rate at the boundary score, which moves with the scores. r is
 * taken from the rows between the top 5 % and the top 15 %. The variance is
 * (π C (1 − C) (1 − 2 r) + 0.09 r²) / (n π²). Undefined if no outcome is 1.
 */
export function captureError(scored: Scored): number | undefined {
  const { probabilities, outcomes } = scored;
  const top = topDecile(scored);
  if (!top) return undefined;
  const rows = probabilities.length;
  const order = Array.from(probabilities, (_, row) => row)
    .sort((a, b) => probabilities[b]! - probabilities[a]!);
  const near = order.slice(Math.floor(0.05 * rows), Math.ceil(0.15 * rows));
  const rateOf = (those: readonly number[]) =>
    those.reduce((sum, row) => sum + outcomes[row]!, 0) / those.length;
  const [base, rate] = [rateOf(order), rateOf(near)];
  const spread = base * top.capture * (1 - top.capture) * (1 - 2 * rate) +
    0.09 * rate ** 2;
  return Math.sqrt(Math.max(0, spread) / rows) / base;
}
