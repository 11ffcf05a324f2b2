/**
 * Reads CSV (RFC 4180): cuts a file into blocks of whole records, and reads a
 * block as rows, or without an object per row straight into an encoder. Both
 * ways accept the same rows and give the same numbers.
 */
import { countOf } from "../base/phrases.ts";
import { isUtf8 } from "node:buffer";
import { toCode } from "../model/mod.ts";
import {
  type CellReader,
  isMissingText,
  missingTexts,
  readBoolean,
  readDecimal,
  toCellReaders,
  type UnknownRoles,
} from "./csv-cells.ts";
import type { ColumnRoles } from "./cells.ts";
import type { CsvHeader } from "./csv-dialect.ts";
import { RecordScanner } from "./csv-record.ts";
import {
  type CutOptions,
  type Cutter,
  emptySpan,
  maxRecordBytes,
  tooLong,
} from "./cutter.ts";
import type { RowEncoder } from "./encode.ts";
import type { InputRow } from "./json.ts";
import { countRow, fits, type Layout, toLayout } from "./layout.ts";
import { notANumber, readNumber } from "./number.ts";
import { type BadRow, RowError, type RowPlace } from "./row-error.ts";
import { readSimilar, type RowTemplate, toTemplate } from "./row-template.ts";
import { textOf } from "./texts.ts";

const newline = 10;
const carriageReturn = 13;

/** Where in a record the cutter is. */
const beforeCell = 0;
const inPlain = 1;
const inQuotes = 2;
/** After a quote inside of quotes: the cell ends, or the quote is doubled. */
const afterQuote = 3;

/**
 * Returns a cutter for a CSV file. Its blocks end with a line break that is not
 * in quotes; the span of the first block begins after the header.
 */
export function cutCsv(header: CsvHeader, options: CutOptions): Cutter {
  const { file, maxBytes = maxRecordBytes } = options;
  const { delimiter, quote } = header;
  /** Bytes of the file before the current block. */
  let offset = 0;
  /** Bytes of the current block that have been scanned. */
  let scanned = header.length;
  /** Bytes of the current block that belong to the header. */
  let headBytes = header.length;
  let state = beforeCell;
  let span = emptySpan;

  /** Scans to the end of the bytes and returns the end of the last complete record; 0 if there is none. */
  const scan = (bytes: Uint8Array): number => {
    if (state < inQuotes && bytes.indexOf(quote, scanned) < 0) {
      const end = bytes.lastIndexOf(newline) + 1;
      const byte = bytes[bytes.length - 1];
      state = byte === newline || byte === delimiter ? beforeCell : inPlain;
      return end > scanned ? end : 0;
    }
    let end = 0;
    let now = state;
    for (let at = scanned; at < bytes.length; at++) {
      const byte = bytes[at]!;
      if (now === inQuotes) {
        if (byte === quote) now = afterQuote;
      } else if (byte === delimiter) now = beforeCell;
      else if (byte === newline) {
        now = beforeCell;
        end = at + 1;
      } else if (byte === quote) {
        if (now !== inPlain) now = inQuotes;
      } else now = inPlain;
    }
    state = now;
    return end;
  };

  return {
    get span() {
      return span;
    },
    cut(bytes, { last }) {
      span = emptySpan;
      if (bytes.length < headBytes) return 0;
      const found = scanned < bytes.length ? scan(bytes) : 0;
      const end = last ? bytes.length : found > 0 ? found : headBytes;
      if (found === 0 && bytes.length - headBytes > maxBytes) {
        throw tooLong(`the row at byte offset ${offset + headBytes}`, {
          file,
          maxBytes,
          hint: state === inQuotes ? ": is a quote not closed?" : "",
        });
      }
      if (end > headBytes) span = { start: headBytes, end };
      scanned = bytes.length - end;
      headBytes = 0;
      offset += end;
      return end;
    },
  };
}

/** How the records of a block become rows. */
export interface CsvOptions {
  readonly file: string;
  readonly header: CsvHeader;
  /** What the columns are for, which decides their types. */
  readonly roles: ColumnRoles | UnknownRoles;
  /** Number of the block's first row; 1 by default. */
  readonly firstRow?: number;
  /** Line of the block's first byte; 1 by default. */
  readonly firstLine?: number;
}

