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
import { fieldNumbers, hasGraph, readGraph } from "./nodes.ts";
import {
  bytesField,
  concat,
  type Field,
  fieldsOf,
  findString,
  integersOf,
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
  const opsets = model.filter(({ number }) => number === numbers.opset)
    .map(({ content }) => ({
      domain: findString(content, fieldNumbers.opset.domain) ?? "",
      version: integersOf(
        fieldsOf(content) ?? [],
        fieldNumbers.opset.version,
      )[0] ?? 0n,
    }));
  const opset = opsets.find(({ domain }) =>
    domain === "" || domain === "ai.onnx"
  );
  const hasLabels = opsets.some(({ domain }) => domain === "ai.onnx.ml");
  const taken = takenNames(unzipped, inputs);
  const prefix = freeName(
    "frame_",
    (prefix) => [...taken].some((name) => name.startsWith(prefix)),
  );
  const before: Draft = { nodes: [], constants: [], prefix: `${prefix}in_` };
  const after: Draft = { nodes: [], constants: [], prefix: `${prefix}out_` };
  const front = addFront(before, { inputs, missingValue, prefix, taken });
  const result = addOutput(after, output, {
    clips: (opset?.version ?? BigInt(addedOperators)) >= broadcasting,
    taken,
  });
  const renamed = renameAll(graph, front.renamed);
  const own = fieldNumbers.graph;
  const isOwnInput = ({ number, content }: Field) =>
    number === own.input &&
    inputNames(inputs).includes(
      findString(content, fieldNumbers.value.name) ?? "",
    );
  const parts = [
    ...before.nodes.map((node) => bytesField(own.node, encodeNode(node))),
    ...renamed.filter((field) =>
      !isOwnInput(field) && field.number !== own.output
    ).map((field) => field.bytes),
    ...after.nodes.map((node) => bytesField(own.node, encodeNode(node))),
    ...[...before.constants, ...after.constants].map((tensor) =>
      bytesField(own.initializer, tensor)
    ),
    ...front.inputs.map((info) => bytesField(own.input, encodeTensor(info))),
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

function inputNames(inputs: GraphInputs): string[] {
  return inputs.kind === "matrix"
    ? [inputs.name]
    : inputs.columns.map(({ name }) => name);
}

/** Returns the names of the graph's inputs and of all tensors that its nodes compute. */
function takenNames(
  bytes: Uint8Array,
  inputs: GraphInputs,
): ReadonlySet<string> {
  const nodes = readGraph(bytes)?.nodes ?? [];
  return new Set([
    ...inputNames(inputs),
    ...nodes.flatMap((node) => [...node.inputs, ...node.outputs]),
  ]);
}

/** The added inputs, and the new names of the tensors that the graph's own nodes read. */
interface Front {
  readonly inputs: readonly TensorInfo[];
  readonly renamed: ReadonlyMap<string, string>;
}

function addFront(
  draft: Draft,
  { inputs, missingValue, prefix, taken }: {
    inputs: GraphInputs;
    missingValue: number | undefined;
    prefix: string;
    taken: ReadonlySet<string>;
  },
): Front {
  const renamed = new Map<string, string>();
  const rename = (name: string) => {
    renamed.set(name, `${prefix}${name}`);
    return `${prefix}${name}`;
  };
  if (inputs.kind === "matrix") {
    const { name, type, features } = inputs;
    const info = {
      name,
      type: elementType[type],
      columns: features ?? "columns",
    } as const;
    if (missingValue !== undefined && isFloat(type)) {
      addMissing(draft, name, { missingValue, type, output: rename(name) });
    }
    return { inputs: [info], renamed };
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
      output: rename(column.name),
    });
  });
  return {
    inputs: hasStrings
      ? [{ name: matrix, type: elementType.string, columns: columns.length }]
      // The signature calls both integers `long`.
      : columns.map(({ name, type }) => ({
        name,
        type: elementType[type === "int32" ? "int64" : type],
        columns: columns.length === 1 ? 1 : undefined,
      })),
    renamed,
  };
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

/** Renames tensors in the inputs of all nodes, in graphs inside nodes too. */
function renameAll(
  fields: readonly Field[],
  names: ReadonlyMap<string, string>,
): Field[] {
  if (names.size === 0) return [...fields];
  return fields.map((field) =>
    field.number === fieldNumbers.graph.node
      ? replaced(field, renameNode(field, names))
      : field
  );
}

function renameNode(
  node: Field,
  names: ReadonlyMap<string, string>,
): Uint8Array {
  const { input, attribute } = fieldNumbers.node;
  const decoder = new TextDecoder();
  return concat((fieldsOf(node.content) ?? []).map((field) => {
    if (field.number === input) {
      const name = names.get(decoder.decode(field.content));
      return name === undefined ? field.bytes : stringField(input, name);
    }
    return field.number === attribute
      ? renameAttribute(field, names)
      : field.bytes;
  }));
}

function renameAttribute(
  attribute: Field,
  names: ReadonlyMap<string, string>,
): Uint8Array {
  const { graph, graphs } = fieldNumbers.attribute;
  if (!hasGraph(attribute.content)) return attribute.bytes;
  const fields = fieldsOf(attribute.content) ?? [];
  const parts = fields.map((field) =>
    field.number === graph || field.number === graphs
      ? bytesField(
        field.number,
        concat(
          renameAll(fieldsOf(field.content) ?? [], names).map(({ bytes }) =>
            bytes
          ),
        ),
      )
      : field.bytes
  );
  return bytesField(attribute.number, concat(parts));
}

function replaced({ number }: Field, content: Uint8Array): Field {
  return { number, content, bytes: bytesField(number, content) };
}
