/**
 * Decodes the nodes, outputs and constants of an ONNX file, as far as needed to
 * determine what an output is. Field numbers are those of
 * https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.
 */
import {
  type Field,
  fieldsOf,
  findField,
  findString,
  integersOf,
  scanField,
  stringsOf,
} from "./protobuf.ts";

/** A node of a graph. */
export interface OnnxNode {
  readonly op: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** The encoded node. */
  readonly field: Field;
  /** The names and the encodings of its attributes. */
  readonly attributes: readonly (readonly [string, Uint8Array])[];
  /** Returns the fields of an attribute; none if the node does not have it. */
  attribute(name: string): readonly Field[];
  /** Whether an attribute is a graph, which may read any tensor. */
  hasSubgraph(): boolean;
}

/** A graph that can be traversed from its outputs to its inputs. */
export interface OnnxGraph {
  readonly nodes: readonly OnnxNode[];
  /** The names of the graph's outputs, in order. */
  readonly outputs: readonly string[];
  /** Returns the node that computes a tensor; undefined for inputs and constants. */
  producerOf(tensor: string): OnnxNode | undefined;
  /** Returns the fields of a constant tensor (`TensorProto`); undefined if there is none of this name. */
  constant(name: string): readonly Field[] | undefined;
}

/** Field numbers of `ModelProto`, `GraphProto`, `FunctionProto`, `NodeProto`, `ValueInfoProto`, `AttributeProto` and `TensorProto`. */
export const fieldNumbers = {
  model: { graph: 7, opset: 8, metadata: 14, functions: 25 },
  opset: { domain: 1, version: 2 },
  entry: { key: 1, value: 2 },
  graph: { node: 1, initializer: 5, input: 11, output: 12 },
  functions: { node: 7 },
  node: { input: 1, output: 2, op: 4, attribute: 5 },
  value: { name: 1 },
  attribute: {
    name: 1,
    integer: 3,
    string: 4,
    tensor: 5,
    graph: 6,
    integers: 8,
    strings: 9,
    graphs: 11,
  },
  tensor: {
    type: 2,
    floats: 4,
    int32s: 5,
    strings: 6,
    int64s: 7,
    name: 8,
    raw: 9,
    location: 14,
  },
} as const;

/** Returns the operator sets in the fields of a model, with `ai.onnx` for ONNX's own domain. */
export function opsetsOf(
  model: readonly Field[],
): { domain: string; version: bigint | undefined }[] {
  const { domain, version } = fieldNumbers.opset;
  return model.filter(({ number }) => number === fieldNumbers.model.opset)
    .map(({ content }) => ({
      domain: findString(content, domain) || "ai.onnx",
      version: integersOf(fieldsOf(content) ?? [], version)[0],
    }));
}

/** Decodes the graph of a `.onnx` file; returns undefined if the bytes have none. */
export function readGraph(bytes: Uint8Array): OnnxGraph | undefined {
  const { model, graph, value, tensor } = fieldNumbers;
  const content = findField(bytes, model.graph)?.content;
  const fields = content && fieldsOf(content);
  if (!fields) return undefined;
  const of = (number: number) =>
    fields.filter((field) => field.number === number);
  const nodes = of(graph.node).map(toNode);
  const producers = new Map(
    nodes.flatMap((node) => node.outputs.map((name) => [name, node] as const)),
  );
  const constants = new Map(
    of(graph.initializer).map(({ content }) =>
      [findString(content, tensor.name), content] as const
    ),
  );
  return {
    nodes,
    outputs: of(graph.output).map(({ content }) =>
      findString(content, value.name) ?? ""
    ),
    producerOf: (name) => producers.get(name),
    constant: (name) => {
      const stored = constants.get(name);
      if (stored) return fieldsOf(stored);
      const node = producers.get(name);
      const inside = node?.op === "Constant" && node.attribute("value").find(
        (field) => field.number === fieldNumbers.attribute.tensor,
      );
      return inside ? fieldsOf(inside.content) : undefined;
    },
  };
}

