/**
 * A strict reader of JSON (RFC 8259) for model files. `JSON.parse` is not
 * enough: it takes the last of two equal keys, refuses the `NaN` and `Infinity`
 * that XGBoost writes for statistics of its nodes, and rounds decimals to
 * doubles, which then round to other floats than `strtof` gives.
 */
import { InputError } from "../../base/errors.ts";
import { isBetweenFloats, toDouble } from "./float32.ts";
import {
  maxContainers,
  maxDepth,
  maxKeys,
  type Place,
  shortText,
  type Stored,
} from "./document.ts";

interface Cursor {
  readonly bytes: Uint8Array;
  /** All keys that were read so far. */
  readonly keys: Set<string>;
  at: number;
  depth: number;
  containersLeft: number;
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const latin1 = new TextDecoder("latin1");

/**
 * The value of a JSON file, in which `NaN` and `Infinity` are numbers, as
 * XGBoost writes them. Numbers are doubles that round to the same float32 as
 * their decimals. Half a surrogate pair becomes U+FFFD.
 *
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 * import { valueOf } from "./document.ts";
 *
 * const bytes = new TextEncoder().encode('{"a": [1, NaN, "é"]}');
 * deepStrictEqual(valueOf(openJson(bytes)), new Map([["a", [1, NaN, "é"]]]));
 * ```
 *
 * @throws {InputError} If the bytes are no JSON, with the offset of the first wrong one; if a key stands twice.
 */
export function openJson(bytes: Uint8Array): Place {
  const cursor: Cursor = {
    bytes,
    keys: new Set(),
    at: 0,
    depth: 0,
    containersLeft: maxContainers(bytes.length),
  };
  const value = readValue(cursor);
  skipSpace(cursor);
  if (cursor.at === bytes.length) return { value, path: "" };
  throw broken(
    cursor,
    `${bytes.length - cursor.at} bytes left over after the end`,
  );
}

function readValue(cursor: Cursor): Stored {
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

function readObject(cursor: Cursor): Stored {
  const members = new Map<string, Stored>();
  if (closes(cursor, 0x7d)) return leave(cursor, members);
  for (;;) {
    const key = readKey(cursor);
    if (members.has(key)) {
      throw broken(cursor, `key ${JSON.stringify(key)} stands twice`);
    }
    expect(cursor, 0x3a);
    members.set(key, readValue(cursor));
    if (closes(cursor, 0x7d)) return leave(cursor, members);
    expect(cursor, 0x2c);
  }
}

function readKey(cursor: Cursor): string {
  skipSpace(cursor);
  if (cursor.bytes[cursor.at] !== 0x22) throw broken(cursor, "expected a key");
  const key = readText(cursor);
  if (cursor.keys.add(key).size > maxKeys) {
    throw broken(cursor, `more than ${maxKeys} different keys`);
  }
  return key;
}

function readArray(cursor: Cursor): Stored {
  if (closes(cursor, 0x5d)) return leave(cursor, []);
  const numbers = readPlainNumbers(cursor);
  if (numbers !== undefined) return leave(cursor, numbers);
  const values: Stored[] = [];
  for (;;) {
    values.push(readValue(cursor));
    if (closes(cursor, 0x5d)) return leave(cursor, values);
    expect(cursor, 0x2c);
  }
}

/**
 * An array of nothing but numbers, which is most of a model file, through
 * `JSON.parse`; undefined, with the cursor unmoved, where it holds something
 * else or is broken: then the reader of single values finds the wrong byte.
 */
function readPlainNumbers(cursor: Cursor): readonly number[] | undefined {
  const { bytes, at } = cursor;
  if (!isOfNumber(bytes[at] ?? 0)) return undefined;
  const end = bytes.indexOf(0x5d, at);
  if (end === -1) return undefined;
  const numbers = parseNumbers(latin1.decode(bytes.subarray(at, end)));
  if (numbers !== undefined) cursor.at = end + 1;
  return numbers;
}

/** The numbers between two brackets; undefined where there is anything else. Loops instead of callbacks: these would take a quarter of the time. */
function parseNumbers(text: string): readonly number[] | undefined {
  let values: readonly unknown[];
  try {
    values = JSON.parse(`[${text}]`);
  } catch {
    return undefined;
  }
  if (!areNumbers(values)) return undefined;
  for (let i = 0; i < values.length; i++) {
    if (!isBetweenFloats(values[i] ?? NaN)) continue;
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

function isOfNumber(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39 || byte === 0x2d;
}

const words: ReadonlyMap<string, Stored> = new Map<string, Stored>([
  ["null", null],
  ["true", true],
  ["false", false],
  ["NaN", NaN],
  ["Infinity", Infinity],
  ["-Infinity", -Infinity],
]);

function readWord(cursor: Cursor): Stored {
  const { bytes, at } = cursor;
  let end = at;
  while (isOfWord(bytes[end] ?? 0)) end++;
  const text = latin1.decode(bytes.subarray(at, end));
  const word = words.get(text);
  const isNumber = /^-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?$/.test(text);
  if (word === undefined && !isNumber) {
    const found = JSON.stringify(text.slice(0, 100));
    throw broken(cursor, `expected a value, found ${found}`);
  }
  cursor.at = end;
  return word === undefined ? toDouble(text) : word;
}

function isOfWord(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39 || byte >= 0x41 && byte <= 0x5a ||
    byte >= 0x61 && byte <= 0x7a || byte === 0x2b || byte === 0x2d ||
    byte === 0x2e;
}

function readText(cursor: Cursor): string {
  const { bytes, at } = cursor;
  let end = at + 1;
  while (end < bytes.length && bytes[end] !== 0x22) {
    end += bytes[end] === 0x5c ? 2 : 1;
  }
  if (end >= bytes.length) throw broken(cursor, "a text without an end");
  const text = shortText(bytes, at + 1, end) ?? decodeText(cursor, end + 1);
  cursor.at = end + 1;
  return text;
}

function decodeText(cursor: Cursor, end: number): string {
  const { bytes, at } = cursor;
  try {
    const text: string = JSON.parse(utf8.decode(bytes.subarray(at, end)));
    return text.toWellFormed();
  } catch {
    throw broken(cursor, "not a text");
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
  if (++cursor.depth > maxDepth) {
    throw broken(cursor, `nested deeper than ${maxDepth}`);
  }
  if (--cursor.containersLeft < 0) {
    throw broken(cursor, "more objects and arrays than a model has");
  }
  cursor.at++;
  return cursor;
}

function leave(cursor: Cursor, value: Stored): Stored {
  cursor.depth--;
  return value;
}

function broken({ at, bytes }: Cursor, problem: string): InputError {
  const words = at >= bytes.length ? "the file ends here" : problem;
  return new InputError(`Cannot read JSON: byte ${at}: ${words}`);
}
