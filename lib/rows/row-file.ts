/** Opens a file of rows of any format: detects the format from the content and yields blocks of whole rows. */
import type { StreamTarget } from "../base/stream-target.ts";
import { decompress } from "./compression.ts";
import { detectCompression, detectFormat } from "./detect.ts";
import { createHash } from "node:crypto";
import { BufferPool, type BytesBlock, cutBlocks } from "./blocks.ts";
import { ColumnFiles, type ColumnFormat } from "./column-files.ts";
import { encodeColumns, recordsOf } from "./encode-columns.ts";
import { cutCsv, encodeCsv } from "./csv.ts";
import { type CsvHeader, readCsvHeader } from "./csv-dialect.ts";
import { cutLines, type Cutter } from "./cutter.ts";
import {
  type EncodedBlock,
  type FeatureOptions,
  RowEncoder,
} from "./encode.ts";
import { cutArray, cutSplit, encodeElements } from "./json-array.ts";
import { encodeJsonLines } from "./json-lines.ts";
import { type BadRow, RowError } from "./row-error.ts";
import { copyToTemporary } from "./temporary-file.ts";

/** The bytes of a file: a stored file, or anything that can be read twice. */
export interface RowSource {
  /** The name in errors. */
  readonly uri: string;
  /** Bytes. */
  readonly size: number;
  /**
   * Yields all bytes in order; each call begins again. A piece is only valid
   * until the next one is asked for: its memory is used again.
   *
   * @param target Used by sources that can read into given memory; pieces of others are elsewhere.
   * @throws {TransientError} If the file has changed since it was opened, or the bytes do not match its length or checksum.
   */
  stream(target?: StreamTarget): AsyncIterable<Uint8Array<ArrayBuffer>>;
  /** Path of a local file that can be opened again; undefined for others. */
  readonly path?: string | undefined;
  /** Returns the bytes from `start` to `end`. @throws {TransientError} If the file has changed, or cannot be reached. */
  read(start: number, end: number): Promise<Uint8Array<ArrayBuffer>>;
}

/** What a thread needs to know to read a block; plain data. */
export type TextFormat =
  | { readonly kind: "json-lines" }
  | {
    readonly kind: "json-array";
    /** Names of the cells of each row in pandas' `split`; undefined if rows are objects. */
    readonly columns: readonly string[] | undefined;
  }
  | { readonly kind: "csv"; readonly header: CsvHeader };

/** A block of rows, for {@linkcode encodeBlock}. */
export type RowBlock =
  | (BytesBlock & { readonly format: TextFormat })
  | ColumnsBlock;

/** Rows of a file of columns. */
export interface ColumnsBlock {
  readonly format: ColumnFormat;
  /** Index of the block in the file. */
  readonly index: number;
}

/** A file whose format is known. Its blocks can be read once. Disposal removes what was copied. */
export interface RowFile extends AsyncDisposable {
  /** How the file is read, for the log; undefined where nothing had to be decided. */
  readonly remark: string | undefined;
  /** Lines before the first row. */
  readonly headerLines: number;
  /** Yields the blocks in order; the buffers go back to the pool after use. */
  blocks(pool: BufferPool): AsyncIterable<RowBlock>;
  /** Part of the file whose blocks have been read, from 0 to 1. */
  share(): number;
  /**
   * Returns the SHA-256 of the file's bytes, once all blocks have been used.
   *
   * @throws {TransientError} If the file has changed meanwhile, so that other bytes may have been used.
   */
  digest(): Promise<string>;
}

/** First bytes of a file that are looked at; a header of CSV must fit. */
export const headerBytes = 256 << 10;

/** Options of {@linkcode openRowFile}. */
export interface RowFileOptions {
  /** Names of the columns that are used: a CSV header has at least one of them. */
  readonly known?: ReadonlySet<string>;
  /** Names of the columns whose dates and times are read, as ISO 8601 texts. */
  readonly dates?: ReadonlySet<string>;
  /** Folder for a temporary copy of a file of columns that is compressed or not local. */
  readonly temporary: string;
}

/**
 * Opens a file of rows. Every byte is read and hashed once; a file of columns is
 * hashed first, because its bytes are not read in order afterwards.
 *
 * @throws {InputError} If the format is not supported; names it.
 */