/** Decodes a node. */
export function toNode(field: Field): OnnxNode {
  const { node, attribute } = fieldNumbers;
  const fields = fieldsOf(field.content) ?? [];
  const attributes = fields.filter(({ number }) => number === node.attribute)
    .map(({ content }) =>
      [findString(content, attribute.name) ?? "", content] as const
    );
  return {
    op: findString(field.content, node.op) ?? "",
    inputs: stringsOf(fields, node.input),
    outputs: stringsOf(fields, node.output),
    field,
    attributes,
    attribute(name) {
      const found = attributes.find(([own]) => own === name);
      return found && fieldsOf(found[1]) || [];
    },
    hasSubgraph: () => attributes.some(([, content]) => hasGraph(content)),
  };
}

/** Returns whether an encoded attribute holds a graph. */
export function hasGraph(content: Uint8Array): boolean {
  let found = false;
  scanGraphs(content, () => found = true);
  return found;
}

/** Calls a function with each encoded graph in an encoded attribute. */
export function scanGraphs(
  content: Uint8Array,
  visit: (graph: Uint8Array) => void,
): void {
  const { graph, graphs } = fieldNumbers.attribute;
  for (const number of [graph, graphs]) {
    scanField(
      content,
      number,
      (start, end) => visit(content.subarray(start, end)),
    );
  }
}

/** Returns the class labels in a node's attributes, integers as decimal strings; undefined if there are none. */
export function labelsOf(node: OnnxNode): string[] | undefined {
  const { integers, strings } = fieldNumbers.attribute;
  const names = [
    "classlabels_strings",
    "classlabels_int64s",
    "classlabels_ints",
  ];
  for (const name of names) {
    const fields = node.attribute(name);
    const labels = [
      ...stringsOf(fields, strings),
      ...integersOf(fields, integers).map(String),
    ];
    if (labels.length > 0) return labels;
  }
  return undefined;
}

/** Bytes per raw value of the integer types in `TensorProto.DataType` that class labels have. */
const integerSizes: ReadonlyMap<bigint, 1 | 4 | 8> = new Map([
  [6n, 4], // int32
  [7n, 8], // int64
  [9n, 1], // bool
]);

/** Returns the values of a constant of strings or integers, as strings; undefined for any other type. */
export function constantLabels(tensor: readonly Field[]): string[] | undefined {
  const { type, int32s, strings, int64s, raw } = fieldNumbers.tensor;
  const [kind = 0n] = integersOf(tensor, type);
  const labels = stringsOf(tensor, strings);
  if (labels.length > 0) return labels;
  const size = integerSizes.get(kind);
  if (size === undefined) return undefined;
  const bytes = tensor.find(({ number }) => number === raw)?.content;
  const numbers = bytes ? rawIntegers(bytes, size) : [
    ...integersOf(tensor, int64s),
    ...integersOf(tensor, int32s),
  ];
  return numbers.length > 0 ? numbers.map(String) : undefined;
}

function rawIntegers(bytes: Uint8Array, size: 1 | 4 | 8): bigint[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: Math.floor(bytes.length / size) }, (_, index) => {
    const at = index * size;
    if (size === 8) return view.getBigInt64(at, true);
    return BigInt(size === 4 ? view.getInt32(at, true) : view.getUint8(at));
  });
}

/** Returns the value of a float32 or double constant with one element; undefined for any other constant. */
export function constantNumber(tensor: readonly Field[]): number | undefined {
  const { floats, raw } = fieldNumbers.tensor;
  const bytes = tensor.find(({ number }) => number === raw || number === floats)
    ?.content;
  if (!bytes) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length === 4) return view.getFloat32(0, true);
  return bytes.length === 8 ? view.getFloat64(0, true) : undefined;
}
