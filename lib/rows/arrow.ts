/**
 * Reads Arrow's IPC format by columns: files (Feather version 2) and streams. Of
 * a batch of any size, only the buffers of the wanted columns are read; without
 * compression, only the wanted rows of them. There is no library behind it: those
 * that exist need whole batches in memory.
 */
import { toIsoTexts } from "./dates.ts";
import { zstdDecompressSync } from "node:zlib";
import { InputError, messageOf } from "../base/errors.ts";
import { free } from "../base/free.ts";
import {
  type ArrowBatch,
  type ArrowBuffer,
  type ArrowField,
  type ArrowMessage,
  type ArrowSchema,
  type ArrowType,
  readFooter,
  readMessage,
} from "./arrow-schema.ts";
import {
  type Cell,
  cellAt,
  type ColumnData,
  type ColumnFile,
  type ColumnFileOptions,
  damagedBy,
  type FileColumn,
  freePieces,
  type Piece,
  type RandomAccess,
  toColumn,
  toColumnFile,
  type Validity,
  type Values,
} from "./columns.ts";
import { decodeLz4Frame } from "./lz4.ts";
import {
  fromDecimal,
  fromFloat16,
  fromInt64,
  numbered,
  toUuids,
} from "./stored-values.ts";
import { checkTexts, type Texts } from "./texts.ts";

/** A batch of rows, or of values of a dictionary, and where the file has its buffers. */
interface StoredBatch {
  readonly batch: ArrowBatch;
  /** Position of the message's body. */
  readonly body: number;
}

/** Some values of a dictionary. */
interface DictionaryBatch extends StoredBatch {
  readonly id: number;
  /** Whether they are added to those before, or replace them. */
  readonly isDelta: boolean;
}

/** A batch of rows. */
interface RowBatch extends StoredBatch {
  /** Dictionary batches that it can refer to. */
  readonly dictionaries: number;
}

/** A column, and where it is in a batch. */
interface ArrowColumn extends FileColumn {
  readonly field: ArrowField;
  /** Index of its first node, its first buffer (views counted as two) and its first number of data buffers. */
  readonly node: number;
  readonly buffer: number;
  readonly variadic: number;
}

/** What a file holds. */
interface Contents {
  readonly schema: ArrowSchema;
  readonly dictionaries: DictionaryBatch[];
  readonly batches: RowBatch[];
}

/** Rows per block: most writers begin a batch after a power of two, of which this is a part. */
const batchRows = 1 << 15;

/**
 * Opens an Arrow file (Feather version 2) or stream, perhaps compressed with LZ4
 * or zstd by buffer. The row index that pandas stores as a column without a name
 * of its own is left out.
 *
 * @param access The file, which must stay open while columns are read.
 * @throws {InputError} If the file is Feather version 1, not Arrow, has two columns of one name, or is damaged. What is wrong in a column is an error of `readColumn`.
 */
export async function openArrow(
  access: RandomAccess,
  options: ColumnFileOptions,
): Promise<ColumnFile> {
  const { file, blockRows = batchRows } = options;
  const contents = await readContents(access, file);
  const { schema, batches } = contents;
  const reader = new ArrowReader(contents, { access, file });
  return toColumnFile({ ...options, blockRows }, {
    columns: toColumns(schema, { dates: new Set(options.dates) }),
    pandas: schema.pandas,
    groupRows: batches.map(({ batch }) => batch.rows),
    textBytes: (column, group) => textBytesOf(batches[group]!.batch, column),
    read: (column, { group, from, rows }) =>
      reader.read(column, { batch: group, from, to: from + rows }),
  });
}

/** Returns the columns with their places in a batch. */
function toColumns(
  { fields }: ArrowSchema,
  { dates }: { dates: ReadonlySet<string> },
): ArrowColumn[] {
  let node = 0;
  let buffer = 0;
  let variadic = 0;
  return fields.map((field) => {
    const { name, typeName: type } = field;
    const { kind } = field.type;
    const isUsable = kind === "time" ? dates.has(name) : kind !== "other";
    const column = { name, type, isUsable, field, node, buffer, variadic };
    node += field.nodes;
    buffer += field.buffers;
    variadic += field.variadic;
    return column;
  });
}

/** Zstd and LZ4 rarely make texts smaller than a fourth. */
const textRatio = 4;

