/** Parses flag values as numbers and lists of words. */
import { UsageError } from "./errors.ts";

/**
 * Parses a flag value as a number, 0 or greater.
 *
 * @param options `flag`: its name in errors; `integer`: whether fractions are rejected; `most`: the highest number that is accepted.
 * @throws {UsageError} If it is not such a number.
 */
export function toCount(
  text: string,
  options: { flag: string; integer?: boolean; most?: number },
): number {
  const { flag, integer = false, most = Infinity } = options;
  const value = Number(text);
  const fits = text.trim() !== "" && Number.isFinite(value) && value >= 0 &&
    value <= most && (!integer || Number.isInteger(value));
  if (fits) return value;
  throw new UsageError(
    `Cannot use --${flag} "${text}": expected a ${
      integer ? "whole " : ""
    }number, ${most === Infinity ? "0 or greater" : `0 to ${most}`}`,
  );
}

/**
 * Returns the words of a flag value that are separated by commas; `never`, alone, is none.
 *
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 *
 * const flag = { flag: "fail-on", words: ["overdue", "incomplete"] } as const;
 * deepStrictEqual([...toWords("overdue, incomplete", flag)], ["overdue", "incomplete"]);
 * deepStrictEqual([...toWords("never", flag)], []);
 * ```
 *
 * @param options `flag`: its name in errors; `words`: what is accepted.
 * @throws {UsageError} If a word is unknown.
 */
export function toWords<const Word extends string>(
  text: string,
  options: { flag: string; words: readonly Word[] },
): ReadonlySet<Word> {
  const { flag, words } = options;
  const given = text.split(",").map((word) => word.trim());
  if (given.length === 1 && given[0] === "never") return new Set();
  return new Set(given.map((word) => {
    const known = words.find((each) => each === word);
    if (known !== undefined) return known;
    throw new UsageError(
      `Cannot use --${flag} "${text}": expected ${
        words.join(", ")
      }, several separated by commas, or never`,
    );
  }));
}
