/** One tree of XGBoost, its claims about itself checked. */
import {
  arrayOf,
  float32sOf,
  int32sOf,
  integerOf,
  mapOf,
  member,
  modelError,
  type Place,
  type Value,
} from "./document.ts";
import { isBefore, type Objective } from "./objective.ts";
import type { RawTree } from "./trees.ts";

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
 * One tree of a `gbtree` booster.
 *
 * @param options `weight`: what DART multiplies its leaves with.
 * @throws {InputError} If its arrays contradict each other or the model.
 */
export function readXgboostTree(
  tree: Place,
  options: { learner: Learner; leafSize: number; weight: number },
): RawTree {
  const { learner, leafSize, weight } = options;
  const param = member(tree, "tree_param");
  const size = arrayOf(member(tree, "left_children")).length;
  integerOf(member(param, "num_nodes"), { least: size, most: size });
  const features = learner.featureCount;
  integerOf(member(param, "num_feature"), { least: features, most: features });
  const left = int32sOf(member(tree, "left_children"), size);
  const right = int32sOf(member(tree, "right_children"), size);
  const parents = int32sOf(member(tree, "parents"), size);
  checkFamilies({ name: tree.path, left, right, parents });
  const conditions = float32sOf(member(tree, "split_conditions"), size);
  checkStatistics(tree, { size, leafSize });
  return {
    name: tree.path,
    left,
    right,
    feature: int32sOf(member(tree, "split_indices"), size),
    threshold: conditions,
    defaultLeft: readFlags(member(tree, "default_left"), size),
    sets: readSets(tree, size),
    leaf: leafSize > 1
      ? vectorLeaves(tree, { learner, size, leafSize, left, right })
      : (node) => Math.fround((conditions[node] ?? NaN) * weight),
  };
}

/** Nothing is scored with these, but a file whose counts contradict each other is broken. */
function checkStatistics(
  tree: Place,
  { size, leafSize }: { size: number; leafSize: number },
): void {
  if (leafSize > 1) return; // of splits, whose targets may be fewer
  for (const key of ["base_weights", "loss_changes", "sum_hessian"]) {
    float32sOf(member(tree, key), size);
  }
}

/** Zeros and ones, or booleans, as JSON of 1.x has them. */
function readFlags(place: Place, size: number): Int32Array {
  const flags = int32sOf(place, size);
  let wrong = -1;
  for (let i = 0; i < size; i++) if (((flags[i] ?? 2) | 1) !== 1) wrong = i;
  if (wrong === -1) return flags;
  throw modelError(
    `${place.path}[${wrong}]`,
    `${flags[wrong]} is neither 0 nor 1`,
  );
}

/**
 * XGBoost goes to the node after the left child where it does not go left, so
 * a file whose right child stands elsewhere would mean two things.
 */
function checkFamilies(
  tree: {
    name: string;
    left: Int32Array;
    right: Int32Array;
    parents: Int32Array;
  },
): void {
  const { name, left, right, parents } = tree;
  for (let node = 0; node < left.length; node++) {
    const child = left[node] ?? -1;
    if (child < 0 || child >= left.length - 1) continue; // a leaf, or refused later
    if (right[node] !== child + 1) {
      throw modelError(
        `${name} node ${node}`,
        `right child ${right[node]} does not follow left child ${child}`,
      );
    }
    if (parents[child] !== node || parents[child + 1] !== node) {
      throw modelError(
        `${name} node ${node}`,
        `its children name ${parents[child]} and ${
          parents[child + 1]
        } as parents`,
      );
    }
  }
}

/** Since 3.2 in `leaf_weights`, where a leaf's right child says which; before, in `base_weights`, one for each node. */
function vectorLeaves(
  tree: Place,
  options: {
    learner: Learner;
    size: number;
    leafSize: number;
    left: Int32Array;
    right: Int32Array;
  },
): RawTree["leaf"] {
  const { learner, size, leafSize, left, right } = options;
  const isOld = isBefore(learner.version, 3, 2);
  if (isOld && !mapOf(tree).has("leaf_weights")) {
    const values = float32sOf(member(tree, "base_weights"), size * leafSize);
    return (node, k) => values[node * leafSize + k] ?? NaN;
  }
  const leaves = left.reduce((count, child) => count + Number(child === -1), 0);
  if (size !== 2 * leaves - 1) {
    throw modelError(tree.path, `${leaves} leaves among ${size} nodes`);
  }
  const values = float32sOf(member(tree, "leaf_weights"), leaves * leafSize);
  return (node, k) => values[(right[node] ?? -1) * leafSize + k] ?? NaN;
}

/** Categorical splits, since 1.3; the categories of a node go right. */
function readSets(
  tree: Place,
  size: number,
): ReadonlyMap<number, ArrayLike<number>> {
  const sets = new Map<number, ArrayLike<number>>();
  const members: ReadonlyMap<string, Value> = mapOf(tree);
  if (!members.has("split_type")) return sets;
  const types = int32sOf(member(tree, "split_type"), size);
  const nodes = int32sOf(member(tree, "categories_nodes"));
  const starts = int32sOf(member(tree, "categories_segments"), nodes.length);
  const sizes = int32sOf(member(tree, "categories_sizes"), nodes.length);
  const categories = int32sOf(member(tree, "categories"));
  nodes.forEach((node, i) => {
    const start = starts[i] ?? -1;
    const end = start + (sizes[i] ?? 0);
    if (
      start < 0 || end <= start || end > categories.length || sets.has(node)
    ) {
      throw modelError(
        `${tree.path} node ${node}`,
        `categories ${start}..${end} of ${categories.length}`,
      );
    }
    sets.set(node, categories.subarray(start, end));
  });
  if (sets.size === 0 && !types.some(Boolean)) return sets; // the usual tree
  for (let node = 0; node < size; node++) {
    const type = types[node] ?? 0;
    if (type === 0 ? !sets.has(node) : type === 1 && sets.has(node)) continue;
    throw modelError(
      `${tree.path} node ${node}`,
      `split type ${type}, ${sets.has(node) ? "with" : "without"} categories`,
    );
  }
  return sets;
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
  if (declared.value === undefined && isBefore(version, 1, 1)) return;
  const count = integerOf(declared, { least: 0, most: 2 ** 31 - 1 });
  if (count === found) return;
  throw modelError(
    tree.path,
    `${found} nodes without a parent, ${count} declared as deleted`,
  );
}
