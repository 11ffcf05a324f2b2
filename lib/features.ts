/** Rows to the matrix that a model scores: bound by name, checked by type, nothing guessed. */
import { InputError } from "./errors.ts";
import { type Label, toCode } from "./model/labels.ts";
import type { Recipe } from "./recipe.ts";
import type { Row } from "./rows.ts";

/** A column that the model was trained on. */
export interface Column {
  readonly name: string;
  /** MLflow's type of it: `double`, `float`, `long`, `integer`, `boolean`, `string`. */
  readonly type: string;
  /** Labels of the column's categories, index = code; undefined where the column has none. */
  readonly labels?: readonly Label[] | undefined;
  /** What a label that is not among them does; an error unless stated. */
  readonly unseen?: "missing" | "error";
}

/** How rows become features. */
export interface FeatureOptions {
  /** The model's columns in the model's order. */
  readonly columns: readonly Column[];
  readonly recipe: Recipe;
  /** Column that names the player; not a feature. */
  readonly idColumn: string;
  /** Column of the outcome, 0 or 1, of a labelled set; not a feature. */
  readonly labelColumn?: string | undefined;
  /** What the rows come from, for errors. */
  readonly file: string;
}

/** Rows as a model scores them, and what was noticed on the way. */
export interface Features {
  /** rows × columns, row after row, in the model's column order; NaN is missing. */
  readonly matrix: Float32Array;
  readonly rows: number;
  /** A player a row, null where the row has none; undefined when no row has the id column. */
  readonly ids: readonly (string | null)[] | undefined;
  /** An outcome a row, when a label column was asked for. */
  readonly labels: Uint8Array | undefined;
  /** Columns of the input that the model does not know, sorted; they were ignored. */
  readonly extraColumns: readonly string[];
  /** Rows whose category the model was not trained on, by raw column; only columns with any. */
  readonly unknownCategories: Readonly<Record<string, number>>;
}

/**
 * The features of all rows. Objects are bound by column name, in any order;
 * arrays hold the model's columns in the model's order. A raw column of the
 * recipe is one-hot encoded unless its encoded columns are there already; a
 * category the model does not know gives all zeros and is counted, as
 * `pandas.get_dummies` followed by a reindex does.
 *
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 *
 * const columns = [{ name: "spend", type: "double" }, { name: "brand_US", type: "boolean" }];
 * const recipe = { oneHot: [{ column: "brand", prefix: "brand_" }] };
 * const rows = [{ number: 1, line: 1, value: { brand: "US", spend: null } }];
 * const { matrix } = toFeatures(rows, { columns, recipe, idColumn: "player_id", file: "x" });
 * deepStrictEqual(matrix, new Float32Array([NaN, 1]));
 * ```
 *
 * @throws {InputError} If a column is missing or a value has the wrong type; names row, line and column.
 */
export function toFeatures(
  rows: Iterable<Row>,
  options: FeatureOptions,
): Features {
  const { columns, idColumn, labelColumn, file } = options;
  const matrix = new GrowingMatrix(columns.length);
  const ids: (string | null)[] = [];
  const labels: number[] = [];
  const extra = new Set<string>();
  const unknown = new Map<string, number>();
  const known = knownNames(options);
  let plan: Plan | undefined;
  let anyId = false;
  for (const row of rows) {
    const where = `${file}, row ${row.number}${
      row.line === undefined ? "" : ` (line ${row.line})`
    }`;
    if (isArray(row.value)) {
      checkLength(row.value, columns, where);
    } else {
      plan ??= toPlan(row.value, options);
      for (const name in row.value) if (!known.has(name)) extra.add(name);
      anyId ||= Object.hasOwn(row.value, idColumn);
    }
    encodeRow(row.value, {
      columns,
      plan,
      unknown,
      where,
      into: matrix.nextRow(),
    });
    ids.push(
      isArray(row.value)
        ? null
        : toId(row.value[idColumn], { idColumn, where }),
    );
    if (labelColumn !== undefined) {
      labels.push(toLabel(row.value, { labelColumn, where }));
    }
  }
  return {
    matrix: matrix.values(),
    rows: ids.length,
    ids: anyId ? ids : undefined,
    labels: labelColumn === undefined ? undefined : Uint8Array.from(labels),
    extraColumns: [...extra].sort(),
    unknownCategories: Object.fromEntries(unknown),
  };
}

