/**
 * Tables that find a value's bin, the number of thresholds that are not above
 * it, in very few comparisons. They are for `mark` of `kernel.ts`.
 *
 * The bucket of x is `(x - low) * scale` in float, within 0 and the last
 * bucket, cut to an integer. Every step of that is rounded, and none ever
 * decreases where x increases. So a threshold in a lower bucket than x is not
 * above it, and one in a higher bucket is: the comparisons within the bucket
 * decide alone, and they are exact.
 */
import { claim, moved, powerOfTwo } from "./memory";
import { FeaturePredicates } from "./records";

/** At least so many buckets per threshold: more make shorter searches and larger tables. */
const PER_THRESHOLD: u32 = 4;

/** A bucket's number is a float. */
const MOST_BUCKETS: u32 = 1 << 24;

/** Writes the table of ascending, distinct thresholds. */
export function writeSearch(q: FeaturePredicates, from: usize, count: u32): void {
  const wanted = min(max(1, count), MOST_BUCKETS / PER_THRESHOLD) * PER_THRESHOLD;
  const last = powerOfTwo(wanted) - 1;
  const low: f32 = count > 0 ? f32.load(from) : 0;
  const high: f32 = count > 0 ? f32.load(from + (<usize> (count - 1) << 2)) : 0;
  const perUnit = <f32> last / (high - low);
  const scale: f32 = isFinite(perUnit) ? perUnit : 0; // then all are in bucket 0
  const buckets = claim(<u64> (last + 1) << 2);
  let bucket: u32 = 0, before: u32 = 0, most: u32 = 0; // before: thresholds in lower buckets
  for (let n: u32 = 0; n <= count; n++) {
    const next = n < count ? bucketOf(f32.load(from + (<usize> n << 2)), low, scale, last) : last;
    if (n < count && next == bucket) continue;
    most = max(most, n - before);
    for (let b = bucket + 1; b <= next; b++) store<u32>(buckets + (<usize> b << 2), n);
    bucket = next;
    before = n;
  }
  const window = powerOfTwo(most + 1);
  const thresholds = claim(<u64> (1 + count + window) << 2);
  memory.copy(thresholds + 4, from, <usize> count << 2);
  for (let n: u32 = 0; n < window; n++) {
    f32.store(thresholds + (<usize> (1 + count + n) << 2), NaN); // which no value reaches
  }
  q.count = count;
  q.thresholds = moved(thresholds);
  q.buckets = moved(buckets);
  q.last = <f32> last;
  q.low = low;
  q.scale = scale;
  q.window = window;
}

/** As `search` of `kernel.ts` computes it. */
function bucketOf(x: f32, low: f32, scale: f32, last: u32): u32 {
  const units = (x - low) * scale;
  return units > 0 ? <u32> min(<f32> last, units) : 0;
}