/** Bytes of the texts of a column in a batch, 0 for other columns and those with a dictionary; an estimate if they are compressed. */
function textBytesOf(batch: ArrowBatch, column: ArrowColumn): number {
  const { dictionary, type: { kind } } = column.field;
  if (dictionary || kind !== "text" && kind !== "view") return 0;
  const first = firstBuffer(batch, column);
  const count = kind === "view" ? batch.variadic[column.variadic] ?? 0 : 1;
  const stored = batch.buffers.slice(first + 2, first + 2 + count)
    .reduce((sum, { length }) => sum + length, 0);
  return batch.codec ? stored * textRatio : stored;
}

/** Index of the first buffer of a column in a batch. */
function firstBuffer({ variadic }: ArrowBatch, column: ArrowColumn): number {
  return column.buffer + variadic.slice(0, column.variadic)
    .reduce((sum, count) => sum + count, 0);
}

const fileMagic = "ARROW1";

async function readContents(
  access: RandomAccess,
  file: string,
): Promise<Contents> {
  const head = await access.read(0, Math.min(8, access.size));
  const start = String.fromCharCode(...head);
  if (start.startsWith("FEA1")) {
    throw new InputError(
      `Cannot read ${file}: this is a Feather file of version 1; write version 2, for example with pandas.DataFrame.to_feather`,
    );
  }
  try {
    return start.startsWith(fileMagic)
      ? await readFile(access)
      : await readStream(access);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw damagedBy(messageOf(error), file);
  }
}

/** Reads the footer of a file and the metadata of all its messages. */
async function readFile(access: RandomAccess): Promise<Contents> {
  const { size } = access;
  const tailBytes = fileMagic.length + 4;
  if (size < 8 + tailBytes) throw new RangeError(`it ends after ${size} bytes`);
  const tail = await access.read(size - tailBytes, size);
  if (String.fromCharCode(...tail.subarray(4)) !== fileMagic) {
    throw new RangeError(
      `it does not end with ${fileMagic}, so it is not complete`,
    );
  }
  const length = new DataView(tail.buffer, tail.byteOffset).getInt32(0, true);
  const end = size - tailBytes;
  if (length <= 0 || length > end) {
    throw new RangeError("the size of its footer");
  }
  const { schema, dictionaries, batches } = readFooter(
    await access.read(end - length, end),
  );
  const contents: Contents = { schema, dictionaries: [], batches: [] };
  // A file's dictionaries only grow, so all of them may be read first.
  for (const place of dictionaries) {
    addBatch(contents, await readAt(access, place));
  }
  if (contents.batches.length > 0) {
    throw new RangeError("its footer does not point to a dictionary");
  }
  for (const place of batches) addBatch(contents, await readAt(access, place));
  if (
    contents.dictionaries.length !== dictionaries.length ||
    contents.batches.length !== batches.length
  ) throw new RangeError("its footer does not point to its batches");
  return contents;
}

/** Reads the metadata of all messages of a stream. */
async function readStream(access: RandomAccess): Promise<Contents> {
  let contents: Contents | undefined;
  let offset = 0;
  for (;;) {
    const found = await readNext(access, offset);
    if (found?.message.kind === "schema") {
      if (contents) throw new RangeError("it has two schemas");
      const { schema } = found.message;
      contents = { schema, dictionaries: [], batches: [] };
    }
    if (!contents) throw new RangeError("it has no schema");
    if (!found) return contents;
    addBatch(contents, found);
    offset = found.body + found.message.bodyBytes;
  }
}

/** Adds the batch of a message, if it has one. */
function addBatch(
  { dictionaries, batches }: Contents,
  { message, body }: FoundMessage,
): void {
  if (message.kind === "dictionary") {
    const { id, isDelta, batch } = message;
    dictionaries.push({ id, isDelta, batch, body });
  } else if (message.kind === "rows") {
    const { batch } = message;
    batches.push({ batch, body, dictionaries: dictionaries.length });
  }
}

interface FoundMessage {
  readonly message: ArrowMessage;
  /** Position of its body. */
  readonly body: number;
}

/** Returns the message of a stream at a position; undefined at the end of the stream. */
async function readNext(
  access: RandomAccess,
  offset: number,
): Promise<FoundMessage | undefined> {
  if (offset + 8 > access.size) {
    throw new RangeError("it has no end-of-stream mark, so it is not complete");
  }
  const head = await access.read(offset, offset + 8);
  const view = new DataView(head.buffer, head.byteOffset);
  const first = view.getInt32(0, true);
  // Before version 0.15 of Arrow, no mark stood before the length.
  const prefix = first === -1 ? 8 : 4;
  const length = first === -1 ? view.getInt32(4, true) : first;
  if (length === 0) {
    if (offset + prefix < access.size) {
      throw new RangeError("other bytes follow its end");
    }
    return undefined;
  }
  return await readAt(access, { offset, metadataBytes: prefix + length });
}

