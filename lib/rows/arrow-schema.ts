/**
 * Reads the metadata of Arrow's IPC format: FlatBuffers that describe schemas,
 * batches and footers. Numbers of fields and types are those of
 * https://github.com/apache/arrow/tree/main/format (Schema.fbs, Message.fbs,
 * File.fbs). Every function throws a RangeError at bytes it does not expect.
 */
import { dayUnit, type StoredTime } from "./dates.ts";

/** A type of a column, in the form of what reads it. */
export type ArrowType =
  | { readonly kind: "null" }
  | { readonly kind: "boolean" }
  | {
    readonly kind: "integer";
    readonly bits: number;
    readonly isSigned: boolean;
  }
  | { readonly kind: "float"; readonly bits: number }
  | { readonly kind: "decimal"; readonly bits: number; readonly scale: number }
  /** UTF-8 between offsets of 32 or 64 bits. */
  | { readonly kind: "text"; readonly bits: number }
  /** UTF-8 in views of 16 bytes. */
  | { readonly kind: "view" }
  | { readonly kind: "uuid" }
  /** Dates and times. */
  | {
    readonly kind: "time";
    readonly bits: 32 | 64;
    readonly time: StoredTime;
  }
  /** Values that are not read. */
  | { readonly kind: "other" };

/** A column of a schema. */
export interface ArrowField {
  readonly name: string;
  /** As errors name it, such as `int64` or `timestamp`. */
  readonly typeName: string;
  readonly type: ArrowType;
  /** Dictionary of the column, whose values have `type`; undefined for a column of values. */
  readonly dictionary:
    | { readonly id: number; readonly index: ArrowType }
    | undefined;
  /** Nodes and buffers of the column in a batch, with those of its children. */
  readonly nodes: number;
  readonly buffers: number;
  /** Whether the number of buffers is different in every batch; each such field, nested ones included, counts its own. */
  readonly variadic: number;
}

/** A schema. */
export interface ArrowSchema {
  readonly fields: readonly ArrowField[];
  /** The metadata of this key that pandas writes; undefined if there is none. */
  readonly pandas: string | undefined;
}

/** A piece of a message's body. */
export interface ArrowBuffer {
  readonly offset: number;
  readonly length: number;
}

/** A batch of rows, or of values of a dictionary. */
export interface ArrowBatch {
  readonly rows: number;
  readonly nodes: readonly {
    readonly rows: number;
    readonly missing: number;
  }[];
  readonly buffers: readonly ArrowBuffer[];
  readonly codec: "lz4" | "zstd" | undefined;
  /** Number of data buffers of each column of views. */
  readonly variadic: readonly number[];
}

/** A message. */
export type ArrowMessage =
  & { readonly bodyBytes: number }
  & (
    | { readonly kind: "schema"; readonly schema: ArrowSchema }
    | { readonly kind: "rows"; readonly batch: ArrowBatch }
    | {
      readonly kind: "dictionary";
      readonly id: number;
      readonly isDelta: boolean;
      readonly batch: ArrowBatch;
    }
    | { readonly kind: "other" }
  );

/** Position and size of a message in a file. */
export interface ArrowBlock {
  readonly offset: number;
  readonly metadataBytes: number;
}

/** A table of a FlatBuffer: reads its fields, which all may be absent. */
class Table {
  readonly view: DataView;
  readonly #position: number;
  readonly #fields: number;
  readonly #fieldBytes: number;

  constructor(view: DataView, position: number) {
    this.view = view;
    this.#position = position;
    this.#fields = position - view.getInt32(position, true);
    this.#fieldBytes = view.getUint16(this.#fields, true);
  }

