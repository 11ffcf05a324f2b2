/** The compiled kernel with a model in its memory: rows in at one place, results out at another. */
import { InputError } from "../../errors.ts";
import { kernelBase64 } from "./bytes.ts";
import { halfRows, type Layout } from "./layout.ts";

/** What becomes of the margins before they are taken: nothing, or XGBoost's transformations. */
export type Finish = "margins" | "logistic" | "softmax";

/** One model's memory and code, for one thread. */
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

/** The compiled functions; addresses are in their own memory. */
interface Code {
  margins(plan: number, matrix: number, rows: number, to: number): void;
  logistic(at: number, count: number): void;
  softmax(at: number, rows: number, groups: number): void;
}

let compiled: WebAssembly.Module | undefined;

/** What WebAssembly can address. */
const mostPages = 65_536;

/**
 * An engine for a layout; each has a memory of its own.
 *
 * @throws {InputError} If the model needs more than 4 GiB.
 */
export function startEngine(layout: Layout): Engine {
  compiled ??= new WebAssembly.Module(Uint8Array.fromBase64(kernelBase64));
  const pages = Math.ceil(layout.size / 65_536);
  if (pages > mostPages) {
    throw new InputError(
      `Cannot score with a model that needs ${layout.size} bytes of memory: the kernel has 4 GiB; use --engine onnxruntime`,
    );
  }
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
  const { buffer } = memory;
  new Uint8Array(buffer).set(layout.bytes);
  const instance = new WebAssembly.Instance(compiled, { env: { memory } });
  const code = instance.exports as unknown as Code; // as assembly/kernel.ts exports it
  const { plan, matrix, margins, groups } = layout;
  const results = layout.rows * groups;
  return {
    rows: layout.rows,
    input: new Float32Array(buffer, matrix, layout.rows * layout.features),
    output: layout.isWide
      ? new Float64Array(buffer, margins, results)
      : new Float32Array(buffer, margins, results),
    run(rows, finish) {
      const whole = Math.ceil(rows / halfRows) * halfRows;
      code.margins(plan, matrix, whole, margins);
      if (finish === "logistic") code.logistic(margins, whole * groups);
      if (finish === "softmax") code.softmax(margins, whole, groups);
    },
  };
}
