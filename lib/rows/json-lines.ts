/**
 * Reads JSON Lines as rows, or without an object per row straight into an
 * encoder. A row whose keys are those of the row before, in the same order, is
 * read straight from its bytes; any other row is read by `JSON.parse`, and both
 * ways accept the same rows and give the same numbers.
 */
import { isUtf8 } from "node:buffer";
import type { RowEncoder } from "./encode.ts";
import { checkedRow, type InputRow, parseValue } from "./json.ts";
import { JsonRowReader } from "./json-row.ts";
import { type BadRow, RowError, type RowPlace } from "./row-error.ts";

const newline = 10;
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/**
 * Encodes the lines of a block and returns their number. Blank lines are skipped.
 *
 * @param bytes Whole lines; the last one may lack its line break.
 * @param options `onBadRow`: called for a line that cannot be used, which is otherwise thrown.
 * @throws {RowError} If a line is not a row that the encoder accepts; rows and lines are counted from 1 in the block.
 */
export function encodeJsonLines(
  bytes: Uint8Array,
  encoder: RowEncoder,
  options: { onBadRow?: ((row: BadRow) => void) | undefined } = {},
): number {
  const { onBadRow } = options;
  let badRows = 0;
  const reader = isUtf8(bytes)
    ? new JsonRowReader(bytes, encoder, { separator: newline })
    : undefined;
  const { file } = encoder.options;
  let line = 0;
  for (let start = 0; start < bytes.length;) {
    line++;
    const next = reader?.read(start) ?? -1;
    if (next >= 0) {
      start = next;
      continue;
    }
    const found = bytes.indexOf(newline, start);
    const end = found < 0 ? bytes.length : found;
    try {
      const value = parseLine(bytes.subarray(start, end), { file, line });
      if (value !== undefined) {
        encoder.add(value, { file, row: encoder.rows + badRows + 1, line });
        reader?.learn(start, end);
      }
    } catch (error) {
      if (!(error instanceof RowError) || !onBadRow) throw error;
      badRows++;
      onBadRow({
        error,
        row: encoder.rows + badRows,
        text: decoder.decode(bytes.subarray(start, end)),
      });
    }
    start = end + 1;
  }
  return line;
}

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

const strictDecoder = new TextDecoder("utf-8", { fatal: true });

/**
 * Returns the row in one line of JSON Lines; undefined when the line is blank.
 * A bare `NaN`, which Python's `json.dumps` writes, is read as null.
 *
 * @throws {RowError} If the line is not one JSON object in UTF-8.
 */
function parseLine(
  bytes: Uint8Array,
  place: RowPlace,
): InputRow["value"] | undefined {
  let text: string;
  try {
    text = strictDecoder.decode(bytes);
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
