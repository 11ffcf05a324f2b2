/** `monitor` with `outcomes` in `variants.yaml`: files per period, one growing file, and a table, embedded and on Postgres with S3. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { openPglite } from "../../lib/database/pglite.ts";
import type { MonitoringResult } from "../../lib/monitoring/result.ts";
import type { LedgerRun } from "../../lib/monitoring/runs.ts";
import { toPeriodRuns } from "../../lib/monitoring/matured.ts";
import { putObject } from "../support/aws.ts";
import { copyProject } from "../support/checkout.ts";
import { type Ended, runCommand } from "../support/commands.ts";
import { openDatabase } from "../support/mlflow_stores.ts";
import { openProject, type Project } from "../support/project.ts";
import { runPython, testWithPython } from "../support/python.ts";
import { randomFrom } from "../support/random.ts";
import { freePort } from "../support/servers.ts";
import { startWorld } from "../support/world.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));

const declared = (outcomes: string) => `
recipe:
  one_hot:
    - {column: brand_id, prefix: brand_id_}
    - {column: ben_login_id, prefix: ben_login_id_}
    - {column: player_reg_product, prefix: player_reg_product_}
files: {evaluation: data/churn/evaluation.jsonl}
outcomes: ${outcomes}
variants: [{}]
`;

/** All of them are past, whenever this runs, except the last one, which never is. */
const [first, second, third, future] = [
  "2020-01-06",
  "2020-01-13",
  "2020-01-20",
  "2999-01-07",
] as const;

type Row = Record<string, number | string | boolean | null>;

const toLines = (rows: readonly Row[]) =>
  rows.map((row) => `${JSON.stringify(row)}\n`).join("");

const players: readonly Row[] = (await Deno.readTextFile(
  `${root}data/churn/X_test_sample_2.json`,
)).trim().split("\n").map((line) => JSON.parse(line));

/** A player's outcome in a week, drawn with the score as its probability. */
interface Drawn {
  readonly player_id: string;
  readonly churn_probability: number;
  readonly churned: number;
  readonly days: number;
}

/** Scores 300 of the shipped players as a period, and draws their outcomes. */
async function score(
  project: Project,
  period: string,
  { seed }: { seed: number },
): Promise<Drawn[]> {
  const input = `${project.files}/${period}.jsonl`;
  const week = players.slice(100 * seed, 100 * seed + 300);
  await Deno.writeTextFile(input, toLines(week));
  await project.run("predict", ["--input", input, "--period", period]);
  const { report } = await project.run("query", [
    `select player_id, churn_probability from churn_predictions where period = '${period}' order by row_number`,
  ]);
  const random = randomFrom(seed);
  return report.result.map(
    (row: Pick<Drawn, "player_id" | "churn_probability">) => {
      const churned = Number(random() < row.churn_probability);
      return {
        ...row,
        churned,
        days: churned ? Math.floor(28 * random()) : 28,
      };
    },
  );
}

const outcomesOf = (drawn: readonly Drawn[], more: Row = {}): Row[] =>
  drawn.map(({ player_id, churned, days }) => ({
    player_id,
    churned,
    days,
    ...more,
  }));

/** Area under the curve, precision above 0.4 and C-index by scikit-learn 1.9.1 and lifelines 0.30.3. */
async function measures(
  weeks: readonly (readonly Drawn[])[],
): Promise<{ auc: number; precision: number; c_index: number }[]> {
  const file = await Deno.makeTempFile({ suffix: ".json" });
  await Deno.writeTextFile(file, JSON.stringify(weeks));
  const { stdout } = await runPython(
    "survival",
    `import json, sys, pandas
from sklearn.metrics import precision_score, roc_auc_score
from lifelines.utils import concordance_index
found = []
for week in json.load(open(sys.argv[1])):
    week = pandas.DataFrame(week)
    p, y = week.churn_probability, week.churned
    found.append(dict(auc=roc_auc_score(y, p), precision=precision_score(y, p > 0.4), c_index=concordance_index(week.days, -p, y)))
print(json.dumps(found))`,
    { args: [file] },
  );
  await Deno.remove(file);
  return JSON.parse(stdout);
}

