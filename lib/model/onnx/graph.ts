/**
 * Builds and encodes ONNX graphs. Field numbers are those of
 * https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.
 */
import {
  bytesField,
  bytesOf,
  concat,
  integerField,
  integersField,
  stringField,
} from "./protobuf.ts";

/** A node with one output that is used. */
export interface GraphNode {
  readonly op: string;
  readonly inputs: readonly string[];
  readonly output: string;
  /** The name of a second output that the operator requires and nothing reads. */
  readonly unused?: string;
  readonly attributes?: readonly Uint8Array[];
  /** The operator's domain; ONNX's own if absent. */
  readonly domain?: string;
}

/** An input or output of a graph. */
export interface TensorInfo {
  readonly name: string;
  /** One of {@linkcode elementType}. */
  readonly type: number;
  /** The number of columns of a matrix with any number of rows, or the name of an open number; undefined for a vector with one value per row. */
  readonly columns: number | string | undefined;
}

/** A graph with one output. */
export interface Graph {
  readonly name: string;
  readonly doc: string;
  readonly nodes: readonly GraphNode[];
  readonly constants: readonly Uint8Array[];
  readonly inputs: readonly TensorInfo[];
  readonly output: TensorInfo;
  /** The model's `metadata_props`. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** Format and operator versions: those of ONNX 1.10 (2021), or of ONNX 1.15 (2023) for graphs with labels. */
const versions = {
  numbers: { format: 8, operators: 15, trees: 3 },
  labels: { format: 9, operators: 15, trees: 4 },
} as const;

/** Returns a `.onnx` file. @param use Whether the graph computes only with numbers, or also encodes labels. */
export function encodeModel(
  graph: Graph,
  use: keyof typeof versions = "numbers",
): Uint8Array {
  const { format, operators, trees } = versions[use];
  return concat([
    integerField(1, format),
    stringField(2, "churn-prediction"), // `producer_name`,
    stringField(6, graph.doc),
    bytesField(7, encodeGraph(graph)),
    encodeOpset("", operators),
    encodeOpset("ai.onnx.ml", trees),
    ...Object.entries(graph.metadata).map(([key, value]) =>
      bytesField(14, concat([stringField(1, key), stringField(2, value)]))
    ),
  ]);
}

/** Encodes the field `opset_import` of a `ModelProto`. */
export function encodeOpset(domain: string, version: number): Uint8Array {
  return bytesField(
    8,
    concat([stringField(1, domain), integerField(2, version)]),
  );
}

function encodeGraph(graph: Graph): Uint8Array {
  return concat([
    ...graph.nodes.map((node) => bytesField(1, encodeNode(node))),
    stringField(2, graph.name),
    ...graph.constants.map((tensor) => bytesField(5, tensor)),
    stringField(10, graph.doc),
    ...graph.inputs.map((info) => bytesField(11, encodeTensor(info))),
    bytesField(12, encodeTensor(graph.output)),
  ]);
}

/** Encodes a `NodeProto`. */
export function encodeNode(node: GraphNode): Uint8Array {
  return concat([
    ...node.inputs.map((name) => stringField(1, name)),
    stringField(2, node.output),
    ...(node.unused === undefined ? [] : [stringField(2, node.unused)]),
    stringField(3, node.output),
    stringField(4, node.op),
    ...(node.attributes ?? []).map((attribute) => bytesField(5, attribute)),
    stringField(7, node.domain ?? ""),
  ]);
}

/** Encodes a `ValueInfoProto`. */
export function encodeTensor({ name, type, columns }: TensorInfo): Uint8Array {
  const rows = bytesField(1, stringField(2, "rows"));
  const size = columns === undefined ? [] : [
    bytesField(
      1,
      typeof columns === "number"
        ? integerField(1, columns)
        : stringField(2, columns),
    ),
  ];
  const tensor = concat([
    integerField(1, type),
    bytesField(2, concat([rows, ...size])),
  ]);
  return concat([stringField(1, name), bytesField(2, bytesField(1, tensor))]);
}

/** The element types that graphs use, by the names of ONNX's runtime: their values in `TensorProto.DataType`. */
export const elementType = {
  float32: 1,
  int32: 6,
  int64: 7,
  string: 8,
  bool: 9,
  float64: 11,
} as const;

/** The name of an element type. */
export type ElementType = keyof typeof elementType;

type Numbers = Float32Array | Float64Array | BigInt64Array | Uint8Array;

/** Returns a constant tensor: float32, float64, int64 or bool, by the type of the array. */
function constant(
  name: string,
  values: Numbers,
  dims: readonly number[],
): Uint8Array {
  return concat([
    integersField(1, dims),
    integerField(2, typeOf(values)),
    stringField(8, name),
    bytesField(9, bytesOf(values)),
  ]);
}

function typeOf(values: Numbers): number {
  if (values instanceof Float32Array) return elementType.float32;
  if (values instanceof Float64Array) return elementType.float64;
  return values instanceof Uint8Array ? elementType.bool : elementType.int64;
}

/** Values of `AttributeProto.type`. */
const attributeType = {
  integer: 2,
  string: 3,
  tensor: 4,
  floats: 6,
  integers: 7,
  strings: 8,
};

/** Returns an attribute with an integer. */
export function integerAttribute(name: string, value: number): Uint8Array {
  return attribute(name, "integer", [integerField(3, value)]);
}

/** Returns an attribute with a string. */
export function stringAttribute(name: string, value: string): Uint8Array {
  return attribute(name, "string", [stringField(4, value)]);
}

/** Returns an attribute with a list of float32 numbers. */
export function floatsAttribute(
  name: string,
  values: Float32Array,
): Uint8Array {
  return attribute(name, "floats", [bytesField(7, bytesOf(values))]);
}

/** Returns an attribute with a list of integers. */
export function integersAttribute(
  name: string,
  values: ArrayLike<number>,
): Uint8Array {
  return attribute(name, "integers", [integersField(8, values)]);
}

/** Returns an attribute with a list of strings. */
export function stringsAttribute(
  name: string,
  values: readonly string[],
): Uint8Array {
  const fields = new Map<string, Uint8Array>(); // encoded once per distinct string: node modes repeat
  const parts = values.map((value) => {
    const field = fields.get(value) ?? stringField(9, value);
    fields.set(value, field);
    return field;
  });
  return attribute(name, "strings", parts);
}

/** Returns an attribute with a tensor of the array's type. */
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
  return concat([stringField(1, name), concat(values), kind]);
}