/**
 * The same rows as plain objects under the model's own column names, in the
 * model's order: what an input example shows and a signature is inferred from.
 * Raw columns of the recipe become booleans.
 *
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 *
 * const recipe = { oneHot: [{ column: "brand", prefix: "brand_" }] };
 * const rows = [{ number: 1, line: 1, value: { brand: "US", spend: 2 } }];
 * const options = { columns: ["spend", "brand_US"], recipe };
 * deepStrictEqual(toModelRows(rows, options), [{ spend: 2, brand_US: true }]);
 * ```
 *
 * Cells that a row does not have stay undefined: {@linkcode toFeatures} is what refuses them.
 */
export function toModelRows(
  rows: readonly Row[],
  options: { columns: readonly string[]; recipe: Recipe },
): Record<string, unknown>[] {
  const columns = options.columns.map((name) => ({ name, type: "double" }));
  const first = rows.find(({ value }) => !isArray(value))?.value ?? {};
  const { sources } = toPlan(isArray(first) ? {} : first, {
    columns,
    recipe: options.recipe,
  });
  return rows.map(({ value }) => {
    const cells = options.columns.map((name, index) => {
      if (isArray(value)) return [name, value[index]];
      const source = sources[index]!;
      const cell = source.kind === "column"
        ? value[name]
        : toCategory(value[source.column]) === source.category;
      return [name, cell];
    });
    return Object.fromEntries(cells);
  });
}

/**
 * The columns a list of feature names and the model agree on.
 *
 * @param names The list, as the features file has it.
 * @param options `modelNames`: the names in the model file, empty when it has none; `modelCount`: how many features it was trained on.
 * @throws {InputError} If they differ in number, in a name or in order; names the first difference.
 */
export function checkFeatureNames(
  names: readonly string[],
  options: { modelNames: readonly string[]; modelCount: number; file: string },
): void {
  const { modelNames, modelCount, file } = options;
  const repeated = names.find((name, index) => names.indexOf(name) !== index);
  if (repeated !== undefined) {
    throw new InputError(`Cannot use ${file}: it names "${repeated}" twice`);
  }
  if (names.length !== modelCount) {
    throw new InputError(
      `Cannot use ${file}: it names ${names.length} features, the model was trained on ${modelCount}`,
    );
  }
  if (modelNames.length === 0) return;
  const at = names.findIndex((name, index) => name !== modelNames[index]);
  if (at >= 0) {
    throw new InputError(
      `Cannot use ${file}: feature ${at + 1} is "${
        names[at]
      }", the model has "${modelNames[at]}" there`,
    );
  }
}

/**
 * The names in a features file: a JSON array of texts.
 *
 * @throws {InputError} If it is anything else.
 */
export function parseFeatureNames(
  bytes: Uint8Array,
  options: { file: string },
): string[] {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    throw new InputError(
      `Cannot parse ${options.file}: ${(error as Error).message}`,
    );
  }
  const isNames = Array.isArray(value) && value.length > 0 &&
    value.every((name) => typeof name === "string" && name !== "");
  if (isNames) return value as string[];
  throw new InputError(
    `Cannot use ${options.file}: expected a JSON array of feature names`,
  );
}

type Source = { readonly kind: "column" } | {
  readonly kind: "category";
  readonly column: string;
  readonly category: string;
};

/** Where each model column comes from, and which categories each raw column may have. */
interface Plan {
  readonly sources: readonly Source[];
  readonly categories: ReadonlyMap<string, ReadonlySet<string>>;
}

/** Decides from the first row which one-hot groups arrive raw; every later row is held to it. */
function toPlan(
  first: Readonly<Record<string, unknown>>,
  options: Pick<FeatureOptions, "columns" | "recipe">,
): Plan {
  const { columns, recipe } = options;
  const categories = new Map<string, Set<string>>();
  const sources = columns.map(({ name }): Source => {
    const step = recipe.oneHot.find(({ column, prefix }) =>
      name.startsWith(prefix) && Object.hasOwn(first, column) &&
      !Object.hasOwn(first, name)
    );
    if (!step) return { kind: "column" };
    const category = name.slice(step.prefix.length);
    const set = categories.get(step.column) ?? new Set();
    categories.set(step.column, set.add(category));
    return { kind: "category", column: step.column, category };
  });
  return { sources, categories };
}

