/** Rounding to float32: decimals as C's `strtof` rounds them, and a float32's neighbors. */

/**
 * The double nearest to a decimal, or, where that one lies between two float32
 * and the decimal does not, a double next to it on the decimal's side. Rounded
 * to float32 it is then what the decimal itself rounds to, which the nearest
 * double need not be.
 *
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 *
 * strictEqual(toDouble("0.1"), 0.1);
 * // XGBoost writes this float as its shortest decimal, whose nearest double rounds to the next float.
 * strictEqual(Math.fround(toDouble("7.038531E-26")), 7.038530691851209e-26);
 * strictEqual(Math.fround(Number("7.038531E-26")), 7.038531308148791e-26);
 * ```
 *
 * @param text Digits with or without sign, point and exponent.
 */
export function toDouble(text: string): number {
  const nearest = Number(text);
  if (!isBetweenFloats(nearest)) return nearest;
  const float = Math.fround(nearest);
  const otherFloat = 2 * nearest - float;
  const [, whole = "", part = "", power = "0"] =
    /^-?(\d+)\.?(\d*)(?:[eE]([-+]?\d+))?$/.exec(text) ?? [];
  const ten = Number(power) - part.length;
  // Both sides times 2^160, which makes every double between two floats a whole number.
  const decimal = BigInt(whole + part) * 10n ** BigInt(Math.max(ten, 0)) <<
    160n;
  const double = BigInt(Math.abs(nearest) * 2 ** 160) *
    10n ** BigInt(Math.max(-ten, 0));
  if (decimal === double) return nearest;
  const isOutwards =
    decimal > double === Math.abs(otherFloat) > Math.abs(float);
  const side = isOutwards ? otherFloat : float;
  return nearest + (side - nearest) / 4;
}

/**
 * Whether a double lies in the middle between two neighbouring float32, so that
 * rounding it may differ from rounding the decimal that it stands for.
 *
 * ```ts
 * import { ok } from "node:assert/strict";
 *
 * ok(isBetweenFloats(1 + 2 ** -24));
 * ok(!isBetweenFloats(1 + 2 ** -23) && !isBetweenFloats(0.1));
 * ```
 */
export function isBetweenFloats(double: number): boolean {
  const float = Math.fround(double);
  if (float === double || !Number.isFinite(float)) return false;
  const otherFloat = 2 * double - float;
  return Math.fround(otherFloat) === otherFloat;
}

const float = new Float32Array(1);
const bits = new Int32Array(float.buffer);

/**
 * Returns the smallest float32 greater than a float32; infinity stays infinity.
 *
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 *
 * strictEqual(nextAbove(1), 1 + 2 ** -23);
 * strictEqual(nextAbove(0), 2 ** -149);
 * ```
 *
 * @param value Not NaN.
 */
export function nextAbove(value: number): number {
  if (value === Infinity) return value;
  if (value === 0) return 2 ** -149;
  float[0] = value;
  bits[0] = (bits[0] ?? 0) + (value > 0 ? 1 : -1);
  return float[0] ?? NaN;
}
