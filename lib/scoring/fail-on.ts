/** What makes `predict` fail although nothing is wrong with its data. */
import { toWords } from "../base/flag-value.ts";

/** A state of the delivered periods. */
export type FailOn = "overdue" | "incomplete";

/** Returns the states in the value of `--fail-on`. @throws {UsageError} If one is unknown. */
export function parseFailOn(text: string): ReadonlySet<FailOn> {
  return toWords(text, { flag: "fail-on", words: ["overdue", "incomplete"] });
}
