/** Columns of a file: what the readers of Parquet and Arrow give. */
import { InputError } from "../base/errors.ts";
import { free } from "../base/free.ts";
import { textOf, type Texts } from "./texts.ts";

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
  readonly codes: Int32Array | Uint8Array;
  /** Null is a missing value, too. */
  readonly labels: readonly Cell[];
}

/** Texts as bytes. */
export interface TextColumn extends Texts {
  readonly kind: "texts";
  readonly name: string;
  /** By row; -1 is missing. */
  readonly starts: Int32Array;
}

/** Any cells. */
export interface CellColumn {
  readonly kind: "cells";
  readonly name: string;
  readonly values: readonly Cell[];
}

/** The cells of some rows of one column. */
export type ColumnData = NumberColumn | CodedColumn | TextColumn | CellColumn;

/** A column that a file has. */
export interface FileColumn {
  readonly name: string;
  /** In the format's own words, such as `int64`, `decimal(10,2)` or `timestamp`. */
  readonly type: string;
  /** False for dates and times that are not asked for, nested and binary values, which are no cells: reading the column is an error. */
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

/** The bytes of a file of columns. Two reads at once are allowed. */
export interface RandomAccess {
  /** Bytes of the file. */
  readonly size: number;
  /**
   * Returns the bytes from `start` up to but not including `end`. They belong to
   * the caller, who may free their memory.
   *
   * @throws {InputError} If the file has no such bytes, because it is damaged or was changed.
   */
  read(start: number, end: number): Promise<Uint8Array<ArrayBuffer>>;
}

/** How a file of columns is opened. With the same options, a file always has the same blocks. */
export interface ColumnFileOptions {
  /** Name of the file in errors. */
  readonly file: string;
  /** Rows of a block at most; by default so many that a block of usual files is decoded once and encoded in some megabytes. */
  readonly blockRows?: number;
  /** Names of columns whose dates and times are read, as ISO 8601 texts; in any other column they are not usable. */
  readonly dates?: Iterable<string>;
  /** Names of the columns that will be read, if they exist: where these hold long texts, blocks have fewer rows. All usable columns by default. */
  readonly columns?: Iterable<string>;
}

/**
 * Returns the cell of a row, counted from 0 in its block.
 */
export function cellAt(column: ColumnData, row: number): Cell {
  if (column.kind === "codes") {
    return column.labels[column.codes[row] ?? -1] ?? null;
  }
  if (column.kind === "texts") {
    const { bytes, starts, ends } = column;
    const start = starts[row] ?? -1;
    return start < 0 ? null : textOf(bytes, start, ends[row]!);
  }
  const cell = column.values[row];
  return cell === undefined || Number.isNaN(cell) ? null : cell;
}

/** Texts of a block at most, in bytes. */
const blockTextBytes = 2 ** 24;

/** A block and its place in a group of rows: a row group of Parquet, a batch of Arrow. */
interface GroupRange extends RowRange {
  readonly group: number;
  /** Rows of the group before the first one. */
  readonly from: number;
}

/** Splits consecutive groups of rows into blocks of `blockRows`, or of fewer rows if these would have too many texts. The last block of a group has the rest. */
function toRanges(
  groupRows: readonly number[],
  { blockRows, textBytes }: {
    blockRows: number;
    textBytes: (group: number) => number;
  },
): GroupRange[] {
  let start = 0;
  return groupRows.flatMap((rows, group) => {
    const parts = Math.max(1, Math.ceil(textBytes(group) / blockTextBytes));
    const step = Math.min(blockRows, Math.max(1, Math.ceil(rows / parts)));
    const first = start;
    start += rows;
    return Array.from({ length: Math.ceil(rows / step) }, (_, index) => ({
      start: first + index * step,
      rows: Math.min(step, rows - index * step),
      group,
      from: index * step,
    }));
  });
}

/**
 * Returns an open file of columns, without the row index that pandas stores as a
 * column without a name of its own.
 *
 * @param parts `pandas`: the metadata that pandas writes. `groupRows`: rows that the file stores together. `textBytes`: bytes of a column's texts in a group, 0 for other columns. `read`: reads some rows of a group of a usable column.
 * @throws {InputError} If two columns have the same name.
 */
export function toColumnFile<C extends FileColumn>(
  options: ColumnFileOptions & { readonly blockRows: number },
  { pandas, groupRows, textBytes, read, ...parts }: {
    columns: readonly C[];
    pandas: string | undefined;
    groupRows: readonly number[];
    textBytes: (column: C, group: number) => number;
    read: (column: C, range: GroupRange) => Promise<ColumnData>;
  },
): ColumnFile {
  const { file } = options;
  const columns = parts.columns.filter(({ name }) =>
    !/^__index_level_\d+__$/.test(name) ||
    !pandas?.includes(JSON.stringify(name))
  );
  const names = columns.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) {
    throw new InputError(
      `Cannot use ${file}: two columns are named "${twice}"`,
    );
  }
  const wanted = new Set(options.columns ?? names);
  const texts = columns.filter(({ name }) => wanted.has(name));
  const blocks = toRanges(groupRows, {
    blockRows: options.blockRows,
    textBytes: (group) =>
      texts.reduce((sum, column) => sum + textBytes(column, group), 0),
  });
  return {
    file,
    rows: blocks.reduce((sum, { rows }) => sum + rows, 0),
    columns,
    blocks,
    async readColumn(block, name) {
      const column = usableColumn(columns, { file, name });
      const range = blocks[block];
      if (range === undefined) {
        throw new RangeError(`no block ${block} of ${blocks.length}`);
      }
      return await read(column, range);
    },
  };
}

