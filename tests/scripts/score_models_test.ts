/** Models of XGBoost and LightGBM whose output is no churn probability: refused before anything is stored or logged, scored to files. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { evaluate } from "../../lib/model/evaluate.ts";
import { parseModel } from "../../lib/model/formats/detect.ts";
import { runCommand } from "../support/commands.ts";
import { tempFolder } from "../support/servers.ts";

const folder = fileURLToPath(new URL("../golden/fuzz/", import.meta.url));

for (
  const [file, objective, found, announced] of [
    [
      "linear.json",
      "count:poisson",
      /not known to be a probability/,
      /^ {2}score: mean /m,
    ],
    [
      "dart.json",
      "multi:softprob",
      /the probabilities of 3 classes/,
      /3 class probabilities per player: score_0 to score_2/,
    ],
    [
      "classes.txt",
      "multiclass",
      /the probabilities of 3 classes/,
      /3 class probabilities per player: score_0 to score_2/,
    ],
  ] as const
) {
  Deno.test(`predict stores nothing of a ${objective} model, and writes its scores to files`, async () => {
    await using home = await tempFolder();
    const env = {
      CHURN_HOME: home.path,
      CHURN_FILES: `${home.path},${folder}`,
    };
    const model = parseModel(Deno.readFileSync(`${folder}${file}`));
    strictEqual(model.objective, objective);
    const { count, names: own } = model.features;
    const names = own.length > 0
      ? own
      : Array.from({ length: count }, (_, index) => `x${index}`);
    const matrix = Float32Array.from(
      { length: 6 * count },
      (_, i) => (i % 3) / 64,
    );
    const rows = Array.from({ length: 6 }, (_, row) => ({
      player_id: `p${row}`,
      ...Object.fromEntries(
        names.map((name, index) => [name, matrix[row * count + index]]),
      ),
    }));
    const sample = `${home.path}/rows.jsonl`;
    const features = `${home.path}/names.json`;
    await Deno.writeTextFile(
      sample,
      rows.map((row) => JSON.stringify(row)).join("\n"),
    );
    await Deno.writeTextFile(features, JSON.stringify(names));
    await runCommand("setup", [], { env });
    await runCommand("log-model", [
      ...["--model", `${folder}${file}`],
      ...["--features", features],
      ...["--sample", sample],
      ...["--stage", "Production"],
    ], { env });

    for (const flags of [[], ["--dry-run"]]) {
      const { report } = await runCommand("predict", [
        "--input",
        sample,
        ...flags,
      ], { env, code: 1 });
      match(report.error, found);
      match(report.error, /--output FILE\.csv, \.jsonl or \.parquet/);
    }
    const { report } = await runCommand("query", [
      `select (select count(*)::int from scoring_runs) as stored,
         (select count(*)::int from runs where name like 'Scoring%') as logged`,
    ], { env });
    deepStrictEqual(report.result, [{ stored: 0, logged: 0 }]);

    const output = `${home.path}/scores.jsonl`;
    const { stdout } = await runCommand("predict", [
      "--input",
      sample,
      "--output",
      output,
    ], { env, json: false });
    match(stdout, announced);
    ok(!/churn probability/.test(stdout));
    const written = (await Deno.readTextFile(output)).trim().split("\n");
    const scores = written.flatMap((line) =>
      Object.entries(JSON.parse(line)).filter(([key]) =>
        /^score(_\d)?$/.test(key)
      ).map(([, score]) => Number(score))
    );
    const { predictions } = evaluate(model, matrix, { rows: 6 });
    strictEqual(scores.length, predictions.length);
    scores.forEach((score, index) =>
      ok(Math.abs(score - predictions[index]!) <= 1e-6)
    );
  });
}
