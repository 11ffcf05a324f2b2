/** The logarithm that libraries written in C take of a float. */
import { type Code, instantiate } from "./wasm/module.ts";

let code: Code | undefined;

/**
 * C's `logf`, as glibc and musl compute it: of about one value in 250 it is the
 * float next to the nearest one, and so is the margin that XGBoost starts from.
 *
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 *
 * strictEqual(logf(1), 0);
 * ```
 *
 * @param x A float32.
 */
export function logf(x: number): number {
  code ??= instantiate(1).code;
  return code.logf(x);
}
