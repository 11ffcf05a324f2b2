/** The distribution of scores, for a quick plausibility check of a run. */

/** Quantiles and a histogram of one run's scores. */
export interface ScoreDistribution {
  readonly min: number;
  readonly p10: number;
  readonly p25: number;
  readonly p50: number;
  readonly p75: number;
  readonly p90: number;
  readonly max: number;
  readonly mean: number;
  /** Rows per bin, in ten bins of equal width from 0 to 1, the last one closed. Undefined when a score is outside 0 to 1. */
  readonly histogram: readonly number[] | undefined;
}

/**
 * Returns the distribution of scores. A quantile is the smallest score that at
 * least that share of the scores does not exceed (Hyndman and Fan 1996,
 * definition 1).
 *
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 *
 * const { p50, max, histogram } = scoreDistribution(new Float32Array([0, 0.25, 0.5, 1]));
 * deepStrictEqual([p50, max, histogram], [0.25, 1, [1, 0, 1, 0, 0, 1, 0, 0, 0, 1]]);
 * ```
 *
 * @throws {RangeError} If there are no scores.
 */
export function scoreDistribution(scores: Float32Array): ScoreDistribution {
  if (scores.length === 0) {
    throw new RangeError("Cannot describe the scores of no rows");
  }
  const sorted = scores.toSorted();
  const quantile = (share: number) =>
    sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]!;
  const min = sorted[0]!;
  const max = sorted.at(-1)!;
  return {
    min,
    p10: quantile(0.1),
    p25: quantile(0.25),
    p50: quantile(0.5),
    p75: quantile(0.75),
    p90: quantile(0.9),
    max,
    mean: sorted.reduce((sum, score) => sum + score, 0) / sorted.length,
    histogram: min >= 0 && max <= 1 ? countTenths(sorted) : undefined,
  };
}

function countTenths(scores: Float32Array): number[] {
  const counts = new Array<number>(10).fill(0);
  for (const score of scores) counts[Math.min(9, Math.floor(score * 10))]!++;
  return counts;
}
