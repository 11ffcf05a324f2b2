/** Converts rows to the matrix that a model scores. Columns are bound by name and cells are validated by type; nothing is guessed. */
import { InputError } from "../base/errors.ts";
import {
  cellOf,
  type Column,
  shown,
  toCategoryCode,
  toFeature,
  toId,
  toLabel,
  wrongType,
} from "./cells.ts";
import {
  type CategoryFinder,
  type OneHot,
  openCategories,
  type Recipe,
} from "./recipe.ts";
import type { InputRow } from "./json.ts";

export type { Column } from "./cells.ts";

/** How rows become features. */
export interface FeatureOptions {
  /** The model's columns in the model's order. */
  readonly columns: readonly Column[];
  /** A resolved recipe: each step has its categories. */
  readonly recipe: Recipe;
  /** Column that identifies the player; not a feature. Undefined when the variant has none. */
  readonly idColumn: string | undefined;
  /** Column of the outcome, 0 or 1, of a labelled set; not a feature. */
  readonly labelColumn?: string | undefined;
  /** The source of the rows, for errors. */
  readonly file: string;
}

/** The input matrix for a model, and findings about the rows. */
export interface Features {
  /** Rows × columns in row-major order and the model's column order; NaN means missing. */
  readonly matrix: Float32Array;
  readonly rows: number;
  /** The player id of each row, null when the row has none; undefined when no row has the id column. */
  readonly ids: readonly (string | null)[] | undefined;
  /** The outcome of each row; undefined without a label column. */
  readonly labels: Uint8Array | undefined;
  /** Input columns that the model does not know, sorted; they were ignored. */
  readonly extraColumns: readonly string[];
  /** Number of rows whose category the model does not know, by raw column; columns without such rows are absent. */
  readonly unknownCategories: Readonly<Record<string, number>>;
  /** Number of rows that lack a column which other rows have, by column; the value counts as missing. */
  readonly absentCells: Readonly<Record<string, number>>;
  /** The model's columns that are missing in every row, in the model's order. */
  readonly emptyColumns: readonly string[];
}

/**
 * Returns the features of all rows. Cells are bound by column name, in any
 * order. The columns of a recipe step are derived from its raw column, as by
 * `pandas.get_dummies` followed by a reindex, or used unchanged if the row has
 * them already encoded; if a row has both, they must agree. A cell that is null
 * or absent counts as missing, and so does the recipe's missing value.
 *
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 *
 * const columns = [{ name: "spend", type: "double" }, { name: "brand_US", type: "boolean" }];
 * const step = { column: "brand", prefix: "brand_", categories: ["US"], unknownLimit: 0.5 };
 * const recipe = { oneHot: [step], missingValue: -999 };
 * const rows = [
 *   { number: 1, line: 1, value: { brand: "US", spend: null } },
 *   { number: 2, line: 2, value: { brand_US: false, spend: -999 } },
 * ];
 * const { matrix } = toFeatures(rows, { columns, recipe, idColumn: "player_id", file: "x" });
 * deepStrictEqual(matrix, new Float32Array([NaN, 1, NaN, 0]));
 * ```
 *
 * @throws {InputError} If a value has the wrong type (names row, line and column), no row has a column of the model, a raw column contradicts its encoded columns, or too many categories are unknown.
 */
export function toFeatures(
  rows: Iterable<InputRow>,
  options: FeatureOptions,
): Features {
  const { columns, idColumn, labelColumn, file } = options;
  const matrix = new GrowingMatrix(columns.length);
  const ids: (string | null)[] = [];
  const labels: number[] = [];
  const extra = new Set<string>();
  const known = knownNames(options);
  const encoder = new RowEncoder(options);
  let anyId = false;
  for (const row of rows) {
    const where = placeOf(row, file);
    for (const name in row.value) if (!known.has(name)) extra.add(name);
    encoder.encode(row.value, { where, into: matrix.nextRow() });
    if (idColumn !== undefined) {
      const id = cellOf(row.value, idColumn);
      anyId ||= id !== undefined;
      ids.push(toId(id, { idColumn, where }));
    }
    if (labelColumn !== undefined) {
      labels.push(toLabel(row.value, { labelColumn, where }));
    }
  }
  const values = matrix.values();
  const noticed = encoder.finish(values);
  return {
    matrix: values,
    rows: encoder.rows,
    ids: anyId ? ids : undefined,
    labels: labelColumn === undefined ? undefined : Uint8Array.from(labels),
    extraColumns: [...extra].sort(),
    ...noticed,
  };
}

