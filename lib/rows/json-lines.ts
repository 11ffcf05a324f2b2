/**
 * Encodes JSON Lines without an object per row. A row whose keys are those of
 * the row before, in the same order, is read straight from its bytes; any other
 * row is read by `JSON.parse`, and both ways accept the same rows and give the
 * same numbers.
 */
import { isUtf8 } from "node:buffer";
import type { RowEncoder } from "./encode.ts";
import { parseLine } from "./json.ts";
import { JsonRowReader } from "./json-row.ts";
import { type BadRow, RowError } from "./row-error.ts";

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
