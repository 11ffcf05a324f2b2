/** Counts the columns of any number of rows in the bins of a profile, in one pass and constant memory. */
import * as v from "../base/schema.ts";

/** Rows whose columns are counted together; 45 columns of them take 23 KB. */
const rowsPerTile = 128;

/** The bins of a column, as its profile has them. */
export interface ColumnBins {
  /** Ascending upper edges of all bins but the last. */
  readonly edges: readonly number[];
  /** The range outside which values are counted as out of range; absent for no limit. */
  readonly min?: number | undefined;
  readonly max?: number | undefined;
}

/** The schema of {@linkcode ColumnCounts}. */
export const columnCounts = v.object({
  /** Rows per bin; one more entry than the bins have edges. */
  counts: v.array(v.number()),
  /** Rows without a value. */
  missing: v.number(),
  /** Rows whose value is 0. */
  zeros: v.number(),
  /** Number of values below the bins' `min` or above their `max`; the outer bins count them too. */
  outOfRange: v.number(),
  /** Sum of all values. */
  sum: v.number(),
  /** Smallest and largest value; absent when all are missing. */
  min: v.exactOptional(v.number()),
  max: v.exactOptional(v.number()),
});

/** Counts of one column in given bins; plain data. */
export type ColumnCounts = v.InferOutput<typeof columnCounts>;

/** Returns the counts of one column's values. */
export function countColumn(
  bins: ColumnBins,
  values: ArrayLike<number>,
): ColumnCounts {
  const counter = new ColumnCounter([bins]);
  counter.add(values);
  return counter.columns()[0]!;
}

/** Returns the rows of all bins. */
export function total(counts: readonly number[]): number {
  return counts.reduce((sum, count) => sum + count, 0);
}

/**
 * Returns the index of a value's bin: the number of edges below it.
 *
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 *
 * deepStrictEqual([-1, 0, 5, 6].map((value) => binOf([0, 5], value)), [0, 0, 1, 2]);
 * ```
 *
 * @param edges Ascending upper edges of all bins but the last.
 */
export function binOf(edges: ArrayLike<number>, value: number): number {
  return findBin(padEdges(edges), value);
}

/** Returns edges for {@linkcode findBin}: filled up with infinity to a power of two, less one. */
export function padEdges(edges: ArrayLike<number>): Float64Array {
  const padded = new Float64Array(
    2 ** Math.ceil(Math.log2(edges.length + 1)) - 1,
  );
  padded.set(edges);
  return padded.fill(Infinity, edges.length);
}

/**
 * Returns the index of a value's bin, as {@linkcode binOf}. A binary search without
 * branches, which a processor would guess wrong for every other value.
 *
 * @param padded What {@linkcode padEdges} returns.
 */
export function findBin(padded: Float64Array, value: number): number {
  let bin = 0;
  for (let step = (padded.length + 1) >>> 1; step > 0; step >>>= 1) {
    bin += step * Number(value > padded[bin + step - 1]!);
  }
  return bin;
}

/** Returns the rows of a column, with and without a value. */
export function rowsOf(
  { counts, missing }: Pick<ColumnCounts, "counts" | "missing">,
): number {
  return total(counts) + missing;
}

/** Returns the mean of a column's values; undefined when all are missing. */
export function meanOf(
  { counts, sum }: Pick<ColumnCounts, "counts" | "sum">,
): number | undefined {
  const known = total(counts);
  return known === 0 ? undefined : sum / known;
}

/**
 * Counts the columns of rows × columns matrices.
 *
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 *
 * const counter = new ColumnCounter([{ edges: [0, 5], min: 0, max: 9 }]);
 * counter.add(new Float32Array([0, 5, 6]));
 * counter.add(new Float32Array([10, NaN]));
 * const [column] = counter.columns();
 * deepStrictEqual(column, { counts: [1, 1, 2], missing: 1, zeros: 1, outOfRange: 1, sum: 21, min: 0, max: 10 });
 * ```
 */
export class ColumnCounter {
  readonly #edges: readonly Float64Array[];
  /** Whether a column's bins are those of zeros and ones. */
  readonly #isBinary: Uint8Array;
  readonly #counts: readonly Float64Array[];
  readonly #low: Float64Array;
  readonly #high: Float64Array;
  readonly #missing: Float64Array;
  readonly #zeros: Float64Array;
  readonly #outOfRange: Float64Array;
  readonly #sum: Float64Array;
  readonly #min: Float64Array;
  readonly #max: Float64Array;

