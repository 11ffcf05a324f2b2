/**
 * Adapts an ONNX graph of any converter to a pandas frame, as `mlflow.pyfunc`
 * feeds it (`_OnnxModelWrapper.predict` of MLflow 3.17.2): each column as a
 * vector, and one output with one value per row. The nodes of the graph stay as
 * they are; nodes are added before and after them.
 */
import {
  add,
  addCast,
  addCodes,
  addColumnOf,
  addConstant,
  addMissing,
  addNumber,
  type Draft,
  type ElementType,
  elementType,
  encodeNode,
  encodeOpset,
  encodeTensor,
  freeName,
  type TensorInfo,
} from "./graph.ts";
import type { ColumnInput, GraphInputs } from "./inputs.ts";
import { fieldNumbers, hasGraph, opsetsOf, readGraph } from "./nodes.ts";
import {
  bytesField,
  concat,
  type Field,
  fieldsOf,
  findString,
  stringField,
} from "./protobuf.ts";
import { withoutZipMap } from "./zipmap.ts";
import { modelError } from "../formats/document.ts";

/** What a frame graph reads and returns. */
export interface FrameGraphOptions {
  /** What the graph reads. */
  readonly inputs: GraphInputs;
  /** The tensor with the predictions, and its columns. */
  readonly output: {
    readonly name: string;
    readonly columns: number;
    /** The column of the positive class; undefined to return all columns. */
    readonly take: number | undefined;
    /** Name of the frame graph's output. */
    readonly as: "probability" | "score";
  };
  /** A number that means missing, like NaN, in float inputs. */
  readonly missingValue: number | undefined;
}

/** The operator set of added nodes if the graph itself uses only other domains. */
const addedOperators = 15;
const addedLabels = 3;
/** `Min` and `Max` broadcast since this version. */
const broadcasting = 8n;

/**
 * Returns whether `mlflow.pyfunc` returns the predictions of the graph itself:
 * it has one matrix as input and one output with one value per row.
 */
export function feedsFrames(
  bytes: Uint8Array,
  { inputs, output, missingValue }: FrameGraphOptions,
): boolean {
  return inputs.kind === "matrix" && inputs.type !== "string" &&
    missingValue === undefined && output.columns === 1 &&
    readGraph(bytes)?.outputs.length === 1 &&
    withoutZipMap(bytes).zipped === undefined;
}

/**
 * Returns an ONNX file that computes the predictions of a graph for a frame.
 *
 * A matrix stays the graph's input. One input per column becomes one vector per
 * column; with strings, one matrix of strings named `input`, because pandas 3
 * does not store strings in NumPy arrays, and MLflow feeds `frame.values`. The
 * output is `probability` or `score`, float, rows × 1, or all columns if no
 * positive class is taken.
 */
export function toFrameGraph(
  bytes: Uint8Array,
  options: FrameGraphOptions,
): Uint8Array {
  const { inputs, output, missingValue } = options;
  const { bytes: unzipped } = withoutZipMap(bytes);
  const model = fieldsOf(unzipped) ?? [];
  const numbers = fieldNumbers.model;
  const graphField = model.find(({ number }) => number === numbers.graph);
  const graph = graphField && fieldsOf(graphField.content);
  if (!graph) throw modelError("ONNX graph", "it has no graph");
  const opsets = opsetsOf(model);
  const opset = opsets.find(({ domain }) => domain === "ai.onnx");
  const hasLabels = opsets.some(({ domain }) => domain === "ai.onnx.ml");
  const names = new Set(
    inputs.kind === "matrix"
      ? [inputs.name]
      : inputs.columns.map(({ name }) => name),
  );
  const nodes = readGraph(unzipped)?.nodes ?? [];
  const taken = new Set([
    ...names,
    ...nodes.flatMap((node) => [...node.inputs, ...node.outputs]),
  ]);
  const prefix = freeName(
    "frame_",
    (prefix) => [...taken].some((name) => name.startsWith(prefix)),
  );
  const before: Draft = { nodes: [], constants: [], prefix: `${prefix}in_` };
  const after: Draft = { nodes: [], constants: [], prefix: `${prefix}out_` };
  const read = addFront(before, { inputs, missingValue, prefix, taken });
  const result = addOutput(after, output, {
    clips: (opset?.version ?? BigInt(addedOperators)) >= broadcasting,
    taken,
  });
  // The graph's own nodes read what the added nodes make of its inputs.
  const made = new Set(before.nodes.map((node) => node.output));
  const rename = (name: string) =>
    names.has(name) && made.has(prefix + name) ? prefix + name : name;
  const own = fieldNumbers.graph;
  const isOwnInput = ({ number, content }: Field) =>
    number === own.input &&
    names.has(findString(content, fieldNumbers.value.name) ?? "");
  const parts = [
    ...before.nodes.map((node) => bytesField(own.node, encodeNode(node))),
    ...graph.filter((field) =>
      !isOwnInput(field) && field.number !== own.output
    ).map((field) => made.size > 0 ? renamed(field, rename) : field.bytes),
    ...after.nodes.map((node) => bytesField(own.node, encodeNode(node))),
    ...[...before.constants, ...after.constants].map((tensor) =>
      bytesField(own.initializer, tensor)
    ),
    ...read.map((info) => bytesField(own.input, encodeTensor(info))),
    bytesField(own.output, encodeTensor(result)),
  ];
  return concat([
    ...model.map((field) =>
      field === graphField
        ? bytesField(numbers.graph, concat(parts))
        : field.bytes
    ),
    ...opset ? [] : [encodeOpset("", addedOperators)],
    ...hasLabels ? [] : [encodeOpset("ai.onnx.ml", addedLabels)],
  ]);
}

