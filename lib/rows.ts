/** Rows out of JSON text: JSON Lines, or one array, of objects or of arrays. */
import { InputError } from "./errors.ts";

/** One row and where it stands. */
export interface Row {
  /** Counts from 1. */
  readonly number: number;
  /** Line of the file, from 1; undefined inside one JSON array. */
  readonly line: number | undefined;
  /** An object by column name, or the values in the order of the model's columns. */
  readonly value: Readonly<Record<string, unknown>> | readonly unknown[];
}

const newline = 10;

/**
 * The rows of a file, one after the other. The form is told by the content, not
 * by the name: `[` begins an array when the whole text is one, else each line
 * is a row. Blank lines, CRLF and a byte order mark are passed over.
 *
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 *
 * const bytes = new TextEncoder().encode('{"a":1}\n\n{"a":null}\n');
 * const lines = [...parseRows(bytes, { file: "x" })].map(({ line }) => line);
 * deepStrictEqual(lines, [1, 3]);
 * ```
 *
 * @param options `file`: what the bytes are called in an error.
 * @throws {InputError} If a line is not JSON, a row is neither object nor array, or there is no row at all; names the line.
 */
export function* parseRows(
  bytes: Uint8Array,
  options: { file: string },
): Generator<Row, void, undefined> {
  const whole = wholeArray(bytes);
  let count = 0;
  for (
    const row of whole
      ? rowsOfArray(whole, options.file)
      : rowsOfLines(bytes, options.file)
  ) {
    count++;
    yield row;
  }
  if (count === 0) {
    throw new InputError(`Cannot read rows of ${options.file}: it has none`);
  }
}

/** The text as one JSON array, or undefined when it is not that: `[1]\n[2]` is two rows. */
function wholeArray(bytes: Uint8Array): unknown[] | undefined {
  const first = bytes.find((byte) => byte > 32 && byte < 128);
  if (first !== "[".charCodeAt(0)) return undefined;
  try {
    const value: unknown = JSON.parse(
      new TextDecoder("utf-8", { fatal: true }).decode(bytes),
    );
    // One row of plain numbers is a JSON line, not an array of rows.
    const isRows = Array.isArray(value) &&
      value.every((item) => typeof item === "object" && item !== null);
    return isRows ? value as unknown[] : undefined;
  } catch {
    return undefined;
  }
}

function* rowsOfArray(values: unknown[], file: string): Generator<Row> {
  for (const [index, value] of values.entries()) {
    yield {
      number: index + 1,
      line: undefined,
      value: checkedRow(value, { file, where: `row ${index + 1}` }),
    };
  }
}

function* rowsOfLines(bytes: Uint8Array, file: string): Generator<Row> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let number = 0;
  let line = 0;
  for (let start = 0; start < bytes.length;) {
    const found = bytes.indexOf(newline, start);
    const end = found < 0 ? bytes.length : found;
    line++;
    const value = parseLine(
      bytes.subarray(start, end),
      decoder,
      `${file}, line ${line}`,
    );
    start = end + 1;
    if (value === undefined) continue;
    number++;
    yield {
      number,
      line,
      value: checkedRow(value, { file, where: `line ${line}` }),
    };
  }
}

/** The value of one line, undefined when it is blank. */
function parseLine(
  bytes: Uint8Array,
  decoder: TextDecoder,
  where: string,
): unknown {
  let text: string;
  try {
    text = decoder.decode(bytes);
  } catch {
    throw new InputError(`Cannot read ${where}: it is not UTF-8 text`);
  }
  if (text.trim() === "") return undefined;
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new InputError(
      `Cannot parse ${where}: ${
        (error as Error).message
      }; expected one JSON object or array a line ` +
        `(a missing value is null, not NaN), or one JSON array of rows`,
    );
  }
}

function checkedRow(
  value: unknown,
  { file, where }: { file: string; where: string },
): Row["value"] {
  if (typeof value === "object" && value !== null) return value as Row["value"];
  throw new InputError(
    `Cannot use ${file}, ${where}: expected an object or an array, found ${
      JSON.stringify(value)
    }`,
  );
}