  /** Position of a field; undefined if it is absent. */
  at(field: number): number | undefined {
    const entry = 4 + 2 * field;
    if (entry >= this.#fieldBytes) return undefined;
    const offset = this.view.getUint16(this.#fields + entry, true);
    return offset === 0 ? undefined : this.#position + offset;
  }

  byte(field: number): number {
    const at = this.at(field);
    return at === undefined ? 0 : this.view.getUint8(at);
  }

  short(field: number): number {
    const at = this.at(field);
    return at === undefined ? 0 : this.view.getInt16(at, true);
  }

  int(field: number, byDefault = 0): number {
    const at = this.at(field);
    return at === undefined ? byDefault : this.view.getInt32(at, true);
  }

  long(field: number): number {
    const at = this.at(field);
    return at === undefined ? 0 : readLong(this.view, at);
  }

  /** What an offset points to. */
  target(field: number): number | undefined {
    const at = this.at(field);
    return at === undefined ? undefined : at + this.view.getUint32(at, true);
  }

  table(field: number): Table | undefined {
    const at = this.target(field);
    return at === undefined ? undefined : new Table(this.view, at);
  }

  text(field: number): string {
    const at = this.target(field);
    if (at === undefined) return "";
    const length = this.view.getUint32(at, true);
    const { buffer, byteOffset, byteLength } = this.view;
    if (at + 4 + length > byteLength) throw new RangeError("a name ends early");
    const bytes = new Uint8Array(buffer, byteOffset + at + 4, length);
    return new TextDecoder().decode(bytes);
  }

  /** Positions of the elements of a vector. */
  vector(field: number, bytes: number): number[] {
    const at = this.target(field);
    if (at === undefined) return [];
    const length = this.view.getUint32(at, true);
    if (at + 4 + length * bytes > this.view.byteLength) {
      throw new RangeError("a list ends early");
    }
    return Array.from({ length }, (_, index) => at + 4 + index * bytes);
  }

  /** The elements of a vector of tables. */
  tables(field: number): Table[] {
    return this.vector(field, 4).map((at) =>
      new Table(this.view, at + this.view.getUint32(at, true))
    );
  }
}

function readLong(view: DataView, at: number): number {
  const value = Number(view.getBigInt64(at, true));
  if (!Number.isSafeInteger(value)) throw new RangeError(`${value} is no size`);
  return value;
}

function rootOf(bytes: Uint8Array): Table {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return new Table(view, view.getUint32(0, true));
}

/** Reads the metadata of a message. */
export function readMessage(bytes: Uint8Array): ArrowMessage {
  const message = rootOf(bytes);
  const header = message.table(2);
  const bodyBytes = message.long(3);
  // Version 4 gave unions one buffer more.
  const isOld = message.short(0) < 4;
  if (header === undefined || bodyBytes < 0) throw new RangeError("no header");
  switch (message.byte(1)) {
    case 1:
      return { bodyBytes, kind: "schema", schema: readSchema(header, isOld) };
    case 2: {
      const data = header.table(1);
      if (data === undefined) throw new RangeError("a dictionary without data");
      return {
        bodyBytes,
        kind: "dictionary",
        id: header.long(0),
        isDelta: header.byte(2) !== 0,
        batch: readBatch(data, bodyBytes),
      };
    }
    case 3:
      return { bodyBytes, kind: "rows", batch: readBatch(header, bodyBytes) };
    default:
      return { bodyBytes, kind: "other" };
  }
}

/** Reads the footer of a file: where its dictionaries and its batches are. */
export function readFooter(
  bytes: Uint8Array,
): {
  schema: ArrowSchema;
  dictionaries: readonly ArrowBlock[];
  batches: readonly ArrowBlock[];
} {
  const footer = rootOf(bytes);
  const schema = footer.table(1);
  if (schema === undefined) throw new RangeError("no schema");
  const blocks = (field: number): ArrowBlock[] =>
    footer.vector(field, 24).map((at) => ({
      offset: readLong(footer.view, at),
      metadataBytes: footer.view.getInt32(at + 8, true),
    }));
  return {
    schema: readSchema(schema, footer.short(0) < 4),
    dictionaries: blocks(2),
    batches: blocks(3),
  };
}

/** Rows of a batch at most: all implementations of Arrow read so many. */
const maxBatchRows = 2 ** 31 - 1;

function readBatch(batch: Table, bodyBytes: number): ArrowBatch {
  const { view } = batch;
  const compression = batch.table(3);
  const codec = compression?.byte(0);
  if (compression && (codec! > 1 || compression.byte(1) !== 0)) {
    throw new RangeError("its compression is not supported");
  }
  const buffers = batch.vector(2, 16).map((at) => ({
    offset: readLong(view, at),
    length: readLong(view, at + 8),
  }));
  const outside = buffers.some(({ offset, length }) =>
    offset < 0 || length < 0 || offset + length > bodyBytes
  );
  const rows = batch.long(0);
  if (outside || rows < 0 || rows > maxBatchRows) {
    throw new RangeError("a batch exceeds its message");
  }
  return {
    rows,
    nodes: batch.vector(1, 16).map((at) => ({
      rows: readLong(view, at),
      missing: readLong(view, at + 8),
    })),
    buffers,
    codec: compression ? codec === 0 ? "lz4" : "zstd" : undefined,
    variadic: batch.vector(4, 8).map((at) => readLong(view, at)),
  };
}

function readSchema(schema: Table, isOld: boolean): ArrowSchema {
  if (schema.short(0) !== 0) {
    throw new RangeError("its bytes are big-endian, which is not supported");
  }
  return {
    fields: schema.tables(1).map((field) => readField(field, isOld)),
    pandas: schema.tables(2).find((entry) => entry.text(0) === "pandas")
      ?.text(1),
  };
}

function readField(field: Table, isOld: boolean): ArrowField {
  const code = field.byte(2);
  const details = field.table(3);
  const encoding = field.table(4);
  const children = field.tables(5).map((child) => readField(child, isOld));
  const extension = field.tables(6)
    .find((entry) => entry.text(0) === "ARROW:extension:name")?.text(1);
  const [typeName, type] = readType(code, { details, extension });
  const name = field.text(0);
  if (encoding) {
    const index = encoding.table(1);
    const byDefault = { kind: "integer", bits: 32, isSigned: true } as const;
    return {
      name,
      typeName: `dictionary of ${typeName}`,
      type,
      dictionary: {
        id: encoding.long(0),
        index: index ? toInteger(index)[1] : byDefault,
      },
      nodes: 1,
      buffers: 2,
      variadic: 0,
    };
  }
  const isDense = code === 14 && details?.short(0) === 1;
  const own = code === 14
    ? (isDense ? 2 : 1) + (isOld ? 1 : 0)
    : buffersOf[code] ?? 2;
  const sum = (of: "nodes" | "buffers" | "variadic") =>
    children.reduce((total, child) => total + child[of], 0);
  return {
    name,
    typeName,
    type,
    dictionary: undefined,
    nodes: 1 + sum("nodes"),
    buffers: own + sum("buffers"),
    variadic: (code === 23 || code === 24 ? 1 : 0) + sum("variadic"),
  };
}

/** Buffers of a type without those of its children, if they are not two. */
const buffersOf: Readonly<Record<number, number>> = {
  1: 0, // null
  4: 3, // binary
  5: 3, // utf8
  13: 1, // struct
  16: 1, // fixed-size list
  19: 3, // large binary
  20: 3, // large utf8
  22: 0, // run-end encoded
  25: 3, // list view
  26: 3, // large list view
};

/** Types that are not read. */
const otherTypes: Readonly<Record<number, string>> = {
  4: "binary",
  8: "date",
  9: "time",
  10: "timestamp",
  11: "interval",
  12: "list",
  13: "struct",
  14: "union",
  15: "binary",
  16: "list",
  17: "map",
  18: "duration",
  19: "binary",
  21: "list",
  22: "run-end encoded",
  23: "binary",
  25: "list",
  26: "list",
};

function toInteger(details: Table): [string, ArrowType] {
  const bits = details.int(0);
  const isSigned = details.byte(1) !== 0;
  if (![8, 16, 32, 64].includes(bits)) {
    throw new RangeError(`integers of ${bits} bits`);
  }
  return [
    `${isSigned ? "" : "u"}int${bits}`,
    { kind: "integer", bits, isSigned },
  ];
}

function readType(
  code: number,
  { details, extension }: {
    details: Table | undefined;
    extension: string | undefined;
  },
): [string, ArrowType] {
  switch (code) {
    case 1:
      return ["null", { kind: "null" }];
    case 2:
      if (details === undefined) break;
      return toInteger(details);
    case 3: {
      const precision = details?.short(0) ?? 0;
      const name = ["float16", "float", "double"][precision];
      if (name === undefined) break;
      return [name, { kind: "float", bits: 16 * 2 ** precision }];
    }
    case 5:
      return ["string", { kind: "text", bits: 32 }];
    case 6:
      return ["boolean", { kind: "boolean" }];
    case 7: {
      const scale = details?.int(1) ?? 0;
      const bits = details?.int(2, 128) ?? 128;
      if (![32, 64, 128, 256].includes(bits)) break;
      return [
        `decimal(${details?.int(0) ?? 0},${scale})`,
        { kind: "decimal", bits, scale },
      ];
    }
    case 8: {
      // Days, or milliseconds, which is the default.
      const isDays = details?.at(0) !== undefined && details.short(0) === 0;
      return ["date", {
        kind: "time",
        bits: isDays ? 32 : 64,
        time: { unit: isDays ? dayUnit : 1e6, hasZone: false },
      }];
    }
    case 10: {
      const unit = [1e9, 1e6, 1e3, 1][details?.short(0) ?? 0];
      if (unit === undefined) break;
      const hasZone = (details?.text(1) ?? "") !== "";
      return ["timestamp", { kind: "time", bits: 64, time: { unit, hasZone } }];
    }
    case 15:
      if (extension === "arrow.uuid" && details?.int(0) === 16) {
        return ["uuid", { kind: "uuid" }];
      }
      break;
    case 20:
      return ["string", { kind: "text", bits: 64 }];
    case 24:
      return ["string", { kind: "view" }];
  }
  return [otherTypes[code] ?? "unknown", { kind: "other" }];
}
