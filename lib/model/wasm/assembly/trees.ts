/**
 * From the trees of a file to the arrays of a `TreeEnsemble`, with every claim
 * of the file checked on the way: after this, a walk through any tree ends at a
 * leaf, whatever the row.
 */
import { claim } from "./memory";

/** Ends the work with a message about a node of a tree; what a and b say depends on the problem. */
@external("env", "refuseNode")
declare function refuseNode(problem: NodeProblem, tree: u32, node: u32, a: f64, b: f64): void;

/** What can be wrong; `../nodeerror.ts` has the words. */
enum NodeProblem {
  LEFT, // child a is not among b nodes
  RIGHT,
  TWICE, // child a belongs to another node too, or is the root
  FOLLOWS, // right child a does not follow left child b
  PARENTS, // the children name a and b as parents
  FLAG, // default_left a is neither 0 nor 1
  TYPE, // split type a; b is 1 with categories
  FEATURE, // a, of b
  THRESHOLD, // is NaN
  LEAF, // value a
  CATEGORY, // a
  WORDS, // sets are too large together
}

/** XGBoost's first category that is none (`OutOfRangeCat`). */
const CATEGORIES: i32 = 1 << 24;

/** Words of all sets of a model together: 64 MiB. */
const MOST_WORDS: u64 = 1 << 24;

/** Trees as a file has them, and what becomes of them. Arrays are one tree's nodes behind the other's. */
@unmanaged
class Forest {
  trees: u32;
  nodes: u32;
  features: u32;
  leafSize: u32;
  wide: u32; // 1: leaves are doubles
  setCount: u32;
  sizes: usize; // u32 a tree
  left: usize; // i32 a node, as all of these; -1 at a leaf
  right: usize;
  parents: usize; // 0: not told. Then right children need not follow left ones
  feature: usize;
  threshold: usize; // f32
  defaultLeft: usize;
  types: usize; // 1 at a categorical node; 0: not told
  leaf: usize; // f32 or f64, leafSize a node
  sets: usize; // number of a node's set, -1 for none; 0: no sets
  setEnds: usize; // u32 a set: where its categories end and the next set's begin
  categories: usize; // i32
  // From here on the results; the first nodes of them are used.
  used: u32;
  maxDepth: u32;
  wordCount: u32;
  roots: usize; // u32 a tree
  reached: usize; // u32 a tree: nodes that its root leads to
  newLeft: usize;
  newFeature: usize;
  newThreshold: usize;
  newDefaultLeft: usize; // u8
  newLeaf: usize;
  setStart: usize; // 0: no sets
  setSize: usize;
  words: usize;
}

// Room to work in, for one tree: the file's node numbers in our order, and
// which of them were met.
let order: usize = 0, met: usize = 0;

/** Words that there is room for: no more than all sets take, each once. */
let wordRoom: u64 = 0;

/** Fills in the results of a `Forest`. */
export function flatten(address: usize): void {
  const forest = changetype<Forest>(address);
  const nodes: u64 = forest.nodes;
  forest.roots = claim(<u64> forest.trees << 2);
  forest.reached = claim(<u64> forest.trees << 2);
  forest.newLeft = claim(nodes << 2);
  forest.newFeature = claim(nodes << 2);
  forest.newThreshold = claim(nodes << 2);
  forest.newDefaultLeft = claim(nodes);
  forest.newLeaf = claim((nodes * forest.leafSize) << (forest.wide ? 3 : 2));
  if (forest.sets) {
    forest.setStart = claim(nodes << 2);
    forest.setSize = claim(nodes << 2);
    memory.fill(forest.setStart, 0xff, <usize> nodes << 2);
    wordRoom = min(mostWords(forest), MOST_WORDS);
    forest.words = claim(wordRoom << 2);
  }
  order = claim(nodes << 2), met = claim(nodes);
  let first: u32 = 0;
  for (let t: u32 = 0; t < forest.trees; t++) {
    const size = load<u32>(forest.sizes + (<usize> t << 2));
    check(forest, t, first, size);
    append(forest, t, first, size);
    first += size;
  }
}

/** How many words the sets take if every one is used; no less. */
function mostWords(forest: Forest): u64 {
  let words: u64 = 0, n: u32 = 0;
  for (let s: u32 = 0; s < forest.setCount; s++) {
    let largest: i32 = -1;
    for (const end = load<u32>(forest.setEnds + (<usize> s << 2)); n < end; n++) {
      largest = max(largest, min(load<i32>(forest.categories + (<usize> n << 2)), CATEGORIES));
    }
    words += (largest >> 5) + 1;
  }
  return words;
}

@inline
function at(array: usize, n: u32): i32 {
  return load<i32>(array + (<usize> n << 2));
}

