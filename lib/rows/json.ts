/** Parses one row of JSON by `JSON.parse`. */
import { isObject } from "../base/objects.ts";
import { RowError, type RowPlace } from "./row-error.ts";

/** One row and its position. */
export interface InputRow {
  /** Counts from 1. */
  readonly number: number;
  /** Line of the file, from 1; undefined inside one JSON value. */
  readonly line: number | undefined;
  /** Cells by column name. */
  readonly value: Readonly<Record<string, unknown>>;
}

/**
 * Returns a JSON value, in which a bare `NaN` counts as null.
 *
 * @throws {RowError} If the text is not JSON; `Infinity` is not, either.
 */
export function parseValue(text: string, place: RowPlace): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    try {
      return JSON.parse(withNulls(text));
    } catch {
      throw new RowError({
        place,
        verb: "parse",
        reason:
          `: ${(error as Error).message}; expected one JSON object per line ` +
          `(a missing value is null or NaN), or one JSON array of objects`,
      });
    }
  }
}

/** Replaces each `NaN` outside of strings, which begin and end with a quote that no backslash escapes. */
function withNulls(text: string): string {
  return text.replaceAll(
    /"(?:[^"\\]|\\.)*"|\bNaN\b/g,
    (token) => token === "NaN" ? "null" : token,
  );
}

/**
 * Returns a row given as a JSON value.
 *
 * @throws {RowError} If the value is not an object.
 */
export function checkedRow(
  value: unknown,
  place: RowPlace,
): InputRow["value"] {
  if (isObject(value)) return value;
  throw new RowError({
    place,
    verb: "use",
    reason:
      `: expected an object, found ${JSON.stringify(value).slice(0, 60)}` +
      (Array.isArray(value)
        ? '; values without column names can be bound to the wrong columns: write one object per row, or pandas\' orient="split", which names the columns'
        : ""),
  });
}
