/**
 * Trees of any shape: which answer divides the rows of which slot, and which
 * slots make up each bit of the exits' numbers.
 *
 * Nodes stand breadth first, so the children of the n-th inner node are nodes
 * `2n + 1` and `2n + 2` of the tree, and a node's place is its slot. Where a
 * tree has more leaves than a byte can number, rows walk on from its first 256
 * exits one by one: its tail.
 */
import { type Arena, reserve } from "./arena.ts";
import {
  align,
  mostExits,
  recordBytes,
  type TreeContext,
  type TreePlace,
  writeRecord,
} from "./program.ts";
import { planeBytes } from "./questions.ts";

/** Slots of the largest crown. */
const mostSlots = 2 * mostExits - 1;

/**
 * The part of a tree that is walked for all rows at once: its first 255 inner
 * nodes, breadth first, and the exits that hang on them. A node is its place
 * in the tree. One crown serves for all trees, one after the other.
 */
export interface Crown {
  root: number;
  /** Nodes of the whole tree. */
  size: number;
  /** The inner nodes; the n-th has the children `2n + 1` and `2n + 2`. */
  readonly inner: Uint16Array;
  innerCount: number;
  /** From left to right: leaves, or inner nodes where the tail begins. */
  readonly exits: Uint16Array;
  exitCount: number;
  /** Per node, the number of the first exit at or below it. */
  readonly first: Uint16Array;
  /** Per node, how many exits are at or below it. */
  readonly counts: Uint16Array;
}

/** Room for the crown of any tree. */
export function startCrown(): Crown {
  return {
    root: 0,
    size: 0,
    inner: new Uint16Array(mostExits),
    innerCount: 0,
    exits: new Uint16Array(mostExits),
    exitCount: 0,
    first: new Uint16Array(mostSlots),
    counts: new Uint16Array(mostSlots),
  };
}

/**
 * Writes one tree: its record, its inner nodes, its lists, its tail where it
 * has one, its leaves.
 *
 * @param crown Room to work in.
 * @returns How many slots the kernel needs for it.
 */
export function writeUneven(
  context: TreeContext,
  tree: TreePlace,
  crown: Crown,
): number {
  readCrown(crown, context.model.left, tree.root);
  const { arena, model } = context;
  const { size, innerCount, exitCount } = crown;
  const lists = slotsOfBits(crown);
  let entries = lists.length;
  for (const slots of lists) entries += slots.length;
  const hasTail = size > mostSlots;
  const apart = hasTail ? size : exitCount;
  const valueBytes = model.precision === "float32" ? 4 : 8;

  const behindLists = align(recordBytes + innerCount * 8 + entries * 2);
  const tailBytes = hasTail ? align(exitCount * 4) + size * 8 : 0;
  const valuesBytes = apart * model.leafSize * valueBytes;
  const program = reserve(arena, align(behindLists + tailBytes + valuesBytes));
  const tail = hasTail ? program + behindLists : 0;
  const records = hasTail ? tail + align(exitCount * 4) : 0;
  const leaves = program + behindLists + tailBytes;
  writeRecord(arena, program, {
    even: 0,
    inner: innerCount,
    bits: lists.length,
    group: tree.group,
    width: model.leafSize,
    leaves,
    apart,
    tail,
    records,
    bytes: arena.end - program,
  });
  writeNodes(context, crown, program + recordBytes);
  writeLists(arena, lists, program + recordBytes + innerCount * 8);
  if (hasTail) writeTail(context, crown, { tail, records });
  writeValues(context, crown, leaves);
  return 2 * innerCount + 1;
}