/**
 * Yields the rows of a block of whole records, and returns the number of its
 * lines. Blank lines are skipped.
 *
 * @throws {RowError} If a record does not have one cell per column, is not UTF-8, or has a cell that its column does not allow.
 */
export function* parseCsv(
  bytes: Uint8Array,
  options: CsvOptions,
): Generator<InputRow, number, undefined> {
  const { file, header, roles, firstRow = 1, firstLine = 1 } = options;
  const reader = new RecordReader(bytes, { header, roles });
  let number = firstRow;
  let line = firstLine;
  for (let at = 0; at < bytes.length;) {
    at = reader.scan(at);
    if (!reader.scanner.isBlank) {
      const value = reader.row({ file, row: number, line });
      yield { number: number++, line, value };
    }
    line += reader.scanner.lines;
  }
  return line - firstLine;
}

/** Reads any record, as an object. */
class RecordReader {
  readonly scanner: RecordScanner;
  readonly #bytes: Uint8Array;
  readonly #header: CsvHeader;
  readonly #readers: readonly CellReader[];
  #start = 0;
  #end = 0;

  constructor(
    bytes: Uint8Array,
    { header, roles }: { header: CsvHeader; roles: ColumnRoles | UnknownRoles },
  ) {
    this.#bytes = bytes;
    this.#header = header;
    this.scanner = new RecordScanner(header);
    this.#readers = toCellReaders(header.names, roles);
  }

  /** Finds the record at `start` and returns the start of the next one. */
  scan(start: number): number {
    this.#start = start;
    return this.#end = this.scanner.scan(this.#bytes, start);
  }

