/** Splits CSV records (RFC 4180) into cells. */
import { textOf } from "./texts.ts";

/** How the cells of a CSV file are separated and quoted; one ASCII byte each. */
export interface CsvDialect {
  readonly delimiter: number;
  readonly quote: number;
}

const newline = 10;
const carriageReturn = 13;

/**
 * Finds the cells of one record at a time. A cell in quotes begins with the
 * quote, may contain delimiters, line breaks and doubled quotes, and ends with
 * the cell. A quote inside an unquoted cell is a character like any other.
 */
export class RecordScanner {
  /** Number of cells. */
  count = 0;
  /** First byte of each cell, without its quote. */
  readonly starts: number[] = [];
  /** End of each cell, exclusive, without its quote. */
  readonly ends: number[] = [];
  /** 1 for a cell in quotes, 2 for one with doubled quotes, 0 otherwise. */
  readonly quoted: number[] = [];
  /** Lines that the record takes, at least 1. */
  lines = 0;
  /** Whether the record is a line of nothing but spaces and tabs, which is no row. */
  isBlank = false;
  /** What is wrong with the record; undefined if nothing is. */
  fault: string | undefined;
  readonly #delimiter: number;
  readonly #quote: number;

  constructor({ delimiter, quote }: CsvDialect) {
    this.#delimiter = delimiter;
    this.#quote = quote;
  }

  /** Finds the cells of the record at `start` and returns the start of the next one. */
  scan(bytes: Uint8Array, start: number): number {
    this.count = 0;
    this.starts.length = this.ends.length = this.quoted.length = 0;
    this.lines = 1;
    this.fault = undefined;
    let at = start;
    for (;;) {
      at = this.#scanCell(bytes, at);
      if (bytes[at] !== this.#delimiter) break;
      at++;
    }
    if (bytes[at] === carriageReturn) at++;
    this.isBlank = this.count === 1 && this.quoted[0] === 0 &&
      isSpace(bytes, this.starts[0]!, this.ends[0]!);
    return Math.min(at + 1, bytes.length);
  }

  /** Adds the cell at `at` and returns the position of the delimiter or line break after it. */
  #scanCell(bytes: Uint8Array, at: number): number {
    if (bytes[at] !== this.#quote) {
      const end = this.#endOfPlain(bytes, at);
      this.#add(at, end, 0);
      return end;
    }
    const start = at + 1;
    let quoted = 1;
    at = start;
    for (;;) {
      const byte = bytes[at];
      if (byte === undefined) {
        this.fault ??= `a cell begins with a quote (${
          String.fromCharCode(this.#quote)
        }) that is not closed`;
        this.#add(start, at, quoted);
        return at;
      }
      if (byte === newline) this.lines++;
      if (byte === this.#quote) {
        if (bytes[at + 1] !== this.#quote) break;
        quoted = 2;
        at++;
      }
      at++;
    }
    this.#add(start, at, quoted);
    const end = this.#endOfPlain(bytes, at + 1);
    if (end > at + 1) {
      const rest = textOf(bytes, at + 1, Math.min(end, at + 21));
      this.fault ??=
        `expected a delimiter or the end of the line after a cell in quotes, found ${
          JSON.stringify(rest)
        }; a quote inside such a cell is doubled`;
    }
    return end;
  }

  #add(start: number, end: number, quoted: number): void {
    this.starts.push(start);
    this.ends.push(end);
    this.quoted.push(quoted);
    this.count++;
  }

  /** Returns the end of an unquoted cell. */
  #endOfPlain(bytes: Uint8Array, at: number): number {
    const delimiter = this.#delimiter;
    for (; at < bytes.length; at++) {
      const byte = bytes[at]!;
      if (byte === delimiter || byte === newline) return at;
      if (byte === carriageReturn) {
        const next = bytes[at + 1];
        if (next === newline || next === undefined) return at;
        this.fault ??=
          "a carriage return outside of quotes; lines end with LF or CRLF";
      }
    }
    return at;
  }

  /** Returns the text of a cell of the record that was scanned last. */
  text(bytes: Uint8Array, index: number): string {
    const text = textOf(bytes, this.starts[index]!, this.ends[index]!);
    if (this.quoted[index] !== 2) return text;
    const quote = String.fromCharCode(this.#quote);
    return text.replaceAll(quote + quote, quote);
  }

  /** Returns the texts of all cells. */
  texts(bytes: Uint8Array): string[] {
    return Array.from({ length: this.count }, (_, at) => this.text(bytes, at));
  }
}

function isSpace(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) {
    if (bytes[at] !== 32 && bytes[at] !== 9) return false;
  }
  return true;
}
