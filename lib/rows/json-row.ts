/**
 * Reads rows of JSON text straight into an encoder, without an object per row.
 * What it accepts, `JSON.parse` accepts with the same numbers; anything else is
 * left to `JSON.parse`.
 */
import { toCode } from "../model/mod.ts";
import type { RowEncoder } from "./encode.ts";
import { countRow, fits, type Layout, toLayout } from "./layout.ts";
import { notANumber, readNumber } from "./number.ts";
import { readSimilar, type RowTemplate, toTemplate } from "./row-template.ts";
import { textOf } from "./texts.ts";

/** How rows are written. */
export interface JsonRowSyntax {
  /** The byte between two rows: a line break or a comma. */
  readonly separator: number;
  /** The columns of rows that are arrays; undefined for objects. */
  readonly columns?: readonly string[] | undefined;
}

const quote = 34;
const backslash = 92;
const comma = 44;
const bracketOpen = 91;
const braceOpen = 123;
const braceClose = 125;
const bracketClose = 93;
const newline = 10;
/** The first four bytes of `true`, `null` and `false`, big-endian. */
const trueWord = 0x74727565;
const nullWord = 0x6e756c6c;
const falsWord = 0x66616c73;

/**
 * Reads the rows of one block by comparison with the row that was learnt last. A
 * row is read if it has the same keys in the same order with the same whitespace.
 */
export class JsonRowReader {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly #encoder: RowEncoder;
  readonly #separator: number;
  readonly #columns: readonly string[] | undefined;
  readonly #number = new Float64Array(2);
  #layout: Layout | undefined;
  #template: RowTemplate | undefined;
  /** Of the row that is being read: its place in the matrix, the span of the id, and the outcome. */
  #row = 0;
  #idStart = 0;
  #idEnd = -1;
  #outcome = 0;
  /** Raw cells and categories of the row that is being read, by field. */
  readonly #cells: unknown[] = [];
  readonly #categories: number[] = [];
  /** Cells that steps work on, of the row that is being read. All rows of a layout have the same ones. */
  #stepCells: Record<string, unknown> = {};

