/** C's `logf`, with which XGBoost converts `base_score` to a margin. */

/** 1/c and log(c) for the center c of each of 16 intervals, as bits of doubles. */
const table = new Float64Array(
  BigUint64Array.of(
    ...[0x3ff661ec79f8f3ben, 0xbfd57bf7808caaden],
    ...[0x3ff571ed4aaf883dn, 0xbfd2bef0a7c06ddbn],
    ...[0x3ff49539f0f010b0n, 0xbfd01eae7f513a67n],
    ...[0x3ff3c995b0b80385n, 0xbfcb31d8a68224e9n],
    ...[0x3ff30d190c8864a5n, 0xbfc6574f0ac07758n],
    ...[0x3ff25e227b0b8ea0n, 0xbfc1aa2bc79c8100n],
    ...[0x3ff1bb4a4a1a343fn, 0xbfba4e76ce8c0e5en],
    ...[0x3ff12358f08ae5ban, 0xbfb1973c5a611cccn],
    ...[0x3ff0953f419900a7n, 0xbfa252f438e10c1en],
    ...[0x3ff0000000000000n, 0x0000000000000000n],
    ...[0x3fee608cfd9a47acn, 0x3faaa5aa5df25984n],
    ...[0x3feca4b31f026aa0n, 0x3fbc5e53aa362eb4n],
    ...[0x3feb2036576afce6n, 0x3fc526e57720db08n],
    ...[0x3fe9c2d163a1aa2dn, 0x3fcbc2860d224770n],
    ...[0x3fe886e6037841edn, 0x3fd1058bc8a07ee1n],
    ...[0x3fe767dcf5534862n, 0x3fd4043057b6ee09n],
  ).buffer,
);

/** The polynomial's coefficients, and the logarithm of 2. */
const [a0 = 0, a1 = 0, a2 = 0, ln2 = 0] = new Float64Array(
  BigUint64Array.of(
    0xbfd00ea348b88334n,
    0x3fd5575b0be00b6an,
    0xbfdffffef20a4123n,
    0x3fe62e42fefa39efn,
  ).buffer,
);

/** Bits of the float where the first interval starts. */
const start = 0x3f330000;

const float = new Float32Array(1);
const bits = new Int32Array(float.buffer);

/**
 * Computes C's `logf` as glibc and musl do. For about one value in 250, it
 * returns a float adjacent to the correctly rounded one, and XGBoost's base
 * margin has the same error. Source:
 * https://git.musl-libc.org/cgit/musl/tree/src/math/logf.c (by Arm, MIT license).
 *
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 *
 * strictEqual(logf(1), 0);
 * strictEqual(logf(0.5), -Math.fround(Math.LN2));
 * ```
 *
 * @param x A float32.
 * @returns A float32; NaN below 0.
 */
export function logf(x: number): number {
  if (!(x > 0)) return x === 0 ? -Infinity : NaN;
  if (x === Infinity) return x;
  const isSubnormal = x < 2 ** -126;
  float[0] = isSubnormal ? x * 2 ** 23 : x;
  const whole = (bits[0] ?? 0) - (isSubnormal ? 23 << 23 : 0);
  const offset = whole - start;
  const interval = 2 * (offset >> 19 & 15);
  const exponent = offset >> 23;
  bits[0] = whole - (exponent << 23);
  const r = (float[0] ?? NaN) * (table[interval] ?? NaN) - 1;
  const y0 = (table[interval + 1] ?? NaN) + exponent * ln2;
  const r2 = r * r;
  return Math.fround((a1 * r + a2 + a0 * r2) * r2 + (y0 + r));
}