/** A graph under construction. */
export interface Draft {
  readonly nodes: GraphNode[];
  readonly constants: Uint8Array[];
  /** The prefix of all names of results and constants, so that none equals an input's name. */
  readonly prefix: string;
}

/** Appends a node and returns the name of its result. */
export function add(
  draft: Draft,
  op: string,
  options: Omit<GraphNode, "op" | "output"> & {
    /** The name of the result; made up if absent. */
    readonly output?: string | undefined;
  },
): string {
  const output = options.output ??
    `${draft.prefix}${op.toLowerCase()}_${draft.nodes.length}`;
  draft.nodes.push({ ...options, op, output });
  return output;
}

/** Appends a cast to another element type and returns the name of its result. */
export function addCast(
  draft: Draft,
  from: string,
  to: ElementType,
  output?: string,
): string {
  const attributes = [integerAttribute("to", elementType[to])];
  return add(draft, "Cast", { inputs: [from], output, attributes });
}

/** Adds a constant tensor, a vector unless `dims` says otherwise, and returns its name. */
export function addConstant(
  draft: Draft,
  name: string,
  values: Numbers,
  { dims = [values.length] }: { dims?: readonly number[] } = {},
): string {
  const full = `${draft.prefix}${name}`;
  draft.constants.push(constant(full, values, dims));
  return full;
}

/** Adds a float scalar, which operators broadcast, and returns its name. */
export function addNumber(
  draft: Draft,
  value: number,
  type: "float32" | "float64" = "float32",
): string {
  const Values = type === "float64" ? Float64Array : Float32Array;
  const name = `constant_${draft.constants.length}`;
  return addConstant(draft, name, Values.of(value), { dims: [] });
}

/** Appends a node that takes one column of a matrix, rows × 1, and returns the name of its result. */
export function addColumnOf(
  draft: Draft,
  matrix: string,
  index: number,
): string {
  const position = BigInt64Array.of(BigInt(index));
  return add(draft, "Gather", {
    inputs: [matrix, addConstant(draft, `column_${index}`, position)],
    attributes: [integerAttribute("axis", 1)],
  });
}

/** Appends nodes that replace a number that means missing by NaN, and returns the name of the result. */
export function addMissing(
  draft: Draft,
  values: string,
  { missingValue, type, output }: {
    missingValue: number;
    type: "float32" | "float64";
    output?: string | undefined;
  },
): string {
  const isMissing = add(draft, "Equal", {
    inputs: [values, addNumber(draft, missingValue, type)],
  });
  return add(draft, "Where", {
    inputs: [isMissing, addNumber(draft, NaN, type), values],
    output,
  });
}

/** Appends a node that replaces strings by codes, and any other string by `others`; returns the name of the result. */
export function addCodes(
  draft: Draft,
  values: string,
  { strings, codes, others }: {
    strings: readonly string[];
    codes: readonly number[];
    others: number;
  },
): string {
  return add(draft, "LabelEncoder", {
    inputs: [values],
    attributes: [
      stringsAttribute("keys_strings", strings),
      integersAttribute("values_int64s", codes),
      integerAttribute("default_int64", others),
    ],
    domain: "ai.onnx.ml",
  });
}

/** Returns the wanted name, followed by as many `_` as it takes until it is free. */
export function freeName(
  wanted: string,
  isTaken: (name: string) => boolean,
): string {
  return isTaken(wanted) ? freeName(`${wanted}_`, isTaken) : wanted;
}
