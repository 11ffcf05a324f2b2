/**
 * Model signatures as MLflow writes, infers and reads them
 * (`mlflow/types/schema.py`, `mlflow/types/utils.py` of mlflow 3.17.2).
 */
import { InputError } from "../../base/errors.ts";
import { toPythonJson } from "../json.ts";

/** MLflow's scalar types of a column. */
export type ColumnType =
  | "boolean"
  | "integer"
  | "long"
  | "float"
  | "double"
  | "string"
  | "binary"
  | "datetime";

/** One column of a table of inputs or outputs. */
export interface ColumnSpec {
  readonly kind: "column";
  /** Undefined for the only column of a schema without names. */
  readonly name: string | undefined;
  readonly type: ColumnType;
  /** False when the column may be absent or hold missing values. */
  readonly required: boolean;
}

/** One array of inputs or outputs; -1 stands for any length. */
export interface TensorSpec {
  readonly kind: "tensor";
  readonly name: string | undefined;
  readonly dtype: string;
  readonly shape: readonly number[];
}

/** Columns or tensors, never mixed; both have an order. */
export type Schema = readonly ColumnSpec[] | readonly TensorSpec[];

/** What a model takes and gives, as far as it was said. */
export interface Signature {
  readonly inputs: Schema | undefined;
  readonly outputs: Schema | undefined;
}

/** The output of every model that we log: one column of 32-bit floats. */
export const scoreOutput: Schema = [
  { kind: "column", name: undefined, type: "float", required: true },
];

/** What decides the type of a column, strongest first. */
export interface ColumnFacts {
  readonly name: string;
  /** XGBoost's `feature_types` word (`float`, `int`, `i`, `q`, `c`); undefined where the model says none. */
  readonly modelType: string | undefined;
  /** The labels of the model's own categories; undefined for a feature without. */
  readonly labels?: readonly (string | number | boolean)[] | undefined;
  /** The sample's cells; null and undefined are missing. */
  readonly values: readonly unknown[];
}

/**
 * Returns the column that a signature has for a feature: the type that the
 * model's own `feature_types` or the labels of its categories state, else
 * `boolean` where all values of the sample are `true` or `false`, else
 * `double`. A feature is `long` only where the model says `int` (or has whole
 * numbers as labels). Where the sample has missing values of a `long` or
 * `boolean` feature it is `double`: pandas has no missing integer, and MLflow's
 * server would read a missing boolean as false. A column with missing values is
 * not required.
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

/** Texts, or what numbers and booleans need: pandas holds missing ones among them in no column of integers or booleans. */
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
 * A schema as the JSON text that MLmodel files hold.
 *
 * @param options `writesRequired`: false for the form before MLflow 2.10, whose
 * readers stop at `required` and have `optional` in its place (`ColSpec` in
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
 * The schema in a JSON text of MLflow's; a column is
 * required unless it says `"required": false`, or `"optional": true` as before MLflow 2.10.
 *
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 *
 * deepStrictEqual(parseSchema('[{"type": "long", "name": "a"}]'), [
 *   { kind: "column", name: "a", type: "long", required: true },
 * ]);
 * ```
 *
 * @throws {InputError} If the text is no schema, or has types that no churn model takes (arrays, objects, maps).
 */
export function parseSchema(text: string): Schema {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new InputError(
      `Cannot parse the model's signature ${JSON.stringify(text.slice(0, 80))}`,
      { cause: error },
    );
  }
  if (!Array.isArray(value)) {
    throw new InputError(
      `Cannot use the model's signature: expected a JSON array of columns, found ${
        text.slice(0, 80)
      }`,
    );
  }
  const specs = value.map(parseSpec);
  const columns = specs.filter((spec) => spec.kind === "column");
  if (columns.length === specs.length) return columns;
  const tensors = specs.filter((spec) => spec.kind === "tensor");
  if (tensors.length === specs.length) return tensors;
  throw new InputError(
    "Cannot use the model's signature: it mixes columns and tensors",
  );
}

const columnTypes: readonly string[] = [
  "boolean",
  "integer",
  "long",
  "float",
  "double",
  "string",
  "binary",
  "datetime",
];

function parseSpec(value: unknown): ColumnSpec | TensorSpec {
  const spec: Record<string, unknown> = typeof value === "object"
    ? { ...value }
    : {};
  const { type } = spec;
  const required = spec["required"] !== false && spec["optional"] !== true;
  const name = typeof spec["name"] === "string" ? spec["name"] : undefined;
  if (isColumnType(type)) {
    return { kind: "column", name, type, required };
  }
  const tensor = spec["tensor-spec"];
  if (type === "tensor" && typeof tensor === "object" && tensor !== null) {
    const { dtype, shape }: { dtype?: unknown; shape?: unknown } = tensor;
    if (typeof dtype === "string" && Array.isArray(shape)) {
      return { kind: "tensor", name, dtype, shape: shape.map(Number) };
    }
  }
  throw new InputError(
    `Cannot use the model's signature: ${
      name === undefined ? "an entry" : `the column "${name}"`
    } has the type ${JSON.stringify(type)}, which is none of ${
      columnTypes.join(", ")
    } or a tensor`,
  );
}

function isColumnType(value: unknown): value is ColumnType {
  return typeof value === "string" && columnTypes.includes(value);
}

function isMissing(value: unknown): boolean {
  return value === null || value === undefined || Number.isNaN(value);
}
