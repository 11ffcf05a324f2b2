/**
 * Every distinct predicate of a model's nodes once, feature by feature. Nodes
 * with the same feature, threshold and default direction share one.
 *
 * All inner nodes are sorted by their predicates, so that equal ones are
 * neighbours.
 */
import { startSets, writeSets } from "./categories";
import { claim, moved } from "./memory";
import { addPredicates, setPredicate, startPredicates } from "./predicate-bits";
import { COLUMN, FeaturePredicates, Method, Model, Plan, PREDICATE } from "./records";
import { writeSearch } from "./search";

/** Up to so many thresholds, comparing with each of them is faster than a search for all. */
const FEW: u32 = 24;

/** LightGBM's `kZeroThreshold`, as the evaluator has it. */
const ZERO: f32 = 1e-35;

/** Inner nodes, and a number for each that sorts them by their predicates. */
let keys: usize = 0, nodes: usize = 0;
/** As much again, to sort into. */
let spareKeys: usize = 0, spareNodes: usize = 0;
/** How many there are. */
let count: u32 = 0;

/** Room to work in: the thresholds of a feature, or the bounds of its categories. */
let bounds: usize = 0;
/** The largest number of bins of a feature. */
export let binCount: u32 = 0;

/** What is needed beside the layout: to be called before it is started. */
export function sortPredicates(model: Model): void {
  for (let n: u32 = 0; n < model.nodes; n++) {
    if (<i32> load<u32>(model.left + (<usize> n << 2)) >= 0) count++;
  }
  keys = claim(<u64> count << 3), spareKeys = claim(<u64> count << 3);
  nodes = claim(<u64> count << 2), spareNodes = claim(<u64> count << 2);
  startPredicates(model);
  let words: u32 = 0;
  let to: usize = 0;
  for (let n: u32 = 0; n < model.nodes; n++) {
    const at = <usize> n << 2;
    if (<i32> load<u32>(model.left + at) < 0) continue;
    const isSet = model.setStart != 0 && load<i32>(model.setStart + at) >= 0;
    if (isSet) words = max(words, load<u32>(model.setSize + at));
    const feature = <u64> load<u32>(model.feature + at);
    const threshold: u32 = isSet ? 0 : ascending(f32.load(model.threshold + at));
    store<u64>(keys + (to << 3), (feature << 33) | (<u64> isSet << 32) | threshold);
    store<u32>(nodes + (to << 2), n);
    to++;
  }
  const places = claim(2048 * 4);
  const most = (<u64> model.features << 33) - 1;
  for (let shift: u32 = 0; shift < 64 && most >> shift > 0; shift += 11) sortBy(shift, places);
  startSets(words);
  bounds = claim(max<u64>(count, <u64> words * 64) << 2); // a category has two
}

/** A number that ascends with the float: 0 and -0 are one. */
function ascending(x: f32): u32 {
  const bits = reinterpret<u32>(x + 0);
  return bits >> 31 ? ~bits : bits | 0x80000000;
}

function thresholdOf(key: u64): f32 {
  const number = <u32> key;
  return reinterpret<f32>(number >> 31 ? number & 0x7fffffff : ~number);
}

/** Sorts by eleven bits of the keys, and keeps the order of those that have the same. */
function sortBy(shift: u32, places: usize): void {
  memory.fill(places, 0, 2048 * 4);
  const end = keys + (<usize> count << 3);
  for (let at = keys; at < end; at += 8) {
    const place = placeOf(load<u64>(at), shift, places);
    store<u32>(place, load<u32>(place) + 1);
  }
  let before: u32 = 0;
  for (let place = places; place < places + 2048 * 4; place += 4) {
    const here = load<u32>(place);
    if (here == count) return; // all have the same
    store<u32>(place, before);
    before += here;
  }
  for (let n: usize = 0; n < count; n++) {
    const key = load<u64>(keys + (n << 3));
    const place = placeOf(key, shift, places);
    const to: usize = load<u32>(place);
    store<u32>(place, <u32> to + 1);
    store<u64>(spareKeys + (to << 3), key);
    store<u32>(spareNodes + (to << 2), load<u32>(nodes + (n << 2)));
  }
  const k = keys, v = nodes;
  keys = spareKeys, nodes = spareNodes;
  spareKeys = k, spareNodes = v;
}

@inline
function placeOf(key: u64, shift: u32, places: usize): usize {
  return places + (<usize> (key >> shift & 2047) << 2);
}

/** One past the last of the nodes from `from` on whose predicates are of the same feature and kind. */
function endOfRun(from: u32): u32 {
  const asked = load<u64>(keys + (<usize> from << 3)) >> 32;
  let to = from + 1;
  while (to < count && load<u64>(keys + (<usize> to << 3)) >> 32 == asked) to++;
  return to;
}

/** Writes the predicates of all features, and which four neighbouring features of a row are read together. */
export function writePredicates(plan: Plan, model: Model): void {
  let runs: u32 = 0;
  for (let from: u32 = 0; from < count; from = endOfRun(from)) runs++;
  const records = claim(<u64> runs * offsetof<FeaturePredicates>());
  const quads = claim(<u64> runs << 2);
  let quadCount: usize = 0;
  let first: i32 = -4;
  let record = records;
  for (let from: u32 = 0; from < count;) {
    const to = endOfRun(from);
    const asked = <u32> (load<u64>(keys + (<usize> from << 3)) >> 32);
    const feature = <i32> (asked >> 1);
    if (feature >= first + 4) {
      first = max(0, min(feature, <i32> model.features - 4));
      store<u32>(quads + (quadCount++ << 2), first << 2);
    }
    const q = changetype<FeaturePredicates>(record);
    q.column = (((quadCount - 1) << 2) + (feature - first)) * COLUMN;
    q.zero = model.zeroIsMissing != 0 && load<u8>(model.zeroIsMissing + feature) ? ZERO : -1;
    if (asked & 1) {
      writeSets(q, model, nodes + (<usize> from << 2), to - from, bounds);
    } else writeThresholds(q, model, from, to);
    binCount = max(binCount, q.count + 1);
    record += offsetof<FeaturePredicates>();
    from = to;
  }
  plan.featurePredicates = moved(records);
  plan.featurePredicateCount = runs;
  plan.quads = moved(quads);
  plan.quadCount = <u32> quadCount;
}

/** "Under the threshold?", for each distinct threshold and each default direction that occurs. */
function writeThresholds(q: FeaturePredicates, model: Model, from: u32, to: u32): void {
  let distinct: u32 = 0, wanted: u32 = 0;
  let last: u64 = 0;
  for (let n = from; n < to; n++) {
    const key = load<u64>(keys + (<usize> n << 3));
    if (n == from || key != last) {
      f32.store(bounds + (<usize> distinct << 2), thresholdOf(key));
      distinct++;
    }
    last = key;
    wanted |= load<u8>(model.defaultLeft + load<u32>(nodes + (<usize> n << 2))) ? 2 : 1;
  }
  // Where missing goes left, in planes behind the others.
  const further = wanted == 3 ? distinct : 0;
  const first = addPredicates(distinct + further);
  let predicate = first - 1;
  for (let n = from; n < to; n++) {
    const key = load<u64>(keys + (<usize> n << 3));
    if (n == from || key != last) predicate++;
    last = key;
    const node = load<u32>(nodes + (<usize> n << 2));
    setPredicate(node, predicate + (load<u8>(model.defaultLeft + node) ? further : 0));
  }
  q.method = distinct > FEW ? Method.BINS : Method.EACH;
  q.wanted = wanted;
  q.planes = <usize> first * PREDICATE;
  writeSearch(q, bounds, distinct);
}
