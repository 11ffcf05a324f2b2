/** Opens a file of rows of any format: detects the format from the content and yields blocks of whole rows. */
import { decompress } from "./compression.ts";
import { detectCompression, detectFormat } from "./detect.ts";
import { createHash } from "node:crypto";
import { InputError } from "../base/errors.ts";
import { BufferPool, type BytesBlock, cutBlocks } from "./blocks.ts";
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
import type { BadRow } from "./row-error.ts";

/** The bytes of a file: a stored file, or anything that can be read twice. */
export interface RowSource {
  /** The name in errors. */
  readonly uri: string;
  /** Bytes. */
  readonly size: number;
  /** Yields all bytes in order; each call begins again. A piece is only valid until the next one is asked for. */
  stream(): AsyncIterable<Uint8Array<ArrayBuffer>>;
}

/** What a thread needs to know to read a block; plain data. */
export type BlockFormat =
  | { readonly kind: "json-lines" }
  | {
    readonly kind: "json-array";
    /** Names of the cells of each row in pandas' `split`; undefined if rows are objects. */
    readonly columns: readonly string[] | undefined;
  }
  | { readonly kind: "csv"; readonly header: CsvHeader };

/** A block of rows and the number of its first row, if that is known before the blocks before it are read. */
export interface RowBlock extends BytesBlock {
  readonly format: BlockFormat;
}

/** A file whose format is known. Its blocks can be read once. */
export interface RowFile {
  readonly uri: string;
  /** How the file is read, for the log; undefined where nothing had to be decided. */
  readonly remark: string | undefined;
  /** Lines before the first row. */
  readonly headerLines: number;
  /** Yields the blocks in order; the buffers go back to the pool after use. */
  blocks(pool: BufferPool): AsyncIterable<RowBlock>;
  /** SHA-256 of the file's bytes; complete when all blocks have been read. */
  digest(): string;
}

/** First bytes of a file that are looked at; a header of CSV must fit. */
const headerBytes = 256 << 10;

/**
 * Opens a file of rows. Every byte is read and hashed once.
 *
 * @param options `known`: names of columns, of which a CSV header has at least one.
 * @throws {InputError} If the format is not supported; names it.
 */
export async function openRowFile(
  source: RowSource,
  options: { known?: ReadonlySet<string> } = {},
): Promise<RowFile> {
  const { uri: file } = source;
  const hash = createHash("sha256");
  let peeked = await peek(hashed(source, hash), headerBytes);
  const compression = detectCompression(peeked.head);
  if (compression) {
    const plain = decompress(ReadableStream.from(peeked.stream), {
      compression,
      file,
    });
    peeked = await peek(plain, headerBytes);
  }
  const { head, stream, isWhole } = peeked;
  const { format, cutter, remark, headerLines } = toReader(head, {
    ...options,
    file,
    last: isWhole,
  });
  return {
    uri: file,
    remark,
    headerLines,
    digest: () => hash.copy().digest("hex"),
    async *blocks(pool) {
      for await (const block of cutBlocks(stream, { cutter, pool })) {
        yield { ...block, format: format() };
      }
    },
  };
}

/** How the blocks of a file are cut and read. */
interface Reader {
  readonly cutter: Cutter;
  /** Returns the format, which is complete once a block has been cut. */
  readonly format: () => BlockFormat;
  readonly remark: string | undefined;
  readonly headerLines: number;
}

function toReader(
  head: Uint8Array,
  options: { file: string; last: boolean; known?: ReadonlySet<string> },
): Reader {
  const { file } = options;
  const none = { remark: undefined, headerLines: 0 };
  const format = detectFormat(head, options);
  switch (format) {
    case "json-lines":
      return {
        ...none,
        cutter: cutLines({ file }),
        format: () => ({ kind: "json-lines" }),
      };
    case "json-array":
    case "json-split": {
      const cutter = format === "json-array"
        ? cutArray({ file })
        : cutSplit({ file });
      return {
        ...none,
        cutter,
        format: () => ({ kind: "json-array", columns: cutter.columns }),
      };
    }
    case "csv": {
      const header = readCsvHeader(head, options);
      return {
        cutter: cutCsv(header, { file }),
        format: () => ({ kind: "csv", header }),
        remark: header.sentence,
        headerLines: header.lines,
      };
    }
    default:
      throw new InputError(`Cannot read ${file}: ${format} is not read yet`);
  }
}

async function* hashed(
  source: RowSource,
  hash: { update(bytes: Uint8Array): unknown },
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  for await (const bytes of source.stream()) {
    hash.update(bytes);
    yield bytes;
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
  const chunks: Uint8Array[] = [];
  let length = 0;
  let isWhole = false;
  while (length < size && !isWhole) {
    const { done, value } = await stream.next();
    if (done) isWhole = true;
    else {
      chunks.push(value.slice());
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
      yield* chunks;
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

/**
 * Encodes the rows of one block. Rows and lines in errors are counted from the
 * block's first.
 *
 * @param options `onBadRow`: called for a row that cannot be used; without it, such a row is thrown; `scratch`: memory for the matrix, for a caller that is done with the one before.
 * @throws {RowError} If a row cannot be used.
 */
export function encodeBlock(
  { format, buffer, start, end }: RowBlock,
  options: FeatureOptions & {
    onBadRow?: ((row: BadRow) => void) | undefined;
    scratch?: Float32Array<ArrayBuffer> | undefined;
  },
): EncodedRows {
  const encoder = new RowEncoder(options, options.scratch);
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
