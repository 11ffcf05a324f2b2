/**
 * Models as ONNX graphs that take rows as users send them: columns with their
 * own types and with labels of categories, which `mlflow.onnx` feeds from a
 * pandas frame (`_OnnxModelWrapper.predict` of MLflow 3.17.2).
 */
import { InputError } from "../../base/errors.ts";
import type { Model } from "../ensemble.ts";
import { kindOfLabels, type Label, unseenCategory } from "../labels.ts";
import {
  add,
  addCast,
  addConstant,
  addModel,
  describe,
  type Draft,
} from "./write.ts";
import {
  elementType,
  encodeModel,
  integerAttribute,
  integersAttribute,
  tensorAttribute,
  type TensorInfo,
  textsAttribute,
} from "./graph.ts";

/** A column of the frame: a feature's name and MLflow's type of it. */
export interface GraphColumn {
  readonly name: string;
  readonly type: string;
}

/**
 * What onnxruntime makes of a missing value in a column of texts: `None`,
 * `NaN` and pandas' `NA`, as Python writes them. A label that is spelt so
 * wins: in such a column a missing value is that category.
 */
const missingTexts = ["None", "nan", "<NA>"];

/**
 * The bytes of an ONNX file that gives a model's predictions for a frame.
 *
 * Without columns of texts it has one input per column, by the column's name:
 * `mlflow.onnx` feeds each by itself, and a single one as rows × 1. With texts
 * it has one input `input`, a matrix of texts in the order of the columns: for
 * a single input MLflow feeds `frame.values`, which is an array of objects
 * then, and onnxruntime takes their `str()`. (One input per column would fail
 * there: columns of texts are no NumPy arrays since pandas 3.)
 *
 * A label that the model does not know becomes a missing value or ends the
 * call with onnxruntime's error `indices element out of data bounds`, as
 * {@linkcode unseenCategory} says of the library.
 *
 * @param options `columns`: the model's features in their order; types are `double`, `float`, `long`, `integer`, `boolean`, `string`. `missingValue`: a number that means "missing" beside NaN, in any column.
 * @throws {InputError} If a column's type does not fit its categories, or as `toOnnx`.
 */
export function toColumnGraph(
  model: Model,
  options: {
    columns: readonly GraphColumn[];
    missingValue?: number | undefined;
  },
): Uint8Array {
  const { columns, missingValue } = options;
  const { features, outputs, library } = model;
  if (columns.length !== features.count) {
    throw new InputError(
      `Cannot write an ONNX graph: ${columns.length} columns for ${features.count} features`,
    );
  }
  const isText = columns.some(({ type }) => type === "string");
  const inputs = isText
    ? [{ name: "input", type: elementType.string, columns: columns.length }]
    : columns.map((column, f) => toInput(column, features.labels?.[f]))
      .map((input) => columns.length === 1 ? { ...input, columns: 1 } : input);
  const taken = inputs.map(({ name }) => name);
  const draft: Draft = {
    nodes: [],
    constants: [],
    prefix: freeName("_", (prefix) => taken.some((n) => n.startsWith(prefix))),
  };
  const output = freeName(
    model.predictionKind,
    (name) => taken.includes(name),
  );
  const read = isText ? textReader(draft, "input") : columnReader(draft);
  const encoded = columns.map((column, feature) =>
    addColumn(draft, {
      column,
      values: read(column, feature),
      isText,
      labels: features.labels?.[feature],
      unseen: unseenCategory(library),
    })
  );
  const matrix = add(draft, "Concat", {
    inputs: encoded,
    attributes: [integerAttribute("axis", 1)],
  });
  addModel(draft, model, {
    matrix: addMissing(draft, matrix, missingValue),
    output,
  });
  return encodeModel({
    ...describe(model),
    ...draft,
    inputs,
    output: { name: output, type: elementType.float, columns: outputs },
  }, "labels");
}

/** NaN in place of the number that means "missing". */
function addMissing(
  draft: Draft,
  matrix: string,
  missingValue: number | undefined,
): string {
  if (missingValue === undefined) return matrix;
  const scalar = (name: string, value: number) =>
    addConstant(draft, name, { values: Float32Array.of(value), dims: [] });
  const isMissing = add(draft, "Equal", {
    inputs: [matrix, scalar("missing_value", missingValue)],
  });
  return add(draft, "Where", {
    inputs: [isMissing, scalar("missing", NaN), matrix],
  });
}

