/** Parses rows from JSON text: JSON Lines of objects, one array of objects, or pandas' `split`. */
import { InputError } from "../base/errors.ts";
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
 * Yields the rows of a file. The format is detected from the content, not from
 * the name: JSON Lines of objects, one JSON array of objects (pandas'
 * `records`), or pandas' `split` (`columns` and `data`). Blank lines, CRLF and a
 * byte order mark are skipped. Rows that are arrays are rejected unless `split`
 * names their columns, because their order does not show which column a value
 * belongs to.
 *
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 *
 * const bytes = new TextEncoder().encode('{"a":1}\n\n{"a":null}\n');
 * const lines = [...parseRows(bytes, { file: "x" })].map(({ line }) => line);
 * deepStrictEqual(lines, [1, 3]);
 * ```
 *
 * @param options `file`: the name of the file in errors.
 * @throws {InputError} If a line is not JSON or a row is not an object (names the line), or there are no rows.
 */
export function* parseRows(
  bytes: Uint8Array,
  options: { file: string },
): Generator<InputRow, void, undefined> {
  const { file } = options;
  let count = 0;
  for (const row of rowsOf(bytes, file)) {
    count++;
    yield row;
  }
  if (count === 0) {
    throw new InputError(`Cannot read rows of ${file}: it has none`);
  }
}

function rowsOf(bytes: Uint8Array, file: string): Generator<InputRow> {
  const start = bytes.findIndex((byte) => byte > 32 && byte < 128);
  const head = start < 0
    ? ""
    : String.fromCharCode(...bytes.subarray(start, start + 64));
  if (head.startsWith("[")) {
    const values = tryParse(bytes);
    if (isRows(values)) return rowsOfArray(values, file);
  }
  // The keys that pandas writes first; a line of JSON Lines may also begin with them.
  if (/^\{\s*"(columns|index|data)"\s*:\s*\[/.test(head)) {
    const split = toSplit(tryParse(bytes));
    if (split) return rowsOfSplit(split, file);
  }
  return rowsOfLines(bytes, file);
}

/** Parses the text as one JSON value; undefined when it is not one, such as the two lines `[1]\n[2]`. */
function tryParse(bytes: Uint8Array): unknown {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return parseValue(text, { file: "" });
  } catch {
    return undefined;
  }
}

/** Returns true for an array of rows; an array of plain values is a single line. */
function isRows(value: unknown): value is readonly unknown[] {
  return Array.isArray(value) &&
    value.every((item) => typeof item === "object" && item !== null);
}

function* rowsOfArray(
  values: readonly unknown[],
  file: string,
): Generator<InputRow> {
  for (const [index, value] of values.entries()) {
    yield {
      number: index + 1,
      line: undefined,
      value: checkedRow(value, { file, row: index + 1 }),
    };
  }
}

/** A frame as `DataFrame.to_json(orient="split")` writes it. */
interface Split {
  readonly columns: readonly unknown[];
  readonly data: readonly unknown[];
}

function toSplit(value: unknown): Split | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { columns, data }: { columns?: unknown; data?: unknown } = value;
  return Array.isArray(columns) && isRows(data) ? { columns, data } : undefined;
}

function* rowsOfSplit(
  { columns, data }: Split,
  file: string,
): Generator<InputRow> {
  const names = columns.map((name) => {
    if (typeof name === "string") return name;
    throw new InputError(
      `Cannot use ${file}: "columns" should hold the names of the columns, found ${
        JSON.stringify(name)
      }`,
    );
  });
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) {
    throw new InputError(
      `Cannot use ${file}: "columns" names "${twice}" twice`,
    );
  }
  for (const [index, cells] of data.entries()) {
    if (!Array.isArray(cells) || cells.length !== names.length) {
      throw new RowError({
        place: { file, row: index + 1 },
        verb: "use",
        reason: `: expected an array of ${names.length} values, found ${
          Array.isArray(cells) ? `${cells.length} values` : "an object"
        }`,
      });
    }
    yield {
      number: index + 1,
      line: undefined,
      value: Object.fromEntries(names.map((name, at) => [name, cells[at]])),
    };
  }
}

function* rowsOfLines(bytes: Uint8Array, file: string): Generator<InputRow> {
  let number = 0;
  let line = 0;
  for (let start = 0; start < bytes.length;) {
    const found = bytes.indexOf(newline, start);
    const end = found < 0 ? bytes.length : found;
    line++;
    const value = parseLine(bytes.subarray(start, end), { file, line });
    start = end + 1;
    if (value === undefined) continue;
    number++;
    yield { number, line, value };
  }
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

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
