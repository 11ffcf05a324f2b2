/**
 * The gate that every model passes before it is registered: whatever will
 * score it must agree with the reference evaluator, on the sample and on rows
 * at the model's own thresholds.
 */
import { InputError } from "../../base/errors.ts";
import { evaluate } from "../evaluate.ts";
import type { Model } from "../ensemble.ts";
import { boundaryRows } from "./boundary-rows.ts";

/** A way to score rows: row-major, rows × features in, rows × outputs out. */
export type Scorer = (
  matrix: Float32Array,
  rows: number,
) => Float32Array | Promise<Float32Array>;

/** What the gate saw. */
export interface ParityReport {
  readonly sampleRows: number;
  readonly generatedRows: number;
  /** Per engine, the largest difference from the reference evaluator. */
  readonly maxAbsoluteError: Readonly<Record<string, number>>;
}

/**
 * A report on how far engines are from the reference evaluator, when none is
 * too far.
 *
 * @param options `sample`: rows of real data, row-major. `engines`: by the names that a message shall use. `sampleEngines`: those that only score the sample, in its order. `tolerance`: largest difference, absolute up to 1 and relative beyond; 1e-6 by default. `limit`: most generated rows; 20,000 by default.
 * @throws {InputError} With the engine, the row and both values, if one is.
 */
export async function checkParity(
  model: Model,
  options: {
    sample: { matrix: Float32Array; rows: number };
    engines: Readonly<Record<string, Scorer>>;
    sampleEngines?: Readonly<Record<string, () => Promise<Float32Array>>>;
    tolerance?: number;
    limit?: number;
  },
): Promise<ParityReport> {
  const { sample, engines, sampleEngines = {}, tolerance = 1e-6 } = options;
  const generated = boundaryRows(model, {
    sample: sample.matrix,
    ...(options.limit === undefined ? {} : { limit: options.limit }),
  });
  const parts = [
    { ...sample, describe: (row: number) => `row ${row + 1} of the sample` },
    generated,
  ].map((part) => ({
    ...part,
    expected: evaluate(model, part.matrix, { rows: part.rows }).predictions,
  }));
  const maxAbsoluteError: Record<string, number> = {};
  for (const [engine, score] of Object.entries(engines)) {
    let largest = 0;
    for (const { matrix, rows, expected, describe } of parts) {
      const found = await score(matrix, rows);
      const where = { engine, tolerance, outputs: model.outputs, describe };
      largest = Math.max(largest, compare(expected, found, where));
    }
    maxAbsoluteError[engine] = largest;
  }
  const [onSample] = parts;
  for (const [engine, score] of Object.entries(sampleEngines)) {
    if (!onSample) break;
    const { expected, describe } = onSample;
    const where = { engine, tolerance, outputs: model.outputs, describe };
    maxAbsoluteError[engine] = compare(expected, await score(), where);
  }
  return {
    sampleRows: sample.rows,
    generatedRows: generated.rows,
    maxAbsoluteError,
  };
}

function compare(
  expected: Float32Array,
  found: Float32Array,
  where: {
    engine: string;
    tolerance: number;
    outputs: number;
    describe: (row: number) => string;
  },
): number {
  const { engine, tolerance, outputs, describe } = where;
  if (expected.length !== found.length) {
    throw new InputError(
      `Cannot accept model: ${engine} gives ${found.length} values, expected ${expected.length}`,
    );
  }
  let largest = 0;
  for (let i = 0; i < expected.length; i++) {
    const a = expected[i] ?? NaN;
    const b = found[i] ?? NaN;
    if (Object.is(a, b) || a === b) continue;
    const difference = Math.abs(a - b);
    // Written so that a NaN on one side does not pass.
    if (!(difference <= tolerance * Math.max(1, Math.abs(a)))) {
      throw new InputError(
        `Cannot accept model: ${engine} gives ${b}, expected ${a}, for ${
          describe(Math.floor(i / outputs))
        }`,
      );
    }
    largest = Math.max(largest, difference);
  }
  return largest;
}
