/**
 * The values that a UBJSON or JSON file consists of, and readers that say where
 * in the file something is wrong. Files come from outside, so every reader
 * bounds its work by the number of bytes.
 */
import { InputError } from "../../base/errors.ts";
import { type NumberArray, PackedNumbers } from "./ubjson-numbers.ts";

/** One value of a document. Objects are maps, so no key can reach a prototype. */
export type Value =
  | null
  | boolean
  | number
  | string
  | readonly Value[]
  | NumberArray
  | ReadonlyMap<string, Value>;

/** A value as the readers of files leave it: typed arrays are not read yet. */
export type Stored =
  | null
  | boolean
  | number
  | string
  | readonly Stored[]
  | PackedNumbers
  | ReadonlyMap<string, Stored>;

/** A value of a file, undefined where there is none, and the path to it, for messages. */
export interface Place {
  readonly value: Stored | undefined;
  readonly path: string;
}

/** Deeper nesting than any model has (theirs is 8), and far below any stack's limit. */
export const maxDepth = 64;

/** More different keys than any model has. */
export const maxKeys = 4096;

/**
 * How many objects and arrays a document of so many bytes may hold. Each takes
 * about a hundred bytes of memory and as little as two bytes of file, so
 * without a limit a small file could fill the memory. A real tree has 20 of
 * them in over 500 bytes.
 *
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 *
 * strictEqual(maxContainers(0), 1000);
 * ```
 */
export function maxContainers(bytes: number): number {
  return 1000 + Math.floor(bytes / 8);
}

/**
 * An {@linkcode InputError} about one place of a model file.
 *
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 *
 * strictEqual(modelError("tree 3", "no nodes").message, "Cannot read model: tree 3: no nodes");
 * ```
 */
export function modelError(where: string, problem: string): InputError {
  return new InputError(`Cannot read model: ${where}: ${problem}`);
}

/**
 * A short text of ASCII without control characters, `"` and `\\`; undefined
 * where the bytes hold anything else. A model has thousands of short texts, for
 * which a `TextDecoder` is slow.
 *
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 *
 * strictEqual(shortText(Uint8Array.of(0x61, 0x62), 0, 2), "ab");
 * strictEqual(shortText(Uint8Array.of(0xc3, 0xa9), 0, 2), undefined);
 * ```
 */
