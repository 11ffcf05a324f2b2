/**
 * What a model file says, whichever library wrote it: plain data that the
 * evaluator, the ONNX writer and the tree kernel all read, and that knows
 * nothing of any file format. The readers have already made the libraries'
 * conventions one:
 *
 * - **One comparison.** A row goes left where `x < threshold`, both float32
 *   (XGBoost's rule). LightGBM's `x <= t` on doubles is the same decision for
 *   every float32 `x` once `t` is replaced by the next float32 above it, which
 *   is what its reader stores.
 * - **One rule for missing values.** NaN goes to the default child. Features
 *   for which 0 also means missing (LightGBM's `zero_as_missing`) are listed in
 *   {@linkcode TreeEnsemble.zeroIsMissing}.
 * - **One rule for categories.** A category that is in the node's set goes
 *   right, everything else left (XGBoost's rule; LightGBM's children are
 *   swapped by its reader).
 * - **Leaves say what is added.** Tree weights (DART), learning rate and
 *   shrinkage are already multiplied in, in the library's own precision.
 * - **Only the trees that score.** Rounds after an early-stopped classifier's
 *   best one are not here; see {@linkcode Rounds}.
 */

import type { Label } from "./labels.ts";

/** A model that can be scored: trees, or a weighted sum of the features. */
export type Model = TreeEnsemble | LinearModel;

/**
 * How a row's margins become its predictions. Margins are in one column per
 * output group, predictions in {@linkcode ModelFacts.outputs} columns.
 */
export type Transform =
  /** The margin itself. */
  | { readonly kind: "identity" }
  /** `1 / (1 + exp(-slope * margin))` for each group by itself. */
  | { readonly kind: "logistic"; readonly slope: number }
  /** `exp(margin)`. */
  | { readonly kind: "exponential" }
  /** 1 where the margin is over 0, else 0. */
  | { readonly kind: "step" }
  /** `sign(margin) * margin²`: LightGBM's `reg_sqrt`. */
  | { readonly kind: "signed-square" }
  /** `log(1 + exp(margin))`: LightGBM's `cross_entropy_lambda`. */
  | { readonly kind: "softplus" }
  /** `exp(m_k) / Σ exp(m_j)` over the groups. */
  | { readonly kind: "softmax" }
  /** The margins of a row in ascending order: XGBoost's several quantiles since 3.4. */
  | { readonly kind: "sort" }
  /** The index of the largest margin, the first of equals, as one column. */
  | { readonly kind: "argmax" };

/** The columns that a model reads, in the order of the matrix. */
export interface Features {
  readonly count: number;
  /** Empty where the file names none. */
  readonly names: readonly string[];
  /** The library's own words (`float`, `int`, `i`, `q`, `c` …); empty where the file has none. */
  readonly types: readonly string[];
  /**
   * Labels of pandas' categories per feature, index = code; undefined for a
   * feature without; absent where the file has none. Matrices hold codes:
   * `toCode` maps a row's labels to them.
   */
  readonly labels?: readonly (readonly Label[] | undefined)[];
}

/** Boosting rounds: how many the file holds, and how many of them score. */
export interface Rounds {
  readonly total: number;
  readonly used: number;
  /** The early-stopped best round, counted from 0, where the file says one. */
  readonly best?: number;
}

/** What trees and linear models have in common. */
export interface ModelFacts {
  readonly library: "xgboost" | "lightgbm";
  /** As the file says it, such as `3.2.0`; empty where it does not. */
  readonly libraryVersion: string;
  /** The library's own name, such as `binary:logistic`. */
  readonly objective: string;
  readonly transform: Transform;
  /** `probability` where every output is a probability in [0, 1]; else `score`. */
  readonly predictionKind: "probability" | "score";
  /** Margins per row. */
  readonly groups: number;
  /** Predictions per row: {@linkcode groups}, or 1 for `argmax`. */
  readonly outputs: number;
  /** Where the sum of each group starts, in margin space; length {@linkcode groups}. */
  readonly baseMargins: Float32Array | Float64Array;
  readonly features: Features;
  readonly rounds: Rounds;
  /** The true parameters, for people and for MLflow's `params`. */
  readonly parameters: Readonly<Record<string, string>>;
}