/**
 * Returns the column of that name.
 *
 * @throws {InputError} If there is none, or its values are not usable: names what they are.
 */
function usableColumn<C extends FileColumn>(
  columns: readonly C[],
  { file, name }: { file: string; name: string },
): C {
  const column = columns.find((column) => column.name === name);
  if (column === undefined) {
    throw new InputError(`Cannot use ${file}: it has no column "${name}"`);
  }
  if (!column.isUsable) {
    throw new InputError(
      `Cannot use ${file}, column "${name}": expected numbers, booleans or strings, found values of type ${column.type}; write the column as one of these`,
    );
  }
  return column;
}

/** Frees the memory of a column that is not needed any more. */
export function freeColumn(column: ColumnData): void {
  if (column.kind === "numbers") free(column.values);
  if (column.kind === "codes") free(column.codes);
  if (column.kind === "texts") free(column.bytes, column.starts, column.ends);
}

/** Frees the memory of pieces, unless the column made of them is one of them. */
export function freePieces(
  pieces: readonly Piece[],
  { column, others = [] }: {
    column: ColumnData;
    others?: readonly ArrayBufferView[];
  },
): void {
  const kept = column.kind === "numbers"
    ? column.values.buffer
    : column.kind === "codes"
    ? column.codes.buffer
    : undefined;
  const arrays = [
    ...others,
    ...pieces.flatMap(({ values, validity }) =>
      isTexts(values)
        ? [values.bytes, values.starts, values.ends, validity]
        : [values, validity]
    ),
  ];
  for (const array of arrays) {
    if (ArrayBuffer.isView(array) && array.buffer !== kept) free(array);
  }
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
export type Values = Numbers | Texts | readonly Cell[];

/** Numbers; bytes are booleans, as 0 and 1. */
export type Numbers = Float64Array | Float32Array | Int32Array | Uint8Array;

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
  const [first] = pieces;
  const labels = first?.labels;
  if (labels && pieces.every((piece) => piece.labels === labels)) {
    if (pieces.length === 1 && first && first.validity === undefined) {
      const { values } = first;
      if (values instanceof Int32Array || values instanceof Uint8Array) {
        return { kind: "codes", name, codes: values, labels };
      }
    }
    const codes = new Int32Array(rows);
    fill(codes, pieces, -1);
    return { kind: "codes", name, codes, labels };
  }
  if (pieces.length > 0 && pieces.every(({ values }) => isTexts(values))) {
    return joinTexts(name, { pieces, rows });
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
        cells[start + row] = valueAt(piece, next++);
      }
      start += piece.rows;
    }
    return { kind: "cells", name, values: cells };
  }
  if (
    pieces.length === 1 && first && first.validity === undefined &&
    ArrayBuffer.isView(first.values) && !(first.values instanceof Uint8Array)
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

/** Returns a value as a cell. */
function valueAt({ values, labels }: Piece, index: number): Cell {
  if (isTexts(values)) {
    const { bytes, starts, ends } = values;
    return textOf(bytes, starts[index]!, ends[index]!);
  }
  const value = values[index] ?? null;
  return labels ? labels[Number(value)] ?? null : value;
}

/** Tells whether values are texts as bytes. */
export function isTexts(values: Values): values is Texts {
  return "starts" in values;
}

/** Copies the texts of all pieces into one array. */
function joinTexts(
  name: string,
  { pieces, rows }: { pieces: readonly Piece[]; rows: number },
): TextColumn {
  const texts = pieces.flatMap(({ values }) => isTexts(values) ? values : []);
  const spans = texts.map(({ starts, ends }) => ({
    first: starts[0] ?? 0,
    last: ends[ends.length - 1] ?? 0,
  }));
  const bytes = new Uint8Array(
    spans.reduce((sum, { first, last }) => sum + last - first, 0),
  );
  const starts = new Int32Array(rows).fill(-1);
  const ends = new Int32Array(rows).fill(-1);
  let at = 0;
  let start = 0;
  for (const [index, { validity, rows }] of pieces.entries()) {
    const { first, last } = spans[index]!;
    const source = texts[index]!;
    bytes.set(source.bytes.subarray(first, last), at);
    let next = 0;
    for (let row = 0; row < rows; row++) {
      if (validity?.[row] === 0) continue;
      starts[start + row] = source.starts[next]! - first + at;
      ends[start + row] = source.ends[next++]! - first + at;
    }
    at += last - first;
    start += rows;
  }
  return { kind: "texts", name, bytes, starts, ends };
}

/** Writes the values of pieces to their rows, and `missing` to the others. */
function fill(
  target: Float64Array | Float32Array | Int32Array,
  pieces: readonly Piece[],
  missing: number,
): void {
  let start = 0;
  for (const { rows, values, validity } of pieces) {
    if (ArrayBuffer.isView(values)) {
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
