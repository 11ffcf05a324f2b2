/**
 * The tree kernel: every tree model scored in WebAssembly, 128 rows at a time,
 * with the margins of `evaluate()` to the last bit. How it works is told in
 * `kernel/assembly/kernel.ts`, how fast it is in `docs/benchmarks.md`.
 */
import type { TreeEnsemble } from "./ensemble.ts";
import { checkMatrix } from "./evaluate.ts";
import { kernelBase64 } from "./kernel/bytes.ts";
import { blockRows, type Layout, layOut } from "./kernel/layout.ts";
import { toPredictions } from "./transform.ts";

/** A model that is ready to score. It has nothing to close: its memory goes when it is not used any more. */
export interface Kernel {
  /**
   * The predictions of rows: rows × outputs.
   *
   * @param matrix Row-major, rows × features in the model's order; NaN is missing.
   * @throws {InputError} If the matrix is not `rows` × the model's features.
   */
  predict(matrix: Float32Array, rows: number): Float32Array;
  /** The margins of rows, rows × groups: double where the model sums in double. Otherwise as {@linkcode Kernel.predict}. */
  margins(matrix: Float32Array, rows: number): Float32Array | Float64Array;
}

/**
 * A kernel for a model; two calls give two kernels that share nothing.
 *
 * Margins are those of `evaluate()` bit for bit. So are predictions, but for
 * XGBoost's logistic and softmax, whose exponential is computed here: they are
 * within one unit in the last place of float32.
 */
export function openKernel(model: TreeEnsemble): Kernel {
  const layout = layOut(model);
  const code = start(layout);
  const finish = inPlace(code, { model, layout });
  const margins = (matrix: Float32Array, rows: number) => {
    const into = model.precision === "float32"
      ? new Float32Array(rows * model.groups)
      : new Float64Array(rows * model.groups);
    scoreChunks(code, { layout, matrix, into }, () => {});
    return into;
  };
  return {
    margins(matrix, rows) {
      checkMatrix(model, matrix, rows);
      return margins(matrix, rows);
    },
    predict(matrix, rows) {
      checkMatrix(model, matrix, rows);
      if (!finish) return toPredictions(model, margins(matrix, rows));
      const into = new Float32Array(rows * model.outputs);
      scoreChunks(code, { layout, matrix, into }, finish);
      return into;
    },
  };
}

/** The compiled functions; addresses are in their own memory. */
interface Code {
  readonly memory: WebAssembly.Memory;
  margins(plan: number, matrix: number, rows: number, to: number): void;
  logistic(at: number, count: number): void;
  softmax(at: number, rows: number, groups: number): void;
}

let compiled: WebAssembly.Module | undefined;

function start(layout: Layout): Code {
  compiled ??= new WebAssembly.Module(Uint8Array.fromBase64(kernelBase64));
  const pages = Math.ceil(layout.size / 65_536);
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
  new Uint8Array(memory.buffer).set(layout.bytes);
  const instance = new WebAssembly.Instance(compiled, { env: { memory } });
  return instance.exports as unknown as Code; // as assembly/kernel.ts exports it
}

/** What makes predictions of a chunk's margins where they stand; undefined where JavaScript has to. */
function inPlace(
  code: Code,
  { model, layout }: { model: TreeEnsemble; layout: Layout },
): ((rows: number) => void) | undefined {
  const { transform, groups } = model;
  if (model.precision !== "float32") return undefined;
  if (transform.kind === "identity") return () => {};
  if (model.library !== "xgboost") return undefined;
  if (transform.kind === "logistic") {
    return (rows) => code.logistic(layout.margins, rows * groups);
  }
  if (transform.kind === "softmax") {
    return (rows) => code.softmax(layout.margins, rows, groups);
  }
  return undefined;
}

/** Scores chunk by chunk; a row's results stand together in `into`. */
function scoreChunks(
  code: Code,
  work: {
    layout: Layout;
    matrix: Float32Array;
    into: Float32Array | Float64Array;
  },
  finish: (rows: number) => void,
): void {
  const { layout, matrix, into } = work;
  const { plan, features, groups } = layout;
  const rows = into.length / groups;
  const { buffer } = code.memory;
  const input = new Float32Array(buffer, layout.matrix, layout.rows * features);
  const results = into instanceof Float32Array
    ? new Float32Array(buffer, layout.margins, layout.rows * groups)
    : new Float64Array(buffer, layout.margins, layout.rows * groups);
  for (let row = 0; row < rows; row += layout.rows) {
    const count = Math.min(layout.rows, rows - row);
    const whole = Math.ceil(count / blockRows) * blockRows;
    input.set(matrix.subarray(row * features, (row + count) * features));
    code.margins(plan, layout.matrix, whole, layout.margins);
    finish(whole);
    into.set(results.subarray(0, count * groups), row * groups);
  }
}
