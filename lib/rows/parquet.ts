/**
 * Reads Parquet by columns. Of a row group of any size, only the pages of the
 * wanted rows and columns are read and decoded. The only module that imports
 * `npm:hyparquet`, which reads the footer and the headers of pages and undoes
 * Snappy and DELTA_BINARY_PACKED.
 */
import { dayUnit, type StoredTime } from "./dates.ts";
import { Buffer } from "node:buffer";
import {
  brotliDecompressSync,
  crc32,
  gunzipSync,
  zstdDecompressSync,
} from "node:zlib";
import type {
  ColumnChunk,
  FileMetaData,
  PageHeader,
  SchemaElement,
  SchemaTree,
} from "hyparquet";
import { InputError, messageOf } from "../base/errors.ts";
import { free } from "../base/free.ts";
import { readMessage } from "./arrow-schema.ts";
import {
  type ColumnData,
  type ColumnFile,
  type ColumnFileOptions,
  damagedBy,
  type FileColumn,
  freePieces,
  isTexts,
  type Numbers,
  type Piece,
  type RandomAccess,
  toColumn,
  toColumnFile,
  type Values,
} from "./columns.ts";
import { decodeLz4Block } from "./lz4.ts";
import {
  decodeHybrid,
  decodeValidity,
  decodeValues,
  type EncodedValues,
  type Meaning,
  type ValueType,
} from "./parquet-values.ts";
import { type Texts, toStrings } from "./texts.ts";

/** Loads hyparquet, which JSON and CSV do not need. */
async function loadLibrary() {
  const [{ parquetMetadata, parquetSchema, snappyUncompress }, column, delta] =
    await Promise.all([
      import("hyparquet"),
      import("hyparquet/src/column.js"),
      import("hyparquet/src/delta.js"),
    ]);
  return {
    parquetMetadata,
    parquetSchema,
    snappyUncompress,
    readPageHeader: column.parquetHeader,
    unpackDeltas: delta.deltaBinaryUnpack,
  };
}

type Library = Awaited<ReturnType<typeof loadLibrary>>;

/** A column, and how to read it. */
interface ParquetColumn extends FileColumn {
  /** Position among the column chunks of a row group; of a nested column, of its first one. */
  readonly chunk: number;
  /** Undefined if the column is not usable. */
  readonly values: ValueType | undefined;
  /** Whether rows may lack a value. */
  readonly isOptional: boolean;
}

/** Rows of a page, of most writers: pages that one block needs are decoded once. */
const pageRows = 20_000;

/**
 * Opens a Parquet file. Every codec but LZO is read, data pages of versions 1 and
 * 2 in every encoding, and checksums of pages are verified where they are
 * written. The row index that pandas stores as a column without a name of its own
 * is left out.
 *
 * @param access The file, which must stay open while columns are read.
 * @throws {InputError} If the file is not Parquet, is encrypted, has two columns of one name, or is damaged. What is wrong in a page is an error of `readColumn`.
 */
export async function openParquet(
  access: RandomAccess,
  options: ColumnFileOptions,
): Promise<ColumnFile> {
  const { file, blockRows = pageRows } = options;
  const library = await loadLibrary();
  const metadata = await readFooter(access, { file, library });
  const damaged = (reason: string) => damagedBy(reason, file);
  const { row_groups: groups } = metadata;
  const groupRows = groups.map(({ num_rows }) => Number(num_rows));
  const sum = groupRows.reduce((total, rows) => total + rows, 0);
  if (
    Number(metadata.num_rows) !== sum ||
    groupRows.some((rows) => !(rows >= 0 && rows < 2 ** 31))
  ) {
    throw damaged(
      `its footer counts ${metadata.num_rows} rows, its row groups ${sum}`,
    );
  }
  const { columns, chunks } = toColumns(library.parquetSchema(metadata), {
    dates: new Set(options.dates),
  });
  for (const [index, { columns: { length } }] of groups.entries()) {
    if (length === chunks) continue;
    throw damaged(
      `row group ${index + 1} has ${length} columns, its schema ${chunks}`,
    );
  }
  const durations = durationsOf(metadata);
  /** The column chunks of the row group that was read last. */
  let current: { group: number; readers: Map<string, ChunkReader> } | undefined;

  const readerOf = (column: ParquetColumn, group: number): ChunkReader => {
    if (current?.group !== group) current = { group, readers: new Map() };
    const { name, chunk } = column;
    const known = current.readers.get(name);
    if (known) return known;
    const reader = new ChunkReader(groups[group]!.columns[chunk]!, {
      access,
      library,
      column,
      rows: groupRows[group]!,
      where: `${file}, row group ${group + 1}, column "${name}"`,
    });
    current.readers.set(name, reader);
    return reader;
  };
  return toColumnFile({ ...options, blockRows }, {
    columns: columns.map((column) =>
      durations.includes(column.name)
        ? { ...column, type: "duration", isUsable: false }
        : column
    ),
    pandas: textOf(metadata, "pandas"),
    groupRows,
    textBytes: ({ values, chunk }, group) => {
      if (values?.meaning !== "text") return 0;
      const { meta_data: data } = groups[group]!.columns[chunk]!;
      return Number(data?.total_uncompressed_size ?? 0);
    },
    read: (column, { group, from, rows }) =>
      readerOf(column, group).read(from, from + rows),
  });
}

