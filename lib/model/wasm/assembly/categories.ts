/**
 * Category sets as sets of bins. The category of a value is its integer part,
 * so a category is an interval of floats, and the kernel finds the interval of
 * a value as it finds the bin between two thresholds.
 */
import { answerOf, giveAnswers, setAnswer } from "./answers";
import { claim, moved, reach } from "./memory";
import { BinSet, Method, Model, PLANE, Questions } from "./records";
import { writeSearch } from "./search";

// A walk through the categories of a feature, ascending, that says the bin of each.

/** The bin of the category that was met last. */
let bin: u32 = 0;
/** Bounds that were passed: where intervals begin and end. */
let passed: u32 = 0;
let lastBound: f32 = 0;

/** Goes on to a category; false if no float has it. Bounds go to `to`, unless that is 0. */
function meet(category: u32, floor: u32, to: usize): bool {
  const end = roundUp(category + 1);
  // Rounded towards zero, category 0 is all above -1.
  const start: f32 = category == 0 && !floor ? -0.99999994 : roundUp(category);
  if (start >= end) return false;
  if (passed == 0 || lastBound != start) pass(start, to);
  bin = passed;
  pass(end, to);
  return true;
}

function pass(bound: f32, to: usize): void {
  if (to) f32.store(to + (<usize> passed << 2), bound);
  passed++;
  lastBound = bound;
}

/** The smallest float that is not below a whole number. */
function roundUp(whole: u32): f32 {
  const nearest = <f32> whole;
  if (<f64> nearest >= <f64> whole) return nearest;
  return reinterpret<f32>(reinterpret<u32>(nearest) + 1);
}

/** Room for a bit for each category that a model's nodes name. */
let named: usize = 0;

/** To be called before the layout is started: room for sets of so many words. */
export function startSets(words: u32): void {
  named = claim(<u64> words << 2);
}

/** "In none of these bins?", for each of the nodes, which are categorical and of one feature. */
export function writeSets(q: Questions, model: Model, nodes: usize, count: u32, bounds: usize): void {
  const words = nameAll(model, nodes, count);
  passed = 0;
  for (let w: u32 = 0; w < words; w++) {
    for (let bits = load<u32>(named + (<usize> w << 2)); bits != 0; bits &= bits - 1) {
      meet((w << 5) + ctz(bits), model.floor, bounds);
    }
  }
  const boundCount = passed;
  q.method = Method.SETS;
  writeSearch(q, bounds, boundCount);
  const sets = claim(0);
  let at = sets;
  for (let n: u32 = 0; n < count; n++) {
    at = writeSet(model, load<u32>(nodes + (<usize> n << 2)), boundCount + 1, at);
  }
  claim(at - sets);
  q.sets = moved(sets);
  q.setCount = count;
}

/** Collects the categories of all nodes in `named`; how many words they take. */
function nameAll(model: Model, nodes: usize, count: u32): u32 {
  let words: u32 = 0;
  for (let n: u32 = 0; n < count; n++) {
    words = max(words, load<u32>(model.setSize + (<usize> load<u32>(nodes + (<usize> n << 2)) << 2)));
  }
  memory.fill(named, 0, <usize> words << 2);
  for (let n: u32 = 0; n < count; n++) {
    const node: usize = load<u32>(nodes + (<usize> n << 2));
    const size = load<u32>(model.setSize + (node << 2));
    for (let w: u32 = 0; w < size; w++) {
      const to = named + (<usize> w << 2);
      store<u32>(to, load<u32>(to) | wordOf(model, node, w));
    }
  }
  return words;
}

@inline
function wordOf(model: Model, node: usize, w: u32): u32 {
  return load<u32>(model.setWords + (<usize> (load<u32>(model.setStart + (node << 2)) + w) << 2));
}

/** One node's set: the bins that it sends right or, where they are fewer, the bins that it sends left. Says where it ends. */
function writeSet(model: Model, node: usize, bins: u32, at: usize): usize {
  const right = listBins(model, node, 0, 0);
  const inverted = right * 2 > bins;
  const count = inverted ? bins - right : right;
  const list = at + offsetof<BinSet>();
  const end = list + (<usize> count << 2);
  reach(end);
  const set = changetype<BinSet>(at);
  setAnswer(<u32> node, giveAnswers(1));
  set.plane = answerOf(<u32> node);
  set.count = count;
  set.inverted = inverted ? 1 : 0;
  set.missingLeft = load<u8>(model.defaultLeft + node);
  listBins(model, node, inverted ? 0 : list, inverted ? list : 0);
  if (inverted) fillLeft(bins);
  return end;
}

/** The next place in a list of bins that go left, and the first bin that is not decided. */
let leftAt: usize = 0, undecided: u32 = 0;

/** Lists the offsets of the bins that a node sends right, or of those between them, where there is an address for them; how many go right. */
function listBins(model: Model, node: usize, right: usize, left: usize): u32 {
  const size = load<u32>(model.setSize + (node << 2));
  let count: u32 = 0;
  passed = 0, leftAt = left, undecided = 0;
  for (let w: u32 = 0; w < size; w++) {
    const own = wordOf(model, node, w);
    for (let bits = load<u32>(named + (<usize> w << 2)); bits != 0; bits &= bits - 1) {
      const bit = ctz(bits);
      if (!meet((w << 5) + bit, model.floor, 0) || !(own >> bit & 1)) continue;
      if (right) store<u32>(right + (<usize> count << 2), bin * <u32> PLANE);
      if (left) fillLeft(bin);
      count++;
    }
  }
  return count;
}

/** Lists the bins below one that goes right. */
function fillLeft(end: u32): void {
  for (; undecided < end; undecided++, leftAt += 4) store<u32>(leftAt, undecided * <u32> PLANE);
  undecided = end + 1;
}