/**
 * Trees whose leaves are summed. Every node of every tree stands in one set of
 * parallel arrays, each tree breadth first from its root. Children are indices
 * into the same arrays, always larger than their parent's, so every walk ends.
 *
 * `margin[g] = (baseMargins[g] + leaf + leaf + …) / divisor`, added in the
 * order of {@linkcode roots}, rounded after each addition to
 * {@linkcode precision}.
 */
export interface TreeEnsemble extends ModelFacts {
  readonly kind: "trees";
  /** What thresholds are compared in is always float32; this is what leaves are summed in. */
  readonly precision: "float32" | "float64";
  /** The root node of each tree, in the order of summation. */
  readonly roots: Int32Array;
  /** The group that a tree adds to; -1 where its leaves are vectors over all groups. */
  readonly treeGroups: Int32Array;
  /** Left child of each node, -1 where the node is a leaf; the right child is the node after the left one. */
  readonly left: Int32Array;
  /** Column that an inner node asks; 0 at a leaf. */
  readonly feature: Int32Array;
  /** `x < threshold` goes left; never NaN, 0 at a leaf and at a categorical node. */
  readonly threshold: Float32Array;
  /** 1 where NaN goes left. */
  readonly defaultLeft: Uint8Array;
  /** Values per leaf: 1, or {@linkcode groups} where leaves are vectors. */
  readonly leafSize: number;
  /** `leaf[node * leafSize + k]`: what a leaf adds; 0 at inner nodes. */
  readonly leaf: Float32Array | Float64Array;
  /** Absent where no node is categorical. */
  readonly categories?: CategorySets;
  /** Per feature, 1 where |x| ≤ 1e-35 is to be read as NaN; absent where there is none. */
  readonly zeroIsMissing?: Uint8Array;
  /** What the sum is divided by: 1, or the number of rounds of an averaging forest. */
  readonly divisor: number;
  /** Longest path from a root to a leaf, in edges. */
  readonly maxDepth: number;
}

/**
 * The category sets of the categorical nodes, as bits. The category of a value
 * is its integer part: `Math.floor` or `Math.trunc`, as {@linkcode rounding} says.
 * A negative or unknown category is in no set, so it goes left; NaN goes to
 * the default child. A set may be empty: LightGBM's threshold `inf`, which
 * divides NaN from everything else, +∞ included.
 */
export interface CategorySets {
  /** Per node, the first word of its set in {@linkcode words}; -1 where the node is not categorical. */
  readonly start: Int32Array;
  /** Per node, how many words its set has; 0 for an empty one. */
  readonly size: Int32Array;
  /** Category `c` is bit `c & 31`, counted from the lowest, of word `c >> 5` of a set. */
  readonly words: Uint32Array;
  /** XGBoost calls -0.5 a negative category, LightGBM category 0. */
  readonly rounding: "floor" | "trunc";
}

/**
 * A weighted sum: `margin[g] = bias[g] + baseMargins[g] + Σ x[f] * weights[f * groups + g]`,
 * in float32 and in the order of the features. A missing value adds nothing.
 */
export interface LinearModel extends ModelFacts {
  readonly kind: "linear";
  readonly bias: Float32Array;
  /** Row-major, features × groups. */
  readonly weights: Float32Array;
}

/** LightGBM's `kZeroThreshold`: a value whose magnitude is at most this counts as 0. */
export const zeroThreshold: number = Math.fround(1e-35);

/** Returns whether a node splits by a category set. */
export function isCategorical(model: TreeEnsemble, node: number): boolean {
  return (model.categories?.start[node] ?? -1) >= 0;
}

/** Returns whether a category, an integer or ±∞, is in a node's set; false for a node without one. */
export function hasCategory(
  { categories }: TreeEnsemble,
  node: number,
  category: number,
): boolean {
  const size = categories?.size[node] ?? 0;
  if (!(category >= 0 && category < size * 32)) return false;
  const word = (categories?.start[node] ?? 0) + (category >> 5);
  return ((categories?.words[word] ?? 0) >>> (category & 31) & 1) === 1;
}
