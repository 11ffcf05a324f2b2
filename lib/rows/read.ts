/** Reads whole files of rows into memory: a sample, a labelled set, outcomes. Counts rows where that is cheap. */
import { InputError } from "../base/errors.ts";
import { BufferPool } from "./blocks.ts";
import { datesRead, type FeatureOptions } from "./encode.ts";
import {
  conclude,
  type Features,
  mergeCounts,
  rawColumnsMissed,
} from "./features.ts";
import { parseCsv } from "./csv.ts";
import type { UnknownRoles } from "./csv-cells.ts";
import { detectCompression, detectFormat } from "./detect.ts";
import { parseElements } from "./json-array.ts";
import type { InputRow } from "./json.ts";
import { parseJsonLines } from "./json-lines.ts";
import { ColumnFiles } from "./column-files.ts";
import type { Cell } from "./columns.ts";
import { recordsOf } from "./encode-columns.ts";
import {
  type ColumnsBlock,
  encodeBlock,
  type EncodedRows,
  headerBytes,
  openRowFile,
  type RowFileOptions,
  type RowSource,
  type TextFormat,
} from "./row-file.ts";
import { moveDown, RowError } from "./row-error.ts";
import { unpack } from "./packed.ts";

/**
 * Yields all rows of a file as objects. In CSV, every cell is typed by its text,
 * except player ids, which are texts, and what the recipe's steps read as labels
 * or dates.
 *
 * @throws {InputError} If the format is not supported, a row cannot be read, or there are none.
 */
export async function* readRows(
  source: RowSource,
  options: UnknownRoles & RowFileOptions,
): AsyncGenerator<InputRow, void, undefined> {
  const pool = new BufferPool();
  const dates = options.recipe && datesRead(options.recipe);
  await using rowFile = await openRowFile(source, {
    ...options,
    ...dates ? { dates } : {},
  });
  await using columnFiles = new ColumnFiles(source.uri);
  let firstRow = 1;
  let firstLine = rowFile.headerLines + 1;
  for await (const block of rowFile.blocks(pool)) {
    if (!("buffer" in block)) {
      for await (const value of readRecords(block, columnFiles)) {
        yield { number: firstRow++, line: undefined, value };
      }
      continue;
    }
    const { format, buffer, start, end } = block;
    const bytes = buffer.subarray(start, end);
    const place = { file: source.uri, firstRow, firstLine };
    const rows = parseBlock(bytes, format, { ...place, roles: options });
    let next = rows.next();
    for (; !next.done; next = rows.next()) {
      firstRow++;
      yield next.value;
    }
    firstLine += next.value ?? 0;
    pool.give(buffer);
  }
  if (firstRow === 1) throw noRows(source.uri);
}

async function* readRecords(
  { format, index }: ColumnsBlock,
  files: ColumnFiles,
): AsyncGenerator<Record<string, Cell>> {
  const columnFile = await files.open(format);
  // Nested values, and dates that are not asked for, are left out: a model cannot use them.
  const usable = columnFile.columns.filter(({ isUsable }) => isUsable);
  yield* recordsOf({
    rows: columnFile.blocks[index]!.rows,
    names: usable.map(({ name }) => name),
    read: (name) => columnFile.readColumn(index, name),
  });
}

function parseBlock(
  bytes: Uint8Array,
  format: TextFormat,
  options: {
    file: string;
    firstRow: number;
    firstLine: number;
    roles: UnknownRoles;
  },
): Generator<InputRow, number | void, undefined> {
  switch (format.kind) {
    case "json-lines":
      return parseJsonLines(bytes, options);
    case "json-array":
      return parseElements(bytes, { ...options, columns: format.columns });
    case "csv":
      return parseCsv(bytes, { ...options, header: format.header });
  }
}

/** Returns all rows of a file as objects; the errors are those of {@linkcode readRows}. */
export async function readAllRows(
  source: RowSource,
  options: UnknownRoles & RowFileOptions,
): Promise<InputRow[]> {
  return await Array.fromAsync(readRows(source, options));
}

/**
 * Returns the features of a file, or of the files of a batch in their order.
 *
 * @param options `setAside`: skips rows that cannot be used, as the run did that scored the file.
 * @throws {InputError} As {@linkcode conclude}, or if the file cannot be read.
 * @throws {RowError} If a row cannot be used.
 */
export async function readFeatures(
  source: RowSource | readonly RowSource[],
  options: Omit<FeatureOptions, "file"> & RowFileOptions & {
    setAside?: boolean;
  },
): Promise<Features> {
  const sources = "uri" in source ? [source] : source;
  const features = {
    ...options,
    file: sources.map(({ uri }) => uri).join(", "),
  };
  const blocks: EncodedRows[] = [];
  for (const each of sources) {
    if (each.size === 0 && sources.length > 1) continue; // an empty partition
    blocks.push(...await encodeAll(each, { ...features, file: each.uri }));
  }
  if (blocks.every(({ rowsRead }) => rowsRead === 0)) {
    throw noRows(features.file);
  }
  const counts = blocks.map((block) => block.counts).reduce(mergeCounts);
  const rawColumns = rawColumnsMissed(counts, features);
  if (rawColumns.length > 0) {
    return await readFeatures(source, { ...options, rawColumns });
  }
  const hasIds = features.idColumn !== undefined && counts.withId > 0;
  return {
    matrix: concatenate(blocks.map(({ matrix }) => matrix)),
    rows: counts.rows,
    ids: hasIds
      ? blocks.flatMap(({ ids }) => ids ? unpack(ids) : [])
      : undefined,
    labels: features.labelColumn === undefined
      ? undefined
      : Uint8Array.from(blocks.flatMap(({ labels }) => [...labels ?? []])),
    ...conclude(counts, features),
  };
}

async function encodeAll(
  source: RowSource,
  options: FeatureOptions & RowFileOptions & { setAside?: boolean },
): Promise<EncodedRows[]> {
  const pool = new BufferPool();
  const dates = datesRead(options.recipe);
  await using rowFile = await openRowFile(source, { ...options, dates });
  await using columnFiles = new ColumnFiles(source.uri);
  const blocks: EncodedRows[] = [];
  let rows = 0;
  let lines = rowFile.headerLines;
  for await (const block of rowFile.blocks(pool)) {
    try {
      const encoded = await encodeBlock(block, {
        ...options,
        columnFiles,
        onBadRow: options.setAside ? () => {} : undefined,
      });
      blocks.push(encoded);
      rows += encoded.rowsRead;
      lines += encoded.linesRead;
    } catch (error) {
      if (!(error instanceof RowError)) throw error;
      throw new RowError(moveDown(error.problem, { rows, lines }));
    }
    if ("buffer" in block) pool.give(block.buffer);
  }
  return blocks;
}

function concatenate(parts: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(
    parts.reduce((length, part) => length + part.length, 0),
  );
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** Returns the error for a file without rows. */
export function noRows(uri: string): InputError {
  return new InputError(`Cannot read rows of ${uri}: it has none`);
}

/** Largest file whose rows are counted by reading them, in bytes. */
const readBytes = 4 << 20;

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
