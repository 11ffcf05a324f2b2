/** Decodes the values of Parquet's pages, as https://parquet.apache.org/docs/file-format/data-pages/encodings defines them. */
import type { Values } from "./columns.ts";
import { type StoredTime, toIsoTexts } from "./dates.ts";
import { checkTexts, type Texts } from "./texts.ts";
import {
  fromDecimal,
  fromFloat16,
  fromInt64,
  numbered,
  toUuids,
} from "./stored-values.ts";

/** Physical types of Parquet. */
export type PhysicalType =
  | "BOOLEAN"
  | "INT32"
  | "INT64"
  | "INT96"
  | "FLOAT"
  | "DOUBLE"
  | "BYTE_ARRAY"
  | "FIXED_LEN_BYTE_ARRAY";

/** What the values of a physical type mean. */
export type Meaning =
  | "boolean"
  | "signed"
  | "unsigned"
  | "float"
  | "float16"
  | "decimal"
  | "text"
  | "uuid"
  | "time"
  | "null";

/** How the values of a column are written. */
export interface ValueType {
  readonly physical: PhysicalType;
  /** Bytes of a value of FIXED_LEN_BYTE_ARRAY; 0 for other types. */
  readonly width: number;
  readonly meaning: Meaning;
  /** Decimal places of a decimal; 0 for others. */
  readonly scale: number;
  /** Of dates and times; undefined for others. */
  readonly time: StoredTime | undefined;
}

/** The values of a page: bytes, how they are encoded, and which of them are wanted. */
export interface EncodedValues {
  readonly encoding: string;
  readonly bytes: Uint8Array;
  /** Values of the page. */
  readonly total: number;
  /** The first value that is wanted, and how many. */
  readonly from: number;
  readonly count: number;
}

/** Values as they are written; booleans are bytes of 0 and 1, and those of a fixed width follow each other. */
type Physical =
  | Int32Array
  | BigInt64Array
  | Float32Array
  | Float64Array
  | Uint8Array
  | Texts;

/** Decodes DELTA_BINARY_PACKED; hyparquet's `deltaBinaryUnpack`. */
export type UnpackDeltas = (
  reader: { view: DataView; offset: number },
  count: number,
  output: Int32Array | BigInt64Array,
) => void;

const endsEarly = () => new RangeError("its values end early");

/**
 * Returns values of a page that are not indices of a dictionary; booleans as 0 and 1.
 *
 * @throws {RangeError} If the bytes are not what the encoding says.
 */
export function decodeValues(
  values: EncodedValues,
  { type, unpackDeltas }: { type: ValueType; unpackDeltas: UnpackDeltas },
): Values {
  return toValues(readPhysical(values, { type, unpackDeltas }), type);
}