/** Bytes at the end of a file that are read at once. */
const tailBytes = 2 ** 16;

async function readFooter(
  access: RandomAccess,
  { file, library }: { file: string; library: Library },
): Promise<FileMetaData> {
  const { size } = access;
  if (size < 12) throw damagedBy(`it ends after ${size} bytes`, file);
  let tail = await access.read(Math.max(0, size - tailBytes), size);
  const magic = String.fromCharCode(...tail.subarray(-4));
  if (magic === "PARE") {
    throw new InputError(
      `Cannot read ${file}: it is an encrypted Parquet file; write it without encryption`,
    );
  }
  if (magic !== "PAR1") {
    throw damagedBy("it does not end with PAR1, so it is not complete", file);
  }
  const length = new DataView(tail.buffer, tail.byteOffset).getUint32(
    tail.length - 8,
    true,
  );
  if (length > size - 12) throw damagedBy("the size of its footer", file);
  if (length + 8 > tail.length) {
    tail = await access.read(size - length - 8, size);
  }
  try {
    // Geography would change the types of columns.
    return library.parquetMetadata(tail, { geoparquet: false });
  } catch (error) {
    throw damagedBy(`its footer: ${messageOf(error)}`, file);
  }
}

/** Returns the columns of a file, and how many column chunks each of its row groups has. */
function toColumns(
  schema: SchemaTree,
  { dates }: { dates: ReadonlySet<string> },
): { columns: ParquetColumn[]; chunks: number } {
  let chunks = 0;
  const leaves = (node: SchemaTree): number =>
    node.children.length === 0
      ? 1
      : node.children.reduce((sum, child) => sum + leaves(child), 0);
  const columns = schema.children.map((node) => {
    const chunk = chunks;
    chunks += leaves(node);
    const { name, repetition_type: repetition } = node.element;
    const nested = nestedType(node);
    const [type, values] = nested === undefined
      ? toType(node.element)
      : [nested, undefined];
    return {
      name,
      type,
      values,
      isUsable: values !== undefined &&
        (values.meaning !== "time" || dates.has(name)),
      isOptional: repetition === "OPTIONAL",
      chunk,
    };
  });
  return { columns, chunks };
}

/** Returns the name of a nested type; undefined for columns of single values. */
function nestedType({ element, children }: SchemaTree): string | undefined {
  const { converted_type: converted, logical_type: logical } = element;
  const name = (logical?.type ?? converted)?.toLowerCase();
  if (children.length > 0) {
    return name === "map_key_value" ? "map" : name ?? "struct";
  }
  return element.repetition_type === "REPEATED" ? "list" : undefined;
}

