/** The number types of UBJSON: one value, or many of one type, big-endian. */
import type { NumberArray } from "./document.ts";

/** Bytes that one value of each number type takes. */
export const width: Readonly<Record<string, number>> = {
  i: 1,
  U: 1,
  I: 2,
  l: 4,
  L: 8,
  d: 4,
  D: 8,
};

/** The number of a type that stands at an offset; of `L`, the nearest double. */
export function numberAt(view: DataView, at: number, type: string): number {
  switch (type) {
    case "i":
      return view.getInt8(at);
    case "U":
      return view.getUint8(at);
    case "I":
      return view.getInt16(at);
    case "l":
      return view.getInt32(at);
    case "L":
      return Number(view.getBigInt64(at));
    case "d":
      return view.getFloat32(at);
    default:
      return view.getFloat64(at);
  }
}

/** Numbers of one type that stand behind each other, in this machine's byte order; of `L`, as doubles. */
export function numbersAt(
  view: DataView,
  at: number,
  numbers: { type: string; count: number },
): NumberArray {
  const { type, count } = numbers;
  const start = view.byteOffset + at;
  switch (type) {
    case "U":
      return new Uint8Array(view.buffer.slice(start, start + count));
    case "i":
      return new Int8Array(view.buffer.slice(start, start + count));
    case "I": {
      const result = new Int16Array(count);
      for (let i = 0; i < count; i++) result[i] = view.getInt16(at + 2 * i);
      return result;
    }
    case "l": {
      const result = new Int32Array(count);
      for (let i = 0; i < count; i++) result[i] = view.getInt32(at + 4 * i);
      return result;
    }
    case "d": {
      const result = new Float32Array(count);
      for (let i = 0; i < count; i++) result[i] = view.getFloat32(at + 4 * i);
      return result;
    }
    default: {
      const result = new Float64Array(count);
      const size = width[type] ?? 8;
      for (let i = 0; i < count; i++) {
        result[i] = numberAt(view, at + size * i, type);
      }
      return result;
    }
  }
}
