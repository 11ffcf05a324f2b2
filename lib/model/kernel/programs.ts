/**
 * Each tree as the program that the kernel runs once for 128 rows (`class
 * Tree` of `assembly/kernel.ts`): which answer divides the rows of which slot,
 * and which slots make up each bit of the exits' numbers.
 *
 * Nodes stand breadth first, so the children of the n-th inner node are nodes
 * `2n + 1` and `2n + 2` of the tree, and a node's place is its slot.
 */
import type { TreeEnsemble } from "../ensemble.ts";
import { type Arena, place, reserve } from "./arena.ts";
import { planeBytes } from "./questions.ts";

/** Exits are numbered in a byte. Where a tree has more leaves, rows walk on from its first 256 exits one by one. */
const mostExits = 256;

const recordBytes = 9 * 4;

/** The part of a tree that is walked for all rows at once. A node is its place in the tree, breadth first. */
interface Crown {
  readonly root: number;
  /** Nodes of the whole tree. */
  readonly size: number;
  /** The crown's inner nodes; the n-th has the children `2n + 1` and `2n + 2`. */
  readonly inner: readonly number[];
  /** The crown's exits, from left to right: leaves, or inner nodes where the tail begins. */
  readonly exits: readonly number[];
  /** Per node of the crown, the number of the first exit at or below it. */
  readonly first: Uint16Array;
  /** Per node of the crown, the number behind its last exit. */
  readonly behind: Uint16Array;
}

/** What the programs of a model share. */
interface Context {
  readonly arena: Arena;
  readonly model: TreeEnsemble;
  /** Per node of the model, the offset of its answer. */
  readonly answers: Uint32Array;
}

/** Where a tree's leaves are, as its record says it. */
interface Leaves {
  readonly leaves: number;
  /** From a leaf's value `k` to its value `k + 1`, in values. */
  readonly apart: number;
  readonly tail: number;
  readonly records: number;
}

/**
 * Writes the programs of all trees, one behind the other.
 *
 * @returns Their address, and how many slots the largest needs.
 */
export function writePrograms(
  context: Context,
): { forest: number; slotCount: number } {
  const { arena, model: { roots } } = context;
  const crowns = Array.from(roots, (root) => readCrown(context.model, root));
  const leaves = crowns.map((crown) =>
    crown.size > 2 * mostExits - 1
      ? writeTail(context, crown)
      : writeLeaves(context, crown)
  );
  const forest = reserve(arena, 0);
  crowns.forEach((crown, tree) => {
    const group = Math.max(0, context.model.treeGroups[tree] ?? 0);
    const found = leaves[tree];
    if (found) writeProgram(context, crown, { ...found, group });
  });
  const slotCounts = crowns.map(({ inner }) => 2 * inner.length + 1);
  return { forest, slotCount: slotCounts.reduce((a, b) => Math.max(a, b), 1) };
}

function readCrown({ left }: TreeEnsemble, root: number): Crown {
  const inner: number[] = [];
  let size = 1;
  for (let node = 0; node < size; node++) {
    if ((left[root + node] ?? -1) < 0) continue;
    size += 2;
    if (inner.length < mostExits - 1) inner.push(node);
  }
  const nodes = 2 * inner.length + 1;
  const counts = new Uint16Array(nodes).fill(1);
  for (let n = inner.length - 1; n >= 0; n--) {
    counts[inner[n] ?? 0] = (counts[2 * n + 1] ?? 0) + (counts[2 * n + 2] ?? 0);
  }
  const first = new Uint16Array(nodes);
  const isInner = new Uint8Array(nodes);
  inner.forEach((node, n) => {
    isInner[node] = 1;
    first[2 * n + 1] = first[node] ?? 0;
    first[2 * n + 2] = (first[node] ?? 0) + (counts[2 * n + 1] ?? 0);
  });
  const exits: number[] = [];
  for (let node = 0; node < nodes; node++) {
    if (!isInner[node]) exits[first[node] ?? 0] = node;
  }
  const behind = first.map((exit, node) => exit + (counts[node] ?? 0));
  return { root, size, inner, exits, first, behind };
}

/** Value `k` of exit `e` stands at `k * exits + e`. */
function writeLeaves(context: Context, { root, exits }: Crown): Leaves {
  const nodes = exits.map((exit) => root + exit);
  const leaves = placeValues(context, nodes);
  return { leaves, apart: exits.length, tail: 0, records: 0 };
}

/** A record for each node of the tree: its answer, and its left child's record; a leaf always goes "left" to itself. */
function writeTail(context: Context, { root, size, exits }: Crown): Leaves {
  const { arena, model: { left }, answers } = context;
  const nodes = Array.from({ length: size }, (_, node) => root + node);
  const leaves = placeValues(context, nodes);
  const records = reserve(arena, size * 8);
  nodes.forEach((node, place) => {
    const child = left[node] ?? -1;
    const next = child < 0 ? place : child - root;
    arena.u32[records / 4 + 2 * place] = answers[node] ?? 0;
    arena.u32[records / 4 + 2 * place + 1] = records + next * 8;
  });
  const starts = Uint32Array.from(exits, (exit) => records + exit * 8);
  return { leaves, apart: size, tail: place(arena, starts), records };
}

function placeValues(
  { arena, model: { leaf, leafSize } }: Context,
  nodes: readonly number[],
): number {
  const values = leaf instanceof Float32Array
    ? new Float32Array(nodes.length * leafSize)
    : new Float64Array(nodes.length * leafSize);
  nodes.forEach((node, n) => {
    for (let k = 0; k < leafSize; k++) {
      values[k * nodes.length + n] = leaf[node * leafSize + k] ?? 0;
    }
  });
  return place(arena, values);
}

function writeProgram(
  { arena, model, answers }: Context,
  crown: Crown,
  where: Leaves & { group: number },
): void {
  const { root, inner, exits } = crown;
  const bits = Math.ceil(Math.log2(exits.length));
  const lists: number[] = [];
  for (let bit = 0; bit < bits; bit++) {
    const slots = slotsOfBit(crown, bit);
    lists.push(slots.length, ...slots);
  }
  const used = recordBytes + inner.length * 8 + lists.length * 2;
  const bytes = Math.ceil(used / 16) * 16;
  const program = reserve(arena, bytes);
  arena.u32.set([
    inner.length,
    bits,
    where.group,
    model.leafSize,
    where.leaves,
    where.apart,
    where.tail,
    where.records,
    bytes,
  ], program / 4);
  let at = (program + recordBytes) / 4;
  for (const node of inner) {
    arena.u32[at++] = answers[root + node] ?? 0;
    arena.u32[at++] = node * planeBytes;
  }
  arena.u16.set(lists, at * 2);
}

/**
 * The slots whose rows have this bit in their exit's number: nodes all of
 * whose exits have it, where the same is not true of the parent.
 */
function slotsOfBit({ inner, first, behind }: Crown, bit: number): number[] {
  const isUniform = (node: number) =>
    (first[node] ?? 0) >> bit === ((behind[node] ?? 0) - 1) >> bit;
  const slots: number[] = [];
  inner.forEach((node, n) => {
    if (isUniform(node)) return;
    for (const child of [2 * n + 1, 2 * n + 2]) {
      if (isUniform(child) && ((first[child] ?? 0) >> bit & 1) === 1) {
        slots.push(child);
      }
    }
  });
  return slots;
}
