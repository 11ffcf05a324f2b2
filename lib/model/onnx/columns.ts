/**
 * Writes models as ONNX graphs that take rows as users send them: typed columns,
 * with labels for categories. `mlflow.onnx` feeds them from a pandas frame
 * (`_OnnxModelWrapper.predict` of MLflow 3.17.2).
 */
import { InputError } from "../../base/errors.ts";
import type { Model } from "../ensemble.ts";
import { type Label, typeOfLabels, unseenCategory } from "../labels.ts";
import { addModel, describeModel } from "./write.ts";
import {
  add,
  addCast,
  addCodes,
  addColumnOf,
  addConstant,
  addMissing,
  type Draft,
  elementType,
  encodeModel,
  freeName,
  integerAttribute,
  tensorAttribute,
  type TensorInfo,
} from "./graph.ts";

/** A column of the frame: a feature's name and its MLflow type. */
export interface GraphColumn {
  readonly name: string;
  readonly type: string;
}

/**
 * How onnxruntime reads a missing value in a column of strings: `None`, `NaN`
 * and pandas' `NA`, formatted by Python. If a label has the same spelling, the
 * missing value becomes that category.
 */
const missingStrings = ["None", "nan", "<NA>"];

/**
 * Returns an ONNX file that computes a model's predictions for a frame.
 *
 * Without string columns, the graph has one input per column, named after it:
 * `mlflow.onnx` feeds each column separately, and a single column as rows × 1.
 * With string columns, it has one input `input`, a matrix of strings in column
 * order: for a single input, MLflow feeds `frame.values`, an array of objects,
 * of which onnxruntime takes the `str()`. One input per column would fail, since
 * string columns are not NumPy arrays in pandas 3.
 *
 * An unknown label becomes a missing value, or fails with onnxruntime's error
 * `indices element out of data bounds`, as in the library; see
 * {@linkcode unseenCategory}.
 *
 * @param options `columns`: the model's features in order; types are `double`, `long`, `boolean`, and `string` for a feature with labels. `missingValue`: a number that means missing, like NaN, in any column.
 * @throws {InputError} If a column has another type, or labels of several types, or as `toOnnx`.
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
  const isString = columns.some(({ type }) => type === "string");
  const inputs = isString
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
  // A column as rows × 1: from the matrix of strings, or from the input of its name.
  const shape = isString
    ? ""
    : addConstant(draft, "column", BigInt64Array.of(-1n, 1n));
  const encoded = columns.map((column, feature) =>
    addColumn(draft, {
      column,
      values: isString
        ? addColumnOf(draft, "input", feature)
        : add(draft, "Reshape", { inputs: [column.name, shape] }),
      isString,
      labels: features.labels?.[feature],
      unseen: unseenCategory(library),
    })
  );
  const matrix = add(draft, "Concat", {
    inputs: encoded,
    attributes: [integerAttribute("axis", 1)],
  });
  addModel(draft, model, {
    matrix: missingValue === undefined
      ? matrix
      : addMissing(draft, matrix, { missingValue, type: "float32" }),
    output,
  });
  return encodeModel({
    ...describeModel(model),
    ...draft,
    inputs,
    output: { name: output, type: elementType.float32, columns: outputs },
  }, "labels");
}

/**
 * Converts rows to what a pandas frame feeds to the graph: booleans in a column
 * of doubles become 0 and 1, and a missing string becomes one of the strings
 * that mean missing.
 *
 * @param options `types`: those of the graph's columns. `rows`: one cell per column; missing is null.
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
      ? missingStrings.find((text) => !labels.includes(text)) ?? null
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

/** Returns the input of a column. MLflow casts doubles to float32 only for a float32 input; numeric labels need doubles. */
function toInput(
  { name, type }: GraphColumn,
  labels: readonly Label[] | undefined,
): TensorInfo {
  const types: Readonly<Record<string, number>> = {
    double: labels ? elementType.float64 : elementType.float32,
    long: elementType.int64,
    boolean: elementType.bool,
  };
  const found = types[type];
  if (found === undefined) throw wrongType({ name, type });
  return { name, type: found, columns: undefined };
}

