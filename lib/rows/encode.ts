/** Encodes rows as a float32 matrix, one block at a time. Columns are bound by name and cells are validated by type; nothing is guessed. */
import {
  isMissing,
  openSteps,
  type PreparedRow,
  type RowPreparer,
} from "./apply-steps.ts";
import {
  cellOf,
  type Column,
  type ColumnRoles,
  shown,
  toCategoryCode,
  toFeature,
  toId,
  toLabel,
} from "./cells.ts";
import {
  countCategory,
  findCategory,
  type Group,
  toGroups,
} from "./one-hot.ts";
import type { InputRow } from "./json.ts";
import type { Recipe } from "./recipe.ts";
import { RowError, type RowPlace } from "./row-error.ts";
import { type PackedTexts, TextPacker } from "./packed.ts";
import { inputsOf, outputsOf, traceSteps } from "./steps.ts";

/** How rows become features. */
export interface FeatureOptions extends ColumnRoles {
  readonly idColumn: string | undefined;
  /** The source of the rows, for errors. */
  readonly file: string;
  /** Raw columns that the file is known to have, although a block may lack them; see {@linkcode StepCounts.lacksRaw}. */
  readonly rawColumns?: readonly string[];
}

/** The rows whose label a recipe step does not know; plain data, so that a worker can send it. */
export interface UnknownCounts {
  /** Number of rows. */
  readonly unknown: number;
  /** Up to three of those labels, as errors show them. */
  readonly unknownTexts: readonly string[];
}

/** What is counted for one step of categories: `unknown` are those that the model does not know. */
export interface StepCounts extends UnknownCounts {
  /** Whether any row has the raw column. */
  readonly anyRaw: boolean;
  /** Number of rows with neither the raw column nor any encoded column. */
  readonly absentRows: number;
  /**
   * Whether such rows were encoded as missing values because no row of the block
   * has the raw column. If another block of the file has it, they are the
   * category of null instead, and the block must be encoded again.
   */
  readonly lacksRaw: boolean;
}

/** What is counted while rows are encoded; complete only over all blocks of a file. */
export interface RowCounts {
  readonly rows: number;
  /** Number of rows that lack the column, by position in the model. */
  readonly absent: readonly number[];
  /** Whether any row has a value in the column, by position in the model. */
  readonly filled: readonly boolean[];
  /** Number of rows with a label that is not one of the model's categories, by column. */
  readonly unseen: Readonly<Record<string, number>>;
  /** By step of categories (`oneHot`). */
  readonly steps: readonly StepCounts[];
  /** By `map` step. */
  readonly maps: readonly UnknownCounts[];
  /** Columns that the model does not know; they are ignored. */
  readonly extra: readonly string[];
  /** Number of rows that have the id column, and of those in which it is not null. */
  readonly withId: number;
  readonly named: number;
}

/** A block of encoded rows. */
export interface EncodedBlock {
  /** Rows × columns in row-major order and the model's column order; NaN means missing. */
  readonly matrix: Float32Array<ArrayBuffer>;
  readonly rows: number;
  /** The player id of each row; undefined when the variant has no id column. */
  readonly ids: PackedTexts | undefined;
  /** The outcome of each row; undefined without a label column. */
  readonly labels: Uint8Array | undefined;
  readonly counts: RowCounts;
}

/** Returns the names of a file's columns that are used; any other column is ignored. */
export function columnsRead(
  { columns, recipe, idColumn, labelColumn }: ColumnRoles,
): ReadonlySet<string> {
  const flow = traceSteps(recipe.steps);
  const wanted = [
    ...columns.map(({ name }) => name),
    ...recipe.oneHot.map(({ column }) => column),
    ...idColumn === undefined ? [] : [idColumn],
    ...labelColumn === undefined ? [] : [labelColumn],
  ];
  return new Set([...flow.used, ...wanted.flatMap(flow.originsOf)]);
}

/** Returns the names of a file's columns that hold dates for a step of the recipe. */
export function datesRead({ steps }: Recipe): ReadonlySet<string> {
  const { used, usesOf } = traceSteps(steps);
  return new Set(
    used.filter((name) => usesOf(name).some(({ kind }) => kind === "date")),
  );
}

