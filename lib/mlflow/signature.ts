/**
 * Model signatures as MLflow writes, infers and reads them
 * (`mlflow/types/schema.py`, `mlflow/types/utils.py` of mlflow 3.17.2).
 */
import { InputError } from "../errors.ts";
import { toPythonJson } from "./json.ts";

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

/**
 * The columns that `mlflow.models.infer_signature` would find in a pandas
 * frame of these rows, as `pandas.read_json` makes it: whole numbers without
 * missing values are `long`, other numbers `double`, booleans `boolean`; a
 * column with missing values (null, NaN or absent) is not required.
 *
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 *
 * const rows = [{ months: 4, spend: 1.5, vip: true }, { months: 5, spend: null, vip: false }];
 * const types = inferColumns(rows, ["months", "spend", "vip"]).map(({ type, required }) => [type, required]);
 * deepStrictEqual(types, [["long", true], ["double", false], ["boolean", true]]);
 * ```
 *
 * @param columns Names in the model's order; what else the rows hold is left out.
 * @throws {InputError} If a column is in none of the rows, or mixes kinds of values.
 */
export function inferColumns(
  rows: readonly Readonly<Record<string, unknown>>[],
  columns: readonly string[],
): ColumnSpec[] {
  return columns.map((name) => {
    if (!rows.some((row) => Object.hasOwn(row, name))) {
      throw new InputError(
        `Cannot infer the signature: none of the ${rows.length} sample rows has the column "${name}"`,
      );
    }
    const values = rows.map((row) => row[name]);
    const missing = values.some(isMissing);
    return {
      kind: "column",
      name,
      type: inferType(
        name,
        values.filter((value) => !isMissing(value)),
        missing,
      ),
      required: !missing,
    };
  });
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

function inferType(
  name: string,
  values: readonly unknown[],
  missing: boolean,
): ColumnType {
  const kinds = new Set(values.map((value) => typeof value));
  const [kind = "number"] = kinds;
  if (kinds.size <= 1 && kind === "boolean") return "boolean";
  if (kinds.size <= 1 && kind === "string") return "string";
  if (kinds.size <= 1 && kind === "number") {
    const whole = values.length > 0 && !missing &&
      values.every(Number.isSafeInteger);
    return whole ? "long" : "double";
  }
  throw new InputError(
    `Cannot infer the type of the column "${name}": it holds ${
      [...kinds].sort().join(" and ")
    } values`,
  );
}