function readPhysical(
  values: EncodedValues,
  { type, unpackDeltas }: { type: ValueType; unpackDeltas: UnpackDeltas },
): Physical {
  const { encoding } = values;
  if (encoding === "PLAIN") return readPlain(values, type);
  if (encoding === "RLE" && type.physical === "BOOLEAN") {
    const { bytes, from, count } = values;
    const length = viewOf(bytes).getUint32(0, true);
    if (length + 4 > bytes.length) throw endsEarly();
    const run = bytes.subarray(4, 4 + length);
    const output = new Uint8Array(count);
    return decodeHybrid(run, { width: 1, from, output });
  }
  if (encoding === "BYTE_STREAM_SPLIT") return readSplit(values, type);
  if (encoding === "DELTA_BINARY_PACKED") {
    const { bytes, total, from, count } = values;
    if (type.physical === "INT32") {
      const all = new Int32Array(total);
      unpack({ view: viewOf(bytes), offset: 0 }, { all, unpackDeltas });
      return all.subarray(from, from + count);
    }
    const all = new BigInt64Array(total);
    unpack({ view: viewOf(bytes), offset: 0 }, { all, unpackDeltas });
    return all.slice(from, from + count);
  }
  if (encoding === "DELTA_LENGTH_BYTE_ARRAY") {
    return readDeltaLengths(values, unpackDeltas);
  }
  if (encoding === "DELTA_BYTE_ARRAY") {
    const strings = readDeltaStrings(values, unpackDeltas);
    return type.physical === "BYTE_ARRAY"
      ? strings
      : joined(strings, type.width);
  }
  throw new RangeError(`the encoding ${encoding} is not supported`);
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Bytes of a value of fixed width; 0 for byte strings and booleans. */
function widthOf({ physical, width }: ValueType): number {
  if (physical === "INT32" || physical === "FLOAT") return 4;
  if (physical === "INT64" || physical === "DOUBLE") return 8;
  return physical === "FIXED_LEN_BYTE_ARRAY" ? width : 0;
}

/** Returns bytes as numbers of the type, by reference where their position allows it. */
function asNumbers(bytes: Uint8Array, type: ValueType): Physical {
  const width = widthOf(type);
  if (type.physical === "FIXED_LEN_BYTE_ARRAY") return bytes;
  const { buffer, byteOffset } = bytes.byteOffset % width === 0
    ? bytes
    : new Uint8Array(bytes);
  const count = bytes.length / width;
  switch (type.physical) {
    case "INT32":
      return new Int32Array(buffer, byteOffset, count);
    case "INT64":
      return new BigInt64Array(buffer, byteOffset, count);
    case "FLOAT":
      return new Float32Array(buffer, byteOffset, count);
    default:
      return new Float64Array(buffer, byteOffset, count);
  }
}

function readPlain(
  { bytes, total, from, count }: EncodedValues,
  type: ValueType,
): Physical {
  if (type.physical === "BOOLEAN") {
    if (bytes.length * 8 < total) throw endsEarly();
    const output = new Uint8Array(count);
    unpackBits(bytes, { width: 1, from, output });
    return output;
  }
  if (type.physical === "BYTE_ARRAY") {
    return readPlainStrings(bytes, from, count);
  }
  const width = widthOf(type);
  if (bytes.length < total * width) throw endsEarly();
  return asNumbers(bytes.subarray(from * width, (from + count) * width), type);
}

function readPlainStrings(
  bytes: Uint8Array,
  from: number,
  count: number,
): Texts {
  const starts = new Int32Array(count);
  const ends = new Int32Array(count);
  const view = viewOf(bytes);
  let at = 0;
  for (let index = -from; index < count; index++) {
    const start = at + 4;
    at = start + view.getUint32(at, true);
    if (at > bytes.length) throw endsEarly();
    if (index < 0) continue;
    starts[index] = start;
    ends[index] = at;
  }
  return { bytes, starts, ends };
}

/** The first bytes of all values, then the second ones, and so on. */
function readSplit(
  { bytes, total, from, count }: EncodedValues,
  type: ValueType,
): Physical {
  const width = widthOf(type);
  if (width === 0) {
    throw new RangeError(`BYTE_STREAM_SPLIT does not fit ${type.physical}`);
  }
  if (bytes.length < total * width) throw endsEarly();
  const output = new Uint8Array(count * width);
  for (let byte = 0; byte < width; byte++) {
    let source = byte * total + from;
    for (let at = byte; at < output.length; at += width) {
      output[at] = bytes[source++]!;
    }
  }
  return asNumbers(output, type);
}

function unpack(
  reader: { view: DataView; offset: number },
  { all, unpackDeltas }: {
    all: Int32Array | BigInt64Array;
    unpackDeltas: UnpackDeltas;
  },
): void {
  if (all.length > 0) unpackDeltas(reader, all.length, all);
  // A page without values still has the four numbers of the header, which nobody needs.
  if (reader.offset > reader.view.byteLength) throw endsEarly();
}

function readDeltaLengths(
  { bytes, total, from, count }: EncodedValues,
  unpackDeltas: UnpackDeltas,
): Texts {
  const lengths = new Int32Array(total);
  const reader = { view: viewOf(bytes), offset: 0 };
  unpack(reader, { all: lengths, unpackDeltas });
  const starts = new Int32Array(count);
  const ends = new Int32Array(count);
  let at = reader.offset;
  for (let index = 0; index < total; index++) {
    const start = at;
    at += lengths[index]!;
    if (at < start || at > bytes.length) throw endsEarly();
    if (index < from || index >= from + count) continue;
    starts[index - from] = start;
    ends[index - from] = at;
  }
  return { bytes, starts, ends };
}

/** Each value begins with some bytes of the one before. */
function readDeltaStrings(
  { bytes, total, from, count }: EncodedValues,
  unpackDeltas: UnpackDeltas,
): Texts {
  const prefixes = new Int32Array(total);
  const suffixes = new Int32Array(total);
  const reader = { view: viewOf(bytes), offset: 0 };
  unpack(reader, { all: prefixes, unpackDeltas });
  unpack(reader, { all: suffixes, unpackDeltas });
  let size = 0;
  for (let index = 0; index < total; index++) {
    size += prefixes[index]! + suffixes[index]!;
  }
  if (!(size >= 0 && size < 2 ** 31)) throw endsEarly();
  const output = new Uint8Array(size);
  const starts = new Int32Array(count);
  const ends = new Int32Array(count);
  let source = reader.offset;
  let before = 0;
  let at = 0;
  for (let index = 0; index < total; index++) {
    const prefix = prefixes[index]!;
    const suffix = suffixes[index]!;
    if (prefix < 0 || suffix < 0 || prefix > at - before) throw endsEarly();
    if (source + suffix > bytes.length) throw endsEarly();
    const start = at;
    output.copyWithin(at, before, before + prefix);
    output.set(bytes.subarray(source, source + suffix), at + prefix);
    at += prefix + suffix;
    source += suffix;
    before = start;
    if (index < from || index >= from + count) continue;
    starts[index - from] = start;
    ends[index - from] = at;
  }
  return { bytes: output, starts, ends };
}

/** Byte strings of one width, without gaps. */
function joined(strings: Texts, width: number): Uint8Array {
  const { bytes, starts, ends } = strings;
  const output = new Uint8Array(starts.length * width);
  for (let index = 0; index < starts.length; index++) {
    const value = bytes.subarray(starts[index]!, ends[index]!);
    if (value.length !== width) throw endsEarly();
    output.set(value, index * width);
  }
  return output;
}

/**
 * Decodes runs and bit-packed groups: levels, indices of dictionaries, booleans.
 *
 * @param options `width`: bits of a value. `from`: the first value that is wanted. `output`: where they are written; as many are wanted as it holds.
 * @throws {RangeError} If there are fewer values.
 */
export function decodeHybrid<Output extends Int32Array | Uint8Array>(
  bytes: Uint8Array,
  { width, from, output }: { width: number; from: number; output: Output },
): Output {
  if (width === 0) return output;
  if (width > 32) throw new RangeError(`a width of ${width} bits`);
  const byteWidth = width + 7 >> 3;
  const mask = width === 32 ? -1 : 2 ** width - 1;
  const end = from + output.length;
  let at = 0;
  for (let seen = 0; seen < end;) {
    const { value: header, end: headerEnd } = readVarint(bytes, at);
    at = headerEnd;
    if (header % 2 === 0) {
      const length = header / 2;
      if (at + byteWidth > bytes.length) throw endsEarly();
      let value = 0;
      for (let index = 0; index < byteWidth; index++) {
        value |= bytes[at++]! << 8 * index;
      }
      const first = Math.max(seen, from);
      const last = Math.min(seen + length, end);
      if (first < last) output.fill(value & mask, first - from, last - from);
      seen += length;
      continue;
    }
    const groups = (header - 1) / 2;
    const last = Math.min(seen + groups * 8, end);
    // The padding of the last group may be left out.
    if (at + Math.ceil((last - seen) * width / 8) > bytes.length) {
      throw endsEarly();
    }
    const first = Math.max(seen, from);
    if (first < last) {
      unpackBits(bytes.subarray(at), {
        width,
        from: first - seen,
        output: output.subarray(first - from, last - from),
      });
    }
    seen += groups * 8;
    at += groups * width;
  }
  return output;
}

/** Reads a number of 7 bits per byte, the lowest bits first, and where it ends. */
function readVarint(
  bytes: Uint8Array,
  start: number,
): { value: number; end: number } {
  let value = 0;
  let at = start;
  for (let factor = 1;; factor *= 128) {
    const byte = bytes[at++];
    if (byte === undefined || factor > 2 ** 35) throw endsEarly();
    value += (byte & 127) * factor;
    if (byte < 128) return { value, end: at };
  }
}

/** Reads numbers of `width` bits, the lowest bits first. */
function unpackBits(
  bytes: Uint8Array,
  { width, from, output }: {
    width: number;
    from: number;
    output: Int32Array | Uint8Array;
  },
): void {
  let at = from * width >> 3;
  let bits = from * width & 7;
  if (from * width >= 2 ** 31) {
    at = Math.floor(from * width / 8);
    bits = from * width % 8;
  }
  const { length } = output;
  if (width === 1) {
    let index = 0;
    for (; index < length && bits > 0; bits = bits + 1 & 7) {
      output[index++] = bytes[at]! >> bits & 1;
      if (bits === 7) at++;
    }
    for (; index + 8 <= length; index += 8) {
      const byte = bytes[at++]!;
      output[index] = byte & 1;
      output[index + 1] = byte >> 1 & 1;
      output[index + 2] = byte >> 2 & 1;
      output[index + 3] = byte >> 3 & 1;
      output[index + 4] = byte >> 4 & 1;
      output[index + 5] = byte >> 5 & 1;
      output[index + 6] = byte >> 6 & 1;
      output[index + 7] = byte >> 7;
    }
    for (; index < length; index++) output[index] = bytes[at]! >> bits++ & 1;
    return;
  }
  if (width <= 24) {
    const mask = (1 << width) - 1;
    let word = 0;
    let have = -bits;
    for (let index = 0; index < length; index++) {
      while (have < width) {
        const byte = bytes[at++]!;
        word = have < 0 ? byte >> -have : word | byte << have;
        have += 8;
      }
      output[index] = word & mask;
      word >>>= width;
      have -= width;
    }
    return;
  }
  const big = (1n << BigInt(width)) - 1n;
  for (let index = 0; index < length; index++) {
    let word = 0n;
    for (let byte = 4; byte >= 0; byte--) {
      word = word << 8n | BigInt(bytes[at + byte] ?? 0);
    }
    output[index] = Number(BigInt.asIntN(32, word >> BigInt(bits) & big));
    bits += width;
    at += bits >> 3;
    bits &= 7;
  }
}

/**
 * Decodes the levels that tell which rows have a value.
 *
 * @returns One byte per row, or undefined if every row has a value.
 */
export function decodeValidity(
  bytes: Uint8Array,
  rows: number,
): Uint8Array | undefined {
  if (rows === 0) return undefined;
  // A page without missing values has one run.
  const { value: header, end } = readVarint(bytes, 0);
  const isRun = header % 2 === 0 && header / 2 >= rows;
  if (isRun && (bytes[end] ?? 0) % 2 === 1) return undefined;
  const output = new Uint8Array(rows);
  const levels = decodeHybrid(bytes, { width: 1, from: 0, output });
  return levels.includes(0) ? levels : undefined;
}

/** Converts values as they are written to cells and numbers; booleans to 0 and 1. */
function toValues(physical: Physical, type: ValueType): Values {
  const { meaning, scale, width, time } = type;
  if ("starts" in physical) {
    if (meaning === "decimal") {
      const { bytes, starts, ends } = physical;
      return numbered(
        Array.from(
          starts,
          (start, index) =>
            fromDecimal(bigEndian(bytes.subarray(start, ends[index])), scale),
        ),
      );
    }
    if (meaning === "text") {
      checkTexts(physical);
      return physical;
    }
  } else if (physical instanceof Uint8Array) {
    if (meaning === "boolean") return physical;
    if (meaning === "float16") return fromFloat16(physical);
    if (meaning === "uuid") return toUuids(physical);
    if (meaning === "decimal") {
      const length = physical.length / width;
      return numbered(Array.from({ length }, (_, index) => {
        const bytes = physical.subarray(index * width, (index + 1) * width);
        return fromDecimal(bigEndian(bytes), scale);
      }));
    }
  } else if (
    physical instanceof Float32Array || physical instanceof Float64Array
  ) {
    if (meaning === "float") return physical;
  } else if (meaning === "time" && time) return toIsoTexts(physical, time);
  else if (meaning === "decimal") return toDecimals(physical, scale);
  else if (meaning === "signed" || meaning === "unsigned") {
    return toIntegers(physical, meaning === "signed");
  }
  throw new RangeError(`${meaning} values cannot be ${type.physical}`);
}

function toIntegers(
  integers: Int32Array | BigInt64Array,
  isSigned: boolean,
): Values {
  if (integers instanceof BigInt64Array) return fromInt64(integers, isSigned);
  if (isSigned) return integers;
  const { buffer, byteOffset, length } = integers;
  return Float64Array.from(new Uint32Array(buffer, byteOffset, length));
}

function toDecimals(
  integers: Int32Array | BigInt64Array,
  scale: number,
): Values {
  const numbers = integers instanceof Int32Array
    ? Float64Array.from(integers)
    : fromInt64(integers, true);
  if (scale > 0 && scale <= 22 && numbers instanceof Float64Array) {
    const power = 10 ** scale;
    return numbers.map((number) => number / power);
  }
  if (scale === 0) return numbers;
  const exact = Array.from<number | bigint>(integers);
  return numbered(exact.map((value) => fromDecimal(BigInt(value), scale)));
}

/** Reads a two's complement number of any width, its highest byte first. */
function bigEndian(bytes: Uint8Array): bigint {
  let value = 0n;
  for (const byte of bytes) value = value << 8n | BigInt(byte);
  return BigInt.asIntN(8 * bytes.length, value);
}
