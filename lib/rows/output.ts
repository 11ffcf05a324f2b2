/** Columns, rows and cells of what is written to files and to the terminal. */

/**
 * A column of the output. In Parquet, `integer` is INT64, `int32` INT32, `number`
 * DOUBLE, `float` FLOAT, `date` DATE (cells: days since 1970-01-01), `timestamp`
 * milliseconds in UTC, `micros` microseconds in UTC, and `local-micros`
 * microseconds without a time zone (cells: microseconds since 1970-01-01). Every
 * column may be null.
 */
export interface OutputColumn {
  readonly name: string;
  readonly type:
    | "text"
    | "integer"
    | "int32"
    | "number"
    | "float"
    | "boolean"
    | "date"
    | "timestamp"
    | "micros"
    | "local-micros";
}

/** One cell. */
export type OutputCell = string | number | bigint | boolean | Date | null;

/** The cells of one column, one per row. */
export type OutputCells = readonly OutputCell[];

/** A column of a query's result, whose values arrive as text: in Postgres's text form. */
export interface ResultColumn extends OutputColumn {
  /** Returns the value for JSON. */
  readonly parse: (text: string) => unknown;
  /** Returns the text for a table or CSV. */
  readonly show: (text: string) => string;
}

/** One row as text, in the order of the columns; null for null. */
export type TextRow = readonly (string | null)[];

/** Receives text, or the bytes of Parquet. */
export interface ResultSink {
  write(part: string | Uint8Array): Promise<void>;
}

/** Writes one result. */
export interface ResultWriter {
  write(rows: readonly TextRow[]): Promise<void>;
  /** Writes what is left. */
  finish(): Promise<void>;
}

/** Returns a value as a cell of a table or of CSV; empty for null. */
export function toText(value: unknown): string {
  if (value === null || value === undefined) return "";
  if (value instanceof Date) return value.toISOString();
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** Returns a row as the texts of its cells in a table or in CSV; null is empty. */
export function showRow(
  row: TextRow,
  columns: readonly ResultColumn[],
): string[] {
  return columns.map(({ show }, index) => {
    const text = row[index] ?? null;
    return text === null ? "" : show(text);
  });
}

/** Returns one record of CSV (RFC 4180) without its line break. */
export function toCsvLine(cells: readonly string[]): string {
  return cells.map(quoted).join(",");
}

/** Quotes a CSV cell. A text that begins with `=`, `+`, `-`, `@`, tab or CR gets a leading `'`, because a spreadsheet would run it as a formula (OWASP, CSV injection). */
function quoted(cell: string): string {
  const isNumber = cell !== "" && Number.isFinite(Number(cell));
  const safe = !isNumber && /^[=+\-@\t\r]/.test(cell) ? `'${cell}` : cell;
  return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
