/** Encodes documents as UBJSON and JSON, and changes single values of a document at random. */
import type { DecodedValue } from "../../lib/model/formats/document.ts";
import type { NumberArray } from "../../lib/model/formats/ubjson-numbers.ts";
import type { Random } from "./mutate.ts";

/** Encodes UBJSON as XGBoost does: lengths and counts of type `L`, and typed arrays of numbers. */
export function encodeUbjson(value: DecodedValue): Uint8Array {
  const parts: number[] = [];
  writeUbjson(parts, value);
  return Uint8Array.from(parts);
}

function writeUbjson(parts: number[], value: DecodedValue): void {
  if (value === null) parts.push(letter("Z"));
  else if (value === true) parts.push(letter("T"));
  else if (value === false) parts.push(letter("F"));
  else if (typeof value === "string") writeString(parts, value, "S");
  else if (typeof value === "number") writeNumber(parts, value);
  else if (value instanceof Map) {
    parts.push(letter("{"));
    for (const [key, member] of value as ReadonlyMap<string, DecodedValue>) {
      writeString(parts, key, "");
      writeUbjson(parts, member);
    }
    parts.push(letter("}"));
  } else if (ArrayBuffer.isView(value)) writeNumbers(parts, value);
  else {
    const list = value as readonly DecodedValue[];
    parts.push(letter("["), letter("#"));
    writeLength(parts, list.length);
    for (const item of list) writeUbjson(parts, item);
  }
}

function writeNumber(parts: number[], value: number): void {
  const view = new DataView(new ArrayBuffer(8));
  if (Number.isSafeInteger(value)) {
    view.setBigInt64(0, BigInt(value));
    parts.push(letter("L"), ...new Uint8Array(view.buffer));
  } else {
    view.setFloat32(0, value);
    parts.push(letter("d"), ...new Uint8Array(view.buffer, 0, 4));
  }
}

function writeNumbers(parts: number[], values: NumberArray): void {
  const size = values.BYTES_PER_ELEMENT;
  const type = values instanceof Float32Array
    ? "d"
    : values instanceof Int32Array
    ? "l"
    : values instanceof Uint8Array
    ? "U"
    : "L"; // Float64Array: decoded 64-bit integers
  parts.push(letter("["), letter("$"), letter(type), letter("#"));
  writeLength(parts, values.length);
  const view = new DataView(new ArrayBuffer(8));
  for (const value of values) {
    if (type === "d") view.setFloat32(0, value);
    else if (type === "l") view.setInt32(0, value);
    else if (type === "U") view.setUint8(0, value);
    else view.setBigInt64(0, integer(value));
    parts.push(...new Uint8Array(view.buffer, 0, type === "L" ? 8 : size));
  }
}

function writeString(parts: number[], text: string, marker: string): void {
  const bytes = new TextEncoder().encode(text);
  if (marker) parts.push(letter(marker));
  writeLength(parts, bytes.length);
  parts.push(...bytes);
}

function writeLength(parts: number[], length: number): void {
  const view = new DataView(new ArrayBuffer(8));
  view.setBigInt64(0, BigInt(length));
  parts.push(letter("L"), ...new Uint8Array(view.buffer));
}

function letter(text: string): number {
  return text.charCodeAt(0);
}

/** Encodes JSON as XGBoost does, including `NaN` and `Infinity`. */
export function encodeJson(value: DecodedValue): Uint8Array {
  return new TextEncoder().encode(jsonOf(value));
}

function jsonOf(value: DecodedValue): string {
  if (typeof value === "number") return String(value);
  if (value instanceof Map) {
    const members = [...value as ReadonlyMap<string, DecodedValue>].map(
      ([key, member]) => `${JSON.stringify(key)}:${jsonOf(member)}`,
    );
    return `{${members.join(",")}}`;
  }
  // XGBoost rejects a float that is written as an integer.
  if (value instanceof Float32Array) {
    return `[${Array.from(value, floatText).join(",")}]`;
  }
  if (ArrayBuffer.isView(value)) return `[${Array.from(value).join(",")}]`;
  if (Array.isArray(value)) return `[${value.map(jsonOf).join(",")}]`;
  return JSON.stringify(value);
}

