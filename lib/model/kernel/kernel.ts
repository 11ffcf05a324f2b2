/**
 * The tree kernel: every tree model scored in WebAssembly, 128 rows at a time,
 * with the margins of `evaluate()` to the last bit. How it works is told in
 * `assembly/kernel.ts`, how fast it is in `docs/benchmarks.md`.
 */
import type { TreeEnsemble } from "../ensemble.ts";
import { checkMatrix } from "../evaluate.ts";
import { type Engine, type Finish, startEngine } from "./engine.ts";
import { layOut } from "./layout.ts";
import { toPredictions } from "../transform.ts";

/** A model that is ready to score. Its memory is freed by the garbage collector. */
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
 *
 * @throws {InputError} If the model needs more than 2 GiB.
 */
export function openKernel(model: TreeEnsemble): Kernel {
  const layout = layOut(model);
  const engine = startEngine(layout);
  const finish = finishOf(model);
  const margins: Kernel["margins"] = (matrix, rows) => {
    checkMatrix(model, matrix, rows);
    const into = layout.isWide
      ? new Float64Array(rows * model.groups)
      : new Float32Array(rows * model.groups);
    scoreChunks(engine, { rows, matrix, into, finish: "margins" });
    return into;
  };
  const predict: Kernel["predict"] = (matrix, rows) => {
    if (!finish) return toPredictions(model, margins(matrix, rows));
    checkMatrix(model, matrix, rows);
    const into = new Float32Array(rows * model.outputs);
    scoreChunks(engine, { rows, matrix, into, finish });
    return into;
  };
  return { predict, margins };
}

/** What the engine does itself to make predictions of margins; undefined where JavaScript has to. */
function finishOf(model: TreeEnsemble): Finish | undefined {
  const { kind } = model.transform;
  if (model.precision !== "float32") return undefined;
  if (kind === "identity") return "margins";
  if (model.library !== "xgboost") return undefined;
  return kind === "logistic" || kind === "softmax" ? kind : undefined;
}

/** Scores as many rows at a time as the engine takes. */
function scoreChunks(
  engine: Engine,
  all: {
    rows: number;
    matrix: Float32Array;
    into: Float32Array | Float64Array;
    finish: Finish;
  },
): void {
  const { rows, matrix, into, finish } = all;
  const features = matrix.length / rows;
  const results = into.length / rows;
  for (let row = 0; row < rows; row += engine.rows) {
    const end = Math.min(rows, row + engine.rows);
    engine.input.set(matrix.subarray(row * features, end * features));
    engine.run(end - row, finish);
    const chunk = into.subarray(row * results, end * results);
    chunk.set(engine.output.subarray(0, chunk.length));
  }
}