/** Reads the metadata of a message, with the mark and the length before it. */
async function readAt(
  access: RandomAccess,
  { offset, metadataBytes }: { offset: number; metadataBytes: number },
): Promise<FoundMessage> {
  const body = offset + metadataBytes;
  if (!(offset >= 0 && metadataBytes > 8 && body <= access.size)) {
    throw new RangeError(`the message at byte ${offset} ends early`);
  }
  const bytes = await access.read(offset, body);
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const prefix = view.getInt32(0, true) === -1 ? 8 : 4;
  const message = readMessage(bytes.subarray(prefix));
  if (body + message.bodyBytes > access.size) {
    throw new RangeError(`the message at byte ${offset} ends early`);
  }
  return { message, body };
}

/** Which rows of a batch are read. */
interface PieceOptions {
  readonly column: ArrowColumn;
  readonly from: number;
  readonly to: number;
  /** Collects arrays that may be freed afterwards. */
  readonly others: Uint8Array[];
}

/** The values of a boolean column. */
const booleans = [false, true] as const;

/** Reads columns of batches, and keeps the dictionaries that the last batch uses. */
class ArrowReader {
  readonly #contents: Contents;
  readonly #options: { readonly access: RandomAccess; readonly file: string };
  /** Values of dictionaries, by id, after a number of batches for it. */
  readonly #labels = new Map<
    number,
    { readonly batches: number; readonly labels: Promise<readonly Cell[]> }
  >();

  constructor(
    contents: Contents,
    options: { access: RandomAccess; file: string },
  ) {
    this.#contents = contents;
    this.#options = options;
  }

  async read(
    column: ArrowColumn,
    { batch: index, from, to }: { batch: number; from: number; to: number },
  ): Promise<ColumnData> {
    const { name, field } = column;
    try {
      const stored = this.#contents.batches[index]!;
      const others: Uint8Array[] = [];
      const options = { column, from, to, others };
      const piece = await this.#readPiece(stored, options);
      const labels = field.dictionary && await this.#dictionary(field, stored);
      const pieces = [labels ? withLabels(piece, labels) : piece];
      const data = toColumn(name, pieces);
      freePieces(pieces, { column: data, others });
      return data;
    } catch (error) {
      if (error instanceof InputError || !(error instanceof Error)) throw error;
      if (!isDecodingError(error)) throw error;
      const where = `${this.#options.file}, batch ${
        index + 1
      }, column "${name}"`;
      throw damagedBy(messageOf(error), where);
    }
  }