/** What must be true of every node of a tree, also of those that no walk reaches. */
function check(forest: Forest, tree: u32, first: u32, size: u32): void {
  for (let node: u32 = 0; node < size; node++) {
    const n = first + node;
    const flag = at(forest.defaultLeft, n);
    if (flag >> 1) refuseNode(NodeProblem.FLAG, tree, node, flag, 0);
    if (forest.types) {
      const hasSet = forest.sets != 0 && at(forest.sets, n) >= 0 ? 1 : 0;
      if (at(forest.types, n) != hasSet) refuseNode(NodeProblem.TYPE, tree, node, at(forest.types, n), hasSet);
    }
    if (!forest.parents) continue;
    // XGBoost goes to the node after the left child where it does not go left,
    // so a file whose right child stands elsewhere would mean two things.
    const child = at(forest.left, n);
    if (child < 0 || child >= <i32> size - 1) continue; // a leaf, or refused later
    const right = at(forest.right, n);
    if (right != child + 1) refuseNode(NodeProblem.FOLLOWS, tree, node, right, child);
    const a = at(forest.parents, first + child), b = at(forest.parents, first + child + 1);
    if (a != node || b != node) refuseNode(NodeProblem.PARENTS, tree, node, a, b);
  }
}

/** Adds a tree, breadth first, so that children stand side by side behind their parent. */
function append(forest: Forest, tree: u32, first: u32, size: u32): void {
  const root = forest.used;
  memory.fill(met, 0, size);
  store<u32>(order, 0);
  store<u8>(met, 1);
  let known: u32 = 1, levelEnd: u32 = 1, depth: u32 = 0;
  for (let i: u32 = 0; i < known; i++) {
    if (i == levelEnd) {
      depth++;
      levelEnd = known;
    }
    const node = load<u32>(order + (<usize> i << 2)), n = first + node;
    const to = forest.used++;
    const left = at(forest.left, n);
    if (left == -1) {
      appendLeaf(forest, tree, node, n, to);
      continue;
    }
    const right = at(forest.right, n);
    meet(NodeProblem.LEFT, tree, node, left, size);
    meet(NodeProblem.RIGHT, tree, node, right, size);
    store<i32>(order + (<usize> known << 2), left);
    store<i32>(order + (<usize> known << 2), right, 4);
    store<u32>(forest.newLeft + (<usize> to << 2), root + known);
    appendSplit(forest, tree, node, n, to);
    known += 2;
  }
  store<u32>(forest.roots + (<usize> tree << 2), root);
  store<u32>(forest.reached + (<usize> tree << 2), known);
  forest.maxDepth = max(forest.maxDepth, depth);
}

/** Refuses a child that is not there or was met before. */
function meet(side: NodeProblem, tree: u32, node: u32, child: i32, size: u32): void {
  if (<u32> child >= size) refuseNode(side, tree, node, child, size);
  if (load<u8>(met + child)) refuseNode(NodeProblem.TWICE, tree, node, child, 0);
  store<u8>(met + child, 1);
}

function appendLeaf(forest: Forest, tree: u32, node: u32, n: u32, to: u32): void {
  store<i32>(forest.newLeft + (<usize> to << 2), -1);
  const values = forest.leafSize;
  for (let k: u32 = 0; k < values; k++) {
    const from = <usize> n * values + k, own = <usize> to * values + k;
    if (forest.wide) {
      const value = f64.load(forest.leaf + (from << 3));
      if (!isFinite(value)) refuseNode(NodeProblem.LEAF, tree, node, value, 0);
      f64.store(forest.newLeaf + (own << 3), value);
    } else {
      const value = f32.load(forest.leaf + (from << 2));
      if (!isFinite(value)) refuseNode(NodeProblem.LEAF, tree, node, value, 0);
      f32.store(forest.newLeaf + (own << 2), value);
    }
  }
}

function appendSplit(forest: Forest, tree: u32, node: u32, n: u32, to: u32): void {
  const feature = at(forest.feature, n);
  if (<u32> feature >= forest.features) refuseNode(NodeProblem.FEATURE, tree, node, feature, forest.features);
  store<i32>(forest.newFeature + (<usize> to << 2), feature);
  store<u8>(forest.newDefaultLeft + to, <u8> at(forest.defaultLeft, n));
  if (forest.sets && at(forest.sets, n) >= 0) return appendSet(forest, tree, node, at(forest.sets, n), to);
  const threshold = f32.load(forest.threshold + (<usize> n << 2));
  if (isNaN(threshold)) refuseNode(NodeProblem.THRESHOLD, tree, node, 0, 0);
  f32.store(forest.newThreshold + (<usize> to << 2), threshold);
}

function appendSet(forest: Forest, tree: u32, node: u32, set: u32, to: u32): void {
  const begin = set ? <u32> at(forest.setEnds, set - 1) : 0, end = <u32> at(forest.setEnds, set);
  let largest: i32 = -1;
  for (let c = begin; c < end; c++) {
    const category = at(forest.categories, c);
    if (<u32> category >= <u32> CATEGORIES) refuseNode(NodeProblem.CATEGORY, tree, node, category, 0);
    largest = max(largest, category);
  }
  const start = forest.wordCount;
  const size = <u32> (largest >> 5) + 1;
  if (<u64> start + size > wordRoom) refuseNode(NodeProblem.WORDS, tree, node, 0, 0);
  forest.wordCount += size;
  for (let c = begin; c < end; c++) {
    const category = at(forest.categories, c);
    const word = forest.words + (<usize> (start + (category >> 5)) << 2);
    store<u32>(word, load<u32>(word) | 1 << (category & 31));
  }
  store<u32>(forest.setStart + (<usize> to << 2), start);
  store<u32>(forest.setSize + (<usize> to << 2), size);
}
