/**
 * Objects with the same keys, such as the trees of a model, read key by key:
 * all arrays of one key, behind each other, at once.
 */
import {
  float32sOf,
  int32sOf,
  integerOf,
  keyNumber,
  member,
  modelError,
  type Place,
} from "./document.ts";
import { copyIn } from "./wasm/module.ts";

/** The objects, in the order in which their members are gathered. */
export interface Rows {
  readonly places: readonly Place[];
  /** Where their addresses stand in the memory of the document. */
  readonly addresses: number;
}

/** The arrays of one key: those of the first object, then those of the second, … */
export interface Column {
  /** Where all numbers stand in the memory of the document, 32 bits each. */
  readonly at: number;
  readonly count: number;
  /** How many numbers each object has; the same in that memory. */
  readonly sizes: Int32Array;
  readonly sizesAt: number;
  readonly memory: WebAssembly.Memory;
}

/** How arrays shall be: with so many numbers in each object, and whether they may be missing. */
interface Wanted {
  readonly sizes?: ArrayLike<number>;
  readonly isOptional?: boolean;
}

/** Rows of objects of one document. */
export function rowsOf(places: readonly Place[]): Rows {
  const [first] = places;
  if (first === undefined) return { places, addresses: 0 };
  const nodes = Uint32Array.from(places, ({ node }) => node);
  const [addresses = 0] = copyIn(first.document, [nodes]);
  return { places, addresses };
}

/** The member of each row that is an object itself. @throws {InputError} If one has none. */
export function objectsOf(rows: Rows, key: string): Rows {
  return rowsOf(rows.places.map((place) => member(place, key)));
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
  const { places, addresses } = rows;
  const [first] = places;
  if (first === undefined) return new Float64Array();
  const { code, memory } = first.document;
  const number = keyNumber(first.document, key);
  const at = code.gatherIntegers(addresses, places.length, number);
  const found = new Float64Array(memory.buffer, at, places.length).slice();
  const wrong = found.findIndex((value) =>
    Number.isNaN(value)
      ? !range.isOptional
      : value < range.least || value > range.most
  );
  const place = places[wrong];
  if (place) integerOf(member(place, key), range); // says what is wrong
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
  { places, addresses }: Rows,
  key: string,
  wanted: Wanted & { kind: keyof typeof kinds },
): Column {
  const { sizes: expected, isOptional = false, kind } = wanted;
  const [first] = places;
  if (first === undefined) {
    throw new RangeError("Cannot read columns of no row");
  }
  const { code, memory } = first.document;
  const sizesAt = code.room(4 * places.length);
  const at = code.gather(
    addresses,
    places.length,
    keyNumber(first.document, key),
    kinds[kind],
    Number(isOptional),
    sizesAt,
  );
  const fail = (row: number): never => {
    const place = places[row] ?? first;
    const read = kind === "int32s" ? int32sOf : float32sOf;
    read(member(place, key), expected?.[row]); // says what is wrong
    throw modelError(place.path, `${key} cannot be read`);
  };
  if (at === 0) fail(code.wrongOne());
  const sizes = new Int32Array(memory.buffer, sizesAt, places.length).slice();
  let count = 0;
  for (let row = 0; row < sizes.length; row++) {
    count += sizes[row] ?? 0;
    if (expected && sizes[row] !== expected[row]) fail(row);
  }
  return { at, count, sizes, sizesAt, memory };
}
