/** Measures whether probabilities agree with the outcomes that followed: calibration in the large, its slope, and reliability bins. */
import { clipped, type Scored, tiedRows } from "./classification.ts";
import { type Interval, toEstimate } from "./estimate.ts";

/** The observed rate minus the expected one, and its uncertainty. */
export interface CalibrationInTheLarge {
  /** Share of rows with outcome 1. */
  readonly observed: number;
  /** Mean probability. */
  readonly expected: number;
  /** `observed - expected`: above 0, more rows had outcome 1 than predicted. */
  readonly difference: number;
  /** Standard error of the difference if the probabilities are right. */
  readonly standardError: number;
  /** The difference in standard errors. */
  readonly z: number;
  /** 95 % interval of the difference. */
  readonly interval: Interval;
}

/** The slope of the logistic recalibration, and its standard error. */
export interface CalibrationSlope {
  /** 1 for calibrated scores; below 1, the scores are too extreme. */
  readonly slope: number;
  readonly standardError: number;
}

/** The rows whose scores fall into one tenth. */
export interface ReliabilityBin {
  readonly rows: number;
  /** Mean probability. */
  readonly expected: number;
  /** Share of rows with outcome 1. */
  readonly observed: number;
}

/**
 * Returns the observed minus the expected rate, with Spiegelhalter's error: if
 * the probabilities p are right, the number of outcomes 1 has the variance
 * Σ p (1 - p) (Steyerberg 2019, Clinical Prediction Models,
 * https://doi.org/10.1007/978-3-030-16399-0, chapter 15). `z` is the score test
 * of the intercept of a logistic model with the offset logit(p). Undefined
 * without rows, or if all probabilities are 0 or 1.
 *
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 *
 * // 75 of 100 observed, 50 expected, with a standard deviation of 5.
 * const outcomes = Array.from({ length: 100 }, (_, row) => Number(row < 75));
 * const found = calibrationInTheLarge({ probabilities: outcomes.map(() => 0.5), outcomes })!;
 * deepStrictEqual([found.difference, found.z], [0.25, 5]);
 * ```
 */
export function calibrationInTheLarge(
  { probabilities, outcomes }: Scored,
): CalibrationInTheLarge | undefined {
  const rows = probabilities.length;
  let [expectedSum, observedSum, variance] = [0, 0, 0];
  for (let row = 0; row < rows; row++) {
    const probability = probabilities[row]!;
    expectedSum += probability;
    observedSum += outcomes[row]!;
    variance += probability * (1 - probability);
  }
  if (!(variance > 0)) return undefined;
  const difference = (observedSum - expectedSum) / rows;
  const standardError = Math.sqrt(variance) / rows;
  return {
    observed: observedSum / rows,
    expected: expectedSum / rows,
    difference,
    standardError,
    z: difference / standardError,
    interval: toEstimate(difference, standardError).interval,
  };
}

/**
 * Returns the slope b of the logistic recalibration logit P(outcome 1) = a + b
 * logit(p) (Cox 1958, https://doi.org/10.1093/biomet/45.3-4.562), fitted by
 * Newton's method, and its standard error from the information matrix.
 * Probabilities are clipped to double's epsilon from 0 and 1. Undefined if no
 * maximum exists: a single outcome or probability, or probabilities that
 * separate the outcomes.
 *
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 *
 * // Predicted 0.2 and 0.8, observed 0.4 and 0.6: log-odds of ln 1.5 for those of ln 4.
 * const probabilities = [0.2, 0.2, 0.2, 0.2, 0.2, 0.8, 0.8, 0.8, 0.8, 0.8];
 * const outcomes = [1, 1, 0, 0, 0, 1, 1, 1, 0, 0];
 * const { slope } = calibrationSlope({ probabilities, outcomes })!;
 * strictEqual(slope.toFixed(10), (Math.log(1.5) / Math.log(4)).toFixed(10));
 * ```
 */
export function calibrationSlope(
  { probabilities, outcomes }: Scored,
): CalibrationSlope | undefined {
  const logits = Float64Array.from(probabilities, toLogit);
  if (!doOverlap(logits, outcomes)) return undefined;
  // Standardized, the information matrix is well conditioned for any scores.
  const mean = meanOf(logits);
  const scale = Math.sqrt(meanOf(logits.map((each) => (each - mean) ** 2)));
  const values = logits.map((each) => (each - mean) / scale);
  let parameters: readonly [number, number] = [0, 0];
  for (let step = 0; step < 100; step++) {
    const here = derivatives(parameters, { values, outcomes });
    const [g0, g1] = here.gradient;
    const { i00, i01, i11 } = here;
    const determinant = i00 * i11 - i01 * i01;
    if (!(determinant > 0)) return undefined;
    const move0 = (i11 * g0 - i01 * g1) / determinant;
    const move1 = (i00 * g1 - i01 * g0) / determinant;
    if (Math.max(Math.abs(move0), Math.abs(move1)) < 1e-11) {
      return {
        slope: parameters[1] / scale,
        standardError: Math.sqrt(i00 / determinant) / scale,
      };
    }
    // Halves a step that overshoots; the likelihood is concave, so a short step always raises it.
    let share = 1;
    let next = parameters;
    for (; share > 1e-10; share /= 2) {
      next = [parameters[0] + share * move0, parameters[1] + share * move1];
      const there = derivatives(next, { values, outcomes });
      const rounding = 1e-12 * Math.abs(here.logLikelihood);
      if (there.logLikelihood >= here.logLikelihood - rounding) break;
    }
    parameters = next;
  }
  return undefined;
}

