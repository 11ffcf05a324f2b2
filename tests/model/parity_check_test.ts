import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import { InputError } from "../../lib/base/errors.ts";
import type { TreeEnsemble } from "../../lib/model/ensemble.ts";
import { evaluate } from "../../lib/model/evaluate.ts";
import { boundaryRows } from "../../lib/model/parity/boundary-rows.ts";
import { checkParity, type ScoreMatrix } from "../../lib/model/parity/check.ts";
import { parseModel } from "../../lib/model/formats/detect.ts";
import { neighbor } from "../support/ensembles.ts";

function golden(name: string): TreeEnsemble {
  const path = new URL(`../golden/fuzz/${name}`, import.meta.url);
  return parseModel(Deno.readFileSync(path)) as TreeEnsemble;
}

/** Returns a sample of one row of zeros. */
function sampleFor(
  model: TreeEnsemble,
): { matrix: Float32Array; rows: number } {
  return { matrix: new Float32Array(model.features.count), rows: 1 };
}

const scorerOf = (model: TreeEnsemble): ScoreMatrix => (matrix, rows) =>
  evaluate(model, matrix, { rows }).predictions;

Deno.test("checkParity() reports engines that agree", async () => {
  const model = golden("logistic.ubj");
  const report = await checkParity(model, {
    sample: sampleFor(model),
    engines: { itself: scorerOf(model) },
  });
  // Two trees of three splits; at each: at, below and above the threshold, and missing.
  deepStrictEqual(report, {
    sampleRows: 1,
    generatedRows: 24,
    maxAbsoluteError: { itself: 0 },
  });
});

/** Engines with one typical converter bug each. */
const wrong: readonly [
  string,
  (model: TreeEnsemble) => TreeEnsemble,
  RegExp,
][] = [
  [
    "a comparison with <= in place of <",
    (model) => ({
      ...model,
      threshold: model.threshold.map((t) => neighbor(t, 1)),
    }),
    /returns \S+, expected \S+, for column "column \d" at \S+ \(tree \d\)/,
  ],
  [
    "the wrong default direction",
    (model) => ({ ...model, defaultLeft: model.defaultLeft.map((d) => 1 - d) }),
    /for column "column \d" missing/,
  ],
  [
    "a missing base margin",
    (model) => ({ ...model, baseMargins: Float32Array.of(0) }),
    /returns \S+, expected \S+, for row 1 of the sample/,
  ],
  [
    "a missing last round",
    (model) => ({ ...model, roots: model.roots.slice(0, 1) }),
    /for row 1 of the sample/,
  ],
  [
    "a missing sigmoid",
    (model) => ({ ...model, transform: { kind: "identity" } }),
    /for row 1 of the sample/,
  ],
];

for (const [name, change, message] of wrong) {
  Deno.test(`checkParity() rejects an engine with ${name}`, async () => {
    const model = golden("logistic.ubj");
    await rejects(
      checkParity(model, {
        sample: sampleFor(model),
        engines: { onnx: scorerOf(change(model)) },
      }),
      (error) => {
        ok(error instanceof InputError);
        ok(error.message.startsWith("Cannot accept model: onnx returns "));
        return message.test(error.message) || error;
      },
    );
  });
}

Deno.test("checkParity() rejects NaN instead of a number, and too few values", async () => {
  const model = golden("logistic.ubj");
  const sample = sampleFor(model);
  const nan: ScoreMatrix = (_, rows) => new Float32Array(rows).fill(NaN);
  await rejects(
    checkParity(model, { sample, engines: { nan } }),
    /nan returns NaN/,
  );
  const few: ScoreMatrix = (_, rows) => new Float32Array(rows - 1);
  await rejects(
    checkParity(model, { sample, engines: { few } }),
    /few returns 0 values, expected 1/,
  );
});

for (
  const name of [
    "logistic.ubj",
    "categories.ubj",
    "dart.ubj",
    "vectors.ubj",
    "binary.txt",
    "classes.txt",
  ]
) {
  Deno.test(`boundaryRows() reaches every leaf of ${name}`, () => {
    const model = golden(name);
    const { matrix, rows } = boundaryRows(model, {
      sample: new Float32Array(model.features.count),
    });
    const reached = new Set<number>();
    for (let r = 0; r < rows; r++) {
      const row = matrix.subarray(
        r * model.features.count,
        (r + 1) * model.features.count,
      );
      for (const root of model.roots) reached.add(leafOf(model, row, root));
    }
    const leaves = model.left.filter((left) => left < 0).length;
    strictEqual(reached.size, leaves);
  });
}

/** Returns the leaf that a row reaches, with `evaluate()` and a model of one tree whose leaf values are node indices. */
function leafOf(model: TreeEnsemble, row: Float32Array, root: number): number {
  const { margins } = evaluate(
    {
      ...model,
      groups: 1,
      outputs: 1,
      precision: "float64",
      transform: { kind: "identity" },
      roots: Int32Array.of(root),
      treeGroups: Int32Array.of(0),
      baseMargins: Float64Array.of(0),
      leafSize: 1,
      leaf: Float64Array.from(model.left, (_, node) => node),
      divisor: 1,
    },
    row,
    { rows: 1 },
  );
  return margins[0] ?? NaN;
}

Deno.test("boundaryRows() respects its limit", () => {
  const model = golden("logistic.ubj");
  const sample = new Float32Array(model.features.count);
  ok(boundaryRows(model, { sample, limit: 10 }).rows <= 10);
});
