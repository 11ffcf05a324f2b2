/**
 * Lays out a model for the kernel: one piece of memory that starts with a
 * `Plan` (`assembly/records.ts`). The compiled code writes it, so the memory
 * layout is defined in one place.
 */
import type { TreeEnsemble } from "../ensemble.ts";
import { copyIn, instantiate } from "./module.ts";

/** Rows are scored in multiples of this: one row per bit of a SIMD register. */
export const halfRows = 128;

/** The initial memory of a kernel. */
export interface Layout {
  /** The start of the memory, with the `Plan` at address 0; the rest is zero. */
  readonly bytes: Uint8Array;
  /** Bytes of memory needed. */
  readonly size: number;
  /** Address of the rows to score. */
  readonly matrix: number;
  /** Rows per call at most; a multiple of {@linkcode halfRows}. */
  readonly rows: number;
  /** Address of the margins of these rows, and of their predictions after a transformation. */
  readonly margins: number;
}

/** Offsets of fields in a `Plan`, in 32-bit words. */
const field = { rows: 17, matrix: 18, margins: 19, end: 20 } as const;

/** Initial memory beyond the model's arrays. */
const spareBytes = 1 << 18;

/**
 * Returns the layout of a model; the same model gives the same bytes.
 *
 * @throws {InputError} If the model needs more than 2 GiB.
 */
export function layOut(model: TreeEnsemble): Layout {
  const arrays = arraysOf(model);
  const bytes = arrays.reduce(
    (sum, array) => sum + (array?.byteLength ?? 0),
    spareBytes,
  );
  const instance = instantiate(bytes);
  const { code, memory } = instance;
  const addresses = arrays.map((array) => copyIn(instance, array));
  const plan = code.layOut(copyIn(instance, recordOf(model, addresses)));
  const fields = new Uint32Array(memory.buffer, plan);
  return {
    bytes: new Uint8Array(memory.buffer, plan, code.layoutBytes()).slice(),
    size: fields[field.end] ?? NaN,
    matrix: fields[field.matrix] ?? NaN,
    rows: fields[field.rows] ?? NaN,
    margins: fields[field.margins] ?? NaN,
  };
}

/** Returns the arrays of a `Model`, in the order of its fields. */
function arraysOf(model: TreeEnsemble): (ArrayBufferView | undefined)[] {
  const { categories, precision } = model;
  const Values = precision === "float64" ? Float64Array : Float32Array;
  return [
    model.left,
    model.feature,
    model.threshold,
    model.defaultLeft,
    model.leaf instanceof Values ? model.leaf : Values.from(model.leaf),
    model.roots,
    model.treeGroups,
    Values.from(model.baseMargins),
    model.zeroIsMissing,
    categories?.start,
    categories?.size,
    categories?.words,
  ];
}

/** Returns a `Model` of `assembly/records.ts`. */
function recordOf(
  model: TreeEnsemble,
  addresses: readonly number[],
): Uint32Array {
  const divisor = new Uint32Array(Float64Array.of(model.divisor).buffer);
  return Uint32Array.from([
    model.features.count,
    model.groups,
    model.left.length,
    model.roots.length,
    model.leafSize,
    Number(model.precision === "float64"),
    ...divisor,
    ...addresses,
    Number(model.categories?.rounding === "floor"),
  ]);
}
