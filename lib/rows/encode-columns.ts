/** Encodes rows that are read by column, from Parquet or Arrow. */
import { type Cell, cellAt, type ColumnData, freeColumn } from "./columns.ts";
import { toCategoryCode, toFeature, toId, toLabel } from "./cells.ts";
import type { RowEncoder } from "./encode.ts";
import { type Action, countRow, type Layout, toLayout } from "./layout.ts";
import { countCategory, findCategory } from "./one-hot.ts";
import { RowError } from "./row-error.ts";
import type { Texts } from "./texts.ts";

/** Some rows of a file of columns. */
export interface ColumnRows {
  readonly rows: number;
  /** Names of all columns of the file. */
  readonly names: readonly string[];
  /** Reads a column; only columns that the encoder needs are read. */
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
  try {
    for (const [index, action] of layout.actions.entries()) {
      if (action.kind === "extra") continue;
      const column = await read(names[index]!);
      encodeColumn(column, action, { encoder, rows, at });
      freeColumn(column);
    }
  } catch (error) {
    if (!(error instanceof RowError)) throw error;
    return false;
  }
  finishRows(layout, encoder, { rows, at });
  return true;
}

/** Yields the rows as objects with the columns that the encoder needs. */
export async function* recordsOf(
  { rows, names, read }: ColumnRows,
  isNeeded: (name: string) => boolean,
): AsyncGenerator<Record<string, Cell>> {
  const columns: ColumnData[] = [];
  for (const name of names) if (isNeeded(name)) columns.push(await read(name));
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
  switch (action.kind) {
    case "number": {
      const { position } = action;
      const model = columns[position]!;
      const first = at + position;
      if (column.kind === "numbers" && isPlain(column.values, model.type)) {
        for (let row = 0; row < rows; row++) {
          matrix[first + row * width] = column.values[row]!;
        }
        return;
      }
      eachCell(column, rows, (cell) => toFeature(cell, model, where), (
        row,
        value,
      ) => matrix[first + row * width] = value);
      return;
    }
    case "label": {
      const { position, labels } = action;
      const model = { ...columns[position]!, labels };
      eachCell(
        column,
        rows,
        (cell) => cell === null ? NaN : toCategoryCode(cell, model, where),
        (row, code) => {
          if (code === undefined) encoder.countUnseen(model.name);
          matrix[at + position + row * width] = code ?? NaN;
        },
      );
      return;
    }
    case "raw": {
      const { group } = action;
      eachCell(column, rows, (cell) => findCategory(group, cell, where), (
        row,
        category,
        cell,
      ) => {
        countCategory(group, cell, category);
        group.positions.forEach((position, own) => {
          if (position === undefined) return;
          matrix[at + position + row * width] = own === category ? 1 : 0;
        });
      });
      return;
    }
    case "id": {
      encoder.withId += rows;
      if (column.kind === "texts" && !hasNul(column)) {
        const { bytes, starts, ends } = column;
        for (let row = 0; row < rows; row++) {
          const start = starts[row]!;
          if (start >= 0) encoder.named++;
          encoder.ids.addBytes(bytes, start, ends[row]!);
        }
        return;
      }
      eachCell(
        column,
        rows,
        (cell) => toId(cell, { idColumn: idColumn!, where }),
        (_, id) => {
          if (id !== null) encoder.named++;
          encoder.ids.add(id);
        },
      );
      return;
    }
    case "outcome": {
      const name = labelColumn!;
      eachCell(
        column,
        rows,
        (cell) => toLabel({ [name]: cell }, { labelColumn: name, where }),
        (_, outcome) => encoder.addLabel(outcome),
      );
    }
  }
}

/** Tells whether a text holds a NUL, which no id may. */
function hasNul({ bytes, starts, ends }: Texts): boolean {
  for (let row = 0; row < starts.length; row++) {
    for (let at = starts[row]!; at < ends[row]!; at++) {
      if (bytes[at] === 0) return true;
    }
  }
  return false;
}

/** Converts each cell, or, for cells that repeat, each label once. */
function eachCell<Value>(
  column: ColumnData,
  rows: number,
  convert: (cell: Cell) => Value,
  use: (row: number, value: Value, cell: Cell) => void,
): void {
  if (column.kind !== "codes") {
    for (let row = 0; row < rows; row++) {
      const cell = cellAt(column, row);
      use(row, convert(cell), cell);
    }
    return;
  }
  const { codes, labels } = column;
  // Converted at the first use: a dictionary may hold labels of other blocks.
  const values = new Map<number, { value: Value; cell: Cell }>();
  for (let row = 0; row < rows; row++) {
    const code = codes[row]!;
    let known = values.get(code);
    if (known === undefined) {
      const cell = labels[code] ?? null;
      known = { value: convert(cell), cell };
      values.set(code, known);
    }
    use(row, known.value, known.cell);
  }
}

/** Tells whether all numbers fit the type of the model's column without a look at each cell's error. */
function isPlain(
  values: Float64Array | Float32Array | Int32Array,
  type: string,
): boolean {
  if (type === "boolean") return false;
  const isWhole = type === "long" || type === "integer";
  if (values instanceof Int32Array) return true;
  for (const value of values) {
    if (Number.isNaN(value)) continue;
    if (!Number.isFinite(Math.fround(value))) return false;
    if (isWhole && !Number.isInteger(value)) return false;
  }
  return true;
}

function finishRows(
  layout: Layout,
  encoder: RowEncoder,
  rows: Omit<Rows, "encoder">,
): void {
  const width = encoder.options.columns.length;
  const { idColumn } = encoder.options;
  for (let row = 0; row < rows.rows; row++) {
    const start = rows.at + row * width;
    countRow({ ...layout, raw: [] }, encoder, {
      row: start,
      cells: [],
      categories: [],
    });
    if (idColumn !== undefined && !layout.hasId) encoder.ids.add(null);
    encoder.endRow(start);
  }
}
