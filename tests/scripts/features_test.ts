/** A model on columns that pandas made: its recipe from `log-model` to scores, against pandas and XGBoost. */
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

const script = fileURLToPath(
  new URL("../peers/recipe_model.py", import.meta.url),
);

/** The recipe of `recipe_model.py`; `ranks` are those of the tiers. */
const declare = (ranks: string) => `
recipe:
  steps:
    - rename: { dep: deposit }
    - default: { deposit: 0, visits: 3 }
    - clip: { column: deposit, min: 0, max: 250 }
    - log1p: { column: deposit }
    - ratio: { numerator: wins, denominator: bets, to: win_rate }
    - map: { column: tier, values: ${ranks}, unknown: error }
    - days_between: { start: first_bet, end: last_bet, to: days }
  one_hot:
    - column: brand
variants: [{}]
`;
const a = declare("{ bronze: 0, silver: 1, gold: 2 }");
const b = declare("{ bronze: 2, silver: 1, gold: 0 }");

testWithPython(
  "a version is scored with its own recipe, and log-model --encoded refuses any difference from pandas",
  async (t) => {
    await using project = await openProject(a);
    const { files, run } = project;
    await runPython("xgboost", script, { args: [files] });
    const expected: { version: string; a: number[]; b: number[] } = JSON.parse(
      await Deno.readTextFile(`${files}/expected.json`),
    );
    const named = ["model.ubj", "features.json", "sample.jsonl"].map((file) =>
      `--${file.split(".")[0]}=${files}/${file}`
    );
    const tagsOf = async (version: number) =>
      (await run("query", [
        `select value from model_version_tags where key = 'churn.encoded_sha256' and version = ${version}`,
      ])).report.result;
    const encoded = await Deno.readTextFile(`${files}/encoded.csv`);
    const refused = async (text: string): Promise<string> => {
      await Deno.writeTextFile(`${files}/other.csv`, text);
      const { stderr } = await run("log-model", [
        ...named,
        `--encoded=${files}/other.csv`,
      ], 1);
      return stderr;
    };
    await run("setup");

    await t.step(
      "a difference, other columns, other rows: nothing is logged",
      async () => {
        const [header = "", ...rows] = encoded.trim().split("\n");
        const csv = (lines: readonly string[]) => lines.join("\n");
        const changed = rows.with(2, rows[2]!.replace(/,[^,]*$/, ",0.5"));
        match(
          await refused(csv([header, ...changed])),
          /Cannot log the model: 1 of 350 cells of .*sample.jsonl are encoded differently from .*other.csv; row 3, column "brand_NJ" is [01], but 0.5 there; cells by column: "brand_NJ" 1; nothing was logged/,
        );
        match(
          await refused(await Deno.readTextFile(`${files}/encoded_b.csv`)),
          /Cannot log the model: \d\d of 350 cells .* column "tier" is [02], but [02] there; cells by column: "tier" \d\d; nothing/,
        );
        const cut = (line: string) => line.replace(/,[^,]*$/, "");
        match(
          await refused(csv([header, ...rows].map(cut))),
          /other.csv: column "brand_NJ" is missing in all 50 rows/,
        );
        match(
          await refused(
            csv([`${header},brand_NY`, ...rows.map((row) => `${row},0`)]),
          ),
          /Cannot compare .*other.csv with .*sample.jsonl: the model has no column "brand_NY"; expected/,
        );
        match(
          await refused(csv([header, ...rows.slice(1)])),
          /it has 49 rows, expected the 50 rows of the sample in the same order/,
        );
        match(
          await refused(csv([header, ...rows.toReversed()])),
          /row 1 is "P-49" there and "P-0" in the sample; expected the same rows/,
        );
        const { report } = await run("query", [
          "select count(*)::int as versions from model_versions",
        ]);
        deepStrictEqual(report.result, [{ versions: 0 }]);
      },
    );

    await t.step(
      "the sample as pandas encoded it is logged, and the version says that it was compared",
      async () => {
        const { report } = await run("log-model", named);
        strictEqual(report.status, "created");
        deepStrictEqual(await tagsOf(1), []);
        const [{ description }] = (await run("query", [
          "select description from model_versions",
        ])).report.result;
        match(
          description,
          /steps in `metadata.churn.recipe` of MLmodel \(rename, default, clip, log1p, ratio, map, days_between\)/,
        );
        const again = await run("log-model", [
          ...named,
          `--encoded=${files}/encoded.csv`,
        ]);
        deepStrictEqual(
          [again.report.status, again.report.encoded_cells],
          ["unchanged", 350],
        );
        strictEqual((await tagsOf(1)).length, 1);
      },
    );

    await t.step(
      "Parquet and Arrow with timestamps, and CSV, are the same rows",
      async () => {
        await runPython("columnar", convert, { args: [files] });
        for (const format of ["parquet", "arrow", "csv"]) {
          const { report } = await run("log-model", [
            ...named.slice(0, 2),
            `--sample=${files}/sample.${format}`,
            `--encoded=${files}/encoded.csv`,
          ]);
          strictEqual(report.status, "unchanged", format);
        }
        await run("promote", ["--version", "1"]);
        const week = await Deno.readTextFile(`${files}/week.jsonl`);
        // Several blocks, which worker threads read.
        await Deno.writeTextFile(
          `${files}/week.large`,
          `${week}\n`.repeat(300),
        );
        for (const format of ["jsonl", "parquet", "arrow", "csv", "large"]) {
          await run("predict", [
            `--input=${files}/week.${format}`,
            `--output=${files}/scores-${format}.csv`,
          ]);
          const scores = (await Deno.readTextFile(
            `${files}/scores-${format}.csv`,
          )).trim().split("\n").slice(1).map((line) =>
            Number(line.split(",")[1])
          );
          scores.forEach((score, row) =>
            ok(
              Math.abs(score - expected.a[row % 200]!) <= 1.2e-7,
              `${format}, row ${row}: ${score}, expected ${
                expected.a[row % 200]
              }`,
            )
          );
          strictEqual(scores.length, format === "large" ? 60_000 : 200);
        }
      },
    );

    await t.step(
      "another recipe is another version; a rollback uses the recipe of its version",
      async () => {
        await project.declare(b);
        const { report } = await run("log-model", [
          ...named,
          `--encoded=${files}/encoded_b.csv`,
        ]);
        deepStrictEqual([report.status, report.model_version], ["created", 2]);
        strictEqual((await tagsOf(2)).length, 1);
        notDeepStrictEqual(expected.a, expected.b);
        for (
          const [version, scores] of [[2, expected.b], [1, expected.a]] as const
        ) {
          await run("promote", ["--version", String(version)]);
          const { stderr } = await run("predict", [
            "--force",
            `--input=${files}/week.jsonl`,
          ]);
          strictEqual(
            /recipe in variants.yaml differs from the one recorded/.test(
              stderr,
            ),
            version === 1,
          );
          const { report: stored } = await run("query", [
            `select churn_probability as score from churn_predictions where model_version = '${version}' order by row_number`,
          ]);
          const found: number[] = stored.result.map(
            ({ score }: { score: number }) => score,
          );
          strictEqual(found.length, 200);
          found.forEach((score, row) =>
            ok(
              Math.abs(score - scores[row]!) <= 1.2e-7,
              `version ${version}, row ${row}: ${score}, XGBoost ${expected.version} ${
                scores[row]
              }`,
            )
          );
        }
      },
    );

    await t.step(
      "monitor encodes the run's rows with the version's recipe",
      async () => {
        const { report } = await run("monitor");
        // A recipe that is not the run's would be a note.
        deepStrictEqual(report.notes, [
          "there is no earlier run of this variant on other data",
        ]);
      },
    );

    await t.step(
      "mlflow.pyfunc takes the input example, which has the model's columns",
      async () => {
        const { stdout } = await runPython("mlflow-3.17.2", scoreExample, {
          args: [
            (await run("query", [
              "select source, storage_location from model_versions where version = 1",
            ])).report.result[0].storage_location,
          ],
        });
        const { columns, difference } = JSON.parse(
          stdout.trim().split("\n").at(-1) ?? "",
        );
        deepStrictEqual(columns, [
          "deposit:double",
          "win_rate:double",
          "tier:double",
          "days:long",
          "visits:long",
          "brand_AZ:boolean",
          "brand_NJ:boolean",
        ]);
        ok(difference <= 1.2e-7, `difference ${difference}`);
      },
    );
  },
);

const convert = `
import sys
import pandas as pd
for name in ("sample", "week"):
    frame = pd.read_json(f"{sys.argv[1]}/{name}.jsonl", lines=True, convert_dates=False)
    frame.to_csv(f"{sys.argv[1]}/{name}.csv", index=False)
    for column in ("first_bet", "last_bet"):
        frame[column] = pd.to_datetime(frame[column])
    frame.to_parquet(f"{sys.argv[1]}/{name}.parquet", index=False)
    frame.to_feather(f"{sys.argv[1]}/{name}.arrow")
`;

const scoreExample = `
import json, sys
import mlflow, numpy as np
model = mlflow.pyfunc.load_model(sys.argv[1])
example = model.input_example
expected = json.load(open(sys.argv[1] + "/expected_scores.json"))["scores"]
scores = np.asarray(model.predict(example)).ravel()
print(json.dumps({
    "columns": [f"{column.name}:{column.type.name}" for column in model.metadata.get_input_schema()],
    "difference": float(np.abs(scores - expected).max()),
}))
`;
