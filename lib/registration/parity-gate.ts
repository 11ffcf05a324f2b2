/** The parity gate: before a model is registered, every engine that may score it must return the same scores as its trees. */
import type { Candidate } from "./candidate.ts";
import {
  checkParity,
  openColumnGraph,
  openKernel,
  openOnnx,
  type ParityReport,
  toGraphRows,
} from "../model/mod.ts";

/**
 * Returns the largest differences of ONNX and the kernel from the parsed model,
 * on the sample and on boundary rows: values at, just below and just above its
 * thresholds, and missing values. A second ONNX graph scores the sample's rows
 * as users sent them, with category labels, which verifies the encoding of rows
 * independently.
 *
 * @throws {InputError} If an engine differs by more than 1e-6; names engine and row.
 */
export async function proveParity(
  { model, onnxBytes, columnGraph, columns, sample }: Candidate,
): Promise<ParityReport> {
  await using session = await openOnnx(onnxBytes);
  await using graph = await openColumnGraph(columnGraph);
  const sent = toGraphRows(model, {
    types: columns.map(({ type }) => type),
    rows: sample.cells,
  });
  const kernel = model.kind === "trees" ? openKernel(model) : undefined;
  const engines = {
    onnxruntime: (matrix: Float32Array, rows: number) =>
      session.predict(matrix, rows),
    ...(kernel
      ? {
        kernel: (matrix: Float32Array, rows: number) =>
          kernel.predict(matrix, rows),
      }
      : {}),
  };
  return await checkParity(model, {
    sample,
    engines,
    sampleEngines: {
      "onnxruntime on the rows as sent": () => graph.predict(sent),
    },
  });
}

/**
 * Returns a parity report in one line: "1000 sample and 4381 generated rows agree with the trees to 6.0e-8 (onnxruntime), 0 (kernel)".
 */
export function describeParity(
  { sampleRows, generatedRows, maxAbsoluteError }: ParityReport,
): string {
  const errors = Object.entries(maxAbsoluteError).map(([engine, error]) =>
    `${error === 0 ? 0 : error.toExponential(1)} (${engine})`
  );
  return `${sampleRows} sample and ${generatedRows} generated rows agree with the trees to ${
    errors.join(", ")
  }`;
}
