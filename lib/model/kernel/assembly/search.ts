/**
 * Builds the lookup tables with which `assignBins` of `kernel.ts` finds a
 * value's bin in a few comparisons. The bin of x is the number of thresholds
 * that are at most x.
 *
 * The bucket of x is `(x - low) * scale` in float32, clamped to 0 and the last
 * bucket, truncated to an integer. Each step rounds, but none decreases when x
 * increases. So a threshold in a lower bucket is at most x, and one in a higher
 * bucket is greater: only those in the same bucket must be compared, and these
 * comparisons are exact.
 */
import { allocate, relocate, powerOfTwo } from "./memory";
import { FeaturePredicates } from "./records";

/** Minimum buckets per threshold: more buckets make searches shorter and tables larger. */
const PER_THRESHOLD: u32 = 4;

/** Bucket indices are floats, which are exact up to here. */
const MOST_BUCKETS: u32 = 1 << 24;

/** Writes the tables for ascending, distinct thresholds. */
export function writeSearch(fp: FeaturePredicates, from: usize, count: u32): void {
  const wanted = min(max(1, count), MOST_BUCKETS / PER_THRESHOLD) * PER_THRESHOLD;
  const last = powerOfTwo(wanted) - 1;
  const low: f32 = count > 0 ? f32.load(from) : 0;
  const high: f32 = count > 0 ? f32.load(from + (<usize> (count - 1) << 2)) : 0;
  const perUnit = <f32> last / (high - low);
  const scale: f32 = isFinite(perUnit) ? perUnit : 0; // 0: all values are in bucket 0
  const buckets = allocate(<u64> (last + 1) << 2);
  let bucket: u32 = 0, before: u32 = 0, most: u32 = 0; // before: thresholds in lower buckets; most: in one bucket
  for (let n: u32 = 0; n <= count; n++) {
    const next = n < count ? bucketOf(f32.load(from + (<usize> n << 2)), low, scale, last) : last;
    if (n < count && next == bucket) continue;
    most = max(most, n - before);
    for (let b = bucket + 1; b <= next; b++) store<u32>(buckets + (<usize> b << 2), n);
    bucket = next;
    before = n;
  }
  const window = powerOfTwo(most + 1);
  const thresholds = allocate(<u64> (1 + count + window) << 2);
  memory.copy(thresholds + 4, from, <usize> count << 2);
  for (let n: u32 = 0; n < window; n++) {
    f32.store(thresholds + (<usize> (1 + count + n) << 2), NaN); // greater than no value: ends the search
  }
  fp.count = count;
  fp.thresholds = relocate(thresholds);
  fp.buckets = relocate(buckets);
  fp.lastBucket = <f32> last;
  fp.low = low;
  fp.scale = scale;
  fp.window = window;
}

/** Computes the bucket exactly as `assignBins` of `kernel.ts` does. */
function bucketOf(x: f32, low: f32, scale: f32, last: u32): u32 {
  const units = (x - low) * scale;
  return units > 0 ? <u32> min(<f32> last, units) : 0;
}
