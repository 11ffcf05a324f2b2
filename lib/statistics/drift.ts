/**
 * Drift statistics: the distance between two samples of one column, the
 * distance that is expected by chance, and the correction for multiple tests.
 * All functions take counts per bin; `docs/monitoring.md` describes their use.
 */
import { total } from "./column-counts.ts";

/**
 * Returns the population stability index between two binned samples: 0 when the
 * shares per bin are equal, larger as mass moves between bins. It is the
 * symmetric Kullback-Leibler divergence (Jeffreys) of the shares.
 *
 * By a convention of credit scoring, which is not a statistical test, under 0.1
 * is stable and over 0.25 is a major shift. {@linkcode stabilityNoise} returns
 * how much of it is expected by chance.
 *
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 *
 * strictEqual(stabilityIndex([50, 50], [5, 5]), 0);
 * // (0.5 - 0.25) * ln(0.5 / 0.25) + (0.5 - 0.75) * ln(0.5 / 0.75) = 0.25 * ln(3)
 * strictEqual(stabilityIndex([50, 50], [1, 3]).toFixed(6), (0.25 * Math.log(3)).toFixed(6));
 * ```
 *
 * A share counts as at least 0.0001, as in Evidently, so that an empty bin gives
 * a large number and not infinity.
 *
 * @param expected Counts per bin of the reference, not shares.
 * @param actual Counts per bin of the current sample, bins in the same order.
 * @returns Nats, never negative.
 * @throws {RangeError} If the numbers of bins differ or a sample is empty.
 */
export function stabilityIndex(
  expected: readonly number[],
  actual: readonly number[],
): number {
  const floor = 0.0001;
  const [before, after] = toShares(expected, actual);
  return before.reduce((sum, share, bin) => {
    const reference = Math.max(share, floor);
    const current = Math.max(after[bin]!, floor);
    return sum + (current - reference) * Math.log(current / reference);
  }, 0);
}

/** The distribution of a stability index without drift. */
export interface StabilityNoise {
  /** Its mean. */
  readonly expected: number;
  /** Its 99.99 % quantile, a strict limit because every column of a model is tested in every run. */
  readonly limit: number;
}

/**
 * Returns the noise of a stability index between two samples of the same
 * population. Divided by `1/n1 + 1/n2`, the index approximately follows a
 * chi-square distribution with `bins - 1` degrees of freedom (Yurdakul and Naranjo 2020,
 * https://doi.org/10.21314/JRMV.2020.227), whose mean is `bins - 1`.
 *
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 *
 * // 10 bins, 500 rows each: 9 * 2/500 = 0.036; chi-square's quantile 33.72 * 2/500 = 0.1349
 * const noise = stabilityNoise(10, { expectedRows: 500, actualRows: 500 });
 * strictEqual(noise.expected.toFixed(4), "0.0360");
 * strictEqual(noise.limit.toFixed(4), "0.1349");
 * ```
 *
 * @param bins Number of bins that contain a row of either sample; a single bin has no noise.
 */
export function stabilityNoise(
  bins: number,
  rows: { expectedRows: number; actualRows: number },
): StabilityNoise {
  const scale = 1 / rows.expectedRows + 1 / rows.actualRows;
  const freedom = Math.max(0, bins - 1);
  return { expected: freedom * scale, limit: chiSquareLimit(freedom) * scale };
}

/** Returns the 99.99 % quantile of the chi-square distribution, 0 for zero degrees of freedom; `scipy.stats.chi2.isf(1e-4, freedom)`. */
function chiSquareLimit(freedom: number): number {
  if (freedom <= 0) return 0;
  let [low, high] = [0, freedom + 50 + 10 * Math.sqrt(freedom)];
  for (let step = 0; step < 60; step++) {
    const middle = (low + high) / 2;
    if (chiSquareTail(middle, freedom) > 1e-4) low = middle;
    else high = middle;
  }
  return high;
}

