/**
 * A parser of Universal Binary JSON, draft 12 (https://ubjson.org), with all
 * number types and with counted and typed containers; big-endian, as specified.
 * XGBoost supports it since 1.6.
 */
import { InputError } from "../../base/errors.ts";
import { toDouble } from "./float32.ts";
import {
  asciiString,
  type JsonValue,
  maxContainers,
  maxDepth,
  maxKeys,
  type ParsedValue,
} from "./document.ts";
import {
  isInteger,
  numberAt,
  PackedNumbers,
  widthOf,
} from "./ubjson-numbers.ts";

interface Cursor {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** All distinct keys so far. */
  readonly keys: Set<string>;
  /** Per depth, the keys of the last object, in order. */
  readonly lastKeys: string[][];
  at: number;
  depth: number;
  containersLeft: number;
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
    bytes,
    view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength),
    keys: new Set(),
    lastKeys: [],
    at: 0,
    depth: 0,
    containersLeft: maxContainers(bytes.length),
  };
  const value = readValue(cursor, readMarker(cursor));
  if (cursor.at === bytes.length) return { value, path: "" };
  throw syntaxError(
    cursor,
    `${bytes.length - cursor.at} bytes after the end of the value`,
  );
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
  throw syntaxError(
    { at: start },
    `invalid number ${JSON.stringify(text.slice(0, 40))}`,
  );
}

/** The header of a container. */
interface Header {
  /** The marker of all values; absent if each value has its own. */
  readonly type?: number;
  /** The number of values; absent if a closing bracket ends them. */
  readonly count?: number;
}

const emptyHeader: Header = {};

function readHeader(cursor: Cursor): Header {
  const { bytes } = cursor;
  let type: number | undefined;
  if (bytes[cursor.at] === markers.type) {
    cursor.at++;
    type = readMarker(cursor);
    if (!isType(type)) throw unknownType(cursor, type);
    if (bytes[cursor.at] !== markers.count) {
      throw syntaxError(cursor, "type without a count");
    }
  }
  if (bytes[cursor.at] !== markers.count) return emptyHeader;
  cursor.at++;
  const count = readCount(cursor, readMarker(cursor));
  if (type === undefined) {
    checkRemaining(cursor, count);
    return { count };
  }
  // Values of these types take no bytes, so a few bytes could declare any number of them.
  if (hasNoPayload(type) || type === markers.array || type === markers.object) {
    throw syntaxError(
      cursor,
      `containers of type ${String.fromCharCode(type)} are not supported`,
    );
  }
  checkRemaining(cursor, count * Math.max(1, widthOf(type)));
  return { type, count };
}

function isType(marker: number): boolean {
  return widthOf(marker) > 0 || hasNoPayload(marker) ||
    marker === markers.text || marker === markers.character ||
    marker === markers.highPrecision || marker === markers.array ||
    marker === markers.object;
}

function hasNoPayload(marker: number): boolean {
  return marker === markers.null || marker === markers.true ||
    marker === markers.false;
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
  const key = readString(cursor, length);
  if (cursor.keys.add(key).size <= maxKeys) return key;
  throw syntaxError(cursor, `more than ${maxKeys} distinct keys`);
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
    throw syntaxError(
      { at: cursor.at - 1 },
      `length of type ${quote(marker)}`,
    );
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
    throw syntaxError({ at }, "string is not UTF-8");
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

function enter(cursor: Cursor): Cursor {
  const start = { at: cursor.at - 1 };
  if (++cursor.depth > maxDepth) {
    throw syntaxError(start, `nested deeper than ${maxDepth}`);
  }
  if (--cursor.containersLeft < 0) {
    throw syntaxError(start, "more objects and arrays than any model has");
  }
  return cursor;
}

function leave(cursor: Cursor, value: ParsedValue): ParsedValue {
  cursor.depth--;
  return value;
}

/** Returns the error about the marker before the cursor. */
function unknownType({ at }: Cursor, marker: number): InputError {
  return syntaxError({ at: at - 1 }, `unknown type ${quote(marker)}`);
}

function quote(marker: number): string {
  return JSON.stringify(String.fromCharCode(marker));
}

function syntaxError({ at }: { at: number }, problem: string): InputError {
  return new InputError(`Cannot read UBJSON: byte ${at}: ${problem}`);
}
