/**
 * Category sets as sets of bins. The category of a value is its integer part,
 * so a category is an interval of floats, and the kernel finds the interval of
 * a value as it finds the bin between two thresholds.
 */
import { claim, moved, reach } from "./memory";
import { addPredicates, predicateOf, setPredicate } from "./predicate-bits";
import { BinSet, FeaturePredicates, Method, Model, PLANE } from "./records";
import { writeSearch } from "./search";

/** The smallest float that is not below a whole number. */
function roundUp(whole: u32): f32 {
  const nearest = <f32> whole;
  if (<f64> nearest >= <f64> whole) return nearest;
  return reinterpret<f32>(reinterpret<u32>(nearest) + 1);
}

/** A bit for each category that the nodes of one feature name. */
let named: usize = 0;
/** Per word of those bits, u32 each: how many are set in the words before. */
let before: usize = 0;
/** Per category that is named, ascending, u32 each: its bin. */
let bins: usize = 0;

/** No float has this category. */
const NO_BIN: u32 = 0xffffffff;

/** To be called before the layout is started: room for sets of so many words. */
export function startSets(words: u32): void {
  named = claim(<u64> words << 2);
  before = claim(<u64> words << 2);
  bins = claim((<u64> words << 5) << 2);
}

/** "In none of these bins?", for each of the nodes, which are categorical and of one feature. */
export function writeSets(q: FeaturePredicates, model: Model, nodes: usize, count: u32, bounds: usize): void {
  const words = nameAll(model, nodes, count);
  const boundCount = findBins(words, model.floor, bounds);
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

/** Finds the bin of each category that is named; how many bounds there are, where the categories' intervals begin and end, written to `bounds`. */
function findBins(words: u32, floor: u32, bounds: usize): u32 {
  let rank: u32 = 0, passed: u32 = 0;
  let last: f32 = 0;
  for (let w: u32 = 0; w < words; w++) {
    store<u32>(before + (<usize> w << 2), rank);
    for (let bits = load<u32>(named + (<usize> w << 2)); bits != 0; bits &= bits - 1) {
      const category = (w << 5) + ctz(bits);
      const end = roundUp(category + 1);
      // Rounded towards zero, category 0 is all above -1.
      const start: f32 = category == 0 && !floor ? -0.99999994 : roundUp(category);
      let bin = NO_BIN;
      if (start < end) {
        if (passed == 0 || last != start) {
          f32.store(bounds + (<usize> passed << 2), start);
          passed++;
        }
        bin = passed;
        f32.store(bounds + (<usize> passed << 2), end);
        passed++;
        last = end;
      }
      store<u32>(bins + (<usize> rank << 2), bin);
      rank++;
    }
  }
  return passed;
}

/** One node's set: the bins that it sends right or, where they are fewer, the bins that it sends left. Says where it ends. */
function writeSet(model: Model, node: usize, binCount: u32, at: usize): usize {
  const right = listBins(model, node, 0, false);
  const inverted = right * 2 > binCount;
  const count = inverted ? binCount - right : right;
  const list = at + offsetof<BinSet>();
  const end = list + (<usize> count << 2);
  reach(end);
  const set = changetype<BinSet>(at);
  setPredicate(<u32> node, addPredicates(1));
  set.plane = predicateOf(<u32> node);
  set.count = count;
  set.inverted = inverted ? 1 : 0;
  set.missingLeft = load<u8>(model.defaultLeft + node);
  listBins(model, node, list, inverted);
  if (inverted) listUpTo(binCount);
  return end;
}

/** The next place in a list of bins that go left, and the first bin that is not decided. */
let leftAt: usize = 0, undecided: u32 = 0;

/** Lists the offsets of the bins that a node sends right, or of those below and between them, where there is an address; how many go right. */
function listBins(model: Model, node: usize, list: usize, inverted: bool): u32 {
  const size = load<u32>(model.setSize + (node << 2));
  let count: u32 = 0;
  leftAt = list, undecided = 0;
  for (let w: u32 = 0; w < size; w++) {
    const all = load<u32>(named + (<usize> w << 2)), first = load<u32>(before + (<usize> w << 2));
    for (let own = wordOf(model, node, w); own != 0; own &= own - 1) {
      const below = (own & (0 - own)) - 1; // the named ones before this one count
      const bin = load<u32>(bins + (<usize> (first + popcnt(all & below)) << 2));
      if (bin == NO_BIN) continue;
      if (list && inverted) listUpTo(bin);
      else if (list) store<u32>(list + (<usize> count << 2), bin * <u32> PLANE);
      count++;
    }
  }
  return count;
}

/** Lists the bins below one that goes right. */
function listUpTo(end: u32): void {
  for (; undecided < end; undecided++, leftAt += 4) store<u32>(leftAt, undecided * <u32> PLANE);
  undecided = end + 1;
}