/**
 * Rows as a pandas frame of these columns would give them to the graph:
 * booleans in a column of doubles are 0 and 1, and a missing text is a text
 * that is no label.
 *
 * @param options `types`: those of the graph's columns. `rows`: a cell per column each; missing is null.
 */
export function toGraphRows(
  { features }: Model,
  { types, rows }: {
    types: readonly string[];
    rows: readonly (readonly unknown[])[];
  },
): unknown[][] {
  const missing = types.map((type, feature) => {
    const labels = features.labels?.[feature] ?? [];
    return type === "string"
      ? missingTexts.find((text) => !labels.includes(text)) ?? null
      : null;
  });
  return rows.map((row) =>
    row.map((cell, column) => {
      const isNumber = types[column] === "double";
      if (cell === null) return missing[column];
      return isNumber && typeof cell === "boolean" ? Number(cell) : cell;
    })
  );
}

/** A name that is not taken: the wanted one, with as many `_` behind it as it needs. */
function freeName(wanted: string, isTaken: (name: string) => boolean): string {
  return isTaken(wanted) ? freeName(`${wanted}_`, isTaken) : wanted;
}

/** MLflow casts doubles to float32 only where the input is float32; labels are looked up as doubles. */
function toInput(
  { name, type }: GraphColumn,
  labels: readonly Label[] | undefined,
): TensorInfo {
  const types: Readonly<Record<string, number>> = {
    double: labels ? elementType.double : elementType.float,
    float: elementType.float,
    long: elementType.int64,
    integer: elementType.int32,
    boolean: elementType.bool,
  };
  const found = types[type];
  if (found !== undefined) return { name, type: found, columns: undefined };
  throw new InputError(
    `Cannot write an ONNX graph: column "${name}" is of the type ${type}, expected a number, boolean or string`,
  );
}

/** Gives each column, rows × 1, of the input of its name. */
function columnReader(
  draft: Draft,
): (column: GraphColumn, feature: number) => string {
  const shape = addConstant(draft, "column", {
    values: BigInt64Array.of(-1n, 1n),
    dims: [2],
  });
  return ({ name }) => add(draft, "Reshape", { inputs: [name, shape] });
}

/** Gives each column, rows × 1, of a matrix. */
function textReader(
  draft: Draft,
  matrix: string,
): (column: GraphColumn, feature: number) => string {
  return (_, feature) => {
    const index = addConstant(draft, `column_${feature}`, {
      values: BigInt64Array.of(BigInt(feature)),
      dims: [1],
    });
    return add(draft, "Gather", {
      inputs: [matrix, index],
      attributes: [integerAttribute("axis", 1)],
    });
  };
}

interface ColumnOptions {
  readonly column: GraphColumn;
  /** The column as it arrives: texts where `isText`, otherwise of its own type. */
  readonly values: string;
  readonly isText: boolean;
  readonly labels: readonly Label[] | undefined;
  readonly unseen: "missing" | "error";
}

/** Appends the steps from a column to the float32 feature of it. */
function addColumn(draft: Draft, options: ColumnOptions): string {
  const { column: { name, type }, values, isText, labels, unseen } = options;
  if (labels) checkKind(options.column, labels);
  if (type === "boolean") {
    if (!isText && !labels) return addCast(draft, values, "float");
    const booleans = labels ?? [false, true];
    return isText
      ? addTextCodes(draft, values, {
        labels: booleans.map((label) => label ? "True" : "False"),
        unseen: labels ? unseen : "error",
      })
      : addNumberCodes(draft, addCast(draft, values, "int64"), {
        labels: booleans,
        type: "int64",
        unseen,
      });
  }
  if (type === "string") {
    if (labels) return addTextCodes(draft, values, { labels, unseen });
    throw new InputError(
      `Cannot write an ONNX graph: column "${name}" holds texts, and the model has no labels for it`,
    );
  }
  const isWhole = type === "long" || type === "integer";
  const wide = isWhole ? "int64" : "double";
  if (labels) {
    const numbers = addCast(draft, values, wide);
    return addNumberCodes(draft, numbers, { labels, type: wide, unseen });
  }
  // Texts become doubles first, as NumPy has them: rounding them at once to float32 may differ.
  const numbers = isText ? addCast(draft, values, wide) : values;
  return addCast(draft, numbers, "float");
}

