/**
 * Reads one JSON value of any size as a stream: an array of objects (pandas'
 * `orient="records"`), or pandas' `orient="split"`. A cutter checks the text
 * around the rows and finds the commas between them; the rows of each block are
 * then parsed by `JSON.parse`. Together they accept what `JSON.parse` accepts for
 * the whole text, and use the memory of a block.
 */
import { isUtf8 } from "node:buffer";
import { InputError } from "../base/errors.ts";
import type { RowEncoder } from "./encode.ts";
import { isObject } from "../base/objects.ts";
import { checkedRow, type InputRow, parseValue } from "./json.ts";
import { JsonRowReader } from "./json-row.ts";
import { type BadRow, RowError, type RowPlace } from "./row-error.ts";
import {
  type CutOptions,
  type Cutter,
  emptySpan,
  maxRecordBytes,
  type Span,
  tooLong,
} from "./cutter.ts";

/** What kind of byte the scanner sees; every other byte belongs to a number or a word. */
const kinds = new Uint8Array(256);
const space = 1;
const comma = 2;
/** Inside an element, only this kind and those after it matter. */
const quote = 3;
const open = 4;
const close = 5;
const kindsOf: Readonly<Record<string, number>> = {
  " ": space,
  "\t": space,
  "\n": space,
  "\r": space,
  '"': quote,
  "[": open,
  "{": open,
  "]": close,
  "}": close,
  ",": comma,
};
for (const [text, kind] of Object.entries(kindsOf)) {
  kinds[text.charCodeAt(0)] = kind;
}

const backslash = 92;
const openBracket = 91;
const closeBracket = 93;
const openBrace = 123;
const closeBrace = 125;
const colon = 58;

/** What a scan met last. */
type Stop = "end of bytes" | "closed" | "fault";

/**
 * Finds the commas between the elements of one array. Only brackets, quotes and
 * commas are looked at: whether an element is a JSON value is left to its parser.
 */
class ElementScanner {
  /** Position of the next byte to look at; may be one beyond the bytes after a backslash. */
  at: number;
  /** Position of the last comma between elements since {@linkcode rebase}; -1 if there is none. */
  comma = -1;
  /** Elements before `at` that are complete. */
  elements = 0;
  /** Elements before `comma`. */
  elementsToComma = 0;
  /** Brackets that are open inside the current element. */
  #depth = 0;
  #inString = false;
  /** Whether the current element has begun. */
  #begun = false;

  constructor(at: number) {
    this.at = at;
  }

  /** Scans to the end of the bytes, to the bracket that closes the array, or to a byte that should not be there; `at` is its position. */
  scan(bytes: Uint8Array): Stop {
    const length = bytes.length;
    let at = this.at;
    let depth = this.#depth;
    let inString = this.#inString;
    while (at < length) {
      if (inString) {
        let byte = bytes[at]!;
        while (byte !== 34) {
          at += byte === backslash ? 2 : 1;
          if (at >= length) break;
          byte = bytes[at]!;
        }
        if (at >= length) break;
        inString = false;
        at++;
        continue;
      }
      if (depth > 0) {
        while (at < length && kinds[bytes[at]!]! < quote) at++;
        if (at >= length) break;
        const kind = kinds[bytes[at]!]!;
        if (kind === quote) inString = true;
        else if (kind === open) depth++;
        else depth--;
        at++;
        continue;
      }
      const kind = kinds[bytes[at]!]!;
      if (kind === comma || kind === close) {
        const isEnd = bytes[at] === closeBracket;
        const isEmpty = isEnd && !this.#begun && this.elements === 0;
        if (kind === close && !isEnd || !this.#begun && !isEmpty) {
          this.at = at;
          return "fault";
        }
        if (!isEmpty) this.elements++;
        this.#begun = false;
        if (isEnd) {
          this.at = at;
          return "closed";
        }
        this.comma = at;
        this.elementsToComma = this.elements;
      } else if (kind !== space) {
        this.#begun = true;
        if (kind === quote) inString = true;
        else if (kind === open) depth++;
      }
      at++;
    }
    this.at = at;
    this.#inString = inString;
    this.#depth = depth;
    return "end of bytes";
  }

