/** Counts the rows of a file without scoring them, where that is cheap. */
import { detectCompression, detectFormat } from "./detect.ts";
import type { UnknownRoles } from "./csv-cells.ts";
import { readRows } from "./read.ts";
import type { RowSource } from "./row-file.ts";

/** Largest file whose rows are counted by reading them, in bytes. */
const readBytes = 4 << 20;

/** First bytes of a file that are looked at, as when it is scored. */
const headerBytes = 256 << 10;

/** The number of rows of a file, and how it is known. */
export interface RowCount {
  readonly rows: number;
  /** `footer`: the file states it; `counted`: the rows were read. */
  readonly from: "footer" | "counted";
}

/**
 * Returns the number of rows of a file: from the footer of a Parquet file of any
 * size and of a local Arrow file, otherwise by reading a file of up to 4 MiB.
 * Nothing is written. Undefined if counting would mean to read a larger file or
 * to decompress one.
 *
 * @throws {InputError} If the format is not supported, the file is damaged, or a row that was read cannot be used.
 */
export async function countRows(
  source: RowSource,
  options: UnknownRoles,
): Promise<RowCount | undefined> {
  const { uri: file, size } = source;
  const head = await source.read(0, Math.min(size, headerBytes));
  if (detectCompression(head)) return undefined;
  const format = detectFormat(head, { file, last: head.length === size });
  const isSmall = size <= readBytes;
  if (format === "parquet") {
    const { openParquet } = await import("./parquet.ts");
    const { rows } = await openParquet(source, { file });
    return { rows, from: "footer" };
  }
  if (format === "arrow") {
    if (source.path === undefined && !isSmall) return undefined;
    const { openArrow } = await import("./arrow.ts");
    const { rows } = await openArrow(source, { file });
    return { rows, from: "footer" };
  }
  if (!isSmall) return undefined;
  let rows = 0;
  // A text format needs no temporary copy.
  for await (const _ of readRows(source, { ...options, temporary: "" })) rows++;
  return { rows, from: "counted" };
}