/** What happened to the periods: period, status and whether AUC is the expected one. */
function summary({ report }: Ended, expected: Record<string, number> = {}) {
  return report.periods.map((
    { period, status, auc }: { period: string; status: string; auc: number },
  ) => {
    if (period in expected && status === "measured") {
      ok(Math.abs(auc - expected[period]!) < 1e-9, `${period} ${auc}`);
    }
    return `${period} ${status}`;
  });
}

testWithPython(
  "monitor measures each matured period once, from one file per period, oldest first",
  async () => {
    await using project = await openProject(
      declared(
        '{files: "data/churn/outcomes/{period}.jsonl", duration_column: days, threshold: 0.4, maturity_days: 28}',
      ),
    );
    const deliver = async (period: string, text: string) => {
      const folder = `${project.path}/data/churn/outcomes`;
      await Deno.mkdir(folder, { recursive: true });
      await Deno.writeTextFile(`${folder}/${period}.jsonl`, text);
    };
    const weeks = [
      await score(project, first, { seed: 1 }),
      await score(project, second, { seed: 2 }),
      await score(project, third, { seed: 3 }),
    ] as const;
    await score(project, future, { seed: 4 });
    const known = await measures(weeks);
    const [auc1, auc2, auc3] = known.map(({ auc }) => auc);
    const expected = { [first]: auc1!, [second]: auc2!, [third]: auc3! };

    // The first week's name is another spelling of the period.
    await deliver("2020-W02", toLines(outcomesOf(weeks[0])));
    await deliver(second, toLines(outcomesOf(weeks[1])));
    const all = await project.run("monitor");
    deepStrictEqual(summary(all, expected), [
      `${first} measured`,
      `${second} measured`,
      `${third} missing`,
    ]);
    match(
      all.stderr,
      /not measured: 2020-01-20: the outcomes have matured, but there are none in .*data\/churn\/outcomes\/\{period\}\.jsonl/,
    );
    // The newest run is looked at as always, and its advice uses the newest measured period.
    strictEqual(all.report.period, future);
    strictEqual(all.report.performance, "unknown");
    strictEqual(all.report.earlier_performance.scoring_run_id, 2);
    ok(Math.abs(all.report.earlier_performance.auc - auc2!) < 1e-9);
    for (const { report, status } of all.report.periods) {
      if (status === "measured") ok((await Deno.stat(report)).isFile);
    }

    const again = await project.run("monitor");
    strictEqual(again.report.status, "nothing-new");
    deepStrictEqual(summary(again), [`${third} missing`]);

    await deliver(third, toLines(outcomesOf(weeks[2])));
    const late = await project.run("monitor", ["--json"]);
    strictEqual(late.report.status, "created");
    deepStrictEqual(summary(late, expected), [`${third} measured`]);
    const { performance }: MonitoringResult = JSON.parse(
      await Deno.readTextFile(late.report.periods[0].report_json),
    );
    for (const name of ["precision", "c_index"] as const) {
      const [low, high] = performance!.intervals![name]!;
      const found = performance!.metrics[name]!;
      ok(Math.abs(found - known[2]![name]) < 1e-9, `${name} ${found}`);
      ok(low < found && found < high, name);
    }
    // With the two weeks before: 200 of the players of adjacent weeks are the same.
    deepStrictEqual(performance!.pooled!.periods, [first, second, third]);
    deepStrictEqual(
      [performance!.pooled!.matured, performance!.pooled!.players],
      [900, 500],
    );
    strictEqual(late.report.earlier_performance.scoring_run_id, 3);

    // The same outcomes in another file are no news; corrected ones are.
    await deliver(first, "");
    await Deno.remove(`${project.path}/data/churn/outcomes/${first}.jsonl`);
    await deliver("2020-W02", toLines(outcomesOf(weeks[0]).reverse()));
    deepStrictEqual(summary(await project.run("monitor")), []);
    const flipped = outcomesOf(weeks[1]).map((row) => ({
      ...row,
      churned: 1 - Number(row["churned"]),
    }));
    await deliver(second, toLines(flipped));
    const fallen = await project.run(
      "monitor",
      ["--fail-on", "performance"],
      3,
    );
    deepStrictEqual(
      summary(fallen, { [second]: 1 - auc2! }),
      [`${second} measured`],
    );
    // The newest known performance, that of the third week, is fine.
    strictEqual(fallen.report.retrain, false);
    await project.run("monitor", ["--fail-on", "performance"]);
    // Corrected back, the first outcomes are the newest again.
    await deliver(second, toLines(outcomesOf(weeks[1])));
    const back = await project.run("monitor", ["--fail-on", "performance"]);
    deepStrictEqual(summary(back, expected), [`${second} measured`]);
    deepStrictEqual(summary(await project.run("monitor")), []);
    const stored = await project.run("monitor", ["--period", second]);
    ok(Math.abs(stored.report.auc - auc2!) < 1e-9);

    // A new attempt of the period is measured, too.
    await project.run("predict", [
      "--input",
      `${project.files}/${third}.jsonl`,
      "--period",
      third,
      "--force",
    ]);
    deepStrictEqual(summary(await project.run("monitor"), expected), [
      `${third} measured`,
    ]);

    // A chosen period.
    const early = await project.run("monitor", ["--period", future]);
    deepStrictEqual(summary(early), [`${future} immature`]);
    strictEqual(early.report.periods[0].mature_from, "2999-02-04");
    const chosen = await project.run("monitor", ["--period", first]);
    deepStrictEqual(summary(chosen), []);
    ok(Math.abs(chosen.report.auc - auc1!) < 1e-9);

    // A file that cannot be used fails its own period, and is said.
    await deliver(third, '{"player_id": "P", "churned": 0.5}\n');
    await deliver(second, toLines(outcomesOf(weeks[1]).slice(0, 200)));
    const bad = await project.run("monitor", [], 1);
    deepStrictEqual(summary(bad), [`${second} measured`, `${third} failed`]);
    match(
      bad.report.periods[1].error,
      /2020-01-20.jsonl, row 1 \(line 1\), column "churned": expected the outcome 0, 1 or null, found 0.5/,
    );
    strictEqual(bad.report.drift, "ok");

    // Other settings judge the newest measured period and the newest run again.
    await deliver(third, toLines(outcomesOf(weeks[2])));
    const outcomes =
      '{files: "data/churn/outcomes/{period}.jsonl", duration_column: days, threshold: 0.4, maturity_days: 28}';
    const strict = "monitoring: {thresholds: {min_rows: 1000}}\n";
    await project.declare(declared(outcomes) + strict);
    const judged = await project.run("monitor");
    deepStrictEqual(summary(judged, expected), [`${third} measured`]);
    strictEqual(judged.report.drift, "not-enough-data");
    deepStrictEqual(summary(await project.run("monitor")), []);
    // Without its outcomes, a run keeps the verdict of its time, and says so.
    const older = await project.run("monitor", ["--run", "1"]);
    match(
      older.report.notes.join(),
      /the settings of \d{4}-\d\d-\d\d .*--outcomes/,
    );
    // Settings that return are the newest again, once.
    await project.declare(declared(outcomes));
    const restored = await project.run("monitor");
    deepStrictEqual(summary(restored, expected), [`${third} measured`]);
    strictEqual(restored.report.drift, "ok");
    const newest = await project.run("query", [
      `select drift from monitoring_runs m join scoring_runs s on s.id = m.scoring_run_id where s.period = '${third}' order by m.id desc limit 2`,
    ]);
    deepStrictEqual(newest.report.result, [
      { drift: "ok" },
      { drift: "not-enough-data" },
    ]);
    const repeated = await project.run("monitor");
    strictEqual(repeated.report.status, "nothing-new");
    deepStrictEqual(summary(repeated), []);
  },
);

