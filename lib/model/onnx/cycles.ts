/**
 * Rejects ONNX graphs whose trees contain a cycle: onnxruntime (1.30) follows
 * such a tree forever in the calling thread, where no timeout can stop it.
 * Checks `TreeEnsembleRegressor`, `TreeEnsembleClassifier` and `TreeEnsemble`
 * of ai.onnx.ml 1 to 5.
 */
import { modelError } from "../formats/document.ts";
import { fieldNumbers } from "./nodes.ts";
import {
  type Field,
  fieldsOf,
  findString,
  stringsOf,
  varintsOf,
} from "./protobuf.ts";

type Attributes = ReadonlyMap<string, readonly Field[]>;

/**
 * Rejects a model with a cycle in a tree, in its graph, its functions and the
 * graphs inside nodes. Bytes that are not an ONNX model pass: the runtime
 * rejects them.
 *
 * @throws {InputError} If a node of a tree is its own descendant.
 */
export function rejectCycles(bytes: Uint8Array): void {
  const { model, graph, functions } = fieldNumbers;
  for (const field of fieldsOf(bytes) ?? []) {
    if (field.number === model.graph) visitNodes(field, graph.node);
    if (field.number === model.functions) visitNodes(field, functions.node);
  }
}

function visitNodes(graph: Field, number: number): void {
  for (const field of fieldsOf(graph.content) ?? []) {
    if (field.number === number) visitNode(field);
  }
}

function visitNode(field: Field): void {
  const { node, attribute, graph } = fieldNumbers;
  const attributes = new Map<string, readonly Field[]>();
  for (const { number, content } of fieldsOf(field.content) ?? []) {
    if (number !== node.attribute) continue;
    const parts = fieldsOf(content) ?? [];
    attributes.set(stringsOf(parts, attribute.name)[0] ?? "", parts);
    for (const part of parts) {
      const isGraph = part.number === attribute.graph ||
        part.number === attribute.graphs;
      if (isGraph) visitNodes(part, graph.node);
    }
  }
  const op = findString(field.content, node.op) ?? "";
  if (op === "TreeEnsemble") checkAcyclic(byPosition(attributes), op);
  else if (op.startsWith("TreeEnsemble")) checkAcyclic(byId(attributes), op);
}

/** Each node's children, by position in the node lists. */
type Children = readonly (readonly number[])[];

/** Reads children that are given by their id within the tree. */
function byId(attributes: Attributes): Children {
  const trees = integers(attributes, "nodes_treeids");
  const ids = integers(attributes, "nodes_nodeids");
  const branches = [
    integers(attributes, "nodes_truenodeids"),
    integers(attributes, "nodes_falsenodeids"),
  ];
  const modes = stringsOf(
    attributes.get("nodes_modes") ?? [],
    fieldNumbers.attribute.strings,
  );
  const positions = new Map(ids.map((id, at) => [`${trees[at]} ${id}`, at]));
  return ids.map((_, at) =>
    modes[at] === "LEAF" ? [] : branches.flatMap((childIds) => {
      const child = positions.get(`${trees[at]} ${childIds[at]}`);
      return child === undefined ? [] : [child];
    })
  );
}

/** Reads children that are given by position, among the nodes or among the leaves. */
function byPosition(attributes: Attributes): Children {
  const branches = ["true", "false"].map((branch) => ({
    positions: integers(attributes, `nodes_${branch}nodeids`),
    isLeaf: integers(attributes, `nodes_${branch}leafs`),
  }));
  const length = Math.max(0, ...branches.map((b) => b.positions.length));
  return Array.from(
    { length },
    (_, at) =>
      branches.flatMap(({ positions, isLeaf }) => {
        const child = positions[at];
        return child === undefined || isLeaf[at] === 1 ? [] : [child];
      }),
  );
}

/** Searches depth first, with an explicit stack because trees may be deep. */
function checkAcyclic(children: Children, operator: string): void {
  const [isOpen, isDone] = [1, 2];
  const state = new Uint8Array(children.length);
  for (let root = 0; root < children.length; root++) {
    const stack = [root];
    while (stack.length > 0) {
      const at = stack.at(-1)!;
      if (state[at] !== 0) {
        stack.pop();
        state[at] = isDone;
        continue;
      }
      state[at] = isOpen;
      for (const child of children[at] ?? []) {
        if (state[child] === isOpen) {
          throw modelError(operator, `node ${child} is its own descendant`);
        }
        if (state[child] === 0) stack.push(child);
      }
    }
  }
}

function integers(attributes: Attributes, name: string): number[] {
  return (attributes.get(name) ?? [])
    .filter(({ number }) => number === fieldNumbers.attribute.integers)
    .flatMap(({ content }) => varintsOf(content));
}
