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
  const { model, sample, libraryError } = candidate;
  const report = model.kind === "native"
    ? await proveEngines(model, candidate)
    : { sampleRows: sample.rows, generatedRows: 0, maxAbsoluteError: {} };
  return {
    ...report,
    maxAbsoluteError: {
      ...report.maxAbsoluteError,
      [asSent]: await proveRows(candidate),
      ...libraryError === undefined ? {} : { "the library": libraryError },
    },
  };
}

async function proveEngines(
  { model }: NativeCandidate,
  { graphs, sample }: Candidate,
): Promise<ParityReport> {
  await using session = await openOnnx(graphs.onnx ?? new Uint8Array());
  const kernel = model.kind === "trees" ? openKernel(model) : undefined;
  return await checkParity(model, {
    sample,
    engines: {
      onnxruntime: (matrix, rows) => session.predict(matrix, rows),
      ...kernel
        ? { kernel: (matrix, rows) => kernel.predict(matrix, rows) }
        : {},
    },
  });
}

/** The name of the way in which rows are scored as users sent them. */
const asSent = "onnxruntime on the rows as sent";

/** Returns how far the scores of the rows as users sent them differ from the model's. */
async function proveRows(
  { model, graphs, columns, sample }: Candidate,
): Promise<number> {
  const sent = model.kind === "native"
    ? toGraphRows(model.model, {
      types: columns.map(({ type }) => type),
      rows: sample.cells,
    })
    : withMissingTexts(sample.cells, model);
  await using graph = await openColumnGraph(graphs.columnGraph);
  return checkScores(sample.scores, await graph.predict(sent), {
    engine: asSent,
    outputs: model.outputs,
  });
}

/** Returns the rows with what Python's runtime reads for a missing string. */
function withMissingTexts(
  rows: Candidate["sample"]["cells"],
  { frame: { inputs } }: OnnxCandidate,
): unknown[][] {
  return rows.map((row) =>
    row.map((cell, column) => {
      const { strings } = inputs.kind === "columns"
        ? inputs.columns[column] ?? {}
        : inputs;
      return cell ?? strings?.missingText ?? null;
    })
  );
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
