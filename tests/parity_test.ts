/**
 * Live parity with the Python packages: they train models over objectives,
 * boosters, depths, missing values and categories, and we must say of 1,000
 * rows each what they say. `deno task parity-table` writes the table of
 * `docs/parity.md` from the same run.
 */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { compare, type Index, type Outcome } from "./parity/compare.ts";
import { parityTable } from "./parity/table.ts";
import { runPython, testWithPython } from "./support/python.ts";

const generator = fileURLToPath(
  new URL("parity/generate.py", import.meta.url),
);

testWithPython(
  "evaluate(), openKernel() and toOnnx() say what XGBoost and LightGBM say",
  async (t) => {
    const folder = await Deno.makeTempDir({ prefix: "parity-" });
    try {
      const env = { PYTHONDONTWRITEBYTECODE: "1" };
      await runPython("xgboost", generator, { args: [folder], env });
      const index = JSON.parse(
        await Deno.readTextFile(`${folder}/index.json`),
      ) as Index;
      ok(index.models.length >= 150, `${index.models.length} models`);
      const outcomes: Outcome[] = [];
      for (const entry of index.models) {
        await t.step(`${entry.library} ${entry.name}`, async () => {
          const outcome = await compare(folder, entry);
          outcomes.push(outcome);
          strictEqual(outcome.rows, 1000);
          strictEqual(outcome.marginBits, 0, "margins that differ in a bit");
          ok(outcome.evaluateError <= 1e-6, `${outcome.evaluateError}`);
          const kernelError = outcome.kernelError ?? 0;
          ok(kernelError <= 1e-6, `kernel: ${kernelError}`);
          ok(outcome.onnxError <= 1e-6, `ONNX: ${outcome.onnxError}`);
        });
      }
      checkCoverage(outcomes);
      const table = Deno.env.get("PARITY_TABLE");
      if (table) await Deno.writeTextFile(table, parityTable(index, outcomes));
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
);

/** The suite is worth its name only while its models have what makes them hard. */
function checkCoverage(outcomes: readonly Outcome[]): void {
  const models = outcomes.map(({ model }) => model);
  const trees = models.flatMap((model) =>
    model.kind === "trees" ? [model] : []
  );
  const has = {
    linear: trees.length < models.length,
    categories: trees.some((model) => model.categories !== undefined),
    emptySets: trees.some((model) =>
      model.categories?.start.some((start, node) =>
        start >= 0 && model.categories?.size[node] === 0
      )
    ),
    vectorLeaves: trees.some((model) => model.leafSize > 1),
    zeroIsMissing: trees.some((model) => model.zeroIsMissing !== undefined),
    averages: trees.some((model) => model.divisor > 1),
    earlyStopped: models.some(({ rounds }) => rounds.used < rounds.total),
    deep: trees.some((model) => model.maxDepth > 8),
    stumps: trees.some((model) => model.maxDepth === 1),
  };
  const lacking = Object.entries(has).filter(([, there]) => !there);
  deepStrictEqual(lacking.map(([name]) => name), []);
}
