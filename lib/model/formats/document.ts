/**
 * The values of a JSON or UBJSON document, and functions that read them with an
 * expected type and report the path of a wrong value. Files are untrusted input,
 * so all work is bounded by their size.
 */
import { InputError } from "../../base/errors.ts";
import { type NumberArray, PackedNumbers } from "./ubjson-numbers.ts";

/** A decoded value. Objects are maps, so no key can reach a prototype. */
export type DecodedValue =
  | null
  | boolean
  | number
  | string
  | readonly DecodedValue[]
  | NumberArray
  | ReadonlyMap<string, DecodedValue>;

/** A value as parsed: typed arrays are not decoded yet. */
export type ParsedValue =
  | null
  | boolean
  | number
  | string
  | readonly ParsedValue[]
  | PackedNumbers
  | ReadonlyMap<string, ParsedValue>;

/** A value of a document and its path, for messages; the value is undefined if the document has none there. */
export interface JsonValue {
  readonly value: ParsedValue | undefined;
  readonly path: string;
}

/** Upper bounds, above those of any model; they keep products of counts exact and arrays small. */
export const limits = { features: 10_000_000, groups: 100_000 } as const;

/** Maximum nesting: more than any model has (8), and far below the stack limit. */
export const maxDepth = 64;

/** Maximum number of distinct keys: more than any model has. */
const maxKeys = 4096;

/** A position in a document that is being parsed, and what the document may still contain. */
export interface Cursor {
  readonly format: "JSON" | "UBJSON";
  readonly bytes: Uint8Array;
  /** All distinct keys so far. */
  readonly keys: Set<string>;
  at: number;
  depth: number;
  containersLeft: number;
}

/**
 * Returns a cursor at the start of a document, which may contain an object or
 * array per 8 bytes. Each takes about 100 bytes of memory but as few as two
 * bytes of the file, so without a limit a small file could exhaust the memory. A
 * real tree has 20 in over 500 bytes.
 */
export function startCursor(
  format: Cursor["format"],
  bytes: Uint8Array,
): Cursor {
  return {
    format,
    bytes,
    keys: new Set(),
    at: 0,
    depth: 0,
    containersLeft: 1000 + Math.floor(bytes.length / 8),
  };
}

/** Returns the error about a byte of a document, the cursor's by default. */
export function syntaxError(
  cursor: Cursor,
  problem: string,
  at = cursor.at,
): InputError {
  return new InputError(`Cannot read ${cursor.format}: byte ${at}: ${problem}`);
}

/** Counts an object or array, whose opening byte precedes the cursor. @throws {InputError} If there are too many, or it is nested too deep. */
export function enter<C extends Cursor>(cursor: C): C {
  if (++cursor.depth > maxDepth) {
    const problem = `nested deeper than ${maxDepth}`;
    throw syntaxError(cursor, problem, cursor.at - 1);
  }
  if (--cursor.containersLeft < 0) {
    const problem = "more objects and arrays than any model has";
    throw syntaxError(cursor, problem, cursor.at - 1);
  }
  return cursor;
}

/** Ends an object or array and returns its value. */
export function leave(cursor: Cursor, value: ParsedValue): ParsedValue {
  cursor.depth--;
  return value;
}

/** Counts a key and returns it. @throws {InputError} If there are too many distinct keys. */
export function countKey(cursor: Cursor, key: string): string {
  if (cursor.keys.add(key).size <= maxKeys) return key;
  throw syntaxError(cursor, `more than ${maxKeys} distinct keys`);
}

/** Returns the whole document. @throws {InputError} If bytes follow its value. */
export function endDocument(cursor: Cursor, value: ParsedValue): JsonValue {
  const left = cursor.bytes.length - cursor.at;
  if (left === 0) return { value, path: "" };
  throw syntaxError(cursor, `${left} bytes after the end of the value`);
}

/**
 * Returns an {@linkcode InputError} about one location in a model file.
 */
export function modelError(where: string, problem: string): InputError {
  return new InputError(`Cannot read model: ${where}: ${problem}`);
}

/**
 * Decodes a short string of printable ASCII without `"` and `\\`; returns
 * undefined for any other bytes. Models have thousands of short strings, for
 * which `TextDecoder` is slow.
 */
export function asciiString(
  bytes: Uint8Array,
  start: number,
  end: number,
): string | undefined {
  if (end - start > 64) return undefined;
  let text = "";
  for (let i = start; i < end; i++) {
    const byte = bytes[i] ?? 0;
    const isPlain = byte >= 0x20 && byte < 0x7f && byte !== 0x22 &&
      byte !== 0x5c;
    if (!isPlain) return undefined;
    text += String.fromCharCode(byte);
  }
  return text;
}

/** Returns a member of an object, or of an object in it; a missing member has no value ({@linkcode isPresent}). @throws {InputError} If it is not an object. */
export function member(json: JsonValue, ...keys: string[]): JsonValue {
  let found = json;
  for (const key of keys) {
    const path = found.path === "" ? key : `${found.path}.${key}`;
    found = { value: mapOf(found).get(key), path };
  }
  return found;
}

/** Returns whether the document has this value. */
export function isPresent(json: JsonValue): boolean {
  return json.value !== undefined;
}

/** Returns the keys of an object, in file order. @throws {InputError} If it is not an object. */
export function keysOf(json: JsonValue): Iterable<string> {
  return mapOf(json).keys();
}

function mapOf(json: JsonValue): ReadonlyMap<string, ParsedValue> {
  if (json.value instanceof Map) return json.value;
  throw wrongType(json, "an object");
}

