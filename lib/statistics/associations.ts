/** Rank correlations between columns: what changes in a batch although every single column stays the same. */
import * as v from "../base/schema.ts";
import { findBin, padEdges, total } from "./column-counts.ts";

/** Columns at most: the sums of all pairs are formed for every row that is scored. */
const mostColumns = 10;

const leastShare = 0.01;

const rowsPerTile = 256;

/** A column whose ranks are correlated. */
export interface RankedColumn {
  /** Index among the features. */
  readonly feature: number;
  /** Ascending upper edges of all bins but the last. */
  readonly edges: readonly number[];
  /** Mean rank of each bin's rows in the reference, less 1/2: from -0.5 to 0.5. */
  readonly ranks: readonly number[];
}

/** The schema of {@linkcode AssociationSums}. */
export const associationSums = v.object({
  rows: v.number(),
  /** Sum of the ranks, by column. */
  sums: v.array(v.number()),
  /** Sum of the products of two ranks: 0 and 0, 1 and 0, 1 and 1, 2 and 0, … */
  products: v.array(v.number()),
});

/** Sums over rows, from which the correlations follow; plain data. A missing value has rank 0, the mean. */
export type AssociationSums = v.InferOutput<typeof associationSums>;

/**
 * Returns the features whose correlations are watched: those that the scores
 * depend on most, at most 10, each by 1 % or more, and none of a single bin.
 *
 * @param importance Share of each feature.
 */
export function chooseRanked(
  features: readonly { readonly edges: readonly number[] }[],
  importance: readonly number[],
): number[] {
  return features.map(({ edges }, feature) => ({
    feature,
    bins: edges.length + 1,
    share: importance[feature] ?? 0,
  }))
    .filter(({ share, bins }) => share >= leastShare && bins > 1)
    .sort((a, b) => b.share - a.share || a.feature - b.feature)
    .slice(0, mostColumns)
    .map(({ feature }) => feature);
}

/** Returns features with their bins and the ranks of their bins. */
export function toRanked(
  features: readonly {
    readonly edges: readonly number[];
    readonly counts: readonly number[];
  }[],
  chosen: readonly number[],
): RankedColumn[] {
  return chosen.map((feature) => {
    const { edges, counts } = features[feature]!;
    const rows = total(counts);
    let below = 0;
    const ranks = counts.map((count) => {
      const rank = (below + count / 2) / rows - 0.5;
      below += count;
      return rank;
    });
    return { feature, edges, ranks };
  });
}

/**
 * Returns the sums of a block of rows.
 *
 * @param block `matrix`: rows × width; NaN means missing.
 */
export function sumAssociations(
  columns: readonly RankedColumn[],
  { matrix, rows, width }: {
    matrix: ArrayLike<number>;
    rows: number;
    width: number;
  },
): AssociationSums {
  const count = columns.length;
  const sums = new Float64Array(count);
  const products = new Float64Array(count * (count + 1) / 2);
  const writers = columns.map(openRanks);
  // Few rows at a time, whose ranks stay in the processor's cache.
  const ranks = columns.map(() => new Float64Array(rowsPerTile));
  for (let start = 0; start < rows; start += rowsPerTile) {
    const length = Math.min(rowsPerTile, rows - start);
    const place = { start: start * width, width, length };
    for (let column = 0; column < count; column++) {
      sums[column]! += writers[column]!(ranks[column]!, { matrix, ...place });
    }
    let pair = 0;
    for (let column = 0; column < count; column++) {
      for (let other = 0; other <= column; other++) {
        products[pair++]! += multiply(ranks[column]!, ranks[other]!);
      }
    }
  }
  return { rows, sums: [...sums], products: [...products] };
}

/** Writes the ranks of one column of a tile, and returns their sum. */
type WriteRanks = (
  into: Float64Array,
  from: {
    matrix: ArrayLike<number>;
    start: number;
    width: number;
    length: number;
  },
) => number;

