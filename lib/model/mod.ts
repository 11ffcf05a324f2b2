/**
 * The model library's public interface: reads model files, scores float32 rows,
 * writes and runs ONNX graphs, and compares scoring engines. Other rooms import
 * only this file.
 *
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 *
 * const bytes = await Deno.readFile("models/churn/xgb_churn_model_2.bin");
 * const model = parseModel(bytes);
 * if (model.kind !== "trees") throw new TypeError("a linear model has no trees");
 * const kernel = openKernel(model);
 * const row = new Float32Array(model.features.count).fill(NaN); // all missing
 * const [probability] = kernel.predict(row, 1);
 * strictEqual(probability, evaluate(model, row, { rows: 1 }).predictions[0]);
 * ```
 */
import type { ColumnSession, OnnxSession } from "./onnx/session.ts";

export type { OnnxSession };

export type { Model, TreeEnsemble } from "./ensemble.ts";
export { evaluate } from "./evaluate.ts";
export { parseModel } from "./formats/detect.ts";
export { describeFolder } from "./formats/unreadable.ts";
export { openKernel } from "./kernel/kernel.ts";
export { type Label, type Library, toCode, unseenCategory } from "./labels.ts";
export { toColumnGraph, toGraphRows } from "./onnx/columns.ts";
export {
  checkOnnxSize,
  isOnnx,
  type OnnxFile,
  readOnnxFile,
  treesIgnoreMissing,
} from "./onnx/file.ts";
export {
  feedsFrames,
  type FrameGraphOptions,
  toFrameGraph,
} from "./onnx/frame-graph.ts";
export type { GraphInputs } from "./onnx/inputs.ts";
export type { OutputFacts } from "./onnx/output.ts";
export { toOnnx } from "./onnx/write.ts";
export { checkParity, checkScores, type ParityReport } from "./parity/check.ts";

/**
 * Opens an ONNX graph; see `onnx/session.ts`.
 * Loads the ONNX runtime on the first call, because scoring trees does not need
 * it.
 *
 * @throws {InputError} If the runtime cannot run the graph.
 */
export async function openOnnx(bytes: Uint8Array): Promise<OnnxSession> {
  const { openOnnx } = await import("./onnx/session.ts");
  return await openOnnx(bytes);
}

/**
 * Opens a graph written by {@linkcode toColumnGraph} or {@linkcode toFrameGraph}.
 *
 * @throws {InputError} If the runtime cannot run the graph.
 */
export async function openColumnGraph(
  bytes: Uint8Array,
): Promise<ColumnSession> {
  const { openColumnGraph } = await import("./onnx/session.ts");
  return await openColumnGraph(bytes);
}