/** Columns of the model. */
interface ModelColumns {
  /** Positions of columns that do not belong to a group. */
  readonly plain: readonly number[];
  readonly groups: readonly Group[];
}

/** What the steps of a recipe work on: a row's other columns are encoded without them. */
export interface StepColumns extends ModelColumns {
  /** Columns of the file that steps name, and those of their groups. */
  readonly names: ReadonlySet<string>;
}

/** What is counted for some columns of a row. */
interface EncodedCells {
  /** Positions of columns that the row lacks. */
  readonly absent: readonly number[];
  /** Columns with a label that is not one of the model's categories. */
  readonly unseen: readonly string[];
  /** The category of each group; see {@linkcode RowEncoder}. */
  readonly found: readonly (number | undefined)[];
}

/**
 * Encodes the rows of one block. A reader either passes a row as an object to
 * `add`, or writes the cells of a row into `matrix` from `beginRows` and then
 * calls `addSteps` and `endRows`.
 */
export class RowEncoder {
  /** Rows × columns; replaced by a larger array when it is full. */
  matrix: Float32Array<ArrayBuffer>;
  rows = 0;
  readonly options: FeatureOptions;
  readonly groups: readonly Group[];
  readonly ids = new TextPacker();
  readonly extra = new Set<string>();
  /** Number of rows that lack the column, by position. */
  readonly absent: Float64Array;
  withId = 0;
  named = 0;
  readonly #labels: number[] = [];
  /** Positions of the columns that do not belong to a group. */
  readonly #plain: readonly number[];
  readonly #missing: number | undefined;
  /** Names of the columns that are used; any other column is ignored. */
  readonly known: ReadonlySet<string>;
  readonly #unseen = new Map<string, number>();
  readonly #prepare: RowPreparer | undefined;
  /** What the steps of the recipe work on; undefined without steps. */
  readonly stepColumns: StepColumns | undefined;
  readonly #maps: readonly { unknown: number; texts: Set<string> }[];

