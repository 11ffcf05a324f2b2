/** Reads and validates the trees of an XGBoost model, with the categorical splits that it supports since 1.3. */
import {
  checkNumbers,
  flagsOf,
  float32sOf,
  int32sOf,
  integerOf,
  isPresent,
  type JsonValue,
  lengthOf,
  member,
  modelError,
} from "../document.ts";
import { isBefore, type Objective } from "./objective.ts";
import type { TreeArrays } from "../flatten.ts";

/** The properties of a model that its readers share. */
export interface Learner {
  readonly json: JsonValue;
  readonly version: readonly number[];
  readonly groups: number;
  readonly featureCount: number;
  /** In prediction space, one per group. */
  readonly baseScores: Float32Array;
  readonly objectiveName: string;
  readonly objective: Objective;
}

const int32Max = 2 ** 31 - 1;

const statistics = ["base_weights", "loss_changes", "sum_hessian"];

/**
 * Reads one tree of a `gbtree` booster.
 *
 * @param options `weight`: DART's factor of the leaf values; undefined without one. `isTyped`: whether the model has `split_type`, which marks categorical nodes.
 * @throws {InputError} If the tree is inconsistent.
 */
export function readXgboostTree(
  tree: JsonValue,
  options: {
    learner: Learner;
    leafSize: number;
    weight: number | undefined;
    isTyped: boolean;
  },
): TreeArrays {
  const { learner, leafSize, weight, isTyped } = options;
  const size = lengthOf(member(tree, "left_children"));
  const param = member(tree, "tree_param");
  const { featureCount } = learner;
  integerOf(member(param, "num_nodes"), { min: size, max: size });
  integerOf(member(param, "num_feature"), {
    min: featureCount,
    max: featureCount,
  });
  const int32s = (key: string) => int32sOf(member(tree, key), size);
  const left = int32s("left_children");
  const right = int32s("right_children");
  const defaultLeft = flagsOf(member(tree, "default_left"), size);
  checkNodes(tree, { left, right, defaultLeft, parents: int32s("parents") });
  const conditions = float32sOf(member(tree, "split_conditions"), size);
  // Lengths of arrays that scoring does not use: a file with wrong lengths is corrupt.
  // Trees with vector leaves have statistics of splits, which may have fewer targets.
  for (const key of leafSize > 1 ? [] : statistics) {
    checkNumbers(member(tree, key), size);
  }
  return {
    left,
    right,
    feature: int32s("split_indices"),
    threshold: conditions,
    defaultLeft,
    sets: isTyped ? readSets(tree, size) : new Map(),
    leaf: leafSize > 1
      ? vectorLeaves(tree, { learner, leafSize, left, right })
      : weight === undefined
      ? conditions
      : conditions.map((value) => value * weight),
  };
}

/**
 * Checks every node, including unreachable ones. XGBoost's predictor takes the
 * node after the left child as the right child, so any other right child would
 * make the file ambiguous.
 */
function checkNodes(
  tree: JsonValue,
  arrays: {
    left: Int32Array;
    right: Int32Array;
    parents: Int32Array;
    defaultLeft: ArrayLike<number>;
  },
): void {
  const { left, right, parents, defaultLeft } = arrays;
  const size = left.length;
  const fail = (node: number, problem: string): never => {
    throw modelError(`${tree.path} node ${node}`, problem);
  };
  for (let node = 0; node < size; node++) {
    const flag = defaultLeft[node] ?? -1;
    if (flag >> 1) fail(node, `default_left ${flag} is neither 0 nor 1`);
    const child = left[node] ?? -1;
    if (child < 0 || child >= size - 1) continue; // a leaf, or rejected later
    if (right[node] !== child + 1) {
      fail(
        node,
        `right child ${right[node]} does not follow left child ${child}`,
      );
    }
    if (parents[child] !== node || parents[child + 1] !== node) {
      fail(
        node,
        `its children have parents ${parents[child]} and ${parents[child + 1]}`,
      );
    }
  }
}

/** Reads vector leaves: since 3.2 from `leaf_weights`, at the index in a leaf's right child; before, from `base_weights`, which has one vector per node. */
function vectorLeaves(
  tree: JsonValue,
  options: {
    learner: Learner;
    leafSize: number;
    left: Int32Array;
    right: Int32Array;
  },
): Float32Array {
  const { learner, leafSize, left, right } = options;
  const size = left.length;
  const listed = member(tree, "leaf_weights");
  if (isBefore(learner.version, 3, 2) && !isPresent(listed)) {
    return float32sOf(member(tree, "base_weights"), size * leafSize);
  }
  const leaves = left.reduce((count, child) => count + Number(child === -1), 0);
  if (size !== 2 * leaves - 1) {
    throw modelError(tree.path, `${leaves} leaves among ${size} nodes`);
  }
  const values = float32sOf(listed, leaves * leafSize);
  const leaf = new Float32Array(size * leafSize);
  for (let node = 0; node < size; node++) {
    if (left[node] !== -1) continue;
    const own = right[node] ?? -1;
    for (let k = 0; k < leafSize; k++) {
      leaf[node * leafSize + k] = values[own * leafSize + k] ?? NaN; // NaN is rejected later
    }
  }
  return leaf;
}

/**
 * Returns the categories that go right, per categorical node of a tree.
 *
 * @throws {InputError} If a set belongs to no node or to two, is out of range, or contradicts the node's type.
 */
function readSets(
  tree: JsonValue,
  size: number,
): ReadonlyMap<number, Int32Array> {
  const types = flagsOf(member(tree, "split_type"), size);
  const nodes = int32sOf(member(tree, "categories_nodes"));
  const starts = int32sOf(member(tree, "categories_segments"), nodes.length);
  const counts = int32sOf(member(tree, "categories_sizes"), nodes.length);
  const categories = int32sOf(member(tree, "categories"));
  const sets = new Map<number, Int32Array>();
  let left = categories.length; // sets do not overlap, so together they are at most all categories
  nodes.forEach((node, s) => {
    const start = starts[s] ?? -1;
    const end = start + (counts[s] ?? 0);
    const isNew = node >= 0 && node < size && !sets.has(node);
    left -= end - start;
    if (
      !isNew || start < 0 || end <= start || end > categories.length || left < 0
    ) {
      throw modelError(
        `${tree.path} node ${node}`,
        `category set ${start}..${end} is invalid for ${categories.length} categories`,
      );
    }
    sets.set(node, categories.subarray(start, end));
  });
  const isCategorical = sets.size > 0;
  for (let node = 0; node < size; node++) {
    const type = types[node];
    const hasSet = isCategorical && sets.has(node);
    if (type === (hasSet ? 1 : 0)) continue;
    throw modelError(
      `${tree.path} node ${node}`,
      `split type ${type}, ${hasSet ? "with" : "without"} categories`,
    );
  }
  return sets;
}

/**
 * Checks the declared number of unreachable nodes, which pruning leaves in the
 * file; XGBoost 1.0 did not write it.
 *
 * @throws {InputError} If the numbers differ.
 */
export function checkDeleted(
  tree: JsonValue,
  found: number,
  version: readonly number[],
): void {
  const declared = member(tree, "tree_param", "num_deleted");
  if (!isPresent(declared) && isBefore(version, 1, 1)) return;
  const count = integerOf(declared, { min: 0, max: int32Max });
  if (count === found) return;
  throw modelError(
    tree.path,
    `${found} nodes without a parent, but num_deleted is ${count}`,
  );
}
