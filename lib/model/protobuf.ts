/**
 * The little of protobuf's wire format that ONNX needs
 * (https://protobuf.dev/programming-guides/encoding): every function gives the
 * bytes of one field, and a message is its fields, one behind the other.
 */

const encoder = new TextEncoder();

/** The bytes of a message: its fields in the given order. */
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
 * A whole number ≥ 0 as a field.
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

/** A float32 as a field. */
export function floatField(field: number, value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setFloat32(0, value, true);
  return concat([Uint8Array.from(varint(field << 3 | 5)), bytes]);
}

/**
 * A text as a field.
 *
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 *
 * deepStrictEqual(textField(2, "hi"), Uint8Array.of(0x12, 2, 0x68, 0x69));
 * ```
 */
export function textField(field: number, text: string): Uint8Array {
  return bytesField(field, encoder.encode(text));
}

/** Bytes, or a message inside a message, as a field. */
export function bytesField(field: number, bytes: Uint8Array): Uint8Array {
  const head = [...varint(field << 3 | 2), ...varint(bytes.length)];
  return concat([Uint8Array.from(head), bytes]);
}

/** Whole numbers ≥ 0 as one packed field. */
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

/** Float32 numbers as one packed field. */
export function floatsField(field: number, values: Float32Array): Uint8Array {
  return bytesField(field, littleEndian(values));
}

/** The bytes of numbers, lowest first, whatever this machine's order. */
export function littleEndian(
  values: Float32Array | Float64Array,
): Uint8Array {
  const size = values.BYTES_PER_ELEMENT;
  const bytes = new Uint8Array(values.length * size);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < values.length; i++) {
    if (size === 4) view.setFloat32(i * 4, values[i] ?? 0, true);
    else view.setFloat64(i * 8, values[i] ?? 0, true);
  }
  return bytes;
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
