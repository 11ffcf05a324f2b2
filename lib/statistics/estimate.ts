/** Estimated numbers and their uncertainty. */

/** The ends of a 95 % interval. */
export type Interval = readonly [low: number, high: number];

/** A number that was estimated, and its uncertainty. */
export interface Estimate {
  readonly value: number;
  readonly standardError: number;
  /** 95 % interval, by the normal distribution. */
  readonly interval: Interval;
}

/** The 97.5 % quantile of the standard normal distribution: a 95 % interval extends so many standard errors to both sides. */
export const normalQuantile975 = 1.959963984540054;

/** Returns an estimate with its 95 % interval, which is clipped to `range`. */
export function toEstimate(
  value: number,
  standardError: number,
  [least, most]: Interval = [-Infinity, Infinity],
): Estimate {
  const half = normalQuantile975 * standardError;
  const interval = [
    Math.max(least, value - half),
    Math.min(most, value + half),
  ] as const;
  return { value, standardError, interval };
}
