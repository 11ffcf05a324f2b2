/**
 * The parts of an ONNX graph as bytes. Field numbers are those of
 * https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.
 */
import { producer, seal } from "./onnx-seal.ts";
import {
  bytesField,
  concat,
  floatField,
  floatsField,
  integerField,
  integersField,
  littleEndian,
  textField,
} from "./protobuf.ts";

/** A computation; its output carries the given name. */
export interface GraphNode {
  readonly op: string;
  readonly inputs: readonly string[];
  readonly output: string;
  /** A second result that the operator must have and nobody reads. */
  readonly unused?: string;
  readonly attributes?: readonly Uint8Array[];
  /** Empty for ONNX's own operators. */
  readonly domain?: string;
}

/** Everything that a graph with one input and one output is made of. */
export interface Graph {
  readonly name: string;
  readonly doc: string;
  readonly nodes: readonly GraphNode[];
  readonly constants: readonly Uint8Array[];
  /** Columns of the input matrix, whose rows are free. */
  readonly input: { readonly name: string; readonly columns: number };
  /** Columns of the output matrix. */
  readonly output: { readonly name: string; readonly columns: number };
  /** Shown by ONNX's tools as metadata. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** ONNX 1.10's format and operators, which every runtime since 2021 reads. */
const versions = { format: 8, operators: 15, trees: 3 };

/** The bytes of a `.onnx` file, sealed. */
export function encodeModel(graph: Graph): Uint8Array {
  const opset = (domain: string, version: number) =>
    bytesField(8, concat([textField(1, domain), integerField(2, version)]));
  return seal(concat([
    integerField(1, versions.format),
    textField(2, producer),
    textField(6, graph.doc),
    bytesField(7, encodeGraph(graph)),
    opset("", versions.operators),
    opset("ai.onnx.ml", versions.trees),
    ...Object.entries(graph.metadata).map(([key, value]) =>
      bytesField(14, concat([textField(1, key), textField(2, value)]))
    ),
  ]));
}

function encodeGraph(graph: Graph): Uint8Array {
  return concat([
    ...graph.nodes.map((node) => bytesField(1, encodeNode(node))),
    textField(2, graph.name),
    ...graph.constants.map((tensor) => bytesField(5, tensor)),
    textField(10, graph.doc),
    bytesField(11, encodeMatrix(graph.input)),
    bytesField(12, encodeMatrix(graph.output)),
  ]);
}

function encodeNode(node: GraphNode): Uint8Array {
  return concat([
    ...node.inputs.map((name) => textField(1, name)),
    textField(2, node.output),
    ...(node.unused === undefined ? [] : [textField(2, node.unused)]),
    textField(3, node.output),
    textField(4, node.op),
    ...(node.attributes ?? []).map((attribute) => bytesField(5, attribute)),
    textField(7, node.domain ?? ""),
  ]);
}

function encodeMatrix(shape: { name: string; columns: number }): Uint8Array {
  const rows = bytesField(1, textField(2, "rows"));
  const columns = bytesField(1, integerField(1, shape.columns));
  const tensor = concat([
    integerField(1, elementType.float),
    bytesField(2, concat([rows, columns])),
  ]);
  return concat([
    textField(1, shape.name),
    bytesField(2, bytesField(1, tensor)),
  ]);
}

/** `TensorProto.DataType`, of which casts and constants need these. */
export const elementType = { float: 1, int64: 7, bool: 9, double: 11 } as const;

/** A constant tensor: float32, double, int64 or bool by the kind of array. */
export function constant(
  name: string,
  values: Float32Array | Float64Array | BigInt64Array | Uint8Array,
  dims: readonly number[],
): Uint8Array {
  return concat([
    integersField(1, dims),
    integerField(2, typeOf(values)),
    textField(8, name),
    bytesField(9, rawBytes(values)),
  ]);
}

type Numbers = Float32Array | Float64Array | BigInt64Array | Uint8Array;

function typeOf(values: Numbers): number {
  if (values instanceof Float32Array) return elementType.float;
  if (values instanceof Float64Array) return elementType.double;
  return values instanceof Uint8Array ? elementType.bool : elementType.int64;
}

function rawBytes(values: Numbers): Uint8Array {
  if (values instanceof Uint8Array) return values;
  if (!(values instanceof BigInt64Array)) return littleEndian(values);
  const view = new DataView(new ArrayBuffer(values.length * 8));
  values.forEach((value, i) => view.setBigInt64(i * 8, value, true));
  return new Uint8Array(view.buffer);
}

/** `AttributeProto.type`. */
const attributeType = {
  float: 1,
  integer: 2,
  text: 3,
  tensor: 4,
  floats: 6,
  integers: 7,
  texts: 8,
};

/** An attribute that is one whole number. */
export function integerAttribute(name: string, value: number): Uint8Array {
  return attribute(name, "integer", [integerField(3, value)]);
}

/** An attribute that is one float32. */
export function floatAttribute(name: string, value: number): Uint8Array {
  return attribute(name, "float", [floatField(2, value)]);
}

/** An attribute that is a text. */
export function textAttribute(name: string, value: string): Uint8Array {
  return attribute(name, "text", [textField(4, value)]);
}

/** An attribute that is a list of float32 numbers. */
export function floatsAttribute(
  name: string,
  values: Float32Array,
): Uint8Array {
  return attribute(name, "floats", [floatsField(7, values)]);
}

/** An attribute that is a list of whole numbers. */
export function integersAttribute(
  name: string,
  values: ArrayLike<number>,
): Uint8Array {
  return attribute(name, "integers", [integersField(8, values)]);
}

/** An attribute that is a list of texts. */
export function textsAttribute(
  name: string,
  values: readonly string[],
): Uint8Array {
  const fields = new Map<string, Uint8Array>(); // a model's nodes have three modes
  const parts = values.map((value) => {
    const field = fields.get(value) ?? textField(9, value);
    fields.set(value, field);
    return field;
  });
  return attribute(name, "texts", parts);
}

/** An attribute that is a tensor of doubles. */
export function doublesAttribute(
  name: string,
  values: Float64Array,
): Uint8Array {
  const tensor = constant(name, values, [values.length]);
  return attribute(name, "tensor", [bytesField(5, tensor)]);
}

function attribute(
  name: string,
  type: keyof typeof attributeType,
  values: readonly Uint8Array[],
): Uint8Array {
  const kind = integerField(20, attributeType[type]);
  return concat([textField(1, name), concat(values), kind]);
}
