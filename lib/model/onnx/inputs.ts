/**
 * Determines what an ONNX graph reads: one matrix of all features, or one input
 * per column. Rows arrive as a float32 matrix with categories as codes; this
 * file converts them to what the graph declares.
 */
import { InputError } from "../../base/errors.ts";
import type { Label } from "../labels.ts";
import { type ElementType, elementType } from "./graph.ts";
import type { OnnxGraph } from "./nodes.ts";
import { traceStrings } from "./strings.ts";

/** An input as the runtime declares it; an open dimension is a name or not fixed. */
export interface DeclaredInput {
  readonly name: string;
  /** `not a tensor` for sequences and maps. */
  readonly type: string;
  readonly shape: readonly (number | string)[];
}

/** The labels of a column of strings; a code is an index. */
export interface StringLabels {
  /** The strings that the graph compares with; all others give the same result. */
  readonly labels: readonly Label[];
  /** What the graph does with any other string; `missing` if a missing value gives the same result. */
  readonly unseen: "missing" | "error";
  /** What Python's runtime reads for a missing value; undefined if the graph has no result for it. */
  readonly missingText: string | undefined;
}

/** One input of a graph with an input per column. */
export interface ColumnInput {
  readonly name: string;
  readonly type: ElementType;
  /** 1 for a vector, 2 for rows × 1. */
  readonly rank: 1 | 2;
  /** Present exactly for strings. */
  readonly strings?: StringLabels | undefined;
}

/** What a graph reads. */
export type GraphInputs =
  | {
    readonly kind: "matrix";
    readonly name: string;
    readonly type: ElementType;
    /** The number of columns; undefined if it is open. */
    readonly features: number | undefined;
    readonly strings?: StringLabels | undefined;
  }
  | { readonly kind: "columns"; readonly columns: readonly ColumnInput[] };

/** A tensor to feed to the runtime. */
export interface Feed {
  readonly name: string;
  readonly type: ElementType;
  readonly data:
    | Float32Array
    | Float64Array
    | Int32Array
    | BigInt64Array
    | Uint8Array
    | string[];
  readonly dims: readonly number[];
}

/** Returns false for an open dimension without a name: onnxruntime-web returns its -1 as an unsigned number. */
export function isFixed(size: number | string): size is number {
  return typeof size === "number" && size > 0 && size !== 0xffff_ffff;
}

/**
 * Returns what a graph reads.
 *
 * @throws {InputError} If it reads anything but one matrix or one column per input, or strings that are not compared with labels.
 */
export function readInputs(
  declared: readonly DeclaredInput[],
  graph: OnnxGraph,
): GraphInputs {
  const [first, ...others] = declared;
  if (!first) {
    throw new InputError(
      "Cannot score ONNX graph: it has no inputs, expected one matrix or one input per column",
    );
  }
  const [rows = 0, columns = 0] = first.shape;
  // The name of a single input is not the name of a column.
  const isMatrix = others.length === 0 && first.shape.length === 2 &&
    !isFixed(rows);
  if (isMatrix && isElementType(first.type)) {
    return {
      kind: "matrix",
      name: first.name,
      type: first.type,
      features: isFixed(columns) ? columns : undefined,
      strings: first.type === "string"
        ? toLabels(graph, first.name)
        : undefined,
    };
  }
  return {
    kind: "columns",
    columns: declared.map((input) => toColumn(input, { declared, graph })),
  };
}

function isElementType(type: string): type is ElementType {
  return Object.hasOwn(elementType, type);
}