/** Returns the name of a column's type, and how its values are written if they are usable. */
function toType(
  element: SchemaElement,
): [string, ValueType | undefined] {
  const {
    type: physical,
    type_length: width = 0,
    converted_type: converted,
    logical_type: logical,
    scale = 0,
    precision = 0,
  } = element;
  if (physical === undefined) return ["unknown", undefined];
  const kind = logical?.type;
  const usable = (
    name: string,
    meaning: Meaning,
    time?: StoredTime,
  ): [string, ValueType] => [name, {
    physical,
    width: physical === "FIXED_LEN_BYTE_ARRAY" ? width : 0,
    meaning,
    scale: meaning === "decimal" ? scale : 0,
    time,
  }];
  const isInteger = physical === "INT32" || physical === "INT64";
  const isBytes = physical === "BYTE_ARRAY" ||
    physical === "FIXED_LEN_BYTE_ARRAY" && width > 0;
  const isDecimal = kind === "DECIMAL" || converted === "DECIMAL";
  if (kind === "NULL") return usable("null", "null");
  if (isDecimal && (isInteger || isBytes)) {
    return usable(`decimal(${precision},${scale})`, "decimal");
  }
  if (physical === "INT96") return ["timestamp", undefined];
  if (physical === "BOOLEAN") return usable("boolean", "boolean");
  if (physical === "FLOAT") return usable("float", "float");
  if (physical === "DOUBLE") return usable("double", "float");
  if (!isInteger) {
    const isText = physical === "BYTE_ARRAY" &&
      (kind === "STRING" || kind === "ENUM" ||
        converted === "UTF8" || converted === "ENUM");
    const isFixed = physical === "FIXED_LEN_BYTE_ARRAY";
    if (isText) return usable("string", "text");
    if (isFixed && kind === "FLOAT16" && width === 2) {
      return usable("float16", "float16");
    }
    if (isFixed && kind === "UUID" && width === 16) {
      return usable("uuid", "uuid");
    }
    return [(kind ?? converted ?? "binary").toLowerCase(), undefined];
  }
  const integer = /^(U?)INT_(\d+)$/.exec(converted ?? "");
  const isSigned = logical?.type === "INTEGER"
    ? logical.isSigned
    : integer?.[1] !== "U";
  const bits = logical?.type === "INTEGER"
    ? logical.bitWidth
    : integer?.[2] ?? (physical === "INT32" ? 32 : 64);
  const isPlain = kind === undefined && converted === undefined;
  if (isPlain || integer || kind === "INTEGER") {
    return isSigned
      ? usable(`int${bits}`, "signed")
      : usable(`uint${bits}`, "unsigned");
  }
  const name = (kind ?? converted ?? "unknown").toLowerCase().replace(
    /_(milli|micro)s$/,
    "",
  );
  const time = toTime(element);
  return time ? usable(name, "time", time) : [name, undefined];
}

/** Nanoseconds of the units of times. */
const units = { MILLIS: 1e6, MICROS: 1e3, NANOS: 1 } as const;

/** Returns how the dates or times of a column are stored; undefined for other columns. */
function toTime(
  { type: physical, converted_type: converted, logical_type: logical }:
    SchemaElement,
): StoredTime | undefined {
  if (physical === "INT32") {
    const isDate = logical?.type === "DATE" || converted === "DATE";
    return isDate ? { unit: dayUnit, hasZone: false } : undefined;
  }
  if (logical?.type === "TIMESTAMP") {
    return { unit: units[logical.unit], hasZone: logical.isAdjustedToUTC };
  }
  // Without a logical type, the times are in UTC.
  if (converted === "TIMESTAMP_MILLIS") {
    return { unit: units.MILLIS, hasZone: true };
  }
  return converted === "TIMESTAMP_MICROS"
    ? { unit: units.MICROS, hasZone: true }
    : undefined;
}

/** Names of columns whose integers are durations, which only Arrow's own schema tells. */
function durationsOf(metadata: FileMetaData): readonly string[] {
  const text = textOf(metadata, "ARROW:schema");
  if (text === undefined) return [];
  try {
    // A message: a mark, the length of the metadata, the metadata.
    const message = readMessage(Buffer.from(text, "base64").subarray(8));
    return message.kind === "schema"
      ? message.schema.fields.filter(({ typeName }) => typeName === "duration")
        .map(({ name }) => name)
      : [];
  } catch {
    return []; // The schema of Parquet itself is enough to read the file.
  }
}

/** Returns the text that a writer stored under a key. */
function textOf(metadata: FileMetaData, key: string): string | undefined {
  return metadata.key_value_metadata?.find((entry) => entry.key === key)?.value;
}