  /** @param scratch Memory for the matrix, used while it is large enough. */
  constructor(options: FeatureOptions, scratch?: Float32Array<ArrayBuffer>) {
    const { columns, recipe } = options;
    this.options = options;
    this.groups = toGroups(options);
    const made = new Set(this.groups.flatMap(({ positions }) => positions));
    this.#plain = columns.map((_, index) => index).filter((index) =>
      !made.has(index)
    );
    this.#missing = recipe.missingValue === undefined
      ? undefined
      : Math.fround(recipe.missingValue);
    this.known = columnsRead(options);
    this.#prepare = openSteps(recipe);
    this.stepColumns = this.#prepare &&
      toStepColumns(options, { plain: this.#plain, groups: this.groups });
    this.#maps = recipe.steps.filter(({ kind }) => kind === "map")
      .map(() => ({ unknown: 0, texts: new Set<string>() }));
    this.absent = new Float64Array(columns.length);
    this.matrix = scratch ?? new Float32Array(columns.length * 256);
  }

  /** Makes room for more rows, one by default, and returns the position of the first one's first cell in `matrix`. */
  beginRows(count = 1): number {
    const width = this.options.columns.length;
    const at = this.rows * width;
    const end = at + width * count;
    if (end > this.matrix.length) {
      const larger = new Float32Array(count === 1 ? end * 2 : end);
      larger.set(this.matrix);
      this.matrix = larger;
    }
    return at;
  }

  /** Completes the rows whose cells begin at `at`, one by default: applies the recipe's missing value and counts them. */
  endRows(at: number, count = 1): void {
    const missing = this.#missing;
    if (missing !== undefined) {
      const end = at + this.options.columns.length * count;
      for (let index = at; index < end; index++) {
        if (this.matrix[index] === missing) this.matrix[index] = NaN;
      }
    }
    this.rows += count;
  }

  /**
   * Encodes a row given as an object.
   *
   * @throws {RowError} If a cell has the wrong type, or a raw column contradicts its encoded columns.
   */
  add(row: InputRow["value"], where: RowPlace): void {
    const { columns, idColumn, labelColumn } = this.options;
    const prepared: PreparedRow = this.#prepare?.(row, where) ??
      { value: row, unknown: [] };
    const { value } = prepared;
    const at = this.beginRows();
    const into = this.matrix.subarray(at, at + columns.length);
    const all = { plain: this.#plain, groups: this.groups };
    const encoded = this.#encode(value, { ...all, where, into });
    const id = idColumn === undefined ? undefined : cellOf(value, idColumn);
    const name = idColumn === undefined ? null : toId(id, { idColumn, where });
    const label = labelColumn === undefined
      ? undefined
      : toLabel(value, { labelColumn, where });
    // Counted last, so that a row with an error leaves no trace.
    this.#count(prepared, encoded, { row: this.rows, groups: this.groups });
    for (const key in row) if (!this.known.has(key)) this.extra.add(key);
    if (idColumn !== undefined) {
      if (id !== undefined) this.withId++;
      if (name !== null) this.named++;
      this.ids.add(name);
    }
    if (label !== undefined) this.addLabel(label);
    this.endRows(at);
  }

  /**
   * Applies the steps of the recipe to a row, encodes what depends on them and
   * counts it. Returns false if a cell cannot be used; nothing is counted then.
   *
   * @param cells The row's cells of {@linkcode StepColumns.names}.
   * @param place `at`: position of the row in the matrix; `row`: its number in the block, from 0.
   */
  addSteps(
    cells: InputRow["value"],
    { at, row }: { at: number; row: number },
  ): boolean {
    if (!this.#prepare || !this.stepColumns) return true;
    const { columns, file } = this.options;
    const where = { file };
    const into = this.matrix.subarray(at, at + columns.length);
    const { plain, groups } = this.stepColumns;
    try {
      const prepared = this.#prepare(cells, where);
      const options = { plain, groups, where, into };
      const encoded = this.#encode(prepared.value, options);
      this.#count(prepared, encoded, { row, groups });
      return true;
    } catch (error) {
      if (!(error instanceof RowError)) throw error;
      return false;
    }
  }

  /** Encodes some columns of a row, given by their positions and groups. */
  #encode(
    value: InputRow["value"],
    { plain, groups, where, into }: ModelColumns & {
      where: RowPlace;
      into: Float32Array;
    },
  ): EncodedCells {
    const { columns } = this.options;
    const absent: number[] = [];
    const unseen: string[] = [];
    for (const index of plain) {
      const column = columns[index]!;
      const cell = cellOf(value, column.name);
      if (cell === undefined) absent.push(index);
      into[index] = cell === undefined
        ? NaN
        : encodeCell(cell, column, { where, unseen });
    }
    const found = groups.map((group) =>
      this.#encodeGroup(group, value, { where, into, absent })
    );
    return { absent, unseen, found };
  }

  #count(
    { value, unknown }: PreparedRow,
    { absent, unseen, found }: EncodedCells,
    { row, groups }: { row: number; groups: readonly Group[] },
  ): void {
    groups.forEach((group, index) => {
      const raw = cellOf(value, group.step.column);
      if (raw !== undefined) countCategory(group, raw, found[index]!);
      else if (found[index] === undefined) group.absentRows.push(row);
    });
    for (const index of absent) this.absent[index]!++;
    for (const column of unseen) this.countUnseen(column);
    for (const { map, cell } of unknown) {
      const counted = this.#maps[map]!;
      counted.unknown++;
      if (counted.texts.size < 3) counted.texts.add(shown(cell));
    }
  }

  /** Counts rows with a label that is not one of the model's categories. */
  countUnseen(column: string, rows = 1): void {
    this.#unseen.set(column, (this.#unseen.get(column) ?? 0) + rows);
  }

  /** Appends a row's outcome, 0 or 1. */
  addLabel(label: number): void {
    this.#labels.push(label);
  }

  /** Returns the category's index, -1 for an unknown one or encoded columns alone; undefined if the row has neither. */
  #encodeGroup(
    group: Group,
    value: InputRow["value"],
    { where, into, absent }: {
      where: RowPlace;
      into: Float32Array;
      absent: number[];
    },
  ): number | undefined {
    const { columns } = this.options;
    const raw = cellOf(value, group.step.column);
    const category = raw === undefined
      ? undefined
      : findCategory(group, raw, where);
    let anyEncoded = false;
    group.positions.forEach((position, index) => {
      if (position === undefined) return;
      const column = columns[position]!;
      const cell = cellOf(value, column.name);
      const fill = group.defaults[index];
      const implied = category === undefined
        ? fill ?? NaN
        : Number(category === index);
      const found =
        isMissing(cell) && (cell === undefined || fill !== undefined)
          ? implied
          : toFeature(cell, column, where);
      if (cell !== undefined) anyEncoded = true;
      const agrees = category === undefined || Number.isNaN(found) ||
        found === implied;
      if (!agrees) {
        throw new RowError({
          place: where,
          verb: "use",
          reason: `: "${group.step.column}" is ${
            shown(raw)
          }, but "${column.name}" is ${
            shown(cell)
          }; the raw column and its encoded columns must agree`,
        });
      }
      const isAbsent = cell === undefined && category === undefined;
      if (isAbsent && fill === undefined) absent.push(position);
      into[position] = category === undefined ? found : implied;
    });
    return category ?? (anyEncoded ? -1 : undefined);
  }

