/**
 * Writes the program of each tree, in the order of summation.
 *
 * A tree that is nearly *perfect* is laid out as a perfect tree: its predicates
 * level by level, left to right, with the predicate that is always true where
 * the tree has no node. The number of a row's leaf consists of the row's
 * predicate bits, the root's first.
 *
 * Any other tree is *irregular*: its program says which predicate splits the
 * rows of which slot, and which slots make up each bit of the exit numbers.
 * Nodes are in breadth-first order, so the children of inner node n are nodes
 * `2n + 1` and `2n + 2` of the tree, and a node's index is its slot. If a tree
 * has more leaves than a byte can number, this applies to its *prefix*, which
 * has 256 exits, and each row then walks through the *remainder* by itself.
 */
import { allocate, relocate } from "./memory";
import { predicateOffset } from "./predicate-bits";
import { EXITS, Model, PLANE, Plan, Tree } from "./records";

/** A tree is laid out as perfect if that takes at most this many positions per leaf; otherwise the irregular layout is faster. */
const POSITIONS_PER_LEAF: u32 = 4;

/** Slots of the largest prefix. */
const SLOTS: u32 = 2 * EXITS - 1;

/** Slots that the largest irregular tree needs. */
export let slotCount: u32 = 1;

// Working memory, u16 each.

/** Of a perfect tree: per node, breadth first, its position in the layout; the root's is 0. */
let positions: usize = 0;
/** Of an irregular tree: the inner nodes of its prefix, at most 255. */
let inner: usize = 0;
/** The exits of the prefix, left to right: leaves, or inner nodes where the remainder starts. */
let exits: usize = 0;
/** Per node, the number of its leftmost exit. */
let firsts: usize = 0;
/** Per node, the number of exits at or below it. */
let counts: usize = 0;

/** Number of nodes of the whole tree. */
let size: u32 = 0;
/** Number of levels of inner nodes of a perfect tree. */
let depth: u32 = 0;
/** Number of inner nodes of the prefix. */
let innerCount: u32 = 0;

/** Allocates working memory. Call before `startLayout`. */
export function preparePrograms(): void {
  positions = allocate(2 * EXITS * 2);
  inner = allocate(EXITS * 2);
  exits = allocate(EXITS * 2);
  firsts = allocate(SLOTS * 2);
  counts = allocate(SLOTS * 2);
}

@inline
function at(list: usize, n: u32): u32 {
  return load<u16>(list + (<usize> n << 1));
}

@inline
function put(list: usize, n: u32, value: u32): void {
  store<u16>(list + (<usize> n << 1), <u16> value);
}

/** Returns the left child of a node of the model; negative at a leaf. */
@inline
function leftOf(model: Model, node: u32): i32 {
  return load<i32>(model.left + (<usize> node << 2));
}

/** Writes all programs and returns the address of the first. */
export function writePrograms(model: Model): usize {
  const forest = allocate(0);
  for (let t: u32 = 0; t < model.trees; t++) {
    const root = load<u32>(model.roots + (<usize> t << 2));
    const group = max(0, load<i32>(model.treeGroups + (<usize> t << 2)));
    if (fitsPerfect(model, root)) writePerfect(model, root, group);
    else writeIrregular(model, root, group);
  }
  return forest;
}

@inline
function align(bytes: u64): u64 {
  return (bytes + 15) & ~15;
}

/** Copies value `k` of a leaf. */
@inline
function copyValue(model: Model, node: u32, k: u32, to: usize, n: usize): void {
  const from = <usize> node * model.leafSize + k;
  if (model.isDouble) f64.store(to + (n << 3), f64.load(model.leaf + (from << 3)));
  else f32.store(to + (n << 2), f32.load(model.leaf + (from << 2)));
}

// --- perfect trees ---------------------------------------------------------

/** Finds the positions of a tree's nodes; returns false if a perfect tree would be too deep or too sparse. */
function fitsPerfect(model: Model, root: u32): bool {
  size = 1;
  put(positions, 0, 0);
  for (let node: u32 = 0; node < size; node++) {
    if (leftOf(model, root + node) < 0) continue;
    const position = at(positions, node);
    if (position >= EXITS - 1) return false; // its children would be beyond the last exit
    put(positions, size, 2 * position + 1);
    put(positions, size + 1, 2 * position + 2);
    size += 2;
  }
  depth = levelOf(at(positions, size - 1)); // breadth first: the last node is on the last level
  return <u32> 1 << depth <= POSITIONS_PER_LEAF * (size + 1) / 2;
}

function levelOf(position: u32): u32 {
  return 31 - clz(position + 1);
}

function writePerfect(model: Model, root: u32, group: u32): void {
  const width = <u64> 1 << depth;
  const head = align(offsetof<Tree>() + ((width - 1) << 2));
  const bytes = align(head + ((width * model.leafSize) << (model.isDouble ? 3 : 2)));
  const program = allocate(bytes);
  const leaves = program + <usize> head;
  const tree = changetype<Tree>(program);
  tree.perfect = 1;
  tree.bits = depth;
  tree.group = group;
  tree.leafSize = model.leafSize;
  tree.leaves = relocate(leaves);
  tree.leafStride = <u32> width;
  tree.bytes = <u32> bytes;
  const first = program + offsetof<Tree>();
  for (let node: u32 = 0; node < size; node++) {
    const position = at(positions, node);
    if (leftOf(model, root + node) >= 0) {
      store<u32>(first + (<usize> position << 2), predicateOffset(root + node));
      continue;
    }
    const level = levelOf(position);
    const leftmost = (position + 1 - (1 << level)) << (depth - level);
    const exit = <u32> width - 1 - leftmost; // going left is a 1 bit
    for (let k: u32 = 0; k < model.leafSize; k++) {
      copyValue(model, root + node, k, leaves, <usize> k * <usize> width + exit);
    }
  }
}

