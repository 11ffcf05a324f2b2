/** The gate at import: the trees as parsed and the ONNX file must score alike before anything is registered. */
import type { Candidate } from "./candidate.ts";
import { InputError } from "./errors.ts";
import { evaluate } from "./model/evaluate.ts";
import { openOnnx } from "./model/onnxruntime.ts";

/** How far the engines were apart. */
export interface Proof {
  readonly rows: number;
  readonly maxAbsoluteError: number;
}

const tolerance = 1e-6;

/**
 * The largest difference between ONNX and the parsed trees on the sample.
 *
 * @throws {InputError} If a row differs by more than 1e-6; names the row.
 */
export async function proveParity(
  { model, onnxBytes, sample }: Candidate,
): Promise<Proof> {
  await using session = await openOnnx(onnxBytes);
  const found = await session.predict(sample.matrix, sample.rows);
  const expected =
    evaluate(model, sample.matrix, { rows: sample.rows }).predictions;
  let maxAbsoluteError = 0;
  for (const [index, value] of expected.entries()) {
    const error = Math.abs(value - (found[index] ?? NaN));
    if (!(error <= tolerance)) {
      throw new InputError(
        `Cannot register the model: row ${
          index + 1
        } of the sample scores ${value} by its trees and ${
          found[index]
        } by ONNX`,
      );
    }
    maxAbsoluteError = Math.max(maxAbsoluteError, error);
  }
  return { rows: sample.rows, maxAbsoluteError };
}
