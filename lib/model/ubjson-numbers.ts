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
  const size = width[type] ?? 8;
  const buffer = view.buffer.slice(start, start + count * size) as ArrayBuffer;
  if (type === "U") return new Uint8Array(buffer);
  if (type === "i") return new Int8Array(buffer);
  // All bytes in reverse order are the numbers in reverse order, each
  // little-endian: two calls of the engine in place of one a number.
  new Uint8Array(buffer).reverse();
  switch (type) {
    case "I":
      return new Int16Array(buffer).reverse();
    case "l":
      return new Int32Array(buffer).reverse();
    case "d":
      return new Float32Array(buffer).reverse();
    case "D":
      return new Float64Array(buffer).reverse();
    default:
      return Float64Array.from(new BigInt64Array(buffer).reverse(), Number);
  }
}