export function shortText(
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

/** The member of an object; one that is not there has no value ({@linkcode isThere}). @throws {InputError} If the place is no object. */
export function member(place: Place, key: string): Place {
  return { value: mapOf(place).get(key), path: pathTo(place, key) };
}

function pathTo({ path }: Place, key: string): string {
  return path === "" ? key : `${path}.${key}`;
}

/** Whether a place has a value. */
export function isThere(place: Place): boolean {
  return place.value !== undefined;
}

/** The keys of an object, in the order of the file. @throws {InputError} If the place is no object. */
export function keysOf(place: Place): Iterable<string> {
  return mapOf(place).keys();
}

function mapOf(place: Place): ReadonlyMap<string, Stored> {
  if (place.value instanceof Map) return place.value;
  throw wrongKind(place, "an object");
}

/** The values of an array. @throws {InputError} If the place is no array, or an array of numbers, for which there are {@linkcode int32sOf} and {@linkcode float32sOf}. */
export function elementsOf(place: Place): Place[] {
  const array = arrayOf(place);
  if (array.length === 0) return [];
  if (array instanceof PackedNumbers) {
    throw wrongKind(place, "an array of other values than numbers");
  }
  return array.map((value, i) => ({ value, path: `${place.path}[${i}]` }));
}

/** How many values an array has. @throws {InputError} If the place is no array. */
export function lengthOf(place: Place): number {
  return arrayOf(place).length;
}

function arrayOf(place: Place): readonly Stored[] | PackedNumbers {
  if (isArray(place.value)) return place.value;
  throw wrongKind(place, "an array");
}

function isArray(
  value: Stored | undefined,
): value is readonly Stored[] | PackedNumbers {
  return Array.isArray(value) || value instanceof PackedNumbers;
}

/** The text at a place. @throws {InputError} If there is none. */
export function textOf(place: Place): string {
  if (typeof place.value === "string") return place.value;
  throw wrongKind(place, "a text");
}

/** The texts of an array. @throws {InputError} If one is no text. */
export function textsOf(place: Place): string[] {
  return elementsOf(place).map(textOf);
}

/**
 * The whole number at a place, also where it is written as text, as XGBoost
 * writes its parameters.
 *
 * @throws {InputError} If it is no whole number, or not in `least..most`.
 */
export function integerOf(
  place: Place,
  range: { least: number; most: number },
): number {
  const { value } = place;
  const number = typeof value === "string" && /^-?\d{1,15}$/.test(value)
    ? Number(value)
    : value;
  if (typeof number !== "number" || !Number.isInteger(number)) {
    throw wrongKind(place, "a whole number");
  }
  if (number < range.least || number > range.most) {
    throw modelError(
      place.path,
      `${number} is outside ${range.least}..${range.most}`,
    );
  }
  return number;
}

const none = new Int32Array(0);

/** Whole numbers of 32 bits; true and false count as 1 and 0. @throws {InputError} If one is none, or the length is not `length`. */
export function int32sOf(place: Place, length?: number): Int32Array {
  const array = numbersOf(place, length);
  if (array.length === 0) return none;
  if (array instanceof Int32Array) return array;
  if (
    array instanceof Uint8Array || array instanceof Int8Array ||
    array instanceof Int16Array
  ) return new Int32Array(array);
  const result = new Int32Array(array.length);
  for (let i = 0; i < array.length; i++) {
    const value = array[i];
    if (typeof value !== "number" && typeof value !== "boolean") {
      throw wrongKind({ value, path: `${place.path}[${i}]` }, "a number");
    }
    const number = value === true ? 1 : value === false ? 0 : value;
    result[i] = number;
    if (result[i] === number) continue;
    throw modelError(
      `${place.path}[${i}]`,
      `${number} is no whole number of 32 bits`,
    );
  }
  return result;
}

/** As {@linkcode int32sOf}, for arrays that are bytes in most files: these are not copied. @throws {InputError} As {@linkcode int32sOf}. */
export function flagsOf(
  place: Place,
  length: number,
): Int32Array | Uint8Array {
  const array = numbersOf(place, length);
  return array instanceof Uint8Array ? array : int32sOf(place, length);
}

/** Numbers rounded to float32. @throws {InputError} If one is no number, or the length is not `length`. */
export function float32sOf(place: Place, length?: number): Float32Array {
  const array = numbersOf(place, length);
  if (array instanceof Float32Array) return array;
  const result = new Float32Array(array.length);
  for (let i = 0; i < array.length; i++) {
    const value = array[i];
    if (typeof value !== "number") {
      throw wrongKind({ value, path: `${place.path}[${i}]` }, "a number");
    }
    result[i] = value;
  }
  return result;
}

/** Checks that there are so many numbers. @throws {InputError} As {@linkcode float32sOf}. */
export function checkNumbers(place: Place, length: number): void {
  const { value } = place;
  if (value instanceof PackedNumbers && value.length === length) return;
  float32sOf(place, length);
}

function numbersOf(
  place: Place,
  length: number | undefined,
): readonly Stored[] | NumberArray {
  const array = arrayOf(place);
  if (length !== undefined && array.length !== length) {
    throw modelError(place.path, `${array.length} values, expected ${length}`);
  }
  if (!(array instanceof PackedNumbers)) return array;
  return array.length > 0 ? array.read() : [];
}

/**
 * All of a place as a value: typed arrays of numbers become typed arrays,
 * objects become maps.
 *
 * @throws {InputError} If there is none.
 */
export function valueOf(place: Place): Value {
  if (place.value !== undefined) return readAll(place.value);
  throw modelError(place.path, "missing");
}

function readAll(value: Stored): Value {
  if (value === null || typeof value !== "object") return value;
  if (value instanceof PackedNumbers) return value.read();
  if ("map" in value) return value.map(readAll);
  return new Map(Array.from(value, ([key, item]) => [key, readAll(item)]));
}

function wrongKind({ value, path }: Place, expected: string): InputError {
  if (value === undefined) return modelError(path, "missing");
  return modelError(
    path || "top level",
    `expected ${expected}, found ${describe(value)}`,
  );
}

function describe(value: Stored): string {
  if (value === null) return "null";
  if (value instanceof Map) return "an object";
  if (isArray(value)) return "an array";
  return `${typeof value} ${JSON.stringify(value).slice(0, 40)}`;
}
