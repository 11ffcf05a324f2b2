/**
 * Compares predictions with those of the Python packages, which train models
 * with all objectives, boosters, depths, kinds of missing values and categories
 * and score 1,000 rows with each. `deno task parity-table` writes
 * `docs/parity.md` from the same run.
 */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { compare, type Index, type Outcome } from "../parity/compare.ts";
import { evaluate } from "../../lib/model/evaluate.ts";
import { parseModel } from "../../lib/model/formats/detect.ts";
import { parityTable } from "../parity/table.ts";
import { runPython, testWithPython } from "../support/python.ts";

const generator = fileURLToPath(
  new URL("../parity/generate.py", import.meta.url),
);

testWithPython(
  "evaluate(), openKernel() and toOnnx() agree with XGBoost and LightGBM",
  async (t) => {
    const folder = await Deno.makeTempDir({ prefix: "parity-" });
    try {
      const env = { PYTHONDONTWRITEBYTECODE: "1" };
      await runPython("parity", generator, { args: [folder], env });
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

interface BaseScores {
  readonly objective: string;
  readonly model: string;
  readonly scores: readonly string[];
  /** The margin of a row of zeros for each score: base64 of float32. */
  readonly margins: string;
}

testWithPython(
  "parseModel() converts base_score to XGBoost's margin, bit for bit",
  async () => {
    const script = new URL("../parity/base_scores.py", import.meta.url);
    const { stdout } = await runPython("parity", fileURLToPath(script), {
      env: { PYTHONDONTWRITEBYTECODE: "1" },
    });
    const all = JSON.parse(stdout) as BaseScores[];
    strictEqual(all.length, 4);
    let inexact = 0; // margins that a correctly rounded logarithm would not give
    for (const { objective, model, scores, margins } of all) {
      const expected = new Float32Array(Uint8Array.fromBase64(margins).buffer);
      strictEqual(expected.length, 1000);
      scores.forEach((score, n) => {
        const text = model.replace('"[BASE]"', `"[${score}]"`);
        const found = parseModel(new TextEncoder().encode(text));
        const { margins } = evaluate(
          found,
          new Float32Array(found.features.count),
          { rows: 1 },
        );
        strictEqual(margins[0], expected[n], `${objective} from ${score}`);
        const p = Math.fround(Number(score));
        const start = found.baseMargins[0] ?? NaN;
        const nearest = objective.endsWith("logistic")
          ? -Math.log(Math.fround(Math.fround(1 / p) - 1))
          : Math.log(p);
        if (Math.fround(nearest) !== start) inexact++;
      });
    }
    ok(
      inexact > 0,
      "no score distinguishes logf from a correctly rounded logarithm",
    );
  },
);

/** Checks that the models cover every feature that is hard to score. */
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
  const missing = Object.entries(has).filter(([, isCovered]) => !isCovered);
  deepStrictEqual(missing.map(([name]) => name), []);
}
