/** Parses decimal numbers from bytes, much faster than `Number(text)` and with the same float32 result. */

/** Powers of ten that a double holds exactly: 10^0 to 10^22. */
const powersOfTen = Float64Array.from(
  { length: 23 },
  (_, n) => Number(`1e${n}`),
);

const zero = 48;
const nine = 57;
/** Any integer of so many decimal digits is an exact double. */
const exactDigits = 15;
/** Half the relative width of the interval around an approximation that holds the exact value; the approximation is off by less than 2^-51. */
const margin = 2 ** -50;

/** Returned by {@linkcode readNumber} for text that is not a number in JSON's grammar. */
export const notANumber = -1;

/**
 * Reads a number in JSON's grammar (RFC 8259, section 6) that begins at `at`,
 * stores it in `out[0]` and returns the position after it, or
 * {@linkcode notANumber}.
 *
 * `out[1]` is 1 if `out[0]` is the double that `Number(text)` returns. If it is
 * 0, the number has more than 15 digits, and `out[0]` only has the same nearest
 * float32 as that double.
 *
 * A number of up to 15 digits is an exact integer divided by an exact power of
 * ten, so one division rounds it correctly (Clinger, 1990). For more digits, the
 * result of a few operations is off by less than 2^-51, and if both ends of an
 * interval twice as wide round to the same float32, so does the exact value.
 * Everything else is left to `Number`.
 *
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 *
 * const out = new Float64Array(2);
 * strictEqual(readNumber(new TextEncoder().encode("-12.5,"), 0, out), 5);
 * strictEqual(out[0], -12.5);
 * ```
 */
export function readNumber(
  bytes: Uint8Array,
  at: number,
  out: Float64Array,
): number {
  const start = at;
  let byte = bytes[at]!;
  const negative = byte === 45;
  if (negative) byte = bytes[++at]!;
  const first = at;
  let whole = 0;
  while (byte >= zero && byte <= nine) {
    whole = whole * 10 + (byte - zero);
    byte = bytes[++at]!;
  }
  let digits = at - first;
  if (digits === 0 || (digits > 1 && bytes[first] === zero)) return notANumber;
  let decimals = 0;
  if (byte === 46) {
    byte = bytes[++at]!;
    const point = at;
    if (digits <= exactDigits) {
      // Digits up to the fifteenth go into an exact integer, the rest into a second one.
      const last = Math.min(bytes.length, at + exactDigits - digits);
      while (byte >= zero && byte <= nine && at < last) {
        whole = whole * 10 + (byte - zero);
        byte = bytes[++at]!;
      }
      decimals = at - point;
      let more = 0;
      const cut = at;
      while (byte >= zero && byte <= nine) {
        more = more * 10 + (byte - zero);
        byte = bytes[++at]!;
      }
      const extra = at - cut;
      if (at === point) return notANumber;
      if (extra > 0) {
        const isExponent = byte === 101 || byte === 69;
        if (extra <= exactDigits && decimals + extra <= 22 && !isExponent) {
          const value = (whole * powersOfTen[extra]! + more) /
            powersOfTen[decimals + extra]!;
          if (
            Math.fround(value * (1 - margin)) ===
              Math.fround(value * (1 + margin))
          ) {
            out[0] = negative ? -value : value;
            out[1] = 0;
            return at;
          }
        }
        return readExactly(bytes, start, at, out);
      }
      digits += decimals;
    } else {
      while (byte >= zero && byte <= nine) byte = bytes[++at]!;
      return at === point ? notANumber : readExactly(bytes, start, at, out);
    }
  }
  if (byte === 101 || byte === 69 || digits > exactDigits) {
    return readExactly(bytes, start, at, out);
  }
  const value = decimals === 0 ? whole : whole / powersOfTen[decimals]!;
  out[0] = negative ? -value : value;
  out[1] = 1;
  return at;
}

/** Reads the exponent after `at`, if there is one, and leaves the number to `Number`. */
function readExactly(
  bytes: Uint8Array,
  start: number,
  at: number,
  out: Float64Array,
): number {
  let byte = bytes[at]!;
  if (byte === 101 || byte === 69) {
    byte = bytes[++at]!;
    if (byte === 43 || byte === 45) byte = bytes[++at]!;
    const first = at;
    while (byte >= zero && byte <= nine) byte = bytes[++at]!;
    if (at === first) return notANumber;
  }
  let text = "";
  for (let index = start; index < at; index++) {
    text += String.fromCharCode(bytes[index]!);
  }
  out[0] = Number(text);
  out[1] = 1;
  return at;
}