/**
 * Returns the largest difference that is expected by chance between the shares
 * of two samples of the same population, in all but one of 16,000 pairs of samples: four
 * standard errors of the difference, from the pooled share (the two-proportion
 * z-test).
 *
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 *
 * // Pooled (30 + 20) / 1000 = 0.05, so 4 * sqrt(0.05 * 0.95 * (1/500 + 1/500)).
 * const samples = [{ count: 30, rows: 500 }, { count: 20, rows: 500 }] as const;
 * strictEqual(shareNoise(...samples).toFixed(4), "0.0551");
 * ```
 */
export function shareNoise(
  before: { count: number; rows: number },
  after: { count: number; rows: number },
): number {
  const pooled = (before.count + after.count) / (before.rows + after.rows);
  return 4 *
    Math.sqrt(pooled * (1 - pooled) * (1 / before.rows + 1 / after.rows));
}

/**
 * Returns the largest share of a sample that is expected by chance outside the
 * range of a reference: the mean plus three standard deviations. The share of a
 * population beyond the largest of n values follows a beta distribution with
 * mean `1 / (n + 1)` and about the square of the mean as variance (David and
 * Nagaraja, Order Statistics, 2003, section 2.3). The two ends of the range
 * double both, and the sample adds its own variance.
 *
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 *
 * // e = 2/1000, so e + 3 * sqrt(e * e / 2 + e / 500)
 * strictEqual(rangeNoise({ expectedRows: 999, actualRows: 500 }).toFixed(5), "0.00935");
 * ```
 */
export function rangeNoise(
  rows: { expectedRows: number; actualRows: number },
): number {
  const mean = 2 / (rows.expectedRows + 1);
  return mean + 3 * Math.sqrt(mean ** 2 / 2 + mean / rows.actualRows);
}

/**
 * Returns two samples' counts in fewer bins: bins in which either sample is
 * expected to have under 10 rows are merged, for a stability index and a
 * chi-square test are chance below that (Cochran 1954,
 * https://doi.org/10.2307/3001616). The expectation is the share in both
 * samples together.
 *
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 *
 * deepStrictEqual(mergeSmallBins([1, 9, 90], [2, 8, 90], { isOrdered: true }), [[10, 90], [10, 90]]);
 * deepStrictEqual(mergeSmallBins([1, 90, 9], [2, 90, 8], { isOrdered: false }), [[10, 90], [10, 90]]);
 * ```
 *
 * @param options `isOrdered`: small bins are merged with the next one; otherwise the order has no meaning, and the smallest are merged with each other.
 * @returns The counts of both samples, in the same bins.
 */
export function mergeSmallBins(
  before: readonly number[],
  after: readonly number[],
  options: { isOrdered: boolean },
): [number[], number[]] {
  const least = 10;
  const [n1, n2] = [total(before), total(after)];
  const isSmall = (a: number, b: number) =>
    (a + b) / (n1 + n2) * Math.min(n1, n2) < least;
  const bins = before.map((count, bin) => [count, after[bin]!] as const);
  if (!options.isOrdered) bins.sort(([a, b], [c, d]) => a + b - c - d);
  const merged: [number[], number[]] = [[], []];
  let [openBefore, openAfter] = [0, 0];
  for (const [a, b] of bins) {
    [openBefore, openAfter] = [openBefore + a, openAfter + b];
    if (isSmall(openBefore, openAfter)) continue;
    merged[0].push(openBefore);
    merged[1].push(openAfter);
    [openBefore, openAfter] = [0, 0];
  }
  if (openBefore + openAfter > 0 || merged[0].length === 0) {
    merged[0].push((merged[0].pop() ?? 0) + openBefore);
    merged[1].push((merged[1].pop() ?? 0) + openAfter);
  }
  return merged;
}

/** A test statistic, and the probability of an equal or larger one without drift. */
export interface TestResult {
  readonly statistic: number;
  readonly pValue: number;
}

