/**
 * Category sets as sets of bins. The category of a value is its integer part,
 * so a category is an interval of float32 numbers, and the kernel finds the
 * interval of a value as it finds the bin between two thresholds.
 */
import type { CategorySets } from "../ensemble.ts";

/** The intervals of the categories that any node of one feature names. */
export interface CategoryBins {
  /** Where intervals begin and end, ascending and distinct. A bin is the number of bounds that are not above a value. */
  readonly bounds: Float32Array;
  /** The bin of each named category that a float32 number can have. */
  readonly binOf: ReadonlyMap<number, number>;
}

/**
 * The bins of all categories that some nodes name.
 *
 * @param nodes Categorical nodes of one feature.
 */
export function categoryBins(
  sets: CategorySets,
  nodes: readonly number[],
): CategoryBins {
  const named = new Set(nodes.flatMap((node) => categoriesOf(sets, node)));
  const intervals = Array.from(named).sort((a, b) => a - b)
    .map((category) => ({ category, ...intervalOf(sets, category) }))
    .filter(({ start, end }) => start < end);
  const bounds: number[] = [];
  const binOf = new Map<number, number>();
  for (const { category, start, end } of intervals) {
    if (bounds.at(-1) !== start) bounds.push(start);
    binOf.set(category, bounds.length);
    bounds.push(end);
  }
  return { bounds: Float32Array.from(bounds), binOf };
}

/** The categories in a node's set, ascending. */
export function categoriesOf(sets: CategorySets, node: number): number[] {
  const found: number[] = [];
  const start = sets.start[node] ?? 0;
  const size = sets.size[node] ?? 0;
  for (let w = 0; w < size; w++) {
    for (let bits = sets.words[start + w] ?? 0; bits !== 0; bits &= bits - 1) {
      found.push(w * 32 + 31 - Math.clz32(bits & -bits));
    }
  }
  return found;
}

/** The numbers from `start`, and below `end`, whose category this is. */
function intervalOf(
  sets: CategorySets,
  category: number,
): { start: number; end: number } {
  const end = roundUp(category + 1);
  if (category > 0 || sets.rounding === "floor") {
    return { start: roundUp(category), end };
  }
  return { start: -1 + 2 ** -24, end }; // `trunc`: the first float32 above -1
}

/** The smallest float32 that is not below a whole number. */
function roundUp(whole: number): number {
  const nearest = Math.fround(whole);
  if (nearest >= whole) return nearest;
  const bits = new Uint32Array(Float32Array.of(nearest).buffer);
  bits[0] = (bits[0] ?? 0) + 1;
  return new Float32Array(bits.buffer)[0] ?? nearest;
}
