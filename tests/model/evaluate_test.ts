import { deepStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import { InputError } from "../../lib/base/errors.ts";
import type { Transform, TreeEnsemble } from "../../lib/model/ensemble.ts";
import { evaluate } from "../../lib/model/evaluate.ts";
import { toOnnx } from "../../lib/model/onnx/write.ts";
import { openOnnx } from "../../lib/model/onnx/session.ts";
import { largestError } from "../parity/compare.ts";

/** One split `x < 0.5` with leaves -1 and 2; NaN goes right. */
const stump: TreeEnsemble = {
  kind: "trees",
  library: "xgboost",
  libraryVersion: "3.2.0",
  objective: "reg:squarederror",
  transform: { kind: "identity" },
  predictionKind: "score",
  groups: 1,
  outputs: 1,
  baseMargins: Float32Array.of(0),
  features: { count: 1, names: ["x"], types: [] },
  rounds: { total: 1, used: 1 },
  parameters: {},
  precision: "float32",
  roots: Int32Array.of(0),
  treeGroups: Int32Array.of(0),
  left: Int32Array.of(1, -1, -1),
  feature: Int32Array.of(0, 0, 0),
  threshold: Float32Array.of(0.5, 0, 0),
  defaultLeft: Uint8Array.of(0, 0, 0),
  leafSize: 1,
  leaf: Float32Array.of(0, -1, 2),
  divisor: 1,
  maxDepth: 1,
};

/** Returns the predictions of `evaluate()`, after checking that the ONNX graph agrees. */
async function both(
  model: TreeEnsemble,
  matrix: readonly number[],
): Promise<number[]> {
  const values = Float32Array.from(matrix);
  const rows = values.length / model.features.count;
  const { predictions } = evaluate(model, values, { rows });
  await using session = await openOnnx(toOnnx(model));
  const onnx = await session.predict(values, rows);
  ok(largestError(predictions, onnx) <= 1e-6, `${predictions} and ${onnx}`);
  return [...predictions];
}

Deno.test("evaluate() goes left below a threshold, right at it, and the default way if missing", async () => {
  const below = 0.5 - 2 ** -25;
  deepStrictEqual(
    await both(stump, [below, 0.5, NaN, -Infinity, Infinity]),
    [-1, 2, 2, -1, 2],
  );
  const defaultLeft = Uint8Array.of(1, 0, 0);
  deepStrictEqual(await both({ ...stump, defaultLeft }, [NaN]), [-1]);
});

Deno.test("evaluate() distinguishes denormals", async () => {
  const tiny = { ...stump, threshold: Float32Array.of(2 ** -149, 0, 0) };
  deepStrictEqual(await both(tiny, [0, 2 ** -149, -(2 ** -149)]), [-1, 2, -1]);
});

Deno.test("evaluate() reads 0 as missing if the model does", async () => {
  const model = {
    ...stump,
    zeroIsMissing: Uint8Array.of(1),
    defaultLeft: Uint8Array.of(0, 0, 0),
  };
  deepStrictEqual(await both(model, [0, -0, 1e-36, -1e-36, 2e-35, -1]), [
    2,
    2,
    2,
    2,
    -1,
    -1,
  ]);
});

Deno.test("evaluate() sums in float32, in the order of the trees", () => {
  // In float32, 16777216 + 1 + 1 is 16777216 if added one by one.
  const model = {
    ...stump,
    roots: Int32Array.of(0, 0),
    treeGroups: Int32Array.of(0, 0),
    leaf: Float32Array.of(0, 1, 1),
    baseMargins: Float32Array.of(16_777_216),
  };
  const { margins } = evaluate(model, Float32Array.of(1), { rows: 1 });
  strictEqual(margins[0], 16_777_216);
});

/** Transforms, and the predictions for the stump's margins -1 and 2. */
const transforms: readonly [Transform, number, number][] = [
  [{ kind: "identity" }, -1, 2],
  [{ kind: "logistic", slope: 1 }, 1 / (1 + Math.E), 1 / (1 + Math.exp(-2))],
  [
    { kind: "logistic", slope: 2 },
    1 / (1 + Math.exp(2)),
    1 / (1 + Math.exp(-4)),
  ],
  [{ kind: "exponential" }, Math.exp(-1), Math.exp(2)],
  [{ kind: "step" }, 0, 1],
  [{ kind: "signed-square" }, -1, 4],
  [{ kind: "softplus" }, Math.log1p(Math.exp(-1)), Math.log1p(Math.exp(2))],
];

for (const [transform, low, high] of transforms) {
  Deno.test(`toPredictions() ${JSON.stringify(transform)}`, async () => {
    // Only LightGBM has a slope.
    const library = "slope" in transform && transform.slope !== 1
      ? "lightgbm"
      : "xgboost";
    const found = await both({ ...stump, library, transform }, [0, 1]);
    ok(
      largestError(Float64Array.of(low, high), Float32Array.from(found)) <=
        1e-7,
    );
  });
}

/** Vector leaves (3, 1, 2) and (1, 1, 0). */
const vectors: TreeEnsemble = {
  ...stump,
  groups: 3,
  outputs: 3,
  baseMargins: Float32Array.of(0, 0, 0),
  treeGroups: Int32Array.of(-1),
  leafSize: 3,
  leaf: Float32Array.of(0, 0, 0, 3, 1, 2, 1, 1, 0),
};

Deno.test("toPredictions() sort", async () => {
  const model: TreeEnsemble = { ...vectors, transform: { kind: "sort" } };
  deepStrictEqual(await both(model, [0, 1]), [1, 2, 3, 0, 1, 1]);
});

Deno.test("toPredictions() argmax returns the first of equal margins", async () => {
  const model: TreeEnsemble = {
    ...vectors,
    outputs: 1,
    transform: { kind: "argmax" },
  };
  deepStrictEqual(await both(model, [0, 1]), [0, 0]);
});

Deno.test("toPredictions() softmax", async () => {
  const model: TreeEnsemble = { ...vectors, transform: { kind: "softmax" } };
  const [a = 0, b = 0, c = 0] = await both(model, [0]);
  const sum = Math.exp(3) + Math.exp(1) + Math.exp(2);
  const expected = Float64Array.of(3, 1, 2).map((m) => Math.exp(m) / sum);
  ok(largestError(expected, Float32Array.of(a, b, c)) <= 1e-7);
});

Deno.test("evaluate() rejects a matrix of the wrong size", () => {
  throws(
    () => evaluate(stump, new Float32Array(3), { rows: 2 }),
    (error) =>
      error instanceof InputError &&
      /the matrix has 3 values, expected 2 \(2 × 1 features\)/.test(
        error.message,
      ),
  );
});