/** A page of values. */
interface Page {
  readonly header: PageHeader;
  /** Position of the bytes after the header. */
  readonly offset: number;
  /** Rows of the row group before the first one of the page. */
  readonly start: number;
  readonly rows: number;
}

/** Bytes that are read to find the header of a page. */
const headerBytes = 2 ** 12;

/** A column chunk of at most this size is read at once. */
const smallChunkBytes = 2 ** 16;

/** A dictionary of a text column has few texts if the row group has so many rows for each. */
const fewTexts = 4;

/** The values of a boolean column. */
const booleans = [false, true] as const;

/** What a {@linkcode ChunkReader} reads. */
interface ChunkOptions {
  readonly access: RandomAccess;
  readonly library: Library;
  readonly column: ParquetColumn;
  /** Rows of the row group. */
  readonly rows: number;
  /** The column and its row group, in errors. */
  readonly where: string;
}

/** Reads the rows of one column in one row group. Finds its pages as they are needed, and keeps their positions and the dictionary. */
class ChunkReader {
  readonly #options: ChunkOptions;
  readonly #codec: string;
  readonly #end: number;
  readonly #pages: Page[] = [];
  /** The values of the dictionary. Texts are strings if they are few, because each is then used many times. */
  #dictionary: Values | undefined;
  /** Position of the header of the next page. */
  #next: number;
  /** Rows of the pages that were found. */
  #found = 0;
  /** The whole chunk during a read, if it is small. */
  #bytes: { readonly start: number; readonly bytes: Uint8Array } | undefined;
  /** The read before. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(chunk: ColumnChunk, options: ChunkOptions) {
    this.#options = options;
    const { access, rows, where } = options;
    if (chunk.crypto_metadata || chunk.encrypted_column_metadata) {
      throw new InputError(
        `Cannot read ${where}: it is encrypted; write the file without encryption`,
      );
    }
    const { meta_data: metadata } = chunk;
    if (metadata === undefined || chunk.file_path) {
      throw new InputError(
        `Cannot read ${where}: its values are in another file; write a file of its own`,
      );
    }
    const data = Number(metadata.data_page_offset);
    const dictionary = Number(metadata.dictionary_page_offset ?? 0);
    this.#next = dictionary > 0 ? Math.min(dictionary, data) : data;
    this.#end = this.#next + Number(metadata.total_compressed_size);
    this.#codec = metadata.codec;
    if (!(this.#next >= 4 && this.#end <= access.size - 8)) {
      throw this.#damaged("its position is outside of the file");
    }
    if (Number(metadata.num_values) !== rows) {
      throw this.#damaged(
        `expected ${rows} values, found ${metadata.num_values}`,
      );
    }
  }

  #damaged(reason: string): InputError {
    return damagedBy(reason, this.#options.where);
  }

  /** Runs code that throws at bytes it does not expect. */
  #decode<T>(what: string, decode: () => T): T {
    try {
      return decode();
    } catch (error) {
      if (error instanceof InputError) throw error;
      throw this.#damaged(`${what}: ${messageOf(error)}`);
    }
  }

  /** Returns rows of the row group from `from` up to but not including `to`. */
  async read(from: number, to: number): Promise<ColumnData> {
    const turn = this.#turn.then(() => this.#read(from, to));
    this.#turn = turn.catch(() => {});
    return await turn;
  }

  async #read(from: number, to: number): Promise<ColumnData> {
    const { access, column: { name, values } } = this.#options;
    if (values?.meaning === "null") {
      const missing = new Float32Array(to - from).fill(NaN);
      return { kind: "numbers", name, values: missing };
    }
    const start = this.#pages[0]?.offset ?? this.#next;
    if (this.#end - start <= smallChunkBytes) {
      this.#bytes = { start, bytes: await access.read(start, this.#end) };
    }
    try {
      await this.#findPages(to);
      const pieces: Piece[] = [];
      const others: Uint8Array[] = [];
      for (const [index, page] of this.#pages.entries()) {
        if (page.start >= to || page.start + page.rows <= from) continue;
        const bytes = await this.#bytesOf(page);
        if (this.#bytes === undefined) others.push(bytes);
        pieces.push(
          this.#decode(`page ${index + 1}`, () =>
            this.#toPiece(page, {
              bytes,
              others,
              from: Math.max(from - page.start, 0),
              to: Math.min(to - page.start, page.rows),
            })),
        );
      }
      const column = toColumn(name, pieces);
      freePieces(pieces, { column, others });
      return column;
    } finally {
      this.#bytes = undefined;
    }
  }

  async #readBytes(start: number, end: number): Promise<Uint8Array> {
    if (this.#bytes && start >= this.#bytes.start) {
      const { bytes, start: first } = this.#bytes;
      return bytes.subarray(start - first, end - first);
    }
    return await this.#options.access.read(start, end);
  }

  /** Finds the pages up to a row, and reads the dictionary. */
  async #findPages(row: number): Promise<void> {
    const { rows } = this.#options;
    while (this.#found < row) {
      const { header, offset } = await this.#readHeader();
      const size = header.compressed_page_size;
      if (!(size >= 0 && offset + size <= this.#end)) {
        throw this.#damaged("a page exceeds the column");
      }
      this.#next = offset + size;
      if (header.type === "DICTIONARY_PAGE") {
        const page = { header, offset, start: 0, rows: 0 };
        const bytes = await this.#bytesOf(page);
        this.#dictionary = this.#decode(
          "its dictionary",
          () => this.#toDictionary(header, bytes),
        );
        continue;
      }
      const count = (header.data_page_header ?? header.data_page_header_v2)
        ?.num_values;
      // Other types of pages are skipped, as the format wants it.
      if (count === undefined) continue;
      if (!(count >= 0 && this.#found + count <= rows)) {
        throw this.#damaged(
          `expected ${rows} values, found ${this.#found + count} in its pages`,
        );
      }
      this.#pages.push({ header, offset, start: this.#found, rows: count });
      this.#found += count;
    }
  }

  async #readHeader(): Promise<{ header: PageHeader; offset: number }> {
    const { library, rows } = this.#options;
    if (this.#next >= this.#end) {
      throw this.#damaged(
        `expected ${rows} values, found ${this.#found} in its pages`,
      );
    }
    // Statistics with long texts make a header long.
    for (let length = headerBytes;; length *= 16) {
      const end = Math.min(this.#next + length, this.#end);
      const bytes = await this.#readBytes(this.#next, end);
      const reader = {
        view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength),
        offset: 0,
      };
      try {
        const header = library.readPageHeader(reader);
        return { header, offset: this.#next + reader.offset };
      } catch (error) {
        if (end < this.#end) continue;
        throw this.#damaged(`the header of a page: ${messageOf(error)}`);
      }
    }
  }

  /** Returns the bytes of a page as they are stored; verifies their checksum if there is one. */
  async #bytesOf({ header, offset }: Page): Promise<Uint8Array> {
    const { compressed_page_size: size, crc } = header;
    const bytes = await this.#readBytes(offset, offset + size);
    if (crc !== undefined && crc32(bytes) !== crc >>> 0) {
      throw this.#damaged(`the checksum of the page at byte ${offset}`);
    }
    return bytes;
  }

  /** Returns the bytes of a page without its compression. */
  #decompress(bytes: Uint8Array, size: number): Uint8Array {
    const { snappyUncompress } = this.#options.library;
    const options = { codec: this.#codec, size, snappyUncompress };
    const page = decompressPage(bytes, options);
    if (page.length === size) return page;
    throw new RangeError(`expected ${size} bytes, found ${page.length}`);
  }

  #toDictionary(header: PageHeader, stored: Uint8Array): Values {
    const page = this.#decompress(stored, header.uncompressed_page_size);
    // The dictionary is kept, but not the bytes that were read.
    const bytes = page.buffer === stored.buffer ? new Uint8Array(page) : page;
    const size = header.dictionary_page_header?.num_values ?? -1;
    if (size < 0) throw new RangeError("it has no header");
    const place = { total: size, from: 0, count: size };
    const all = this.#toValues({ encoding: "PLAIN", bytes, ...place });
    const isFew = size * fewTexts <= this.#options.rows;
    return isTexts(all) && isFew ? toStrings(all) : all;
  }

  #toValues(values: EncodedValues): Values {
    const { column, library: { unpackDeltas } } = this.#options;
    return decodeValues(values, { type: column.values!, unpackDeltas });
  }

  #toPiece(
    { header, rows }: Page,
    { bytes: stored, others, from, to }: {
      bytes: Uint8Array;
      /** Collects arrays that may be freed afterwards. */
      others: Uint8Array[];
      from: number;
      to: number;
    },
  ): Piece {
    const { isOptional } = this.#options.column;
    const { encoding, validity, bytes } = header.data_page_header_v2
      ? this.#splitPage2(header.data_page_header_v2, { header, stored, rows })
      : this.#splitPage1(header, { stored, rows });
    if (bytes.buffer !== stored.buffer) others.push(bytes);
    const before = isOptional ? countValues(validity, 0, from) : from;
    const values = {
      encoding,
      bytes,
      total: countValues(validity, 0, rows),
      from: before,
      count: countValues(validity, from, to),
    };
    const kept = validity?.subarray(from, to);
    return { rows: to - from, validity: kept, ...this.#lookUp(values) };
  }

  /** A page of version 1: levels and values are compressed together. */
  #splitPage1(
    header: PageHeader,
    { stored, rows }: { stored: Uint8Array; rows: number },
  ): SplitPage {
    const bytes = this.#decompress(stored, header.uncompressed_page_size);
    const { encoding = "", definition_level_encoding: levels } =
      header.data_page_header ?? {};
    if (!this.#options.column.isOptional) {
      return { encoding, bytes, validity: undefined };
    }
    if (levels !== "RLE") {
      throw new RangeError(
        `levels in the encoding ${levels} are not supported`,
      );
    }
    const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(
      0,
      true,
    );
    if (4 + length > bytes.length) throw new RangeError("its levels end early");
    return {
      encoding,
      bytes: bytes.subarray(4 + length),
      validity: decodeValidity(bytes.subarray(4, 4 + length), rows),
    };
  }

  /** A page of version 2: levels stand before the values and are not compressed. */
  #splitPage2(
    page: NonNullable<PageHeader["data_page_header_v2"]>,
    { header, stored, rows }: {
      header: PageHeader;
      stored: Uint8Array;
      rows: number;
    },
  ): SplitPage {
    const repetitions = page.repetition_levels_byte_length;
    const definitions = page.definition_levels_byte_length;
    const start = repetitions + definitions;
    if (!(repetitions >= 0 && definitions >= 0 && start <= stored.length)) {
      throw new RangeError("its levels end early");
    }
    const rest = stored.subarray(start);
    const size = header.uncompressed_page_size - start;
    const validity = this.#options.column.isOptional
      ? decodeValidity(stored.subarray(repetitions, start), rows)
      : undefined;
    const missing = rows - countValues(validity, 0, rows);
    if (missing !== page.num_nulls || page.num_rows !== rows) {
      throw new RangeError(
        `expected ${page.num_rows} rows with ${page.num_nulls} missing values, found ${rows} with ${missing}`,
      );
    }
    const isCompressed = page.is_compressed !== false && size > 0;
    return {
      encoding: page.encoding,
      validity,
      bytes: isCompressed ? this.#decompress(rest, size) : rest,
    };
  }

  /** Returns values, those of a dictionary as numbers or as its indices. */
  #lookUp(
    values: EncodedValues,
  ): Pick<Piece, "values" | "labels"> {
    const labels = this.#options.column.values?.meaning === "boolean"
      ? booleans
      : undefined;
    if (!/^(PLAIN|RLE)_DICTIONARY$/.test(values.encoding)) {
      return { values: this.#toValues(values), labels };
    }
    const { bytes, from, count } = values;
    const all = this.#dictionary;
    if (all === undefined) throw new RangeError("it has no dictionary");
    const size = isTexts(all) ? all.starts.length : all.length;
    const codes = values.total === 0
      ? new Int32Array(0)
      : decodeHybrid(bytes.subarray(1), {
        width: bytes[0]!,
        from,
        output: new Int32Array(count),
      });
    for (let index = 0; index < count; index++) {
      const code = codes[index]!;
      if (code < 0 || code >= size) {
        throw new RangeError(`value ${code} of a dictionary of ${size}`);
      }
    }
    if (isTexts(all)) {
      const found = textsAt(all, codes);
      free(codes);
      return { values: found };
    }
    if (!ArrayBuffer.isView(all)) return { values: codes, labels: all };
    const found = valuesAt(all, codes);
    if (found.buffer !== codes.buffer) free(codes);
    return { values: found, labels };
  }
}

