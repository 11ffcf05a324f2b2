/** Writes scores as CSV, JSON Lines or Parquet, batch by batch. The only module that imports `npm:hyparquet-writer`. */
import { UsageError } from "../base/errors.ts";
import {
  type OutputCell,
  type OutputCells,
  type OutputColumn,
  toCsvLine,
  toText,
} from "./output.ts";

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

/** Receives the bytes of a file. */
export interface ByteSink {
  write(bytes: Uint8Array): Promise<void>;
}

/** Writes rows to one file. */
export interface RowWriter {
  /** Appends rows; one array of cells per column. */
  write(cells: readonly OutputCells[]): Promise<void>;
  /** Writes what is left; the sink is then complete. */
  finish(): Promise<void>;
}

/** Starts a file of rows. A file without rows has a header in CSV and its columns in Parquet. */
export async function openRowWriter(
  sink: ByteSink,
  { format, columns }: {
    format: OutputFormat;
    columns: readonly OutputColumn[];
  },
): Promise<RowWriter> {
  if (format === "parquet") return await openParquet(sink, columns);
  const encoder = new TextEncoder();
  const names = columns.map(({ name }) => name);
  if (format === "csv") {
    await sink.write(encoder.encode(`${toCsvLine(names)}\n`));
  }
  const toLine = format === "csv"
    ? (row: OutputCells) => toCsvLine(row.map(toText))
    : (row: OutputCells) =>
      JSON.stringify(
        Object.fromEntries(names.map((name, index) => [name, row[index]])),
      );
  return {
    async write(cells) {
      const rows = cells[0]?.length ?? 0;
      let text = "";
      for (let row = 0; row < rows; row++) {
        text += `${toLine(cells.map((column) => column[row]!))}\n`;
      }
      await sink.write(encoder.encode(text));
    },
    finish: () => Promise.resolve(),
  };
}

/** Rows per row group: the cells of one are objects in memory until it is written. */
const groupRows = 1 << 15;

/** How each type is written: Parquet's physical type, its logical type, and the older form of that for older readers. */
const parquetTypes = {
  text: { type: "BYTE_ARRAY", converted_type: "UTF8" },
  integer: { type: "INT64" },
  int32: { type: "INT32" },
  number: { type: "DOUBLE" },
  float: { type: "FLOAT" },
  boolean: { type: "BOOLEAN" },
  date: { type: "INT32", converted_type: "DATE" },
  timestamp: {
    type: "INT64",
    converted_type: "TIMESTAMP_MILLIS",
    logical_type: { type: "TIMESTAMP", isAdjustedToUTC: true, unit: "MILLIS" },
  },
  micros: {
    type: "INT64",
    converted_type: "TIMESTAMP_MICROS",
    logical_type: { type: "TIMESTAMP", isAdjustedToUTC: true, unit: "MICROS" },
  },
  "local-micros": {
    type: "INT64",
    logical_type: {
      type: "TIMESTAMP",
      isAdjustedToUTC: false,
      unit: "MICROS",
    },
  },
} as const;

async function openParquet(
  sink: ByteSink,
  columns: readonly OutputColumn[],
): Promise<RowWriter> {
  // Loaded for Parquet only, because it takes 8 ms.
  const { ByteWriter, ParquetWriter } = await import("hyparquet-writer");
  const bytes = new ByteWriter();
  const waiting = columns.map((): OutputCell[] => []);
  const columnData = () =>
    columns.map(({ name }, index) => ({ name, data: waiting[index]! }));
  const writer = new ParquetWriter({
    writer: bytes,
    schema: [
      { name: "root", num_children: columns.length },
      ...columns.map(({ name, type }) => ({
        name,
        repetition_type: "OPTIONAL" as const,
        ...parquetTypes[type],
      })),
    ],
  });
  const flush = async () => {
    await sink.write(bytes.getBytes());
    bytes.index = 0;
  };
  const writeGroup = async () => {
    await writer.write({ columnData: columnData(), rowGroupSize: groupRows });
    for (const cells of waiting) cells.length = 0;
    await flush();
  };
  return {
    async write(cells) {
      cells.forEach((column, index) => {
        const isInteger = columns[index]!.type === "integer";
        for (const cell of column) {
          waiting[index]!.push(
            isInteger && typeof cell === "number" ? BigInt(cell) : cell,
          );
        }
      });
      if ((waiting[0]?.length ?? 0) >= groupRows) await writeGroup();
    },
    async finish() {
      if ((waiting[0]?.length ?? 0) > 0) await writeGroup();
      await writer.finish();
      await flush();
    },
  };
}
