/** What makes `predict` fail although nothing is wrong with its data. */
import { UsageError } from "../base/errors.ts";

/** A state of the delivered periods. */
export type FailOn = "overdue" | "incomplete";

const states: readonly FailOn[] = ["overdue", "incomplete"];

/**
 * Returns the states in the value of `--fail-on`, separated by commas; `never` is none.
 *
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 *
 * deepStrictEqual([...parseFailOn("overdue,incomplete")], ["overdue", "incomplete"]);
 * ```
 *
 * @throws {UsageError} If one is unknown.
 */
export function parseFailOn(text: string): ReadonlySet<FailOn> {
  const words = text.split(",").map((word) => word.trim());
  if (words.length === 1 && words[0] === "never") return new Set();
  return new Set(words.map((word) => {
    const state = states.find((each) => each === word);
    if (state) return state;
    throw new UsageError(
      `Cannot use --fail-on "${text}": expected overdue, incomplete, both separated by a comma, or never`,
    );
  }));
}
