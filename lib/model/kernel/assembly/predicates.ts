/**
 * Lays out the distinct predicates of a model, feature by feature. Nodes with
 * the same feature, threshold and default direction share one predicate.
 *
 * All inner nodes are sorted by predicate, so that equal predicates are
 * adjacent.
 */
import { prepareSets, writeSets } from "./categories";
import { allocate, relocate } from "./memory";
import { addPredicates, setPredicate, preparePredicates } from "./predicate-bits";
import { COLUMN, FeaturePredicates, Method, Model, Plan, PREDICATE } from "./records";
import { writeSearch } from "./search";

/** Up to this many thresholds, one comparison per threshold is faster than a search. */
const COMPARE_EACH_LIMIT: u32 = 24;

/** LightGBM's `kZeroThreshold`, as in `ensemble.ts`. */
const ZERO_THRESHOLD: f32 = 1e-35;

/** The inner nodes, and per node the sort key of its predicate. */
let keys: usize = 0, nodes: usize = 0;
/** The destination of a sorting pass. */
let scratchKeys: usize = 0, scratchNodes: usize = 0;
/** Number of inner nodes. */
let count: u32 = 0;

/** Working memory: the thresholds of a feature, or the bounds of its categories. */
let bounds: usize = 0;
/** Largest number of bins of a feature. */
export let binCount: u32 = 0;

/** Sorts the inner nodes and allocates working memory. Call before `startLayout`. */
export function sortPredicates(model: Model): void {
  for (let n: u32 = 0; n < model.nodes; n++) {
    if (<i32> load<u32>(model.left + (<usize> n << 2)) >= 0) count++;
  }
  keys = allocate(<u64> count << 3), scratchKeys = allocate(<u64> count << 3);
  nodes = allocate(<u64> count << 2), scratchNodes = allocate(<u64> count << 2);
  preparePredicates(model);
  let words: u32 = 0;
  let to: usize = 0;
  for (let n: u32 = 0; n < model.nodes; n++) {
    const at = <usize> n << 2;
    if (<i32> load<u32>(model.left + at) < 0) continue;
    const isSet = model.setStart != 0 && load<i32>(model.setStart + at) >= 0;
    if (isSet) words = max(words, load<u32>(model.setSize + at));
    const feature = <u64> load<u32>(model.feature + at);
    const threshold: u32 = isSet ? 0 : toSortable(f32.load(model.threshold + at));
    store<u64>(keys + (to << 3), (feature << 33) | (<u64> isSet << 32) | threshold);
    store<u32>(nodes + (to << 2), n);
    to++;
  }
  const counters = allocate(2048 * 4);
  const most = (<u64> model.features << 33) - 1;
  for (let shift: u32 = 0; shift < 64 && most >> shift > 0; shift += 11) sortByDigit(shift, counters);
  prepareSets(words);
  bounds = allocate(max<u64>(count, <u64> words * 64) << 2); // a category has two bounds
}

/** Maps a float to an integer of the same order; 0 and -0 are equal. */
function toSortable(x: f32): u32 {
  const bits = reinterpret<u32>(x + 0);
  return bits >> 31 ? ~bits : bits | 0x80000000;
}

function thresholdOf(key: u64): f32 {
  const number = <u32> key;
  return reinterpret<f32>(number >> 31 ? number & 0x7fffffff : ~number);
}

/** One pass of the radix sort: sorts by eleven bits of the keys, and is stable. */
function sortByDigit(shift: u32, counters: usize): void {
  memory.fill(counters, 0, 2048 * 4);
  const end = keys + (<usize> count << 3);
  for (let at = keys; at < end; at += 8) {
    const counter = counterOf(load<u64>(at), shift, counters);
    store<u32>(counter, load<u32>(counter) + 1);
  }
  let before: u32 = 0;
  for (let counter = counters; counter < counters + 2048 * 4; counter += 4) {
    const here = load<u32>(counter);
    if (here == count) return; // all keys have these bits in common
    store<u32>(counter, before);
    before += here;
  }
  for (let n: usize = 0; n < count; n++) {
    const key = load<u64>(keys + (n << 3));
    const counter = counterOf(key, shift, counters);
    const to: usize = load<u32>(counter);
    store<u32>(counter, <u32> to + 1);
    store<u64>(scratchKeys + (to << 3), key);
    store<u32>(scratchNodes + (to << 2), load<u32>(nodes + (n << 2)));
  }
  const k = keys, v = nodes;
  keys = scratchKeys, nodes = scratchNodes;
  scratchKeys = k, scratchNodes = v;
}