function openRanks({ feature, edges, ranks }: RankedColumn): WriteRanks {
  const bounds = padEdges(edges);
  const values = Float64Array.from(ranks);
  const [low = 0, high = 0] = ranks;
  // Most important columns beside the first few are one-hot columns.
  const isBinary = edges.length === 1;
  const [edge = 0] = edges;
  return (into, { matrix, start, width, length }) => {
    let sum = 0;
    let at = start + feature;
    for (let row = 0; row < length; row++, at += width) {
      const value = matrix[at]!;
      const rank = value !== value // NaN
        ? 0
        : isBinary
        ? (value <= edge ? low : high)
        : values[findBin(bounds, value)]!;
      into[row] = rank;
      sum += rank;
    }
    into.fill(0, length); // what a tile before has left
    return sum;
  };
}

/** Returns the sum of the products of two columns' ranks; four sums at a time, so that no addition waits for the one before. */
function multiply(a: Float64Array, b: Float64Array): number {
  let [first, second, third, fourth] = [0, 0, 0, 0];
  for (let row = 0; row < rowsPerTile; row += 4) {
    first += a[row]! * b[row]!;
    second += a[row + 1]! * b[row + 1]!;
    third += a[row + 2]! * b[row + 2]!;
    fourth += a[row + 3]! * b[row + 3]!;
  }
  return first + second + third + fourth;
}

/** Returns the sums of two sets of rows together. */
export function addAssociations(
  a: AssociationSums,
  b: AssociationSums,
): AssociationSums {
  return {
    rows: a.rows + b.rows,
    sums: a.sums.map((sum, index) => sum + b.sums[index]!),
    products: a.products.map((sum, index) => sum + b.products[index]!),
  };
}

/** The correlation of two columns in two samples. */
export interface AssociationChange {
  /** Positions of the two columns among the ranked ones. */
  readonly pair: readonly [number, number];
  /** Rank correlation in the reference and now. */
  readonly before: number;
  readonly now: number;
  /** The difference of both, each by Fisher's transformation, in standard errors. */
  readonly errors: number;
}

/**
 * Returns the change of every pair's rank correlation: Pearson's correlation of
 * the ranks in the reference's bins (Spearman's, with bins for values). The error
 * is that of Fisher's z of two independent samples (Fisher 1921), √(1/(n₁−3) +
 * 1/(n₂−3)). A pair of which either sample has a column of one rank only is left out.
 *
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 *
 * const columns = [0, 1].map((feature) => ({ feature, edges: [0], ranks: [-0.25, 0.25] }));
 * const sum = (matrix: number[]) => sumAssociations(columns, { matrix, rows: 4, width: 2 });
 * const same = sum([0, 0, 0, 0, 1, 1, 1, 1]);
 * const opposite = sum([0, 1, 0, 1, 1, 0, 1, 0]);
 * const [change] = associationChanges(same, opposite);
 * strictEqual(change?.before, 1);
 * strictEqual(change?.now, -1);
 * ```
 */
export function associationChanges(
  before: AssociationSums,
  now: AssociationSums,
): AssociationChange[] {
  const changes: AssociationChange[] = [];
  for (let a = 1; a < before.sums.length; a++) {
    for (let b = 0; b < a; b++) {
      const pair = [a, b] as const;
      const [then, current] = [
        correlation(before, pair),
        correlation(now, pair),
      ];
      if (then === undefined || current === undefined) continue;
      const error = Math.sqrt(
        1 / Math.max(1, before.rows - 3) + 1 / Math.max(1, now.rows - 3),
      );
      const difference = fisher(current) - fisher(then);
      changes.push({
        pair,
        before: then,
        now: current,
        errors: Math.abs(difference) / error,
      });
    }
  }
  return changes;
}

function correlation(
  { rows, sums, products }: AssociationSums,
  [a, b]: readonly [number, number],
): number | undefined {
  const covariance = (x: number, y: number) =>
    products[x * (x + 1) / 2 + y]! / rows - sums[x]! * sums[y]! / rows ** 2;
  const variances = covariance(a, a) * covariance(b, b);
  // Rounding leaves about 1e-16 of a constant column.
  if (!(variances > 1e-20)) return undefined;
  return Math.max(-1, Math.min(1, covariance(a, b) / Math.sqrt(variances)));
}

function fisher(correlation: number): number {
  const most = 0.9999;
  return Math.atanh(Math.max(-most, Math.min(most, correlation)));
}