/** Booleans may stand in a column of doubles, which has room for missing values. */
function checkKind(
  { name, type }: GraphColumn,
  labels: readonly Label[],
): void {
  const kind = kindOfLabels(labels);
  const fitting: Readonly<Record<typeof kind, readonly string[]>> = {
    text: ["string"],
    number: ["double", "float", "long", "integer"],
    boolean: ["boolean", "double"],
    mixed: [],
  };
  if (labels.length === 0 || fitting[kind].includes(type)) return;
  throw new InputError(
    kind === "mixed"
      ? `Cannot write an ONNX graph: the categories of column "${name}" are texts, numbers and booleans together, and a column of MLflow's holds one kind; train with texts`
      : `Cannot write an ONNX graph: column "${name}" is of the type ${type}, but its categories are of the kind ${kind}`,
  );
}

/** Codes of texts; missing values have a text of their own here. */
function addTextCodes(
  draft: Draft,
  values: string,
  { labels, unseen }: {
    labels: readonly Label[];
    unseen: "missing" | "error";
  },
): string {
  const known = labels.map(String);
  const missing = missingTexts.filter((text) => !known.includes(text));
  const codes = [...known.keys(), ...missing.map(() => known.length)];
  const indices = add(draft, "LabelEncoder", {
    inputs: [values],
    attributes: [
      textsAttribute("keys_strings", [...known, ...missing]),
      integersAttribute("values_int64s", codes),
      integerAttribute("default_int64", defaultCode(known.length, unseen)),
    ],
    domain: "ai.onnx.ml",
  });
  return addLookup(draft, indices, known.length);
}

/** Codes of numbers, or of booleans as 0 and 1. */
function addNumberCodes(
  draft: Draft,
  values: string,
  { labels, type, unseen }: {
    labels: readonly Label[];
    type: "int64" | "double";
    unseen: "missing" | "error";
  },
): string {
  const isKey = (label: Label) =>
    type === "double" || Number.isInteger(Number(label));
  const codes = [...labels.keys()].filter((code) => isKey(labels[code] ?? 0));
  const keys = codes.map((code) => Number(labels[code]));
  const size = labels.length;
  const found = add(draft, "LabelEncoder", {
    inputs: [values],
    attributes: [
      tensorAttribute(
        "keys_tensor",
        type === "double"
          ? Float64Array.from(keys)
          : BigInt64Array.from(keys, BigInt),
      ),
      tensorAttribute("values_tensor", BigInt64Array.from(codes, BigInt)),
      tensorAttribute(
        "default_tensor",
        BigInt64Array.of(BigInt(defaultCode(size, unseen))),
      ),
    ],
    domain: "ai.onnx.ml",
  });
  if (type === "int64") return addLookup(draft, found, size);
  const missing = addConstant(draft, `missing_${draft.constants.length}`, {
    values: BigInt64Array.of(BigInt(size)),
    dims: [],
  });
  const isMissing = add(draft, "IsNaN", { inputs: [values] });
  const indices = add(draft, "Where", { inputs: [isMissing, missing, found] });
  return addLookup(draft, indices, size);
}

/** Behind the last label comes the missing value; one further there is nothing, which is an error. */
function defaultCode(size: number, unseen: "missing" | "error"): number {
  return unseen === "missing" ? size : size + 1;
}

/** Codes as float32, of which the last, behind all labels, is NaN. */
function addLookup(draft: Draft, indices: string, size: number): string {
  const values = Float32Array.from(
    { length: size + 1 },
    (_, code) => code < size ? code : NaN,
  );
  const table = addConstant(draft, `codes_${draft.constants.length}`, {
    values,
    dims: [size + 1],
  });
  return add(draft, "Gather", { inputs: [table, indices] });
}