/**
 * Runs the two-sample Kolmogorov-Smirnov test on ordered bins: returns the
 * largest distance between the two cumulative shares, and its p-value by
 * Kolmogorov's limiting distribution (Smirnov 1948, https://doi.org/10.1214/aoms/1177730256).
 *
 * With one bin per distinct value, this is the test on the values themselves.
 * With coarser bins, the distance is measured only at their edges: the statistic
 * is then a lower bound and the p-value an upper bound, so the test may miss
 * small drift but rarely raises a false alarm.
 *
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 *
 * // Cumulative shares 0.25, 0.5, 1 against 0, 0.5, 1.
 * deepStrictEqual(kolmogorovSmirnov([1, 1, 2], [0, 2, 2]).statistic, 0.25);
 * ```
 *
 * @param expected Counts per bin of the reference, bins in ascending order.
 * @param actual Counts of the current sample in the same bins.
 * @throws {RangeError} If the numbers of bins differ or a sample is empty.
 */
export function kolmogorovSmirnov(
  expected: readonly number[],
  actual: readonly number[],
): TestResult {
  const [before, after] = toShares(expected, actual);
  let distance = 0;
  let gap = 0;
  for (const [bin, share] of before.entries()) {
    gap += after[bin]! - share;
    distance = Math.max(distance, Math.abs(gap));
  }
  const [n1, n2] = [total(expected), total(actual)];
  const statistic = Math.min(1, distance);
  const scaled = statistic * Math.sqrt(n1 * n2 / (n1 + n2));
  return { statistic, pValue: kolmogorovTail(scaled) };
}

/**
 * Returns the probability that a variable with Kolmogorov's limiting
 * distribution exceeds `x`, by whichever of its two series converges fast
 * (Marsaglia, Tsang and Wang 2003, https://doi.org/10.18637/jss.v008.i18). It
 * corresponds to `scipy.special.kolmogorov`.
 *
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 *
 * strictEqual(kolmogorovTail(1.3581).toFixed(4), "0.0500"); // the 5 % point of printed tables
 * ```
 */
export function kolmogorovTail(x: number): number {
  if (x <= 0.1) return 1; // the difference from 1 is below double precision
  const terms = Array.from({ length: 100 }, (_, index) => index + 1);
  if (x < 1) {
    const below = total(
      terms.map((term) =>
        Math.exp(-(((2 * term - 1) * Math.PI) ** 2) / (8 * x * x))
      ),
    );
    return 1 - Math.sqrt(2 * Math.PI) / x * below;
  }
  const alternating = terms.map((term) =>
    (term % 2 === 1 ? 1 : -1) * Math.exp(-2 * (term * x) ** 2)
  );
  return Math.min(1, 2 * total(alternating));
}

/**
 * Runs Pearson's chi-square test of homogeneity on the counts of unordered
 * categories in two samples, without a continuity correction, as
 * `scipy.stats.chi2_contingency(correction=False)`. A category that is empty in
 * both samples is left out; a single category gives 0 and p 1.
 *
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 *
 * // 15 expected in all four cells: 4 * 5 ** 2 / 15
 * const { statistic, pValue } = chiSquareTest([10, 20], [20, 10]);
 * strictEqual(statistic.toFixed(4), "6.6667");
 * strictEqual(pValue.toFixed(4), "0.0098");
 * ```
 *
 * @param expected Counts per category of the reference.
 * @param actual Counts of the current sample, categories in the same order.
 * @throws {RangeError} If the numbers of categories differ or a sample is empty.
 */
