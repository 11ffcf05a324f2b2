/** Encodes rows that are read by column, from Parquet or Arrow. */
import {
  type Cell,
  cellAt,
  type ColumnData,
  freeColumn,
  type NumberColumn,
} from "./columns.ts";
import { toCategoryCode, toFeature, toId, toLabel } from "./cells.ts";
import type { RowEncoder } from "./encode.ts";
import { type Action, type Layout, toLayout } from "./layout.ts";
import { countCategory, findCategory } from "./one-hot.ts";
import { RowError } from "./row-error.ts";
import type { Texts } from "./texts.ts";

/** Some rows of a file of columns. */
export interface ColumnRows {
  readonly rows: number;
  /** Names of the columns. */
  readonly names: readonly string[];
  /** Reads a column; an encoder reads only those that it needs. */
  readonly read: (name: string) => Promise<ColumnData>;
}

/**
 * Encodes rows column by column. Returns false if a row cannot be used or the
 * columns contradict each other; the encoder must then be replaced, and the rows
 * encoded by {@linkcode recordsOf}, which finds the first such row.
 *
 * @throws {InputError} If a column that is needed cannot be read.
 */
export async function encodeColumns(
  source: ColumnRows,
  encoder: RowEncoder,
): Promise<boolean> {
  const { rows, names, read } = source;
  const layout = toLayout(names, encoder);
  if (layout === undefined) return false;
  const at = encoder.beginRows(rows);
  const stepColumns: ColumnData[] = [];
  try {
    for (const [index, action] of layout.actions.entries()) {
      if (action.kind === "extra") continue;
      const column = await read(names[index]!);
      if (action.kind === "step") {
        stepColumns.push(column);
        continue;
      }
      encodeColumn(column, action, { encoder, rows, at });
      freeColumn(column);
    }
  } catch (error) {
    if (!(error instanceof RowError)) throw error;
    return false;
  }
  if (!addSteps(stepColumns, { encoder, rows, at })) return false;
  for (const column of stepColumns) freeColumn(column);
  finishRows(layout, encoder, { rows, at });
  return true;
}

/** Yields the rows as objects with all columns. */
export async function* recordsOf(
  { rows, names, read }: ColumnRows,
): AsyncGenerator<Record<string, Cell>> {
  const columns: ColumnData[] = [];
  for (const name of names) columns.push(await read(name));
  for (let row = 0; row < rows; row++) {
    yield Object.fromEntries(
      columns.map((column) => [column.name, cellAt(column, row)]),
    );
  }
}

/** The rows of the block in the encoder. */
interface Rows {
  readonly encoder: RowEncoder;
  readonly rows: number;
  /** Position of the first row's first cell in the encoder's matrix. */
  readonly at: number;
}

function encodeColumn(
  column: ColumnData,
  action: Action,
  { encoder, rows, at }: Rows,
): void {
  const { matrix, options: { columns, idColumn, labelColumn, file } } = encoder;
  const width = columns.length;
  const where = { file };
  const end = at + rows * width;
  switch (action.kind) {
    case "number": {
      const { position } = action;
      const model = columns[position]!;
      const target = { cells: matrix, first: at + position, step: width, rows };
      if (column.kind === "numbers" && isPlain(column.values, model.type)) {
        copyNumbers(column.values, target);
      } else {
        convertCells(column, target, (cell) => toFeature(cell, model, where));
      }
      return;
    }
    case "label": {
      const { position, labels } = action;
      const model = { ...columns[position]!, labels };
      const first = at + position;
      const target = { cells: matrix, first, step: width, rows };
      convertCells(
        column,
        target,
        (cell) =>
          cell === null ? NaN : toCategoryCode(cell, model, where) ?? unseen,
      );
      let count = 0;
      for (let cell = first; cell < end; cell += width) {
        if (matrix[cell] !== unseen) continue;
        matrix[cell] = NaN;
        count++;
      }
      if (count > 0) encoder.countUnseen(model.name, count);
      return;
    }
    case "raw": {
      const { group } = action;
      const categories = new Int32Array(rows);
      convertCells(
        column,
        { cells: categories, first: 0, step: 1, rows },
        (cell) => findCategory(group, cell, where),
      );
      for (const position of group.positions) {
        if (position === undefined) continue;
        for (let cell = at + position; cell < end; cell += width) {
          matrix[cell] = 0;
        }
      }
      group.anyRaw ||= rows > 0;
      for (let row = 0; row < rows; row++) {
        const category = categories[row]!;
        if (category < 0) countCategory(group, cellAt(column, row), category);
        const position = group.positions[category];
        if (position !== undefined) matrix[at + row * width + position] = 1;
      }
      return;
    }
    case "id": {
      encoder.withId += rows;
      if (column.kind === "texts" && !hasNul(column)) {
        const { bytes, starts, ends } = column;
        for (let row = 0; row < rows; row++) {
          if (ends[row]! >= 0) encoder.named++;
          encoder.ids.addBytes(bytes, starts[row]!, ends[row]!);
        }
        return;
      }
      for (let row = 0; row < rows; row++) {
        const id = toId(cellAt(column, row), { idColumn: idColumn!, where });
        if (id !== null) encoder.named++;
        encoder.ids.add(id);
      }
      return;
    }
    case "outcome": {
      const name = labelColumn!;
      const outcomes = new Int32Array(rows);
      convertCells(
        column,
        { cells: outcomes, first: 0, step: 1, rows },
        (cell) => toLabel({ [name]: cell }, { labelColumn: name, where }),
      );
      for (const outcome of outcomes) encoder.addLabel(outcome);
    }
  }
}