testWithPython(
  "monitor takes each period's outcomes from one growing file, by as-of day or by period",
  async () => {
    await using project = await openProject(
      declared("{}").replace(
        "outcomes: {}\n",
        "",
      ),
    );
    const folder = `${project.path}/data/churn/outcomes`;
    await Deno.mkdir(folder, { recursive: true });
    const weeks = [
      await score(project, first, { seed: 1 }),
      await score(project, second, { seed: 2 }),
      await score(project, third, { seed: 3 }),
    ] as const;
    const [auc1, auc2] = (await measures(weeks)).map(({ auc }) => auc);
    const expected = { [first]: auc1!, [second]: auc2! };
    const flip = (rows: Row[]) =>
      rows.map((row) => ({ ...row, churned: 1 - Number(row["churned"]) }));
    const rows = (week: readonly Drawn[], known_on: string) =>
      outcomesOf(week, { known_on });

    // Weeks mature on 3, 10 and 17 February. What was known a day before is not mature, and of several snapshots in a week the first counts.
    const snapshots = [
      ...flip(rows(weeks[0], "2020-02-02")),
      ...flip(rows(weeks[0], "2020-02-05")),
      ...rows(weeks[0], "2020-02-03"),
      ...rows(weeks[1], "2020-02-11"),
      ...flip(rows(weeks[1], "2020-02-24")),
      ...outcomesOf(weeks[2], { known_on: "2020-02-17" }).map((row) => ({
        ...row,
        churned: null,
      })),
    ];
    await Deno.writeTextFile(`${folder}/all.json`, JSON.stringify(snapshots));
    await runPython(
      "columnar",
      `import sys, pandas
frame = pandas.read_json(sys.argv[1] + "/all.json")
frame["churned"] = frame["churned"].astype("Int8")
frame["known_on"] = pandas.to_datetime(frame["known_on"]).dt.date
frame.to_parquet(sys.argv[1] + "/all.parquet")`,
      { args: [folder] },
    );
    await project.declare(
      declared(
        "{files: data/churn/outcomes/all.parquet, as_of_column: known_on, maturity_days: 28}",
      ),
    );
    deepStrictEqual(summary(await project.run("monitor"), expected), [
      `${first} measured`,
      `${second} measured`,
      `${third} missing`,
    ]);

    // By period: a later row corrects an earlier one, and one from before 28 days is not used. The outcomes are those that are known, so nothing is measured again.
    const byPeriod: Row[] = [
      ...rows(weeks[0], "2020-02-09").map((row) => ({
        ...row,
        week: "2020-W02",
      })),
      ...flip(rows(weeks[0], "2020-02-04")).map((row) => ({
        ...row,
        week: first,
      })),
      ...flip(rows(weeks[1], "2020-02-09")).map((row) => ({
        ...row,
        week: "2020-W03",
      })),
      ...rows(weeks[1], "2020-05-01").map((row) => ({
        ...row,
        week: "20200113",
      })),
      ...rows(weeks[0], "2020-05-01").map((row) => ({
        ...row,
        week: "2019-W01",
      })),
    ];
    const csv = [
      "player_id,left,week,known_on",
      ...byPeriod.map((row) =>
        [row["player_id"], row["churned"], row["week"], row["known_on"]].join()
      ),
    ].join("\n");
    await Deno.writeTextFile(`${folder}/growing.csv`, csv);
    await project.declare(
      declared(
        "{files: data/churn/outcomes/growing.csv, label: left, period_column: week, as_of_column: known_on, maturity_days: 28}",
      ),
    );
    deepStrictEqual(summary(await project.run("monitor"), expected), [
      `${third} missing`,
    ]);

    // The same as a table of the embedded database.
    {
      await using database = await openPglite(`${project.files}/home/database`);
      await database.query(
        `create table "Out comes" (player_id text, "left" boolean, week text, known_on timestamptz)`,
      );
      await database.query(
        `insert into "Out comes" select r ->> 'player_id', r ->> 'churned' = '1', r ->> 'week', (r ->> 'known_on')::date
         from json_array_elements($1::json) r`,
        [JSON.stringify(byPeriod)],
      );
      await database.query(
        `insert into "Out comes" select 'X-' || player_id, not "left", '2020-W04', '2020-04-01' from "Out comes" where week = '2020-W02'`,
      );
    }
    await project.declare(
      declared(
        `{table: '"Out comes"', label: left, period_column: week, as_of_column: known_on, maturity_days: 28}`,
      ),
    );
    // Of the third week, only other players have an outcome there: an error of that period, which is said.
    const others = await project.run("monitor", [], 1);
    deepStrictEqual(summary(others, expected), [`${third} failed`]);
    match(
      others.report.periods[0].error,
      /none of the 300 outcomes of table Out comes belongs to a player of the scoring run/,
    );
  },
);

