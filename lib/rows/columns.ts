/** Columns of a file: what the readers of Parquet and Arrow give. */
import { InputError } from "../base/errors.ts";

/** One cell of a column; null is missing. An integer beyond ±(2^53 - 1) is a bigint, every other number a number. */
export type Cell = number | bigint | boolean | string | null;

/** Numbers. NaN is a missing value, also where the file has one of its own. */
export interface NumberColumn {
  readonly kind: "numbers";
  readonly name: string;
  readonly values: Float64Array | Float32Array | Int32Array;
}

/** Cells that repeat: the texts of a dictionary, or booleans. */
export interface CodedColumn {
  readonly kind: "codes";
  readonly name: string;
  /** Index in `labels` of each row; -1 is missing. */
  readonly codes: Int32Array;
  /** Null is a missing value, too. */
  readonly labels: readonly Cell[];
}

/** Any cells. */
export interface CellColumn {
  readonly kind: "cells";
  readonly name: string;
  readonly values: readonly Cell[];
}

/** The cells of some rows of one column. */
export type ColumnData = NumberColumn | CodedColumn | CellColumn;

/** Some rows of a file, by column. */
export interface ColumnBlock {
  readonly rows: number;
  /** In the order in which they were asked for. */
  readonly columns: readonly ColumnData[];
}

/** A column that a file has. */
export interface FileColumn {
  readonly name: string;
  /** In the format's own words, such as `int64`, `decimal(10,2)` or `timestamp`. */
  readonly type: string;
  /** False for dates, times, nested and binary values, which are no cells: reading the column is an error. */
  readonly isUsable: boolean;
}

/** Rows that are read together. */
export interface RowRange {
  /** Rows of the file before the first one. */
  readonly start: number;
  readonly rows: number;
}

/** An open file of columns. What its reads need is kept between them, so blocks in order are read fastest. */
export interface ColumnFile {
  /** Name of the file in errors. */
  readonly file: string;
  readonly rows: number;
  readonly columns: readonly FileColumn[];
  /** All rows in order. None has zero rows. */
  readonly blocks: readonly RowRange[];
  /**
   * Reads a column of a block. Several reads at once are allowed.
   *
   * @param block Index in `blocks`.
   * @throws {InputError} If there is no such column, its values are not usable, or the file is damaged.
   */
  readColumn(block: number, name: string): Promise<ColumnData>;
}

/** How a file of columns is opened. */
export interface ColumnFileOptions {
  /** Name of the file in errors. */
  readonly file: string;
  /** Rows of a block at most; 131,072 by default. */
  readonly blockRows?: number;
}

/** A block has this many rows at most: a row group of DuckDB (122,880) is one block. */
export const defaultBlockRows = 2 ** 17;

/**
 * Reads columns of a block, one after the other.
 *
 * @param block Index in `blocks`.
 * @throws {InputError} As {@linkcode ColumnFile.readColumn}.
 */
export async function readBlock(
  columnFile: ColumnFile,
  block: number,
  { columns }: { columns: readonly string[] },
): Promise<ColumnBlock> {
  const read: ColumnData[] = [];
  for (const name of columns) {
    read.push(await columnFile.readColumn(block, name));
  }
  return { rows: columnFile.blocks[block]?.rows ?? 0, columns: read };
}

/**
 * Returns the cell of a row, counted from 0 in its block.
 *
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 *
 * const codes = Int32Array.of(1, -1);
 * const column = { kind: "codes", name: "vip", codes, labels: [false, true] } as const;
 * strictEqual(cellAt(column, 0), true);
 * strictEqual(cellAt(column, 1), null);
 * ```
 */
export function cellAt(column: ColumnData, row: number): Cell {
  if (column.kind === "codes") {
    return column.labels[column.codes[row] ?? -1] ?? null;
  }
  const cell = column.values[row];
  return cell === undefined || Number.isNaN(cell) ? null : cell;
}

/** Splits consecutive groups of rows into blocks of similar size, none of which is larger than `blockRows` or crosses a group. */
export function toRanges(
  groups: readonly number[],
  blockRows: number,
): (RowRange & { readonly group: number })[] {
  let start = 0;
  return groups.flatMap((rows, group) => {
    const count = Math.ceil(rows / blockRows);
    const first = start;
    start += rows;
    return Array.from({ length: count }, (_, index) => {
      const from = Math.floor(rows * index / count);
      const to = Math.floor(rows * (index + 1) / count);
      return { start: first + from, rows: to - from, group };
    });
  });
}