/** Applies the recipe's steps to all rows. Returns false if a cell cannot be used. */
function addSteps(
  columns: readonly ColumnData[],
  { encoder, rows, at }: Rows,
): boolean {
  if (!encoder.stepColumns) return true;
  const width = encoder.options.columns.length;
  const cells: Record<string, Cell> = {};
  for (let row = 0; row < rows; row++) {
    for (const column of columns) cells[column.name] = cellAt(column, row);
    const place = { at: at + row * width, row: encoder.rows + row };
    if (!encoder.addSteps(cells, place)) return false;
  }
  return true;
}

/** Stands for a label that is not one of the model's categories, among codes. */
const unseen = -1;

/** Where the values of a column's rows are written. */
interface Target {
  readonly cells: Float32Array | Int32Array;
  /** Position of the first row's value, and how far the next one is. */
  readonly first: number;
  readonly step: number;
  readonly rows: number;
}

function copyNumbers(
  values: NumberColumn["values"],
  { cells, first, step, rows }: Target,
): void {
  let at = first;
  for (let row = 0; row < rows; row++, at += step) cells[at] = values[row]!;
}

/** Writes the converted cells. Of cells that repeat, each label is converted once. */
function convertCells(
  column: ColumnData,
  { cells, first, step, rows }: Target,
  convert: (cell: Cell) => number,
): void {
  let at = first;
  if (column.kind !== "codes") {
    for (let row = 0; row < rows; row++, at += step) {
      cells[at] = convert(cellAt(column, row));
    }
    return;
  }
  const { codes, labels } = column;
  // Converted if they occur: a dictionary may hold labels of other blocks. The
  // first one is for missing values, whose code is -1.
  const isUsed = new Uint8Array(labels.length + 1);
  for (let row = 0; row < rows; row++) isUsed[codes[row]! + 1] = 1;
  const values = new Float64Array(labels.length + 1);
  for (let code = -1; code < labels.length; code++) {
    if (isUsed[code + 1] === 0) continue;
    values[code + 1] = convert(labels[code] ?? null);
  }
  // A loop of its own, because this takes most of the time for a file of flags.
  for (let row = 0; row < rows; row++, at += step) {
    cells[at] = values[codes[row]! + 1]!;
  }
}

/** Tells whether a text holds a NUL, which no id may. */
function hasNul({ bytes, starts, ends }: Texts): boolean {
  for (let row = 0; row < ends.length; row++) {
    const end = ends[row]!;
    for (let at = starts[row]!; at < end; at++) {
      if (bytes[at] === 0) return true;
    }
  }
  return false;
}

/** Tells whether all numbers fit the type of the model's column without a look at each cell's error. */
function isPlain(
  values: Float64Array | Float32Array | Int32Array,
  type: string,
): boolean {
  if (type === "boolean") return false;
  if (values instanceof Int32Array) return true;
  const isWhole = type === "long" || type === "integer";
  for (let row = 0; row < values.length; row++) {
    const value = values[row]!;
    if (Number.isNaN(value)) continue;
    if (!Number.isFinite(Math.fround(value))) return false;
    if (isWhole && !Number.isInteger(value)) return false;
  }
  return true;
}

/** Counts what the rows lack and completes them. */
function finishRows(
  layout: Layout,
  encoder: RowEncoder,
  { rows, at }: Omit<Rows, "encoder">,
): void {
  const { matrix, options: { columns, idColumn } } = encoder;
  const width = columns.length;
  const end = at + rows * width;
  for (const name of layout.extra) encoder.extra.add(name);
  for (const position of layout.absent) {
    encoder.absent[position]! += rows;
    for (let cell = at + position; cell < end; cell += width) {
      matrix[cell] = NaN;
    }
  }
  const first = encoder.rows;
  for (const { absentRows } of layout.without) {
    for (let row = 0; row < rows; row++) absentRows.push(first + row);
  }
  if (idColumn !== undefined && !layout.hasId) {
    for (let row = 0; row < rows; row++) encoder.ids.add(null);
  }
  encoder.endRows(at, rows);
}
