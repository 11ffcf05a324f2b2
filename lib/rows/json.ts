/** Parses JSON Lines, and one row of JSON, by `JSON.parse`. */
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

const newline = 10;

/**
 * Yields the rows of JSON Lines and returns the number of lines. Blank lines,
 * CRLF and a byte order mark are skipped.
 *
 * @param options `firstRow`, `firstLine`: the numbers of the first row and line, 1 by default.
 * @throws {RowError} If a line is not a JSON object in UTF-8.
 */
export function* parseJsonLines(
  bytes: Uint8Array,
  options: { file: string; firstRow?: number; firstLine?: number },
): Generator<InputRow, number, undefined> {
  const { file, firstRow = 1, firstLine = 1 } = options;
  let number = firstRow;
  let line = firstLine;
  for (let start = 0; start < bytes.length; line++) {
    const found = bytes.indexOf(newline, start);
    const end = found < 0 ? bytes.length : found;
    const value = parseLine(bytes.subarray(start, end), { file, line });
    start = end + 1;
    if (value !== undefined) yield { number: number++, line, value };
  }
  return line - firstLine;
}

const decoder = new TextDecoder("utf-8", { fatal: true });

/**
 * Returns the row in one line of JSON Lines; undefined when the line is blank.
 * A bare `NaN`, which Python's `json.dumps` writes, is read as null.
 *
 * @throws {RowError} If the line is not one JSON object in UTF-8.
 */
export function parseLine(
  bytes: Uint8Array,
  place: RowPlace,
): InputRow["value"] | undefined {
  let text: string;
  try {
    text = decoder.decode(bytes);
  } catch {
    throw new RowError({
      place,
      verb: "read",
      reason: ": it is not UTF-8 text",
    });
  }
  if (text.trim() === "") return undefined;
  return checkedRow(parseValue(text, place), place);
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

/** Tells whether a JSON value is an object, which an array is not. */
export function isObject(
  value: unknown,
): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