testWithPython(
  "monitor takes outcomes from a table in Postgres and from S3, and an outage of either is exit code 75",
  async () => {
    await using world = await startWorld("geography-us");
    await using project = await copyProject();
    const us = ["--geography", "US", "--retries", "0"];
    const run = (
      name: string,
      args: readonly string[] = [],
      code = 0,
      env = {},
    ) =>
      runCommand(name, [...us, ...args], {
        env: { ...world.env, ...env },
        code,
        folder: project.path,
      });
    const declare = (outcomes: string) =>
      Deno.writeTextFile(
        `${project.path}/variants.yaml`,
        declared(outcomes).replace("[{}]", "[{geography: US}]"),
      );
    await declare(
      "{table: 'lake.Outcomes', id_column: player, period_column: week, maturity_days: 28}",
    );
    for (const name of ["setup", "log-model"]) await run(name);
    await run("promote", ["--version", "1"]);
    const input = `${world.folder}/week.jsonl`;
    const sample = await Deno.readTextFile(
      `${root}data/geography-us/churn/X_test_sample_2.json`,
    );
    await Deno.writeTextFile(input, sample);
    await run("predict", ["--input", input, "--period", first]);
    const absent = await run("monitor", [], 2);
    match(absent.stderr, /there is no table or view "lake"."Outcomes"/);

    await using database = await openDatabase(
      world.postgres,
      "predictions",
    );
    await database.query(`create schema lake`);
    await database.query(
      `create table lake."Outcomes" as
       select case when n = 1 then player_id else player_id || '-' || n end as player,
         (row_number % 3 = 0)::int::numeric as churned, timestamptz '2020-01-05 23:30 UTC' + n * interval '1 hour' as week
       from churn_predictions cross join generate_series(0, 48) n where n <> 0`,
    );
    const found = await run("monitor");
    deepStrictEqual(summary(found), [`${first} measured`]);
    const [period] = found.report.periods;
    const counted = await runCommand("query", [
      `select count(*) as rows, (select count(*) from churn_predictions) as scored from lake."Outcomes"
       where week >= '2020-01-06 00:00Z' and week < '2020-01-07 00:00Z'`,
    ], { env: world.env, folder: project.path });
    const [{ rows, scored }] = counted.report.result;
    strictEqual(period.matured, scored);
    strictEqual(period.coverage, 1);
    const evidence = JSON.parse(await Deno.readTextFile(period.report_json));
    strictEqual(evidence.performance.outcomes, rows); // 24 of the 48 hours
    strictEqual(evidence.outcomes.uri, "table lake.Outcomes");
    deepStrictEqual(summary(await run("monitor")), []);

    await declare(
      "{table: 'lake.Outcomes', id_column: player, period_column: month, maturity_days: 28}",
    );
    match(
      (await run("monitor", [], 2)).stderr,
      /"lake"."Outcomes" has no column "month"; .* the columns are player, churned, week/,
    );

    await declare(
      "{files: 'data/churn/outcomes/{period}.jsonl', maturity_days: 28}",
    );
    await run("predict", ["--input", input, "--period", second]);
    const none = await run("monitor");
    deepStrictEqual(summary(none), [`${second} missing`]);
    match(
      none.stderr,
      /there are none in s3:\/\/churn-models\/geography-us\/data\/churn\/outcomes\/\{period\}\.jsonl/,
    );
    await putObject(
      world.moto,
      `${world.bucket}/geography-us/data/churn/outcomes/${second}.jsonl`,
      sample.trim().split("\n").map((line, index) =>
        `{"player_id": ${
          JSON.stringify(JSON.parse(line).player_id)
        }, "churned": ${index % 2}}`
      ).join("\n"),
    );
    deepStrictEqual(summary(await run("monitor")), [`${second} measured`]);
    const away = `http://127.0.0.1:${freePort()}`;
    await run("monitor", [], 75, {
      AWS_ENDPOINT_URL: away,
      AWS_ENDPOINT_URL_S3: away,
      MLFLOW_S3_ENDPOINT_URL: away,
    });

    // A login that may not read the table is told so.
    await declare(
      "{table: 'lake.Outcomes', id_column: player, period_column: week, maturity_days: 28}",
    );
    await database.query("create role scorer login password 'scorer'");
    await database.query("grant churn_writer to scorer");
    const login = world.env["PREDICTIONS_DATABASE_URL"]!;
    const refused = await run("monitor", [], 2, {
      PREDICTIONS_DATABASE_URL: login.replace(/\/\/[^@]*@/, "//scorer:scorer@"),
    });
    match(
      refused.stderr,
      /permission denied for schema lake; grant the privilege/,
    );
  },
);

