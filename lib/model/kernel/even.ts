/**
 * Trees that are laid out as full ones: level by level, with the answers of
 * each node's children behind those of its neighbour to the left, and always
 * "left" where the tree has no node. A row's leaf is the number whose bits are
 * its answers, the root's first.
 */
import { reserve } from "./arena.ts";
import {
  align,
  mostExits,
  recordBytes,
  type TreeContext,
  type TreePlace,
  writeRecord,
} from "./program.ts";

/** A full tree is laid out for up to so many places a leaf; beyond, the uneven way is faster. */
const placesPerLeaf = 4;

/** A tree's nodes in a full tree: node `n`, breadth first, stands at `places[n]`, the root at 0. */
export interface FullTree {
  readonly places: Uint16Array;
  /** Nodes of the tree. */
  size: number;
  /** Levels of inner nodes. */
  depth: number;
}

/** Room for any full tree. */
export function startFullTree(): FullTree {
  return { places: new Uint16Array(2 * mostExits), size: 0, depth: 0 };
}

/** Finds the places of a tree's nodes; false where a full tree would be too deep, or too empty. */
export function fitsFull(
  full: FullTree,
  left: Int32Array,
  root: number,
): boolean {
  const { places } = full;
  let size = 1;
  places[0] = 0;
  for (let node = 0; node < size; node++) {
    if ((left[root + node] ?? -1) < 0) continue;
    const place = places[node] ?? 0;
    if (place >= mostExits - 1) return false; // its children would be exits beyond the last
    places[size++] = 2 * place + 1;
    places[size++] = 2 * place + 2;
  }
  const deepest = places[size - 1] ?? 0; // breadth first: the last is on the last level
  full.size = size;
  full.depth = 31 - Math.clz32(deepest + 1);
  return 2 ** full.depth <= placesPerLeaf * (size + 1) / 2;
}

/** Writes one tree that {@linkcode fitsFull}. */
export function writeEven(
  { arena, model, answers }: TreeContext,
  { root, group }: TreePlace,
  { places, size, depth }: FullTree,
): void {
  const { left, leaf, leafSize } = model;
  const isWide = leaf instanceof Float64Array;
  const exits = 2 ** depth;
  const leavesAt = align(recordBytes + (exits - 1) * 4);
  const bytes = align(leavesAt + exits * leafSize * (isWide ? 8 : 4));
  const program = reserve(arena, bytes);
  writeRecord(arena, program, {
    even: 1,
    inner: 0,
    bits: depth,
    group,
    width: leafSize,
    leaves: program + leavesAt,
    apart: exits,
    tail: 0,
    records: 0,
    bytes,
  });
  const first = (program + recordBytes) / 4;
  const values = isWide ? arena.f64 : arena.f32;
  const firstValue = (program + leavesAt) / (isWide ? 8 : 4);
  for (let node = 0; node < size; node++) {
    const place = places[node] ?? 0;
    if ((left[root + node] ?? -1) >= 0) {
      arena.u32[first + place] = answers[root + node] ?? 0;
      continue;
    }
    const level = 31 - Math.clz32(place + 1);
    const leftmost = (place + 1 - (1 << level)) << (depth - level);
    const exit = exits - 1 - leftmost; // "left" is a one
    for (let k = 0; k < leafSize; k++) {
      values[firstValue + k * exits + exit] =
        leaf[(root + node) * leafSize + k] ?? 0;
    }
  }
}
