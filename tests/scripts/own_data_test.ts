/** Models and data of users' own, from `log-model` to stored scores, against the libraries that trained and encoded them. */
import {
  deepStrictEqual,
  match,
  notDeepStrictEqual,
  ok,
  strictEqual,
} from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { openProject } from "../support/project.ts";
import { runPython, testWithPython } from "../support/python.ts";
import {
  hasSeed,
  readSeed,
  seedFolder,
  testWithSeed,
} from "../support/seed.ts";

const peers = new URL("../peers/", import.meta.url);

/** Margins are XGBoost's to the bit; its `exp` and ours may differ in the last bit of a probability. */
function assertScores(
  found: readonly number[],
  expected: readonly number[],
  message?: string,
): void {
  strictEqual(found.length, expected.length);
  found.forEach((score, row) =>
    ok(
      Math.abs(score - expected[row]!) <= 1.2e-7,
      `${message} row ${row}: ${score}, expected ${expected[row]}`,
    )
  );
}

const scoresQuery =
  "select player_id, churn_probability as score from churn_predictions order by scoring_run_id, row_number";

const brandVariants = `
missing_value: -999
recipe: { one_hot: [{ column: brand }] }
variants: [{}]
`;

testWithPython(
  "a model with get_dummies, missing=-999 and a column that looks like a category scores as XGBoost does",
  async (t) => {
    await using project = await openProject(brandVariants);
    const { files, run } = project;
    await runPython("xgboost", fileURLToPath(new URL("own_model.py", peers)), {
      args: [files],
    });
    const expected: {
      version: string;
      scores: number[];
      without_missing: number[];
    } = JSON.parse(await Deno.readTextFile(`${files}/expected.json`));
    const named = [
      `--model=${files}/model.ubj`,
      `--features=${files}/features.json`,
      `--sample=${files}/sample.jsonl`,
    ];
    await run("setup");
    const { report } = await run("log-model", named);
    strictEqual(report.status, "created");
    const [{ description }] = (await run("query", [
      "select description from model_versions",
    ])).report.result;
    match(description, /-999 means "missing"[^]*dtype=dict.fromkeys\(doubles/);
    await run("promote", ["--version", "1"]);
    const week = (await Deno.readTextFile(`${files}/week.jsonl`)).split("\n");
    const stored = async (): Promise<{ player_id: string; score: number }[]> =>
      (await run("query", [scoresQuery])).report.result;

    await t.step("every score is XGBoost's", async () => {
      notDeepStrictEqual(expected.scores, expected.without_missing);
      await run("predict", ["--input", `${files}/week.jsonl`]);
      assertScores(
        (await stored()).map(({ score }) => score),
        expected.scores,
        `XGBoost ${expected.version}`,
      );
    });

    await t.step(
      "mlflow.pyfunc reads -999 as missing, too",
      async () => {
        const { stdout } = await runPython("mlflow-3.17.2", scoreEncoded, {
          args: [report.model_uri, `${files}/week.jsonl`],
        });
        assertScores(
          JSON.parse(stdout.trim().split("\n").at(-1) ?? ""),
          expected.scores,
        );
      },
    );

    await t.step(
      "a week without brand_count is rejected, not scored as if no category were set",
      async () => {
        const lines = week.map((line) => {
          const { brand_count: _, ...row } = JSON.parse(line);
          return JSON.stringify(row);
        });
        await Deno.writeTextFile(`${files}/short.jsonl`, lines.join("\n"));
        const { stderr } = await run("predict", [
          "--input",
          `${files}/short.jsonl`,
        ], 1);
        match(stderr, /column "brand_count" is missing in all 200 rows/);
        strictEqual((await stored()).length, 200);
      },
    );

    await t.step(
      "a week of unknown brands is rejected; a few cause a warning",
      async () => {
        const relabel = (share: number) =>
          week.map((line, index) => {
            const row = JSON.parse(line);
            return JSON.stringify(
              index < week.length * share ? { ...row, brand: "ny" } : row,
            );
          }).join("\n");
        await Deno.writeTextFile(`${files}/unknown.jsonl`, relabel(0.6));
        const { stderr } = await run("predict", [
          "--input",
          `${files}/unknown.jsonl`,
        ], 1);
        match(stderr, /120 of 200 rows \(60 %\) have a value in "brand".*"ny"/);
        await Deno.writeTextFile(`${files}/unknown.jsonl`, relabel(0.1));
        const few = await run("predict", [
          "--dry-run",
          "--input",
          `${files}/unknown.jsonl`,
        ]);
        match(few.stderr, /WARNING: .*: 20 of 200 rows \(10.0 %\)/);
      },
    );

    await t.step(
      "rows without an id column, or with only null ids, are rejected unless the variant has no ids",
      async () => {
        const rename = (line: string) =>
          line.replace('"player_id"', '"player"');
        await Deno.writeTextFile(
          `${files}/renamed.jsonl`,
          week.map(rename).join("\n"),
        );
        await Deno.writeTextFile(
          `${files}/nobody.jsonl`,
          week.map((line) => line.replace(/"P-\d+"/, "null")).join("\n"),
        );
        const { stderr } = await run("predict", [
          "--input",
          `${files}/renamed.jsonl`,
        ], 1);
        match(stderr, /none of the 200 rows has the column "player_id"/);
        const nobody = await run("predict", [
          "--input",
          `${files}/nobody.jsonl`,
        ], 1);
        match(
          nobody.stderr,
          /"player_id" is null in all 200 rows.*set "id_column" .* or to none/,
        );
        strictEqual((await stored()).length, 200);
        await project.declare(`${brandVariants}\nid_column: none\n`);
        await run("predict", ["--input", `${files}/nobody.jsonl`]);
        const all = await stored();
        ok(all.slice(200).every(({ player_id }) => player_id === null));
        assertScores(all.slice(200).map(({ score }) => score), expected.scores);
        await project.declare(brandVariants);
      },
    );

    await t.step(
      "a different sample or recipe creates a new version; the same files do not",
      async () => {
        strictEqual((await run("log-model", named)).report.status, "unchanged");
        const sample = (await Deno.readTextFile(`${files}/sample.jsonl`)).split(
          "\n",
        );
        await Deno.writeTextFile(
          `${files}/other.jsonl`,
          sample.slice(5).join("\n"),
        );
        const other = await run("log-model", [
          ...named.slice(0, 2),
          `--sample=${files}/other.jsonl`,
        ]);
        deepStrictEqual(
          [other.report.status, other.report.model_version],
          ["created", 2],
        );
        await project.declare(brandVariants.replace("missing_value: -999", ""));
        const changed = await run("log-model", named);
        deepStrictEqual(
          [changed.report.status, changed.report.model_version],
          ["created", 3],
        );
      },
    );

    await t.step(
      "an older version is scored with its own recipe, with a warning",
      async () => {
        const { stderr } = await run("predict", [
          "--force",
          "--model-uri=models:/churn-prediction-model/1",
          `--input=${files}/week.jsonl`,
        ]);
        match(stderr, /recipe in variants.yaml differs from the one/);
        const scores = (await stored()).slice(-200).map(({ score }) => score);
        assertScores(scores, expected.scores);
        await run("predict", [
          "--force",
          "--model-uri=models:/churn-prediction-model/3",
          `--input=${files}/week.jsonl`,
        ]);
        assertScores(
          (await stored()).slice(-200).map(({ score }) => score),
          expected.without_missing,
        );
      },
    );
  },
);

const scoreEncoded = `
import json, sys
import mlflow, pandas as pd
model = mlflow.pyfunc.load_model(sys.argv[1])
schema = model.metadata.get_input_schema()
week = pd.DataFrame([json.loads(line) for line in open(sys.argv[2])])
frame = pd.get_dummies(week, columns=["brand"]).reindex(columns=schema.input_names(), fill_value=False)
doubles = [column.name for column in schema if column.type.name == "double"]
scores = model.predict(frame.astype(dict.fromkeys(doubles, float)))
print(json.dumps([float(score) for score in scores.to_numpy().ravel()]))
`;

const seedVariants = `
recipe: { one_hot: [{ column: brand_id }] }
variants: [{}]
`;

const readWeek = `
import json, sys
import mlflow, pandas as pd
model = mlflow.pyfunc.load_model(sys.argv[1])
rows = [json.loads(line) for line in open(sys.argv[2])]
print(json.dumps([float(score) for score in model.predict(pd.DataFrame(rows))]))
doubles = [c.name for c in model.metadata.get_input_schema() if c.type.name == "double"]
frame = pd.read_json(sys.argv[2], lines=True, dtype=dict.fromkeys(doubles, float))
print(json.dumps([float(score) for score in model.predict(frame)]))
`;

const testWithSeedAndPython = hasSeed ? testWithPython : testWithSeed;

testWithSeedAndPython(
  "the user's model and its 10-row sample of whole deposits score a week with 58.06, here and in MLflow",
  async () => {
    await using project = await openProject(seedVariants);
    const { files, run } = project;
    const seed = (name: string) => `${seedFolder}/${name}`;
    for (
      const name of [
        "xgb_churn_model_2.bin",
        "feature_names_3.json",
        "X_test_sample_2.json",
      ]
    ) {
      await Deno.copyFile(seed(name), `${files}/${name}`);
    }
    await run("setup");
    const { report } = await run("log-model", [
      `--model=${files}/xgb_churn_model_2.bin`,
      `--features=${files}/feature_names_3.json`,
      `--sample=${files}/X_test_sample_2.json`,
    ]);
    await run("promote", ["--version", "1"]);
    const sample = new TextDecoder().decode(
      await readSeed("X_test_sample_2.json"),
    )
      .trim().split("\n").map((line) => JSON.parse(line));
    const week = sample.map((row, index) => ({
      ...row,
      total_deposit: index === 0 ? 58.06 : row.total_deposit,
      player_id: `P-${index}`,
    }));
    await Deno.writeTextFile(
      `${files}/week.jsonl`,
      week.map((row) => JSON.stringify(row)).join("\n"),
    );
    await run("predict", ["--input", `${files}/week.jsonl`]);
    const { result } = (await run("query", [scoresQuery])).report;
    strictEqual(result.length, 10);
    const weekRows = week.map(({ player_id: _, ...row }) => row);
    const path = `${files}/frame.jsonl`;
    // As Python's json.dumps writes a frame of floats: 0.0, not 0.
    const text = weekRows.map((row) =>
      JSON.stringify(row).replace(
        /("total_(?:deposit|handle|ngr)"):(-?\d+)(?=[,}])/g,
        "$1:$2.0",
      )
    ).join("\n");
    await Deno.writeTextFile(path, text);
    const { stdout } = await runPython("mlflow-3.17.2", readWeek, {
      args: [report.model_uri, path],
    });
    const [loads, readJson] = stdout.trim().split("\n").slice(-2).map((line) =>
      JSON.parse(line) as number[]
    );
    const ours = result.map(({ score }: { score: number }) => score);
    deepStrictEqual(loads, ours);
    deepStrictEqual(readJson, ours);
    ok(ours[0] !== 0.6345393657684326, "58.06 takes another path than 0.0");
  },
);