function toColumn(
  { name, type, shape }: DeclaredInput,
  { declared, graph }: {
    declared: readonly DeclaredInput[];
    graph: OnnxGraph;
  },
): ColumnInput {
  const [rows = 0, columns] = shape;
  const isColumn = shape.length === 1 || shape.length === 2 && columns === 1;
  if (isElementType(type) && isColumn && !isFixed(rows)) {
    return {
      name,
      type,
      rank: shape.length === 1 ? 1 : 2,
      strings: type === "string" ? toLabels(graph, name) : undefined,
    };
  }
  const found = type === "not a tensor"
    ? type
    : `${type} [${
      shape.map((size) =>
        isFixed(size) || typeof size === "string" ? size : "?"
      )
    }]`;
  if (declared.length === 1) {
    throw new InputError(
      `Cannot score ONNX graph: input ${name} is ${found}, expected float32 [rows, features]; ` +
        `export it with an open number of rows (torch.onnx.export: dynamic_axes={${
          JSON.stringify(name)
        }: {0: "n"}})`,
    );
  }
  throw new InputError(
    `Cannot score ONNX graph: it has ${declared.length} inputs (${
      declared.map(({ name }) => name).join(", ")
    }) and ${name} is ${found}, expected one float matrix, rows × features, or one input per column, each [rows] or [rows, 1]`,
  );
}

function toLabels(
  graph: OnnxGraph,
  name: string,
): StringLabels {
  const { labels, rejectsOthers } = traceStrings(graph, name);
  // Python formats a missing value as one of these; a graph that was trained with missing values has it as a label.
  const spelled = ["nan", "None", "<NA>"].find((text) => labels.includes(text));
  return {
    labels,
    unseen: rejectsOthers || spelled !== undefined ? "error" : "missing",
    missingText: spelled ?? (rejectsOthers ? undefined : "nan"),
  };
}

/** Float32 holds every integer below this. */
const exactInteger = 2 ** 24;

/**
 * Converts rows to a graph's tensors.
 *
 * @param matrix Rows × features, row-major; codes for strings; NaN is missing.
 * @throws {InputError} If an input cannot hold a value: a missing integer, boolean or label, a fraction for an integer, or an integer of 2^24 or more, which float32 has rounded.
 */
export function toFeeds(
  inputs: GraphInputs,
  { matrix, rows }: { matrix: Float32Array; rows: number },
): Feed[] {
  if (inputs.kind === "matrix") {
    const { name, type, strings } = inputs;
    const width = inputs.features ?? (rows > 0 ? matrix.length / rows : 0);
    const data = convert(matrix, { type, strings, name });
    return [{ name, type, data, dims: [rows, width] }];
  }
  const width = inputs.columns.length;
  return inputs.columns.map(({ name, type, rank, strings }, column) => {
    const values = new Float32Array(rows);
    for (let row = 0; row < rows; row++) {
      values[row] = matrix[row * width + column] ?? NaN;
    }
    const data = convert(values, { type, strings, name });
    return { name, type, data, dims: rank === 1 ? [rows] : [rows, 1] };
  });
}

function convert(
  values: Float32Array,
  { type, strings, name }: {
    type: ElementType;
    strings: StringLabels | undefined;
    name: string;
  },
): Feed["data"] {
  switch (type) {
    case "float32":
      return values;
    case "float64":
      return Float64Array.from(values);
    case "int32":
      checkWhole(values, { name, type });
      return Int32Array.from(values);
    case "int64":
      checkWhole(values, { name, type });
      return BigInt64Array.from(Array.from(values, BigInt));
    case "bool":
      return Uint8Array.from(values, (value) => {
        if (value === 0 || value === 1) return value;
        throw notHeld(value, { name, type, expected: "true, false, 0 or 1" });
      });
    case "string":
      return Array.from(values, (code) => {
        const label = strings?.labels[code];
        const text = label === undefined ? strings?.missingText : String(label);
        if (text !== undefined) return text;
        throw notHeld(code, {
          name,
          type,
          expected:
            "one of the graph's categories; it has no result for a missing value",
        });
      });
  }
}

function checkWhole(
  values: Float32Array,
  { name, type }: { name: string; type: ElementType },
): void {
  for (const value of values) {
    if (Number.isInteger(value) && Math.abs(value) < exactInteger) continue;
    throw notHeld(value, {
      name,
      type,
      expected: "a whole number below 16777216 (2^24)",
    });
  }
}

function notHeld(
  value: number,
  { name, type, expected }: { name: string; type: string; expected: string },
): InputError {
  const found = Number.isNaN(value) ? "a missing value" : String(value);
  return new InputError(
    `Cannot score ONNX graph: its input "${name}" is ${type} and a row has ${found}, expected ${expected}`,
  );
}