function readCrown(crown: Crown, left: Int32Array, root: number): void {
  const { inner, first, counts, exits } = crown;
  let size = 1;
  let innerCount = 0;
  for (let node = 0; node < size; node++) {
    if ((left[root + node] ?? -1) < 0) continue;
    size += 2;
    if (innerCount < mostExits - 1) inner[innerCount++] = node;
  }
  const slots = 2 * innerCount + 1;
  counts.fill(1, 0, slots);
  for (let n = innerCount - 1; n >= 0; n--) {
    counts[inner[n] ?? 0] = (counts[2 * n + 1] ?? 0) + (counts[2 * n + 2] ?? 0);
  }
  first[0] = 0;
  for (let n = 0; n < innerCount; n++) {
    const start = first[inner[n] ?? 0] ?? 0;
    first[2 * n + 1] = start;
    first[2 * n + 2] = start + (counts[2 * n + 1] ?? 0);
  }
  for (let node = 0; node < slots; node++) {
    if (counts[node] === 1) exits[first[node] ?? 0] = node;
  }
  Object.assign(crown, { root, size, innerCount, exitCount: innerCount + 1 });
}

function writeNodes(
  { arena: { u32 }, answers }: TreeContext,
  crown: Crown,
  address: number,
): void {
  const { root, inner, innerCount } = crown;
  let at = address / 4;
  for (let n = 0; n < innerCount; n++) {
    const node = inner[n] ?? 0;
    u32[at++] = answers[root + node] ?? 0;
    u32[at++] = node * planeBytes;
  }
}

function writeLists({ u16 }: Arena, lists: number[][], address: number): void {
  let at = address / 2;
  for (const slots of lists) {
    u16[at] = slots.length;
    u16.set(slots, at + 1);
    at += 1 + slots.length;
  }
}

/** A record for each node of the tree: its answer, and its left child's record; a leaf always goes "left" to itself. */
function writeTail(
  { arena: { u32 }, model: { left }, answers }: TreeContext,
  { root, size, exits, exitCount }: Crown,
  { tail, records }: { tail: number; records: number },
): void {
  for (let exit = 0; exit < exitCount; exit++) {
    u32[tail / 4 + exit] = records + (exits[exit] ?? 0) * 8;
  }
  for (let node = 0; node < size; node++) {
    const child = left[root + node] ?? -1;
    const next = child < 0 ? node : child - root;
    u32[records / 4 + 2 * node] = answers[root + node] ?? 0;
    u32[records / 4 + 2 * node + 1] = records + next * 8;
  }
}

/** Value `k` of exit `e` at `k * exits + e`; with a tail, of node `n` at `k * nodes + n`. */
function writeValues(
  { arena, model: { leaf, leafSize } }: TreeContext,
  { root, size, exits, exitCount }: Crown,
  address: number,
): void {
  const isWide = leaf instanceof Float64Array;
  const values = isWide ? arena.f64 : arena.f32;
  const hasTail = size > mostSlots;
  const count = hasTail ? size : exitCount;
  let at = address / (isWide ? 8 : 4);
  for (let k = 0; k < leafSize; k++) {
    for (let n = 0; n < count; n++) {
      const node = root + (hasTail ? n : exits[n] ?? 0);
      values[at++] = leaf[node * leafSize + k] ?? 0;
    }
  }
}

/**
 * For each bit of an exit's number, the slots whose rows have it: nodes all of
 * whose exits have the bit, unless the same is true of the parent.
 */
function slotsOfBits(crown: Crown): number[][] {
  const { inner, innerCount, exitCount, first, counts } = crown;
  const lists: number[][] = [];
  for (let bits = exitCount - 1; bits > 0; bits >>= 1) lists.push([]);
  for (let n = 0; n < innerCount; n++) {
    const parent = inner[n] ?? 0;
    const mixedAbove = mixedBits(first[parent] ?? 0, counts[parent] ?? 0);
    for (let child = 2 * n + 1; child <= 2 * n + 2; child++) {
      const exit = first[child] ?? 0;
      // Where the exits of the child agree, and those of its parent do not.
      let own = exit & mixedAbove & ~mixedBits(exit, counts[child] ?? 0);
      for (; own !== 0; own &= own - 1) {
        lists[31 - Math.clz32(own & -own)]?.push(child);
      }
    }
  }
  return lists;
}

/** The bits in which numbers from `start` on differ: all from the highest one down. */
function mixedBits(start: number, count: number): number {
  const highest = Math.clz32(start ^ (start + count - 1));
  return highest === 32 ? 0 : 0xffffffff >>> highest;
}