  /** Continues in bytes from which the first `count` were removed. */
  rebase(count: number): void {
    this.at -= count;
    this.comma = -1;
  }
}

/** Cuts one JSON value between its rows. */
export interface ArrayCutter extends Cutter {
  /** The columns of a `split`, known before its first row is cut; undefined for an array of objects. */
  readonly columns: readonly string[] | undefined;
  /** Number of the first row in `span`, counted from 1. */
  readonly firstRow: number;
}

/**
 * Returns a cutter for a file that is one JSON array. Its blocks end after a
 * comma between two rows; a comma inside a row is no end.
 */
export function cutArray(options: CutOptions): ArrayCutter {
  return new ValueCutter(options, "array");
}

/**
 * Returns a cutter for a file that is one JSON object of `columns`, `data` and
 * perhaps `index`, as pandas' `to_json(orient="split")` writes it. Other members
 * are ignored. If `data` comes before `columns`, the whole file must fit into
 * the limit of one record.
 */
export function cutSplit(options: CutOptions): ArrayCutter {
  return new ValueCutter(options, "split");
}

/**
 * Reads the value from its first byte to its last one. Each generator of it
 * yields where a block ends, or 0 where it needs more bytes: `cut` then returns.
 */
class ValueCutter implements ArrayCutter {
  span: Span = emptySpan;
  columns: readonly string[] | undefined;
  firstRow = 1;
  readonly #options: { file: string; maxBytes: number };
  readonly #form: "array" | "split";
  readonly #ends = this.#readFile();
  /** The bytes of the current call, and whether they reach the end of the file. */
  #bytes: Uint8Array = new Uint8Array();
  #last = false;
  /** Bytes of the file before them. */
  #offset = 0;
  /** Position in them of the next byte outside of an array that is cut. */
  #at = 0;
  /** Scans the array that is cut; undefined outside of one. */
  #scanner: ElementScanner | undefined;
  readonly #members = new Set<string>();

  constructor(options: CutOptions, form: "array" | "split") {
    this.#options = { maxBytes: maxRecordBytes, ...options };
    this.#form = form;
  }

  cut(bytes: Uint8Array, { last }: { last: boolean }): number {
    this.#bytes = bytes;
    this.#last = last;
    this.span = emptySpan;
    const { value: end, done } = this.#ends.next();
    if (done) throw new TypeError("a cutter ends with its first error");
    if (end === 0 && bytes.length > this.#options.maxBytes) {
      throw this.#tooLong();
    }
    this.#at -= end;
    this.#offset += end;
    return end;
  }

