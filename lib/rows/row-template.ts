/**
 * Reads rows of text by comparison with a row that was read before: equal bytes
 * mean equal values, so only the values that differ are parsed. Rows of flags
 * share nearly all their bytes, and comparing is many times faster than parsing.
 */
import type { Layout } from "./layout.ts";

/** A row that was read before. */
export interface RowTemplate {
  /** From the first byte of the row to its last one. */
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** Position in `bytes` of each value, and the position after it. */
  readonly starts: Int32Array;
  readonly ends: Int32Array;
  /** By position in `bytes`: the field whose value, or the byte after it, is there; -1 for all other bytes. */
  readonly fields: Int16Array;
  /** Fields that are read in every row, in order. Of the others, only those that differ from the template. */
  readonly stops: readonly number[];
  /** The row in the encoder's matrix. */
  readonly values: Float32Array;
}

/** What a template is made of. */
export interface RowText {
  /** The row's bytes, which are kept. */
  readonly bytes: Uint8Array;
  /** Position in `bytes` of each value, in order, and the position after it. */
  readonly starts: readonly number[];
  readonly ends: readonly number[];
  /** The row in the encoder's matrix, which is kept. */
  readonly values: Float32Array;
}

/** A row with more fields is no template. */
const mostFields = 2 ** 15;

/** Returns a row as a template for rows of the same layout; undefined if it has not one value per column, or too many. */
export function toTemplate(
  { bytes, starts, ends, values }: RowText,
  { actions }: Layout,
): RowTemplate | undefined {
  const count = actions.length;
  if (starts.length !== count || count > mostFields) return undefined;
  const fields = new Int16Array(bytes.length).fill(-1);
  const stops: number[] = [];
  for (const [field, { kind }] of actions.entries()) {
    const start = starts[field]!;
    const end = ends[field]!;
    fields.fill(field, start, end + 1);
    // The end of the last value may be the end of the row, which is no byte to compare.
    const isLast = field === count - 1;
    const hasUse = kind !== "number" && kind !== "extra";
    if (hasUse || isLast || !isShort(bytes, start, end)) stops.push(field);
  }
  return {
    bytes,
    view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length),
    starts: Int32Array.from(starts),
    ends: Int32Array.from(ends),
    fields,
    stops,
    values,
  };
}

/** Tells whether a value is likely to be the same in many rows: a literal, one digit, or nothing. */
function isShort(bytes: Uint8Array, start: number, end: number): boolean {
  return end - start <= 1 || bytes[start]! >= 65;
}

/** The bytes of many rows, and what reads a value of them. */
export interface FieldReader {
  /** Valid UTF-8. */
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** Reads the value of a field at `at` and returns the position after it; -1 if it cannot. */
  readField(field: number, at: number): number;
}

/**
 * Reads the row at `at` and returns the position after it. Only fields that are
 * stops of the template, or whose values differ from it, are passed to the
 * reader. Returns -1 if the row has other bytes than the template outside of its
 * values, or a field cannot be read.
 */
export function readSimilar(
  template: RowTemplate,
  reader: FieldReader,
  at: number,
): number {
  const { starts, ends, fields, stops, bytes: { length } } = template;
  const { bytes } = reader;
  let next = at;
  /** Position in the template. */
  let from = 0;
  let stop = 0;
  let before = -1;
  for (;;) {
    const to = stop < stops.length ? starts[stops[stop]!]! : length;
    if (next + to - from > bytes.length) return -1;
    const same = countSame(template, from, to, reader, next);
    let field: number;
    if (from + same === to) {
      next += same;
      if (stop === stops.length) return next;
      field = stops[stop++]!;
    } else {
      field = fields[from + same]!;
      if (field <= before) return -1;
      next += starts[field]! - from;
    }
    next = reader.readField(field, next);
    if (next < 0) return -1;
    from = ends[field]!;
    before = field;
  }
}

/**
 * Returns how many bytes from `at` are those of the template between `from` and
 * `to`. Compares eight at a time as doubles: these are equal if their bits are,
 * except for NaN, which is then compared by byte, and zero with its two signs, of
 * which the negative one is no valid UTF-8.
 */
function countSame(
  template: RowTemplate,
  from: number,
  to: number,
  { bytes, view }: FieldReader,
  at: number,
): number {
  const { bytes: expected, view: expectedView } = template;
  const length = to - from;
  let count = 0;
  while (
    count + 8 <= length &&
    view.getFloat64(at + count, true) ===
      expectedView.getFloat64(from + count, true)
  ) count += 8;
  while (count < length && bytes[at + count] === expected[from + count]) {
    count++;
  }
  return count;
}
