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
 * @param options `sample`: rows of real data, row-major. `engines`: by the name used in messages. `sampleEngines`: engines that score only the sample, in its order.
 * @throws {InputError} If an engine differs by more than 1e-6, absolute up to 1 and relative beyond; names the engine, the row and both values.
 */
export async function checkParity(
  model: Model,
  options: {
    sample: { matrix: Float32Array; rows: number };
    engines: Readonly<Record<string, ScoreMatrix>>;
    sampleEngines?: Readonly<Record<string, () => Promise<Float32Array>>>;
  },
): Promise<ParityReport> {
  const { sample, engines, sampleEngines = {} } = options;
  const { outputs } = model;
  const expect = (matrix: Float32Array, rows: number) =>
    evaluate(model, matrix, { rows }).predictions;
  const generated = boundaryRows(model, { sample: sample.matrix });
  const expected = expect(sample.matrix, sample.rows);
  const generatedExpected = expect(generated.matrix, generated.rows);
  const maxAbsoluteError: Record<string, number> = {};
  for (const [engine, score] of Object.entries(engines)) {
    const found = await score(sample.matrix, sample.rows);
    const error = checkScores(expected, found, { engine, outputs });
    const generatedError = checkScores(
      generatedExpected,
      await score(generated.matrix, generated.rows),
      { engine, outputs, describe: generated.describe },
    );
    maxAbsoluteError[engine] = Math.max(error, generatedError);
  }
  for (const [engine, score] of Object.entries(sampleEngines)) {
    const found = await score();
    maxAbsoluteError[engine] = checkScores(expected, found, {
      engine,
      outputs,
    });
  }
  return {
    sampleRows: sample.rows,
    generatedRows: generated.rows,
    maxAbsoluteError,
  };
}

/** The largest accepted difference. */
const tolerance = 1e-6;

/**
 * Checks that an engine's predictions equal the expected ones, by the same rule
 * as {@linkcode checkParity}, and returns how far they differ.
 *
 * @param options `describe`: says which row it is; a row of the sample by default.
 * @throws {InputError} If they differ by more; names the engine and the row.
 */
export function checkScores(
  expected: Float32Array,
  found: Float32Array,
  { engine, outputs, describe = (row) => `row ${row + 1} of the sample` }: {
    engine: string;
    outputs: number;
    describe?: (row: number) => string;
  },
): number {
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