export async function openRowFile(
  source: RowSource,
  options: RowFileOptions,
): Promise<RowFile> {
  const { uri: file } = source;
  const target: StreamTarget = { next: undefined };
  const hashed = hashedStream(source, target);
  let peeked = await peek(hashed, headerBytes);
  const compression = detectCompression(peeked.head);
  if (compression) {
    const plain = decompress(ReadableStream.from(peeked.stream), {
      compression,
      file,
    });
    peeked = await peek(plain, headerBytes);
  }
  const { head, stream, isWhole } = peeked;
  const format = detectFormat(head, { file, last: isWhole });
  const digest = async () => {
    await source.read(0, 0); // throws if the file was changed
    return hashed.digest();
  };
  if (format === "parquet" || format === "arrow") {
    const copy = compression || source.path === undefined
      ? await copyToTemporary(stream, options.temporary)
      : undefined;
    if (!copy) { for await (const _ of stream); }
    const path = copy?.path ?? source.path ?? "";
    let share = 0;
    return {
      digest,
      remark: undefined,
      headerLines: 0,
      share: () => share,
      async *blocks() {
        const { known, dates = [] } = options;
        const columnFormat = {
          kind: "columns",
          library: format,
          path,
          columns: known && [...known],
          dates: [...dates],
        } as const;
        const count = await countBlocks(source, columnFormat);
        for (let index = 0; index < count; index++) {
          share = (index + 1) / count;
          yield { format: columnFormat, index };
        }
      },
      [Symbol.asyncDispose]: async () => await copy?.[Symbol.asyncDispose](),
    };
  }
  const reader = toReader(head, { ...options, file, format, last: isWhole });
  const { cutter, header } = reader;
  return {
    digest,
    remark: header?.sentence,
    headerLines: header?.lines ?? 0,
    share: () => source.size === 0 ? 1 : hashed.count() / source.size,
    async *blocks(pool) {
      const options = compression ? { cutter, pool } : { cutter, pool, target };
      for await (const block of cutBlocks(stream, options)) {
        yield { ...block, format: reader.format() };
      }
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

/** Returns the number of a file's blocks. Nothing of the file is kept: of a large one, the footer alone takes 20 MB. */
async function countBlocks(
  source: RowSource,
  format: ColumnFormat,
): Promise<number> {
  await using files = new ColumnFiles(source.uri);
  const { blocks } = await files.open(format);
  return blocks.length;
}

/** Returns the bytes of a source, hashed and counted as they are read. */
function hashedStream(source: RowSource, target: StreamTarget) {
  const hash = createHash("sha256");
  let count = 0;
  return {
    /** Returns how many bytes were read. */
    count: () => count,
    digest: () => hash.copy().digest("hex"),
    async *[Symbol.asyncIterator]() {
      for await (const bytes of source.stream(target)) {
        hash.update(bytes);
        count += bytes.length;
        yield bytes;
      }
    },
  };
}

/** How the blocks of a file are cut and read. */
interface Reader {
  readonly cutter: Cutter;
  /** Returns the format, which is complete once a block has been cut. */
  readonly format: () => TextFormat;
  readonly header?: CsvHeader;
}

function toReader(
  head: Uint8Array,
  options: {
    file: string;
    format: "json-lines" | "json-array" | "json-split" | "csv";
    last: boolean;
    known?: ReadonlySet<string>;
  },
): Reader {
  const { file, format } = options;
  switch (format) {
    case "json-lines":
      return { cutter: cutLines({ file }), format: () => ({ kind: format }) };
    case "json-array":
    case "json-split": {
      const cutter = format === "json-array"
        ? cutArray({ file })
        : cutSplit({ file });
      return {
        cutter,
        format: () => ({ kind: "json-array", columns: cutter.columns }),
      };
    }
    case "csv": {
      const header = readCsvHeader(head, options);
      const cutter = cutCsv(header, { file });
      return { cutter, header, format: () => ({ kind: format, header }) };
    }
  }
}

/** Returns the first bytes of a stream, and the stream from its beginning. */
async function peek(
  bytes: AsyncIterable<Uint8Array>,
  size: number,
): Promise<{
  head: Uint8Array;
  stream: AsyncIterable<Uint8Array>;
  isWhole: boolean;
}> {
  const stream = bytes[Symbol.asyncIterator]();
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let length = 0;
  let isWhole = false;
  while (length < size && !isWhole) {
    const { done, value } = await stream.next();
    if (done) isWhole = true;
    else {
      chunks.push(new Uint8Array(value));
      length += value.length;
    }
  }
  const head = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    head.set(chunk, at);
    at += chunk.length;
  }
  return {
    head: head.subarray(0, size),
    isWhole,
    stream: (async function* () {
      yield* chunks.splice(0); // not kept: a piece of S3 has 8 MiB
      while (!isWhole) {
        const { done, value } = await stream.next();
        if (done) return;
        yield value;
      }
    })(),
  };
}

/** What a thread returns for a block. */
export interface EncodedRows extends EncodedBlock {
  /** Rows of the block, including those that were set aside. */
  readonly rowsRead: number;
  /** Lines of the block; 0 in formats without lines. */
  readonly linesRead: number;
}

/** Options of {@linkcode encodeBlock}. */
export interface EncodeOptions extends FeatureOptions {
  /** The files of columns of this thread. */
  readonly columnFiles: ColumnFiles;
  /** Called for a row that cannot be used; without it, such a row is thrown. */
  readonly onBadRow?: ((row: BadRow) => void) | undefined;
  /** Memory for the matrix, for a caller that is done with the one before. */
  readonly scratch?: Float32Array<ArrayBuffer> | undefined;
}

/**
 * Encodes the rows of one block. Rows and lines in errors are counted from the
 * block's first.
 *
 * @throws {RowError} If a row cannot be used.
 * @throws {InputError} If a file of columns is damaged, or a column of the model has values of another kind.
 */
export async function encodeBlock(
  block: RowBlock,
  options: EncodeOptions,
): Promise<EncodedRows> {
  if (!("buffer" in block)) return await encodeColumnsBlock(block, options);
  const encoder = new RowEncoder(options, options.scratch);
  const { format, buffer, start, end } = block;
  const bytes = buffer.subarray(start, end);
  let badRows = 0;
  const { onBadRow } = options;
  const setAside = onBadRow && ((row: BadRow) => {
    badRows++;
    onBadRow(row);
  });
  let linesRead = 0;
  if (format.kind === "json-lines") {
    linesRead = encodeJsonLines(bytes, encoder, { onBadRow: setAside });
  } else if (format.kind === "csv") {
    const { header } = format;
    linesRead = encodeCsv(bytes, encoder, { header, onBadRow: setAside });
  } else {
    encodeElements(bytes, encoder, {
      columns: format.columns,
      onBadRow: setAside,
    });
  }
  return { ...encoder.finish(), rowsRead: encoder.rows + badRows, linesRead };
}

async function encodeColumnsBlock(
  { format, index }: ColumnsBlock,
  options: EncodeOptions,
): Promise<EncodedRows> {
  const { columnFiles, file, onBadRow, scratch } = options;
  const columnFile = await columnFiles.open(format);
  const { rows } = columnFile.blocks[index]!;
  const source = {
    rows,
    names: columnFile.columns.map(({ name }) => name),
    read: (name: string) => columnFile.readColumn(index, name),
  };
  const fast = new RowEncoder(options, scratch);
  if (await encodeColumns(source, fast)) {
    return { ...fast.finish(), rowsRead: rows, linesRead: 0 };
  }
  const encoder = new RowEncoder(options, scratch);
  for (const name of source.names) {
    if (!encoder.known.has(name)) encoder.extra.add(name);
  }
  let row = 0;
  const names = source.names.filter((name) => encoder.known.has(name));
  for await (const value of recordsOf({ ...source, names })) {
    row++;
    try {
      encoder.add(value, { file, row });
    } catch (error) {
      if (!(error instanceof RowError) || !onBadRow) throw error;
      onBadRow({ error, row, text: undefined });
    }
  }
  return { ...encoder.finish(), rowsRead: rows, linesRead: 0 };
}