  /** Returns the values of a column's dictionary as they are for a batch. */
  #dictionary(
    field: ArrowField,
    { dictionaries }: RowBatch,
  ): Promise<readonly Cell[]> {
    const id = field.dictionary!.id;
    const own = this.#contents.dictionaries.slice(0, dictionaries)
      .filter((batch) => batch.id === id);
    const known = this.#labels.get(id);
    if (known?.batches === own.length) return known.labels;
    const labels = this.#readDictionary(field, own);
    labels.catch(() => this.#labels.delete(id));
    this.#labels.set(id, { batches: own.length, labels });
    return labels;
  }

  async #readDictionary(
    field: ArrowField,
    batches: readonly DictionaryBatch[],
  ): Promise<readonly Cell[]> {
    const first = batches.findLastIndex(({ isDelta }) => !isDelta);
    if (first < 0) throw new RangeError("it has no dictionary");
    const column = {
      name: field.name,
      type: field.typeName,
      isUsable: true,
      field: { ...field, dictionary: undefined },
      node: 0,
      buffer: 0,
      variadic: 0,
    };
    const cells: Cell[] = [];
    for (const stored of batches.slice(first)) {
      const { rows } = stored.batch;
      const others: Uint8Array[] = [];
      const options = { column, from: 0, to: rows, others };
      const piece = await this.#readPiece(stored, options);
      const data = toColumn(field.name, [piece]);
      for (let row = 0; row < rows; row++) cells.push(cellAt(data, row));
      freePieces([piece], { column: data, others });
    }
    return cells;
  }

  /** Reads rows of a batch; of a column with a dictionary, its indices. */
  async #readPiece(
    { batch, body }: StoredBatch,
    { column, from, to, others }: PieceOptions,
  ): Promise<Piece> {
    const { field, node: index } = column;
    const type = field.dictionary?.index ?? field.type;
    const rows = to - from;
    const node = batch.nodes[index];
    if (node === undefined || node.rows !== batch.rows) {
      throw new RangeError(
        `expected ${batch.rows} rows, found ${node?.rows ?? "none"}`,
      );
    }
    if (type.kind === "null") {
      const values = new Float32Array(0);
      return { rows, values, validity: new Uint8Array(rows) };
    }
    const first = firstBuffer(batch, column);
    const read: ReadBuffer = async (offset, start, end) => {
      const buffer = batch.buffers[first + offset];
      if (!buffer) throw new RangeError("it has too few buffers");
      const place = { ...buffer, offset: body + buffer.offset };
      const bytes = await this.#readBuffer(place, { ...batch, start, end });
      others.push(bytes);
      return bytes;
    };
    const validity = node.missing > 0
      ? toBits(await read(0, from >> 3, (to + 7) >> 3), from & 7, rows)
      : undefined;
    if (rows === 0) return { rows, values: [], validity };
    const labels = type.kind === "boolean" ? booleans : undefined;
    const data = batch.variadic[column.variadic] ?? 0;
    const values = await readValues(read, { type, from, to, validity, data });
    return { rows, values, validity, labels };
  }

  /** Returns bytes of a buffer without its compression. */
  async #readBuffer(
    { offset, length }: ArrowBuffer,
    { codec, start, end }: {
      codec: ArrowBatch["codec"];
      start: number;
      end: number | undefined;
    },
  ): Promise<Uint8Array> {
    const { access } = this.#options;
    if (codec === undefined || length === 0) {
      const last = end ?? length;
      if (last > length) throw new RangeError("its buffers end early");
      return await access.read(offset + start, offset + last);
    }
    const stored = await access.read(offset, offset + length);
    const bytes = decompressBuffer(stored, codec);
    if (bytes.buffer !== stored.buffer) free(stored);
    const last = end ?? bytes.length;
    if (last > bytes.length) throw new RangeError("its buffers end early");
    return bytes.subarray(start, last);
  }
}

/** Returns bytes of the buffer that stands so many after the first one of a column; to its end without an `end`. */
type ReadBuffer = (
  offset: number,
  start: number,
  end?: number,
) => Promise<Uint8Array>;

/** Tells the errors of FlatBuffers, typed arrays and codecs at damaged bytes from those of reading the file. */
function isDecodingError(error: Error): boolean {
  return error instanceof RangeError || error instanceof TypeError ||
    /zstd/i.test(error.message);
}

/** A buffer is its size, or -1 if it was not worth compressing, and its bytes. */
function decompressBuffer(
  stored: Uint8Array,
  codec: "lz4" | "zstd",
): Uint8Array {
  const view = new DataView(
    stored.buffer,
    stored.byteOffset,
    stored.byteLength,
  );
  const size = Number(view.getBigInt64(0, true));
  const bytes = stored.subarray(8);
  if (size === -1) return bytes;
  if (!(size >= 0 && size < 2 ** 32)) throw new RangeError(`a size of ${size}`);
  if (size === 0) return new Uint8Array(0);
  if (codec === "lz4") return decodeLz4Frame(bytes, size);
  const chunkSize = Math.max(size, 64);
  const limit = { maxOutputLength: chunkSize, chunkSize };
  const output = zstdDecompressSync(bytes, limit);
  if (output.length !== size) {
    throw new RangeError(`expected ${size} bytes, found ${output.length}`);
  }
  return output;
}

/** Replaces the indices of a dictionary by codes of its values. */
function withLabels(piece: Piece, labels: readonly Cell[]): Piece {
  const { values } = piece;
  if ("starts" in values) throw new RangeError("strings are no indices");
  const codes = new Int32Array(values.length);
  let next = 0;
  for (const code of values) {
    if (typeof code !== "number" || code < 0 || code >= labels.length) {
      throw new RangeError(`value ${code} of a dictionary of ${labels.length}`);
    }
    codes[next++] = code;
  }
  return { ...piece, values: codes, labels };
}

