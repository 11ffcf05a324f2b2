/** Decodes UBJSON's number types, which are big-endian: single values and typed arrays. */

/** An array of one number type; 64-bit integers become doubles, exact up to 2^53. */
export type NumberArray =
  | Float32Array
  | Float64Array
  | Int32Array
  | Int16Array
  | Int8Array
  | Uint8Array;

/** Markers of the number types. */
const type = {
  int8: 0x69, // i
  uint8: 0x55, // U
  int16: 0x49, // I
  int32: 0x6c, // l
  int64: 0x4c, // L
  float32: 0x64, // d
  float64: 0x44, // D
} as const;

/** Returns the bytes per value of a number type; 0 for any other marker. */
export function widthOf(marker: number): number {
  switch (marker) {
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

/** Returns whether a marker is of an integer type. */
export function isInteger(marker: number): boolean {
  return widthOf(marker) > 0 && marker !== type.float32 &&
    marker !== type.float64;
}

/**
 * Decodes the number at an offset; a 64-bit integer becomes the nearest double.
 */
export function numberAt(view: DataView, at: number, marker: number): number {
  switch (marker) {
    case type.int64:
      // Both parts are exact, so their sum is rounded once. A bigint would be slower.
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
 * A typed array in a file. It is decoded on demand, because most of a model's
 * numbers are not needed for scoring.
 */
export class PackedNumbers {
  /** The number of values. */
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

  /** Decodes all values, 64-bit integers as doubles; bytes are a view of the file. */
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

// One function per type: a shared one would be deoptimized whenever the type changes.

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
