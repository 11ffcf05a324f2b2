/**
 * A table that finds a value's bin, the number of thresholds that are not
 * above it, in very few comparisons.
 */
export interface SearchTable {
  /** Element 0 is unused; the thresholds, ascending; then `window` times NaN, which no value reaches. */
  readonly thresholds: Float32Array<ArrayBuffer>;
  /** Per bucket, how many thresholds lie in lower buckets. */
  readonly buckets: Uint32Array<ArrayBuffer>;
  /** Bucket of `x`: `(x - low) * scale` in float32, within 0 and the last bucket, cut to an integer. */
  readonly low: number;
  readonly scale: number;
  /** A power of two, larger than the number of thresholds in any bucket. */
  readonly window: number;
}

/** At least so many buckets per threshold: more make shorter searches and larger tables. */
const bucketsPerThreshold = 4;

/**
 * The table for sorted, distinct float32 thresholds.
 *
 * Every step of the bucket's formula is rounded, and none ever decreases where
 * `x` increases. So a threshold in a lower bucket than `x` is not above it,
 * and one in a higher bucket is: the comparisons within the bucket decide
 * alone, and they are exact.
 *
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 *
 * const table = searchTable(Float32Array.of(0, 1));
 * deepStrictEqual([...table.buckets], [0, 1, 1, 1, 1, 1, 1, 1]);
 * ```
 */
export function searchTable(thresholds: Float32Array): SearchTable {
  const count = thresholds.length;
  const wanted = Math.max(1, count) * bucketsPerThreshold;
  const last = 2 ** Math.ceil(Math.log2(wanted)) - 1;
  const low = thresholds[0] ?? 0;
  const range = Math.fround((thresholds[count - 1] ?? 0) - low);
  const perUnit = Math.fround(last / range);
  const scale = Number.isFinite(perUnit) ? perUnit : 0; // then all are in bucket 0
  const buckets = new Uint32Array(last + 1);
  let bucket = 0;
  let before = 0; // thresholds in lower buckets
  let most = 0;
  for (let n = 0; n <= count; n++) {
    // As `search` of the kernel computes it.
    const units = Math.fround(
      Math.fround((thresholds[n] ?? NaN) - low) * scale,
    );
    const next = n === count
      ? last
      : units > 0
      ? Math.trunc(Math.min(last, units))
      : 0;
    if (n < count && next === bucket) continue;
    most = Math.max(most, n - before);
    buckets.fill(n, bucket + 1, next + 1);
    bucket = next;
    before = n;
  }
  const window = 2 ** Math.ceil(Math.log2(most + 1));
  const padded = new Float32Array(1 + count + window).fill(NaN);
  padded.set(thresholds, 1);
  return { thresholds: padded, buckets, low, scale, window };
}
