/**
 * Rejects ONNX graphs whose trees contain a cycle: onnxruntime (1.30) follows
 * such a tree forever in the calling thread, where no timeout can stop it.
 * Checks `TreeEnsembleRegressor`, `TreeEnsembleClassifier` and `TreeEnsemble`
 * of ai.onnx.ml 1 to 5.
 */
import { modelError } from "../formats/document.ts";
import { fieldNumbers, scanGraphs, toNode } from "./nodes.ts";
import { fieldsOf, scanField, scanIntegers } from "./protobuf.ts";

/** The encoded attributes of a node, by name. */
type Attributes = ReadonlyMap<string, Uint8Array>;

/**
 * Rejects a model with a cycle in a tree, in its graph, its functions and the
 * graphs inside nodes. Bytes that are not an ONNX model pass: the runtime
 * rejects them.
 *
 * @throws {InputError} If a node of a tree is its own descendant.
 */
export function rejectCycles(bytes: Uint8Array): void {
  const { model, graph, functions } = fieldNumbers;
  for (const { number, content } of fieldsOf(bytes) ?? []) {
    if (number === model.graph) visitNodes(content, graph.node);
    if (number === model.functions) visitNodes(content, functions.node);
  }
}

/** Checks the nodes of a graph or function, whose field has the given number. */
function visitNodes(graph: Uint8Array, number: number): void {
  for (const field of fieldsOf(graph) ?? []) {
    if (field.number !== number) continue;
    const { op, attributes } = toNode(field);
    for (const [, content] of attributes) {
      scanGraphs(
        content,
        (nested) => visitNodes(nested, fieldNumbers.graph.node),
      );
    }
    if (!op.startsWith("TreeEnsemble")) continue;
    const lists = new Map(attributes);
    checkAcyclic(op === "TreeEnsemble" ? byPosition(lists) : byId(lists), op);
  }
}

/** Per node, the positions of its two children; -1 for none. */
type Children = readonly [Int32Array, Int32Array];

/** Ids of nodes are below this in any real model; larger ones are no children. */
const idLimit = 2 ** 26;

/** Reads children that are given by their id within the tree. */
function byId(attributes: Attributes): Children {
  const trees = integers(attributes, "nodes_treeids");
  const ids = integers(attributes, "nodes_nodeids");
  const isLeaf = leaves(attributes);
  const positionOf = nodePositions(trees, ids);
  const find = (name: string) => {
    const childIds = integers(attributes, name);
    return Int32Array.from(ids, (_, at) => {
      const id = childIds[at];
      if (isLeaf[at] === 1 || id === undefined) return -1;
      return positionOf(trees[at] ?? -1, id);
    });
  };
  return [find("nodes_truenodeids"), find("nodes_falsenodeids")];
}

/** Returns a function that finds a node's position by tree and id; -1 if there is none. */
function nodePositions(
  trees: readonly number[],
  ids: readonly number[],
): (tree: number, id: number) => number {
  const starts = new Map<number, number>();
  trees.forEach((tree, at) => {
    if (!starts.has(tree)) starts.set(tree, at);
  });
  const keyOf = (tree: number, id: number) => tree * idLimit + id;
  let others: Map<number, number> | undefined;
  return (tree, id) => {
    if (id >= idLimit) return -1;
    // Converters number the nodes of a tree 0, 1, 2, …, in this order.
    const at = (starts.get(tree) ?? 0) + id;
    if (trees[at] === tree && ids[at] === id) return at;
    others ??= new Map(
      ids.map((id, at) => [keyOf(trees[at] ?? -1, id), at]),
    );
    return others.get(keyOf(tree, id)) ?? -1;
  };
}

/** Returns 1 per node whose mode is `LEAF`. */
function leaves(attributes: Attributes): readonly number[] {
  const modes = attributes.get("nodes_modes") ?? new Uint8Array();
  const leaf = new TextEncoder().encode("LEAF");
  const found: number[] = [];
  scanField(modes, fieldNumbers.attribute.strings, (start, end) => {
    const isLeaf = end - start === leaf.length &&
      leaf.every((byte, index) => modes[start + index] === byte);
    found.push(isLeaf ? 1 : 0);
  });
  return found;
}

/** Reads children that are given by position, among the nodes or among the leaves. */
function byPosition(attributes: Attributes): Children {
  const branches = ["true", "false"].map((branch) => ({
    positions: integers(attributes, `nodes_${branch}nodeids`),
    isLeaf: integers(attributes, `nodes_${branch}leafs`),
  }));
  const length = Math.max(0, ...branches.map((b) => b.positions.length));
  const [first, second] = branches.map(({ positions, isLeaf }) =>
    Int32Array.from({ length }, (_, at) => {
      const child = positions[at];
      const isNode = child !== undefined && child < length && isLeaf[at] !== 1;
      return isNode ? child : -1;
    })
  );
  return [first ?? new Int32Array(), second ?? new Int32Array()];
}

/** Searches depth first, with an explicit stack because trees may be deep. */
function checkAcyclic(children: Children, operator: string): void {
  const [isOpen, isDone] = [1, 2];
  const { length } = children[0];
  const state = new Uint8Array(length);
  for (let root = 0; root < length; root++) {
    const stack = [root];
    while (stack.length > 0) {
      const at = stack.at(-1)!;
      if (state[at] !== 0) {
        stack.pop();
        state[at] = isDone;
        continue;
      }
      state[at] = isOpen;
      for (const branch of children) {
        const child = branch[at] ?? -1;
        if (child < 0) continue;
        if (state[child] === isOpen) {
          throw modelError(operator, `node ${child} is its own descendant`);
        }
        if (state[child] === 0) stack.push(child);
      }
    }
  }
}

function integers(attributes: Attributes, name: string): number[] {
  const content = attributes.get(name);
  return content ? scanIntegers(content, fieldNumbers.attribute.integers) : [];
}
