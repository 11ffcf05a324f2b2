/** Cuts the bytes of a file into blocks of whole records, so that the blocks can be parsed independently. */
import { InputError } from "../base/errors.ts";

/** The largest record, in bytes: one line of JSON Lines, one element of an array, one record of CSV. */
export const maxRecordBytes = 64 * 2 ** 20;

/** A range of bytes in a block; `end` is exclusive. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** The span of a block that has no rows. */
export const emptySpan: Span = { start: 0, end: 0 };

/** Finds the ends of blocks in the bytes of one file. Its state carries over from call to call. */
export interface Cutter {
  /**
   * Returns the end (exclusive) of the last complete record in `bytes`, 0 if no
   * record is complete yet. `bytes` always begin where the last block ended: at
   * the next call, the bytes after the returned end come first, followed by more
   * of the file.
   *
   * @param options `last`: true if `bytes` reach the end of the file. Call again with the rest, and finally with no bytes: that call throws if the file is incomplete. With bytes left, each such call returns more than 0 or throws.
   * @throws {InputError} If a record is larger than {@linkcode maxRecordBytes}, or the text around the records is invalid. Records before the error have been returned by then.
   */
  cut(bytes: Uint8Array, options: { last: boolean }): number;
  /** The rows of the block that the last call cut, without the header, brackets or separators around them. Only these bytes are passed to a parser. */
  readonly span: Span;
}

/** The source of a cutter's bytes, for errors, and the limit of one record. */
export interface CutOptions {
  readonly file: string;
  /** {@linkcode maxRecordBytes} by default. */
  readonly maxBytes?: number;
}

const newline = 10;

/**
 * Returns a cutter for records that are lines, such as JSON Lines. The last line
 * needs no line break.
 */
export function cutLines(options: CutOptions): Cutter {
  const { file, maxBytes = maxRecordBytes } = options;
  /** Bytes of the file before the current block. */
  let offset = 0;
  /** Bytes of the current block that are known to have no line break. */
  let searched = 0;
  let span = emptySpan;
  return {
    get span() {
      return span;
    },
    cut(bytes, { last }) {
      const found = bytes.subarray(searched).lastIndexOf(newline);
      const end = last ? bytes.length : found < 0 ? 0 : searched + found + 1;
      if (found < 0 && bytes.length > maxBytes) {
        throw tooLong(
          offset === 0 ? "line 1" : `the line at byte offset ${offset}`,
          { file, maxBytes, hint: ": is this one JSON value?" },
        );
      }
      span = { start: 0, end };
      searched = end === 0 ? bytes.length : 0;
      offset += end;
      return end;
    },
  };
}

/** Returns the error for a record that exceeds the limit. */
export function tooLong(
  record: string,
  { file, maxBytes, hint }: { file: string; maxBytes: number; hint: string },
): InputError {
  const limit = maxBytes >= 2 ** 20
    ? `${maxBytes / 2 ** 20} MiB`
    : `${maxBytes} bytes`;
  return new InputError(
    `Cannot read ${file}: ${record} is longer than ${limit}${hint}`,
  );
}
