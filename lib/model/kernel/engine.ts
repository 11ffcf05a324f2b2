/** The compiled kernel with a model in its memory: rows in at one place, results out at another. */
import { halfRows, type Layout } from "./layout.ts";
import { instantiate } from "./module.ts";

/** What becomes of the margins before they are taken: nothing, or XGBoost's transformations. */
export type Finish = "margins" | "logistic" | "softmax";

/** One model's memory and code. */
export interface Engine {
  /** How many rows it takes at once. */
  readonly rows: number;
  /** Where rows are put before a run: as many rows × features. */
  readonly input: Float32Array;
  /** Where their results stand after it: as many rows × groups. */
  readonly output: Float32Array | Float64Array;
  /** Scores the first rows of {@linkcode Engine.input}. */
  run(rows: number, finish: Finish): void;
}

/** An engine for a layout; each has a memory of its own. */
export function startEngine(layout: Layout): Engine {
  const { size, bytes } = layout;
  const { code, memory } = instantiate(size, size);
  const { buffer } = memory;
  new Uint8Array(buffer).set(bytes);
  const { matrix, margins, groups } = layout;
  const results = layout.rows * groups;
  return {
    rows: layout.rows,
    input: new Float32Array(buffer, matrix, layout.rows * layout.features),
    output: layout.isWide
      ? new Float64Array(buffer, margins, results)
      : new Float32Array(buffer, margins, results),
    run(rows, finish) {
      const whole = Math.ceil(rows / halfRows) * halfRows;
      code.margins(0, matrix, whole, margins);
      if (finish === "logistic") code.logistic(margins, whole * groups);
      if (finish === "softmax") code.softmax(margins, whole, groups);
    },
  };
}
