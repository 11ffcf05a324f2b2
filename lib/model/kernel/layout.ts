/**
 * A model as the kernel reads it: everything in one piece of memory, with a
 * plan (`class Plan` of `assembly/kernel.ts`) that says what is where.
 */
import type { TreeEnsemble } from "../ensemble.ts";
import { place, reserve, startArena } from "./arena.ts";
import { writePrograms } from "./programs.ts";
import {
  answerBytes,
  columnBytes,
  planeBytes,
  writeQuestions,
} from "./questions.ts";

/** Rows are scored in multiples of half a block: one for each bit of a SIMD register. */
export const halfRows = 128;

/** The memory of a kernel before its first row. */
export interface Layout {
  /** What the memory starts with; all behind it is zero. */
  readonly bytes: Uint8Array;
  /** How large the memory has to be. */
  readonly size: number;
  /** Address of the plan. */
  readonly plan: number;
  /** Address of the rows to score, and how many there may be, a multiple of {@linkcode halfRows}. */
  readonly matrix: number;
  readonly rows: number;
  /** Address of the margins of those rows, and then of their predictions. */
  readonly margins: number;
  /** Values of a row. */
  readonly features: number;
  /** Margins of a row. */
  readonly groups: number;
  /** Margins are doubles. */
  readonly isWide: boolean;
}

/** As much of the matrix as stays in a processor's nearer caches. */
const chunkBytes = 1 << 18;

/** The layout of a model; the same model gives the same bytes. */
export function layOut(model: TreeEnsemble): Layout {
  const arena = startArena();
  const { groups, features } = model;
  const isWide = model.precision === "float64";
  const valueBytes = isWide ? 8 : 4;
  const plan = reserve(arena, 68);
  const base = place(
    arena,
    isWide
      ? Float64Array.from(model.baseMargins)
      : Float32Array.from(model.baseMargins),
  );
  const questions = writeQuestions(arena, model);
  const { answers } = questions;
  const { forest, slotCount } = writePrograms({ arena, model, answers });
  const planes = reserve(arena, answerBytes);
  arena.u32.fill(0xffffffff, planes / 4, planes / 4 + 8); // answer 0: always "left"
  const end = arena.end;

  const stride = features.count * 4;
  const rows = halfRows *
    Math.max(1, Math.floor(chunkBytes / (stride * halfRows)));
  // From here on there are only zeros: addresses are given out, and nothing is written.
  let top = end + (questions.answerCount - 1) * answerBytes;
  const next = (bytes: number) => {
    const address = Math.ceil(top / 64) * 64;
    top = address + bytes;
    return address;
  };
  const columns = next(questions.quadCount * 4 * columnBytes);
  const bins = next(questions.binCount * planeBytes);
  const slots = next(256 + slotCount * planeBytes) + 256; // the kernel keeps two rows of numbers before them
  const sums = next(2 * halfRows * groups * valueBytes);
  const matrix = next(rows * stride + 16); // the last quad may read past the last row
  const margins = next(rows * groups * valueBytes);

  arena.u32.set([
    stride,
    questions.quads,
    questions.quadCount,
    questions.records,
    questions.recordCount,
    forest,
    model.roots.length,
    groups,
    isWide ? 1 : 0,
    base,
  ], plan / 4);
  arena.f64[plan / 8 + 5] = model.divisor;
  arena.u32.set([columns, planes, bins, slots, sums], plan / 4 + 12);
  const bytes = new Uint8Array(arena.u32.buffer, 0, end);
  return {
    bytes,
    size: top,
    plan,
    matrix,
    rows,
    margins,
    features: features.count,
    groups,
    isWide,
  };
}