  /** @param bins The bins of each column, in the order of the columns. */
  constructor(bins: readonly ColumnBins[]) {
    const { length } = bins;
    this.#edges = bins.map(({ edges }) => padEdges(edges));
    this.#isBinary = Uint8Array.from(
      bins,
      ({ edges, min, max }) =>
        Number(
          edges.length === 1 && edges[0] === 0 && (min ?? 0) <= 0 &&
            (max ?? 1) >= 1,
        ),
    );
    this.#counts = bins.map(({ edges }) => new Float64Array(edges.length + 1));
    this.#low = Float64Array.from(bins, ({ min = -Infinity }) => min);
    this.#high = Float64Array.from(bins, ({ max = Infinity }) => max);
    this.#missing = new Float64Array(length);
    this.#zeros = new Float64Array(length);
    this.#outOfRange = new Float64Array(length);
    this.#sum = new Float64Array(length);
    this.#min = new Float64Array(length).fill(Infinity);
    this.#max = new Float64Array(length).fill(-Infinity);
  }

  /** Adds rows. @param matrix Rows × columns; NaN means missing. */
  add(matrix: ArrayLike<number>): void {
    const width = this.#counts.length;
    if (width === 0) return;
    // Column by column, but of few rows at a time, which stay in the processor's cache.
    const tile = width * rowsPerTile;
    for (let start = 0; start < matrix.length; start += tile) {
      const end = Math.min(start + tile, matrix.length);
      for (let column = 0; column < width; column++) {
        const place = { column, start: start + column, end };
        const isCounted = this.#isBinary[column] === 1 &&
          this.#addBinary(matrix, place);
        if (!isCounted) this.#addValues(matrix, place);
      }
    }
  }

  /** Adds zeros and ones, of which most columns of a model consist; returns false, and adds nothing, if there are other values. */
  #addBinary(
    matrix: ArrayLike<number>,
    { column, start, end }: { column: number; start: number; end: number },
  ): boolean {
    const width = this.#counts.length;
    let zeros = 0;
    let ones = 0;
    let others = 0;
    for (let at = start; at < end; at += width) {
      const value = matrix[at]!;
      if (value === 0) zeros++;
      else if (value === 1) ones++;
      else others++;
    }
    if (others > 0) return false;
    const counts = this.#counts[column]!;
    counts[0]! += zeros;
    counts[1]! += ones;
    this.#zeros[column]! += zeros;
    this.#sum[column]! += ones;
    if (zeros > 0) this.#extend(column, 0);
    if (ones > 0) this.#extend(column, 1);
    return true;
  }

  #addValues(
    matrix: ArrayLike<number>,
    { column, start, end }: { column: number; start: number; end: number },
  ): void {
    const width = this.#counts.length;
    const counts = this.#counts[column]!;
    const edges = this.#edges[column]!;
    const low = this.#low[column]!;
    const high = this.#high[column]!;
    let missing = 0;
    let zeros = 0;
    let outOfRange = 0;
    let sum = 0;
    let min = Infinity;
    let max = -Infinity;
    for (let at = start; at < end; at += width) {
      const value = matrix[at]!;
      if (Number.isNaN(value)) {
        missing++;
        continue;
      }
      counts[findBin(edges, value)]!++;
      zeros += Number(value === 0);
      outOfRange += Number(value < low) + Number(value > high);
      if (value < min) min = value;
      if (value > max) max = value;
      sum += value;
    }
    this.#missing[column]! += missing;
    this.#zeros[column]! += zeros;
    this.#outOfRange[column]! += outOfRange;
    this.#sum[column]! += sum;
    if (min === Infinity) return;
    this.#extend(column, min);
    this.#extend(column, max);
  }

  /** Extends the range of a column to a value. */
  #extend(column: number, value: number): void {
    if (value < this.#min[column]!) this.#min[column] = value;
    if (value > this.#max[column]!) this.#max[column] = value;
  }

  /** Returns the counts of all rows so far, by column. */
  columns(): ColumnCounts[] {
    return this.#counts.map((counts, column) => {
      const min = this.#min[column]!;
      return {
        counts: [...counts],
        missing: this.#missing[column]!,
        zeros: this.#zeros[column]!,
        outOfRange: this.#outOfRange[column]!,
        sum: this.#sum[column]!,
        ...min === Infinity ? {} : { min, max: this.#max[column]! },
      };
    });
  }
}

/** Returns the counts of one column in two sets of rows together. */
export function mergeColumn(a: ColumnCounts, b: ColumnCounts): ColumnCounts {
  const min = Math.min(a.min ?? Infinity, b.min ?? Infinity);
  const max = Math.max(a.max ?? -Infinity, b.max ?? -Infinity);
  return {
    counts: a.counts.map((count, bin) => count + b.counts[bin]!),
    missing: a.missing + b.missing,
    zeros: a.zeros + b.zeros,
    outOfRange: a.outOfRange + b.outOfRange,
    sum: a.sum + b.sum,
    ...min === Infinity ? {} : { min, max },
  };
}
