/** Rows to the matrix that a model scores: bound by name, checked by type, nothing guessed. */
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
  /** Resolved: each step has its categories. */
  readonly recipe: Recipe;
  /** Column that names the player; not a feature. Undefined where the variant has none. */
  readonly idColumn: string | undefined;
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
  /** The player of each row, null where the row has none; undefined when no row has the id column. */
  readonly ids: readonly (string | null)[] | undefined;
  /** The outcome of each row, when a label column was asked for. */
  readonly labels: Uint8Array | undefined;
  /** Columns of the input that the model does not know, sorted; they were ignored. */
  readonly extraColumns: readonly string[];
  /** Rows whose category the model has no column for, by raw column; only columns with any. */
  readonly unknownCategories: Readonly<Record<string, number>>;
  /** Rows that lack a column which other rows have, by column; the value counts as missing there. */
  readonly absentCells: Readonly<Record<string, number>>;
  /** The model's columns that are missing in every row, in the model's order. */
  readonly emptyColumns: readonly string[];
}

/**
 * Returns the features of all rows. Cells are bound by column name, in any
 * order. The columns of a recipe step are made from its raw column, as
 * `pandas.get_dummies` followed by a reindex does, or taken as they are where
 * the row brings them encoded; where a row brings both, they must agree. A cell
 * that is null or absent is missing; so is the recipe's missing value.
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
 * @throws {InputError} If a value has the wrong type (names row, line and column), a column is in none of the rows, a raw column contradicts its encoded ones, or too many categories are unknown.
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
 * Returns the same rows as plain objects under the model's own column names, in
 * the model's order, with the values that an input example shows: the columns
 * of a recipe step as booleans, every other cell as the type of its column. A
 * missing cell is null.
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

/** Booleans of a number column as 1 and 0, and the reverse: frames whose types are the model's. Labels stay as they are. */
function toTyped(cell: unknown, { type, labels }: Column): unknown {
  if (labels !== undefined) return cell;
  if (type === "boolean") return cell === 1 || cell === 0 ? cell === 1 : cell;
  return typeof cell === "boolean" && numberTypes.includes(type)
    ? Number(cell)
    : cell;
}

/** A recipe step as it meets the model's columns. */
interface Group {
  readonly step: OneHot;
  readonly find: CategoryFinder;
  /** The model column of each category; undefined for the first one where `drop_first` left it out. */
  readonly positions: readonly (number | undefined)[];
  /** Rows whose category is none of the model's. */
  unknown: number;
  /** A few of those categories, for an error. */
  readonly unknownTexts: Set<string>;
  /** Whether any row so far had the raw column. */
  anyRaw: boolean;
  /** Rows with neither the raw column nor any encoded one. */
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

/** What {@linkcode RowEncoder.finish} found over all rows. */
type Noticed = Pick<
  Features,
  "unknownCategories" | "absentCells" | "emptyColumns"
>;

/** Encodes one row after the other and keeps the counts that are known only after the last one. */
class RowEncoder {
  rows = 0;
  readonly #options: FeatureOptions;
  readonly #groups: readonly Group[];
  /** Positions of the columns that no group makes. */
  readonly #plain: readonly number[];
  readonly #missing: number | undefined;
  /** Rows that lack the column, by position. */
  readonly #absent: Uint32Array;
  /** Rows with a label that the model's categories do not have, by column. */
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

  /** A number, or the code of a label of the model's own categories. */
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
   * Settles what only all rows together can tell.
   *
   * @throws {InputError} If a column is in none of the rows, or too many categories are unknown.
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

  /** Rows that lack a raw column which other rows have hold no category: what pandas makes of NaN. */
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

/** The category of a raw cell: -1 for none of the model's. */
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
