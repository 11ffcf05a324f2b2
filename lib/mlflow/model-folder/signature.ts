/**
 * Reads, infers and writes model signatures as MLflow does
 * (`mlflow/types/schema.py`, `mlflow/types/utils.py` of mlflow 3.17.2).
 */
import { InputError } from "../../base/errors.ts";
import * as v from "../../base/schema.ts";
import { toPythonJson } from "../json.ts";

const columnTypes = [
  "boolean",
  "integer",
  "long",
  "float",
  "double",
  "string",
  "binary",
  "datetime",
] as const;

/** MLflow's scalar types of a column. */
export type ColumnType = (typeof columnTypes)[number];

/** One column of a table of inputs or outputs. */
export interface ColumnSpec {
  readonly kind: "column";
  /** Undefined for the only column of a schema without names. */
  readonly name: string | undefined;
  readonly type: ColumnType;
  /** False when the column may be absent or hold missing values. */
  readonly required: boolean;
}

/** One array of inputs or outputs; -1 means any length. */
export interface TensorSpec {
  readonly kind: "tensor";
  readonly name: string | undefined;
  readonly dtype: string;
  readonly shape: readonly number[];
}

/** Either columns or tensors, in order. */
export type Schema = readonly ColumnSpec[] | readonly TensorSpec[];

/** The inputs and outputs of a model; a part that is not declared is undefined. */
export interface Signature {
  readonly inputs: Schema | undefined;
  readonly outputs: Schema | undefined;
}

/** The output of every model that we log: one column of 32-bit floats. */
export const scoreOutput: Schema = [
  { kind: "column", name: undefined, type: "float", required: true },
];

/** How the output of an ONNX model is read, as recorded in MLmodel's metadata. */
export const recordedOutput = v.object({
  kind: v.picklist(["probability", "score"]),
  positive_class: v.exactOptional(v.string()),
  classes: v.exactOptional(v.array(v.string())),
});

/** The kind of the predictions, the class whose probability is used, and the classes that the graph names. */
export type RecordedOutput = v.InferOutput<typeof recordedOutput>;

/** What determines the type of a column. */
export interface ColumnFacts {
  readonly name: string;
  /** XGBoost's `feature_types` entry (`float`, `int`, `i`, `q`, `c`); undefined if the model has none. */
  readonly modelType: string | undefined;
  /** The labels of the model's own categories; undefined for a feature without categories. */
  readonly labels?: readonly (string | number | boolean)[] | undefined;
  /** The sample's cells; null and undefined are missing. */
  readonly values: readonly unknown[];
}

/**
 * Returns the signature's column for a feature. Its type comes from the model's
 * own `feature_types` or the labels of its categories; otherwise it is `boolean`
 * if all values in the sample are `true` or `false`, and `double` if not. A
 * feature is `long` only if the model says `int` (or has integers as labels). A
 * `long` or `boolean` feature with missing values in the sample becomes `double`:
 * pandas has no missing integer, and MLflow's server would read a missing boolean
 * as false. A column with missing values is not required.
 *
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 *
 * const typeOf = (modelType: string | undefined, values: unknown[]) =>
 *   toColumnSpec({ name: "x", modelType, values }).type;
 * deepStrictEqual(
 *   [typeOf("float", [4]), typeOf("int", [4]), typeOf("int", [4, null]), typeOf(undefined, [4])],
 *   ["double", "long", "double", "double"],
 * );
 * ```
 */
export function toColumnSpec(
  { name, modelType, labels, values }: ColumnFacts,
): ColumnSpec {
  const present = values.filter((value) => !isMissing(value));
  const anyMissing = present.length < values.length;
  return {
    kind: "column",
    name,
    type: labels
      ? toLabelType(labels, anyMissing)
      : toColumnType(modelType, present, anyMissing),
    required: !anyMissing,
  };
}

