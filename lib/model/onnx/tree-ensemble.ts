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

/** A node, which the operator stores as one entry in each of its lists. */
interface Node {
  readonly tree: number;
  readonly node: number;
  readonly mode: string;
  readonly feature: number;
  readonly value: number;
  readonly ifTrue: number;
  readonly ifFalse: number;
  readonly missingIsTrue: number;
}

/** One value of a leaf. */
interface Target {
  readonly tree: number;
  readonly node: number;
  readonly target: number;
  readonly weight: number;
}

/** The entries of the operator's lists. */
interface Lists {
  readonly nodes: Node[];
  readonly targets: Target[];
}

/** What a leaf has in the lists that only branches use. */
const leafNode = {
  mode: "LEAF",
  feature: 0,
  value: 0,
  ifTrue: 0,
  ifFalse: 0,
  missingIsTrue: 0,
} as const;

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
  const lists: Lists = { nodes: [], targets: [] };
  lists.nodes.push({ tree: 0, node: 0, ...leafNode });
  model.baseMargins.forEach((weight, target) =>
    lists.targets.push({ tree: 0, node: 0, target, weight })
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
      lists.nodes.push({ tree, node, ...leafNode });
      addTargets(lists, model, { t, at, node });
      continue;
    }
    const feature = model.feature[at] ?? 0;
    const missing = model.defaultLeft[at] ?? 0;
    if (isCategorical(model, at)) {
      const column = options.categoryColumn.get(feature) ?? feature;
      const set = categoriesOf(model, at);
      if (set.length === 0) {
        // Every value goes left, and NaN to its default child.
        lists.nodes.push({
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
    lists.nodes.push({
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
  if (lists.nodes.length > nodeLimit) {
    throw modelError("category sets", "too large for an ONNX graph");
  }
  const isLast = i === set.length - 1;
  lists.nodes.push({
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

function addTargets(
  lists: Lists,
  model: TreeEnsemble,
  options: { t: number; at: number; node: number },
): void {
  const { t, at, node } = options;
  const { leaf, leafSize, treeGroups } = model;
  const first = Math.max(0, treeGroups[t] ?? 0);
  for (let k = 0; k < leafSize; k++) {
    const weight = leaf[at * leafSize + k] ?? 0;
    lists.targets.push({ tree: t + 1, node, target: first + k, weight });
  }
}

function encode(
  { nodes, targets }: Lists,
  { precision, groups }: TreeEnsemble,
): Uint8Array[] {
  const ofNodes = (name: string, key: Exclude<keyof Node, "mode">) =>
    integersAttribute(name, nodes.map((node) => node[key]));
  const ofTargets = (name: string, key: keyof Target) =>
    integersAttribute(name, targets.map((target) => target[key]));
  const numbers = (name: string, values: number[]) =>
    precision === "float32"
      ? floatsAttribute(name, Float32Array.from(values))
      : tensorAttribute(`${name}_as_tensor`, Float64Array.from(values));
  return [
    ofNodes("nodes_treeids", "tree"),
    ofNodes("nodes_nodeids", "node"),
    ofNodes("nodes_featureids", "feature"),
    stringsAttribute("nodes_modes", nodes.map(({ mode }) => mode)),
    numbers("nodes_values", nodes.map(({ value }) => value)),
    ofNodes("nodes_truenodeids", "ifTrue"),
    ofNodes("nodes_falsenodeids", "ifFalse"),
    ofNodes("nodes_missing_value_tracks_true", "missingIsTrue"),
    ofTargets("target_treeids", "tree"),
    ofTargets("target_nodeids", "node"),
    ofTargets("target_ids", "target"),
    numbers("target_weights", targets.map(({ weight }) => weight)),
    integerAttribute("n_targets", groups),
    stringAttribute("aggregate_function", "SUM"),
    stringAttribute("post_transform", "NONE"),
  ];
}
