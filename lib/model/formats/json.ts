/**
 * A strict JSON parser (RFC 8259) for model files. `JSON.parse` is not enough:
 * it accepts duplicate keys, rejects the `NaN` and `Infinity` that XGBoost
 * writes for node statistics, and rounds decimals to doubles, which may then
 * round to a different float32 than `strtof` returns.
 */
import type { InputError } from "../../base/errors.ts";
import { isHalfway, toDouble } from "./float32.ts";
import {
  asciiString,
  countKey,
  type Cursor,
  endDocument,
  enter,
  type JsonValue,
  leave,
  type ParsedValue,
  startCursor,
  syntaxError,
} from "./document.ts";

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const latin1 = new TextDecoder("latin1");

/**
 * Parses a JSON file, in which `NaN` and `Infinity` are numbers, as XGBoost
 * writes them. Numbers become doubles that round to the same float32 as their
 * decimals. A lone surrogate becomes U+FFFD.
 *
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 * import { valueOf } from "./document.ts";
 *
 * const bytes = new TextEncoder().encode('{"a": [1, NaN, "é"]}');
 * deepStrictEqual(valueOf(openJson(bytes)), new Map([["a", [1, NaN, "é"]]]));
 * ```
 *
 * @throws {InputError} If the bytes are not valid JSON, with the offset of the first invalid one, or if a key appears twice.
 */
export function openJson(bytes: Uint8Array): JsonValue {
  const cursor = startCursor("JSON", bytes);
  const value = readValue(cursor);
  skipSpace(cursor);
  return endDocument(cursor, value);
}

function readValue(cursor: Cursor): ParsedValue {
  skipSpace(cursor);
  switch (cursor.bytes[cursor.at]) {
    case 0x7b: // {
      cursor.at++;
      return readObject(enter(cursor));
    case 0x5b: // [
      cursor.at++;
      return readArray(enter(cursor));
    case 0x22: // "
      return readString(cursor);
    default:
      return readLiteral(cursor);
  }
}

function readObject(cursor: Cursor): ParsedValue {
  const members = new Map<string, ParsedValue>();
  if (accept(cursor, 0x7d)) return leave(cursor, members);
  for (;;) {
    const key = readKey(cursor);
    if (members.has(key)) {
      throw problemAt(cursor, `duplicate key ${JSON.stringify(key)}`);
    }
    expect(cursor, 0x3a);
    members.set(key, readValue(cursor));
    if (accept(cursor, 0x7d)) return leave(cursor, members);
    expect(cursor, 0x2c);
  }
}

function readKey(cursor: Cursor): string {
  skipSpace(cursor);
  if (cursor.bytes[cursor.at] !== 0x22) {
    throw problemAt(cursor, "expected a key");
  }
  return countKey(cursor, readString(cursor));
}

function readArray(cursor: Cursor): ParsedValue {
  if (accept(cursor, 0x5d)) return leave(cursor, []);
  const numbers = readNumberArray(cursor);
  if (numbers !== undefined) return leave(cursor, numbers);
  const values: ParsedValue[] = [];
  for (;;) {
    values.push(readValue(cursor));
    if (accept(cursor, 0x5d)) return leave(cursor, values);
    expect(cursor, 0x2c);
  }
}

/**
 * Parses an array of numbers, which is most of a model file, with `JSON.parse`.
 * Returns undefined and leaves the cursor if the array has other elements or is
 * invalid; the general parser then finds the invalid byte.
 */
function readNumberArray(cursor: Cursor): readonly number[] | undefined {
  const { bytes, at } = cursor;
  if (!isNumberStart(bytes[at] ?? 0)) return undefined;
  const end = bytes.indexOf(0x5d, at);
  if (end === -1) return undefined;
  const numbers = parseNumbers(latin1.decode(bytes.subarray(at, end)));
  if (numbers !== undefined) cursor.at = end + 1;
  return numbers;
}

/** Parses the text between two brackets; returns undefined if it is not a list of numbers. Uses loops, because callbacks took a quarter of the parsing time. */
function parseNumbers(text: string): readonly number[] | undefined {
  let values: readonly unknown[];
  try {
    values = JSON.parse(`[${text}]`);
  } catch {
    return undefined;
  }
  if (!areNumbers(values)) return undefined;
  for (let i = 0; i < values.length; i++) {
    if (!isHalfway(values[i] ?? NaN)) continue;
    return text.split(",").map((number) => toDouble(number.trim()));
  }
  return values;
}

function areNumbers(values: readonly unknown[]): values is readonly number[] {
  for (let i = 0; i < values.length; i++) {
    if (typeof values[i] !== "number") return false;
  }
  return true;
}

function isNumberStart(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39 || byte === 0x2d;
}

const literals: ReadonlyMap<string, ParsedValue> = new Map<string, ParsedValue>(
  [
    ["null", null],
    ["true", true],
    ["false", false],
    ["NaN", NaN],
    ["Infinity", Infinity],
    ["-Infinity", -Infinity],
  ],
);

function readLiteral(cursor: Cursor): ParsedValue {
  const { bytes, at } = cursor;
  let end = at;
  while (isLiteralByte(bytes[end] ?? 0)) end++;
  const text = latin1.decode(bytes.subarray(at, end));
  const literal = literals.get(text);
  const isNumber = /^-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?$/.test(text);
  if (literal === undefined && !isNumber) {
    const found = JSON.stringify(text.slice(0, 100));
    throw problemAt(cursor, `expected a value, found ${found}`);
  }
  cursor.at = end;
  return literal === undefined ? toDouble(text) : literal;
}

function isLiteralByte(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39 || byte >= 0x41 && byte <= 0x5a ||
    byte >= 0x61 && byte <= 0x7a || byte === 0x2b || byte === 0x2d ||
    byte === 0x2e;
}

function readString(cursor: Cursor): string {
  const { bytes, at } = cursor;
  let end = at + 1;
  while (end < bytes.length && bytes[end] !== 0x22) {
    end += bytes[end] === 0x5c ? 2 : 1;
  }
  if (end >= bytes.length) throw problemAt(cursor, "unterminated string");
  const text = asciiString(bytes, at + 1, end) ?? decodeString(cursor, end + 1);
  cursor.at = end + 1;
  return text;
}

function decodeString(cursor: Cursor, end: number): string {
  const { bytes, at } = cursor;
  try {
    const text: string = JSON.parse(utf8.decode(bytes.subarray(at, end)));
    return text.toWellFormed();
  } catch {
    throw problemAt(cursor, "invalid string");
  }
}

function accept(cursor: Cursor, bracket: number): boolean {
  skipSpace(cursor);
  if (cursor.bytes[cursor.at] !== bracket) return false;
  cursor.at++;
  return true;
}

function expect(cursor: Cursor, byte: number): void {
  skipSpace(cursor);
  if (cursor.bytes[cursor.at] !== byte) {
    throw problemAt(cursor, `expected ${String.fromCharCode(byte)}`);
  }
  cursor.at++;
}

function skipSpace(cursor: Cursor): void {
  for (;;) {
    const byte = cursor.bytes[cursor.at];
    if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) {
      return;
    }
    cursor.at++;
  }
}

function problemAt(cursor: Cursor, problem: string): InputError {
  const isEnd = cursor.at >= cursor.bytes.length;
  return syntaxError(cursor, isEnd ? "unexpected end of file" : problem);
}