/** Returns the texts of a dictionary that `codes` are the indices of, in a memory of their own. */
function textsAt({ bytes, starts, ends }: Texts, codes: Int32Array): Texts {
  let size = 0;
  for (const code of codes) size += ends[code]! - starts[code]!;
  const found = {
    bytes: new Uint8Array(size),
    starts: new Int32Array(codes.length),
    ends: new Int32Array(codes.length),
  };
  let to = 0;
  for (let row = 0; row < codes.length; row++) {
    const code = codes[row]!;
    const end = ends[code]!;
    found.starts[row] = to;
    for (let at = starts[code]!; at < end; at++) found.bytes[to++] = bytes[at]!;
    found.ends[row] = to;
  }
  return found;
}

/** Returns the values of a dictionary that `codes` are the indices of. */
function valuesAt(all: Numbers, codes: Int32Array): Numbers {
  const { length } = codes;
  // The codes are not needed afterwards, and may have the size of a value.
  const found = all instanceof Float64Array
    ? new Float64Array(length)
    : all instanceof Float32Array
    ? new Float32Array(codes.buffer, codes.byteOffset, length)
    : all instanceof Int32Array
    ? codes
    : new Uint8Array(length);
  for (let row = 0; row < length; row++) found[row] = all[codes[row]!]!;
  return found;
}