  *#readFile(): Generator<number, never> {
    while (this.#bytes.length < 3 && !this.#last) yield 0;
    if (hasMark(this.#bytes)) this.#at = 3;
    const isArray = this.#form === "array";
    const first = yield* this.#next();
    if (first !== (isArray ? openBracket : openBrace)) {
      throw this.#unexpected(isArray ? "[" : "{");
    }
    this.#at++;
    if (isArray) yield* this.#cutElements({ areRows: true });
    else yield* this.#readMembers();
    for (;;) {
      this.#at = skipSpace(this.#bytes, this.#at);
      if (this.#at < this.#bytes.length) {
        throw this.#unexpected("the end of the file");
      }
      yield this.#at;
    }
  }

  /** Returns the next byte that is not whitespace, whose position is then `#at`. */
  *#next(): Generator<number, number> {
    for (;;) {
      this.#at = skipSpace(this.#bytes, this.#at);
      const byte = this.#bytes[this.#at];
      if (byte !== undefined) return byte;
      yield this.#needMore();
    }
  }

  /** Reads the value at `#at`, which is then the position after it. Returns the value and its text. */
  *#readValue(): Generator<number, [value: unknown, text: string]> {
    for (;;) {
      const start = this.#at;
      const end = endOfValue(this.#bytes, start);
      if (end < this.#bytes.length) {
        const text = this.#decode(this.#bytes.subarray(start, end), start);
        this.#at = end;
        return [this.#parse(text, start), text];
      }
      yield this.#needMore();
    }
  }

  /** Cuts the array after `#at`. Elements that are no rows, such as those of "index", are checked and left out. */
  *#cutElements({ areRows }: { areRows: boolean }): Generator<number, void> {
    const scanner = new ElementScanner(this.#at);
    this.#scanner = scanner;
    let start = this.#at;
    for (;;) {
      const before = scanner.elementsToComma;
      const stop = scanner.scan(this.#bytes);
      const isClosed = stop === "closed";
      const error = isClosed ? undefined : this.#faultOf(scanner, stop);
      const end = isClosed ? scanner.at : scanner.comma;
      if (end < 0) {
        if (error) throw error;
        yield 0;
        continue;
      }
      if (skipSpace(this.#bytes.subarray(0, end), start) < end) {
        if (areRows) {
          this.firstRow = before + 1;
          this.span = { start, end };
        } else {
          const text = this.#decode(this.#bytes.subarray(start, end), start);
          this.#parse(`[${text}]`, start);
        }
      }
      this.#at = end + 1;
      if (isClosed) {
        this.#scanner = undefined;
        // What follows the rows is checked by the next call.
        const isEnd = this.#at === this.#bytes.length;
        if (this.span !== emptySpan || isEnd) yield this.#at;
        return;
      }
      yield this.#at;
      scanner.rebase(end + 1);
      start = 0;
      if (error) throw error; // after the rows before it
    }
  }

  /** Returns the error for an array that is not closed; undefined if more bytes may close it. */
  #faultOf(scanner: ElementScanner, stop: Stop): InputError | undefined {
    const at = this.#offset + scanner.at;
    const reason = stop === "fault"
      ? `found "${
        String.fromCharCode(this.#bytes[scanner.at]!)
      }" at byte offset ${at}, expected a value`
      : this.#last
      ? `the file ends at byte offset ${
        this.#offset + this.#bytes.length
      } before the array is closed`
      : undefined;
    return reason === undefined ? undefined : new InputError(
      `Cannot parse ${this.#options.file}, row ${
        scanner.elements + 1
      }: ${reason}`,
    );
  }

  *#readMembers(): Generator<number, void> {
    let byte = yield* this.#next();
    while (byte !== closeBrace) {
      yield* this.#readMember();
      byte = yield* this.#next();
      if (byte === closeBrace) break;
      if (byte !== 44) throw this.#unexpected("a comma or }");
      this.#at++;
    }
    this.#at++;
    for (const name of ["columns", "data"]) {
      if (!this.#members.has(name)) throw this.#missing(name);
    }
  }

  *#readMember(): Generator<number, void> {
    const start = this.#at;
    const first = yield* this.#next();
    if (first !== 34) throw this.#unexpected("a name in quotes");
    const name = String((yield* this.#readValue())[0]);
    if ((yield* this.#next()) !== colon) throw this.#unexpected("a colon");
    this.#at++;
    const isArray = (yield* this.#next()) === openBracket;
    if (isArray && name !== "columns") {
      if (name === "data" && !this.columns) yield* this.#findColumns(start);
      this.#addMember(name);
      this.#at++;
      return yield* this.#cutElements({ areRows: name === "data" });
    }
    const [value, text] = yield* this.#readValue();
    this.#addMember(name);
    if (name === "columns") this.columns = toNames(value, this.#options.file);
    if (name === "data") {
      throw new InputError(
        `Cannot use ${this.#options.file}: "data" should be an array of rows, found ${
          text.slice(0, 60)
        }`,
      );
    }
  }

  /** Finds the columns when `data` comes first, for which the rest of the file from that member on is needed. */
  *#findColumns(start: number): Generator<number, void> {
    const { file, maxBytes } = this.#options;
    while (!this.#last) {
      if (this.#bytes.length > maxBytes) {
        throw new InputError(
          `Cannot read ${file}: "data" comes before "columns", and the file is larger than ${
            maxBytes / 2 ** 20
          } MiB; write "columns" first, as pandas does`,
        );
      }
      yield 0;
    }
    const text = this.#decode(this.#bytes.subarray(start), start);
    const value = this.#parse(`{${text}`, start);
    if (!isObject(value) || !Object.hasOwn(value, "columns")) {
      throw this.#missing("columns");
    }
    this.columns = toNames(value["columns"], file);
  }

  #addMember(name: string): void {
    const isKnown = name === "columns" || name === "data";
    if (isKnown && this.#members.has(name)) {
      throw new InputError(
        `Cannot use ${this.#options.file}: it has "${name}" twice`,
      );
    }
    this.#members.add(name);
  }

  #missing(name: string): InputError {
    return new InputError(
      `Cannot use ${this.#options.file}: expected "columns" and "data", as pandas' orient="split" writes them; found no "${name}"`,
    );
  }

  /** Returns 0, or throws if there is no more. */
  #needMore(): 0 {
    if (!this.#last) return 0;
    throw new InputError(
      `Cannot parse ${this.#options.file}: the file ends at byte offset ${
        this.#offset + this.#bytes.length
      } before its JSON value is complete`,
    );
  }

  #decode(bytes: Uint8Array, at: number): string {
    try {
      return decoder.decode(bytes);
    } catch {
      throw new InputError(
        `Cannot read ${this.#options.file}, byte offset ${
          this.#offset + at
        }: it is not UTF-8 text`,
      );
    }
  }

  #parse(text: string, at: number): unknown {
    try {
      return JSON.parse(text);
    } catch (error) {
      throw new InputError(
        `Cannot parse ${this.#options.file}, byte offset ${
          this.#offset + at
        }: ${(error as Error).message}`,
      );
    }
  }

  #unexpected(wanted: string): InputError {
    const found = this.#bytes.subarray(this.#at, this.#at + 20);
    return new InputError(
      `Cannot parse ${this.#options.file}: expected ${wanted} at byte offset ${
        this.#offset + this.#at
      }, found ${JSON.stringify(new TextDecoder().decode(found))}`,
    );
  }

  #tooLong(): InputError {
    const record = this.#scanner
      ? `row ${this.#scanner.elementsToComma + 1}`
      : `what begins at byte offset ${this.#offset}`;
    return tooLong(record, { ...this.#options, hint: "" });
  }
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Returns the position after the value that begins at `at`; at least `bytes.length` if it is not complete. */
function endOfValue(bytes: Uint8Array, at: number): number {
  let depth = 0;
  do {
    const kind = kinds[bytes[at]!];
    if (kind === quote) at = endOfString(bytes, at);
    else if (kind === open) {
      depth++;
      at++;
    } else if (kind === close && depth > 0) {
      depth--;
      at++;
    } else if (depth > 0) at++;
    else return endOfWord(bytes, at);
  } while (depth > 0 && at < bytes.length);
  return depth > 0 ? bytes.length : at;
}

function endOfString(bytes: Uint8Array, at: number): number {
  at++;
  while (at < bytes.length && bytes[at] !== 34) {
    at += bytes[at] === backslash ? 2 : 1;
  }
  return at + 1;
}

/** Returns the end of a number, `true`, `false` or `null`. */
function endOfWord(bytes: Uint8Array, at: number): number {
  while (at < bytes.length && kinds[bytes[at]!] === 0) at++;
  return at;
}

/** Returns the position of the next byte that is not whitespace; the length of the bytes if there is none. */
function skipSpace(bytes: Uint8Array, at: number): number {
  while (at < bytes.length && kinds[bytes[at]!] === space) at++;
  return at;
}

/** Tells whether a text begins with a byte order mark. */
function hasMark(bytes: Uint8Array): boolean {
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
}

/** Returns the names of a split's columns. */
function toNames(value: unknown, file: string): string[] {
  const refuse = (reason: string) =>
    new InputError(`Cannot use ${file}: "columns" ${reason}`);
  if (!Array.isArray(value)) {
    throw refuse(
      `should be an array of names, found ${
        JSON.stringify(value).slice(0, 60)
      }`,
    );
  }
  const seen = new Set<string>();
  return value.map((name: unknown) => {
    if (typeof name !== "string") {
      throw refuse(
        `should hold the names of the columns, found ${JSON.stringify(name)}`,
      );
    }
    if (seen.has(name)) throw refuse(`names "${name}" twice`);
    seen.add(name);
    return name;
  });
}

/** How the elements of a block become rows. */
export interface ElementOptions {
  readonly file: string;
  /** {@linkcode ArrayCutter.columns}. */
  readonly columns: readonly string[] | undefined;
  /** Number of the block's first row; 1 by default. */
  readonly firstRow?: number;
}

/**
 * Yields the rows of a block: elements separated by commas, as in
 * {@linkcode Cutter.span}.
 *
 * @throws {RowError} If an element is not JSON, or not a row: an object, or for a split an array with one value per column.
 */
export function* parseElements(
  bytes: Uint8Array,
  options: ElementOptions,
): Generator<InputRow, void, undefined> {
  const { file, columns, firstRow = 1 } = options;
  let number = firstRow;
  for (const element of parseAll(bytes) ?? elementsOf(bytes)) {
    const place = { file, row: number };
    const value = element instanceof Uint8Array
      ? parseElement(element, place)
      : element;
    const row = toRow(value, columns, place);
    yield { number: number++, line: undefined, value: row };
  }
}

/**
 * Encodes the rows of a block without an object per row, where the rows of an
 * array have the same keys in the same order. It accepts the rows of
 * {@linkcode parseElements} and gives the same numbers.
 *
 * @param options `columns`: {@linkcode ArrayCutter.columns}; `onBadRow`: called for a row that cannot be used, which is otherwise thrown.
 * @throws {RowError} As {@linkcode parseElements}, and if the encoder rejects a row; rows are counted from 1 in the block.
 */
export function encodeElements(
  bytes: Uint8Array,
  encoder: RowEncoder,
  { columns, onBadRow }: {
    columns: readonly string[] | undefined;
    onBadRow?: ((row: BadRow) => void) | undefined;
  },
): void {
  const { file } = encoder.options;
  const reader = isUtf8(bytes)
    ? new JsonRowReader(bytes, encoder, { separator: 44, columns })
    : undefined;
  let badRows = 0;
  for (let start = 0; start < bytes.length;) {
    const next = reader?.read(start) ?? -1;
    if (next >= 0) {
      start = next;
      continue;
    }
    const end = endOfElement(bytes, start);
    const element = bytes.subarray(start, end);
    const place = { file, row: encoder.rows + badRows + 1 };
    try {
      const value = parseElement(element, place);
      encoder.add(toRow(value, columns, place), place);
      reader?.learn(start, end);
    } catch (error) {
      if (!(error instanceof RowError) || !onBadRow) throw error;
      badRows++;
      onBadRow({
        error,
        row: encoder.rows + badRows,
        text: new TextDecoder().decode(element).trim(),
      });
    }
    start = end + 1;
  }
}

/** Returns all elements at once; undefined if one of them is invalid or contains `NaN`. */
function parseAll(bytes: Uint8Array): readonly unknown[] | undefined {
  try {
    const values: unknown = JSON.parse(`[${decoder.decode(bytes)}]`);
    return Array.isArray(values) ? values : undefined;
  } catch {
    return undefined;
  }
}

/** Yields the bytes of each element, whether valid or not. */
function* elementsOf(bytes: Uint8Array): Generator<Uint8Array> {
  for (let start = 0; start < bytes.length;) {
    const end = endOfElement(bytes, start);
    yield bytes.subarray(start, end);
    start = end + 1;
  }
}

/** Returns the position of the comma after the element at `start`, or the end of the bytes. */
function endOfElement(bytes: Uint8Array, start: number): number {
  let depth = 0;
  let at = start;
  while (at < bytes.length) {
    const kind = kinds[bytes[at]!];
    if (kind === comma && depth === 0) return at;
    if (kind === open) depth++;
    else if (kind === close) depth--;
    at = kind === quote ? endOfString(bytes, at) : at + 1;
  }
  return bytes.length;
}

function parseElement(bytes: Uint8Array, place: RowPlace): unknown {
  let text: string;
  try {
    text = decoder.decode(bytes);
  } catch {
    const reason = ": it is not UTF-8 text";
    throw new RowError({ place, verb: "read", reason });
  }
  return parseValue(text, place);
}

/** Returns an element as a row: an object, or for a split an array with one value per column. */
function toRow(
  value: unknown,
  columns: readonly string[] | undefined,
  place: RowPlace,
): InputRow["value"] {
  if (columns === undefined) return checkedRow(value, place);
  if (Array.isArray(value) && value.length === columns.length) {
    return Object.fromEntries(columns.map((name, at) => [name, value[at]]));
  }
  const found = Array.isArray(value)
    ? `${value.length} values`
    : isObject(value)
    ? "an object"
    : JSON.stringify(value).slice(0, 60);
  throw new RowError({
    place,
    verb: "use",
    reason: `: expected an array of ${columns.length} values, found ${found}`,
  });
}

/** Forms of JSON text that can hold rows. */
export type JsonForm = "lines" | "array" | "split";

/** How the members of pandas' other orients begin, for an index that counts from 0. */
const otherOrients: readonly (readonly [string, RegExp])[] = [
  ["table", /^\{\s*"schema"\s*:\s*\{\s*"fields"\s*:/],
  ["index", /^\{\s*"0"\s*:\s*\{/],
  ["columns", /^\{\s*"(?:[^"\\]|\\.)*"\s*:\s*\{\s*"0"\s*:/],
];

/**
 * Returns the form of a JSON file from its first bytes. An array of plain values
 * is a line of JSON Lines, which its parser rejects, and so is an object of
 * `columns` and `data` that is followed by another value.
 *
 * @param head The first bytes of the file; 64 KiB are enough.
 * @param options `last`: true if these are all bytes.
 * @throws {InputError} If the file has another orient of pandas, which is named.
 */
export function detectJson(
  head: Uint8Array,
  options: { file: string; last: boolean },
): JsonForm {
  const start = skipSpace(head, hasMark(head) ? 3 : 0);
  const text = new TextDecoder().decode(head.subarray(start, start + 4096));
  if (head[start] === openBracket) {
    const byte = head[skipSpace(head, start + 1)];
    const isPlain = byte !== undefined && kinds[byte] !== open &&
      byte !== closeBracket;
    return isPlain ? "lines" : "array";
  }
  const end = endOfValue(head, start);
  const isOne = !/\S/.test(new TextDecoder().decode(head.subarray(end)));
  if (!isOne) return "lines";
  const isWhole = options.last && end <= head.length;
  const value = isWhole ? parseObject(head.subarray(start)) : undefined;
  const members = Object.values(value ?? {});
  // An object of nothing but objects is no row: each holds a column or a row of a frame.
  const isNested = members.length > 0 && members.every(isObject);
  const orient = otherOrients.find(([, pattern]) => pattern.test(text))?.[0] ??
    (isNested ? 'columns" or "index' : undefined);
  if (orient !== undefined) {
    throw new InputError(
      `Cannot use ${options.file}: it looks like pandas' orient="${orient}"; write it with to_json(orient="records", lines=True)`,
    );
  }
  // The keys that pandas writes first.
  if (!/^\{\s*"(columns|index|data)"\s*:\s*\[/.test(text)) return "lines";
  if (value === undefined) return "split"; // whose cutter says where an error is
  const { columns, data } = value;
  const isSplit = Array.isArray(columns) && Array.isArray(data) &&
    data.every((row) => typeof row === "object" && row !== null);
  return isSplit ? "split" : "lines";
}

/** Returns the object in a JSON text; undefined if it is something else. */
function parseObject(
  bytes: Uint8Array,
): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(decoder.decode(bytes));
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
