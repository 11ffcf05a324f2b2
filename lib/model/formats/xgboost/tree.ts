/** The trees of an XGBoost model, their claims about themselves checked. */
import {
  checkNumbers,
  flagsOf,
  float32sOf,
  int32sOf,
  integerOf,
  isThere,
  lengthOf,
  member,
  modelError,
  type Place,
} from "../document.ts";
import { isBefore, type Objective } from "./objective.ts";
import type { TreeArrays } from "../flatten.ts";
import { readSets } from "./categories.ts";

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

/** What is read of a tree before its leaves. */
interface Nodes {
  readonly size: number;
  readonly left: Int32Array;
  readonly right: Int32Array;
  readonly conditions: Float32Array;
}

const int32Max = 2 ** 31 - 1;

/**
 * One tree of a `gbtree` booster.
 *
 * @param options `weight`: what DART multiplies the leaves with; undefined where they count in full. `isTyped`: whether the model's nodes have types, which says which are categorical.
 * @throws {InputError} If arrays contradict each other or the model.
 */
export function readXgboostTree(
  tree: Place,
  options: {
    learner: Learner;
    leafSize: number;
    weight: number | undefined;
    isTyped: boolean;
  },
): TreeArrays {
  const { learner, leafSize, weight, isTyped } = options;
  const size = lengthOf(member(tree, "left_children"));
  checkParameters(member(tree, "tree_param"), { size, learner });
  const int32s = (key: string) => int32sOf(member(tree, key), size);
  const left = int32s("left_children");
  const right = int32s("right_children");
  const defaultLeft = flagsOf(member(tree, "default_left"), size);
  checkNodes(tree, { left, right, defaultLeft, parents: int32s("parents") });
  const conditions = float32sOf(member(tree, "split_conditions"), size);
  const nodes: Nodes = { size, left, right, conditions };
  checkStatistics(tree, { size, leafSize });
  return {
    left,
    right,
    feature: int32s("split_indices"),
    threshold: conditions,
    defaultLeft,
    sets: isTyped ? readSets(tree, size) : new Map(),
    leaf: leafSize > 1
      ? vectorLeaves(tree, { learner, leafSize, nodes })
      : weight === undefined
      ? conditions
      : conditions.map((value) => value * weight),
  };
}

/** What a tree says of itself must be true. */
function checkParameters(
  param: Place,
  { size, learner }: { size: number; learner: Learner },
): void {
  const { featureCount } = learner;
  integerOf(member(param, "num_nodes"), { least: size, most: size });
  integerOf(member(param, "num_feature"), {
    least: featureCount,
    most: featureCount,
  });
}

/**
 * What must be true of every node, also of those that no walk reaches. XGBoost
 * goes to the node after the left child where it does not go left, so a file
 * whose right child stands elsewhere would mean two things.
 */
function checkNodes(
  tree: Place,
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
    if (child < 0 || child >= size - 1) continue; // a leaf, or refused later
    if (right[node] !== child + 1) {
      fail(
        node,
        `right child ${right[node]} does not follow left child ${child}`,
      );
    }
    if (parents[child] !== node || parents[child + 1] !== node) {
      fail(
        node,
        `its children name ${parents[child]} and ${
          parents[child + 1]
        } as parents`,
      );
    }
  }
}

/** Nothing is scored with these, but a file whose counts contradict each other is broken. */
function checkStatistics(
  tree: Place,
  { size, leafSize }: { size: number; leafSize: number },
): void {
  if (leafSize > 1) return; // of splits, whose targets may be fewer
  for (const key of ["base_weights", "loss_changes", "sum_hessian"]) {
    checkNumbers(member(tree, key), size);
  }
}

/** Since 3.2 in `leaf_weights`, where a leaf's right child says which; before, in `base_weights`, one for each node. */
function vectorLeaves(
  tree: Place,
  options: { learner: Learner; leafSize: number; nodes: Nodes },
): Float32Array {
  const { learner, leafSize, nodes: { size, left, right } } = options;
  const listed = member(tree, "leaf_weights");
  if (isBefore(learner.version, 3, 2) && !isThere(listed)) {
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
      leaf[node * leafSize + k] = values[own * leafSize + k] ?? NaN; // NaN is refused
    }
  }
  return leaf;
}

/**
 * Pruning leaves nodes behind that no walk reaches, and counts them; XGBoost
 * 1.0 did not write the count.
 *
 * @throws {InputError} If it counted otherwise.
 */
export function checkDeleted(
  tree: Place,
  found: number,
  version: readonly number[],
): void {
  const declared = member(member(tree, "tree_param"), "num_deleted");
  if (!isThere(declared) && isBefore(version, 1, 1)) return;
  const count = integerOf(declared, { least: 0, most: int32Max });
  if (count === found) return;
  throw modelError(
    tree.path,
    `${found} nodes without a parent, ${count} declared as deleted`,
  );
}