/**
 * Returns the rows as plain objects with the model's column names, in the
 * model's order, for an input example. The columns of a recipe step are encoded
 * from its raw column, and booleans and numbers are converted to the type of
 * their column. A missing cell is null.
 *
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 *
 * const step = { column: "brand", prefix: "brand_", categories: ["US"], unknownLimit: 0.5 };
 * const columns = [{ name: "vip", type: "boolean" }, { name: "brand_US", type: "boolean" }];
 * const rows = [{ number: 1, line: 1, value: { brand: "US", vip: 1 } }];
 * const recipe = { oneHot: [step], missingValue: undefined };
 * deepStrictEqual(toModelRows(rows, { columns, recipe }), [{ vip: true, brand_US: true }]);
 * ```
 */
export function toModelRows(
  rows: readonly InputRow[],
  options: Pick<FeatureOptions, "columns" | "recipe">,
): Record<string, unknown>[] {
  const groups = toGroups(options);
  return rows.map(({ value }) => {
    const cells = options.columns.map((column, index): [string, unknown] => {
      const cell = cellOf(value, column.name);
      const group = groups.find(({ positions }) => positions.includes(index));
      if (cell !== undefined || group === undefined) {
        return [column.name, toTyped(cell ?? null, column)];
      }
      const found = group.find(cellOf(value, group.step.column) ?? null);
      const isSet = group.positions[found ?? -1] === index;
      return [column.name, toTyped(isSet, column)];
    });
    return Object.fromEntries(cells);
  });
}

const numberTypes = ["double", "float", "long", "integer"];

/** Converts booleans in a numeric column to 1 and 0, and 1 and 0 in a boolean column to booleans, so that a frame has the model's types. Labels are unchanged. */
function toTyped(cell: unknown, { type, labels }: Column): unknown {
  if (labels !== undefined) return cell;
  if (type === "boolean") return cell === 1 || cell === 0 ? cell === 1 : cell;
  return typeof cell === "boolean" && numberTypes.includes(type)
    ? Number(cell)
    : cell;
}

/** A recipe step and its columns in the model. */
interface Group {
  readonly step: OneHot;
  readonly find: CategoryFinder;
  /** The model column of each category; undefined for a first category that `drop_first` omitted. */
  readonly positions: readonly (number | undefined)[];
  /** Number of rows whose category is not one of the model's. */
  unknown: number;
  /** A few of those categories, for errors. */
  readonly unknownTexts: Set<string>;
  /** Whether any row so far has the raw column. */
  anyRaw: boolean;
  /** Indices of rows with neither the raw column nor any encoded column. */
  readonly absentRows: number[];
}

function toGroups(
  { columns, recipe }: Pick<FeatureOptions, "columns" | "recipe">,
): Group[] {
  const positions = new Map(columns.map(({ name }, index) => [name, index]));
  return recipe.oneHot.map((step) => {
    const { column, prefix, categories = [] } = step;
    const own = categories.map((category) => positions.get(prefix + category));
    const lost = own.findIndex((position, index) =>
      position === undefined && index > 0
    );
    if (lost > 0) {
      throw new InputError(
        `Cannot use the recipe: the category "${
          categories[lost]
        }" of "${column}" has no column ` +
          `"${prefix}${
            categories[lost]
          }" in the model; correct "categories" in variants.yaml`,
      );
    }
    return {
      step,
      find: openCategories(categories),
      positions: own,
      unknown: 0,
      unknownTexts: new Set<string>(),
      anyRaw: false,
      absentRows: [],
    };
  });
}

/** Findings of {@linkcode RowEncoder.finish} over all rows. */
type Noticed = Pick<
  Features,
  "unknownCategories" | "absentCells" | "emptyColumns"
