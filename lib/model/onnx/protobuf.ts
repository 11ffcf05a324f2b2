/**
 * Encodes and decodes the part of protobuf's wire format that ONNX uses
 * (https://protobuf.dev/programming-guides/encoding). A message is the
 * concatenation of its fields.
 */

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Concatenates encoded fields to a message. */
export function concat(parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const result = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    result.set(part, at);
    at += part.length;
  }
  return result;
}

/**
 * Encodes a non-negative integer as a field.
 *
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 *
 * deepStrictEqual(integerField(1, 150), Uint8Array.of(0x08, 0x96, 0x01));
 * ```
 */
export function integerField(field: number, value: number): Uint8Array {
  return Uint8Array.from([...varint(field << 3), ...varint(value)]);
}

/**
 * Encodes a string as a field.
 *
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 *
 * deepStrictEqual(stringField(2, "hi"), Uint8Array.of(0x12, 2, 0x68, 0x69));
 * ```
 */
export function stringField(field: number, text: string): Uint8Array {
  return bytesField(field, encoder.encode(text));
}

/** Encodes bytes or a nested message as a field. */
export function bytesField(field: number, bytes: Uint8Array): Uint8Array {
  const head = [...varint(field << 3 | 2), ...varint(bytes.length)];
  return concat([Uint8Array.from(head), bytes]);
}

/** Encodes non-negative integers as one packed field. */
export function integersField(
  field: number,
  values: ArrayLike<number>,
): Uint8Array {
  const bytes = new Uint8Array(values.length * 5);
  let at = 0;
  for (let i = 0; i < values.length; i++) {
    let rest = values[i] ?? 0;
    while (rest > 0x7f) {
      bytes[at++] = rest & 0x7f | 0x80;
      rest >>>= 7;
    }
    bytes[at++] = rest;
  }
  return bytesField(field, bytes.subarray(0, at));
}

/** Returns the bytes of numbers, without copying them: every platform of Deno is little-endian, as protobuf is. */
export function bytesOf(
  { buffer, byteOffset, byteLength }: ArrayBufferView,
): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/** An encoded field of a message. */
export interface Field {
  readonly number: number;
  /** The whole field, including its tag and length. */
  readonly bytes: Uint8Array;
  /** The value: the bytes of a string or message, or the encoding of a number. */
  readonly content: Uint8Array;
}

/**
 * Splits a message into its fields, in order; returns undefined if the bytes are not a message.
 *
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 *
 * const fields = fieldsOf(concat([integerField(1, 8), stringField(2, "hi")]));
 * deepStrictEqual(fields?.map(({ number }) => number), [1, 2]);
 * ```
 */
export function fieldsOf(bytes: Uint8Array): Field[] | undefined {
  const fields: Field[] = [];
  for (const field of eachField(bytes)) {
    if (field === undefined) return undefined;
    fields.push(field);
  }
  return fields;
}

/** Yields the fields of a message, and undefined at the first invalid one. */
function* eachField(bytes: Uint8Array): Generator<Field | undefined> {
  const cursor: Cursor = { at: 0, number: 0, start: 0 };
  while (cursor.at < bytes.length) {
    const { at } = cursor;
    if (!nextField(bytes, cursor)) {
      yield undefined;
      return;
    }
    yield {
      number: cursor.number,
      bytes: bytes.subarray(at, cursor.at),
      content: bytes.subarray(cursor.start, cursor.at),
    };
  }
}

/**
 * Calls a function with the start and end of each value of one field of a
 * message, in order, and stops at the first invalid field. It creates no object
 * per field: an attribute of a forest can have millions, one per tree node.
 */
export function scanField(
  bytes: Uint8Array,
  number: number,
  visit: (start: number, end: number) => void,
): void {
  const cursor: Cursor = { at: 0, number: 0, start: 0 };
  while (cursor.at < bytes.length && nextField(bytes, cursor)) {
    if (cursor.number === number) visit(cursor.start, cursor.at);
  }
}

/** A position in a message, and the field that ends there. */
interface Cursor {
  at: number;
  number: number;
  /** Where the field's value starts. */
  start: number;
}

/** Moves the cursor behind the next field; returns false if that is invalid. */
function nextField(bytes: Uint8Array, cursor: Cursor): boolean {
  const tag = nextVarint(bytes, cursor);
  const wireType = tag % 8;
  cursor.number = Math.floor(tag / 8);
  const length = wireType === 2 ? nextVarint(bytes, cursor) : 0;
  cursor.start = cursor.at;
  if (wireType === 0) nextVarint(bytes, cursor);
  else if (wireType === 1) cursor.at += 8;
  else if (wireType === 2) cursor.at += length;
  else if (wireType === 5) cursor.at += 4;
  else return false;
  return cursor.at <= bytes.length;
}

/**
 * Returns the integers of one field of a message, packed or not, in order.
 * Negative ones come out as numbers above 2^63.
 *
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 *
 * const message = concat([integerField(8, 7), integersField(8, [1, 300])]);
 * deepStrictEqual(scanIntegers(message, 8), [7, 1, 300]);
 * ```
 */
export function scanIntegers(bytes: Uint8Array, number: number): number[] {
  const values: number[] = [];
  scanField(bytes, number, (start, end) => {
    const cursor = { at: start };
    while (cursor.at < end) values.push(nextVarint(bytes, cursor));
  });
  return values;
}

/** Reads a number and moves the cursor behind it; NaN if it is truncated or too long, with the cursor behind the end. */
function nextVarint(bytes: Uint8Array, cursor: { at: number }): number {
  let value = 0;
  let factor = 1;
  for (let count = 0; count < 10; count++) {
    const byte = bytes[cursor.at++];
    if (byte === undefined) break;
    value += (byte & 0x7f) * factor;
    if (byte < 0x80) return value;
    factor *= 128;
  }
  cursor.at = Infinity;
  return NaN;
}

/**
 * Returns the first field with a number, without reading what follows it;
 * undefined if there is none.
 */
export function findField(
  bytes: Uint8Array,
  number: number,
): Field | undefined {
  for (const field of eachField(bytes)) {
    if (field === undefined) return undefined;
    if (field.number === number) return field;
  }
  return undefined;
}

/** Returns the string in the first field with a number; undefined if there is none. */
export function findString(
  bytes: Uint8Array,
  number: number,
): string | undefined {
  const field = findField(bytes, number);
  return field && decoder.decode(field.content);
}

/** Returns the strings in all fields with a number, in order. */
export function stringsOf(fields: readonly Field[], number: number): string[] {
  return fields.filter((field) => field.number === number)
    .map(({ content }) => decoder.decode(content));
}

/**
 * Returns the signed integers in all fields with a number, packed or not, in order.
 *
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 *
 * const packed = fieldsOf(integersField(8, [1, 300])) ?? [];
 * deepStrictEqual(integersOf(packed, 8), [1n, 300n]);
 * ```
 */
export function integersOf(
  fields: readonly Field[],
  number: number,
): bigint[] {
  const result: bigint[] = [];
  for (const field of fields) {
    if (field.number !== number) continue;
    let value = 0n;
    let shift = 0n;
    for (const byte of field.content) {
      value |= BigInt(byte & 0x7f) << shift;
      shift += 7n;
      if (byte >= 0x80) continue;
      result.push(BigInt.asIntN(64, value));
      value = shift = 0n;
    }
  }
  return result;
}

function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  while (rest > 0x7f) {
    bytes.push(rest % 128 + 128);
    rest = Math.floor(rest / 128);
  }
  return [...bytes, rest];
}