/** Returns bits as bytes of 0 and 1. */
function toBits(bytes: Uint8Array, from: number, count: number): Uint8Array {
  const bits = new Uint8Array(count);
  for (let index = 0, at = from; index < count; index++, at++) {
    bits[index] = bytes[at >> 3]! >> (at & 7) & 1;
  }
  return bits;
}

/** Which values of a column are read. */
interface ValueRange {
  readonly from: number;
  readonly to: number;
  readonly validity: Validity;
  /** Number of data buffers of a column of views. */
  readonly data: number;
}

/** Reads the values of those rows that have one. */
async function readValues(
  read: ReadBuffer,
  options: ValueRange & { readonly type: ArrowType },
): Promise<Values> {
  const { type, from, to, validity } = options;
  switch (type.kind) {
    case "boolean": {
      const bytes = await read(1, from >> 3, (to + 7) >> 3);
      const bits = toBits(bytes, from & 7, to - from);
      return Int32Array.from(
        validity ? withoutMissing(bits, { width: 1, validity }) : bits,
      );
    }
    case "text":
      return await readTexts(read, { ...options, bytes: type.bits / 8 });
    case "view":
      return await readViews(read, options);
    case "integer":
    case "float":
    case "decimal":
    case "time":
    case "uuid": {
      const width = type.kind === "uuid" ? 16 : type.bits / 8;
      const all = aligned(await read(1, from * width, to * width));
      const bytes = validity ? withoutMissing(all, { width, validity }) : all;
      return toValues(bytes, type);
    }
    default:
      throw new RangeError("its type is not supported");
  }
}

/** Returns bytes at a position where typed arrays of any kind may begin. */
function aligned(bytes: Uint8Array): Uint8Array {
  return bytes.byteOffset % 8 === 0 ? bytes : new Uint8Array(bytes);
}

/** Returns the bytes of those rows that have a value. */
function withoutMissing(
  bytes: Uint8Array,
  { width, validity }: { width: number; validity: Uint8Array },
): Uint8Array {
  const { buffer, byteOffset, length } = bytes;
  const units = width % 4 === 0
    ? new Uint32Array(buffer, byteOffset, length / 4)
    : width === 2
    ? new Uint16Array(buffer, byteOffset, length / 2)
    : bytes;
  const unitsPerRow = width / units.BYTES_PER_ELEMENT;
  const kept = units.slice();
  let next = 0;
  for (let row = 0; row < validity.length; row++) {
    if (validity[row] === 0) continue;
    for (let unit = 0; unit < unitsPerRow; unit++) {
      kept[next++] = units[row * unitsPerRow + unit]!;
    }
  }
  return new Uint8Array(
    kept.buffer,
    kept.byteOffset,
    next * units.BYTES_PER_ELEMENT,
  );
}

/** Converts values of fixed width. */
function toValues(
  bytes: Uint8Array,
  type: ArrowType & { kind: "integer" | "float" | "decimal" | "time" | "uuid" },
): Values {
  const { buffer, byteOffset, length } = bytes;
  switch (type.kind) {
    case "uuid":
      return toUuids(bytes);
    case "time":
      return toIsoTexts(
        type.bits === 32
          ? new Int32Array(buffer, byteOffset, length / 4)
          : new BigInt64Array(buffer, byteOffset, length / 8),
        type.time,
      );
    case "float":
      if (type.bits === 64) {
        return new Float64Array(buffer, byteOffset, length / 8);
      }
      if (type.bits === 32) {
        return new Float32Array(buffer, byteOffset, length / 4);
      }
      return fromFloat16(bytes);
    case "decimal":
      return toDecimals(bytes, type);
    case "integer": {
      const { bits, isSigned } = type;
      if (bits === 64) {
        const integers = new BigInt64Array(buffer, byteOffset, length / 8);
        return fromInt64(integers, isSigned);
      }
      if (bits === 32) {
        return isSigned
          ? new Int32Array(buffer, byteOffset, length / 4)
          : Float64Array.from(new Uint32Array(buffer, byteOffset, length / 4));
      }
      if (bits === 16) {
        return Int32Array.from(
          isSigned
            ? new Int16Array(buffer, byteOffset, length / 2)
            : new Uint16Array(buffer, byteOffset, length / 2),
        );
      }
      return Int32Array.from(
        isSigned ? new Int8Array(buffer, byteOffset, length) : bytes,
      );
    }
  }
}

