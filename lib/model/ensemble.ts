/**
 * A model as plain data, independent of the library that wrote it: the input of
 * the evaluator, the ONNX writer and the tree kernel. The readers convert each
 * library's conventions to these:
 *
 * - **Thresholds.** A row goes left if `x < threshold`, both float32 (XGBoost's
 *   rule). LightGBM tests `x <= t` in double; its reader stores the next float32
 *   above `t`, which gives the same decision for every float32 `x`.
 * - **Missing values.** NaN goes to the default child. Features for which 0 also
 *   means missing (LightGBM's `zero_as_missing`) are marked in
 *   {@linkcode TreeEnsemble.zeroIsMissing}.
 * - **Categories.** A category in the node's set goes right, any other left
 *   (XGBoost's rule; LightGBM's reader swaps the children).
 * - **Leaves.** Tree weights (DART), learning rate and shrinkage are already
 *   multiplied into the leaf values, in the library's own precision.
 * - **Early stopping.** Trees after the best round are left out if the library
 *   would not score them; see {@linkcode Rounds}.
 */

import type { Label, Library } from "./labels.ts";

/** A model that can be scored: trees, or a weighted sum of the features. */
export type Model = TreeEnsemble | LinearModel;

/**
 * The function from a row's margins, one per output group, to its predictions,
 * {@linkcode ModelFacts.outputs} values.
 */
export type Transform =
  /** The margin itself. */
  | { readonly kind: "identity" }
  /** `1 / (1 + exp(-slope * margin))`, for each group separately. */
  | { readonly kind: "logistic"; readonly slope: number }
  /** `exp(margin)`. */
  | { readonly kind: "exponential" }
  /** 1 if the margin is greater than 0, else 0. */
  | { readonly kind: "step" }
  /** `sign(margin) * margin²`: LightGBM's `reg_sqrt`. */
  | { readonly kind: "signed-square" }
  /** `log(1 + exp(margin))`: LightGBM's `cross_entropy_lambda`. */
  | { readonly kind: "softplus" }
  /** `exp(m_k) / Σ exp(m_j)` over the groups. */
  | { readonly kind: "softmax" }
  /** The margins in ascending order: XGBoost 3.4 and newer with several quantiles. */
  | { readonly kind: "sort" }
  /** The index of the largest margin, the first of equal ones: one value. */
  | { readonly kind: "argmax" };

/** The features of a model, in the order of the matrix columns. */
export interface Features {
  readonly count: number;
  /** Empty if the file has no names. */
  readonly names: readonly string[];
  /** As the library calls them (`float`, `int`, `i`, `q`, `c` …); empty if the file has no types. */
  readonly types: readonly string[];
  /**
   * Per feature, the labels of its pandas categories, indexed by code; undefined
   * for a numeric feature. Absent if the file has no labels. Matrices hold codes;
   * `toCode` maps labels to codes.
   */
  readonly labels?: readonly (readonly Label[] | undefined)[];
}

/** Boosting rounds: the number in the file and the number used for scoring. */
export interface Rounds {
  readonly total: number;
  readonly used: number;
}

/** The properties common to tree and linear models. */
export interface ModelFacts {
  readonly library: Library;
  /** As in the file, such as `3.2.0`, or `v4` of LightGBM's format. */
  readonly libraryVersion: string;
  /** The library's name, such as `binary:logistic`. */
  readonly objective: string;
  readonly transform: Transform;
  /** `probability` if every output is a probability in [0, 1]; else `score`. */
  readonly predictionKind: "probability" | "score";
  /** Margins per row. */
  readonly groups: number;
  /** Predictions per row: {@linkcode groups}, or 1 for `argmax`. */
  readonly outputs: number;
  /** The initial value of each group's sum, in margin space; length {@linkcode groups}. */
  readonly baseMargins: Float32Array | Float64Array;
  readonly features: Features;
  readonly rounds: Rounds;
  /** The model's parameters, for people and for MLflow's `params`. */
  readonly parameters: Readonly<Record<string, string>>;
}

/**
 * Trees whose leaf values are summed. The nodes of all trees are stored in
 * parallel arrays, each tree in breadth-first order from its root. A child's
 * index is always greater than its parent's, so every walk ends.
 *
 * `margin[g] = (baseMargins[g] + leaf + leaf + …) / divisor`, added in the
 * order of {@linkcode roots} and rounded to {@linkcode precision} after each
 * addition.
 */
export interface TreeEnsemble extends ModelFacts {
  readonly kind: "trees";
  /** The type in which leaf values are summed. Thresholds are always compared in float32. */
  readonly precision: "float32" | "float64";
  /** The root node of each tree, in the order of summation. */
  readonly roots: Int32Array;
  /** The group that each tree adds to; -1 if its leaves are vectors over all groups. */
  readonly treeGroups: Int32Array;
  /** The left child of each node, -1 for a leaf; the right child is the node after the left child. */
  readonly left: Int32Array;
  /** The feature that an inner node tests; 0 for a leaf. */
  readonly feature: Int32Array;
  /** `x < threshold` goes left; never NaN; 0 for a leaf or a categorical node. */
  readonly threshold: Float32Array;
  /** 1 if NaN goes left, else 0. */
  readonly defaultLeft: Uint8Array;
  /** Values per leaf: 1, or {@linkcode groups} if leaves are vectors. */
  readonly leafSize: number;
  /** `leaf[node * leafSize + k]` is value k of a leaf; 0 for inner nodes. */
  readonly leaf: Float32Array | Float64Array;
  /** Absent if no node is categorical. */
  readonly categories?: CategorySets;
  /** Per feature, 1 if |x| ≤ {@linkcode zeroThreshold} means missing; absent if that is true of no feature. */
  readonly zeroIsMissing?: Uint8Array;
  /** The divisor of the sum: 1, or the number of rounds of an averaging forest. */
  readonly divisor: number;
  /** The longest path from a root to a leaf, in edges. */
  readonly maxDepth: number;
}

/**
 * The category sets of the categorical nodes, as bit sets. The category of a
 * value is its integer part: `Math.floor` or `Math.trunc`, by
 * {@linkcode rounding}. A negative or unknown category is in no set and goes
 * left; NaN goes to the default child. LightGBM's threshold `inf` becomes an
 * empty set: it separates NaN from every other value, including +∞.
 */
export interface CategorySets {
  /** Per node, the index in {@linkcode words} where its set starts; -1 if the node is not categorical. */
  readonly start: Int32Array;
  /** Per node, the number of words of its set; 0 for an empty set. */
  readonly size: Int32Array;
  /** Category `c` is bit `c & 31` of word `c >> 5` of a set, bit 0 being the lowest. */
  readonly words: Uint32Array;
  /** XGBoost rounds down, so -0.5 is a negative category; LightGBM truncates it to category 0. */
  readonly rounding: "floor" | "trunc";
}

/**
 * A weighted sum: `margin[g] = bias[g] + baseMargins[g] + Σ x[f] * weights[f * groups + g]`,
 * summed in float32 in the order of the features. Missing values add nothing.
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

/** Returns the categories in a node's set, ascending; none for a node without one. */
export function categoriesOf(model: TreeEnsemble, node: number): number[] {
  const set: number[] = [];
  const end = (model.categories?.size[node] ?? 0) * 32;
  for (let category = 0; category < end; category++) {
    if (hasCategory(model, node, category)) set.push(category);
  }
  return set;
}
