/**
 * Lays out category sets as sets of bins. The category of a value is its
 * integer part, so a category is an interval of floats, and the kernel finds
 * the interval of a value just as it finds the bin between two thresholds.
 */
import { allocate, relocate, ensureMemory } from "./memory";
import { addPredicates, predicateOffset, setPredicate } from "./predicate-bits";
import { BinSet, FeaturePredicates, Method, Model, PLANE } from "./records";
import { writeSearch } from "./search";

/** Returns the smallest float that is at least an integer. */
function roundUp(whole: u32): f32 {
  const nearest = <f32> whole;
  if (<f64> nearest >= <f64> whole) return nearest;
  return reinterpret<f32>(reinterpret<u32>(nearest) + 1);
}

/** One bit per category: set if it is in any node's set for the current feature. */
let namedBits: usize = 0;
/** Per word of `namedBits`, u32 each: number of bits set in earlier words. */
let ranks: usize = 0;
/** Per named category, ascending, u32 each: its bin. */
let bins: usize = 0;

/** The bin of a category that no float has. */
const NO_BIN: u32 = 0xffffffff;

/** Allocates working memory for sets of at most `words` words. Call before `startLayout`. */
export function prepareSets(words: u32): void {
  namedBits = allocate(<u64> words << 2);
  ranks = allocate(<u64> words << 2);
  bins = allocate((<u64> words << 5) << 2);
}

/** Writes the predicates of the categorical nodes of one feature: each is true (left) outside the node's set. */
export function writeSets(fp: FeaturePredicates, model: Model, nodes: usize, count: u32, bounds: usize): void {
  const words = collectNamed(model, nodes, count);
  const boundCount = findBins(words, model.roundsDown, bounds);
  fp.method = Method.SETS;
  writeSearch(fp, bounds, boundCount);
  const sets = allocate(0);
  let at = sets;
  for (let n: u32 = 0; n < count; n++) {
    at = writeSet(model, load<u32>(nodes + (<usize> n << 2)), boundCount + 1, at);
  }
  allocate(at - sets);
  fp.sets = relocate(sets);
  fp.setCount = count;
}

/** Sets `namedBits` for all nodes and returns the number of words used. */
function collectNamed(model: Model, nodes: usize, count: u32): u32 {
  let words: u32 = 0;
  for (let n: u32 = 0; n < count; n++) {
    words = max(words, load<u32>(model.setSize + (<usize> load<u32>(nodes + (<usize> n << 2)) << 2)));
  }
  memory.fill(namedBits, 0, <usize> words << 2);
  for (let n: u32 = 0; n < count; n++) {
    const node: usize = load<u32>(nodes + (<usize> n << 2));
    const size = load<u32>(model.setSize + (node << 2));
    for (let w: u32 = 0; w < size; w++) {
      const to = namedBits + (<usize> w << 2);
      store<u32>(to, load<u32>(to) | wordOf(model, node, w));
    }
  }
  return words;
}

@inline
function wordOf(model: Model, node: usize, w: u32): u32 {
  return load<u32>(model.setWords + (<usize> (load<u32>(model.setStart + (node << 2)) + w) << 2));
}

/** Finds the bin of each named category. Writes where the categories' intervals begin and end to `bounds` and returns the number of bounds. */
function findBins(words: u32, roundsDown: u32, bounds: usize): u32 {
  let rank: u32 = 0, boundCount: u32 = 0;
  let last: f32 = 0;
  for (let w: u32 = 0; w < words; w++) {
    store<u32>(ranks + (<usize> w << 2), rank);
    for (let bits = load<u32>(namedBits + (<usize> w << 2)); bits != 0; bits &= bits - 1) {
      const category = (w << 5) + ctz(bits);
      const end = roundUp(category + 1);
      // When rounding toward zero, category 0 is everything above -1.
      const start: f32 = category == 0 && !roundsDown ? -0.99999994 : roundUp(category);
      let bin = NO_BIN;
      if (start < end) {
        if (boundCount == 0 || last != start) {
          f32.store(bounds + (<usize> boundCount << 2), start);
          boundCount++;
        }
        bin = boundCount;
        f32.store(bounds + (<usize> boundCount << 2), end);
        boundCount++;
        last = end;
      }
      store<u32>(bins + (<usize> rank << 2), bin);
      rank++;
    }
  }
  return boundCount;
}

/** Writes one node's set: the bins that go right or, if they are fewer, the bins that go left. Returns the end of the set. */
function writeSet(model: Model, node: usize, binCount: u32, at: usize): usize {
  const right = listBins(model, node, 0, false);
  const inverted = right * 2 > binCount;
  const count = inverted ? binCount - right : right;
  const list = at + offsetof<BinSet>();
  const end = list + (<usize> count << 2);
  ensureMemory(end);
  const set = changetype<BinSet>(at);
  setPredicate(<u32> node, addPredicates(1));
  set.plane = predicateOffset(<u32> node);
  set.count = count;
  set.inverted = inverted ? 1 : 0;
  set.missingLeft = load<u8>(model.defaultLeft + node);
  listBins(model, node, list, inverted);
  if (inverted) listBinsBelow(binCount);
  return end;
}

/** End of the list of bins that go left, and the first bin not yet listed or skipped. */
let listEnd: usize = 0, nextBin: u32 = 0;

/** Counts the bins that a node sends right and, if `list` is an address, lists their offsets or, if inverted, those of the bins below and between them. */
function listBins(model: Model, node: usize, list: usize, inverted: bool): u32 {
  const size = load<u32>(model.setSize + (node << 2));
  let count: u32 = 0;
  listEnd = list, nextBin = 0;
  for (let w: u32 = 0; w < size; w++) {
    const all = load<u32>(namedBits + (<usize> w << 2)), first = load<u32>(ranks + (<usize> w << 2));
    for (let own = wordOf(model, node, w); own != 0; own &= own - 1) {
      const below = (own & (0 - own)) - 1; // named categories before this one
      const bin = load<u32>(bins + (<usize> (first + popcnt(all & below)) << 2));
      if (bin == NO_BIN) continue;
      if (list && inverted) listBinsBelow(bin);
      else if (list) store<u32>(list + (<usize> count << 2), bin * <u32> PLANE);
      count++;
    }
  }
  return count;
}

/** Lists the bins from `nextBin` up to one that goes right. */
function listBinsBelow(end: u32): void {
  for (; nextBin < end; nextBin++, listEnd += 4) store<u32>(listEnd, nextBin * <u32> PLANE);
  nextBin = end + 1;
}
