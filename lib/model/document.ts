/**
 * The values of a file that `scan.ts` has read, and readers that say where in
 * it something is wrong. Values are made when they are asked for: a model's
 * file has thousands, and few are needed one by one.
 */
import { InputError } from "../base/errors.ts";
import { type Code, copyIn } from "./wasm/module.ts";

/** One value of a document. Objects are maps, so no key can reach a prototype. */
export type Value =
  | null
  | boolean
  | number
  | string
  | readonly Value[]
  | NumberArray
  | ReadonlyMap<string, Value>;

/** An array that the file itself declares to be of one number type; 64-bit integers are doubles, exact up to 2^53. */
export type NumberArray =
  | Float32Array
  | Float64Array
  | Int32Array
  | Int16Array
  | Int8Array
  | Uint8Array;

/** A file that was read, in the memory of the code that read it. */
export interface Document {
  readonly code: Code;
  readonly memory: WebAssembly.Memory;
  /** Numbers of the keys that were asked for. */
  readonly keys: Map<string, number>;
}

/** A value of a file and the path that leads to it, for messages. */
export interface Place {
  readonly document: Document;
  /** Address of the value, 0 where there is none. */
  readonly node: number;
  readonly path: string;
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

const encoder = new TextEncoder();
const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

/** `Kind` of `wasm/assembly/tape.ts`. */
const kind = {
  null: 0x5a,
  true: 0x54,
  false: 0x46,
  number: 0x44,
  text: 0x53,
  letter: 0x43,
  array: 0x5b,
  numbers: 0x24,
  object: 0x7b,
} as const;

/** A `class Node` of `wasm/assembly/tape.ts`. */
interface Node {
  readonly kind: number;
  readonly type: string;
  readonly key: number;
  readonly at: number;
  readonly count: number;
  readonly number: number;
}

function nodeOf({ document, node }: Place): Node {
  const view = new DataView(document.memory.buffer, node, 24);
  return {
    kind: view.getUint8(0),
    type: String.fromCharCode(view.getUint8(1)),
    key: view.getUint32(4, true),
    at: view.getUint32(16, true),
    count: view.getUint32(20, true),
    number: view.getFloat64(16, true),
  };
}

/** The member of an object; one that is not there has no value ({@linkcode isThere}). @throws {InputError} If the place is no object. */
export function member(place: Place, key: string): Place {
  const { document } = place;
  checkKind(place, [kind.object], "an object");
  const number = keyNumber(document, key);
  const node = number === 0 ? 0 : document.code.findMember(place.node, number);
  const path = place.path === "" ? key : `${place.path}.${key}`;
  return { document, node, path };
}

/** Whether a place has a value. */
export function isThere(place: Place): boolean {
  return place.node !== 0;
}

/** The number of a key in a document; 0 where no object of it has it. */
export function keyNumber(document: Document, key: string): number {
  const known = document.keys.get(key);
  if (known !== undefined) return known;
  const bytes = encoder.encode(key);
  const number = document.code.findKey(copyIn(document, bytes), bytes.length);
  document.keys.set(key, number);
  return number;
}

/** The members of an object by their keys, in the order of the file. @throws {InputError} If the place is no object. */
export function membersOf(place: Place): Map<string, Place> {
  checkKind(place, [kind.object], "an object");
  const { document, node } = place;
  const { code, memory } = document;
  const at = code.listValues(node);
  const nodes = new Uint32Array(memory.buffer, at, nodeOf(place).count);
  return new Map(
    Array.from(nodes, (node) => {
      const key = keyText(document, nodeOf({ ...place, node }).key);
      const path = place.path === "" ? key : `${place.path}.${key}`;
      return [key, { document, node, path }];
    }),
  );
}

/** The values of an array. @throws {InputError} If the place is no array, or an array of numbers, for which there are {@linkcode int32sOf} and {@linkcode float32sOf}. */
export function elementsOf(place: Place): Place[] {
  const { addresses, count } = valuesOf(place);
  const { document } = place;
  return Array.from(
    new Uint32Array(document.memory.buffer, addresses, count),
    (node, i) => ({ document, node, path: `${place.path}[${i}]` }),
  );
}

/** Where the addresses of an array's values stand, 32 bits each. @throws {InputError} As {@linkcode elementsOf}. */
export function valuesOf(place: Place): { addresses: number; count: number } {
  const count = lengthOf(place);
  if (count > 0) {
    checkKind(place, [kind.array], "an array of other values than numbers");
  }
  const addresses = count > 0 ? place.document.code.listValues(place.node) : 0;
  return { addresses, count };
}

/** How many values an array has. */
function lengthOf(place: Place): number {
  checkKind(place, [kind.array, kind.numbers], "an array");
  return nodeOf(place).count;
}

/** The text at a place. @throws {InputError} If there is none. */
export function textOf(place: Place): string {
  checkKind(place, [kind.text, kind.letter], "a text");
  const { at, count, kind: found } = nodeOf(place);
  const bytes = new Uint8Array(place.document.memory.buffer, at, count);
  return found === kind.letter
    ? String.fromCharCode(...bytes)
    : utf8.decode(bytes);
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
  const number = isThere(place)
    ? place.document.code.toInteger(place.node)
    : Infinity;
  if (!Number.isFinite(number)) throw wrongKind(place, "a whole number");
  if (number < range.least || number > range.most) {
    throw modelError(
      place.path,
      `${number} is outside ${range.least}..${range.most}`,
    );
  }
  return number;
}

/** Whole numbers of 32 bits; true and false count as 1 and 0. @throws {InputError} If one is none, or the length is not `length`. */
export function int32sOf(place: Place, length?: number): Int32Array {
  return new Int32Array(numbersOf(place, { length, isFloat: false }));
}

/** Numbers rounded to float32. @throws {InputError} If one is no number, or the length is not `length`. */
export function float32sOf(place: Place, length?: number): Float32Array {
  return new Float32Array(numbersOf(place, { length, isFloat: true }));
}

function numbersOf(
  place: Place,
  wanted: { length: number | undefined; isFloat: boolean },
): ArrayBuffer {
  const { document: { code, memory }, node, path } = place;
  const { length, isFloat } = wanted;
  const count = lengthOf(place);
  if (length !== undefined && count !== length) {
    throw modelError(path, `${count} values, expected ${length}`);
  }
  const at = code.toNumbers(node, Number(isFloat));
  if (at !== 0) return memory.buffer.slice(at, at + 4 * count) as ArrayBuffer;
  const wrong = code.wrongOne();
  const value = (valueOf(place) as readonly Value[] | NumberArray)[wrong];
  if (typeof value !== "number" && (isFloat || typeof value !== "boolean")) {
    const [element = place] = elementsOf(place).slice(wrong);
    throw wrongKind(element, "a number");
  }
  throw modelError(
    `${path}[${wrong}]`,
    `${Number(value)} is no whole number of 32 bits`,
  );
}

/**
 * All of a place as a value of JavaScript: typed arrays of numbers become typed
 * arrays, objects become maps.
 *
 * @throws {InputError} If there is none.
 */
export function valueOf(place: Place): Value {
  if (!isThere(place)) throw modelError(place.path, "missing");
  const { kind: found, number } = nodeOf(place);
  switch (found) {
    case kind.null:
      return null;
    case kind.true:
      return true;
    case kind.false:
      return false;
    case kind.number:
      return number;
    case kind.text:
    case kind.letter:
      return textOf(place);
    case kind.array:
      return elementsOf(place).map(valueOf);
    case kind.numbers:
      return numberArray(place);
    default:
      return new Map(
        Array.from(membersOf(place), ([key, item]) => [key, valueOf(item)]),
      );
  }
}

function numberArray(place: Place): Value {
  const { code, memory } = place.document;
  const { type, count } = nodeOf(place);
  const at = code.toDoubles(place.node);
  const numbers = new Float64Array(memory.buffer, at, count);
  switch (type) {
    case "i":
      return Int8Array.from(numbers);
    case "U":
      return Uint8Array.from(numbers);
    case "I":
      return Int16Array.from(numbers);
    case "l":
      return Int32Array.from(numbers);
    case "d":
      return Float32Array.from(numbers);
    case "n":
      return Array.from(numbers); // JSON has no types
    default:
      return numbers.slice();
  }
}

/** The key of a number. */
export function keyText(
  { code, memory }: Document,
  number: number,
): string {
  const bytes = new Uint8Array(
    memory.buffer,
    code.keyAddress(number),
    code.keyLength(number),
  );
  return utf8.decode(bytes);
}

function checkKind(
  place: Place,
  kinds: readonly number[],
  expected: string,
): void {
  if (isThere(place)) {
    const found = new Uint8Array(place.document.memory.buffer)[place.node];
    if (kinds.includes(found ?? 0)) return;
  }
  throw wrongKind(place, expected);
}

/** The error about a value that is not there, or of another kind. */
export function wrongKind(place: Place, expected: string): InputError {
  const { path } = place;
  if (!isThere(place)) return modelError(path, "missing");
  return modelError(
    path || "top level",
    `expected ${expected}, found ${describe(place)}`,
  );
}

function describe(place: Place): string {
  switch (nodeOf(place).kind) {
    case kind.object:
      return "an object";
    case kind.array:
    case kind.numbers:
      return "an array";
    case kind.null:
      return "null";
    default: {
      const value = valueOf(place);
      return `${typeof value} ${JSON.stringify(value).slice(0, 40)}`;
    }
  }
}