interface Encoding {
  readonly columns: readonly Column[];
  readonly plan: Plan | undefined;
  readonly unknown: Map<string, number>;
  readonly where: string;
  readonly into: Float32Array;
}

function encodeRow(value: Row["value"], encoding: Encoding): void {
  const { columns, plan, where, into } = encoding;
  if (isArray(value)) {
    for (const [index, column] of columns.entries()) {
      into[index] = encodeCell(value[index], column, encoding);
    }
    return;
  }
  for (const [column, categories] of plan?.categories ?? []) {
    countUnknown(value, { column, categories, encoding });
  }
  for (let index = 0; index < columns.length; index++) {
    const column = columns[index]!;
    const source = plan!.sources[index]!;
    if (source.kind === "category") {
      into[index] = toCategory(value[source.column]) === source.category
        ? 1
        : 0;
      continue;
    }
    const cell = value[column.name];
    if (isAbsent(cell, value, column.name)) {
      throw missing(column.name, value, where);
    }
    into[index] = encodeCell(cell, column, encoding);
  }
}

function encodeCell(
  cell: unknown,
  column: Column,
  { where, unknown }: Encoding,
): number {
  if (column.labels === undefined) return toFeature(cell, column, where);
  if (cell === null) return NaN;
  const code = toCategoryCode(
    cell,
    { ...column, labels: column.labels },
    where,
  );
  if (code !== undefined) return code;
  unknown.set(column.name, (unknown.get(column.name) ?? 0) + 1);
  return NaN;
}

/** The code of a label; undefined for one that is not known and may be missing. */
function toCategoryCode(
  cell: unknown,
  { name, labels, unseen }: Column & { labels: readonly Label[] },
  where: string,
): number | undefined {
  const isLabel = typeof cell === "string" || typeof cell === "number" ||
    typeof cell === "boolean";
  const isKind = labels.length === 0 ||
    labels.some((label) => typeof label === typeof cell);
  const code = isLabel ? toCode(labels, cell) : undefined;
  if (code !== undefined) return code;
  if (isLabel && isKind && unseen === "missing") return undefined;
  throw wrongType({
    where,
    column: name,
    wanted: `one of the ${labels.length} categories of the training data (${
      JSON.stringify(labels).slice(1, 60)
    }) or null`,
    found: cell,
  });
}

/** A name such as "constructor" finds something on every object, which is not of the row. */
function isAbsent(
  cell: unknown,
  value: Readonly<Record<string, unknown>>,
  name: string,
): boolean {
  const mayBeInherited = typeof cell === "function" || typeof cell === "object";
  return cell === undefined || (mayBeInherited && !Object.hasOwn(value, name));
}

function countUnknown(
  value: Readonly<Record<string, unknown>>,
  { column, categories, encoding }: {
    column: string;
    categories: ReadonlySet<string>;
    encoding: Encoding;
  },
): void {
  if (!Object.hasOwn(value, column)) {
    throw missing(column, value, encoding.where);
  }
  const cell = value[column];
  if (cell === null) return;
  const category = toCategory(cell);
  if (category === undefined) {
    throw wrongType({
      where: encoding.where,
      column,
      wanted: "a category (text or number)",
      found: cell,
    });
  }
  if (!categories.has(category)) {
    encoding.unknown.set(column, (encoding.unknown.get(column) ?? 0) + 1);
  }
}

function toCategory(cell: unknown): string | undefined {
  if (typeof cell === "string") return cell;
  return typeof cell === "number" || typeof cell === "boolean"
    ? String(cell)
    : undefined;
}