/** Returns the document with one value changed, removed, or replaced by another value of the document. */
export function changeDocument(
  document: DecodedValue,
  random: Random,
): DecodedValue {
  const paths = [...pathsOf(document, [])];
  const path = paths[Math.floor(random() * paths.length)] ?? [];
  const other = paths[Math.floor(random() * paths.length)] ?? [];
  return changeAt(document, path, { random, other: valueAt(document, other) });
}

type Path = readonly (string | number)[];

/** Yields the path of every value; typed arrays are yielded up to five times, because models consist of them. */
function* pathsOf(value: DecodedValue, path: Path): Generator<Path> {
  yield path;
  if (value instanceof Map) {
    for (const [key, member] of value as ReadonlyMap<string, DecodedValue>) {
      yield* pathsOf(member, [...path, key]);
    }
  } else if (ArrayBuffer.isView(value)) {
    for (let i = 0; i < Math.min(4, value.length); i++) yield path;
  } else if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      yield* pathsOf(value[i] as DecodedValue, [...path, i]);
    }
  }
}

function valueAt(value: DecodedValue, path: Path): DecodedValue {
  let found: DecodedValue = value;
  for (const step of path) {
    found = found instanceof Map
      ? (found as ReadonlyMap<string, DecodedValue>).get(String(step)) ?? null
      : (found as readonly DecodedValue[])[Number(step)] ?? null;
  }
  return found;
}

function changeAt(
  value: DecodedValue,
  path: Path,
  change: { random: Random; other: DecodedValue },
): DecodedValue {
  const [step, ...rest] = path;
  if (step === undefined) return changeValue(value, change);
  if (value instanceof Map) {
    const members = new Map(value as ReadonlyMap<string, DecodedValue>);
    const key = String(step);
    if (rest.length === 0 && change.random() < 0.1) members.delete(key);
    else members.set(key, changeAt(members.get(key) ?? null, rest, change));
    return members;
  }
  return (value as readonly DecodedValue[]).map((item, i) =>
    i === step ? changeAt(item, rest, change) : item
  );
}

const numbers = [
  0,
  1,
  2,
  -1,
  -2,
  3,
  7,
  31,
  32,
  0.5,
  NaN,
  Infinity,
  -Infinity,
  1e30,
  1e-42,
  2 ** 24,
  2 ** 31 - 1,
  -(2 ** 31),
];
const texts = [
  "",
  "0",
  "1",
  "2",
  "3",
  "-1",
  "5E-1",
  "[5E-1,2.5E-1]",
  "[]",
  "NaN",
  "1e40",
  "reg:squarederror",
  "binary:logistic",
  "multi:softprob",
  "gbtree",
  "dart",
  "gblinear",
];

function changeValue(
  value: DecodedValue,
  { random, other }: { random: Random; other: DecodedValue },
): DecodedValue {
  const pick = <T>(from: readonly T[]) =>
    from[Math.floor(random() * from.length)] as T;
  if (random() < 0.1) return other;
  if (typeof value === "number") return pick(numbers);
  if (typeof value === "string") return pick(texts);
  if (typeof value === "boolean") return !value;
  if (ArrayBuffer.isView(value)) {
    const result = value.slice();
    const at = Math.floor(random() * result.length);
    switch (Math.floor(random() * 4)) {
      case 0:
        result[at] = pick(numbers);
        return result;
      case 1: // another element's value
        result[at] = pick([...result]);
        return result;
      case 2:
        return result.slice(0, at);
      default:
        result[at] = (result[at] ?? 0) + pick([1, -1]);
        return result;
    }
  }
  if (!Array.isArray(value)) return pick([null, other]);
  const items = [...value as readonly DecodedValue[]];
  const at = Math.floor(random() * items.length);
  if (random() < 0.5) items.splice(at, 1);
  else items.splice(at, 0, pick(items.length > 0 ? items : [other]));
  return items;
}

function integer(value: number): bigint {
  return BigInt(Number.isFinite(value) ? Math.trunc(value) : -1);
}

function floatText(value: number): string {
  return Number.isFinite(value) ? value.toExponential() : String(value);
}