testWithPython(
  "monitor measures a challenger on the same players, with its stored scores or by scoring the rows again",
  async () => {
    await using project = await openProject(
      declared(
        "{files: 'data/churn/outcomes/{period}.jsonl', maturity_days: 28}",
      )
        .replace("outcomes:", "challenger: challenger\noutcomes:"),
    );
    const input = `${project.files}/${first}.jsonl`;
    const drawn = await score(project, first, { seed: 1 });
    const outcomes = `${project.path}/data/churn/outcomes/${first}.jsonl`;
    await Deno.mkdir(`${project.path}/data/churn/outcomes`);
    await Deno.writeTextFile(outcomes, toLines(outcomesOf(drawn)));
    // Without a challenger, nothing but a message.
    const alone = await project.run("monitor", ["--outcomes", outcomes]);
    match(alone.stderr, /No challenger is measured: .*challenger/);
    strictEqual(alone.report.challenger, null);
    await project.run(
      "monitor",
      ["--outcomes", outcomes, "--challenger", "7"],
      1,
    );

    await project.run("log-model", [
      "--model",
      "models/geography-us/churn/xgb_churn_model_2.bin",
      "--alias",
      "challenger",
    ]);
    const scores = `${project.files}/challenger.csv`;
    const other = ["--model-uri", "models:/churn-prediction-model@challenger"];
    await project.run("predict", [
      "--input",
      input,
      ...other,
      "--output",
      scores,
    ]);
    await Deno.writeTextFile(
      `${project.files}/drawn.json`,
      JSON.stringify(drawn),
    );
    const { stdout } = await runPython(
      "survival",
      `import json, sys, pandas
from sklearn.metrics import log_loss, roc_auc_score
both = pandas.read_json(sys.argv[1]).merge(pandas.read_csv(sys.argv[2]), on="player_id", suffixes=("", "_other"))
measure = lambda p: dict(auc=roc_auc_score(both.churned, p), log_loss=log_loss(both.churned, p))
print(json.dumps(dict(champion=measure(both.churn_probability), challenger=measure(both.churn_probability_other))))`,
      { args: [`${project.files}/drawn.json`, scores] },
    );
    const expected: Record<
      "champion" | "challenger",
      Record<"auc" | "log_loss", number>
    > = JSON.parse(stdout);
    const check = (found: NonNullable<MonitoringResult["challenger"]>) => {
      strictEqual(found.rows, 300);
      strictEqual(found.model_version, "2");
      for (const side of ["champion", "challenger"] as const) {
        for (const name of ["auc", "log_loss"] as const) {
          const difference = found[side][name]! - expected[side][name];
          ok(Math.abs(difference) < 1e-6, `${side} ${name}`);
        }
      }
      const gain = expected.challenger.auc - expected.champion.auc;
      const [low, high] = found.auc_difference_interval!;
      ok(Math.abs(found.auc_difference! - gain) < 1e-6);
      ok(low < gain && gain < high && high - low < 0.3);
    };
    const measured = await project.run("monitor");
    deepStrictEqual(summary(measured), [`${first} measured`]);
    const { report_json, challenger_version } = measured.report.periods[0];
    strictEqual(challenger_version, "2");
    const stored: MonitoringResult = JSON.parse(
      await Deno.readTextFile(report_json),
    );
    check(stored.challenger!);
    strictEqual("scoring_run_id" in stored.challenger!, false);

    // A period that was measured before is compared when it is named.
    const named = ["--period", first, "--challenger"];
    const compared = await project.run("monitor", [...named, "2"]);
    strictEqual(compared.report.periods[0].challenger_version, "2");
    deepStrictEqual(summary(await project.run("monitor", [...named, "1"])), []);

    // Measured before without it: the stored result stays, the report has it.
    const later = await project.run("monitor", ["--outcomes", outcomes]);
    strictEqual(later.report.status, "nothing-new");
    check(later.report.challenger);
    // The version that scored the run is no challenger to itself.
    const same = await project.run("monitor", [
      "--outcomes",
      outcomes,
      "--challenger",
      "1",
    ]);
    strictEqual(same.report.challenger, null);
    match(same.report.notes.join("; "), /version 1, which scored the run/);

    // Its own run of the same content has the same scores, so the rows are not needed.
    const again = ["--input", input, "--period", first, "--force"];
    await project.run("predict", [...again, ...other]);
    await Deno.remove(input);
    const fromRun = ["--outcomes", outcomes, "--run", "1"];
    const known = await project.run("monitor", fromRun);
    strictEqual(known.report.challenger.scoring_run_id, 2);
    check(known.report.challenger);
  },
);

