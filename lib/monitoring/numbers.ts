/** Formats numbers for the reasons of verdicts and for the monitoring pages. */
import { groupDigits } from "../base/phrases.ts";

const threeDigits = new Intl.NumberFormat("en-US", {
  maximumSignificantDigits: 3,
});
const short = new Intl.NumberFormat("en-US", {
  notation: "compact",
  maximumSignificantDigits: 3,
});

/**
 * Formats a share as a percentage with one decimal.
 *
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 *
 * strictEqual(percent(0.125), "12.5 %");
 * ```
 */
export function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

/**
 * Formats a difference of two shares in percentage points, with its sign.
 *
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 *
 * strictEqual(points(0.125), "+12.5 pp");
 * ```
 */
export function points(difference: number): string {
  return `${difference < 0 ? "" : "+"}${(100 * difference).toFixed(1)} pp`;
}

/**
 * Formats a number with three significant digits; an unknown number as a dash.
 *
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 *
 * deepStrictEqual([0.12345, 1234.5, -0.5, undefined].map(significant), ["0.123", "1,230", "-0.5", "–"]);
 * ```
 */
export function significant(value: number | undefined): string {
  return value === undefined ? "–" : threeDigits.format(value);
}

/** Formats a number, rounded to a whole one, with a comma between thousands. */
export function count(value: number): string {
  return groupDigits(Math.round(value));
}

/**
 * Formats a share as a percentage with at most one decimal, or one significant
 * digit below 0.1 %.
 *
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 *
 * deepStrictEqual([0.1234, 0.5, 0, 0.0001].map(shortPercent), ["12.3 %", "50 %", "0 %", "0.01 %"]);
 * ```
 */
export function shortPercent(share: number): string {
  const points = 100 * share;
  const text = Math.abs(points) < 0.1
    ? Number(points.toPrecision(1))
    : Number(points.toFixed(1));
  return `${text} %`;
}

/** Formats a limit between bins as short as an axis needs it: `1.2K`. */
export function compact(value: number): string {
  return short.format(value);
}