// --- irregular trees -------------------------------------------------------

function writeIrregular(model: Model, root: u32, group: u32): void {
  readPrefix(model, root);
  const exitCount = innerCount + 1;
  const hasRemainder = size > SLOTS;
  const leafStride = hasRemainder ? size : exitCount;
  let bits: u32 = 0;
  while (exitCount - 1 >> bits > 0) bits++;
  // A slot is in one list per bit that all its exits have and its parent's exits do not share.
  let entries: u64 = bits;
  for (let slot: u32 = 1; slot < slots(); slot++) entries += popcnt(ownBits(slot));
  const nodes: u64 = offsetof<Tree>();
  const lists = nodes + (innerCount << 3);
  const head = align(lists + (entries << 1));
  const remainderBytes = hasRemainder ? align(exitCount << 2) + (<u64> size << 3) : 0;
  const bytes = align(head + remainderBytes + ((<u64> leafStride * model.leafSize) << (model.isDouble ? 3 : 2)));
  const program = allocate(bytes);
  const remainder = program + <usize> head;
  const records = remainder + <usize> align(exitCount << 2);
  const leaves = remainder + <usize> remainderBytes;
  const tree = changetype<Tree>(program);
  tree.innerCount = innerCount;
  tree.bits = bits;
  tree.group = group;
  tree.leafSize = model.leafSize;
  tree.leaves = relocate(leaves);
  tree.leafStride = leafStride;
  tree.bytes = <u32> bytes;
  writeNodes(root, program + <usize> nodes);
  writeLists(bits, program + <usize> lists);
  if (hasRemainder) {
    tree.remainder = relocate(remainder);
    tree.records = relocate(records);
    writeRemainder(model, root, remainder, records);
  }
  let n: usize = 0;
  for (let k: u32 = 0; k < model.leafSize; k++) {
    for (let exit: u32 = 0; exit < leafStride; exit++) {
      copyValue(model, root + (hasRemainder ? exit : at(exits, exit)), k, leaves, n++);
    }
  }
  slotCount = max(slotCount, slots());
}

@inline
function slots(): u32 {
  return 2 * innerCount + 1;
}

function readPrefix(model: Model, root: u32): void {
  size = 1;
  innerCount = 0;
  for (let node: u32 = 0; node < size; node++) {
    if (leftOf(model, root + node) < 0) continue;
    size += 2;
    if (innerCount < EXITS - 1) put(inner, innerCount++, node);
  }
  for (let slot: u32 = 0; slot < slots(); slot++) put(counts, slot, 1);
  for (let n = <i32> innerCount - 1; n >= 0; n--) {
    put(counts, at(inner, n), at(counts, 2 * n + 1) + at(counts, 2 * n + 2));
  }
  put(firsts, 0, 0);
  for (let n: u32 = 0; n < innerCount; n++) {
    const start = at(firsts, at(inner, n));
    put(firsts, 2 * n + 1, start);
    put(firsts, 2 * n + 2, start + at(counts, 2 * n + 1));
  }
  for (let slot: u32 = 0; slot < slots(); slot++) {
    if (at(counts, slot) == 1) put(exits, at(firsts, slot), slot);
  }
}

function writeNodes(root: u32, to: usize): void {
  for (let n: u32 = 0; n < innerCount; n++, to += 8) {
    const node = at(inner, n);
    store<u32>(to, predicateOffset(root + node));
    store<u32>(to, node * <u32> PLANE, 4);
  }
}

/** Writes, per bit of an exit number, the slots whose rows have it: nodes all of whose exits have it, unless that is true of the parent. */
function writeLists(bits: u32, to: usize): void {
  for (let bit: u32 = 0; bit < bits; bit++) {
    const length = to;
    to += 2;
    for (let slot: u32 = 1; slot < slots(); slot++) {
      if (!(ownBits(slot) >> bit & 1)) continue;
      store<u16>(to, <u16> slot);
      to += 2;
    }
    store<u16>(length, <u16> ((to - length >> 1) - 1));
  }
}

/** Returns the bits that all exits of a slot have and the exits of its parent do not share. */
function ownBits(slot: u32): u32 {
  const parent = at(inner, (slot - 1) >> 1);
  const exit = at(firsts, slot);
  return exit & mixedBits(at(firsts, parent), at(counts, parent)) & ~mixedBits(exit, at(counts, slot));
}

/** Returns the bits in which `count` consecutive numbers differ: the highest such bit and all below it. */
function mixedBits(start: u32, count: u32): u32 {
  const highest = clz(start ^ (start + count - 1));
  return highest == 32 ? 0 : <u32> 0xffffffff >> highest;
}

/** Writes one record per node of the tree: its predicate, and its left child's record; a leaf points to itself. */
function writeRemainder(model: Model, root: u32, remainder: usize, records: usize): void {
  const first = relocate(records);
  for (let exit: u32 = 0; exit <= innerCount; exit++) {
    store<u32>(remainder + (<usize> exit << 2), <u32> first + (at(exits, exit) << 3));
  }
  for (let node: u32 = 0; node < size; node++) {
    const child = leftOf(model, root + node);
    const next = child < 0 ? node : <u32> child - root;
    const to = records + (<usize> node << 3);
    store<u32>(to, predicateOffset(root + node));
    store<u32>(to, <u32> first + (next << 3), 4);
  }
}
