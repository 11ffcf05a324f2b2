/** Reads XGBoost's boosters: trees (`gbtree`, `dart`) and linear models (`gblinear`). */
import {
  elementsOf,
  float32sOf,
  int32sOf,
  integerOf,
  isPresent,
  type JsonValue,
  member,
  modelError,
  valueOf,
} from "../document.ts";
import type {
  LinearModel,
  ModelFacts,
  Rounds,
  TreeEnsemble,
} from "../../ensemble.ts";
import { isBefore } from "./objective.ts";
import { flattenTrees } from "../flatten.ts";
import { checkKeys } from "./keys.ts";
import { readXgboostLabels } from "./labels.ts";
import { checkDeleted, type Learner, readXgboostTree } from "./tree.ts";

/** Returns the common properties of a model, once its rounds are known. */
type Facts = (rounds: Rounds, more: Record<string, string>) => ModelFacts;

const int32Max = 2 ** 31 - 1;

/**
 * Reads the trees of a `gbtree` booster.
 *
 * @param options `best`: the last round that scores; if undefined, all rounds do. `weights`: DART's `weight_drop` of the booster; absent in files of 3.4, which have it in the model.
 */
export function readTrees(
  booster: JsonValue,
  options: {
    learner: Learner;
    facts: Facts;
    best?: number | undefined;
    weights: JsonValue;
  },
): TreeEnsemble {
  const { learner, facts, best } = options;
  const model = member(booster, "model");
  checkKeys(model, "model");
  const trees = treesOf(model);
  const { length: count } = trees;
  if (count === 0) {
    throw modelError("trees", "the model has no trees; it is not trained");
  }
  const treeGroups = readTreeGroups(model, { trees: count, learner });
  const starts = readRounds(model, { trees: count, treeGroups });
  const total = starts.length - 1;
  if (best !== undefined && best >= total) {
    throw modelError(
      "best_iteration",
      `round ${best} is outside 0..${total - 1}`,
    );
  }
  const rounds = { total, used: best === undefined ? total : best + 1 };
  const used = starts[rounds.used] ?? 0;
  const weights = readWeights(options.weights, { model, count });
  const leafSize = readLeafSize(trees, learner);
  if (leafSize > 1 && weights) {
    throw modelError("weight_drop", "DART with vector leaves is not supported");
  }
  const scoring = trees.slice(0, used);
  const isTyped = scoring.some((tree) => isPresent(member(tree, "split_type")));
  const arrays = scoring.map((tree, t) =>
    readXgboostTree(tree, { learner, leafSize, weight: weights?.[t], isTyped })
  );
  const { reached, ...finished } = flattenTrees(arrays, {
    featureCount: learner.featureCount,
    leafSize,
    precision: "float32",
    rounding: "floor",
  });
  scoring.forEach((tree, t) => {
    const deleted = (arrays[t]?.left.length ?? 0) - (reached[t] ?? 0);
    checkDeleted(tree, deleted, learner.version);
  });
  const common = facts(rounds, {
    num_trees: String(used),
    num_parallel_tree: String(valueOf(parallelTrees(model))),
    max_depth: String(finished.maxDepth),
    ...(leafSize > 1 ? { multi_strategy: "multi_output_tree" } : {}),
  });
  const labels = readXgboostLabels(model, learner);
  return {
    kind: "trees",
    ...common,
    features: { ...common.features, ...(labels ? { labels } : {}) },
    precision: "float32",
    treeGroups: leafSize > 1
      ? new Int32Array(used).fill(-1)
      : treeGroups.slice(0, used),
    divisor: 1,
    ...finished,
  };
}

/** Returns DART's weight of each tree; undefined if the trees have no weights. */
function readWeights(
  beside: JsonValue,
  options: { model: JsonValue; count: number },
): Float32Array | undefined {
  const { model, count } = options;
  const within = member(model, "weight_drop");
  if (isPresent(beside) && isPresent(within)) {
    throw modelError(
      within.path,
      "tree weights in both the booster and the model",
    );
  }
  const found = [beside, within].find(isPresent);
  return found && float32sOf(found, count);
}

