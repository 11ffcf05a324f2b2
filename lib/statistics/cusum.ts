/** Cumulative sums over periods: they find a shift that is too small to be seen in a single one. */
import { total } from "./column-counts.ts";

/** How a cumulative sum is formed; `docs/monitoring.md` explains the values. */
export interface CusumOptions {
  /** Shift of the mean rank that is tolerated, a share from 0 to 0.5. */
  readonly tolerance: number;
  /** Standard errors of a shift that are allowed for, the reference's included. */
  readonly errors: number;
  /** What one period adds at most, in standard errors. */
  readonly most: number;
  /** The largest sum, so that it falls again soon after the shift has ended. */
  readonly limit: number;
}

/** A shift over periods. */
export interface Cusum {
  /** The larger of the sums for a rise and for a fall, in standard errors of one period; 0 or more. */
  readonly sum: number;
  /** Shift of the mean rank in the last period, from -0.5 to 0.5. */
  readonly shift: number;
  /** Number of periods since the sum was 0. */
  readonly periods: number;
  /** Whether the last period added to the sum. */
  readonly isRising: boolean;
}

/**
 * Returns the shift of the mean rank: the mean, over the current rows, of the
 * share of the reference below them (half of it in their own bin), less 1/2. It
 * is the probability that a current value exceeds one of the reference, ties
 * counted half, less 1/2 (the ridit of Bross 1958,
 * https://doi.org/10.2307/2527727; Mann and Whitney's U by bins).
 *
 * @param reference Counts per bin, ascending; not all 0.
 * @param current Counts in the same bins; not all 0.
 * @returns The shift, and the standard deviation of a single row's rank without drift.
 */
export function rankShift(
  reference: readonly number[],
  current: readonly number[],
): { shift: number; deviation: number } {
  const before = total(reference);
  const now = total(current);
  let below = 0;
  let mean = 0;
  let square = 0;
  for (const [bin, count] of reference.entries()) {
    const rank = (below + count / 2) / before;
    mean += rank * current[bin]! / now;
    square += rank ** 2 * count / before;
    below += count;
  }
  // The reference's own mean rank is 1/2 by definition.
  return {
    shift: mean - 0.5,
    deviation: Math.sqrt(Math.max(0, square - 0.25)),
  };
}

/**
 * Returns the cumulative sum of the shifts of the mean rank beyond what is
 * allowed for (Page 1954, https://doi.org/10.1093/biomet/41.1-2.100). The
 * allowance of a period is the tolerance, or so many standard errors of the
 * difference between its rows and the reference, whichever is larger: the
 * reference's error is the same in all periods, and so is part of the rows' own
 * where the same players come every week.
 *
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 *
 * const options = { tolerance: 0.02, errors: 3, most: 4, limit: 10 };
 * const reference = [500, 500];
 * strictEqual(cumulativeShift(reference, [[500, 500], [510, 490]], options).sum, 0);
 * // A shift of 0.05 each week: (0.05 - 3 * 0.25 * sqrt(2 / 1000)) / (0.25 / sqrt(1000)) = 2.08
 * const { sum, periods } = cumulativeShift(reference, [[400, 600], [400, 600]], options);
 * strictEqual(sum.toFixed(2), "4.16");
 * strictEqual(periods, 2);
 * ```
 *
 * @param periods Counts per bin of each period, oldest first; a period without rows is passed over.
 */
export function cumulativeShift(
  reference: readonly number[],
  periods: readonly (readonly number[])[],
  { tolerance, errors, most, limit }: CusumOptions,
): Cusum {
  const all = total(reference);
  let found: Cusum = { sum: 0, shift: 0, periods: 0, isRising: false };
  let [rise, fall] = [found, found];
  for (const counts of periods) {
    const rows = total(counts);
    if (rows === 0 || all === 0) continue;
    const { shift, deviation } = rankShift(reference, counts);
    if (deviation === 0) continue; // a single bin has no ranks
    const allowance = Math.max(
      tolerance,
      errors * deviation * Math.sqrt(1 / all + 1 / rows),
    );
    const error = deviation / Math.sqrt(rows);
    const add = (to: Cusum, size: number): Cusum => {
      const step = Math.min(most, (size - allowance) / error);
      const next = Math.min(limit, Math.max(0, to.sum + step));
      const periods = next > 0 ? to.periods + 1 : 0;
      return { sum: next, shift, periods, isRising: step > 0 };
    };
    rise = add(rise, shift);
    fall = add(fall, -shift);
    found = rise.sum >= fall.sum ? rise : fall;
  }
  return found;
}
