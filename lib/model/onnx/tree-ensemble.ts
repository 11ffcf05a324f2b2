/**
 * Writes trees as ONNX's `TreeEnsembleRegressor`
 * (https://onnx.ai/onnx/operators/onnx_aionnxml_TreeEnsembleRegressor.html).
 */
import { modelError } from "../formats/document.ts";
import { categoriesOf, isCategorical, type TreeEnsemble } from "../ensemble.ts";
import {
  floatsAttribute,
  integerAttribute,
  integersAttribute,
  stringAttribute,
  stringsAttribute,
  tensorAttribute,
} from "./graph.ts";

/** The operator's parallel lists: one entry per node, or per target of a leaf. */
interface Lists {
  readonly tree: number[];
  readonly node: number[];
  readonly feature: number[];
  readonly mode: string[];
  readonly value: number[];
  readonly ifTrue: number[];
  readonly ifFalse: number[];
  readonly missingIsTrue: number[];
  readonly targetTree: number[];
  readonly targetNode: number[];
  readonly target: number[];
  readonly weight: number[];
}

/** Above this number of nodes, comparisons with single categories make a graph unusable. */
const nodeLimit = 4_000_000;

/**
 * Returns the attributes of the operator that computes a model's margins, rows ×
 * groups.
 *
 * The base margins are a first tree of one leaf instead of `base_values`, which
 * a runtime adds last. So a runtime that sums tree by tree adds in XGBoost's
 * order and computes the same bits.
 *
 * @param options `categoryColumn`: per categorical feature, the column with its rounded categories.
 * @throws {InputError} If the category sets are too large to write as comparisons.
 */
export function treeAttributes(
  model: TreeEnsemble,
  options: { categoryColumn: ReadonlyMap<number, number> },
): Uint8Array[] {
  const lists: Lists = {
    tree: [],
    node: [],
    feature: [],
    mode: [],
    value: [],
    ifTrue: [],
    ifFalse: [],
    missingIsTrue: [],
    targetTree: [],
    targetNode: [],
    target: [],
    weight: [],
  };
  addNode(lists, { tree: 0, node: 0, mode: "LEAF" });
  model.baseMargins.forEach((weight, target) =>
    addTarget(lists, { tree: 0, node: 0, target, weight })
  );
  for (let t = 0; t < model.roots.length; t++) {
    addTree(lists, model, { t, categoryColumn: options.categoryColumn });
  }
  return encode(lists, model);
}

function addTree(
  lists: Lists,
  model: TreeEnsemble,
  options: { t: number; categoryColumn: ReadonlyMap<number, number> },
): void {
  const { t } = options;
  const tree = t + 1;
  const first = model.roots[t] ?? 0;
  const end = model.roots[t + 1] ?? model.left.length;
  let spare = end - first; // ids for the additional nodes of category sets
  const chains: Chain[] = [];
  for (let at = first; at < end; at++) {
    const node = at - first;
    const left = (model.left[at] ?? -1) - first;
    if (left < 0) {
      addNode(lists, { tree, node, mode: "LEAF" });
      addLeaf(lists, model, { t, at, node });
      continue;
    }
    const feature = model.feature[at] ?? 0;
    const missing = model.defaultLeft[at] ?? 0;
    if (isCategorical(model, at)) {
      const column = options.categoryColumn.get(feature) ?? feature;
      const set = categoriesOf(model, at);
      if (set.length === 0) {
        // Every value goes left, and NaN to its default child.
        addNode(lists, {
          tree,
          node,
          feature,
          mode: "BRANCH_LEQ",
          value: Infinity,
          ifTrue: left,
          ifFalse: left + 1,
          missingIsTrue: missing,
        });
        continue;
      }
      const chain = { tree, node, column, set, left, missing, spare };
      spare += set.length - 1;
      addComparison(lists, chain, 0);
      chains.push(chain);
      continue;
    }
    addNode(lists, {
      tree,
      node,
      feature,
      mode: "BRANCH_LT",
      value: model.threshold[at] ?? 0,
      ifTrue: left,
      ifFalse: left + 1,
      missingIsTrue: missing,
    });
  }
  // A runtime takes the first node of a tree as its root, so these come last.
  for (const chain of chains) {
    for (let i = 1; i < chain.set.length; i++) addComparison(lists, chain, i);
  }
}

