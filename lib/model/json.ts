/**
 * A strict reader of JSON (RFC 8259) for model files. `JSON.parse` is not
 * enough: it takes the last of two equal keys, and refuses the `NaN` and
 * `Infinity` that XGBoost writes for statistics of its nodes.
 */
import { InputError } from "../errors.ts";
import { maxContainers, maxDepth, shortText, type Value } from "./document.ts";

interface Cursor {
  readonly bytes: Uint8Array;
  at: number;
  depth: number;
  containersLeft: number;
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * The value that the UTF-8 bytes hold; objects become maps.
 *
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 *
 * const bytes = new TextEncoder().encode('{"a": [1, NaN, "é"]}');
 * deepStrictEqual(parseJson(bytes), new Map([["a", [1, NaN, "é"]]]));
 * ```
 *
 * @throws {InputError} If the bytes are no JSON, with the offset of the first wrong one; if a key stands twice.
 */
export function parseJson(bytes: Uint8Array): Value {
  const containersLeft = maxContainers(bytes.length);
  const cursor: Cursor = { bytes, at: 0, depth: 0, containersLeft };
  const value = readValue(cursor);
  skipSpace(cursor);
  if (cursor.at !== bytes.length) {
    throw broken(
      cursor,
      `${bytes.length - cursor.at} bytes left over after the end`,
    );
  }
  return value;
}

function readValue(cursor: Cursor): Value {
  skipSpace(cursor);
  switch (cursor.bytes[cursor.at]) {
    case 0x7b: // {
      return readObject(enter(cursor));
    case 0x5b: // [
      return readArray(enter(cursor));
    case 0x22: // "
      return readText(cursor);
    default:
      return readWord(cursor);
  }
}

function readObject(cursor: Cursor): Value {
  const members = new Map<string, Value>();
  if (closes(cursor, 0x7d)) return leave(cursor, members);
  for (;;) {
    skipSpace(cursor);
    if (cursor.bytes[cursor.at] !== 0x22) {
      throw broken(cursor, "expected a key");
    }
    const key = readText(cursor);
    if (members.has(key)) {
      throw broken(cursor, `key ${JSON.stringify(key)} stands twice`);
    }
    expect(cursor, 0x3a);
    members.set(key, readValue(cursor));
    if (closes(cursor, 0x7d)) return leave(cursor, members);
    expect(cursor, 0x2c);
  }
}

function readArray(cursor: Cursor): Value {
  if (closes(cursor, 0x5d)) return leave(cursor, []);
  const numbers = readPlainNumbers(cursor);
  if (numbers !== undefined) return leave(cursor, numbers);
  const values: Value[] = [];
  for (;;) {
    values.push(readValue(cursor));
    if (closes(cursor, 0x5d)) return leave(cursor, values);
    expect(cursor, 0x2c);
  }
}

/**
 * An array of nothing but numbers, which is most of a model file, through
 * `JSON.parse`; undefined, with the cursor unmoved, where it holds something else.
 */
function readPlainNumbers(cursor: Cursor): number[] | undefined {
  const { bytes } = cursor;
  let end = cursor.at;
  while (isOfNumber(bytes[end] ?? 0)) end++;
  if (bytes[end] !== 0x5d) return undefined;
  const text = utf8.decode(bytes.subarray(cursor.at, end));
  try {
    const numbers = JSON.parse(`[${text}]`) as number[];
    cursor.at = end + 1;
    return numbers;
  } catch {
    return undefined; // the slow way finds the exact byte
  }
}

/** Digits, `+ - . e E`, comma and white space. */
function isOfNumber(byte: number): boolean {
  return byte >= 0x2b && byte <= 0x39 && byte !== 0x2f ||
    byte === 0x20 || byte === 0x65 || byte === 0x45 || byte === 0x0a ||
    byte === 0x0d || byte === 0x09;
}

const words: ReadonlyMap<string, Value> = new Map<string, Value>([
  ["null", null],
  ["true", true],
  ["false", false],
  ["NaN", NaN],
  ["Infinity", Infinity],
  ["-Infinity", -Infinity],
]);

function readWord(cursor: Cursor): Value {
  const start = cursor.at;
  let end = start;
  while (isOfWord(cursor.bytes[end] ?? 0)) end++;
  const text = String.fromCharCode(
    ...cursor.bytes.subarray(start, Math.min(end, start + 100)),
  );
  const word = words.get(text);
  const isNumber = /^-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?$/.test(text);
  if (word === undefined && !isNumber || end - start > 100) {
    throw broken(cursor, `expected a value, found ${JSON.stringify(text)}`);
  }
  cursor.at = end;
  return word === undefined ? Number(text) : word;
}

function isOfWord(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39 || byte >= 0x41 && byte <= 0x5a ||
    byte >= 0x61 && byte <= 0x7a || byte === 0x2b || byte === 0x2d ||
    byte === 0x2e;
}

function readText(cursor: Cursor): string {
  const { bytes } = cursor;
  const start = cursor.at;
  let end = start + 1;
  while (end < bytes.length && bytes[end] !== 0x22) {
    end += bytes[end] === 0x5c ? 2 : 1;
  }
  if (end >= bytes.length) throw broken(cursor, "a text without an end");
  cursor.at = end + 1;
  const short = shortText(bytes, start + 1, end);
  if (short !== undefined) return short;
  try {
    return JSON.parse(utf8.decode(bytes.subarray(start, end + 1))) as string;
  } catch (cause) {
    throw new InputError(
      `Cannot read JSON: byte ${start}: not a text`,
      { cause },
    );
  }
}

function closes(cursor: Cursor, bracket: number): boolean {
  skipSpace(cursor);
  if (cursor.bytes[cursor.at] !== bracket) return false;
  cursor.at++;
  return true;
}

function expect(cursor: Cursor, byte: number): void {
  skipSpace(cursor);
  if (cursor.bytes[cursor.at] !== byte) {
    throw broken(cursor, `expected ${String.fromCharCode(byte)}`);
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

function enter(cursor: Cursor): Cursor {
  cursor.at++;
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

function broken(cursor: Cursor, problem: string): InputError {
  const { at, bytes } = cursor;
  const what = at >= bytes.length ? "the file ends here" : problem;
  return new InputError(`Cannot read JSON: byte ${at}: ${what}`);
}
