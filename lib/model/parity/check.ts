/**
 * Compares scoring engines with the reference evaluator, on the sample and on
 * rows at the model's decision boundaries. Every model must pass this check
 * before it is registered.
 */
import { InputError } from "../../base/errors.ts";
import { evaluate } from "../evaluate.ts";
import type { Model } from "../ensemble.ts";
import { boundaryRows } from "./boundary-rows.ts";

/** Scores a row-major matrix, rows × features, and returns predictions, rows × outputs. */
export type ScoreMatrix = (
  matrix: Float32Array,
  rows: number,
) => Float32Array | Promise<Float32Array>;

/** The result of a passed check. */
export interface ParityReport {
  readonly sampleRows: number;
  readonly generatedRows: number;
  /** Per engine, the largest absolute difference from the reference evaluator. */
  readonly maxAbsoluteError: Readonly<Record<string, number>>;
}

/**
 * Checks that engines agree with the reference evaluator and returns how far
 * they differ.
 *
 * @param options `sample`: rows of real data, row-major. `engines`: by the name used in messages. `sampleEngines`: engines that score only the sample, in its order. `tolerance`: largest allowed difference, absolute up to 1 and relative beyond; 1e-6 by default. `limit`: maximum number of generated rows; 20,000 by default.
 * @throws {InputError} If an engine differs by more, with the engine, the row and both values.
 */
export async function checkParity(
  model: Model,
  options: {
    sample: { matrix: Float32Array; rows: number };
    engines: Readonly<Record<string, ScoreMatrix>>;
    sampleEngines?: Readonly<Record<string, () => Promise<Float32Array>>>;
    tolerance?: number;
    limit?: number;
  },
): Promise<ParityReport> {
  const { sample, engines, sampleEngines = {}, tolerance = defaultTolerance } =
    options;
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
  const [samplePart] = parts;
  for (const [engine, score] of Object.entries(sampleEngines)) {
    if (!samplePart) break;
    const { expected, describe } = samplePart;
    const where = { engine, tolerance, outputs: model.outputs, describe };
    maxAbsoluteError[engine] = compare(expected, await score(), where);
  }
  return {
    sampleRows: sample.rows,
    generatedRows: generated.rows,
    maxAbsoluteError,
  };
}

/**
 * Checks that an engine's predictions of the sample equal the expected ones, by
 * the same rule as {@linkcode checkParity}, and returns how far they differ.
 *
 * @throws {InputError} If they differ by more than 1e-6; names the engine and the row.
 */
export function checkScores(
  expected: Float32Array,
  found: Float32Array,
  { engine, outputs }: { engine: string; outputs: number },
): number {
  const describe = (row: number) => `row ${row + 1} of the sample`;
  return compare(expected, found, {
    engine,
    outputs,
    describe,
    tolerance: defaultTolerance,
  });
}

/** The largest accepted difference. */
const defaultTolerance = 1e-6;

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
      `Cannot accept model: ${engine} returns ${found.length} values, expected ${expected.length}`,
    );
  }
  let largest = 0;
  for (let i = 0; i < expected.length; i++) {
    const a = expected[i] ?? NaN;
    const b = found[i] ?? NaN;
    if (Object.is(a, b) || a === b) continue;
    const difference = Math.abs(a - b);
    // Negated, so that NaN on one side fails.
    if (!(difference <= tolerance * Math.max(1, Math.abs(a)))) {
      throw new InputError(
        `Cannot accept model: ${engine} returns ${b}, expected ${a}, for ${
          describe(Math.floor(i / outputs))
        }`,
      );
    }
    largest = Math.max(largest, difference);
  }
  return largest;
}
