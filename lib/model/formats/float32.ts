/** Rounding to float32: decimals as C's `strtof` rounds them, and a float32's neighbors. */

/**
 * Returns a double that rounds to the same float32 as a decimal does. The double
 * nearest to the decimal may not: if it is halfway between two float32 and the
 * decimal is not, this returns a double on the decimal's side instead.
 *
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 *
 * strictEqual(toDouble("0.1"), 0.1);
 * // The shortest decimal of a float32, as XGBoost writes it: its nearest double rounds to another float32.
 * strictEqual(Math.fround(toDouble("7.038531E-26")), 7.038530691851209e-26);
 * strictEqual(Math.fround(Number("7.038531E-26")), 7.038531308148791e-26);
 * ```
 *
 * @param text Digits with an optional sign, decimal point and exponent.
 */
export function toDouble(text: string): number {
  const nearest = Number(text);
  if (!isHalfway(nearest)) return nearest;
  const float = Math.fround(nearest);
  const otherFloat = 2 * nearest - float;
  const [, whole = "", part = "", power = "0"] =
    /^-?(\d+)\.?(\d*)(?:[eE]([-+]?\d+))?$/.exec(text) ?? [];
  const exponent = Number(power) - part.length;
  // Both sides are scaled by 2^160, which makes every halfway double an integer.
  const decimal = BigInt(whole + part) * 10n ** BigInt(Math.max(exponent, 0)) <<
    160n;
  const double = BigInt(Math.abs(nearest) * 2 ** 160) *
    10n ** BigInt(Math.max(-exponent, 0));
  if (decimal === double) return nearest;
  const isOutwards =
    decimal > double === Math.abs(otherFloat) > Math.abs(float);
  const side = isOutwards ? otherFloat : float;
  return nearest + (side - nearest) / 4;
}

/**
 * Returns whether a double is halfway between two adjacent float32. Rounding it
 * to float32 may then differ from rounding the decimal that it came from.
 *
 * ```ts
 * import { ok } from "node:assert/strict";
 *
 * ok(isHalfway(1 + 2 ** -24));
 * ok(!isHalfway(1 + 2 ** -23) && !isHalfway(0.1));
 * ```
 */
export function isHalfway(double: number): boolean {
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