@inline
function counterOf(key: u64, shift: u32, counters: usize): usize {
  return counters + (<usize> (key >> shift & 2047) << 2);
}

/** Returns the end of the run of nodes from `from` on with the same feature and kind of predicate. */
function endOfRun(from: u32): u32 {
  const group = load<u64>(keys + (<usize> from << 3)) >> 32;
  let to = from + 1;
  while (to < count && load<u64>(keys + (<usize> to << 3)) >> 32 == group) to++;
  return to;
}

/** Writes the predicates of all features, and which four adjacent features of a row are read together. */
export function writePredicates(plan: Plan, model: Model): void {
  let runs: u32 = 0;
  for (let from: u32 = 0; from < count; from = endOfRun(from)) runs++;
  const records = allocate(<u64> runs * offsetof<FeaturePredicates>());
  const quads = allocate(<u64> runs << 2);
  let quadCount: usize = 0;
  let first: i32 = -4;
  let record = records;
  for (let from: u32 = 0; from < count;) {
    const to = endOfRun(from);
    const group = <u32> (load<u64>(keys + (<usize> from << 3)) >> 32);
    const feature = <i32> (group >> 1);
    if (feature >= first + 4) {
      first = max(0, min(feature, <i32> model.features - 4));
      store<u32>(quads + (quadCount++ << 2), first << 2);
    }
    const fp = changetype<FeaturePredicates>(record);
    fp.column = (((quadCount - 1) << 2) + (feature - first)) * COLUMN;
    fp.zeroThreshold = model.zeroIsMissing != 0 && load<u8>(model.zeroIsMissing + feature) ? ZERO_THRESHOLD : -1;
    if (group & 1) {
      writeSets(fp, model, nodes + (<usize> from << 2), to - from, bounds);
    } else writeThresholds(fp, model, from, to);
    binCount = max(binCount, fp.count + 1);
    record += offsetof<FeaturePredicates>();
    from = to;
  }
  plan.featurePredicates = relocate(records);
  plan.featurePredicateCount = runs;
  plan.quads = relocate(quads);
  plan.quadCount = <u32> quadCount;
}

/** Writes the predicates `x < threshold` for each distinct threshold and each default direction that occurs. */
function writeThresholds(fp: FeaturePredicates, model: Model, from: u32, to: u32): void {
  let distinct: u32 = 0, defaultSides: u32 = 0;
  let last: u64 = 0;
  for (let n = from; n < to; n++) {
    const key = load<u64>(keys + (<usize> n << 3));
    if (n == from || key != last) {
      f32.store(bounds + (<usize> distinct << 2), thresholdOf(key));
      distinct++;
    }
    last = key;
    defaultSides |= load<u8>(model.defaultLeft + load<u32>(nodes + (<usize> n << 2))) ? 2 : 1;
  }
  // With both default directions, the planes where missing goes left follow the others.
  const further = defaultSides == 3 ? distinct : 0;
  const first = addPredicates(distinct + further);
  let predicate = first - 1;
  for (let n = from; n < to; n++) {
    const key = load<u64>(keys + (<usize> n << 3));
    if (n == from || key != last) predicate++;
    last = key;
    const node = load<u32>(nodes + (<usize> n << 2));
    setPredicate(node, predicate + (load<u8>(model.defaultLeft + node) ? further : 0));
  }
  fp.method = distinct > COMPARE_EACH_LIMIT ? Method.BINS : Method.EACH;
  fp.defaultSides = defaultSides;
  fp.planes = <usize> first * PREDICATE;
  writeSearch(fp, bounds, distinct);
}