>;

/** Encodes rows one at a time and accumulates the counts that are complete only after the last row. */
class RowEncoder {
  rows = 0;
  readonly #options: FeatureOptions;
  readonly #groups: readonly Group[];
  /** Positions of the columns that do not belong to a group. */
  readonly #plain: readonly number[];
  readonly #missing: number | undefined;
  /** Number of rows that lack the column, by position. */
  readonly #absent: Uint32Array;
  /** Number of rows with a label that is not one of the model's categories, by column. */
  readonly #unseen = new Map<string, number>();

  constructor(options: FeatureOptions) {
    const { columns, recipe } = options;
    this.#options = options;
    this.#groups = toGroups(options);
    const made = new Set(this.#groups.flatMap(({ positions }) => positions));
    this.#plain = columns.map((_, index) => index).filter((index) =>
      !made.has(index)
    );
    this.#missing = recipe.missingValue === undefined
      ? undefined
      : Math.fround(recipe.missingValue);
    this.#absent = new Uint32Array(columns.length);
  }

  encode(
    value: InputRow["value"],
    { where, into }: { where: string; into: Float32Array },
  ): void {
    const { columns } = this.#options;
    for (const index of this.#plain) {
      const column = columns[index]!;
      const cell = cellOf(value, column.name);
      if (cell === undefined) this.#absent[index]!++;
      into[index] = cell === undefined
        ? NaN
        : this.#encodeCell(cell, column, where);
    }
    for (const group of this.#groups) {
      this.#encodeGroup(group, value, { where, into });
    }
    const missing = this.#missing;
    if (missing !== undefined) {
      for (let index = 0; index < into.length; index++) {
        if (into[index] === missing) into[index] = NaN;
      }
    }
    this.rows++;
  }