/** The float32 that XGBoost would see for a cell; NaN for null. Every lossless conversion is accepted. */
function toFeature(cell: unknown, column: Column, where: string): number {
  if (cell === null) return NaN;
  if (typeof cell === "boolean") return cell ? 1 : 0;
  if (typeof cell !== "number") {
    throw wrongType({
      where,
      column: column.name,
      wanted: `a number (${column.type}) or null`,
      found: cell,
    });
  }
  const isWhole = Number.isInteger(cell);
  if ((column.type === "long" || column.type === "integer") && !isWhole) {
    throw wrongType({
      where,
      column: column.name,
      wanted: `a whole number (${column.type})`,
      found: cell,
    });
  }
  if (column.type === "boolean" && cell !== 0 && cell !== 1) {
    throw wrongType({
      where,
      column: column.name,
      wanted: "true, false, 0 or 1 (boolean)",
      found: cell,
    });
  }
  if (!Number.isFinite(Math.fround(cell))) {
    throw wrongType({
      where,
      column: column.name,
      wanted: "a number that float32 can hold",
      found: cell,
    });
  }
  return cell;
}

function toId(
  cell: unknown,
  { idColumn, where }: { idColumn: string; where: string },
): string | null {
  if (cell === undefined || cell === null) return null;
  if (typeof cell === "string" && !cell.includes("\0")) return cell;
  // JSON.parse has rounded larger numbers already: they would name other players.
  const isExact = typeof cell === "number" && Math.abs(cell) <= 2 ** 53 - 1;
  if (isExact) return String(cell);
  throw wrongType({
    where,
    column: idColumn,
    wanted: "a text without NUL, or a number of at most 15 digits",
    found: cell,
  });
}

function toLabel(
  value: Row["value"],
  { labelColumn, where }: { labelColumn: string; where: string },
): number {
  const cell = isArray(value) ? undefined : value[labelColumn];
  if (cell === 0 || cell === 1 || typeof cell === "boolean") {
    return Number(cell);
  }
  throw wrongType({
    where,
    column: labelColumn,
    wanted: "an outcome, 0 or 1",
    found: cell,
  });
}

function checkLength(
  values: readonly unknown[],
  columns: readonly Column[],
  where: string,
): void {
  if (values.length === columns.length) return;
  throw new InputError(
    `Cannot use ${where}: it has ${values.length} values, the model has ${columns.length} columns`,
  );
}

function knownNames(
  { columns, recipe, idColumn, labelColumn }: FeatureOptions,
): Set<string> {
  const names = [
    ...columns.map(({ name }) => name),
    ...recipe.oneHot.map(({ column }) => column),
    idColumn,
  ];
  return new Set(labelColumn === undefined ? names : [...names, labelColumn]);
}

function missing(
  column: string,
  value: Readonly<Record<string, unknown>>,
  where: string,
): InputError {
  return new InputError(
    `Cannot use ${where}: column "${column}" is missing; the row has ${
      Object.keys(value).length
    } columns ` +
      `(a value that is not known is null, the column must be there)`,
  );
}

function wrongType(
  { where, column, wanted, found }: {
    where: string;
    column: string;
    wanted: string;
    found: unknown;
  },
): InputError {
  const shown = typeof found === "number"
    ? String(found) // JSON has no Infinity, which 1e999 is read as
    : JSON.stringify(found)?.slice(0, 60) ?? "nothing";
  return new InputError(
    `Cannot use ${where}, column "${column}": expected ${wanted}, found ${shown}`,
  );
}

function isArray(value: Row["value"]): value is readonly unknown[] {
  return Array.isArray(value);
}

/** Rows of one width in one buffer that doubles as it fills. */
class GrowingMatrix {
  #buffer: Float32Array;
  #length = 0;
  readonly #width: number;

  constructor(width: number) {
    this.#width = width;
    this.#buffer = new Float32Array(width * 256);
  }

  nextRow(): Float32Array {
    const end = this.#length + this.#width;
    if (end > this.#buffer.length) {
      const larger = new Float32Array(this.#buffer.length * 2);
      larger.set(this.#buffer);
      this.#buffer = larger;
    }
    const row = this.#buffer.subarray(this.#length, end);
    this.#length = end;
    return row;
  }

  values(): Float32Array {
    return this.#buffer.subarray(0, this.#length);
  }
}
