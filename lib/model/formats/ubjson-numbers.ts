/** The number types of UBJSON: one value, or many of one type, big-endian. */

/** An array of one number type; 64-bit integers are doubles, exact up to 2^53. */
export type NumberArray =
  | Float32Array
  | Float64Array
  | Int32Array
  | Int16Array
  | Int8Array
  | Uint8Array;

/** Letters of the number types. */
const type = {
  int8: 0x69, // i
  uint8: 0x55, // U
  int16: 0x49, // I
  int32: 0x6c, // l
  int64: 0x4c, // L
  float32: 0x64, // d
  float64: 0x44, // D
} as const;

/** Bytes of one value of a type; 0 for what is no number type. */
export function widthOf(letter: number): number {
  switch (letter) {
    case type.int8:
    case type.uint8:
      return 1;
    case type.int16:
      return 2;
    case type.int32:
    case type.float32:
      return 4;
    case type.int64:
    case type.float64:
      return 8;
    default:
      return 0;
  }
}

/** Whether a type is of whole numbers. */
export function isWhole(letter: number): boolean {
  return widthOf(letter) > 0 && letter !== type.float32 &&
    letter !== type.float64;
}

/**
 * The number of a type that stands at an offset; of `L`, the nearest double.
 *
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 *
 * const view = new DataView(Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe).buffer);
 * strictEqual(numberAt(view, 0, "L".charCodeAt(0)), -2);
 * strictEqual(numberAt(view, 6, "I".charCodeAt(0)), -2);
 * ```
 */
export function numberAt(view: DataView, at: number, letter: number): number {
  switch (letter) {
    case type.int64:
      // Both parts are exact, so their sum is rounded once; a bigint would be slower.
      return view.getInt32(at) * 2 ** 32 + view.getUint32(at + 4);
    case type.int8:
      return view.getInt8(at);
    case type.uint8:
      return view.getUint8(at);
    case type.int16:
      return view.getInt16(at);
    case type.int32:
      return view.getInt32(at);
    case type.float32:
      return view.getFloat32(at);
    default:
      return view.getFloat64(at);
  }
}

/**
 * Numbers of one type that stand one behind the other in a file. They are read
 * when they are asked for: nothing is scored with most of a model's.
 */
export class PackedNumbers {
  /** How many there are. */
  readonly length: number;
  private readonly view: DataView;
  private readonly at: number;
  private readonly type: number;

  constructor(
    view: DataView,
    at: number,
    numbers: { type: number; count: number },
  ) {
    this.length = numbers.count;
    this.view = view;
    this.at = at;
    this.type = numbers.type;
  }

  /** All of them, those of `L` as doubles; bytes stay where the file has them. */
  read(): NumberArray {
    const { view, at, length } = this;
    const { buffer, byteOffset } = view;
    switch (this.type) {
      case type.int8:
        return new Int8Array(buffer, byteOffset + at, length);
      case type.uint8:
        return new Uint8Array(buffer, byteOffset + at, length);
      case type.int16:
        return readInt16s(view, at, length);
      case type.int32:
        return readInt32s(view, at, length);
      case type.float32:
        return readFloat32s(view, at, length);
      default:
        return Float64Array.from(
          { length },
          (_, i) => numberAt(view, at + 8 * i, this.type),
        );
    }
  }
}

// A function for each type: one for all would be compiled anew whenever it meets another one.

function readInt16s(view: DataView, at: number, length: number): Int16Array {
  const result = new Int16Array(length);
  for (let i = 0; i < length; i++) result[i] = view.getInt16(at + 2 * i);
  return result;
}

function readInt32s(view: DataView, at: number, length: number): Int32Array {
  const result = new Int32Array(length);
  for (let i = 0; i < length; i++) result[i] = view.getInt32(at + 4 * i);
  return result;
}

function readFloat32s(
  view: DataView,
  at: number,
  length: number,
): Float32Array {
  const result = new Float32Array(length);
  for (let i = 0; i < length; i++) result[i] = view.getFloat32(at + 4 * i);
  return result;
}
