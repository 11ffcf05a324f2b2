/** Opens the scoring function of a native model. */
import {
  evaluate,
  type Model,
  openKernel,
  parseModel,
  type TreeEnsemble,
} from "../model/mod.ts";
import type { Predict } from "./score-block.ts";

/**
 * Returns the scoring function of a native model's bytes.
 *
 * @throws {InputError} If the bytes are not a model that can be scored.
 */
export function openPredict(bytes: Uint8Array<ArrayBuffer>): Predict {
  return toPredict(parseModel(bytes));
}

/** Returns the scoring function of a model: the kernel for trees, the reference implementation for linear models, which need only one pass over a row. */
export function toPredict(
  model: Model,
): (matrix: Float32Array, rows: number) => Float32Array {
  if (model.kind === "linear") {
    return (matrix, rows) => evaluate(model, matrix, { rows }).predictions;
  }
  const kernel = openKernel(model satisfies TreeEnsemble);
  return (matrix, rows) => kernel.predict(matrix, rows);
}
