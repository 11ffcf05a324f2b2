/** The importance of features, beside XGBoost's scores of the same moved rows. */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { openCandidateModel } from "../../lib/registration/candidate-model.ts";
import { featureImportance } from "../../lib/registration/importance.ts";
import { runPython, testWithPython } from "../support/python.ts";
import { randomFrom } from "../support/random.ts";

const model = "models/churn/xgb_churn_model_2.bin";

testWithPython(
  "featureImportance() is the mean change of XGBoost's scores when a feature is moved by half the rows",
  async () => {
    const random = randomFrom(1);
    await using opened = await openCandidateModel(
      await Deno.readFile(model),
      {
        settings: { positiveClass: undefined, modelOutput: undefined },
        file: model,
      },
    );
    const width = opened.model.features.count ?? 0;
    const rows = 40;
    const matrix = Float32Array.from(
      { length: rows * width },
      (_, index) =>
        index % width < 4 ? Math.fround(50 * random()) : Number(random() < 0.1),
    );
    const found = await featureImportance(opened.predict, {
      matrix,
      rows,
      width,
    });
    const { stdout } = await runPython(
      "xgboost",
      `import json, sys
import numpy as np, xgboost as xgb
model = xgb.Booster(model_file=sys.argv[1])
given = json.loads(sys.argv[2])
rows = np.array(given, dtype=np.float32).reshape(${rows}, ${width})
score = lambda values: model.inplace_predict(values)
before = score(rows)
changes = []
for column in range(${width}):
    moved = rows.copy()
    moved[:, column] = np.roll(rows[:, column], -${rows / 2})
    changes.append(float(np.abs(score(moved).astype(float) - before).mean()))
json.dump((np.array(changes) / sum(changes)).tolist(), sys.stdout)`,
      { args: [model, JSON.stringify([...matrix])] },
    );
    const expected: unknown = JSON.parse(stdout);
    ok(Array.isArray(expected) && expected.length === width);
    for (const [feature, share] of found!.entries()) {
      ok(Math.abs(share - Number(expected[feature])) < 1e-6, `${feature}`);
    }
    ok(found!.some((share) => share > 0.01), "no feature matters");
  },
);

Deno.test("featureImportance() is 0 for a feature that is not used, and undefined for a model that uses none", async () => {
  const random = randomFrom(2);
  const width = 3;
  const matrix = Float32Array.from({ length: 300 * width }, random);
  const data = { matrix, rows: 300, width };
  const useFirst = (values: Float32Array, rows: number) =>
    Promise.resolve(
      Float32Array.from({ length: rows }, (_, row) => values[row * width]!),
    );
  deepStrictEqual(await featureImportance(useFirst, data), [1, 0, 0]);
  const constant = (_: Float32Array, rows: number) =>
    Promise.resolve(new Float32Array(rows).fill(0.5));
  strictEqual(await featureImportance(constant, data), undefined);
});

Deno.test("featureImportance() sees the whole of a sorted set", async () => {
  const rows = 5000;
  const width = 2;
  // The second feature, on which nine tenths of the scores depend, is 0 in all but the last rows.
  const matrix = Float32Array.from(
    { length: rows * width },
    (_, index) => index % 2 === 0 ? index % 7 : Number(index > rows * 1.5),
  );
  const predict = (values: Float32Array, count: number) =>
    Promise.resolve(
      Float32Array.from(
        { length: count },
        (_, row) => values[row * width]! / 60 + 0.9 * values[row * width + 1]!,
      ),
    );
  const found = await featureImportance(predict, { matrix, rows, width });
  ok(found !== undefined && found[1]! > 0.5, `${found}`);
});

Deno.test("featureImportance() scores few rows of a model with many features", async () => {
  let scored = 0;
  const width = 5000;
  const predict = (values: Float32Array, rows: number) => {
    scored += rows;
    return Promise.resolve(
      Float32Array.from({ length: rows }, (_, row) => values[row * width]!),
    );
  };
  const matrix = Float32Array.from(
    { length: 100 * width },
    (_, index) => index,
  );
  const found = await featureImportance(predict, { matrix, rows: 100, width });
  strictEqual(found?.length, width);
  strictEqual(found[0], 1);
  ok(scored <= 51_000, `${scored} rows`);
});
