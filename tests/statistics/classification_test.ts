import { deepStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import { parseFeatureNames } from "../../lib/rows/feature-names.ts";
import { toFeatures } from "../../lib/rows/features.ts";
import {
  areaUnderCurve,
  evaluationMetrics,
} from "../../lib/statistics/classification.ts";
import { evaluate } from "../../lib/model/evaluate.ts";
import { parseModel } from "../../lib/model/formats/detect.ts";
import { parseJsonLines } from "../../lib/rows/json-lines.ts";
import { localPath } from "../../lib/config/variant.ts";
import { toVariants } from "../../lib/config/variants.ts";
import { parseYaml } from "../../lib/base/yaml.ts";

const root = new URL("../../", import.meta.url);
const variants = toVariants(
  parseYaml(await Deno.readTextFile(new URL("variants.yaml", root)), {
    file: "variants.yaml",
  }),
);

for (const { variant, files, recipe, idColumn, label } of variants.listed) {
  Deno.test(`evaluationMetrics() returns scikit-learn's numbers for the labelled set of ${variant.title}`, async () => {
    const read = (path: string) =>
      Deno.readFile(new URL(localPath(variant, path), root));
    const model = parseModel(await read(files.model));
    const names = parseFeatureNames(await read(files.features), { file: "" });
    const rows = parseJsonLines(await read(files.evaluation!), { file: "" });
    const features = toFeatures(rows, {
      columns: names.map((name) => ({ name, type: "double" })),
      recipe,
      idColumn,
      labelColumn: label,
      file: "",
    });
    const found = evaluationMetrics({
      probabilities: evaluate(model, features.matrix, { rows: features.rows })
        .predictions,
      outcomes: features.labels!,
    });
    // The training script's: scikit-learn 1.9.1 on XGBoost 3.2.0's probabilities, rounded to 10 digits.
    const manifest = JSON.parse(
      new TextDecoder().decode(await read("models/churn/manifest.json")),
    );
    deepStrictEqual(
      Object.keys(found).sort(),
      Object.keys(manifest.metrics).sort(),
    );
    for (const [name, expected] of Object.entries(manifest.metrics)) {
      const difference = Math.abs(found[name]! - (expected as number));
      ok(difference < 1e-7, `${name}: ${found[name]}, expected ${expected}`);
    }
  });
}

Deno.test("evaluationMetrics() by hand: four rows, one of each kind", () => {
  // Predicted above 0.5: rows 1 and 3. Hits: row 1. Pairs ordered rightly: 3 of 4.
  const metrics = evaluationMetrics({
    probabilities: [0.8, 0.4, 0.6, 0.2],
    outcomes: [1, 1, 0, 0],
  });
  const close = (found: number | undefined, expected: number) =>
    ok(Math.abs(found! - expected) < 1e-15, `${found}, expected ${expected}`);
  strictEqual(metrics["auc"], 0.75);
  strictEqual(metrics["accuracy"], 0.5);
  strictEqual(metrics["precision"], 0.5);
  strictEqual(metrics["recall"], 0.5);
  strictEqual(metrics["base_rate"], 0.5);
  strictEqual(metrics["rows"], 4);
  close(metrics["brier"], (0.04 + 0.36 + 0.36 + 0.04) / 4);
  close(
    metrics["log_loss"],
    -(Math.log(0.8) + Math.log(0.4) + Math.log(0.4) + Math.log(0.8)) / 4,
  );
});

Deno.test("evaluationMetrics() omits undefined metrics", () => {
  const onlyChurned = evaluationMetrics({
    probabilities: [0.9, 0.1],
    outcomes: [1, 1],
  });
  deepStrictEqual(["auc" in onlyChurned, onlyChurned["recall"]], [false, 0.5]);
  const noneChurned = evaluationMetrics({
    probabilities: [0.4, 0.5],
    outcomes: [0, 0],
  });
  const undefinedOnes = ["auc", "precision", "recall"];
  deepStrictEqual(undefinedOnes.filter((name) => name in noneChurned), []);
  deepStrictEqual([noneChurned["accuracy"], noneChurned["base_rate"]], [1, 0]);
});

Deno.test("evaluationMetrics() classifies exactly 0.5 as not churned", () => {
  const { accuracy, recall } = evaluationMetrics({
    probabilities: [0.5, 0.5],
    outcomes: [0, 1],
  });
  deepStrictEqual([accuracy, recall], [0.5, 0]);
});

Deno.test("evaluationMetrics() stays finite for a certain and wrong probability", () => {
  // Clipped at double's epsilon 2^-52: -ln(2^-52) = 52 ln 2.
  const { log_loss } = evaluationMetrics({
    probabilities: [0, 1],
    outcomes: [1, 0],
  });
  ok(Math.abs(log_loss! - 52 * Math.LN2) < 1e-9, String(log_loss));
});

Deno.test("areaUnderCurve() counts a tie as half a pair", () => {
  const area = (probabilities: number[], outcomes: number[]) =>
    areaUnderCurve({ probabilities, outcomes });
  strictEqual(area([0.3, 0.3, 0.3, 0.3], [0, 1, 0, 1]), 0.5);
  // Six pairs: (.5,.5) half, (.5,.2) one, (.5,.9) none, (.9,.5) one, (.9,.2) one, (.9,.9) half.
  strictEqual(area([0.5, 0.9, 0.5, 0.2, 0.9], [1, 1, 0, 0, 0]), 4 / 6);
  strictEqual(area([0, 1], [0, 1]), 1);
  strictEqual(area([1, 0], [0, 1]), 0);
});

Deno.test("areaUnderCurve() equals the count over all pairs, ties and order mixed", () => {
  // Linear congruential, so that the rows are the same on every run.
  let state = 12345;
  const next = () => (state = (state * 1103515245 + 12345) % 2 ** 31) / 2 ** 31;
  const probabilities = Array.from(
    { length: 400 },
    () => Math.round(next() * 40) / 40,
  );
  const outcomes = Array.from({ length: 400 }, () => Number(next() < 0.3));
  let wins = 0;
  let pairs = 0;
  for (const [row, positive] of probabilities.entries()) {
    if (outcomes[row] !== 1) continue;
    for (const [other, negative] of probabilities.entries()) {
      if (outcomes[other] !== 0) continue;
      pairs++;
      wins += positive > negative ? 1 : positive === negative ? 0.5 : 0;
    }
  }
  const area = areaUnderCurve({ probabilities, outcomes });
  ok(Math.abs(area - wins / pairs) < 1e-12);
});

Deno.test("evaluationMetrics() and areaUnderCurve() reject undefined inputs", () => {
  throws(
    () => evaluationMetrics({ probabilities: [], outcomes: [] }),
    RangeError,
  );
  throws(
    () => evaluationMetrics({ probabilities: [0.1], outcomes: [0, 1] }),
    RangeError,
  );
  throws(
    () => areaUnderCurve({ probabilities: [0.1], outcomes: [1] }),
    RangeError,
  );
});
