/** Compares the scores of this project with those of the libraries (`generate.py`). */
import { evaluate } from "../../lib/model/evaluate.ts";
import type { Model } from "../../lib/model/ensemble.ts";
import { openKernel } from "../../lib/model/kernel/kernel.ts";
import { toOnnx } from "../../lib/model/onnx/write.ts";
import { openOnnx } from "../../lib/model/onnx/session.ts";
import { parseModel } from "../../lib/model/formats/detect.ts";

/** A model in `index.json`. */
export interface Entry {
  readonly library: "xgboost" | "lightgbm";
  readonly name: string;
  readonly stem: string;
  readonly file: string;
  readonly rows: number;
  readonly features: number;
  readonly case: Readonly<Record<string, unknown>>;
}

/** The contents of `index.json`. */
export interface Index {
  readonly versions: Readonly<Record<string, string>>;
  readonly models: readonly Entry[];
}

/** The result for one model. Errors are absolute up to 1 and relative beyond, because exponentials reach 1e30. */
export interface Outcome {
  readonly entry: Entry;
  readonly model: Model;
  readonly rows: number;
  /** Number of margins that differ from the library's in any bit. */
  readonly marginBits: number;
  readonly marginError: number;
  readonly evaluateError: number;
  /** Undefined for linear models, which the kernel does not score. */
  readonly kernelError: number | undefined;
  readonly onnxError: number;
}

/** Scores a model with the reference evaluator, the kernel and ONNX. */
export async function compare(folder: string, entry: Entry): Promise<Outcome> {
  const read = (name: string) => Deno.readFile(`${folder}/${name}`);
  const model = parseModel(await read(entry.file));
  const matrix = float32(await read(`${entry.stem}.rows`));
  const marginBytes = await read(`${entry.stem}.margins`);
  const margins = entry.library === "xgboost"
    ? float32(marginBytes)
    : new Float64Array(marginBytes.buffer);
  const predictions = float32(await read(`${entry.stem}.predictions`));
  const ours = evaluate(model, matrix, { rows: entry.rows });
  const kernel = model.kind === "trees" ? openKernel(model) : undefined;
  const fast = kernel?.predict(matrix, entry.rows);
  await using session = await openOnnx(toOnnx(model));
  const onnx = await session.predict(matrix, entry.rows);
  return {
    entry,
    model,
    rows: entry.rows,
    marginBits: differences(margins, ours.margins),
    marginError: largestError(margins, ours.margins),
    evaluateError: largestError(predictions, ours.predictions),
    kernelError: fast && largestError(predictions, fast),
    onnxError: largestError(predictions, onnx),
  };
}

type Numbers = Float32Array | Float64Array;

function float32(bytes: Uint8Array<ArrayBuffer>): Float32Array {
  return new Float32Array(bytes.buffer);
}

/** Returns how many values differ in any bit; 0 and -0 are equal. */
export function differences(expected: Numbers, found: Numbers): number {
  if (expected.length !== found.length) return Infinity;
  let count = 0;
  for (let i = 0; i < expected.length; i++) {
    if (!Object.is(expected[i], found[i]) && expected[i] !== found[i]) count++;
  }
  return count;
}

/** Returns the largest |a - b| / max(1, |a|); NaN equals NaN, and an infinity equals itself. */
export function largestError(expected: Numbers, found: Numbers): number {
  if (expected.length !== found.length) return Infinity;
  let largest = 0;
  for (let i = 0; i < expected.length; i++) {
    const a = expected[i] ?? NaN;
    const b = found[i] ?? NaN;
    if (Object.is(a, b) || a === b) continue;
    const error = Math.abs(a - b) / Math.max(1, Math.abs(a));
    largest = Math.max(largest, Number.isNaN(error) ? Infinity : error);
  }
  return largest;
}
