/**
 * Finds trees of an ONNX graph that lead back into themselves: onnxruntime
 * (1.30) follows such a tree for ever, in this thread, where no deadline ends
 * it. Operators `TreeEnsembleRegressor`, `TreeEnsembleClassifier` and
 * `TreeEnsemble` of ai.onnx.ml 1 to 5.
 */
import { modelError } from "../formats/document.ts";
import { type Field, fieldsOf, varintsOf } from "./protobuf.ts";

/** Numbers of ONNX's fields (onnx.proto): of a model, a graph, a function, a node and an attribute. */
const model = { graph: 7, functions: 25 };
const nodeOf = { graph: 1, function: 7 };
const node = { operator: 4, attribute: 5 };
const attribute = { name: 1, graph: 6, integers: 8, texts: 9, graphs: 11 };

type Attributes = ReadonlyMap<string, readonly Field[]>;

/**
 * Refuses a graph with a tree that has a cycle. Bytes that are no graph pass:
 * the runtime refuses them.
 *
 * @throws {InputError} If a node of a tree is below itself.
 */
export function refuseCycles(bytes: Uint8Array): void {
  for (const field of fieldsOf(bytes) ?? []) {
    if (field.number === model.graph) visitNodes(field, nodeOf.graph);
    if (field.number === model.functions) visitNodes(field, nodeOf.function);
  }
}

function visitNodes(graph: Field, number: number): void {
  for (const field of fieldsOf(graph.content) ?? []) {
    if (field.number === number) visitNode(field);
  }
}

function visitNode(field: Field): void {
  const fields = fieldsOf(field.content) ?? [];
  const operator = fields.find(({ number }) => number === node.operator);
  const attributes = new Map<string, readonly Field[]>();
  for (const { number, content } of fields) {
    if (number !== node.attribute) continue;
    const parts = fieldsOf(content) ?? [];
    const name = parts.find((part) => part.number === attribute.name);
    attributes.set(name ? textOf(name) : "", parts);
    for (const part of parts) {
      const isGraph = part.number === attribute.graph ||
        part.number === attribute.graphs;
      if (isGraph) visitNodes(part, nodeOf.graph);
    }
  }
  const kind = operator ? textOf(operator) : "";
  if (kind === "TreeEnsemble") checkAcyclic(byPosition(attributes), kind);
  else if (kind.startsWith("TreeEnsemble")) {
    checkAcyclic(byNumber(attributes), kind);
  }
}

/** The nodes below each node, by position. */
type Children = readonly (readonly number[])[];

/** Children are named by their number within their tree. */
function byNumber(attributes: Attributes): Children {
  const trees = integers(attributes, "nodes_treeids");
  const numbers = integers(attributes, "nodes_nodeids");
  const below = [
    integers(attributes, "nodes_truenodeids"),
    integers(attributes, "nodes_falsenodeids"),
  ];
  const modes = (attributes.get("nodes_modes") ?? [])
    .filter(({ number }) => number === attribute.texts).map(textOf);
  const positions = new Map(
    numbers.map((number, at) => [`${trees[at]} ${number}`, at]),
  );
  return numbers.map((_, at) =>
    modes[at] === "LEAF" ? [] : below.flatMap((ids) => {
      const child = positions.get(`${trees[at]} ${ids[at]}`);
      return child === undefined ? [] : [child];
    })
  );
}

/** Children are positions, among the nodes or among the leaves. */
function byPosition(attributes: Attributes): Children {
  const sides = ["true", "false"].map((side) => ({
    ids: integers(attributes, `nodes_${side}nodeids`),
    leaves: integers(attributes, `nodes_${side}leafs`),
  }));
  const length = Math.max(0, ...sides.map(({ ids }) => ids.length));
  return Array.from({ length }, (_, at) =>
    sides.flatMap(({ ids, leaves }) => {
      const child = ids[at];
      return child === undefined || leaves[at] === 1 ? [] : [child];
    }));
}

/** Depth first, with a stack of its own: trees may be deep. */
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
          throw modelError(operator, `node ${child} is below itself`);
        }
        if (state[child] === 0) stack.push(child);
      }
    }
  }
}

function integers(attributes: Attributes, name: string): number[] {
  return (attributes.get(name) ?? [])
    .filter(({ number }) => number === attribute.integers)
    .flatMap(({ content }) => varintsOf(content));
}

function textOf({ content }: Field): string {
  return new TextDecoder().decode(content);
}