  /** Returns a number, or the code of a label of the model's own categories. */
  #encodeCell(cell: unknown, column: Column, where: string): number {
    const { name, labels } = column;
    if (labels === undefined) return toFeature(cell, column, where);
    if (cell === null) return NaN;
    const code = toCategoryCode(cell, { ...column, labels }, where);
    if (code === undefined) {
      this.#unseen.set(name, (this.#unseen.get(name) ?? 0) + 1);
    }
    return code ?? NaN;
  }

  #encodeGroup(
    group: Group,
    value: InputRow["value"],
    { where, into }: { where: string; into: Float32Array },
  ): void {
    const { columns } = this.#options;
    const raw = cellOf(value, group.step.column);
    const category = raw === undefined
      ? undefined
      : findCategory(group, raw, where);
    let anyEncoded = false;
    group.positions.forEach((position, index) => {
      if (position === undefined) return;
      const column = columns[position]!;
      const cell = cellOf(value, column.name);
      const implied = category === undefined ? NaN : Number(category === index);
      const found = cell === undefined
        ? implied
        : toFeature(cell, column, where);
      if (cell !== undefined) anyEncoded = true;
      const agrees = category === undefined || Number.isNaN(found) ||
        found === implied;
      if (!agrees) {
        throw new InputError(
          `Cannot use ${where}: "${group.step.column}" is ${
            shown(raw)
          }, but "${column.name}" is ${
            shown(cell)
          }; the raw column and its encoded columns must agree`,
        );
      }
      if (cell === undefined && category === undefined) {
        this.#absent[position]!++;
      }
      into[position] = category === undefined ? found : implied;
    });
    if (raw !== undefined) group.anyRaw = true;
    else if (!anyEncoded) group.absentRows.push(this.rows);
  }

  /**
   * Completes the encoding once all rows are known.
   *
   * @throws {InputError} If no row has a column, or too many categories are unknown.
   */
  finish(matrix: Float32Array): Noticed {
    const { columns } = this.#options;
    const absent = Object.fromEntries(
      this.#groups.flatMap((group) => this.#settle(group, matrix)),
    );
    const lost = columns.filter((_, index) =>
      this.#absent[index] === this.rows
    );
    if (lost.length > 0) throw this.#missingColumns(lost);
    columns.forEach(({ name }, index) => {
      const count = this.#absent[index]!;
      if (count > 0) absent[name] = count;
    });
    return {
      absentCells: absent,
      unknownCategories: Object.fromEntries([
        ...this.#groups.filter(({ unknown }) => unknown > 0).map((
          { step, unknown },
        ): [string, number] => [step.column, unknown]),
        ...this.#unseen,
      ]),
      emptyColumns: emptyColumns(matrix, columns),
    };
  }

  /** Encodes rows that lack a raw column which other rows have as pandas encodes NaN. */
  #settle(group: Group, matrix: Float32Array): [string, number][] {
    const { step, unknown, anyRaw, absentRows, positions } = group;
    if (unknown > this.rows * step.unknownLimit) {
      throw this.#unknownCategories(group);
    }
    if (!anyRaw || absentRows.length === 0) return [];
    const width = this.#options.columns.length;
    const found = group.find(null);
    positions.forEach((position, index) => {
      if (position === undefined) return;
      for (const row of absentRows) {
        matrix[row * width + position] = Number(index === found);
      }
      this.#absent[position]! -= absentRows.length;
    });
    return [[step.column, absentRows.length]];
  }

  #missingColumns(lost: readonly Column[]): InputError {
    const { file, recipe } = this.#options;
    const [first] = lost;
    const names = lost.slice(0, 5).map(({ name }) => `"${name}"`).join(", ");
    const step = recipe.oneHot.find(({ prefix }) =>
      first!.name.startsWith(prefix)
    );
    const more = lost.length > 5 ? ` and ${lost.length - 5} more` : "";
    return new InputError(
      `Cannot use ${file}: ${
        lost.length === 1 ? "column" : "columns"
      } ${names}${more} ${
        lost.length === 1 ? "is" : "are"
      } missing in all ${this.rows} rows ` +
        `(a value that is not known is null, but the column must be there)` +
        (step === undefined
          ? ""
          : `; if ${
            lost.length === 1 ? "it is a category" : "they are categories"
          } of "${step.column}", bring that column, or list it under "categories" of its recipe step in variants.yaml and log the model again`),
    );
  }

  #unknownCategories({ step, unknown, unknownTexts }: Group): InputError {
    const share = (part: number) => `${Math.round(part * 1000) / 10} %`;
    return new InputError(
      `Cannot use ${this.#options.file}: ${unknown} of ${this.rows} rows (${
        share(unknown / this.rows)
      }) have a value in "${step.column}" that the model was not trained on (${
        [...unknownTexts].join(", ")
      }), the limit is ${share(step.unknownLimit)}; correct the data, ` +
        `or raise "unknown" of that recipe step in variants.yaml (none: no limit)`,
    );
  }
}

/** Returns the index of a raw cell's category; -1 when it is not one of the model's. */
function findCategory(group: Group, raw: unknown, where: string): number {
  const found = group.find(raw);
  if (found === undefined) {
    throw wrongType({
      where,
      column: group.step.column,
      wanted:
        "a category: a text, a boolean, null, or a number that JSON holds exactly and that only one category spells",
      found: raw,
    });
  }
  if (found < 0 && raw !== null) {
    group.unknown++;
    if (group.unknownTexts.size < 3) group.unknownTexts.add(shown(raw));
  }
  return found;
}

function emptyColumns(
  matrix: Float32Array,
  columns: readonly Column[],
): string[] {
  const width = columns.length;
  return columns.flatMap(({ name }, index) => {
    for (let at = index; at < matrix.length; at += width) {
      if (!Number.isNaN(matrix[at])) return [];
    }
    return [name];
  });
}

function placeOf({ number, line }: InputRow, file: string): string {
  return `${file}, row ${number}${line === undefined ? "" : ` (line ${line})`}`;
}

function knownNames(
  { columns, recipe, idColumn, labelColumn }: FeatureOptions,
): Set<string | undefined> {
  return new Set([
    ...columns.map(({ name }) => name),
    ...recipe.oneHot.map(({ column }) => column),
    idColumn,
    labelColumn,
  ]);
}

/** Rows of equal width in one buffer, which doubles when it is full. */
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