/** The parts of a page of values. */
interface SplitPage {
  readonly encoding: string;
  /** Encoded values. */
  readonly bytes: Uint8Array;
  /** Which rows have one. */
  readonly validity: Uint8Array | undefined;
}

/** Counts the rows that have a value. */
function countValues(
  validity: Uint8Array | undefined,
  from: number,
  to: number,
): number {
  if (validity === undefined) return to - from;
  let count = 0;
  for (let row = from; row < to; row++) count += validity[row]!;
  return count;
}

/** Returns the bytes of a page without its compression; perhaps not `size` bytes if it is damaged. */
function decompressPage(
  bytes: Uint8Array,
  { codec, size, snappyUncompress }: {
    codec: string;
    size: number;
    snappyUncompress: Library["snappyUncompress"];
  },
): Uint8Array {
  const output = () => {
    // No codec below makes more of a byte, so a wrong size takes no memory.
    if (!(size >= 0 && size <= 256 * bytes.length + 1024)) {
      throw new RangeError(`${bytes.length} bytes cannot become ${size}`);
    }
    return new Uint8Array(size);
  };
  // In one piece: without a size, pieces of 16 KiB are put together.
  const chunkSize = Math.max(size, 64);
  const limit = { maxOutputLength: chunkSize, chunkSize };
  switch (codec) {
    case "UNCOMPRESSED":
      return bytes;
    case "SNAPPY": {
      const page = output();
      snappyUncompress(bytes, page);
      return page;
    }
    case "GZIP":
      return gunzipSync(bytes, limit);
    case "ZSTD":
      return zstdDecompressSync(bytes, limit);
    case "BROTLI":
      return brotliDecompressSync(bytes, limit);
    case "LZ4_RAW": {
      const page = output();
      return page.subarray(0, decodeLz4Block(bytes, page, 0));
    }
    case "LZ4": {
      const page = output();
      return page.subarray(0, decodeHadoopLz4(bytes, page));
    }
    default:
      throw new RangeError(
        `its codec ${codec} is not supported; write the file with zstd or snappy`,
      );
  }
}

/** Parquet's older LZ4: Hadoop's frames of two big-endian sizes and a block, or a block alone. */
function decodeHadoopLz4(bytes: Uint8Array, page: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  let length = 0;
  while (at + 8 <= bytes.length) {
    const size = view.getUint32(at);
    const end = at + 8 + view.getUint32(at + 4);
    if (end > bytes.length || length + size > page.length) break;
    try {
      const after = decodeLz4Block(bytes.subarray(at + 8, end), page, length);
      if (after !== length + size) break;
      length = after;
    } catch {
      break;
    }
    at = end;
  }
  return at === bytes.length ? length : decodeLz4Block(bytes, page, 0);
}