/**
 * Returns the column of that name.
 *
 * @throws {InputError} If there is none, or its values are not usable: names what they are.
 */
export function usableColumn<C extends FileColumn>(
  columns: readonly C[],
  { file, name }: { file: string; name: string },
): C {
  const column = columns.find((column) => column.name === name);
  if (column === undefined) {
    throw new InputError(`Cannot use ${file}: it has no column "${name}"`);
  }
  if (!column.isUsable) {
    throw new InputError(
      `Cannot use ${file}, column "${name}": expected numbers, booleans or texts, found values of type ${column.type}; write the column as one of these`,
    );
  }
  return column;
}

/** @throws {InputError} If two columns have the same name. */
export function checkNames(
  columns: readonly FileColumn[],
  { file }: { file: string },
): void {
  const names = columns.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) {
    throw new InputError(
      `Cannot use ${file}: two columns are named "${twice}"`,
    );
  }
}

/** Tells whether a column is the index of a pandas frame without a name, which is no column of the frame. */
export function isPandasIndex(
  name: string,
  pandas: string | undefined,
): boolean {
  return /^__index_level_\d+__$/.test(name) &&
    pandas?.includes(JSON.stringify(name)) === true;
}

/** Returns the error for a file that is not what its format wants. */
export function damagedBy(reason: string, where: string): InputError {
  return new InputError(
    `Cannot read ${where}: it is damaged (${reason}); copy or write the file again`,
  );
}

/** Missing values of a column, by row: 1 is a value, 0 is missing. Undefined if none is missing. */
export type Validity = Uint8Array | undefined;

/** Values of the rows that have one, in order. */
export type Values = Float64Array | Float32Array | Int32Array | readonly Cell[];

/** Some rows of a column: the values that are there, and which rows have one. */
export interface Piece {
  readonly rows: number;
  readonly values: Values;
  readonly validity: Validity;
  /** For values that are indices of a dictionary. */
  readonly labels?: readonly Cell[] | undefined;
}

/** Puts pieces of one column together, in the narrowest of the forms of {@linkcode ColumnData}. */
export function toColumn(name: string, pieces: readonly Piece[]): ColumnData {
  const rows = pieces.reduce((sum, piece) => sum + piece.rows, 0);
  const labels = pieces[0]?.labels;
  if (labels && pieces.every((piece) => piece.labels === labels)) {
    const codes = new Int32Array(rows);
    fill(codes, pieces, -1);
    return { kind: "codes", name, codes, labels };
  }
  const isCells = pieces.some(({ values, labels }) =>
    labels !== undefined || !ArrayBuffer.isView(values)
  );
  if (isCells) {
    const cells: Cell[] = new Array<Cell>(rows).fill(null);
    let start = 0;
    for (const piece of pieces) {
      let next = 0;
      for (let row = 0; row < piece.rows; row++) {
        if (piece.validity?.[row] === 0) continue;
        const value = piece.values[next++]!;
        cells[start + row] = piece.labels
          ? piece.labels[Number(value)] ?? null
          : value;
      }
      start += piece.rows;
    }
    return { kind: "cells", name, values: cells };
  }
  const [first] = pieces;
  if (
    pieces.length === 1 && first && first.validity === undefined &&
    isNumbers(first.values)
  ) {
    return { kind: "numbers", name, values: first.values };
  }
  const every = (type: typeof Float32Array | typeof Int32Array) =>
    pieces.every(({ values }) => values instanceof type);
  const isWhole = pieces.every(({ validity }) => validity === undefined);
  const values = every(Float32Array)
    ? new Float32Array(rows)
    : every(Int32Array) && isWhole
    ? new Int32Array(rows)
    : new Float64Array(rows);
  fill(values, pieces, NaN);
  return { kind: "numbers", name, values };
}

function isNumbers(
  values: Values,
): values is Float64Array | Float32Array | Int32Array {
  return ArrayBuffer.isView(values);
}

/** Writes the values of pieces to their rows, and `missing` to the others. */
function fill(
  target: Float64Array | Float32Array | Int32Array,
  pieces: readonly Piece[],
  missing: number,
): void {
  let start = 0;
  for (const { rows, values, validity } of pieces) {
    if (isNumbers(values)) {
      if (validity === undefined) target.set(values, start);
      else {
        let next = 0;
        for (let row = 0; row < rows; row++) {
          target[start + row] = validity[row] === 0 ? missing : values[next++]!;
        }
      }
    }
    start += rows;
  }
}