  /** @param bytes Whole rows in valid UTF-8. */
  constructor(
    bytes: Uint8Array,
    encoder: RowEncoder,
    { separator, columns }: JsonRowSyntax,
  ) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#encoder = encoder;
    this.#separator = separator;
    this.#columns = columns;
  }

  /** Encodes the row at `start` and returns the start of the next one; -1 if the row needs `JSON.parse`, and then nothing has been added. */
  read(start: number): number {
    const template = this.#template;
    const layout = this.#layout;
    if (template === undefined || layout === undefined) return -1;
    const { bytes } = this;
    const encoder = this.#encoder;
    const row = encoder.beginRows();
    encoder.matrix.set(template.values, row);
    this.#row = row;
    this.#idEnd = -1;
    const first = bytes[start]! <= 32 ? this.#skipSpace(start) : start;
    let at = readSimilar(template, this, first);
    if (at < 0) return -1;
    if (at < bytes.length) {
      const separator = this.#separator;
      if (bytes[at]! <= 32 && bytes[at] !== separator) at = this.#skipSpace(at);
      if (at < bytes.length && bytes[at] !== separator) return -1;
    }
    const place = { at: row, row: encoder.rows };
    if (!encoder.addSteps(this.#stepCells, place)) return -1;
    countRow(layout, encoder, {
      row,
      cells: this.#cells,
      categories: this.#categories,
    });
    if (encoder.options.idColumn !== undefined) {
      encoder.ids.addBytes(bytes, this.#idStart, this.#idEnd);
      if (layout.hasId) encoder.withId++;
      if (this.#idEnd >= 0) encoder.named++;
    }
    if (encoder.options.labelColumn !== undefined) {
      encoder.addLabel(this.#outcome);
    }
    encoder.endRows(row);
    return at + 1;
  }

  /** Reads the value of a field of the row at `at` and returns the position after it; -1 if it needs `JSON.parse`. */
  readField(field: number, at: number): number {
    const { bytes } = this;
    const row = this.#row;
    const { matrix } = this.#encoder;
    const action = this.#layout?.actions[field];
    if (action === undefined) return -1;
    const byte = bytes[at]!;
    switch (action.kind) {
      case "number": {
        if (byte === 116 || byte === 102 || byte === 110) {
          matrix[row + action.position] = byte === 110
            ? NaN
            : byte === 116
            ? 1
            : 0;
          return this.#skipLiteral(at);
        }
        const out = this.#number;
        const end = readNumber(bytes, at, out);
        if (end === notANumber) return -1;
        const value = out[0]!;
        const { type } = action;
        if (type !== "double" && !fits(value, type, out[1] === 1)) return -1;
        if (!Number.isFinite(Math.fround(value))) return -1;
        matrix[row + action.position] = value;
        return end;
      }
      case "id": {
        if (byte === 110) return this.#skipLiteral(at);
        if (byte === quote) {
          const end = this.#skipText(at);
          this.#idStart = at + 1;
          this.#idEnd = end - 1;
          return end;
        }
        let end = at;
        while (bytes[end]! >= 48 && bytes[end]! <= 57) end++;
        const digits = end - at;
        if (digits === 0 || digits > 15) return -1;
        if (digits > 1 && byte === 48) return -1;
        this.#idStart = at;
        this.#idEnd = end;
        return end;
      }
      case "outcome": {
        if (byte === 48 || byte === 49) {
          this.#outcome = byte - 48;
          return at + 1;
        }
        this.#outcome = byte === 116 ? 1 : 0;
        return byte === 110 ? -1 : this.#skipLiteral(at);
      }
      case "extra":
        return this.#skipValue(at);
      case "step": {
        const end = this.#skipValue(at);
        if (end >= 0) this.#stepCells[action.name] = this.#cellAt(at, end);
        return end;
      }
      case "raw": {
        const end = this.#skipValue(at);
        if (end < 0) return -1;
        const { find, positions } = action.group;
        const cell = this.#cellAt(at, end);
        const category = find(cell);
        if (category === undefined) return -1;
        this.#cells[field] = cell;
        this.#categories[field] = category;
        for (let own = 0; own < positions.length; own++) {
          const position = positions[own];
          if (position === undefined) continue;
          matrix[row + position] = own === category ? 1 : 0;
        }
        return end;
      }
      case "label": {
        const end = this.#skipValue(at);
        if (end < 0) return -1;
        const cell = this.#cellAt(at, end);
        const code = cell === null ? NaN : toCode(action.labels, cell);
        if (code === undefined) return -1;
        matrix[row + action.position] = code;
        return end;
      }
    }
  }

  /** Takes a row that `JSON.parse` has read, and that the encoder has just added, as the one to compare the next rows with. */
  learn(start: number, end: number): void {
    this.#template = undefined;
    this.#stepCells = {};
    const row = this.#findFields(start, end);
    if (row === undefined) return;
    const { options, rows, matrix } = this.#encoder;
    this.#layout = toLayout(row.names, this.#encoder);
    const width = options.columns.length;
    const values = matrix.slice((rows - 1) * width, rows * width);
    this.#template = this.#layout &&
      toTemplate({ ...row, values }, this.#layout);
  }

  /** Returns the fields of a valid row, and its text from the opening bracket to the closing one; undefined if a value is nested or the row is not the first thing in the text. */
  #findFields(start: number, end: number) {
    const { bytes } = this;
    const isArray = this.#columns !== undefined;
    const names: string[] = [];
    const starts: number[] = [];
    const ends: number[] = [];
    const first = this.#skipSpace(start);
    if (bytes[first] !== (isArray ? bracketOpen : braceOpen)) return undefined;
    const close = isArray ? bracketClose : braceClose;
    let at = this.#skipSpace(first + 1);
    while (at < end && bytes[at] !== close) {
      if (!isArray) {
        const keyStart = at;
        at = this.#skipEscapedText(at);
        names.push(String(JSON.parse(textOf(bytes, keyStart, at))));
        at = this.#skipSpace(this.#skipSpace(at) + 1);
      }
      const byte = bytes[at];
      if (byte === braceOpen || byte === bracketOpen) return undefined;
      starts.push(at - first);
      if (byte === quote) at = this.#skipEscapedText(at);
      else {
        while (!isEndOfValue(bytes[at], close) && at < end) at++;
      }
      ends.push(at - first);
      at = this.#skipSpace(at);
      if (bytes[at] === comma) at = this.#skipSpace(at + 1);
    }
    return {
      bytes: bytes.slice(first, at + 1),
      names: this.#columns ?? names,
      starts,
      ends,
    };
  }

  /** Skips whitespace; a line break only where it does not separate rows. */
  #skipSpace(at: number): number {
    const { bytes } = this;
    const separator = this.#separator;
    let byte = bytes[at];
    while (
      byte === 32 || byte === 9 || byte === 13 ||
      byte === newline && byte !== separator
    ) byte = bytes[++at];
    return at;
  }

  /** Returns the position after a text without escapes that begins at `at`; -1 if it has some, or a control character. */
  #skipText(at: number): number {
    const { bytes } = this;
    let byte = bytes[++at]!;
    while (byte !== quote) {
      if (byte === backslash || !(byte >= 32)) return -1;
      byte = bytes[++at]!;
    }
    return at + 1;
  }

  #skipEscapedText(at: number): number {
    const { bytes } = this;
    at++;
    while (at < bytes.length && bytes[at] !== quote) {
      at += bytes[at] === backslash ? 2 : 1;
    }
    return at + 1;
  }

  /** Returns the position after `true`, `false` or `null` at `at`; -1 if it is none of them. */
  #skipLiteral(at: number): number {
    const { bytes } = this;
    if (at + 5 > bytes.length) return -1;
    const word = this.view.getUint32(at);
    if (word === trueWord || word === nullWord) return at + 4;
    return word === falsWord && bytes[at + 4] === 101 ? at + 5 : -1;
  }

  /** Returns the position after a text, number or literal; -1 for anything else. */
  #skipValue(at: number): number {
    const byte = this.bytes[at]!;
    if (byte === quote) return this.#skipText(at);
    return byte > 57
      ? this.#skipLiteral(at)
      : readNumber(this.bytes, at, this.#number);
  }

  /** Returns the value that {@linkcode #skipValue} has skipped. */
  #cellAt(start: number, end: number): string | number | boolean | null {
    const { bytes } = this;
    const byte = bytes[start]!;
    if (byte === quote) return textOf(bytes, start + 1, end - 1);
    if (byte > 57) return byte === 110 ? null : byte === 116;
    return Number(textOf(bytes, start, end));
  }
}

/** Tells whether a byte ends a value that is not a text. */
function isEndOfValue(byte: number | undefined, close: number): boolean {
  return byte === comma || byte === close || byte === 32 || byte === 9 ||
    byte === 13 || byte === newline;
}
