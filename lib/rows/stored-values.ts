/** Converts values as Parquet and Arrow store them to numbers and cells. */
import type { Cell } from "./columns.ts";

/** Returns 64-bit integers as numbers, or as cells if one of them is not exact as a number. */
export function fromInt64(
  integers: BigInt64Array,
  isSigned: boolean,
): Float64Array | readonly Cell[] {
  const { buffer, byteOffset, length } = integers;
  // Halves are many times faster than bigints.
  const halves = new Int32Array(buffer, byteOffset, 2 * length);
  const values = new Float64Array(length);
  for (let index = 0; index < length; index++) {
    const high = isSigned
      ? halves[2 * index + 1]!
      : halves[2 * index + 1]! >>> 0;
    const value = high * 2 ** 32 + (halves[2 * index]! >>> 0);
    if (!Number.isSafeInteger(value)) {
      const exact = isSigned
        ? integers
        : new BigUint64Array(buffer, byteOffset, length);
      return Array.from(exact, fromBigint);
    }
    values[index] = value;
  }
  return values;
}

/** Returns an integer as a number where that is exact. */
function fromBigint(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

/**
 * Returns a decimal as the nearest number; an integer that is not exact as a number stays a bigint.
 *
 * @param unscaled The decimal's digits as an integer.
 */
export function fromDecimal(unscaled: bigint, scale: number): number | bigint {
  if (scale === 0) return fromBigint(unscaled);
  const number = Number(unscaled);
  // The quotient of two exact numbers is the nearest one.
  return Number.isSafeInteger(number) && scale > 0 && scale <= 22
    ? number / 10 ** scale
    : Number(`${unscaled}e${-scale}`);
}

/** Returns numbers in an array of their own if there are no bigints. */
export function numbered(
  cells: readonly (number | bigint)[],
): Float64Array | readonly Cell[] {
  const values = new Float64Array(cells.length);
  for (const [index, cell] of cells.entries()) {
    if (typeof cell === "bigint") return cells;
    values[index] = cell;
  }
  return values;
}

/** Returns numbers of 16 bits, their lower byte first. */
export function fromFloat16(bytes: Uint8Array): Float32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const values = new Float32Array(bytes.length / 2);
  for (let index = 0; index < values.length; index++) {
    values[index] = view.getFloat16(2 * index, true);
  }
  return values;
}

/** Returns each 16 bytes as the text of a UUID. */
export function toUuids(bytes: Uint8Array): readonly string[] {
  return Array.from({ length: bytes.length / 16 }, (_, index) => {
    const hex = Array.from(
      bytes.subarray(index * 16, index * 16 + 16),
      (byte) => byte.toString(16).padStart(2, "0"),
    ).join("");
    return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
  });
}
