/**
 * The tree kernel: scores tree models in WebAssembly, 128 rows at a time, with
 * bit for bit the margins of `evaluate()`. `assembly/kernel.ts` describes the
 * algorithm, `docs/benchmarks.md` the speed.
 */
import type { TreeEnsemble } from "../ensemble.ts";
import { checkMatrix } from "../evaluate.ts";
import { halfRows, layOut } from "./layout.ts";
import { instantiate } from "./module.ts";
import { toPredictions } from "../transform.ts";

/** The transformations of margins that the compiled code applies itself; `logistic` and `softmax` are XGBoost's. */
type CompiledTransform = "identity" | "logistic" | "softmax";

/** A model that is ready to score. Its memory is freed by the garbage collector. */
export interface Kernel {
  /**
   * Returns the predictions of rows: rows × outputs.
   *
   * @param matrix Row-major, rows × features in the model's order; NaN is missing.
   * @throws {InputError} If the matrix is not `rows` × the model's features.
   */
  predict(matrix: Float32Array, rows: number): Float32Array;
  /** Returns the margins of rows, rows × groups, in the precision that the model sums in. Parameters and errors as for {@linkcode Kernel.predict}. */
  margins(matrix: Float32Array, rows: number): Float32Array | Float64Array;
}

/**
 * Returns a kernel for a model, with memory of its own.
 *
 * Margins are bit for bit those of `evaluate()`. So are predictions, except
 * those of XGBoost's logistic and softmax, whose exponential the kernel
 * computes: they differ by at most one unit in the last place of float32.
 *
 * @throws {InputError} If the model needs more than 2 GiB.
 */
export function openKernel(model: TreeEnsemble): Kernel {
  const layout = layOut(model);
  const { groups, features: { count } } = model;
  const { code, memory: { buffer } } = instantiate(layout.size, layout.size);
  new Uint8Array(buffer).set(layout.bytes);
  const input = new Float32Array(buffer, layout.matrix, layout.rows * count);
  const Margins = model.precision === "float64" ? Float64Array : Float32Array;
  const size = layout.rows * groups;
  const output = Margins === Float64Array
    ? new Float64Array(buffer, layout.margins, size)
    : new Float32Array(buffer, layout.margins, size);
  const score = (
    into: Float32Array | Float64Array,
    { matrix, rows, transform }: {
      matrix: Float32Array;
      rows: number;
      transform: CompiledTransform;
    },
  ) => {
    checkMatrix(matrix, { rows, features: count });
    for (let start = 0; start < rows; start += layout.rows) {
      const end = Math.min(rows, start + layout.rows);
      const scored = Math.ceil((end - start) / halfRows) * halfRows;
      input.set(matrix.subarray(start * count, end * count));
      code.margins(0, layout.matrix, scored, layout.margins);
      if (transform === "logistic") {
        code.logistic(layout.margins, scored * groups);
      }
      if (transform === "softmax") code.softmax(layout.margins, scored, groups);
      into.set(output.subarray(0, (end - start) * groups), start * groups);
    }
    return into;
  };
  const transform = compiledTransform(model);
  const margins: Kernel["margins"] = (matrix, rows) =>
    score(new Margins(rows * groups), { matrix, rows, transform: "identity" });
  const predict: Kernel["predict"] = (matrix, rows) => {
    if (!transform) return toPredictions(model, margins(matrix, rows));
    const predictions = new Float32Array(rows * groups);
    score(predictions, { matrix, rows, transform });
    return predictions;
  };
  return { predict, margins };
}

/** Returns the model's transformation if the compiled code applies it; undefined if JavaScript does. */
function compiledTransform(model: TreeEnsemble): CompiledTransform | undefined {
  const { kind } = model.transform;
  if (model.precision !== "float32") return undefined;
  if (kind === "identity") return kind;
  if (model.library !== "xgboost") return undefined;
  return kind === "logistic" || kind === "softmax" ? kind : undefined;
}
