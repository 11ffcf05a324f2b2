/** Compares the kernel with the reference evaluator, which the parity test compares with the libraries. */
import { deepStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import { InputError } from "../../lib/base/errors.ts";
import type { TreeEnsemble } from "../../lib/model/ensemble.ts";
import { evaluate } from "../../lib/model/evaluate.ts";
import { openKernel } from "../../lib/model/kernel/kernel.ts";
import { buildWasm, wasmModule } from "../../lib/model/kernel/build.ts";
import { parseModel } from "../../lib/model/formats/detect.ts";
import { instantiate } from "../../lib/model/kernel/module.ts";
import { differences } from "../parity/compare.ts";
import {
  type EnsembleShape,
  makeEnsemble,
  makeRows,
  neighbor,
  seededNumbers,
} from "../support/ensembles.ts";
import {
  readSeed,
  readSeedMatrix,
  seedProbabilities,
  testWithSeed,
} from "../support/seed.ts";

/** Each model with several seeds. */
const shapes: Record<string, Omit<EnsembleShape, "seed">> = {
  "one stump": { features: 1, trees: 1, inner: 1 },
  "trees without a split": { features: 3, trees: 5, inner: 0 },
  "no trees": { features: 3, trees: 0, inner: 0 },
  "few shallow trees": { features: 7, trees: 10, inner: 7, depth: 3 },
  "full trees of depth 6": {
    features: 45,
    trees: 30,
    inner: 63,
    depth: 6,
    skew: 0,
    thresholds: 40,
  },
  "full trees of depth 7": {
    features: 9,
    trees: 20,
    inner: 127,
    depth: 7,
    skew: 0,
  },
  "full trees of depth 8, with vector leaves in double": {
    features: 9,
    trees: 12,
    inner: 255,
    depth: 8,
    skew: 0.01,
    groups: 2,
    vectorLeaves: true,
    precision: "float64",
  },
  "irregular trees": { features: 5, trees: 40, inner: 60, skew: 0.6 },
  "chains": { features: 4, trees: 10, inner: 200, skew: 1 },
  "trees of exactly 256 leaves and some more": {
    features: 3,
    trees: 12,
    inner: 262,
    skew: 0.1,
  },
  "large trees": { features: 6, trees: 6, inner: 3000, skew: 0.2 },
  "large irregular trees": { features: 6, trees: 4, inner: 3000, skew: 0.7 },
  "many thresholds of few features": {
    features: 2,
    trees: 50,
    inner: 40,
  },
  "more features than are used": { features: 400, trees: 6, inner: 9 },
  "several groups": { features: 9, trees: 31, inner: 20, groups: 5 },
  "vector leaves": {
    features: 9,
    trees: 12,
    inner: 40,
    groups: 3,
    vectorLeaves: true,
  },
  "large trees with vector leaves": {
    features: 9,
    trees: 4,
    inner: 900,
    groups: 3,
    vectorLeaves: true,
  },
  "categories": { features: 6, trees: 20, inner: 30, categorical: 0.5 },
  "categories rounded down": {
    features: 6,
    trees: 20,
    inner: 30,
    categorical: 0.5,
    rounding: "floor",
  },
  "only categories, in large trees": {
    features: 2,
    trees: 3,
    inner: 1000,
    categorical: 1,
  },
  "zero is missing": {
    features: 6,
    trees: 20,
    inner: 30,
    categorical: 0.3,
    zeroIsMissing: true,
  },
  "sums in double": { features: 6, trees: 30, inner: 30, precision: "float64" },
  "averages in double over groups": {
    features: 6,
    trees: 30,
    inner: 30,
    precision: "float64",
    groups: 3,
    divisor: 10,
  },
  "large trees in double with vector leaves": {
    features: 6,
    trees: 3,
    inner: 700,
    precision: "float64",
    groups: 2,
    vectorLeaves: true,
  },
  "averages in float32": { features: 6, trees: 9, inner: 30, divisor: 9 },
};

for (const [name, shape] of Object.entries(shapes)) {
  Deno.test(`openKernel() computes the evaluator's margins bit for bit: ${name}`, () => {
    for (const seed of [1, 2, 3]) {
      const model = makeEnsemble({ ...shape, seed });
      const kernel = openKernel(model);
      for (const rows of [1, 127, 300]) {
        const matrix = makeRows(model, { rows, seed: seed + rows });
        const { margins } = evaluate(model, matrix, { rows });
        deepStrictEqual(kernel.margins(matrix, rows), margins);
      }
    }
  });
}

Deno.test("openKernel() handles category sets that are empty, full, or beyond the integers of float32", () => {
  const made = makeEnsemble({
    seed: 4,
    features: 3,
    trees: 9,
    inner: 12,
    categorical: 1,
  });
  const { categories } = made;
  ok(categories);
  const { length } = categories.words;
  const beyond = new Uint32Array((2 ** 24 >> 5) + 10);
  beyond.fill(0xffffffff, (2 ** 24 >> 5) - 1);
  const sets = [
    { ...categories, words: new Uint32Array(length) },
    { ...categories, words: new Uint32Array(length).fill(0xffffffff) },
    {
      ...categories,
      words: beyond,
      start: categories.start.map((start) => start < 0 ? -1 : 0),
      size: categories.size.map(() => beyond.length),
    },
  ];
  for (const categories of sets) {
    const model = { ...made, categories };
    const matrix = makeRows(model, { rows: 300, seed: 1 });
    for (let i = 0; i < 100; i++) matrix[i * 7] = 2 ** 24 - 40 + i * 5;
    const { margins } = evaluate(model, matrix, { rows: 300 });
    deepStrictEqual(openKernel(model).margins(matrix, 300), margins);
  }
});

interface Golden {
  readonly library: "xgboost" | "lightgbm";
  readonly models: readonly {
    readonly file: string;
    readonly rows: string;
    readonly margins: string;
  }[];
}

const goldens = new URL("../golden/models/", import.meta.url);

for (const { name: version } of Deno.readDirSync(goldens)) {
  Deno.test(`openKernel() computes the library's margins bit for bit: ${version}`, async () => {
    const folder = new URL(`${version}/`, goldens);
    const { library, models }: Golden = JSON.parse(
      await Deno.readTextFile(new URL("expected.json", folder)),
    );
    let trees = 0;
    for (const { file, rows, margins } of models) {
      const model = parseModel(await Deno.readFile(new URL(file, folder)));
      if (model.kind === "linear") continue;
      trees += model.roots.length;
      const Margins = library === "xgboost" ? Float32Array : Float64Array;
      const expected = new Margins(Uint8Array.fromBase64(margins).buffer);
      const matrix = new Float32Array(Uint8Array.fromBase64(rows).buffer);
      const count = matrix.length / model.features.count;
      const found = openKernel(model).margins(matrix, count);
      strictEqual(differences(expected, found), 0, file);
    }
    ok(trees > 0);
  });
}

Deno.test("openKernel() scores more rows than fit in one call, each independent of the others", () => {
  const model = makeEnsemble({ seed: 5, features: 45, trees: 5, inner: 20 });
  const kernel = openKernel(model);
  const rows = 5003;
  const matrix = makeRows(model, { rows, seed: 6 });
  const all = kernel.margins(matrix, rows);
  deepStrictEqual(all, evaluate(model, matrix, { rows }).margins);
  const one = kernel.margins(matrix.slice(45 * 4321, 45 * 4322), 1);
  strictEqual(one[0], all[4321]);
});

Deno.test("openKernel() keeps no state between calls", () => {
  const model = makeEnsemble({
    seed: 8,
    features: 4,
    trees: 20,
    inner: 60,
    categorical: 0.4,
  });
  const kernel = openKernel(model);
  const matrix = makeRows(model, { rows: 500, seed: 9 });
  const first = kernel.margins(matrix, 500);
  kernel.margins(makeRows(model, { rows: 4000, seed: 10 }), 4000);
  deepStrictEqual(kernel.margins(matrix, 500), first);
  strictEqual(kernel.margins(new Float32Array(), 0).length, 0);
});

const transforms: readonly TreeEnsemble["transform"][] = [
  { kind: "identity" },
  { kind: "logistic", slope: 1 },
  { kind: "exponential" },
  { kind: "step" },
  { kind: "softmax" },
  { kind: "argmax" },
];

for (const library of ["xgboost", "lightgbm"] as const) {
  for (const transform of transforms) {
    Deno.test(`openKernel() predicts as the evaluator does: ${library}, ${transform.kind}`, () => {
      const model = makeEnsemble({
        seed: 11,
        features: 6,
        trees: 60,
        inner: 30,
        groups: 3,
        precision: library === "xgboost" ? "float32" : "float64",
        library,
        transform,
      });
      // Margins from -900 to 900 and infinite ones, far beyond the range of exp.
      const leaf = model.leaf.map((value, n) =>
        n % 97 === 3 ? -Infinity : value * 20
      );
      for (const extreme of [model, { ...model, leaf }]) {
        const rows = 3000;
        const matrix = makeRows(model, { rows, seed: 12 });
        const found = openKernel(extreme).predict(matrix, rows);
        const { predictions } = evaluate(extreme, matrix, { rows });
        strictEqual(found.length, predictions.length);
        found.forEach((x, i) => {
          const expected = predictions[i] ?? NaN;
          ok(
            Object.is(x, expected) ||
              Math.abs(x - expected) <= 1.2e-7 * Math.abs(expected),
            `row ${i}: ${x}, expected ${expected}`,
          );
        });
      }
    });
  }
}

Deno.test("openKernel() rejects a model whose rows exceed the memory limit", () => {
  const shape = { seed: 1, features: 10_000_000, trees: 2, inner: 3 };
  throws(
    () => openKernel(makeEnsemble(shape)),
    (error) =>
      error instanceof InputError &&
      /needs 5\d{9} bytes.*--engine onnxruntime/.test(error.message),
  );
});

Deno.test("openKernel() rejects a matrix of the wrong size", () => {
  const model = makeEnsemble({ seed: 1, features: 3, trees: 2, inner: 3 });
  const kernel = openKernel(model);
  for (const method of ["predict", "margins"] as const) {
    throws(
      () => kernel[method](new Float32Array(7), 2),
      (error) =>
        error instanceof InputError &&
        /7 values, expected 6/.test(error.message),
    );
  }
});

testWithSeed(
  "openKernel() scores the seed's ten rows as XGBoost 3.2.0 does",
  async () => {
    const model = parseModel(await readSeed("xgb_churn_model_2.json"));
    strictEqual(model.kind, "trees");
    const matrix = await readSeedMatrix();
    const found = openKernel(model as TreeEnsemble).predict(matrix, 10);
    for (const [row, expected] of seedProbabilities.entries()) {
      ok(
        Math.abs((found[row] ?? NaN) - expected) <= 6e-8,
        `row ${row + 1}: ${found[row]}`,
      );
    }
  },
);

Deno.test("openKernel() finds the bin of every value for any distribution of thresholds", () => {
  const random = seededNumbers(3);
  for (let round = 0; round < 200; round++) {
    const scale = 10 ** (Math.floor(random() * 80) - 42);
    const trees = 25 + Math.floor(random() * 60);
    const made = makeEnsemble({ seed: round, features: 1, trees, inner: 1 });
    const drawn = Array.from({ length: trees }, (_, t) => {
      if (random() < 0.02) return t % 2 ? Infinity : -Infinity;
      return (random() - 0.5) * scale * (random() < 0.1 ? 1e4 : 1);
    });
    const threshold = made.threshold.slice();
    made.roots.forEach((root, t) => threshold[root] = drawn[t] ?? 0);
    const model = { ...made, threshold };
    const matrix = Float32Array.from([
      ...Array.from(threshold).flatMap((t) =>
        Number.isFinite(t) ? [neighbor(t, -1), t, neighbor(t, 1)] : [t]
      ),
      Infinity,
      -Infinity,
      NaN,
    ]);
    const rows = matrix.length;
    deepStrictEqual(
      openKernel(model).margins(matrix, rows),
      evaluate(model, matrix, { rows }).margins,
    );
  }
});

Deno.test("instantiate() rejects more memory than its limit", () => {
  throws(
    () => instantiate(2 ** 31),
    (error) =>
      error instanceof InputError &&
      /needs 2147483648 bytes/.test(error.message),
  );
});

Deno.test("buildWasm() reproduces the committed bytes", async () => {
  const committed = await Deno.readTextFile(
    new URL("../../lib/model/kernel/bytes.ts", import.meta.url),
  );
  strictEqual(wasmModule(await buildWasm()), committed);
});
