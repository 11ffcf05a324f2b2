/** The parity gate: before a model is registered, every engine that may score it must return the same scores. */
import type { Candidate } from "./candidate.ts";
import type { NativeCandidate, OnnxCandidate } from "./candidate-model.ts";
import {
  checkParity,
  checkScores,
  openColumnGraph,
  openKernel,
  openOnnx,
  type ParityReport,
  toGraphRows,
} from "../model/mod.ts";

/**
 * Returns the largest differences between the ways in which a model is scored.
 *
 * For a native model, ONNX and the kernel are compared with the parsed model, on
 * the sample and on boundary rows: values at, just below and just above its
 * thresholds, and missing values. A second ONNX graph scores the sample's rows
 * as users sent them, with category labels, which verifies the encoding of rows
 * independently. An ONNX model is compared with its graph for Python in the
 * same way, on the sample: it has no other engine.
 *
 * @throws {InputError} If an engine differs by more than 1e-6; names engine and row.
 */
export async function proveParity(
  candidate: Candidate,
): Promise<ParityReport> {
  const { model, libraryError } = candidate;
  const report = model.kind === "native"
    ? await proveNative(model, candidate)
    : await proveOnnx(model, candidate);
  if (libraryError === undefined) return report;
  const { maxAbsoluteError } = report;
  return {
    ...report,
    maxAbsoluteError: { ...maxAbsoluteError, "the library": libraryError },
  };
}

async function proveNative(
  { model }: NativeCandidate,
  { graphs, columns, sample }: Candidate,
): Promise<ParityReport> {
  await using session = await openOnnx(graphs.onnx ?? new Uint8Array());
  await using graph = await openColumnGraph(graphs.columnGraph);
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
    sampleEngines: { [asSent]: () => graph.predict(sent) },
  });
}

/** The name of the way in which rows are scored as users sent them. */
const asSent = "onnxruntime on the rows as sent";

async function proveOnnx(
  { frame: { inputs }, outputs }: OnnxCandidate,
  { graphs, sample }: Candidate,
): Promise<ParityReport> {
  const missingTexts =
    sample.cells[0]?.map((_, column) =>
      (inputs.kind === "columns"
        ? inputs.columns[column]?.strings
        : inputs.strings)?.missingText ?? null
    ) ?? [];
  const sent = sample.cells.map((row) =>
    row.map((cell, column) => cell ?? missingTexts[column] ?? null)
  );
  await using graph = await openColumnGraph(graphs.columnGraph);
  const found = await graph.predict(sent);
  return {
    sampleRows: sample.rows,
    generatedRows: 0,
    maxAbsoluteError: {
      [asSent]: checkScores(sample.scores, found, { engine: asSent, outputs }),
    },
  };
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
  const rows = generatedRows > 0
    ? `${sampleRows} sample and ${generatedRows} generated rows agree with the trees`
    : `${sampleRows} sample rows agree`;
  return `${rows} to ${errors.join(", ")}`;
}
