/** Formats the numbers in the reasons of verdicts. */

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
