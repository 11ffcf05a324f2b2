/** The trees of an XGBoost model, their claims about themselves checked. */
import {
  checkColumn,
  type Column,
  float32Column,
  float32sOfColumn,
  int32Column,
  int32sOfColumn,
  integerColumn,
  type Rows,
} from "./columns.ts";
import { modelError, type Place } from "./document.ts";
import { isBefore, type Objective } from "./objective.ts";
import type { RawTrees } from "./trees.ts";
import { readSets } from "./xgboost-categories.ts";
import { copyIn } from "./wasm/module.ts";

/** What the parts of a document share. */
export interface Learner {
  readonly place: Place;
  readonly version: readonly number[];
  readonly groups: number;
  readonly featureCount: number;
  /** Prediction space, one for each group. */
  readonly baseScores: Float32Array;
  readonly objectiveName: string;
  readonly objective: Objective;
}

/** The trees of a booster, and the `tree_param` of each, in the order of their ids. */
export interface BoosterTrees {
  readonly trees: Rows;
  readonly param: Rows;
}

/**
 * The trees of a `gbtree` booster, in the memory of their document.
 *
 * @param options `weights`: what DART multiplies the leaves of each with.
 * @returns Also how many nodes each tree has.
 * @throws {InputError} If arrays contradict each other or the model.
 */
export function readXgboostTrees(
  booster: BoosterTrees,
  options: {
    learner: Learner;
    leafSize: number;
    weights: Float32Array | undefined;
  },
): { raw: RawTrees; sizes: Int32Array } {
  const { trees } = booster;
  const left = int32Column(trees, "left_children");
  const { sizes } = left;
  checkParameters(booster, { sizes, learner: options.learner });
  const int32s = (key: string) => int32Column(trees, key, { sizes });
  const right = int32s("right_children");
  const threshold = float32Column(trees, "split_conditions", { sizes });
  const parts: Parts = { trees, left, right, threshold };
  checkStatistics(parts, options.leafSize);
  return {
    sizes,
    raw: {
      count: sizes.length,
      nodes: left.count,
      isWide: false,
      sizes: left.sizesAt,
      left: left.at,
      right: right.at,
      parents: int32s("parents").at,
      feature: int32s("split_indices").at,
      threshold: threshold.at,
      defaultLeft: int32s("default_left").at,
      leaf: readLeaves(parts, options),
      ...readSets(trees, left),
    },
  };
}

const int32Max = 2 ** 31 - 1;

/** What was read of the trees so far. */
interface Parts {
  readonly trees: Rows;
  readonly left: Column;
  readonly right: Column;
  readonly threshold: Column;
}

/** What each tree says of itself must be true. */
function checkParameters(
  { param }: BoosterTrees,
  { sizes, learner }: { sizes: Int32Array; learner: Learner },
): void {
  const { featureCount } = learner;
  const counts = integerColumn(param, "num_nodes", {
    least: 0,
    most: int32Max,
  });
  sizes.forEach((size, t) => {
    if (size === 0) throw modelError(`tree ${t}`, "no nodes");
    if (counts[t] === size) return;
    throw modelError(
      `tree ${t}.tree_param.num_nodes`,
      `${counts[t]} is outside ${size}..${size}`,
    );
  });
  const range = { least: featureCount, most: featureCount };
  integerColumn(param, "num_feature", range);
}

/** Nothing is scored with these, but a file whose counts contradict each other is broken. */
function checkStatistics(
  { trees, left: { sizes } }: Parts,
  leafSize: number,
): void {
  if (leafSize > 1) return; // of splits, whose targets may be fewer
  for (const key of ["base_weights", "loss_changes", "sum_hessian"]) {
    checkColumn(trees, key, { sizes });
  }
}

/** The address of the leaves' values, nodes × values: those of one value stand where an inner node has its threshold. */
function readLeaves(
  parts: Parts,
  options: {
    learner: Learner;
    leafSize: number;
    weights: Float32Array | undefined;
  },
): number {
  const { leafSize, weights } = options;
  if (leafSize === 1 && weights === undefined) return parts.threshold.at;
  return placed(
    parts,
    leafSize > 1 ? vectorLeaves(parts, options) : weighted(parts, weights),
  );
}

/** Copies an array to the memory that the trees are in. */
function placed({ trees }: Parts, array: ArrayBufferView): number {
  return copyIn(trees.document, array);
}

function weighted(
  { left: { sizes }, threshold }: Parts,
  weights: Float32Array | undefined,
): Float32Array {
  const leaf = float32sOfColumn(threshold);
  let n = 0;
  sizes.forEach((size, t) => {
    for (const end = n + size; n < end; n++) {
      leaf[n] = (leaf[n] ?? NaN) * (weights?.[t] ?? NaN);
    }
  });
  return leaf;
}

/** Since 3.2 in `leaf_weights`, where a leaf's right child says which; before, in `base_weights`, one for each node. */
function vectorLeaves(
  { trees, left, right }: Parts,
  { learner, leafSize }: { learner: Learner; leafSize: number },
): Float32Array {
  const { sizes } = left;
  const found = float32Column(trees, "leaf_weights", { isOptional: true });
  if (isBefore(learner.version, 3, 2) && found.present === 0) {
    return float32sOfColumn(float32Column(trees, "base_weights", {
      sizes: Array.from(sizes, (size) => size * leafSize),
    }));
  }
  const lefts = int32sOfColumn(left);
  const rights = int32sOfColumn(right);
  const leaves = new Int32Array(sizes.length);
  let n = 0;
  sizes.forEach((size, t) => {
    for (const end = n + size; n < end; n++) {
      if (lefts[n] === -1) leaves[t] = (leaves[t] ?? 0) + 1;
    }
    if (size === 2 * (leaves[t] ?? 0) - 1) return;
    throw modelError(`tree ${t}`, `${leaves[t]} leaves among ${size} nodes`);
  });
  const values = float32sOfColumn(float32Column(trees, "leaf_weights", {
    sizes: Array.from(leaves, (count) => count * leafSize),
  }));
  const leaf = new Float32Array(lefts.length * leafSize);
  let first = 0;
  n = 0;
  sizes.forEach((size, t) => {
    for (const end = n + size; n < end; n++) {
      if (lefts[n] !== -1) continue;
      const own = rights[n] ?? -1;
      const isOwn = own >= 0 && own < (leaves[t] ?? 0);
      for (let k = 0; k < leafSize; k++) {
        leaf[n * leafSize + k] = isOwn
          ? values[first + own * leafSize + k] ?? NaN
          : NaN; // no value, which is refused
      }
    }
    first += (leaves[t] ?? 0) * leafSize;
  });
  return leaf;
}

/**
 * Pruning leaves nodes behind that no walk reaches, and counts them; XGBoost
 * 1.0 did not write the count.
 *
 * @throws {InputError} If it counted otherwise.
 */
export function checkDeleted(
  { param }: BoosterTrees,
  found: ArrayLike<number>,
  version: readonly number[],
): void {
  const declared = integerColumn(
    param,
    "num_deleted",
    {
      least: 0,
      most: int32Max,
      isOptional: isBefore(version, 1, 1),
    },
  );
  declared.forEach((count, t) => {
    if (Number.isNaN(count) || count === found[t]) return;
    throw modelError(
      `tree ${t}`,
      `${found[t]} nodes without a parent, ${count} declared as deleted`,
    );
  });
}