/** Returns the elements of an array; for typed arrays of numbers, use {@linkcode int32sOf} or {@linkcode float32sOf}. @throws {InputError} If it is not an array, or a typed one. */
export function elementsOf(json: JsonValue): JsonValue[] {
  const array = arrayOf(json);
  if (array.length === 0) return [];
  if (array instanceof PackedNumbers) {
    throw wrongType(json, "an array without a number type");
  }
  return array.map((value, i) => ({ value, path: `${json.path}[${i}]` }));
}

/** Returns the length of an array. @throws {InputError} If it is not an array. */
export function lengthOf(json: JsonValue): number {
  return arrayOf(json).length;
}

function arrayOf(json: JsonValue): readonly ParsedValue[] | PackedNumbers {
  if (isArray(json.value)) return json.value;
  throw wrongType(json, "an array");
}

function isArray(
  value: ParsedValue | undefined,
): value is readonly ParsedValue[] | PackedNumbers {
  return Array.isArray(value) || value instanceof PackedNumbers;
}

/** Returns a string. @throws {InputError} If it is not a string. */
export function stringOf(json: JsonValue): string {
  if (typeof json.value === "string") return json.value;
  throw wrongType(json, "a string");
}

/** Returns an array of strings. @throws {InputError} If an element is not a string. */
export function stringsOf(json: JsonValue): string[] {
  return elementsOf(json).map(stringOf);
}

/**
 * Returns an integer, which may be written as a string, as XGBoost writes its
 * parameters.
 *
 * @throws {InputError} If it is not an integer, or not in `min..max`.
 */
export function integerOf(
  json: JsonValue,
  range: { min: number; max: number },
): number {
  const { value } = json;
  const number = typeof value === "string" && /^-?\d{1,15}$/.test(value)
    ? Number(value)
    : value;
  if (typeof number !== "number" || !Number.isInteger(number)) {
    throw wrongType(json, "an integer");
  }
  if (number < range.min || number > range.max) {
    throw modelError(
      json.path,
      `${number} is outside ${range.min}..${range.max}`,
    );
  }
  return number;
}

/** Returns an array of 32-bit integers; true and false are 1 and 0. @throws {InputError} If an element is not such a number, or the length is not `length`. */
export function int32sOf(json: JsonValue, length?: number): Int32Array {
  const array = numbersOf(json, length);
  if (array instanceof Int32Array) return array;
  if (
    array instanceof Uint8Array || array instanceof Int8Array ||
    array instanceof Int16Array
  ) return new Int32Array(array);
  const result = new Int32Array(array.length);
  for (let i = 0; i < array.length; i++) {
    const value = array[i];
    if (typeof value !== "number" && typeof value !== "boolean") {
      throw wrongType({ value, path: `${json.path}[${i}]` }, "a number");
    }
    const number = value === true ? 1 : value === false ? 0 : value;
    result[i] = number;
    if (result[i] === number) continue;
    throw modelError(
      `${json.path}[${i}]`,
      `${number} is not a 32-bit integer`,
    );
  }
  return result;
}

/** {@linkcode int32sOf} for arrays that are bytes in most files, which it does not copy. @throws {InputError} As {@linkcode int32sOf}. */
export function flagsOf(
  json: JsonValue,
  length: number,
): Int32Array | Uint8Array {
  const array = numbersOf(json, length);
  return array instanceof Uint8Array ? array : int32sOf(json, length);
}

/** Returns an array of numbers, rounded to float32. @throws {InputError} If an element is not a number, or the length is not `length`. */
export function float32sOf(json: JsonValue, length?: number): Float32Array {
  const array = numbersOf(json, length);
  if (array instanceof Float32Array) return array;
  const result = new Float32Array(array.length);
  for (let i = 0; i < array.length; i++) {
    const value = array[i];
    if (typeof value !== "number") {
      throw wrongType({ value, path: `${json.path}[${i}]` }, "a number");
    }
    result[i] = value;
  }
  return result;
}

/** Checks that an array has `length` numbers, without decoding a typed one. @throws {InputError} As {@linkcode float32sOf}. */
export function checkNumbers(json: JsonValue, length: number): void {
  const { value } = json;
  if (value instanceof PackedNumbers && value.length === length) return;
  float32sOf(json, length);
}

function numbersOf(
  json: JsonValue,
  length: number | undefined,
): readonly ParsedValue[] | NumberArray {
  const array = arrayOf(json);
  if (length !== undefined && array.length !== length) {
    throw modelError(json.path, `${array.length} values, expected ${length}`);
  }
  if (!(array instanceof PackedNumbers)) return array;
  return array.length > 0 ? array.read() : [];
}

/**
 * Decodes a value with all that it contains.
 *
 * @throws {InputError} If the document does not have it.
 */
export function valueOf(json: JsonValue): DecodedValue {
  if (json.value !== undefined) return readAll(json.value);
  throw modelError(json.path, "missing");
}

function readAll(value: ParsedValue): DecodedValue {
  if (value === null || typeof value !== "object") return value;
  if (value instanceof PackedNumbers) return value.read();
  if ("map" in value) return value.map(readAll);
  return new Map(Array.from(value, ([key, item]) => [key, readAll(item)]));
}

function wrongType({ value, path }: JsonValue, expected: string): InputError {
  if (value === undefined) return modelError(path, "missing");
  return modelError(
    path || "top level",
    `expected ${expected}, found ${describe(value)}`,
  );
}

function describe(value: ParsedValue): string {
  if (value === null) return "null";
  if (value instanceof Map) return "an object";
  if (isArray(value)) return "an array";
  return `${typeof value} ${JSON.stringify(value).slice(0, 40)}`;
}
