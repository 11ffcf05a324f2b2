/**
 * A parser of Universal Binary JSON, draft 12 (https://ubjson.org), with all
 * number types and with counted and typed containers; big-endian, as specified.
 * XGBoost supports it since 1.6.
 */
import type { InputError } from "../../base/errors.ts";
import { toDouble } from "./float32.ts";
import {
  asciiString,
  countKey,
  type Cursor as DocumentCursor,
  endDocument,
  enter,
  type JsonValue,
  leave,
  type ParsedValue,
  startCursor,
  syntaxError,
} from "./document.ts";
import {
  isInteger,
  numberAt,
  PackedNumbers,
  widthOf,
} from "./ubjson-numbers.ts";

interface Cursor extends DocumentCursor {
  readonly view: DataView;
  /** Per depth, the keys of the last object, in order. */
  readonly lastKeys: string[][];
}

/** Markers other than those of the number types. */
const markers = {
  array: 0x5b, // [
  arrayEnd: 0x5d, // ]
  object: 0x7b, // {
  objectEnd: 0x7d, // }
  text: 0x53, // S
  character: 0x43, // C
  highPrecision: 0x48, // H
  null: 0x5a, // Z
  true: 0x54, // T
  false: 0x46, // F
  noOperation: 0x4e, // N
  type: 0x24, // $
  count: 0x23, // #
} as const;

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Parses a UBJSON file. A high-precision number becomes a double that rounds to
 * the same float32.
 *
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 * import { valueOf } from "./document.ts";
 *
 * const bytes = Uint8Array.from([..."{i\x01a[$U#i\x02\x07\x08}"].map((c) => c.charCodeAt(0)));
 * deepStrictEqual(valueOf(openUbjson(bytes)), new Map([["a", Uint8Array.of(7, 8)]]));
 * ```
 *
 * @throws {InputError} If the bytes are not valid UBJSON, with the offset of the first invalid one, or if a key appears twice.
 */
export function openUbjson(bytes: Uint8Array): JsonValue {
  const cursor: Cursor = {
    ...startCursor("UBJSON", bytes),
    view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength),
    lastKeys: [],
  };
  return endDocument(cursor, readValue(cursor, readMarker(cursor)));
}

function readValue(cursor: Cursor, marker: number): ParsedValue {
  switch (marker) {
    case markers.object:
      return readObject(enter(cursor));
    case markers.array:
      return readArray(enter(cursor));
    case markers.text:
      return readString(cursor, readCount(cursor, readMarker(cursor)));
    case markers.null:
      return null;
    case markers.true:
      return true;
    case markers.false:
      return false;
    case markers.character:
      return String.fromCharCode(cursor.view.getUint8(take(cursor, 1)));
    case markers.highPrecision:
      return readHighPrecision(cursor);
    default:
      return readNumber(cursor, marker);
  }
}

function readNumber(cursor: Cursor, marker: number): number {
  const width = widthOf(marker);
  if (width === 0) throw unknownType(cursor, marker);
  return numberAt(cursor.view, take(cursor, width), marker);
}

function readHighPrecision(cursor: Cursor): number {
  const start = cursor.at;
  const text = readString(cursor, readCount(cursor, readMarker(cursor)));
  if (/^-?\d+(\.\d+)?([eE][-+]?\d+)?$/.test(text)) return toDouble(text);
  const shown = JSON.stringify(text.slice(0, 40));
  throw syntaxError(cursor, `invalid number ${shown}`, start);
}

/** The header of a container. */
interface Header {
  /** The marker of all values; absent if each value has its own. */
  readonly type?: number;
  /** The number of values; absent if a closing bracket ends them. */
  readonly count?: number;
}

const emptyHeader: Header = {};

/** Types of values that take no bytes, so that a few bytes could declare any number of them, and containers. */
const unsupportedTypes: readonly number[] = [
  markers.null,
  markers.true,
  markers.false,
  markers.array,
  markers.object,
];
const textTypes: readonly number[] = [
  markers.text,
  markers.character,
  markers.highPrecision,
];

function readHeader(cursor: Cursor): Header {
  const { bytes } = cursor;
  let type: number | undefined;
  if (bytes[cursor.at] === markers.type) {
    cursor.at++;
    type = readMarker(cursor);
    if (unsupportedTypes.includes(type)) {
      const name = String.fromCharCode(type);
      throw syntaxError(cursor, `containers of type ${name} are not supported`);
    }
    if (widthOf(type) === 0 && !textTypes.includes(type)) {
      throw unknownType(cursor, type);
    }
    if (bytes[cursor.at] !== markers.count) {
      throw syntaxError(cursor, "type without a count");
    }
  }
  if (bytes[cursor.at] !== markers.count) return emptyHeader;
  cursor.at++;
  const count = readCount(cursor, readMarker(cursor));
  const width = type === undefined ? 1 : Math.max(1, widthOf(type));
  checkRemaining(cursor, count * width);
  return type === undefined ? { count } : { type, count };
}

function readArray(cursor: Cursor): ParsedValue {
  const { type, count } = readHeader(cursor);
  if (type !== undefined && count !== undefined && widthOf(type) > 0) {
    const at = take(cursor, count * widthOf(type));
    return leave(cursor, new PackedNumbers(cursor.view, at, { type, count }));
  }
  const values: ParsedValue[] = [];
  for (let n = 0; n !== count; n++) {
    const marker = type ?? readMarker(cursor);
    if (count === undefined && marker === markers.arrayEnd) break;
    values.push(readValue(cursor, marker));
  }
  return leave(cursor, values);
}

function readObject(cursor: Cursor): ParsedValue {
  const { type, count } = readHeader(cursor);
  const members = new Map<string, ParsedValue>();
  const lastKeys = cursor.lastKeys[cursor.depth] ??= [];
  for (let n = 0; n !== count; n++) {
    const marker = readMarker(cursor);
    if (count === undefined && marker === markers.objectEnd) break;
    const key = readKey(cursor, readCount(cursor, marker), lastKeys[n]);
    lastKeys[n] = key;
    if (members.has(key)) {
      throw syntaxError(cursor, `duplicate key ${JSON.stringify(key)}`);
    }
    members.set(key, readValue(cursor, type ?? readMarker(cursor)));
  }
  return leave(cursor, members);
}

/** Reads a key. It is usually the expected one, because thousands of trees have the same keys in the same order. */
function readKey(cursor: Cursor, length: number, expected?: string): string {
  if (expected !== undefined && matchesNext(cursor, expected, length)) {
    cursor.at += length;
    return expected;
  }
  return countKey(cursor, readString(cursor, length));
}

/** Returns whether an ASCII string is next. */
function matchesNext(
  { bytes, at }: Cursor,
  text: string,
  length: number,
): boolean {
  if (text.length !== length) return false;
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i);
    if (bytes[at + i] !== code || code > 0x7f) return false;
  }
  return true;
}

/** Reads a length or count. */
function readCount(cursor: Cursor, marker: number): number {
  if (!isInteger(marker)) {
    const problem = `length of type ${quote(marker)}`;
    throw syntaxError(cursor, problem, cursor.at - 1);
  }
  const count = readNumber(cursor, marker);
  if (count >= 0 && Number.isSafeInteger(count)) return count;
  throw syntaxError(cursor, `length ${count}`);
}

function readString(cursor: Cursor, length: number): string {
  const at = take(cursor, length);
  const short = asciiString(cursor.bytes, at, at + length);
  if (short !== undefined) return short;
  try {
    return utf8.decode(cursor.bytes.subarray(at, at + length));
  } catch {
    throw syntaxError(cursor, "string is not UTF-8", at);
  }
}

function readMarker(cursor: Cursor): number {
  for (;;) {
    const marker = cursor.view.getUint8(take(cursor, 1));
    if (marker !== markers.noOperation) return marker;
  }
}

/** Advances the cursor by `length` bytes and returns their offset. */
function take(cursor: Cursor, length: number): number {
  checkRemaining(cursor, length);
  const { at } = cursor;
  cursor.at += length;
  return at;
}

function checkRemaining(cursor: Cursor, length: number): void {
  const left = cursor.bytes.length - cursor.at;
  if (length <= left) return;
  throw syntaxError(cursor, `expected ${length} more bytes, found ${left}`);
}

/** Returns the error about the marker before the cursor. */
function unknownType(cursor: Cursor, marker: number): InputError {
  const problem = `unknown type ${quote(marker)}`;
  return syntaxError(cursor, problem, cursor.at - 1);
}

function quote(marker: number): string {
  return JSON.stringify(String.fromCharCode(marker));
}
