/** ONNX classifiers and regressors that real MLflow logged: `predict` stores the right class's probability, or refuses. */
import { match, ok, strictEqual } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { copyProject } from "../support/checkout.ts";
import { runCommand } from "../support/commands.ts";
import { runPython, testWithPython } from "../support/python.ts";
import { startWorld } from "../support/world.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const folder = `${root}tests/golden/onnx`;
const golden: {
  rows: number[];
  models: Record<string, { expected: number[] }>;
} = JSON.parse(Deno.readTextFileSync(`${folder}/expected.json`));
const names = [
  "text-first",
  "text-second-matrix",
  "integers-one-two-matrix",
  "sklearn-logistic",
  "stacking-matrix",
  "net-sigmoid",
  "forest-of-shares",
  "catboost-three",
  "sklearn-boosting",
] as const;
type Name = typeof names[number];

testWithPython(
  "predict stores the probability of the churn class, or rejects an ONNX model that MLflow logged",
  async (t) => {
    await using world = await startWorld("geography-us", "mlflow-3.17.2");
    await using project = await copyProject();
    const env = { ...world.env, CHURN_FILES: project.path };
    const input = `${project.path}/rows.jsonl`;
    await Deno.writeTextFile(input, toLines(golden.rows));
    const run = async (
      command: string,
      flags: string[],
      code = 0,
      json = true,
    ) => {
      const us = ["--geography", "US", "--retries", "0"];
      return await runCommand(
        command,
        [...command === "query" ? [] : us, ...flags],
        { env, code, json, folder: project.path },
      );
    };
    await run("setup", []);
    const { stdout } = await runPython(
      "mlflow-3.17.2",
      `${root}tests/peers/log_graphs.py`,
      {
        args: [
          "churn_prediction-geography-us",
          "churn-prediction-model-us",
          ...names.map((name) => `${folder}/${name}.onnx`),
        ],
        env: { ...world.pythonEnv },
      },
    );
    const versions = JSON.parse(stdout.trim().split("\n").at(-1) ?? "");
    const predict = (name: Name, code = 0, flags: string[] = [], json = true) =>
      run(
        "predict",
        [
          "--force",
          "--input",
          input,
          "--model-uri",
          `models:/churn-prediction-model-us/${
            versions[`${folder}/${name}.onnx`]
          }`,
          ...flags,
        ],
        code,
        json,
      );
    const count = async () =>
      (await run("query", ["select count(*)::int as n from churn_predictions"]))
        .report.result[0].n;
    const settings = await Deno.readTextFile(`${project.path}/variants.yaml`);
    const say = (lines: string) =>
      Deno.writeTextFile(`${project.path}/variants.yaml`, settings + lines);

    for (
      const [name, lines, columns, column] of [
        ["sklearn-logistic", "", 2, 1],
        ["net-sigmoid", "", 1, 0],
        ["text-first", "positive_class: churn\n", 2, 0],
        ["text-first", "positive_class: stay\n", 2, 1],
        ["stacking-matrix", "positive_class: churn\n", 2, 0],
        ["text-second-matrix", "positive_class: churned\n", 2, 1],
        ["integers-one-two-matrix", "positive_class: 2\n", 2, 1],
        ["forest-of-shares", "model_output: probability\n", 1, 0],
      ] as const
    ) {
      await t.step(`${name} ${lines.trim()}`, async () => {
        await say(lines);
        const { report } = await predict(name);
        const { report: stored } = await run("query", [
          `select churn_probability as p from churn_predictions p
           join scoring_runs r on r.id = p.scoring_run_id
           where r.mlflow_run_id = '${report.run_id}' order by row_number`,
        ]);
        const found: number[] = stored.result.map(({ p }: { p: number }) => p);
        const expected = golden.models[name]!.expected.filter((_, index) =>
          index % columns === column
        );
        strictEqual(found.length, 20);
        found.forEach((p, row) =>
          ok(Math.abs(p - expected[row]!) <= 1e-6, `row ${row + 1}: ${p}`)
        );
      });
    }

    const before = await count();
    await say("");
    for (
      const [name, code, message] of [
        ["text-first", 2, /"churn", "stay".*positive_class: churn/],
        ["integers-one-two-matrix", 2, /"1", "2".*`positive_class: 2`/],
        ["forest-of-shares", 1, /not known to be a probability.*--output/],
        ["sklearn-boosting", 1, /not known to be a probability.*--output/],
        ["catboost-three", 1, /probabilities of 3 classes.*--output/],
      ] as const
    ) {
      await t.step(`${name} is rejected with exit code ${code}`, async () => {
        match((await predict(name, code)).report.error, message);
        match(
          (await predict(name, code, ["--dry-run"])).report.error,
          message,
        );
      });
    }
    strictEqual(await count(), before);

    await t.step("a probability is reported as a probability", async () => {
      const { stdout } = await predict("net-sigmoid", 0, ["--dry-run"], false);
      match(stdout, /^ {2}churn probability: mean 0\.481, /m);
    });

    await t.step(
      "scores of a regressor and of three classes are written to a file",
      async () => {
        const file = `${project.path}/scores.jsonl`;
        const write = async (name: Name) => {
          const ended = await predict(name, 0, ["--output", file], false);
          const text = await Deno.readTextFile(file);
          const rows = text.trim().split("\n").map((line) => JSON.parse(line));
          return { rows, said: ended.stdout };
        };
        const one = await write("sklearn-boosting");
        strictEqual(one.rows.length, 20);
        one.rows.forEach(({ score }, row) => {
          const expected = golden.models["sklearn-boosting"]!.expected[row]!;
          ok(Math.abs(score - expected) <= 1e-6);
        });
        match(one.said, /^ {2}score: mean /m);
        ok(!/churn probability/.test(one.said));
        const three = await write("catboost-three");
        three.rows.forEach((row, index) =>
          [0, 1, 2].forEach((column) => {
            const expected = golden.models["catboost-three"]!
              .expected[3 * index + column]!;
            ok(Math.abs(row[`score_${column}`] - expected) <= 1e-6);
          })
        );
        match(
          three.said,
          /3 class probabilities per player: score_0 to score_2/,
        );
        ok(!/churn probability/.test(three.said));
      },
    );
  },
);

/** The golden rows, five columns each, as players. */
function toLines(cells: readonly number[]): string {
  return Array.from({ length: cells.length / 5 }, (_, row) => {
    const columns = cells.slice(row * 5, row * 5 + 5).map((cell, index) =>
      [`x${index}`, cell] as const
    );
    return JSON.stringify({
      player_id: `p${row}`,
      ...Object.fromEntries(columns),
    });
  }).join("\n");
}
