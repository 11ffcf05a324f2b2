/**
 * A reader of Universal Binary JSON, draft 12 (https://ubjson.org): every
 * number type, counted and typed containers, big-endian as the specification
 * says. XGBoost writes its models so since 1.6.
 */
import { InputError } from "../errors.ts";
import {
  maxContainers,
  maxDepth,
  type NumberArray,
  shortText,
  type Value,
} from "./document.ts";

import { numberAt, numbersAt, type Turned, width } from "./ubjson-numbers.ts";

/** Where the reader stands. */
interface Cursor {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly turned: Turned;
  /** Per depth, the keys of the object that was read there before. */
  readonly keys: string[][];
  at: number;
  depth: number;
  containersLeft: number;
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * The value that the bytes hold. Typed arrays of numbers become typed arrays
 * (of 64-bit integers: doubles, exact up to 2^53), objects become maps, and a
 * high-precision number becomes the nearest double.
 *
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 *
 * const bytes = Uint8Array.from([..."{i\x01a[$U#i\x02\x07\x08}"].map((c) => c.charCodeAt(0)));
 * deepStrictEqual(parseUbjson(bytes), new Map([["a", Uint8Array.of(7, 8)]]));
 * ```
 *
 * @throws {InputError} If the bytes are no UBJSON, with the offset of the first wrong one; if a key stands twice; if bytes are left over.
 */
export function parseUbjson(bytes: Uint8Array): Value {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const containersLeft = maxContainers(bytes.length);
  const cursor: Cursor = {
    bytes,
    view,
    turned: { view, copies: [] },
    keys: [],
    at: 0,
    depth: 0,
    containersLeft,
  };
  const value = readValue(cursor, readMarker(cursor));
  if (cursor.at !== bytes.length) {
    throw broken(
      cursor,
      `${bytes.length - cursor.at} bytes left over after the end`,
    );
  }
  return value;
}

function readValue(cursor: Cursor, marker: string): Value {
  switch (marker) {
    case "{":
      return readObject(enter(cursor));
    case "[":
      return readArray(enter(cursor));
    case "S":
      return readText(cursor, readCount(cursor, readMarker(cursor)));
    case "Z":
      return null;
    case "T":
      return true;
    case "F":
      return false;
    case "C":
      return String.fromCharCode(cursor.view.getUint8(take(cursor, 1)));
    case "H":
      return readHighPrecision(cursor);
    default:
      return readNumber(cursor, marker);
  }
}

function readNumber(cursor: Cursor, marker: string): number {
  const size = width[marker];
  if (size === undefined) {
    throw broken(cursor, `unknown type ${JSON.stringify(marker)}`, 1);
  }
  return numberAt(cursor.view, take(cursor, size), marker);
}

function readHighPrecision(cursor: Cursor): number {
  const start = cursor.at;
  const text = readText(cursor, readCount(cursor, readMarker(cursor)));
  if (!/^-?\d+(\.\d+)?([eE][-+]?\d+)?$/.test(text)) {
    throw broken(cursor, `not a number: ${text}`, cursor.at - start);
  }
  return Number(text);
}

/** What a container says before its first value. */
interface Header {
  /** The type of every value, where all have one. */
  readonly type?: string;
  /** How many values follow; without it, they follow until the closing bracket. */
  readonly count?: number;
}

function readHeader(cursor: Cursor): Header {
  let type: string | undefined;
  if (peek(cursor) === "$") {
    cursor.at++;
    type = readMarker(cursor);
    if (peek(cursor) !== "#") throw broken(cursor, "a type without a count");
  }
  if (peek(cursor) !== "#") return {};
  cursor.at++;
  const count = readCount(cursor, readMarker(cursor));
  if (type === undefined) return { count };
  // A value of these takes no byte, so a few bytes could stand for any number of them.
  if ("ZTFN[{".includes(type)) {
    throw broken(cursor, `a container of type ${type} is not supported`);
  }
  return { type, count };
}

function readArray(cursor: Cursor): Value {
  const { type, count } = readHeader(cursor);
  if (type !== undefined && count !== undefined && width[type]) {
    return leave(cursor, readNumbers(cursor, type, count));
  }
  const values: Value[] = [];
  if (count !== undefined) {
    checkRemaining(cursor, count);
    for (let i = 0; i < count; i++) {
      values.push(readValue(cursor, type ?? readMarker(cursor)));
    }
    return leave(cursor, values);
  }
  for (;;) {
    const marker = readMarker(cursor);
    if (marker === "]") return leave(cursor, values);
    values.push(readValue(cursor, marker));
  }
}

function readObject(cursor: Cursor): Value {
  const { type, count } = readHeader(cursor);
  const members = new Map<string, Value>();
  if (count !== undefined) checkRemaining(cursor, count);
  const keys = cursor.keys[cursor.depth] ??= [];
  for (let n = 0; count === undefined || n < count; n++) {
    const marker = readMarker(cursor);
    if (count === undefined && marker === "}") break;
    const length = readCount(cursor, marker);
    const known = keys[n];
    let key: string;
    if (known !== undefined && isNext(cursor, known, length)) {
      key = known;
      cursor.at += length;
    } else key = keys[n] = readText(cursor, length);
    if (members.has(key)) {
      throw broken(cursor, `key ${JSON.stringify(key)} stands twice`);
    }
    members.set(key, readValue(cursor, type ?? readMarker(cursor)));
  }
  return leave(cursor, members);
}

/** Whether a text is next. Thousands of trees have the same keys: one that is known need not be made again. */
function isNext(
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

function readNumbers(
  cursor: Cursor,
  type: string,
  count: number,
): NumberArray {
  const at = take(cursor, count * (width[type] ?? 1));
  return numbersAt(cursor.turned, at, { type, count });
}

function readCount(cursor: Cursor, marker: string): number {
  if (!"iUIlL".includes(marker)) {
    throw broken(cursor, `a length of type ${JSON.stringify(marker)}`, 1);
  }
  const count = readNumber(cursor, marker);
  if (count < 0 || !Number.isSafeInteger(count)) {
    throw broken(cursor, `a length of ${count}`);
  }
  return count;
}

function readText(cursor: Cursor, length: number): string {
  const at = take(cursor, length);
  const short = shortText(cursor.bytes, at, at + length);
  if (short !== undefined) return short;
  try {
    return utf8.decode(cursor.bytes.subarray(at, at + length));
  } catch (cause) {
    throw new InputError(
      `Cannot read UBJSON: the text at byte ${at} is not UTF-8`,
      { cause },
    );
  }
}

function readMarker(cursor: Cursor): string {
  for (;;) {
    const marker = String.fromCharCode(cursor.view.getUint8(take(cursor, 1)));
    if (marker !== "N") return marker; // N: no operation
  }
}

function peek(cursor: Cursor): string {
  return String.fromCharCode(cursor.bytes[cursor.at] ?? 0);
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
  if (length > left) {
    throw broken(cursor, `${length} more bytes expected, ${left} are left`);
  }
}

function enter(cursor: Cursor): Cursor {
  if (++cursor.depth > maxDepth) {
    throw broken(cursor, `nested deeper than ${maxDepth}`);
  }
  if (--cursor.containersLeft < 0) {
    throw broken(cursor, "more objects and arrays than a model has");
  }
  return cursor;
}

function leave(cursor: Cursor, value: Value): Value {
  cursor.depth--;
  return value;
}

function broken(cursor: Cursor, problem: string, back = 0): InputError {
  return new InputError(
    `Cannot read UBJSON: byte ${cursor.at - back}: ${problem}`,
  );
}