function toColumnType(
  modelType: string | undefined,
  present: readonly unknown[],
  anyMissing: boolean,
): ColumnType {
  switch (modelType) {
    case "int":
      return anyMissing ? "double" : "long";
    case "i":
      return anyMissing ? "double" : "boolean";
    case "float":
    case "q":
      return "double";
    default:
      return !anyMissing && present.length > 0 &&
          present.every((value) => typeof value === "boolean")
        ? "boolean"
        : "double";
  }
}

/** Returns the column type for category labels. With missing values, number and boolean labels need `double`: pandas cannot store missing values in integer or boolean columns. */
function toLabelType(
  labels: readonly (string | number | boolean)[],
  anyMissing: boolean,
): ColumnType {
  if (labels.every((label) => typeof label === "string")) return "string";
  if (anyMissing) return "double";
  if (labels.every((label) => typeof label === "boolean")) return "boolean";
  return labels.every(Number.isSafeInteger) ? "long" : "double";
}

/**
 * Returns a schema as JSON text for an MLmodel file.
 *
 * @param options `writesRequired`: false for the form before MLflow 2.10, which
 * fails on `required` and uses `optional` instead (`ColSpec` in
 * `mlflow/types/schema.py` of 2.9.2); 2.10 reads both forms.
 *
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 *
 * strictEqual(
 *   toSchemaJson([{ kind: "column", name: "tenure", type: "double", required: true }]),
 *   '[{"type": "double", "name": "tenure", "required": true}]',
 * );
 * ```
 */
export function toSchemaJson(
  schema: Schema,
  options: { writesRequired?: boolean | undefined } = {},
): string {
  const { writesRequired = true } = options;
  const need = (required: boolean) =>
    writesRequired ? { required } : required ? {} : { optional: true };
  return toPythonJson(
    schema.map((spec) =>
      spec.kind === "column"
        ? { type: spec.type, name: spec.name, ...need(spec.required) }
        : {
          type: "tensor",
          name: spec.name,
          "tensor-spec": { dtype: spec.dtype, shape: spec.shape },
        }
    ),
  );
}

/**
 * Parses a schema from MLflow's JSON text. A column is required unless it has
 * `"required": false`, or `"optional": true` as before MLflow 2.10.
 *
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 *
 * deepStrictEqual(parseSchema('[{"type": "long", "name": "a"}]'), [
 *   { kind: "column", name: "a", type: "long", required: true },
 * ]);
 * ```
 *
 * @throws {InputError} If the text is not a schema, or has unsupported types (arrays, objects, maps).
 */
export function parseSchema(text: string): Schema {
  const file = "the model's signature";
  const specs = v.parseJson(schemaEntries, text, { file }).map(toSpec);
  const columns = specs.filter((spec) => spec.kind === "column");
  if (columns.length === specs.length) return columns;
  const tensors = specs.filter((spec) => spec.kind === "tensor");
  if (tensors.length === specs.length) return tensors;
  throw new InputError(
    "Cannot use the model's signature: it mixes columns and tensors",
  );
}

const schemaEntry = v.object({
  type: v.string(),
  name: v.nullish(v.string()),
  required: v.nullish(v.boolean(), true),
  optional: v.nullish(v.boolean(), false),
  "tensor-spec": v.optional(
    v.object({ dtype: v.string(), shape: v.array(v.number()) }),
  ),
});
const schemaEntries = v.array(schemaEntry, "a JSON array of columns");

function toSpec(
  entry: v.InferOutput<typeof schemaEntry>,
): ColumnSpec | TensorSpec {
  const { type, optional, "tensor-spec": tensor } = entry;
  const name = entry.name ?? undefined;
  const required = entry.required && !optional;
  const known = columnTypes.find((each) => each === type);
  if (known) return { kind: "column", name, type: known, required };
  if (type === "tensor" && tensor) return { kind: "tensor", name, ...tensor };
  throw new InputError(
    `Cannot use the model's signature: ${
      name === undefined ? "an entry" : `the column "${name}"`
    } has the type ${JSON.stringify(type)}, expected tensor or one of ${
      columnTypes.join(", ")
    }`,
  );
}

function isMissing(value: unknown): boolean {
  return value === null || value === undefined || Number.isNaN(value);
}
