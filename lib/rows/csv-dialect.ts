/** Finds out how a CSV file is written: its delimiter, its quote and its header. */
import { isUtf8 } from "node:buffer";
import { InputError } from "../base/errors.ts";
import { countOf } from "../base/phrases.ts";
import { isMissingText, readBoolean, readDecimal } from "./csv-cells.ts";
import { type CsvDialect, RecordScanner } from "./csv-record.ts";

/** The header of a CSV file. */
export interface CsvHeader extends CsvDialect {
  /** The names of the columns, in order; none is empty or occurs twice. */
  readonly names: readonly string[];
  /** Bytes of the file before its first row. */
  readonly length: number;
  /** Lines of the file before its first row. */
  readonly lines: number;
  /** How the file is read, for the log: `read as CSV: 45 columns, separated by ";", quoted by '"'`. */
  readonly sentence: string;
}

const delimiters = [",", ";", "\t", "|"].map((text) => text.charCodeAt(0));
const doubleQuote = 34;
const newline = 10;
const quotes = [doubleQuote, 39];
/** Records that are looked at to choose a dialect, and the bytes they are taken from. */
const sampleRecords = 100;
const sampleBytes = 2 ** 18;

/**
 * Reads the header of a CSV file. The delimiter (comma, semicolon, tab or bar)
 * and the quote (double or single) are those with which the first records have
 * the most columns and equally many of them; in doubt a comma and a double
 * quote.
 *
 * ```ts
 * import { deepStrictEqual, strictEqual } from "node:assert/strict";
 *
 * const head = new TextEncoder().encode("player_id;spend\n007;1.5\n");
 * const header = readCsvHeader(head, { file: "players.csv", last: true });
 * deepStrictEqual(header.names, ["player_id", "spend"]);
 * strictEqual(header.sentence, `read as CSV: 2 columns, separated by ";", quoted by '"'`);
 * ```
 *
 * @param head The first bytes of the file; 256 KiB are enough for a header of that size.
 * @param options `last`: true if these are all bytes. `known`: column names of which a header has at least one; without any of them, a first line with numbers is data, unless they are 0, 1, 2, ….
 * @throws {InputError} If the file is not text in UTF-8, the header is not complete or looks like data, or a name is empty or occurs twice.
 */
export function readCsvHeader(
  head: Uint8Array,
  options: { file: string; last: boolean; known?: ReadonlySet<string> },
): CsvHeader {
  const { file, last } = options;
  const [first, second] = head;
  if (first === 0xff && second === 0xfe || first === 0xfe && second === 0xff) {
    throw new InputError(
      `Cannot read ${file}: it is UTF-16 text; save it as UTF-8`,
    );
  }
  const start = head[0] === 0xef && head[1] === 0xbb && head[2] === 0xbf
    ? 3
    : 0;
  const dialect = detect(head.subarray(start), last);
  const scanner = new RecordScanner(dialect);
  let line = 1;
  let at = start;
  let next = scanner.scan(head, at);
  while (scanner.isBlank && next < head.length) {
    line += scanner.lines;
    at = next;
    next = scanner.scan(head, at);
  }
  if (scanner.isBlank && last) {
    throw new InputError(`Cannot read rows of ${file}: it has none`);
  }
  const record = head.subarray(at, next);
  const isComplete = last || record.at(-1) === newline;
  const found = record.includes(0)
    ? "a NUL byte"
    : isComplete && !isUtf8(record)
    ? "other bytes"
    : undefined;
  if (found !== undefined) {
    throw new InputError(
      `Cannot read ${file}, line ${line}: expected CSV in UTF-8, found ${found}`,
    );
  }
  if (scanner.fault || !isComplete) {
    throw new InputError(
      `Cannot parse ${file}, line ${line}: ${
        scanner.fault ??
          `expected a header with the names of the columns, found a line longer than ${head.length} bytes`
      }`,
    );
  }
  const names = scanner.texts(head);
  checkNames(names, { ...options, line });
  const shown = (byte: number) =>
    byte === 9
      ? "a tab"
      : byte === 34
      ? `'"'`
      : `"${String.fromCharCode(byte)}"`;
  return {
    ...dialect,
    names,
    length: next,
    lines: line - 1 + scanner.lines,
    sentence: `read as CSV: ${countOf(names.length, "column")}, separated by ${
      shown(dialect.delimiter)
    }, quoted by ${shown(dialect.quote)}`,
  };
}

