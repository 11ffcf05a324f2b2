/**
 * A reader of Universal Binary JSON, draft 12 (https://ubjson.org): every
 * number type, counted and typed containers, big-endian as the specification
 * says. XGBoost writes its models so since 1.6.
 */
import { InputError } from "../../base/errors.ts";
import { toDouble } from "./float32.ts";
import {
  maxContainers,
  maxDepth,
  maxKeys,
  type Place,
  shortText,
  type Stored,
} from "./document.ts";
import { isWhole, numberAt, PackedNumbers, widthOf } from "./ubjson-numbers.ts";

/** Where the reader stands. */
interface Cursor {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** All keys that were read so far. */
  readonly keys: Set<string>;
  /** Per depth, the keys of the object that was read there last, in their order. */
  readonly lastKeys: string[][];
  at: number;
  depth: number;
  containersLeft: number;
}

/** Letters of the format, beside those of the number types. */
const letter = {
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
 * The value of a UBJSON file. A high-precision number becomes a double that
 * rounds to the same float32.
 *
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 * import { valueOf } from "./document.ts";
 *
 * const bytes = Uint8Array.from([..."{i\x01a[$U#i\x02\x07\x08}"].map((c) => c.charCodeAt(0)));
 * deepStrictEqual(valueOf(openUbjson(bytes)), new Map([["a", Uint8Array.of(7, 8)]]));
 * ```
 *
 * @throws {InputError} If the bytes are no UBJSON, with the offset of the first wrong one; if a key stands twice; if bytes are left over.
 */
export function openUbjson(bytes: Uint8Array): Place {
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
  throw broken(
    cursor,
    `${bytes.length - cursor.at} bytes left over after the end`,
  );
}

function readValue(cursor: Cursor, marker: number): Stored {
  switch (marker) {
    case letter.object:
      return readObject(enter(cursor));
    case letter.array:
      return readArray(enter(cursor));
    case letter.text:
      return readText(cursor, readCount(cursor, readMarker(cursor)));
    case letter.null:
      return null;
    case letter.true:
      return true;
    case letter.false:
      return false;
    case letter.character:
      return String.fromCharCode(cursor.view.getUint8(take(cursor, 1)));
    case letter.highPrecision:
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
  const text = readText(cursor, readCount(cursor, readMarker(cursor)));
  if (/^-?\d+(\.\d+)?([eE][-+]?\d+)?$/.test(text)) return toDouble(text);
  throw broken({ at: start }, `not a number: ${text}`);
}

/** What a container says before its first value. */
interface Header {
  /** The type of every value, where all have one. */
  readonly type?: number;
  /** How many values follow; without it, they follow until the closing bracket. */
  readonly count?: number;
}

const emptyHeader: Header = {};

function readHeader(cursor: Cursor): Header {
  const { bytes } = cursor;
  let type: number | undefined;
  if (bytes[cursor.at] === letter.type) {
    cursor.at++;
    type = readMarker(cursor);
    if (!isType(type)) throw unknownType(cursor, type);
    if (bytes[cursor.at] !== letter.count) {
      throw broken(cursor, "a type without a count");
    }
  }
  if (bytes[cursor.at] !== letter.count) return emptyHeader;
  cursor.at++;
  const count = readCount(cursor, readMarker(cursor));
  if (type === undefined) {
    checkRemaining(cursor, count);
    return { count };
  }
  // A value of these takes no byte, so a few bytes could stand for any number of them.
  if (isWithoutBytes(type) || type === letter.array || type === letter.object) {
    throw broken(
      cursor,
      `a container of type ${String.fromCharCode(type)} is not supported`,
    );
  }
  checkRemaining(cursor, count * Math.max(1, widthOf(type)));
  return { type, count };
}

function isType(marker: number): boolean {
  return widthOf(marker) > 0 || isWithoutBytes(marker) ||
    marker === letter.text || marker === letter.character ||
    marker === letter.highPrecision || marker === letter.array ||
    marker === letter.object;
}

function isWithoutBytes(marker: number): boolean {
  return marker === letter.null || marker === letter.true ||
    marker === letter.false;
}

function readArray(cursor: Cursor): Stored {
  const { type, count } = readHeader(cursor);
  if (type !== undefined && count !== undefined && widthOf(type) > 0) {
    const at = take(cursor, count * widthOf(type));
    return leave(cursor, new PackedNumbers(cursor.view, at, { type, count }));
  }
  const values: Stored[] = [];
  for (let n = 0; n !== count; n++) {
    const marker = type ?? readMarker(cursor);
    if (count === undefined && marker === letter.arrayEnd) break;
    values.push(readValue(cursor, marker));
  }
  return leave(cursor, values);
}

function readObject(cursor: Cursor): Stored {
  const { type, count } = readHeader(cursor);
  const members = new Map<string, Stored>();
  const lastKeys = cursor.lastKeys[cursor.depth] ??= [];
  for (let n = 0; n !== count; n++) {
    const marker = readMarker(cursor);
    if (count === undefined && marker === letter.objectEnd) break;
    const key = readKey(cursor, readCount(cursor, marker), lastKeys[n]);
    lastKeys[n] = key;
    if (members.has(key)) {
      throw broken(cursor, `key ${JSON.stringify(key)} stands twice`);
    }
    members.set(key, readValue(cursor, type ?? readMarker(cursor)));
  }
  return leave(cursor, members);
}

/** A key, which is probably the expected one: thousands of trees have the same keys in the same order. */
function readKey(cursor: Cursor, length: number, expected?: string): string {
  if (expected !== undefined && isNext(cursor, expected, length)) {
    cursor.at += length;
    return expected;
  }
  const key = readText(cursor, length);
  if (cursor.keys.add(key).size <= maxKeys) return key;
  throw broken(cursor, `more than ${maxKeys} different keys`);
}

/** Whether a text of ASCII is next. */
function isNext({ bytes, at }: Cursor, text: string, length: number): boolean {
  if (text.length !== length) return false;
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i);
    if (bytes[at + i] !== code || code > 0x7f) return false;
  }
  return true;
}

/** How many of something follow. */
function readCount(cursor: Cursor, marker: number): number {
  if (!isWhole(marker)) {
    throw broken(
      { at: cursor.at - 1 },
      `a length of type ${quote(marker)}`,
    );
  }
  const count = readNumber(cursor, marker);
  if (count >= 0 && Number.isSafeInteger(count)) return count;
  throw broken(cursor, `a length of ${count}`);
}

function readText(cursor: Cursor, length: number): string {
  const at = take(cursor, length);
  const short = shortText(cursor.bytes, at, at + length);
  if (short !== undefined) return short;
  try {
    return utf8.decode(cursor.bytes.subarray(at, at + length));
  } catch {
    throw broken({ at }, "a text that is not UTF-8");
  }
}

function readMarker(cursor: Cursor): number {
  for (;;) {
    const marker = cursor.view.getUint8(take(cursor, 1));
    if (marker !== letter.noOperation) return marker;
  }
}

/** The offset of the next `length` bytes, which are then behind the cursor. */
function take(cursor: Cursor, length: number): number {
  checkRemaining(cursor, length);
  const { at } = cursor;
  cursor.at += length;
  return at;
}

function checkRemaining(cursor: Cursor, length: number): void {
  const left = cursor.bytes.length - cursor.at;
  if (length <= left) return;
  throw broken(cursor, `${length} more bytes expected, ${left} are left`);
}

function enter(cursor: Cursor): Cursor {
  const start = { at: cursor.at - 1 };
  if (++cursor.depth > maxDepth) {
    throw broken(start, `nested deeper than ${maxDepth}`);
  }
  if (--cursor.containersLeft < 0) {
    throw broken(start, "more objects and arrays than a model has");
  }
  return cursor;
}

function leave(cursor: Cursor, value: Stored): Stored {
  cursor.depth--;
  return value;
}

/** The error about a marker that was just read. */
function unknownType({ at }: Cursor, marker: number): InputError {
  return broken({ at: at - 1 }, `unknown type ${quote(marker)}`);
}

function quote(marker: number): string {
  return JSON.stringify(String.fromCharCode(marker));
}

function broken({ at }: { at: number }, problem: string): InputError {
  return new InputError(`Cannot read UBJSON: byte ${at}: ${problem}`);
}