/** Appends the nodes before the graph's own and returns the inputs. The results replace the graph's inputs and are named after them, with the prefix. */
function addFront(
  draft: Draft,
  { inputs, missingValue, prefix, taken }: {
    inputs: GraphInputs;
    missingValue: number | undefined;
    prefix: string;
    taken: ReadonlySet<string>;
  },
): TensorInfo[] {
  if (inputs.kind === "matrix") {
    const { name, type, features } = inputs;
    if (missingValue !== undefined && isFloat(type)) {
      const output = `${prefix}${name}`;
      addMissing(draft, name, { missingValue, type, output });
    }
    const columns = features ?? "columns";
    return [{ name, type: elementType[type], columns }];
  }
  const { columns } = inputs;
  const hasStrings = columns.some(({ type }) => type === "string");
  const matrix = freeName("input", (name) => taken.has(name));
  columns.forEach((column, index) => {
    const values = hasStrings ? addColumnOf(draft, matrix, index) : column.name;
    addColumn(draft, values, {
      column,
      isString: hasStrings,
      missingValue,
      output: `${prefix}${column.name}`,
    });
  });
  if (hasStrings) {
    const type = elementType.string;
    return [{ name: matrix, type, columns: columns.length }];
  }
  return columns.map(({ name, type }) => ({
    name,
    // The signature calls both integers `long`.
    type: elementType[type === "int32" ? "int64" : type],
    columns: columns.length === 1 ? 1 : undefined,
  }));
}

function isFloat(type: ElementType): type is "float32" | "float64" {
  return type === "float32" || type === "float64";
}

/** Appends the nodes from a frame's column to the input that the graph declares. */
function addColumn(
  draft: Draft,
  values: string,
  { column, isString, missingValue, output }: {
    column: ColumnInput;
    isString: boolean;
    missingValue: number | undefined;
    output: string;
  },
): void {
  const { type, rank } = column;
  let typed = values;
  if (isString && type === "bool") {
    const truth = addCodes(draft, values, {
      strings: ["True", "False"],
      codes: [1, 0],
      others: 0,
    });
    typed = addCast(draft, truth, "bool");
  } else if (isString && type !== "string") {
    // Strings become doubles first, as in NumPy: rounding them directly to float32 may differ.
    const wide = addCast(draft, values, isFloat(type) ? "float64" : "int64");
    typed = addCast(draft, wide, type);
  } else if (type === "int32") {
    typed = addCast(draft, values, "int32");
  }
  if (missingValue !== undefined && isFloat(type)) {
    typed = addMissing(draft, typed, { missingValue, type });
  }
  const shape = addConstant(
    draft,
    `shape_${draft.constants.length}`,
    BigInt64Array.from(rank === 1 ? [-1n] : [-1n, 1n]),
  );
  add(draft, "Reshape", { inputs: [typed, shape], output });
}

/** Appends the nodes from the predictions to the only output. */
function addOutput(
  draft: Draft,
  { name, columns, take, as }: FrameGraphOptions["output"],
  { clips, taken }: { clips: boolean; taken: ReadonlySet<string> },
): TensorInfo {
  const size = BigInt64Array.of(-1n, BigInt(columns));
  const shape = addConstant(draft, "shape", size);
  const matrix = add(draft, "Reshape", { inputs: [name, shape] });
  const column = take === undefined ? matrix : addColumnOf(draft, matrix, take);
  const output = freeName(as, (name) => taken.has(name));
  const numbers = addCast(draft, column, "float32");
  const isClipped = clips && take !== undefined;
  const bounded = isClipped
    ? add(draft, "Max", {
      inputs: [
        add(draft, "Min", { inputs: [numbers, addNumber(draft, 1)] }),
        addNumber(draft, 0),
      ],
    })
    : numbers;
  add(draft, "Identity", { inputs: [bounded], output });
  return {
    name: output,
    type: elementType.float32,
    columns: take === undefined ? columns : 1,
  };
}

/** Returns a field of a graph; in a node, the tensors that it reads are renamed, by graphs inside it too. */
function renamed(field: Field, rename: (name: string) => string): Uint8Array {
  if (field.number !== fieldNumbers.graph.node) return field.bytes;
  const { input, attribute } = fieldNumbers.node;
  const parts = (fieldsOf(field.content) ?? []).map((part) => {
    if (part.number === input) {
      const name = new TextDecoder().decode(part.content);
      const to = rename(name);
      return to === name ? part.bytes : stringField(input, to);
    }
    return part.number === attribute && hasGraph(part.content)
      ? bytesField(attribute, renamedGraphs(part.content, rename))
      : part.bytes;
  });
  return bytesField(field.number, concat(parts));
}

function renamedGraphs(
  attribute: Uint8Array,
  rename: (name: string) => string,
): Uint8Array {
  const { graph, graphs } = fieldNumbers.attribute;
  return concat(
    (fieldsOf(attribute) ?? []).map(({ number, content, bytes }) => {
      if (number !== graph && number !== graphs) return bytes;
      const fields = fieldsOf(content) ?? [];
      const parts = fields.map((field) => renamed(field, rename));
      return bytesField(number, concat(parts));
    }),
  );
}