/** Returns the dialect of the first records. */
function detect(head: Uint8Array, last: boolean): CsvDialect {
  const sample = head.subarray(0, sampleBytes);
  const isAll = last && sample.length === head.length;
  let best: CsvDialect = { delimiter: delimiters[0]!, quote: doubleQuote };
  let bestScore = 0;
  for (const quote of quotes) {
    for (const delimiter of delimiters) {
      const dialect = { delimiter, quote };
      const found = measure(sample, dialect, isAll);
      const { width, share, quotedRecords, isHeaderQuoted } = found;
      // A quote other than the usual one must be seen to be used.
      const isUsed = quote === doubleQuote || quotedRecords > 0;
      const score = width > 1 && isUsed ? width * share : 0;
      const isBetter = score > bestScore ||
        score === bestScore && score > 0 && isHeaderQuoted &&
          quote !== best.quote;
      if (isBetter) {
        best = dialect;
        bestScore = score;
      }
    }
  }
  return best;
}

/** Returns the number of cells in the first record, the share of records with as many, and where cells are in quotes. */
function measure(
  sample: Uint8Array,
  dialect: CsvDialect,
  isAll: boolean,
): {
  width: number;
  share: number;
  quotedRecords: number;
  isHeaderQuoted: boolean;
} {
  const scanner = new RecordScanner(dialect);
  let width = 0;
  let isHeaderQuoted = false;
  let quotedRecords = 0;
  let records = 0;
  let equal = 0;
  for (let at = 0; at < sample.length && records < sampleRecords;) {
    at = scanner.scan(sample, at);
    if (scanner.isBlank) continue;
    // The sample may end inside a record.
    if (at === sample.length && !isAll && records > 0) break;
    const isQuoted = scanner.quoted.some((kind) => kind > 0);
    if (records === 0) {
      width = scanner.count;
      isHeaderQuoted = isQuoted;
    }
    if (isQuoted) quotedRecords++;
    records++;
    if (!scanner.fault && scanner.count === width) equal++;
  }
  const share = equal / Math.max(records, 1);
  return { width, share, quotedRecords, isHeaderQuoted };
}

function checkNames(
  names: readonly string[],
  { file, line, known }: {
    file: string;
    line: number;
    known?: ReadonlySet<string>;
  },
): void {
  const refuse = (reason: string) =>
    new InputError(`Cannot use ${file}, line ${line}: ${reason}`);
  const values = names.filter((name) =>
    readDecimal(name) !== undefined || readBoolean(name) !== undefined ||
    name !== "" && isMissingText(name)
  );
  // A frame without names has the columns 0, 1, 2, ….
  const areNumbered = values.length > 2 &&
    values.every((name, index) => name === String(index));
  const isHeader = values.length === 0 || areNumbered ||
    names.some((name) => known?.has(name));
  if (!isHeader) {
    throw refuse(
      `expected a header with the names of the columns, found the value ${
        JSON.stringify(values[0])
      }`,
    );
  }
  const empty = names.indexOf("");
  if (empty >= 0) {
    throw refuse(
      `column ${empty + 1} of ${names.length} has no name${
        empty === 0
          ? "; if it is the index of a pandas frame, write the file with to_csv(index=False)"
          : empty === names.length - 1
          ? "; the line ends with a delimiter"
          : ""
      }`,
    );
  }
  const seen = new Set<string>();
  for (const name of names) {
    if (seen.has(name)) throw refuse(`two columns are named "${name}"`);
    seen.add(name);
  }
}
