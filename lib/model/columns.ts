/**
 * Objects with the same keys, such as the trees of a model, read key by key:
 * all arrays of one key, behind each other, at once.
 */
import {
  type Document,
  float32sOf,
  int32sOf,
  integerOf,
  keyNumber,
  keyText,
  member,
  modelError,
  type Place,
  valuesOf,
  wrongKind,
} from "./document.ts";
import { copyIn } from "./wasm/module.ts";

/** Objects of one document, in the order in which their members are gathered. */
export interface Rows {
  readonly document: Document;
  readonly count: number;
  /** Where their addresses stand in the memory of the document, 32 bits each. */
  readonly addresses: number;
  /** For messages, such as `tree 3`. */
  path(row: number): string;
}

/** The arrays of one key: those of the first object, then those of the second, … */
export interface Column {
  /** Where all numbers stand in the memory of the document, 32 bits each. */
  readonly at: number;
  readonly count: number;
  /** How many objects have the key. */
  readonly present: number;
  /** How many numbers each object has; the same in that memory. */
  readonly sizes: Int32Array;
  readonly sizesAt: number;
  readonly memory: WebAssembly.Memory;
}

/** How arrays shall be: with so many numbers in each object, and whether they may be missing, then in all of them where sizes are wanted. */
interface Wanted {
  readonly sizes?: ArrayLike<number>;
  readonly isOptional?: boolean;
}

/** The values of an array, in its order. @throws {InputError} If the place is no array, or one of numbers. */
export function rowsOf(list: Place, path: (row: number) => string): Rows {
  const { document } = list;
  const { addresses, count } = valuesOf(list);
  return { document, addresses, count, path };
}

/** Some of the rows, by their numbers. */
export function selectRows(rows: Rows, numbers: readonly number[]): Rows {
  const { document } = rows;
  const nodes = Uint32Array.from(numbers, (row) => placeOf(rows, row).node);
  const addresses = copyIn(document, nodes);
  return { ...rows, addresses, count: numbers.length };
}

/** The member of each row that is an object itself. @throws {InputError} If one has none. */
export function objectsOf(rows: Rows, key: string): Rows {
  const { document, addresses, count } = rows;
  const number = keyNumber(document, key);
  const found = document.code.gatherObjects(addresses, count, number);
  const path = (row: number) => `${rows.path(row)}.${key}`;
  if (found !== 0) return { document, addresses: found, count, path };
  const wrong = member(placeOf(rows, document.code.wrongOne()), key);
  throw wrongKind(wrong, "an object");
}

/** Every key that any row has, and the first row that has it. */
export function keysOf(
  { document, addresses, count }: Rows,
): Map<string, number> {
  const at = document.code.listKeys(addresses, count);
  const [found = 0] = new Uint32Array(document.memory.buffer, at, 1);
  const pairs = new Uint32Array(document.memory.buffer, at + 4, 2 * found);
  return new Map(
    Array.from({ length: found }, (_, n) => [
      keyText(document, pairs[2 * n] ?? 0),
      pairs[2 * n + 1] ?? 0,
    ]),
  );
}

/** One row. */
function placeOf(
  { document, addresses, path }: Rows,
  row: number,
): Place {
  const view = new DataView(document.memory.buffer);
  const node = view.getUint32(addresses + 4 * row, true);
  return { document, node, path: path(row) };
}

/**
 * The whole number of each row, as {@linkcode integerOf} reads it; NaN where
 * there is none and it `isOptional`.
 *
 * @throws {InputError} As {@linkcode integerOf}, about the first row for which it does.
 */
export function integerColumn(
  rows: Rows,
  key: string,
  range: { least: number; most: number; isOptional?: boolean },
): Float64Array {
  const { document, addresses, count } = rows;
  const { code, memory } = document;
  const number = keyNumber(document, key);
  const at = code.gatherIntegers(addresses, count, number);
  const found = new Float64Array(memory.buffer, at, count).slice();
  const wrong = found.findIndex((value) =>
    Number.isNaN(value)
      ? !range.isOptional
      : value < range.least || value > range.most
  );
  if (wrong !== -1) integerOf(member(placeOf(rows, wrong), key), range); // says what is wrong
  return found;
}

/** Whole numbers of 32 bits. @throws {InputError} As {@linkcode int32sOf}, about the first row for which it does. */
export function int32Column(
  rows: Rows,
  key: string,
  wanted: Wanted = {},
): Column {
  return gather(rows, key, { ...wanted, kind: "int32s" });
}

/** Numbers rounded to float32. @throws {InputError} As {@linkcode float32sOf}, about the first row for which it does. */
export function float32Column(
  rows: Rows,
  key: string,
  wanted: Wanted = {},
): Column {
  return gather(rows, key, { ...wanted, kind: "float32s" });
}

/** Makes sure that there are numbers. @throws {InputError} As {@linkcode float32sOf}, about the first row for which it does. */
export function checkColumn(rows: Rows, key: string, wanted: Wanted): void {
  gather(rows, key, { ...wanted, kind: "nothing" });
}

/** The numbers of a column of whole numbers. */
export function int32sOfColumn({ memory, at, count }: Column): Int32Array {
  return new Int32Array(memory.buffer, at, count).slice();
}

/** The numbers of a column of float32. */
export function float32sOfColumn({ memory, at, count }: Column): Float32Array {
  return new Float32Array(memory.buffer, at, count).slice();
}

/** `Wanted` of `wasm/assembly/columns.ts`. */
const kinds = { int32s: 0, float32s: 1, nothing: 2 } as const;

function gather(
  rows: Rows,
  key: string,
  wanted: Wanted & { kind: keyof typeof kinds },
): Column {
  const { document, addresses } = rows;
  const { code, memory } = document;
  const { sizes: expected, isOptional = false, kind } = wanted;
  const sizesAt = code.room(4 * rows.count);
  const at = code.gather(
    addresses,
    rows.count,
    keyNumber(document, key),
    kinds[kind],
    Number(isOptional),
    sizesAt,
  );
  const fail = (row: number): never => {
    const place = placeOf(rows, row);
    const read = kind === "int32s" ? int32sOf : float32sOf;
    read(member(place, key), expected?.[row]); // says what is wrong
    throw modelError(place.path, `${key} cannot be read`);
  };
  if (at === 0) fail(code.wrongOne());
  const present = code.presentCount();
  const sizes = new Int32Array(memory.buffer, sizesAt, rows.count).slice();
  const isSized = expected !== undefined && !(isOptional && present === 0);
  let count = 0;
  for (let row = 0; row < sizes.length; row++) {
    count += sizes[row] ?? 0;
    if (isSized && sizes[row] !== expected?.[row]) fail(row);
  }
  return { at, count, present, sizes, sizesAt, memory };
}