  /** Returns the record that was scanned last. */
  row(place: RowPlace): InputRow["value"] {
    const { names } = this.#header;
    const bytes = this.#bytes;
    const { scanner } = this;
    if (!isUtf8(bytes.subarray(this.#start, this.#end))) {
      const reason = ": it is not UTF-8 text";
      throw new RowError({ place, verb: "read", reason });
    }
    if (scanner.fault !== undefined) {
      const reason = `: ${scanner.fault}`;
      throw new RowError({ place, verb: "parse", reason });
    }
    const { count } = scanner;
    if (count !== names.length) {
      const cells = countOf(count, "cell");
      throw new RowError({
        place,
        verb: "use",
        reason:
          `: expected ${names.length} cells, as in the header, found ${cells}`,
      });
    }
    const cells = names.map((name, at): [string, unknown] => [
      name,
      this.#readers[at]!(scanner.text(bytes, at), place),
    ]);
    return Object.fromEntries(cells);
  }

  /** Returns the record that was scanned last as it stands in the file, without its line break. */
  text(): string {
    const record = this.#bytes.subarray(this.#start, this.#end);
    return new TextDecoder().decode(record).replace(/\r?\n$/, "");
  }
}

/**
 * Encodes the records of a block and returns the number of its lines. Blank
 * lines are skipped.
 *
 * @param bytes Whole records; the last one may lack its line break.
 * @param options `onBadRow`: called for a row that cannot be used, which is otherwise thrown. A record of several lines whose quotes are wrong is always thrown.
 * @throws {RowError} As {@linkcode parseCsv}, and if the encoder rejects a row; rows and lines are counted from 1 in the block.
 */
export function encodeCsv(
  bytes: Uint8Array,
  encoder: RowEncoder,
  { header, onBadRow }: {
    header: CsvHeader;
    onBadRow?: ((row: BadRow) => void) | undefined;
  },
): number {
  const { file } = encoder.options;
  let badRows = 0;
  const slow = new RecordReader(bytes, { header, roles: encoder.options });
  const layout = isUtf8(bytes) ? toLayout(header.names, encoder) : undefined;
  const fast = layout && new FastReader(bytes, { encoder, header, layout });
  let line = 1;
  for (let start = 0; start < bytes.length;) {
    const next = fast?.read(start) ?? -1;
    if (next >= 0) {
      line += fast!.lines;
      start = next;
      continue;
    }
    const end = slow.scan(start);
    if (!slow.scanner.isBlank) {
      const place = { file, row: encoder.rows + badRows + 1, line };
      try {
        encoder.add(slow.row(place), place);
      } catch (error) {
        if (!isOneBadRow(error, slow) || !onBadRow) throw error;
        badRows++;
        onBadRow({ error, row: encoder.rows + badRows, text: slow.text() });
      }
    }
    start = end;
    line += slow.scanner.lines;
  }
  return line - 1;
}

/**
 * Tells whether an error is that of the record that was scanned last, and of no
 * other. A record of several lines with a wrong quote may have swallowed the
 * records after it, so that nobody knows where the next row begins.
 */
function isOneBadRow(error: unknown, reader: RecordReader): error is RowError {
  const { fault, lines } = reader.scanner;
  return error instanceof RowError && (fault === undefined || lines === 1);
}

/** A text of a column of categories, as the recipe or the model sees it. */
interface Category {
  readonly cell: unknown;
  /** Index of the category, -1 for an unknown one; code of the label, NaN for a missing one; undefined if only the encoder can tell. */
  readonly code: number | undefined;
}

/** Number of texts that are remembered for one column of categories. */
const rememberedTexts = 4096;

/** Reads records whose cells need no second look straight into an encoder's matrix. */
class FastReader {
  /** Lines of the record that was read last. */
  lines = 1;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly #encoder: RowEncoder;
  readonly #delimiter: number;
  readonly #quote: number;
  readonly #layout: Layout;
  readonly #readers: readonly CellReader[];
  readonly #number = new Float64Array(2);
  /** Position in the model of each column of numbers; -1 for any other column. */
  readonly #positions: Int32Array;
  /** The type of each column of numbers; undefined if it allows any number. */
  readonly #types: readonly (string | undefined)[];
  /** Texts seen so far, by column. */
  readonly #categories: readonly Map<string, Category>[];
  /** Raw cells and categories of the row that is being read, by column. */
  readonly #cells: unknown[] = [];
  readonly #codes: number[] = [];
  /** Cells that steps work on, of the row that is being read. */
  readonly #stepCells: Record<string, unknown> = {};
  /** The cell that {@linkcode #findText} has found. */
  #start = 0;
  #end = 0;
  #template: RowTemplate | undefined;
  /** Where the cells of a record begin and end, from its start. */
  readonly #starts: number[] = [];
  readonly #ends: number[] = [];
  /** Of the record that is being read: its place in the matrix, the span of the id, and the outcome. */
  #row = 0;
  #idStart = 0;
  #idEnd = -1;
  #outcome = 0;

  constructor(
    bytes: Uint8Array,
    { encoder, header, layout }: {
      encoder: RowEncoder;
      header: CsvHeader;
      layout: Layout;
    },
  ) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#encoder = encoder;
    this.#delimiter = header.delimiter;
    this.#quote = header.quote;
    this.#layout = layout;
    this.#readers = toCellReaders(header.names, encoder.options);
    this.#positions = Int32Array.from(
      layout.actions,
      (action) => action.kind === "number" ? action.position : -1,
    );
    this.#types = layout.actions.map((action) =>
      action.kind === "number" && action.type !== "double"
        ? action.type
        : undefined
    );
    this.#categories = header.names.map(() => new Map<string, Category>());
  }

  /** Encodes the record at `start` and returns the start of the next one; -1 if the record needs the slow way, and then nothing has been added. */
  read(start: number): number {
    const { bytes } = this;
    const first = bytes[start]!;
    // Possibly a blank line.
    if (first <= 32 && first !== this.#delimiter) return -1;
    const row = this.#encoder.beginRows();
    this.#row = row;
    const template = this.#template;
    let next = -1;
    if (template !== undefined) {
      this.#encoder.matrix.set(template.values, row);
      next = this.#endOfRecord(readSimilar(template, this.#begin(), start));
    }
    if (next < 0) {
      next = this.#endOfRecord(this.#readCells(start));
      if (next < 0) return -1;
      this.#learn(start);
    }
    const place = { at: row, row: this.#encoder.rows };
    if (!this.#encoder.addSteps(this.#stepCells, place)) return -1;
    this.#count();
    return next;
  }

  /** Forgets what was found in the record before. */
  #begin(): this {
    this.lines = 1;
    this.#idEnd = -1;
    return this;
  }

  /** Reads every cell of the record at `start` and returns the end of the last one; -1 if the record needs the slow way. */
  #readCells(start: number): number {
    this.#begin();
    const { bytes } = this;
    const last = this.#layout.actions.length - 1;
    let at = start;
    for (let field = 0; field <= last; field++) {
      this.#starts[field] = at - start;
      at = this.readField(field, at);
      if (at < 0) return -1;
      this.#ends[field] = at - start;
      if (field < last && bytes[at++] !== this.#delimiter) return -1;
    }
    return at;
  }

  /** Returns the start of the record after the one whose last cell ends at `at`; -1 if the cell is followed by more. */
  #endOfRecord(at: number): number {
    const { bytes } = this;
    if (at < 0) return -1;
    const end = bytes[at] === carriageReturn ? at + 1 : at;
    if (end < bytes.length && bytes[end] !== newline) return -1;
    return Math.min(end + 1, bytes.length);
  }

  /** Takes the record that was read last as the one to compare the next ones with. */
  #learn(start: number): void {
    const width = this.#encoder.options.columns.length;
    const end = start + (this.#ends.at(-1) ?? 0);
    this.#template = toTemplate({
      bytes: this.bytes.slice(start, end),
      starts: this.#starts,
      ends: this.#ends,
      values: this.#encoder.matrix.slice(this.#row, this.#row + width),
    }, this.#layout);
  }

  /** Reads the cell of a column at `at` and returns its end; -1 if the record needs the slow way. */
  readField(field: number, at: number): number {
    const { matrix } = this.#encoder;
    const row = this.#row;
    const position = this.#positions[field]!;
    if (position >= 0) {
      const out = this.#number;
      const end = this.#readNumber(at);
      if (end < 0) return -1;
      const value = out[0]!;
      const type = this.#types[field];
      if (!Number.isFinite(Math.fround(value))) {
        if (!Number.isNaN(value)) return -1;
      } else if (type !== undefined && !fits(value, type, out[1] === 1)) {
        return -1;
      }
      matrix[row + position] = value;
      return end;
    }
    const action = this.#layout.actions[field]!;
    switch (action.kind) {
      case "id": {
        const end = this.#findText(at);
        if (end < 0) return -1;
        this.#idStart = this.#start;
        this.#idEnd = this.#isMissing() ? -1 : this.#end;
        for (let byte = this.#idStart; byte < this.#idEnd; byte++) {
          if (this.bytes[byte] === 0) return -1;
        }
        return end;
      }
      case "outcome": {
        const end = this.#readNumber(at);
        this.#outcome = this.#number[0]!;
        return this.#outcome === 0 || this.#outcome === 1 ? end : -1;
      }
      case "extra":
        return this.#skipCell(at);
      case "step": {
        const end = this.#findText(at);
        if (end < 0) return -1;
        try {
          const { cell } = this.#category(field, () => undefined);
          this.#stepCells[action.name] = cell;
        } catch (error) {
          if (!(error instanceof RowError)) throw error;
          return -1;
        }
        return end;
      }
      case "raw": {
        const end = this.#findText(at);
        if (end < 0) return -1;
        const { cell, code } = this.#category(field, action.group.find);
        if (code === undefined) return -1;
        this.#cells[field] = cell;
        this.#codes[field] = code;
        const { positions } = action.group;
        for (let own = 0; own < positions.length; own++) {
          const position = positions[own];
          if (position === undefined) continue;
          matrix[row + position] = own === code ? 1 : 0;
        }
        return end;
      }
      case "label": {
        const end = this.#findText(at);
        if (end < 0) return -1;
        const { labels } = action;
        const { code } = this.#category(field, (cell) => {
          if (cell === null) return NaN;
          const isLabel = typeof cell === "string" ||
            typeof cell === "number" || typeof cell === "boolean";
          return isLabel ? toCode(labels, cell) : undefined;
        });
        if (code === undefined) return -1;
        matrix[row + action.position] = code;
        return end;
      }
      case "number":
        return -1; // has a position
    }
  }

  #count(): void {
    const encoder = this.#encoder;
    const layout = this.#layout;
    countRow(layout, encoder, {
      row: this.#row,
      cells: this.#cells,
      categories: this.#codes,
    });
    if (encoder.options.idColumn !== undefined) {
      encoder.ids.addBytes(this.bytes, this.#idStart, this.#idEnd);
      if (layout.hasId) encoder.withId++;
      if (this.#idEnd >= 0) encoder.named++;
    }
    if (encoder.options.labelColumn !== undefined) {
      encoder.addLabel(this.#outcome);
    }
    encoder.endRows(this.#row);
  }

  /** Stores the number, boolean (1 or 0) or missing value (NaN) at `at` in `#number` and returns the end of its cell; -1 for anything else. */
  #readNumber(at: number): number {
    const { bytes } = this;
    const out = this.#number;
    const byte = bytes[at];
    if (this.#isEnd(byte)) {
      out[0] = NaN;
      return at;
    }
    const isQuoted = byte === this.#quote;
    const start = isQuoted ? at + 1 : at;
    const first = bytes[start]!;
    let end: number;
    if (first > 57) {
      const value = this.#literalAt(start);
      out[0] = value;
      out[1] = 1;
      end = value < 0 ? notANumber : start + 5 - value;
    } else end = readNumber(bytes, start, out);
    if (end !== notANumber) {
      if (isQuoted && bytes[end++] !== byte) return this.#readSlowNumber(at);
      if (this.#isEnd(bytes[end])) return end;
    }
    return this.#readSlowNumber(at);
  }

  /** Returns 1 for `true`, 0 for `false`, in any case; -1 for anything else. */
  #literalAt(at: number): number {
    const { bytes } = this;
    if (at + 4 > bytes.length) return -1;
    const word = this.view.getUint32(at) | 0x20202020;
    if (word === 0x74727565) return 1;
    return word === 0x66616c73 && (bytes[at + 4]! | 32) === 101 ? 0 : -1;
  }

  /** Reads a number that is not written as JSON would write it. */
  #readSlowNumber(at: number): number {
    const end = this.#findText(at);
    if (end < 0) return -1;
    const out = this.#number;
    const text = this.#text();
    const value = isMissingText(text)
      ? NaN
      : readBoolean(text) ?? readDecimal(text);
    if (value === undefined) return -1;
    out[0] = Number(value);
    out[1] = 1;
    return end;
  }

  /** Returns what a text means in a column of categories. */
  #category(
    index: number,
    find: (cell: unknown) => number | undefined,
  ): Category {
    const known = this.#categories[index]!;
    const text = this.#text();
    let category = known.get(text);
    if (category === undefined) {
      const cell = this.#readers[index]!(text, this.#encoder.options);
      category = { cell, code: find(cell) };
      if (known.size < rememberedTexts) known.set(text, category);
    }
    return category;
  }

  /** Returns true for a byte after a cell; undefined is the end of the file. */
  #isEnd(byte: number | undefined): boolean {
    return byte === this.#delimiter || byte === newline ||
      byte === carriageReturn || byte === undefined;
  }

  /** Finds the text of the cell at `at` and returns the end of the cell; -1 for quotes or line breaks in quotes. */
  #findText(at: number): number {
    const { bytes } = this;
    const quote = this.#quote;
    if (bytes[at] !== quote) {
      const delimiter = this.#delimiter;
      this.#start = at;
      let byte = bytes[at];
      while (
        byte !== delimiter && byte !== newline && byte !== carriageReturn &&
        byte !== undefined
      ) byte = bytes[++at];
      this.#end = at;
      return at;
    }
    this.#start = ++at;
    let byte = bytes[at];
    while (byte !== quote) {
      if (byte === newline || byte === undefined) return -1;
      byte = bytes[++at];
    }
    this.#end = at;
    return this.#isEnd(bytes[at + 1]) ? at + 1 : -1;
  }

  /** Returns the end of a cell that is not read; -1 if it is invalid. */
  #skipCell(at: number): number {
    const { bytes } = this;
    const quote = this.#quote;
    if (bytes[at] !== quote) return this.#findText(at);
    for (;;) {
      const byte = bytes[++at];
      if (byte === undefined) return -1;
      if (byte === newline) this.lines++;
      if (byte !== quote) continue;
      if (bytes[at + 1] !== quote) break;
      at++;
    }
    return this.#isEnd(bytes[at + 1]) ? at + 1 : -1;
  }

  /** Returns true if the text that was found means "missing". */
  #isMissing(): boolean {
    const length = this.#end - this.#start;
    if (length === 0) return true;
    if (length > 8 || missingStarts[this.bytes[this.#start]!] === 0) {
      return false;
    }
    return isMissingText(this.#text());
  }

  #text(): string {
    return textOf(this.bytes, this.#start, this.#end);
  }
}

/** 1 for each byte that a missing text can begin with. */
const missingStarts = new Uint8Array(256);
for (const text of missingTexts) {
  if (text !== "") missingStarts[text.charCodeAt(0)] = 1;
}
