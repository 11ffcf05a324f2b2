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

/**
 * The number of a type that stands at an offset; of `L`, the nearest double.
 *
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 *
 * const view = new DataView(Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe).buffer);
 * strictEqual(numberAt(view, 0, "L"), -2);
 * strictEqual(numberAt(view, 6, "I"), -2);
 * ```
 */
export function numberAt(view: DataView, at: number, type: string): number {
  switch (type) {
    case "L":
      // Both parts are exact, so their sum is rounded once; a bigint would be slower.
      return view.getInt32(at) * 2 ** 32 + view.getUint32(at + 4);
    case "i":
      return view.getInt8(at);
    case "U":
      return view.getUint8(at);
    case "I":
      return view.getInt16(at);
    case "l":
      return view.getInt32(at);
    case "d":
      return view.getFloat32(at);
    default:
      return view.getFloat64(at);
  }
}

/**
 * A file turned round: all of its bytes in reverse order, so that its
 * big-endian numbers stand in this machine's order, only the last one first.
 * An array of them is then a view, put right by one call of the engine; turning
 * each array or each number by itself took longer than all the rest of reading.
 */
export interface Turned {
  readonly view: DataView;
  /** Made when needed; copy `n` has `n` bytes before it, for arrays that would not stand at a multiple of their width. */
  readonly copies: (ArrayBuffer | undefined)[];
}

/** Numbers of one type that stand behind each other; of `L`, as doubles. The same ones are asked for once. */
export function numbersAt(
  turned: Turned,
  at: number,
  numbers: { type: string; count: number },
): NumberArray {
  const { type, count } = numbers;
  const { view } = turned;
  const size = width[type] ?? 8;
  const behind = view.byteLength - at - count * size;
  const shift = (size - behind % size) % size;
  const place = () =>
    [
      turned.copies[shift] ??= turn(view, shift),
      behind + shift,
      count,
    ] as const;
  switch (type) {
    case "i":
      return new Int8Array(view.buffer, view.byteOffset + at, count);
    case "U":
      return new Uint8Array(view.buffer, view.byteOffset + at, count);
    case "I":
      return new Int16Array(...place()).reverse();
    case "l":
      return new Int32Array(...place()).reverse();
    case "d":
      return new Float32Array(...place()).reverse();
    default: // rare, so no copies for them
      return Float64Array.from(
        { length: count },
        (_, i) => numberAt(view, at + i * size, type),
      );
  }
}

function turn(view: DataView, shift: number): ArrayBuffer {
  const buffer = new ArrayBuffer(view.byteLength + shift);
  const copy = new Uint8Array(buffer, shift);
  copy.set(new Uint8Array(view.buffer, view.byteOffset, view.byteLength));
  copy.reverse();
  return buffer;
}
