/** `monitoring` and `expect` in `variants.yaml` as `monitor` uses them, embedded. */
import { deepStrictEqual, match, strictEqual } from "node:assert/strict";
import { openProject } from "../support/project.ts";

const recipe = `recipe:
  one_hot:
    - { column: brand_id, prefix: brand_id_ }
    - { column: ben_login_id, prefix: ben_login_id_ }
    - { column: player_reg_product, prefix: player_reg_product_ }
`;

Deno.test("monitor judges by the variant's thresholds, finds duplicate players and a late delivery, and advises by age outside the cool-down", async () => {
  await using project = await openProject(`${recipe}expect:
  max_age_days: 9
variants: [{}]
`);
  const sample = await Deno.readTextFile(
    `${project.path}/data/churn/X_test_sample_2.json`,
  );
  const lines = sample.trim().split("\n");
  const week = `${project.files}/2026-01-05.jsonl`;
  // 30 players come twice.
  await Deno.writeTextFile(week, [...lines, ...lines.slice(0, 30)].join("\n"));
  await project.run("setup");
  await project.run("log-model", ["--training-date", "2025-06-01"]);
  await project.run("promote", ["--version", "1"]);
  await project.run("predict", ["--input", week, "--period", "2026-01-05"]);
  const { report } = await project.run("monitor");
  strictEqual(report["data"], "warn");
  deepStrictEqual(
    report["data_reasons"].map((reason: string) =>
      reason.replaceAll(/\d+ days/g, "N days")
    ),
    [
      "duplicate players warns: 30 rows repeat one of 30 players, 2.9 % of 1030 rows (warns at 2.0 %, fails at 10.0 %)",
      "delivery warns: scored N days after the period began, at most 9 are expected (expect.max_age_days)",
    ],
  );
  strictEqual(report["drift"], "ok");
  strictEqual(report["retrain"], false);

  const other = `${project.files}/2026-01-12.jsonl`;
  await Deno.writeTextFile(other, lines.slice(0, 900).join("\n"));
  const declare = (more: string) =>
    project.declare(`${recipe}monitoring:
  thresholds:
    rows_ratio: { warn: 1.1, fail: 1.2 }
    psi: { warn: 0.0001, fail: 0.0002 }
${more}variants: [{}]
`);
  await declare("  max_model_age_days: 180\n");
  await project.run("predict", ["--input", other, "--period", "2026-01-12"]);
  const strict = (await project.run("monitor")).report;
  match(
    strict["data_reasons"].join(),
    /number of rows warns: 900 rows, 1030 in the median/,
  );
  const stored = JSON.parse(await Deno.readTextFile(strict["report_json"]));
  deepStrictEqual(stored.thresholds.psi, { warn: 0.0001, fail: 0.0002 });
  match(
    strict["reason"],
    /the model was trained \d+ days before, the limit is 180/,
  );
  strictEqual(strict["retrain"], true);

  const third = `${project.files}/2026-01-19.jsonl`;
  await Deno.writeTextFile(third, lines.slice(0, 910).join("\n"));
  await declare("  max_model_age_days: 180\n  cool_down_days: 30\n");
  await project.run("predict", ["--input", third, "--period", "2026-01-19"]);
  const cooled = (await project.run("monitor")).report;
  strictEqual(cooled["retrain"], false);
  match(
    cooled["reason"],
    /the limit is 180, but version 1 was logged 0 days ago/,
  );

  // Without outcomes, too, settings that return are judged again, once.
  await declare("  max_model_age_days: 180\n");
  strictEqual((await project.run("monitor")).report["retrain"], true);
  await declare("  max_model_age_days: 180\n  cool_down_days: 30\n");
  const returned = (await project.run("monitor")).report;
  deepStrictEqual([returned.status, returned["retrain"]], ["created", false]);
  const repeated = (await project.run("monitor")).report;
  deepStrictEqual([repeated.status, repeated["retrain"]], [
    "nothing-new",
    false,
  ]);
  const { report: rows } = await project.run("query", [
    "select retrain from monitoring_runs where scoring_run_id = 3 order by id",
  ]);
  deepStrictEqual(rows.result, [
    { retrain: false },
    { retrain: true },
    { retrain: false },
  ]);
});