  /** Returns the encoded rows and their counts. The encoder must not be used afterwards. */
  finish(): EncodedBlock {
    const { columns, idColumn, labelColumn } = this.options;
    const matrix = this.matrix.subarray(0, this.rows * columns.length);
    const steps = this.groups.map((group) => this.#settle(group, matrix));
    return {
      matrix,
      rows: this.rows,
      ids: idColumn === undefined ? undefined : this.ids.finish(),
      labels: labelColumn === undefined
        ? undefined
        : Uint8Array.from(this.#labels),
      counts: {
        rows: this.rows,
        absent: [...this.absent],
        filled: columns.map((_, index) =>
          hasValue(matrix, index, columns.length)
        ),
        unseen: Object.fromEntries(this.#unseen),
        steps,
        maps: this.#maps.map(({ unknown, texts }) => ({
          unknown,
          unknownTexts: [...texts],
        })),
        extra: [...this.extra],
        withId: this.withId,
        named: this.named,
      },
    };
  }

  /** Encodes rows that lack a raw column which other rows have as pandas encodes NaN. */
  #settle(group: Group, matrix: Float32Array): StepCounts {
    const { step, unknown, unknownTexts, anyRaw, absentRows, positions } =
      group;
    const isRaw = anyRaw ||
      (this.options.rawColumns ?? []).includes(step.column);
    if (isRaw && absentRows.length > 0) {
      const width = this.options.columns.length;
      const found = group.find(null);
      positions.forEach((position, index) => {
        if (position === undefined) return;
        for (const row of absentRows) {
          matrix[row * width + position] = Number(index === found);
        }
        if (group.defaults[index] === undefined) {
          this.absent[position]! -= absentRows.length;
        }
      });
    }
    return {
      unknown,
      unknownTexts: [...unknownTexts],
      anyRaw,
      absentRows: absentRows.length,
      lacksRaw: !isRaw && absentRows.length > 0,
    };
  }
}

/** Returns what the steps of a recipe work on. */
function toStepColumns(
  { columns, recipe }: FeatureOptions,
  { plain, groups }: ModelColumns,
): StepColumns {
  const named = new Set(
    recipe.steps.flatMap((step) => [...inputsOf(step), ...outputsOf(step)]),
  );
  const namesOf = ({ step, positions }: Group) => [
    step.column,
    ...positions.flatMap((position) =>
      position === undefined ? [] : [columns[position]!.name]
    ),
  ];
  const own = groups.filter((group) =>
    namesOf(group).some((name) => named.has(name))
  );
  return {
    names: new Set([...named, ...own.flatMap(namesOf)]),
    plain: plain.filter((position) => named.has(columns[position]!.name)),
    groups: own,
  };
}

/** Returns a number, or the code of a label of the model's own categories. */
function encodeCell(
  cell: unknown,
  column: Column,
  { where, unseen }: { where: RowPlace; unseen: string[] },
): number {
  const { name, labels } = column;
  if (labels === undefined) return toFeature(cell, column, where);
  if (cell === null) return NaN;
  const code = toCategoryCode(cell, { ...column, labels }, where);
  if (code === undefined) unseen.push(name);
  return code ?? NaN;
}

function hasValue(
  matrix: Float32Array,
  index: number,
  width: number,
): boolean {
  for (let at = index; at < matrix.length; at += width) {
    if (!Number.isNaN(matrix[at])) return true;
  }
  return false;
}