/** A category set as a chain of comparisons with one category each. */
interface Chain {
  readonly tree: number;
  readonly node: number;
  readonly column: number;
  readonly set: readonly number[];
  readonly left: number;
  /** 1 if NaN goes left. */
  readonly missing: number;
  /** The node id of the second comparison; the others follow. */
  readonly spare: number;
}

/** Appends comparison i: a member goes right, any other value to the next comparison, and left after the last. NaN is decided by the first comparison. */
function addComparison(lists: Lists, chain: Chain, i: number): void {
  const { tree, set, left, spare } = chain;
  if (lists.node.length > nodeLimit) {
    throw modelError("category sets", "too large for an ONNX graph");
  }
  const isLast = i === set.length - 1;
  addNode(lists, {
    tree,
    node: i === 0 ? chain.node : spare + i - 1,
    feature: chain.column,
    mode: "BRANCH_EQ",
    value: set[i] ?? 0,
    ifTrue: left + 1,
    ifFalse: isLast ? left : spare + i,
    missingIsTrue: i === 0 && !chain.missing ? 1 : 0,
  });
}

function addLeaf(
  lists: Lists,
  model: TreeEnsemble,
  options: { t: number; at: number; node: number },
): void {
  const { t, at, node } = options;
  const { leaf, leafSize, treeGroups } = model;
  const first = Math.max(0, treeGroups[t] ?? 0);
  for (let k = 0; k < leafSize; k++) {
    const weight = leaf[at * leafSize + k] ?? 0;
    addTarget(lists, { tree: t + 1, node, target: first + k, weight });
  }
}

function addNode(
  lists: Lists,
  node: {
    tree: number;
    node: number;
    mode: string;
    feature?: number;
    value?: number;
    ifTrue?: number;
    ifFalse?: number;
    missingIsTrue?: number;
  },
): void {
  lists.tree.push(node.tree);
  lists.node.push(node.node);
  lists.mode.push(node.mode);
  lists.feature.push(node.feature ?? 0);
  lists.value.push(node.value ?? 0);
  lists.ifTrue.push(node.ifTrue ?? 0);
  lists.ifFalse.push(node.ifFalse ?? 0);
  lists.missingIsTrue.push(node.missingIsTrue ?? 0);
}

function addTarget(
  lists: Lists,
  leaf: { tree: number; node: number; target: number; weight: number },
): void {
  lists.targetTree.push(leaf.tree);
  lists.targetNode.push(leaf.node);
  lists.target.push(leaf.target);
  lists.weight.push(leaf.weight);
}

function encode(lists: Lists, model: TreeEnsemble): Uint8Array[] {
  const numbers = (name: string, values: number[]) =>
    model.precision === "float32"
      ? floatsAttribute(name, Float32Array.from(values))
      : tensorAttribute(`${name}_as_tensor`, Float64Array.from(values));
  return [
    integersAttribute("nodes_treeids", lists.tree),
    integersAttribute("nodes_nodeids", lists.node),
    integersAttribute("nodes_featureids", lists.feature),
    stringsAttribute("nodes_modes", lists.mode),
    numbers("nodes_values", lists.value),
    integersAttribute("nodes_truenodeids", lists.ifTrue),
    integersAttribute("nodes_falsenodeids", lists.ifFalse),
    integersAttribute("nodes_missing_value_tracks_true", lists.missingIsTrue),
    integersAttribute("target_treeids", lists.targetTree),
    integersAttribute("target_nodeids", lists.targetNode),
    integersAttribute("target_ids", lists.target),
    numbers("target_weights", lists.weight),
    integerAttribute("n_targets", model.groups),
    stringAttribute("aggregate_function", "SUM"),
    stringAttribute("post_transform", "NONE"),
  ];
}
