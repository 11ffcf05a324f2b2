/** Formats rows as a table, CSV or JSON. */
import { UsageError } from "../base/errors.ts";
import { escapeControls } from "../base/printable.ts";

/** Output format of rows. */
export type TableFormat = "table" | "csv" | "json";

type Rows = readonly Readonly<Record<string, unknown>>[];

/** Validates the value of `--format`. @throws {UsageError} If it is not a format. */
export function parseFormat(text: string): TableFormat {
  if (text === "table" || text === "csv" || text === "json") return text;
  throw new UsageError(
    `Cannot use --format "${text}": expected table, csv or json`,
  );
}

/**
 * Returns rows as text without a final line break: aligned columns, CSV (RFC
 * 4180) or a JSON array. Null is empty in a table and in CSV, and `null` in
 * JSON. In a table, control characters are escaped, so that each row is one
 * line.
 *
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 *
 * strictEqual(formatRows([{ a: 1, b: 'x"y' }], "csv"), 'a,b\n1,"x""y"');
 * ```
 */
export function formatRows(rows: Rows, format: TableFormat): string {
  if (format === "json") return JSON.stringify(rows, null, 2);
  const names = Object.keys(rows[0] ?? {});
  const cells = rows.map((row) => names.map((name) => toText(row[name])));
  if (format === "csv") {
    return [names, ...cells].map(toCsvLine).join("\n");
  }
  if (rows.length === 0) return "(no rows)";
  const [head = [], ...lines] = [names, ...cells].map((line) =>
    line.map(escapeControls)
  );
  const widths = head.map((name, index) =>
    lines.reduce(
      (width, line) => Math.max(width, line[index]!.length),
      name.length,
    )
  );
  const align = (line: readonly string[]) =>
    line.map((cell, index) => cell.padEnd(widths[index]!)).join("  ").trimEnd();
  return [
    align(head),
    align(widths.map((width) => "-".repeat(width))),
    ...lines.map(align),
  ].join("\n");
}

/** Returns a value as a cell of a table or of CSV; empty for null. */
export function toText(value: unknown): string {
  if (value === null || value === undefined) return "";
  if (value instanceof Date) return value.toISOString();
  return typeof value === "object" ? JSON.stringify(value) : String(value);
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