export function chiSquareTest(
  expected: readonly number[],
  actual: readonly number[],
): TestResult {
  toShares(expected, actual);
  const [n1, n2] = [total(expected), total(actual)];
  const pairs = expected.map((before, index) =>
    [before, actual[index]!] as const
  ).filter(([before, after]) => before + after > 0);
  const statistic = total(pairs.map(([before, after]) => {
    const share = (before + after) / (n1 + n2);
    return (before - n1 * share) ** 2 / (n1 * share) +
      (after - n2 * share) ** 2 / (n2 * share);
  }));
  return { statistic, pValue: chiSquareTail(statistic, pairs.length - 1) };
}

/**
 * Returns the probability that a chi-square variable exceeds `x`: the regularized
 * upper incomplete gamma function of `freedom / 2` and `x / 2`, by its series or
 * its continued fraction, whichever converges fast (Press et al., Numerical
 * Recipes, 2007, section 6.2). It corresponds to `scipy.stats.chi2.sf`.
 *
 * @param freedom Degrees of freedom, a whole number; 0 gives 1.
 */
function chiSquareTail(x: number, freedom: number): number {
  if (freedom <= 0 || x <= 0) return 1;
  const a = freedom / 2;
  const z = x / 2;
  const scale = Math.exp(a * Math.log(z) - z - logGammaOfHalves(freedom));
  if (z < a + 1) {
    let term = 1 / a;
    let series = term;
    for (let n = 1; term > series * 1e-17; n++) {
      term *= z / (a + n);
      series += term;
    }
    return Math.max(0, 1 - scale * series);
  }
  // The modified method of Lentz.
  let b = z + 1 - a;
  let c = Infinity;
  let d = 1 / b;
  let fraction = d;
  for (let n = 1; n <= 100_000; n++) {
    const numerator = -n * (n - a);
    b += 2;
    d = 1 / (numerator * d + b);
    c = b + numerator / c;
    fraction *= d * c;
    if (Math.abs(d * c - 1) < 1e-16) break;
  }
  return scale * fraction;
}

/** Returns ln Γ(n / 2) of a whole number n ≥ 1, from Γ(1/2) = √π, Γ(1) = 1 and Γ(a + 1) = a Γ(a). */
function logGammaOfHalves(n: number): number {
  let log = n % 2 === 1 ? Math.log(Math.PI) / 2 : 0;
  for (let twice = n % 2 === 1 ? 1 : 2; twice < n; twice += 2) {
    log += Math.log(twice / 2);
  }
  return log;
}

/**
 * Returns the p-values adjusted for multiple tests, in the order given: among
 * the columns reported as drifted because their adjusted p-value is below a
 * level, the expected share of false reports is at most that level (the false
 * discovery rate of Benjamini and Hochberg, 1995,
 * https://doi.org/10.1111/j.2517-6161.1995.tb02031.x).
 *
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 *
 * // Sorted: 0.01 * 3/1, 0.02 * 3/2, 0.5 * 3/3, each at most its successor.
 * deepStrictEqual(adjustPValues([0.02, 0.5, 0.01]), [0.03, 0.5, 0.03]);
 * ```
 */
export function adjustPValues(pValues: readonly number[]): number[] {
  const adjusted = [...pValues];
  const descending = pValues.map((_, index) => index)
    .sort((a, b) => pValues[b]! - pValues[a]!);
  let smallest = 1;
  for (const [above, index] of descending.entries()) {
    const rank = pValues.length - above;
    smallest = Math.min(smallest, pValues[index]! * pValues.length / rank);
    adjusted[index] = smallest;
  }
  return adjusted;
}

function toShares(
  expected: readonly number[],
  actual: readonly number[],
): [number[], number[]] {
  if (expected.length !== actual.length) {
    throw new RangeError(
      `Cannot compare ${expected.length} bins with ${actual.length}`,
    );
  }
  const [before, after] = [total(expected), total(actual)];
  if (!(before > 0 && after > 0)) {
    throw new RangeError(
      `Cannot compare a sample of ${before} rows with one of ${after}: both need at least 1`,
    );
  }
  return [
    expected.map((count) => count / before),
    actual.map((count) => count / after),
  ];
}
