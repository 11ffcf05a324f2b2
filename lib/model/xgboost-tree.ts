/** The trees of an XGBoost model, their claims about themselves checked. */
import {
  float32Column,
  int32Column,
  integerColumn,
  objectsOf,
  type Rows,
} from "./columns.ts";
import { modelError, type Place } from "./document.ts";
import { isBefore, type Objective } from "./objective.ts";
import type { RawSets, RawTrees } from "./trees.ts";

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

/**
 * The trees of a `gbtree` booster.
 *
 * @param trees In the order of their ids.
 * @param options `weights`: what DART multiplies the leaves of each with.
 * @throws {InputError} If arrays contradict each other or the model.
 */
export function readXgboostTrees(
  trees: Rows,
  options: {
    learner: Learner;
    leafSize: number;
    weights: Float32Array | undefined;
  },
): RawTrees {
  const { learner: { featureCount }, leafSize } = options;
  const param = objectsOf(trees, "tree_param");
  const { values: left, sizes } = int32Column(trees, "left_children");
  const counts = integerColumn(param, "num_nodes", {
    least: 0,
    most: int32Max,
  });
  sizes.forEach((size, t) => {
    if (counts[t] === size) return;
    throw modelError(
      `tree ${t}.tree_param.num_nodes`,
      `${counts[t]} is outside ${size}..${size}`,
    );
  });
  integerColumn(param, "num_feature", {
    least: featureCount,
    most: featureCount,
  });
  const int32s = (key: string) => int32Column(trees, key, { sizes }).values;
  const threshold = float32Column(trees, "split_conditions", { sizes }).values;
  const right = int32s("right_children");
  const parts = { trees, sizes, left, right, threshold };
  checkStatistics(parts, leafSize);
  return {
    sizes,
    left,
    right,
    parents: int32s("parents"),
    feature: int32s("split_indices"),
    threshold,
    defaultLeft: int32s("default_left"),
    leaf: leafSize > 1
      ? vectorLeaves(parts, options)
      : weighted(parts, options.weights),
    ...readSets(parts),
  };
}

const int32Max = 2 ** 31 - 1;

/** What was read of the trees so far. */
interface Parts {
  readonly trees: Rows;
  readonly sizes: Int32Array;
  readonly left: Int32Array;
  readonly right: Int32Array;
  readonly threshold: Float32Array;
}

/** Nothing is scored with these, but a file whose counts contradict each other is broken. */
function checkStatistics({ trees, sizes }: Parts, leafSize: number): void {
  if (leafSize > 1) return; // of splits, whose targets may be fewer
  for (const key of ["base_weights", "loss_changes", "sum_hessian"]) {
    float32Column(trees, key, { sizes });
  }
}

/** A leaf's value stands where an inner node has its threshold. */
function weighted(
  { sizes, threshold }: Parts,
  weights: Float32Array | undefined,
): Float32Array {
  if (weights === undefined) return threshold;
  const leaf = new Float32Array(threshold.length);
  let n = 0;
  sizes.forEach((size, t) => {
    for (const end = n + size; n < end; n++) {
      leaf[n] = (threshold[n] ?? NaN) * (weights[t] ?? NaN);
    }
  });
  return leaf;
}

/** Since 3.2 in `leaf_weights`, where a leaf's right child says which; before, in `base_weights`, one for each node. */
function vectorLeaves(
  { trees, sizes, left, right }: Parts,
  { learner, leafSize }: { learner: Learner; leafSize: number },
): Float32Array {
  const old = float32Column(trees, "leaf_weights", { isOptional: true });
  if (isBefore(learner.version, 3, 2) && !old.sizes.some(Boolean)) {
    return float32Column(trees, "base_weights", {
      sizes: sizes.map((size) => size * leafSize),
    }).values;
  }
  const leaves = new Int32Array(sizes.length);
  let n = 0;
  sizes.forEach((size, t) => {
    for (const end = n + size; n < end; n++) {
      if (left[n] === -1) leaves[t] = (leaves[t] ?? 0) + 1;
    }
    if (size === 2 * (leaves[t] ?? 0) - 1) return;
    throw modelError(`tree ${t}`, `${leaves[t]} leaves among ${size} nodes`);
  });
  const { values } = float32Column(trees, "leaf_weights", {
    sizes: leaves.map((count) => count * leafSize),
  });
  const leaf = new Float32Array(left.length * leafSize);
  let first = 0;
  n = 0;
  sizes.forEach((size, t) => {
    for (const end = n + size; n < end; n++) {
      if (left[n] !== -1) continue;
      const own = right[n] ?? -1;
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

/** Categorical splits, since 1.3; the categories of a node go right. */
function readSets(
  { trees, sizes }: Parts,
): { types?: Int32Array; sets?: RawSets } {
  const optional = { isOptional: true };
  const found = int32Column(trees, "split_type", optional);
  if (found.values.length === 0) return {};
  const types = int32Column(trees, "split_type", { sizes }).values;
  const nodes = int32Column(trees, "categories_nodes");
  const starts = int32Column(trees, "categories_segments", nodes);
  const counts = int32Column(trees, "categories_sizes", nodes);
  const { values: all, sizes: allSizes } = int32Column(trees, "categories");
  if (nodes.values.length === 0) return { types };
  const ofNode = new Int32Array(types.length).fill(-1);
  const ends = new Int32Array(nodes.values.length);
  const categories: number[] = [];
  let set = 0;
  let firstNode = 0;
  let firstCategory = 0;
  nodes.sizes.forEach((setCount, t) => {
    const size = sizes[t] ?? 0;
    const most = allSizes[t] ?? 0;
    let left = most;
    for (const last = set + setCount; set < last; set++) {
      const node = nodes.values[set] ?? -1;
      const start = starts.values[set] ?? -1;
      const end = start + (counts.values[set] ?? 0);
      const isNew = node >= 0 && node < size &&
        ofNode[firstNode + node] === -1;
      left -= end - start; // sets share nothing, so they are no more than the file has
      if (!isNew || start < 0 || end <= start || end > most || left < 0) {
        throw modelError(
          `tree ${t} node ${node}`,
          `categories ${start}..${end} of ${most}`,
        );
      }
      ofNode[firstNode + node] = set;
      for (let c = start; c < end; c++) {
        categories.push(all[firstCategory + c] ?? -1);
      }
      ends[set] = categories.length;
    }
    firstNode += size;
    firstCategory += most;
  });
  return {
    types,
    sets: { ofNode, ends, categories: Int32Array.from(categories) },
  };
}

/**
 * Pruning leaves nodes behind that no walk reaches, and counts them; XGBoost
 * 1.0 did not write the count.
 *
 * @throws {InputError} If it counted otherwise.
 */
export function checkDeleted(
  trees: Rows,
  found: ArrayLike<number>,
  version: readonly number[],
): void {
  const declared = integerColumn(
    objectsOf(trees, "tree_param"),
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