function wrongType({ name, type }: GraphColumn): InputError {
  return new InputError(
    `Cannot write an ONNX graph: column "${name}" has type ${type}, expected a number, a boolean, or a string with the model's labels`,
  );
}

interface ColumnOptions {
  readonly column: GraphColumn;
  /** The tensor of the column: strings if `isString`, otherwise of the column's type. */
  readonly values: string;
  readonly isString: boolean;
  readonly labels: readonly Label[] | undefined;
  readonly unseen: "missing" | "error";
}

/** Appends the nodes from a column to its float32 feature. */
function addColumn(draft: Draft, options: ColumnOptions): string {
  const { column: { name, type }, values, isString, labels, unseen } = options;
  if (labels && typeOfLabels(labels) === "mixed") {
    throw new InputError(
      `Cannot write an ONNX graph: the categories of column "${name}" mix strings, numbers and booleans, but an MLflow column has one type; train with strings`,
    );
  }
  if (type === "boolean") {
    if (!isString && !labels) return addCast(draft, values, "float32");
    const booleans = labels ?? [false, true];
    return isString
      ? addStringCodes(draft, values, {
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
    if (labels) return addStringCodes(draft, values, { labels, unseen });
    throw wrongType(options.column);
  }
  const wide = type === "long" ? "int64" : "float64";
  if (labels) {
    const numbers = addCast(draft, values, wide);
    return addNumberCodes(draft, numbers, { labels, type: wide, unseen });
  }
  // Strings become doubles first, as in NumPy: rounding them directly to float32 may differ.
  const numbers = isString ? addCast(draft, values, wide) : values;
  return addCast(draft, numbers, "float32");
}

/** Adds the codes of strings; the strings that mean missing have a code after the last label. */
function addStringCodes(
  draft: Draft,
  values: string,
  { labels, unseen }: {
    labels: readonly Label[];
    unseen: "missing" | "error";
  },
): string {
  const known = labels.map(String);
  const missing = missingStrings.filter((text) => !known.includes(text));
  const codes = [...known.keys(), ...missing.map(() => known.length)];
  const indices = addCodes(draft, values, {
    strings: [...known, ...missing],
    codes,
    others: defaultCode(known.length, unseen),
  });
  return addLookup(draft, indices, known.length);
}

/** Adds the codes of numbers, or of booleans as 0 and 1. */
function addNumberCodes(
  draft: Draft,
  values: string,
  { labels, type, unseen }: {
    labels: readonly Label[];
    type: "int64" | "float64";
    unseen: "missing" | "error";
  },
): string {
  const isKey = (label: Label) =>
    type === "float64" || Number.isInteger(Number(label));
  const codes = [...labels.keys()].filter((code) => isKey(labels[code] ?? 0));
  const keys = codes.map((code) => Number(labels[code]));
  const size = labels.length;
  const found = add(draft, "LabelEncoder", {
    inputs: [values],
    attributes: [
      tensorAttribute(
        "keys_tensor",
        type === "float64"
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
  const missing = addConstant(
    draft,
    `missing_${draft.constants.length}`,
    BigInt64Array.of(BigInt(size)),
    { dims: [] },
  );
  const isMissing = add(draft, "IsNaN", { inputs: [values] });
  const indices = add(draft, "Where", { inputs: [isMissing, missing, found] });
  return addLookup(draft, indices, size);
}

/** Returns the code of an unknown label: the missing value after the last label, or an index out of range, which is an error. */
function defaultCode(size: number, unseen: "missing" | "error"): number {
  return unseen === "missing" ? size : size + 1;
}

/** Adds the lookup of codes as float32; the code after the last label is NaN. */
function addLookup(draft: Draft, indices: string, size: number): string {
  const values = Float32Array.from(
    { length: size + 1 },
    (_, code) => code < size ? code : NaN,
  );
  const name = `codes_${draft.constants.length}`;
  const table = addConstant(draft, name, values);
  return add(draft, "Gather", { inputs: [table, indices] });
}
