/**
 * Reads rows of JSON text straight into an encoder, without an object per row.
 * What it accepts, `JSON.parse` accepts with the same numbers; anything else is
 * left to `JSON.parse`.
 */
import { toCode } from "../model/mod.ts";
import type { RowEncoder } from "./encode.ts";
import { countRow, fits, type Layout, toLayout } from "./layout.ts";
import { notANumber, readNumber } from "./number.ts";

/** A key in quotes, as it stands in the file, as big-endian words. */
interface Key {
  readonly length: number;
  readonly words: readonly number[];
  /** The last four bytes; for a key of fewer, the byte between the quotes. */
  readonly last: number;
}

/** The keys of a row in their order, if rows like it can be read without `JSON.parse`. */
interface Fields extends Layout {
  /** Undefined for rows that are arrays. */
  readonly keys: readonly Key[] | undefined;
}

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
const colon = 58;
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
 * Reads the rows of one block. A row is read if it has the keys of the row that
 * was learnt last, in the same order; a row that is an array always is.
 */
export class JsonRowReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #encoder: RowEncoder;
  readonly #separator: number;
  readonly #open: number;
  readonly #close: number;
  readonly #number = new Float64Array(2);
  #layout: Fields | undefined;
  /** Raw cells and categories of the row that is being read, by field. */
  readonly #cells: unknown[] = [];
  readonly #categories: number[] = [];

  /** @param bytes Whole rows in valid UTF-8. */
  constructor(
    bytes: Uint8Array,
    encoder: RowEncoder,
    { separator, columns }: JsonRowSyntax,
  ) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#encoder = encoder;
    this.#separator = separator;
    this.#open = columns ? bracketOpen : braceOpen;
    this.#close = columns ? bracketClose : braceClose;
    const layout = columns && toLayout(columns, encoder);
    this.#layout = layout && { ...layout, keys: undefined };
  }

  /** Encodes the row at `start` and returns the start of the next one; -1 if the row needs `JSON.parse`, and then nothing has been added. */
  read(start: number): number {
    const layout = this.#layout;
    if (layout === undefined) return -1;
    const bytes = this.#bytes;
    const encoder = this.#encoder;
    const { keys, actions } = layout;
    const row = encoder.beginRow();
    const { matrix } = encoder;
    const out = this.#number;
    let idStart = 0;
    let idEnd = -1;
    let outcome = 0;
    let at = start;
    if (bytes[at]! <= 32) at = this.#skipSpace(at);
    if (bytes[at] !== this.#open) return -1;
    at++;
    for (let index = 0; index < actions.length; index++) {
      const action = actions[index]!;
      if (keys !== undefined) {
        const key = keys[index]!;
        if (bytes[at]! <= 32) at = this.#skipSpace(at);
        if (!this.#matches(key, at)) return -1;
        at += key.length;
        if (bytes[at]! <= 32) at = this.#skipSpace(at);
        if (bytes[at] !== colon) return -1;
        at++;
      }
      if (bytes[at]! <= 32) at = this.#skipSpace(at);
      switch (action.kind) {
        case "number": {
          const byte = bytes[at]!;
          let value: number;
          if (byte === 116 || byte === 102 || byte === 110) {
            const end = this.#skipLiteral(at);
            if (end < 0) return -1;
            value = byte === 110 ? NaN : byte === 116 ? 1 : 0;
            at = end;
          } else {
            at = readNumber(bytes, at, out);
            if (at === notANumber) return -1;
            value = out[0]!;
            const { type } = action;
            if (type !== "double" && !fits(value, type, out[1] === 1)) {
              return -1;
            }
            if (!Number.isFinite(Math.fround(value))) return -1;
          }
          matrix[row + action.position] = value;
          break;
        }
        case "id": {
          const byte = bytes[at]!;
          if (byte === quote) {
            idStart = at + 1;
            at = this.#skipText(at);
            if (at < 0) return -1;
            idEnd = at - 1;
          } else if (byte === 110) {
            at = this.#skipLiteral(at);
            if (at < 0) return -1;
          } else {
            idStart = at;
            while (bytes[at]! >= 48 && bytes[at]! <= 57) at++;
            idEnd = at;
            const digits = at - idStart;
            if (digits === 0 || digits > 15) return -1;
            if (digits > 1 && bytes[idStart] === 48) return -1;
          }
          break;
        }
        case "outcome": {
          const byte = bytes[at]!;
          if (byte === 48 || byte === 49) {
            outcome = byte - 48;
            at++;
          } else {
            const end = byte === 110 ? -1 : this.#skipLiteral(at);
            if (end < 0) return -1;
            outcome = byte === 116 ? 1 : 0;
            at = end;
          }
          break;
        }
        case "extra": {
          at = this.#skipValue(at);
          if (at < 0) return -1;
          break;
        }
        case "raw": {
          const begin = at;
          at = this.#skipValue(at);
          if (at < 0) return -1;
          const { find, positions } = action.group;
          const cell = this.#cellAt(begin, at);
          const category = find(cell);
          if (category === undefined) return -1;
          this.#cells[index] = cell;
          this.#categories[index] = category;
          for (let own = 0; own < positions.length; own++) {
            const position = positions[own];
            if (position === undefined) continue;
            matrix[row + position] = own === category ? 1 : 0;
          }
          break;
        }
        case "label": {
          const begin = at;
          at = this.#skipValue(at);
          if (at < 0) return -1;
          const cell = this.#cellAt(begin, at);
          const code = cell === null ? NaN : toCode(action.labels, cell);
          if (code === undefined) return -1;
          matrix[row + action.position] = code;
        }
      }
      if (bytes[at]! <= 32) at = this.#skipSpace(at);
      if (bytes[at] !== (index + 1 < actions.length ? comma : this.#close)) {
        return -1;
      }
      at++;
    }
    if (at < bytes.length) {
      const separator = this.#separator;
      if (bytes[at]! <= 32 && bytes[at] !== separator) at = this.#skipSpace(at);
      if (at < bytes.length && bytes[at] !== separator) return -1;
    }
    countRow(layout, encoder, {
      row,
      cells: this.#cells,
      categories: this.#categories,
    });
    if (encoder.options.idColumn !== undefined) {
      encoder.ids.addBytes(bytes, idStart, idEnd);
      if (layout.hasId) encoder.withId++;
      if (idEnd >= 0) encoder.named++;
    }
    if (encoder.options.labelColumn !== undefined) encoder.addLabel(outcome);
    encoder.endRow(row);
    return at + 1;
  }

  /** Takes the keys of a row that `JSON.parse` has read as the keys to expect next. */
  learn(start: number, end: number): void {
    const keys = this.#keysOf(start, end);
    this.#layout = keys && toFields(keys, this.#encoder);
  }

  /** Returns the keys of a valid JSON object, in quotes; undefined if a value is nested or the object is not the first thing in the line. */
  #keysOf(start: number, end: number): Uint8Array[] | undefined {
    const bytes = this.#bytes;
    const keys: Uint8Array[] = [];
    let at = this.#skipSpace(start);
    if (bytes[at] !== braceOpen) return undefined;
    at = this.#skipSpace(at + 1);
    while (bytes[at] === quote && at < end) {
      const keyStart = at;
      at = this.#skipEscapedText(at);
      keys.push(bytes.slice(keyStart, at));
      at = this.#skipSpace(this.#skipSpace(at) + 1);
      const byte = bytes[at];
      if (byte === braceOpen || byte === bracketOpen) return undefined;
      if (byte === quote) at = this.#skipEscapedText(at);
      while (at < end && bytes[at] !== comma && bytes[at] !== braceClose) at++;
      at = this.#skipSpace(at + 1);
    }
    return keys;
  }

  /** Compares whole words, and the last four bytes once more for what is left over. */
  #matches({ length, words, last }: Key, at: number): boolean {
    if (at + length > this.#bytes.length) return false;
    const view = this.#view;
    for (let index = 0; index < words.length; index++) {
      if (view.getUint32(at + index * 4) !== words[index]) return false;
    }
    return length < 4
      ? this.#bytes[at + 1] === last && this.#bytes[at + 2] === quote
      : view.getUint32(at + length - 4) === last;
  }

  /** Skips whitespace; a line break only where it does not separate rows. */
  #skipSpace(at: number): number {
    const bytes = this.#bytes;
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
    const bytes = this.#bytes;
    let byte = bytes[++at]!;
    while (byte !== quote) {
      if (byte === backslash || !(byte >= 32)) return -1;
      byte = bytes[++at]!;
    }
    return at + 1;
  }

  #skipEscapedText(at: number): number {
    const bytes = this.#bytes;
    at++;
    while (at < bytes.length && bytes[at] !== quote) {
      at += bytes[at] === backslash ? 2 : 1;
    }
    return at + 1;
  }

  /** Returns the position after `true`, `false` or `null` at `at`; -1 if it is none of them. */
  #skipLiteral(at: number): number {
    const bytes = this.#bytes;
    if (at + 5 > bytes.length) return -1;
    const word = this.#view.getUint32(at);
    if (word === trueWord || word === nullWord) return at + 4;
    return word === falsWord && bytes[at + 4] === 101 ? at + 5 : -1;
  }

  /** Returns the position after a text, number or literal; -1 for anything else. */
  #skipValue(at: number): number {
    const byte = this.#bytes[at]!;
    if (byte === quote) return this.#skipText(at);
    return byte > 57
      ? this.#skipLiteral(at)
      : readNumber(this.#bytes, at, this.#number);
  }

  /** Returns the value that {@linkcode #skipValue} has skipped. */
  #cellAt(start: number, end: number): string | number | boolean | null {
    const bytes = this.#bytes;
    const byte = bytes[start]!;
    if (byte === quote) return this.#textAt(start + 1, end - 1);
    if (byte > 57) return byte === 110 ? null : byte === 116;
    return Number(this.#textAt(start, end));
  }

  #textAt(start: number, end: number): string {
    const bytes = this.#bytes;
    let text = "";
    for (let at = start; at < end; at++) {
      const byte = bytes[at]!;
      if (byte > 127) return decoder.decode(bytes.subarray(start, end));
      text += String.fromCharCode(byte);
    }
    return text;
  }
}

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** Returns the fields of rows with these keys, in quotes; undefined if such rows need `JSON.parse`. */
function toFields(
  keys: readonly Uint8Array[],
  encoder: RowEncoder,
): Fields | undefined {
  const names = keys.map((key) => String(JSON.parse(decoder.decode(key))));
  const layout = toLayout(names, encoder);
  return layout && { ...layout, keys: keys.map(toKey) };
}

function toKey(bytes: Uint8Array): Key {
  const { length } = bytes;
  const view = new DataView(bytes.buffer, bytes.byteOffset, length);
  return {
    length,
    words: Array.from(
      { length: Math.floor(length / 4) },
      (_, index) => view.getUint32(index * 4),
    ),
    last: length < 4 ? bytes[1]! : view.getUint32(length - 4),
  };
}
