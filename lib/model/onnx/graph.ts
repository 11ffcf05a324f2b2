/**
 * The parts of an ONNX graph as bytes. Field numbers are those of
 * https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.
 */
import {
  bytesField,
  concat,
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

/** A tensor that a graph takes or gives. */
export interface TensorInfo {
  readonly name: string;
  /** One of {@linkcode elementType}. */
  readonly type: number;
  /** Columns of a matrix, whose rows are free; undefined of a list of rows. */
  readonly columns: number | undefined;
}

/** Everything that a graph with one output is made of. */
export interface Graph {
  readonly name: string;
  readonly doc: string;
  readonly nodes: readonly GraphNode[];
  readonly constants: readonly Uint8Array[];
  readonly inputs: readonly TensorInfo[];
  readonly output: TensorInfo;
  /** Shown by ONNX's tools as metadata. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** ONNX 1.10's format and operators, which every runtime since 2021 reads; those with labels of ONNX 1.15, of 2023. */
const versions = {
  numbers: { format: 8, operators: 15, trees: 3 },
  labels: { format: 9, operators: 15, trees: 4 },
} as const;

/** The bytes of a `.onnx` file. @param use Whether the graph only computes with numbers, or encodes labels as well. */
export function encodeModel(
  graph: Graph,
  use: keyof typeof versions = "numbers",
): Uint8Array {
  const { format, operators, trees } = versions[use];
  const opset = (domain: string, version: number) =>
    bytesField(8, concat([textField(1, domain), integerField(2, version)]));
  return concat([
    integerField(1, format),
    textField(2, "churn-prediction"), // `producer_name`,
    textField(6, graph.doc),
    bytesField(7, encodeGraph(graph)),
    opset("", operators),
    opset("ai.onnx.ml", trees),
    ...Object.entries(graph.metadata).map(([key, value]) =>
      bytesField(14, concat([textField(1, key), textField(2, value)]))
    ),
  ]);
}

function encodeGraph(graph: Graph): Uint8Array {
  return concat([
    ...graph.nodes.map((node) => bytesField(1, encodeNode(node))),
    textField(2, graph.name),
    ...graph.constants.map((tensor) => bytesField(5, tensor)),
    textField(10, graph.doc),
    ...graph.inputs.map((info) => bytesField(11, encodeTensor(info))),
    bytesField(12, encodeTensor(graph.output)),
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

/** A list of rows, or a matrix. */
function encodeTensor({ name, type, columns }: TensorInfo): Uint8Array {
  const rows = bytesField(1, textField(2, "rows"));
  const size = columns === undefined
    ? []
    : [bytesField(1, integerField(1, columns))];
  const tensor = concat([
    integerField(1, type),
    bytesField(2, concat([rows, ...size])),
  ]);
  return concat([textField(1, name), bytesField(2, bytesField(1, tensor))]);
}

/** `TensorProto.DataType`, of which inputs, casts and constants need these. */
export const elementType = {
  float: 1,
  int32: 6,
  int64: 7,
  string: 8,
  bool: 9,
  double: 11,
} as const;

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

/** An attribute that is a list of numbers as a tensor, of the type that the array has. */
export function tensorAttribute(
  name: string,
  values: Float64Array | BigInt64Array,
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