/** Converts decimals: little-endian two's complement. */
function toDecimals(
  bytes: Uint8Array,
  { bits, scale }: { bits: number; scale: number },
): Values {
  const { buffer, byteOffset, length } = bytes;
  if (bits === 32) {
    const integers = new Int32Array(buffer, byteOffset, length / 4);
    return numbered(Array.from(integers, (v) => fromDecimal(BigInt(v), scale)));
  }
  const words = new BigInt64Array(buffer, byteOffset, length / 8);
  const wordsPerRow = bits / 64;
  return numbered(
    Array.from({ length: words.length / wordsPerRow }, (_, row) => {
      const last = (row + 1) * wordsPerRow - 1;
      let value = words[last]!;
      for (let word = last - 1; word >= row * wordsPerRow; word--) {
        value = value << 64n | BigInt.asUintN(64, words[word]!);
      }
      return fromDecimal(value, scale);
    }),
  );
}

/** Reads texts between offsets. */
async function readTexts(
  read: ReadBuffer,
  { bytes: width, from, to, validity }: ValueRange & {
    /** Bytes of an offset. */
    readonly bytes: number;
  },
): Promise<Texts> {
  const stored = aligned(await read(1, from * width, (to + 1) * width));
  const { buffer, byteOffset, length } = stored;
  const offsets = width === 4
    ? Float64Array.from(new Int32Array(buffer, byteOffset, length / 4))
    : Float64Array.from(
      new BigInt64Array(buffer, byteOffset, length / 8),
      Number,
    );
  const first = offsets[0]!;
  const isRising = first >= 0 &&
    offsets.every((offset, index) =>
      index === 0 || offset >= offsets[index - 1]!
    );
  if (!isRising) throw new RangeError("the positions of its strings");
  const data = await read(2, first, offsets[to - from]!);
  const texts = textsOf(data, { rows: to - from, validity });
  let next = 0;
  for (let row = 0; row < to - from; row++) {
    if (validity?.[row] === 0) continue;
    texts.starts[next] = offsets[row]! - first;
    texts.ends[next++] = offsets[row + 1]! - first;
  }
  checkTexts(texts);
  return texts;
}

/** Returns texts whose positions are not known yet. */
function textsOf(
  bytes: Uint8Array,
  { rows, validity }: { rows: number; validity: Validity },
): Texts {
  const count = validity?.reduce((sum, valid) => sum + valid, 0) ?? rows;
  return { bytes, starts: new Int32Array(count), ends: new Int32Array(count) };
}

/** Texts up to this many bytes stand in their view. */
const inlineBytes = 12;

/** Reads texts from views: a length, and the text or where it is. */
async function readViews(
  read: ReadBuffer,
  { from, to, validity, data }: ValueRange,
): Promise<Texts> {
  const views = await read(1, from * 16, to * 16);
  const view = new DataView(views.buffer, views.byteOffset, views.byteLength);
  const buffers = new Map<number, Uint8Array>();
  let size = 0;
  for (let row = 0; row < to - from; row++) {
    if (validity?.[row] === 0) continue;
    const length = view.getInt32(row * 16, true);
    if (length < 0) throw new RangeError("the length of a string");
    size += length;
    if (length <= inlineBytes) continue;
    const index = view.getInt32(row * 16 + 8, true);
    const start = view.getInt32(row * 16 + 12, true);
    let bytes = buffers.get(index);
    if (bytes === undefined) {
      if (!(index >= 0 && index < data)) {
        throw new RangeError(`no data ${index}`);
      }
      bytes = await read(2 + index, 0);
      buffers.set(index, bytes);
    }
    if (!(start >= 0 && start + length <= bytes.length)) {
      throw new RangeError("the position of a string");
    }
  }
  const texts = textsOf(new Uint8Array(size), { rows: to - from, validity });
  let at = 0;
  let next = 0;
  for (let row = 0; row < to - from; row++) {
    if (validity?.[row] === 0) continue;
    const length = view.getInt32(row * 16, true);
    const source = length <= inlineBytes
      ? views
      : buffers.get(view.getInt32(row * 16 + 8, true))!;
    const start = length <= inlineBytes
      ? row * 16 + 4
      : view.getInt32(row * 16 + 12, true);
    texts.bytes.set(source.subarray(start, start + length), at);
    texts.starts[next] = at;
    at += length;
    texts.ends[next++] = at;
  }
  checkTexts(texts);
  return texts;
}
