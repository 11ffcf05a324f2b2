/**
 * A model as the kernel reads it: everything in one piece of memory, with a
 * plan (`class Plan` of `wasm/assembly/records.ts`) that says what is where. The
 * kernel's own code makes it, so that only one side knows how it looks.
 */
import type { TreeEnsemble } from "../ensemble.ts";
import { copyIn, instantiate } from "./module.ts";

/** Rows are scored in multiples of half a block: one for each bit of a SIMD register. */
export const halfRows = 128;

/** The memory of a kernel before its first row. */
export interface Layout {
  /** What the memory starts with, the plan first, at address 0; all behind it is zero. */
  readonly bytes: Uint8Array;
  /** How large the memory has to be. */
  readonly size: number;
  /** Address of the rows to score, and how many there may be, a multiple of {@linkcode halfRows}. */
  readonly matrix: number;
  readonly rows: number;
  /** Address of the margins of those rows, and then of their predictions. */
  readonly margins: number;
}

/** Where a plan has what is read here, in numbers of 32 bits. */
const field = { rows: 17, matrix: 18, margins: 19, end: 20 } as const;

/** Room that the memory starts with, beside the model. */
const spareBytes = 1 << 18;

/**
 * The layout of a model; the same model gives the same bytes.
 *
 * @throws {InputError} If the model needs more than 2 GiB.
 */
export function layOut(model: TreeEnsemble): Layout {
  const arrays = arraysOf(model);
  const bytes = arrays.reduce(
    (sum, array) => sum + (array?.byteLength ?? 0),
    spareBytes,
  );
  const place = instantiate(bytes);
  const { code, memory } = place;
  const addresses = arrays.map((array) => copyIn(place, array));
  const plan = code.layOut(copyIn(place, recordOf(model, addresses)));
  const fields = new Uint32Array(memory.buffer, plan);
  return {
    bytes: new Uint8Array(memory.buffer, plan, code.layoutBytes()).slice(),
    size: fields[field.end] ?? NaN,
    matrix: fields[field.matrix] ?? NaN,
    rows: fields[field.rows] ?? NaN,
    margins: fields[field.margins] ?? NaN,
  };
}

/** The arrays of a `class Model`, in its order. */
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

/** A `class Model` of `wasm/assembly/records.ts`. */
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