/**
 * Returns the shift in log-odds that, added to every probability, makes the
 * expected rate equal `rate`: the maximum likelihood intercept of a logistic
 * model with the offset logit(p). Probabilities are clipped to double's epsilon
 * from 0 and 1. Undefined without rows, or if `rate` is not between 0 and 1.
 *
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 *
 * strictEqual(logOddsShift([0.5, 0.5], 0.75)!.toFixed(10), Math.log(3).toFixed(10));
 * ```
 */
export function logOddsShift(
  probabilities: ArrayLike<number>,
  rate: number,
): number | undefined {
  if (probabilities.length === 0 || !(rate > 0 && rate < 1)) return undefined;
  const logits = Float64Array.from(probabilities, toLogit);
  // The expected rate increases with the shift; logits are within ±37, so the root is within ±80.
  let [low, high] = [-80, 80];
  for (let step = 0; step < 60; step++) {
    const middle = (low + high) / 2;
    const isBelow = expectedRate(logits, middle) < rate;
    if (isBelow) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/**
 * Returns the expected and the observed rate per tenth of the scores, lowest
 * first. Equal scores belong to the tenth of the first of them, so there may be
 * fewer than ten bins; none is empty. For a multiple of ten rows, these are
 * scikit-learn's quantile bins (`calibration_curve`).
 *
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 *
 * deepStrictEqual(reliabilityBins({ probabilities: [0.5, 0.25, 0.25], outcomes: [1, 0, 1] }), [
 *   { rows: 2, expected: 0.25, observed: 0.5 },
 *   { rows: 1, expected: 0.5, observed: 1 },
 * ]);
 * ```
 */
export function reliabilityBins(
  { probabilities, outcomes }: Scored,
): ReliabilityBin[] {
  return tenthsOf(probabilities).map((tenth) => {
    const mean = (values: ArrayLike<number>) =>
      tenth.reduce((sum, row) => sum + values[row]!, 0) / tenth.length;
    return {
      rows: tenth.length,
      expected: mean(probabilities),
      observed: mean(outcomes),
    };
  });
}

/** Returns the rows in each tenth of the scores, lowest first; equal scores belong to the tenth of the first of them, and no tenth is empty. */
export function tenthsOf(scores: ArrayLike<number>): number[][] {
  const tenths = Array.from({ length: 10 }, (): number[] => []);
  let below = 0;
  for (const tied of tiedRows(scores)) {
    const tenth = tenths[Math.floor(10 * below / scores.length)]!;
    for (const row of tied) tenth.push(row);
    below += tied.length;
  }
  return tenths.filter(({ length }) => length > 0);
}

/** Returns the log likelihood at intercept and slope, its gradient, and the information matrix. */
function derivatives(
  [intercept, slope]: readonly [number, number],
  { values, outcomes }: {
    values: Float64Array;
    outcomes: ArrayLike<number>;
  },
) {
  let [logLikelihood, g0, g1, i00, i01, i11] = [0, 0, 0, 0, 0, 0];
  for (const [row, value] of values.entries()) {
    const logit = intercept + slope * value;
    const residual = outcomes[row]! - logistic(logit);
    const weight = logistic(logit) * logistic(-logit);
    const signed = outcomes[row] === 1 ? logit : -logit;
    logLikelihood += Math.min(0, signed) -
      Math.log1p(Math.exp(-Math.abs(logit)));
    g0 += residual;
    g1 += residual * value;
    i00 += weight;
    i01 += weight * value;
    i11 += weight * value * value;
  }
  return { logLikelihood, gradient: [g0, g1] as const, i00, i01, i11 };
}

/** Returns true if no threshold separates the outcomes; only then has the logistic likelihood a maximum (Albert and Anderson 1984, https://doi.org/10.1093/biomet/71.1.1). */
function doOverlap(
  logits: Float64Array,
  outcomes: ArrayLike<number>,
): boolean {
  const ranges = [0, 1].map((outcome) => {
    let [low, high] = [Infinity, -Infinity];
    for (const [row, logit] of logits.entries()) {
      if (outcomes[row] !== outcome) continue;
      low = Math.min(low, logit);
      high = Math.max(high, logit);
    }
    return { low, high };
  });
  const [zero, one] = [ranges[0]!, ranges[1]!];
  return one.low < zero.high && zero.low < one.high;
}

function toLogit(probability: number): number {
  const share = clipped(probability);
  return Math.log(share) - Math.log1p(-share);
}

function logistic(logit: number): number {
  return 1 / (1 + Math.exp(-logit));
}

function expectedRate(logits: Float64Array, shift: number): number {
  let sum = 0;
  for (const logit of logits) sum += logistic(logit + shift);
  return sum / logits.length;
}

function meanOf(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