/** Returns the trees in the order of their ids, which is the order of summation. */
function treesOf(model: JsonValue): JsonValue[] {
  const listed = elementsOf(member(model, "trees"));
  const { length: count } = listed;
  const range = { min: 0, max: count - 1 };
  const trees = new Array<JsonValue | undefined>(count);
  listed.forEach(({ value }, i) => {
    const path = `tree ${i}`;
    const id = integerOf(member({ value, path }, "id"), range);
    if (trees[id]) throw modelError(path, `duplicate id ${id}`);
    trees[id] = { value, path: `tree ${id}` };
  });
  const param = member(model, "gbtree_model_param");
  checkKeys(param, "gbtree_model_param");
  integerOf(member(param, "num_trees"), { min: count, max: count });
  const ordered = trees.filter((tree) => tree !== undefined);
  for (const tree of ordered) {
    checkKeys(tree, "tree");
    checkKeys(member(tree, "tree_param"), "tree_param");
  }
  return ordered;
}

function readTreeGroups(
  model: JsonValue,
  options: { trees: number; learner: Learner },
): Int32Array {
  const groups = int32sOf(member(model, "tree_info"), options.trees);
  const wrong = groups.findIndex((g) => g < 0 || g >= options.learner.groups);
  if (wrong === -1) return groups;
  throw modelError(
    `tree_info[${wrong}]`,
    `group ${groups[wrong]} is outside 0..${options.learner.groups - 1}`,
  );
}

/** Returns the number of trees per round and group; absent in some files, then 1. */
function parallelTrees(model: JsonValue): JsonValue {
  const found = member(model, "gbtree_model_param", "num_parallel_tree");
  return isPresent(found) ? found : { ...found, value: 1 };
}

/** Returns the first tree of each round and the number of trees, from `iteration_indptr`; files before 2.0 do not have it, and their rounds have equal size. */
function readRounds(
  model: JsonValue,
  options: { trees: number; treeGroups: Int32Array },
): Int32Array {
  const { trees } = options;
  const listed = member(model, "iteration_indptr");
  const starts = isPresent(listed)
    ? int32sOf(listed)
    : equalRounds(model, options);
  const isRising = starts.every((start, i) =>
    i === 0 || start >= (starts[i - 1] ?? 0)
  );
  if (starts[0] === 0 && starts.at(-1) === trees && isRising) return starts;
  throw modelError(
    "iteration_indptr",
    `does not divide ${trees} trees into rounds`,
  );
}

function equalRounds(
  model: JsonValue,
  options: { trees: number; treeGroups: Int32Array },
): Int32Array {
  const { trees, treeGroups } = options;
  const groups = treeGroups.reduce((max, g) => Math.max(max, g), 0) + 1;
  const range = { min: 1, max: Math.max(1, trees) };
  const size = groups * integerOf(parallelTrees(model), range);
  if (trees % size !== 0) {
    throw modelError(
      "trees",
      `${trees} trees do not divide into rounds of ${size}`,
    );
  }
  return Int32Array.from({ length: trees / size + 1 }, (_, i) => i * size);
}

function readLeafSize(trees: readonly JsonValue[], learner: Learner): number {
  const sizes = trees.map((tree) => {
    const size = member(tree, "tree_param", "size_leaf_vector");
    if (!isPresent(size)) return 1;
    return Math.max(1, integerOf(size, { min: 0, max: learner.groups }));
  });
  const [first = 1] = sizes;
  const odd = sizes.findIndex((size) => size !== first);
  if (odd !== -1 || first > 1 && first !== learner.groups) {
    const at = Math.max(0, odd);
    throw modelError(
      `tree ${at}`,
      `leaves of ${sizes[at]} values for ${learner.groups} outputs`,
    );
  }
  return first;
}

/** Reads the weights of a `gblinear` booster: features × groups, then one bias per group. */
export function readLinear(
  booster: JsonValue,
  options: { learner: Learner; facts: Facts },
): LinearModel {
  const { learner, facts } = options;
  const { featureCount, groups } = learner;
  const model = member(booster, "model");
  checkKeys(model, "model");
  const values = float32sOf(
    member(model, "weights"),
    (featureCount + 1) * groups,
  );
  const wrong = values.findIndex((value) => !Number.isFinite(value));
  if (wrong !== -1) {
    throw modelError(`weights[${wrong}]`, `weight is ${values[wrong]}`);
  }
  const boosted = member(model, "boosted_rounds");
  // XGBoost treats a newer model without it as untrained.
  const isOld = isBefore(learner.version, 2, 0);
  const total = !isPresent(boosted) && isOld
    ? 0
    : integerOf(boosted, { min: 1, max: int32Max });
  const common = facts({ total, used: total }, {});
  // XGBoost uses the first base_score for every output of a linear model.
  const first = common.baseMargins[0] ?? 0;
  return {
    kind: "linear",
    ...common,
    baseMargins: new Float32Array(groups).fill(first),
    weights: values.slice(0, featureCount * groups),
    bias: values.slice(featureCount * groups),
  };
}
