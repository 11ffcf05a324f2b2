/** Writes scores as CSV, JSON Lines or Parquet. The only module that imports `npm:hyparquet-writer`. */
import { parquetWriteBuffer } from "hyparquet-writer";
import { UsageError } from "../base/errors.ts";
import { formatRows } from "./table.ts";

/** One row of the file. */
export type OutputRow = Readonly<Record<string, string | number | null>>;

/** File formats for output. */
export type OutputFormat = "csv" | "jsonl" | "parquet";

/**
 * Returns the format for a file's suffix.
 *
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 *
 * strictEqual(outputFormat("scores/us.parquet"), "parquet");
 * ```
 *
 * @throws {UsageError} If the suffix is not .csv, .jsonl or .parquet.
 */
export function outputFormat(path: string): OutputFormat {
  const suffix = path.slice(path.lastIndexOf(".") + 1);
  if (suffix === "csv" || suffix === "jsonl" || suffix === "parquet") {
    return suffix;
  }
  throw new UsageError(
    `Cannot use --output "${path}": expected postgres, or a file that ends in .csv, .jsonl or .parquet`,
  );
}

/** Returns rows as the bytes of a file. All rows must have the columns of the first. In Parquet, a column with any number is DOUBLE, any other is UTF-8 text. */
export function toOutput(
  rows: readonly OutputRow[],
  format: OutputFormat,
): Uint8Array<ArrayBuffer> {
  if (format === "parquet") return toParquet(rows);
  const text = format === "csv"
    ? formatRows(rows, "csv")
    : rows.map((row) => JSON.stringify(row)).join("\n");
  return new TextEncoder().encode(`${text}\n`);
}

function toParquet(rows: readonly OutputRow[]): Uint8Array<ArrayBuffer> {
  const names = Object.keys(rows[0] ?? {});
  const columnData = names.map((name) => {
    const data = rows.map((row) => row[name] ?? null);
    const type = data.some((cell) => typeof cell === "number")
      ? "DOUBLE" as const
      : "STRING" as const;
    return { name, data, type, nullable: true };
  });
  return new Uint8Array(parquetWriteBuffer({ columnData }));
}