Deno.test("toPeriodRuns() takes the newest run of each period, and its outcomes are known until those of the next period are", () => {
  const run = (id: number, period: string, hasPeriod = true) =>
    ({ id, period, hasPeriod, rows: 1 }) as unknown as LedgerRun;
  const found = toPeriodRuns([
    run(7, "2020-02-10"),
    run(9, "2020-01-20", false),
    run(5, "2020-01-20"),
    run(4, "2020-01-20"),
    run(3, "2020-01-13"),
  ], { maturityDays: 28 });
  deepStrictEqual(
    found.map((
      { run, period, from, before },
    ) => [run.id, period, from, before]),
    [
      [3, "2020-01-13", "2020-02-10", "2020-02-17"],
      [5, "2020-01-20", "2020-02-17", "2020-03-09"],
      [7, "2020-02-10", "2020-03-09", "2020-03-30"],
    ],
  );
  // A file that somebody scored in between has no period, and ends none.
  deepStrictEqual(
    toPeriodRuns([
      run(3, "2020-01-13"),
      run(2, "2020-01-08", false),
      run(1, "2020-01-06"),
    ], { maturityDays: 0 }).map(({ run, before }) => [run.id, before]),
    [[1, "2020-01-13"], [3, "2020-01-20"]],
  );
  deepStrictEqual(
    toPeriodRuns([run(2, "2020-01-08", false), run(1, "2020-01-06", false)], {
      maturityDays: 0,
    }).map(({ run }) => run.id),
    [1, 2],
  );
  deepStrictEqual(
    toPeriodRuns([run(1, "2020-01-06")], { maturityDays: 0 }).map((
      { from, before },
    ) => [from, before]),
    [["2020-01-06", "2020-01-13"]],
  );
});
