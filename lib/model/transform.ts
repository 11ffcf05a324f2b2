/**
 * Turns margins into predictions with the arithmetic of the library that
 * trained the model. The evaluator and the kernel share this code.
 */
import type { Model } from "./ensemble.ts";

/** A model's transform and the properties that its arithmetic depends on. */
type TransformFacts = Pick<
  Model,
  "library" | "transform" | "groups" | "outputs"
>;

/**
 * Returns the predictions, rows × outputs, of row-major margins, rows × groups.
 *
 * XGBoost's formulas run in float32 with its clipping (`src/common/math.h`),
 * LightGBM's in double (`src/objective/`), rounded to float32 at the end.
 *
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 *
 * const facts = { library: "xgboost", groups: 1, outputs: 1 } as const;
 * const transform = { kind: "logistic", slope: 1 } as const;
 * deepStrictEqual(toPredictions({ ...facts, transform }, Float32Array.of(0)), Float32Array.of(0.5));
 * ```
 */
export function toPredictions(
  model: TransformFacts,
  margins: Float32Array | Float64Array,
): Float32Array {
  const { transform } = model;
  switch (transform.kind) {
    case "identity":
      return Float32Array.from(margins);
    case "logistic":
      return Float32Array.from(
        margins,
        model.library === "xgboost"
          ? sigmoid32
          : (margin) => 1 / (1 + Math.exp(-transform.slope * margin)),
      );
    case "exponential":
      return Float32Array.from(margins, Math.exp);
    case "step":
      return Float32Array.from(margins, (margin) => margin > 0 ? 1 : 0);
    case "signed-square":
      return Float32Array.from(margins, (m) => Math.sign(m) * m * m);
    case "softplus":
      return Float32Array.from(margins, (m) => Math.log1p(Math.exp(m)));
    case "sort":
      return byRow(model, margins, (row, into) => {
        into.set(row);
        into.sort();
      });
    case "softmax":
      return byRow(
        model,
        margins,
        model.library === "xgboost" ? softmax32 : softmax64,
      );
    case "argmax":
      return byRow(model, margins, (row, into) => {
        into[0] = indexOfLargest(row);
      });
  }
}

type Margins = Float32Array | Float64Array;

function byRow(
  { groups, outputs }: TransformFacts,
  margins: Margins,
  toRow: (row: Margins, into: Float32Array) => void,
): Float32Array {
  const rows = margins.length / groups;
  const result = new Float32Array(rows * outputs);
  for (let r = 0; r < rows; r++) {
    toRow(
      margins.subarray(r * groups, (r + 1) * groups),
      result.subarray(r * outputs, (r + 1) * outputs),
    );
  }
  return result;
}

/** `common::Sigmoid(float)`: clipping makes the smallest result 2.98e-39 instead of 0. */
function sigmoid32(margin: number): number {
  const exponent = Math.min(-margin, clip);
  const denominator = Math.fround(Math.fround(Math.exp(exponent)) + 1);
  return 1 / denominator;
}

const clip = Math.fround(88.7);

/** `common::Softmax`: float32 terms, summed in double and divided in float32. */
function softmax32(row: Margins, into: Float32Array): void {
  const largest = row[indexOfLargest(row)] ?? 0;
  let sum = 0;
  for (let k = 0; k < row.length; k++) {
    into[k] = Math.exp(Math.fround((row[k] ?? 0) - largest));
    sum += into[k] ?? 0;
  }
  const divisor = Math.fround(sum);
  for (let k = 0; k < row.length; k++) into[k] = (into[k] ?? 0) / divisor;
}

function softmax64(row: Margins, into: Float32Array): void {
  const largest = row[indexOfLargest(row)] ?? 0;
  const terms = Array.from(row, (margin) => Math.exp(margin - largest));
  const sum = terms.reduce((a, b) => a + b, 0);
  terms.forEach((term, k) => into[k] = term / sum);
}

function indexOfLargest(row: Margins): number {
  let best = 0;
  for (let k = 1; k < row.length; k++) {
    if ((row[k] ?? 0) > (row[best] ?? 0)) best = k;
  }
  return best;
}
