/** `monitor` as a program: embedded, and on Postgres, S3 and three releases of MLflow. */
import {
  deepStrictEqual,
  doesNotMatch,
  match,
  ok,
  rejects,
  strictEqual,
} from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { withRows } from "../../lib/registration/candidate-files.ts";
import { toCandidate } from "../../lib/registration/candidate.ts";
import { openPglite } from "../../lib/database/pglite.ts";
import { openPostgres } from "../../lib/database/postgres.ts";
import type { MonitoringResult } from "../../lib/monitoring/result.ts";
import { toMetricKey } from "../../lib/monitoring/log.ts";
import { listRuns } from "../../lib/monitoring/runs.ts";
import { plainRecipe } from "../../lib/rows/recipe.ts";
import { ensurePredictionsSchema } from "../../lib/services/schema.ts";
import { putObject } from "../support/aws.ts";
import { findChromium, openPages } from "../support/browser.ts";
import { type Ended, runCommand } from "../support/commands.ts";
import { mlflowReleases } from "../support/mlflow.ts";
import { runPython, testWithPython } from "../support/python.ts";
import { tempFolder } from "../support/servers.ts";
import { startWorld } from "../support/world.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const sample = `${root}data/churn/X_test_sample_2.json`;

/** One player as the shipped data has it. */
type Player = Record<string, number | boolean | string | null>;

async function readPlayers(path: string): Promise<Player[]> {
  const text = await Deno.readTextFile(path);
  return text.trim().split("\n").map((line) => JSON.parse(line));
}

async function writePlayers(
  path: string,
  players: readonly Player[],
): Promise<string> {
  await Deno.writeTextFile(
    path,
    players.map((player) => `${JSON.stringify(player)}\n`).join(""),
  );
  return path;
}

/** Newcomers who never paid anything in: what the model knows of them is another population. */
function drift(players: readonly Player[]): Player[] {
  return players.map((player) => ({
    ...player,
    months_active: 1,
    total_deposit: 0,
    total_ngr: null,
  }));
}

/** Players who joined later than those in the reference; every value is one that occurs there. */
function rejuvenate(players: readonly Player[]): Player[] {
  return players.map((player) => ({
    ...player,
    months_active: Math.ceil(Number(player["months_active"]) / 4),
  }));
}

/** An embedded home with the shipped players scored, and how to run commands in it. */
async function startHome(): Promise<
  AsyncDisposable & {
    readonly path: string;
    run(name: string, ...args: string[]): Promise<Ended["report"]>;
    end(code: number, name: string, ...args: string[]): Promise<Ended>;
    evidence(report: { report_json: string }): Promise<MonitoringResult>;
  }
> {
  const folder = await tempFolder();
  const env = { CHURN_HOME: `${folder.path}/home`, CHURN_FILES: folder.path };
  const end = (code: number, name: string, ...args: string[]) =>
    runCommand(name, args, { env, code });
  return {
    path: folder.path,
    end,
    run: async (name, ...args) => (await end(0, name, ...args)).report,
    evidence: async ({ report_json }) =>
      JSON.parse(await Deno.readTextFile(report_json)),
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

const countRows = `select (select count(*) from monitoring_runs) as looks,
  (select count(*) from drift_metrics) as columns,
  (select count(*) from runs where name like 'Monitoring%') as runs,
  (select count(*) from metrics) as metrics`;

Deno.test("monitor finds no drift in the shipped players, stores that once, and reports what is unknown", async () => {
  await using home = await startHome();
  const early = await home.end(1, "monitor");
  match(
    early.stderr,
    /Cannot monitor base: nothing has been scored yet; run `deno task predict` first/,
  );

  await home.run("predict", "--input", sample);
  const first = await home.run("monitor", "--fail-on", "drift");
  strictEqual(first.status, "created");
  strictEqual(first.drift, "ok");
  strictEqual(first.performance, "unknown");
  strictEqual(first.auc, null);
  strictEqual(first.retrain, false);

  const evidence = await home.evidence(first);
  deepStrictEqual(evidence.comparisons.map(({ comparison }) => comparison), [
    "baseline",
  ]);
  strictEqual(evidence.comparisons[0]?.features?.length, 45);
  strictEqual(evidence.reference?.kind, "evaluation");
  strictEqual("performance" in evidence, false);
  deepStrictEqual(evidence.notes, [
    "there is no earlier run of this variant on other data",
  ]);

  const counts = await home.run("query", countRows);
  deepStrictEqual(
    [counts.result[0].looks, counts.result[0].columns, counts.result[0].runs],
    [1, 49, 1], // 45 features, 3 groups and the score
  );
  await Deno.remove(first.report);
  const second = await home.run("monitor");
  strictEqual(second.status, "nothing-new");
  strictEqual(second.run_id, first.run_id);
  deepStrictEqual(await home.evidence(second), evidence);
  ok((await Deno.stat(first.report)).isFile); // written again from what was kept
  const unchanged = await home.run("query", countRows);
  deepStrictEqual(unchanged.result, counts.result);
});

Deno.test("monitor exits with 3 for --fail-on drift, and advises retraining when the same drift fails in the next run, too, but not when the data are broken", async () => {
  await using home = await startHome();
  await home.run("predict", "--input", sample);
  await home.run("monitor");
  const shipped = await readPlayers(sample);
  const players = rejuvenate(shipped);

  const half = await writePlayers(`${home.path}/a.jsonl`, players.slice(500));
  await home.run("predict", "--input", half);
  const { report } = await home.end(3, "monitor", "--fail-on", "drift");
  deepStrictEqual([report.drift, report.retrain], ["fail", false]);
  const evidence = await home.evidence(report);
  const severities = Object.fromEntries(
    evidence.comparisons[0]!.features!.map((
      { name, severity },
    ) => [name, severity]),
  );
  strictEqual(severities["months_active"], "fail");
  strictEqual(severities["total_handle"], "ok");
  deepStrictEqual([report.data, report.data_reasons], ["warn", [
    "number of rows warns: 500 rows, 1000 in the median of 1 earlier run (warns at a factor of 1.8, fails at 5)",
  ]]);
  strictEqual(evidence.comparisons[0]!.score?.severity, "fail");
  deepStrictEqual(
    evidence.comparisons.map(({ comparison, severity }) => [
      comparison,
      severity,
    ]),
    [["baseline", "fail"], ["consecutive", "fail"]],
  );
  // The same evidence trips, or does not, by what is asked of it.
  strictEqual((await home.run("monitor")).status, "nothing-new");
  await home.end(3, "monitor", "--fail-on", "drift");

  const rest = await writePlayers(
    `${home.path}/b.jsonl`,
    players.slice(0, 500),
  );
  await home.run("predict", "--input", rest);
  const again = await home.run("monitor");
  deepStrictEqual([again.drift, again.retrain], ["fail", true]);
  match(
    again.reason,
    /^drift of the score, months_active failed in two adjacent periods$/,
  );
  const later = await home.evidence(again);
  // Drifted like the run before: drift against the reference, none since.
  strictEqual(later.comparisons[0]!.severity, "fail");
  ok(later.comparisons[1]!.severity !== "fail");
  deepStrictEqual(later.history.map(({ drift }) => drift), ["fail", "ok"]);

  // The score failed in the run before, too, but broken data are no reason to train.
  const broken = await writePlayers(`${home.path}/c.jsonl`, drift(shipped));
  await home.run("predict", "--input", broken);
  const { report: last } = await home.end(3, "monitor", "--fail-on", "data");
  deepStrictEqual([last.data, last.drift, last.retrain], [
    "fail",
    "fail",
    false,
  ]);
  match(last.reason, /^the data failed; repair it at its source/);
  deepStrictEqual(last.data_reasons, [
    "total_deposit fails: every value is 0; the reference has 0 to 11030",
    "total_ngr fails: missing 5.5 % before, 100.0 % now (warns at 2.0 %, fails at 10.0 %)",
    "months_active fails: every value is 1; the reference has 1 to 51",
    "number of rows warns: 1000 rows, 500 in the median of 3 earlier runs (warns at a factor of 1.8, fails at 5)",
  ]);
  const { result } = await home.run(
    "query",
    "select data from monitoring_runs order by id",
  );
  deepStrictEqual(result.map(({ data }: { data: string }) => data), [
    "ok",
    "warn",
    "ok", // 500 rows, as in the run before: the lower of the two middle values
    "fail",
  ]);
});

Deno.test("monitor finds a small drift that lasts from the profiles of earlier periods, whether they were monitored or not", async () => {
  await using home = await startHome();
  const players = await readPlayers(sample);
  for (const [week, added] of [0, 2, 3].entries()) {
    const period = `2026-11-0${week + 1}`;
    const file = `${home.path}/${period}.jsonl`;
    await writePlayers(
      file,
      players.map((player) => ({
        ...player,
        months_active: Number(player["months_active"]) + added,
      })),
    );
    await home.run("predict", "--input", file, "--period", period);
  }
  const report = await home.run("monitor");
  const { comparisons } = await home.evidence(report);
  const [baseline, previous] = comparisons;
  const months = baseline?.features?.find(({ name }) =>
    name === "months_active"
  );
  match(
    months?.reasons.join("; ") ?? "",
    /shifted for 2 periods, mean rank \+\d+\.\d pp, cumulative sum \d\.\d \(warns at 5, fails at 8\)/,
  );
  ok(months?.cusum !== undefined && months.cusum >= 5, String(months?.cusum));
  strictEqual("cusum" in (previous?.features?.[0] ?? {}), false);
  const stored = await home.run(
    "query",
    "select cusum from drift_metrics where column_name = 'months_active' and comparison = 'baseline'",
  );
  strictEqual(stored.result[0].cusum, months.cusum);
});

testWithPython(
  "monitor measures matured outcomes as scikit-learn does, and fails if performance fell",
  async () => {
    await using home = await startHome();
    await home.run("predict", "--input", sample);
    const { result } = await home.run(
      "query",
      "select player_id, churn_probability from churn_predictions",
    );
    await Deno.writeTextFile(
      `${home.path}/scores.json`,
      JSON.stringify(result),
    );
    // Outcomes of nine in ten players, as the generator of the shipped data drew them; scikit-learn 1.9.1.
    const { stdout } = await runPython(
      "mlflow-3.17.2",
      `import json, sys
sys.path.insert(0, sys.argv[1])
import pandas
from players import VARIANTS, draw_split
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score
known = draw_split(VARIANTS[0], "sample")[["player_id", "churned"]].iloc[:900]
known.to_json(sys.argv[2] + "/outcomes.jsonl", orient="records", lines=True)
known.assign(churned=1 - known.churned).to_json(sys.argv[2] + "/flipped.jsonl", orient="records", lines=True)
both = known.merge(pandas.read_json(sys.argv[2] + "/scores.json"), on="player_id")
y, p = both.churned, both.churn_probability
print(json.dumps({"auc": roc_auc_score(y, p), "log_loss": log_loss(y, p), "brier": brier_score_loss(y, p), "rows": len(both)}))`,
      { args: [`${root}models`, home.path] },
    );
    const expected = JSON.parse(stdout);
    const outcomes = ["--outcomes", `${home.path}/outcomes.jsonl`];
    const report = await home.run(
      "monitor",
      ...outcomes,
      "--fail-on",
      "performance",
    );
    const { performance } = await home.evidence(report);
    for (const [name, value] of Object.entries<number>(expected)) {
      ok(Math.abs(performance!.metrics[name]! - value) < 1e-9, name);
    }
    strictEqual(performance!.coverage, 0.9);
    strictEqual(report.coverage, 0.9);
    const manifest = JSON.parse(
      await Deno.readTextFile(`${root}models/churn/manifest.json`),
    );
    ok(
      Math.abs(performance!.auc_reference! - manifest.metrics.auc) < 1e-4,
      "the AUC that training measured on the labelled set",
    );
    const [low, high] = performance!.auc_interval!;
    ok(low < expected.auc && expected.auc < high);
    strictEqual(
      (await home.run("monitor", ...outcomes)).status,
      "nothing-new",
    );

    const flipped = ["--outcomes", `${home.path}/flipped.jsonl`];
    const fallen = await home.end(
      3,
      "monitor",
      ...flipped,
      "--fail-on",
      "performance",
    );
    strictEqual(fallen.report.performance, "fail");
    strictEqual(fallen.report.retrain, true);
    await home.run("monitor", ...flipped, "--fail-on", "drift"); // the rows themselves did not drift

    const { stderr } = await home.end(2, "monitor", "--fail-on", "performance");
    match(
      stderr,
      /Cannot use --fail-on performance without outcomes: .*--outcomes/,
    );
    await writePlayers(`${home.path}/others.jsonl`, [{
      player_id: "nobody",
      churned: 1,
    }]);
    const nobody = await home.end(
      1,
      "monitor",
      "--outcomes",
      `${home.path}/others.jsonl`,
    );
    match(nobody.stderr, /none of the 1 outcomes .*belongs to a player/);
  },
);

/** Where the commands of a story run, and how the test reaches the databases behind them. */
interface Stage extends AsyncDisposable {
  readonly path: string;
  end(code: number, name: string, ...args: string[]): Promise<Ended>;
  /** Changes the predictions, as weeks that pass would. */
  change(sql: string): Promise<void>;
  /** The tags of an MLflow run. */
  tags(runId: string): Promise<Record<string, string>>;
}

const tagQuery = "select key, value from tags where run_uuid = $1";

async function startEmbedded(): Promise<Stage> {
  const home = await startHome();
  const open = () => openPglite(`${home.path}/home/database`);
  return {
    path: home.path,
    end: home.end,
    change: async (sql) => {
      await using database = await open();
      await database.query(sql);
    },
    tags: async (runId) => {
      await using database = await open();
      const rows = await database.query<{ key: string; value: string }>(
        tagQuery,
        [runId],
      );
      return Object.fromEntries(rows.map(({ key, value }) => [key, value]));
    },
    [Symbol.asyncDispose]: () => home[Symbol.asyncDispose](),
  };
}

async function startConfigured(): Promise<
  Stage & { readonly pythonEnv: Readonly<Record<string, string>> }
> {
  const world = await startWorld("geography-us", "mlflow-3.17.2");
  const flags = ["--geography", "US", "--retries", "0"];
  const { host, port, user, password } = world.postgres;
  const open = (database: string) =>
    openPostgres({ host, port, user, password, database });
  const end = (code: number, name: string, ...args: string[]) => {
    const own = name === "query" ? [] : flags;
    return runCommand(name, [...own, ...args], { env: world.env, code });
  };
  await end(0, "setup");
  await end(0, "log-model");
  await end(0, "promote", "--version", "1");
  return {
    path: world.folder,
    pythonEnv: world.pythonEnv,
    end,
    change: async (sql) => {
      await using database = await open("predictions");
      await database.query(sql);
    },
    tags: async (runId) => {
      await using database = await open("mlflow_db");
      const rows = await database.query<{ key: string; value: string }>(
        tagQuery,
        [runId],
      );
      return Object.fromEntries(rows.map(({ key, value }) => [key, value]));
    },
    [Symbol.asyncDispose]: () => world[Symbol.asyncDispose](),
  };
}

/** Weeks of the same 400 players, whose rows are others' each week; the runs are seven days apart from 2026-09-07 on. */
async function scoreWeeks(stage: Stage, weeks: number): Promise<void> {
  const players = (await readPlayers(sample)).slice(0, 400);
  await Deno.mkdir(`${stage.path}/weeks`);
  for (let week = 1; week <= weeks; week++) {
    await writePlayers(
      `${stage.path}/weeks/${week}.jsonl`,
      players.map((player, row) => ({
        ...player,
        player_id: players[(row + 37 * week) % players.length]!.player_id!,
      })),
    );
    await stage.end(
      0,
      "predict",
      "--input",
      `${stage.path}/weeks/${week}.jsonl`,
    );
  }
  await stage.change(
    "update scoring_runs set finished_at = timestamptz '2026-08-31 23:59:59Z' + id * interval '7 days'",
  );
}

/**
 * Outcomes drawn with the scores of one run as their chances, written as JSON
 * Lines beside their negation, and what scikit-learn says of the run's scores.
 */
async function drawOutcomes(
  stage: Stage,
  run: number,
): Promise<{ file: string; flipped: string; auc: number; brier: number }> {
  const { report } = await stage.end(
    0,
    "query",
    `select player_id, churn_probability from churn_predictions where scoring_run_id = ${run} order by row_number`,
  );
  const base = `${stage.path}/outcomes-${run}`;
  await Deno.writeTextFile(
    `${base}.scores.json`,
    JSON.stringify(report.result),
  );
  const { stdout } = await runPython(
    "mlflow-3.17.2",
    `import json, sys
import numpy, pandas
from sklearn.metrics import brier_score_loss, roc_auc_score
base = sys.argv[1]
scored = pandas.read_json(base + ".scores.json", dtype={"player_id": str})
p = scored.churn_probability
y = (numpy.random.default_rng(4).random(len(p)) < p).astype(int)
for name, values in ((".jsonl", y), (".flipped.jsonl", 1 - y)):
    scored[["player_id"]].assign(churned=values).to_json(base + name, orient="records", lines=True)
print(json.dumps({"auc": roc_auc_score(y, p), "brier": brier_score_loss(y, p)}))`,
    { args: [base] },
  );
  return {
    ...JSON.parse(stdout),
    file: `${base}.jsonl`,
    flipped: `${base}.flipped.jsonl`,
  };
}

for (
  const [where, start] of [
    ["embedded", startEmbedded],
    ["on Postgres and S3", startConfigured],
  ] as const
) {
  testWithPython(
    `monitor joins week 4's outcomes to week 4's scores after week 8, ${where}`,
    async () => {
      await using stage = await start();
      await scoreWeeks(stage, 8);
      const monitor = async (...args: string[]) =>
        (await stage.end(0, "monitor", ...args)).report;
      const newest = await monitor();
      deepStrictEqual(
        [newest.scoring_run_id, newest.retrain, newest.earlier_performance],
        [8, false, null],
      );
      const { file, flipped, auc, brier } = await drawOutcomes(stage, 4);

      // Every week has these players: which week is meant is not guessed.
      const { stderr } = await stage.end(2, "monitor", "--outcomes", file);
      match(stderr, /8 scored some of their 400 players/);
      for (let week = 1; week <= 8; week++) {
        match(
          stderr,
          new RegExp(
            `--run ${week} \\(period 2026-\\d\\d-\\d\\d, scored 2026-\\d\\d-\\d\\d, 400 rows of [^ ]*/weeks/${week}.jsonl, [^ ]+ version 1, 400 players\\)`,
          ),
        );
      }

      const chosen = ["--outcomes", file, "--period", "2026-09-28"];
      const fourth = await monitor(...chosen);
      deepStrictEqual(
        [fourth.scoring_run_id, fourth.scored_at.slice(0, 10), fourth.coverage],
        [4, "2026-09-28", 1],
      );
      const evidence: MonitoringResult = JSON.parse(
        await Deno.readTextFile(fourth.report_json),
      );
      ok(Math.abs(fourth.auc - auc) < 1e-9, `${fourth.auc}, not ${auc}`);
      const { metrics } = evidence.performance!;
      ok(Math.abs(metrics["brier"]! - brier) < 1e-9);
      strictEqual(evidence.previous?.id, 3); // the run before is before the chosen one
      strictEqual(fourth.retrain, false);
      for (const flags of [["--run", "4"], ["--as-of", "2026-10-04"]]) {
        const same = await monitor("--outcomes", file, ...flags);
        deepStrictEqual(
          [same.status, same.run_id],
          ["nothing-new", fourth.run_id],
        );
      }
      // The same outcomes tell nothing of week 8's scores, whose players have other rows.
      const eighth = await monitor("--outcomes", file, "--run", "8");
      ok(Math.abs(eighth.auc - auc) > 0.1, `${eighth.auc}`);
      await stage.change(
        "delete from drift_metrics where monitoring_run_id = (select max(id) from monitoring_runs)",
      );
      await stage.change(
        "delete from monitoring_runs where id = (select max(id) from monitoring_runs)",
      );

      // Week 4 fell: a look at it without outcomes, and one at week 8, say so still.
      const fallen = await stage.end(
        3,
        "monitor",
        "--outcomes",
        flipped,
        "--run",
        "4",
        "--fail-on",
        "performance",
      );
      strictEqual(fallen.report.retrain, true);
      const again = await stage.end(0, "monitor", "--run", "4");
      deepStrictEqual(
        [
          again.report.status,
          again.report.run_id,
          again.report.performance,
          again.report.retrain,
          again.report.outcomes,
        ],
        ["nothing-new", fallen.report.run_id, "fail", true, flipped],
      );
      const after = await monitor();
      deepStrictEqual(
        [after.status, after.scoring_run_id, after.performance, after.retrain],
        ["created", 8, "unknown", true],
      );
      match(after.reason, /matured outcomes of scoring run 4/);
      deepStrictEqual(
        [
          after.earlier_performance.scoring_run_id,
          after.earlier_performance.severity,
          after.earlier_performance.outcomes_uri,
        ],
        [4, "fail", flipped],
      );
      const tags = await stage.tags(after.run_id);
      deepStrictEqual(
        [tags["churn.retrain"], tags["churn.earlier_performance"]],
        ["true", "fail"],
      );
      strictEqual((await monitor()).run_id, after.run_id);
      strictEqual((await monitor()).status, "nothing-new");

      // Of two attempts of one version the newest counts; two versions are told apart.
      await stage.end(
        0,
        "predict",
        "--force",
        "--input",
        `${stage.path}/weeks/4.jsonl`,
      );
      await stage.change(
        "update scoring_runs set finished_at = '2026-09-28 23:59:59.5Z' where id = 9",
      );
      const forced = await stage.end(0, "monitor", ...chosen);
      strictEqual(forced.report.scoring_run_id, 9);
      match(
        forced.stderr,
        /others: --run 4 \(period 2026-09-28, scored 2026-09-28/,
      );
      await stage.change(
        "update scoring_runs set model_version = '2' where id = 9",
      );
      const versions = await stage.end(2, "monitor", ...chosen);
      match(
        versions.stderr,
        /--run 9 \(.* version 2, 400 players\); --run 4 \(.* version 1, 400 players\); use one of these flags instead of --period/,
      );
      const without = await stage.end(2, "monitor", "--period", "2026-09-28");
      match(without.stderr, /2 match: --run 9 .*; --run 4 /);
    },
  );
}

testWithPython(
  "monitor logs each period's performance to the model version's run, where mlflow.get_metric_history reads it by period",
  async () => {
    await using stage = await startConfigured();
    await scoreWeeks(stage, 2); // of 2026-09-07 and 2026-09-14
    const first = await drawOutcomes(stage, 1);
    const second = await drawOutcomes(stage, 2);
    const monitor = (file: string, run: string) =>
      stage.end(0, "monitor", "--outcomes", file, "--run", run);
    await monitor(second.file, "2"); // outcomes may arrive in any order
    await monitor(first.file, "1");
    // The outcomes of 150 of the 400 players give no verdict, so no point.
    const lines = (await Deno.readTextFile(first.file)).split("\n");
    const few = `${stage.path}/few.jsonl`;
    await Deno.writeTextFile(few, lines.slice(0, 150).join("\n"));
    strictEqual((await monitor(few, "1")).report.performance, "unknown");

    const { stdout } = await runPython(
      "mlflow-3.17.2",
      `import datetime, json
from mlflow import MlflowClient
client = MlflowClient()
run_id = client.get_model_version("churn-prediction-model-us", "1").run_id
day = lambda step: str(datetime.date(1970, 1, 1) + datetime.timedelta(days=step))
history = {key: {day(m.step): m.value for m in client.get_metric_history(run_id, "performance." + key)} for key in ("auc", "brier")}
print(json.dumps({**history, "points": len(client.get_metric_history(run_id, "performance.auc")), "newest": client.get_run(run_id).data.metrics["performance.auc"]}))
client.delete_run(run_id)`,
      { env: { ...stage.pythonEnv } },
    );
    const { auc, brier, points, newest } = JSON.parse(
      stdout.trim().split("\n").at(-1)!,
    );
    strictEqual(points, 2);
    for (
      const [period, expected] of [
        ["2026-09-07", first],
        ["2026-09-14", second],
      ] as const
    ) {
      ok(Math.abs(auc[period] - expected.auc) < 1e-9, period);
      ok(Math.abs(brier[period] - expected.brier) < 1e-9, period);
    }
    strictEqual(newest, auc["2026-09-14"]);

    // Someone deleted that run: monitoring goes on, and reports what is missing.
    const { stderr, report } = await monitor(second.flipped, "2");
    deepStrictEqual([report.status, report.performance], ["created", "fail"]);
    match(
      stderr,
      /Cannot log the performance to the run of churn-prediction-model-us version 1: .* is deleted/,
    );
  },
);

Deno.test("monitor rejects ambiguous outcomes and runs, and reports how many players are covered", async () => {
  await using home = await startHome();
  const players = (await readPlayers(sample)).slice(0, 300);
  const numbered = players.map((player, row) => ({
    ...player,
    player_id: row,
  }));
  const input = await writePlayers(`${home.path}/week.jsonl`, numbered);
  await home.run("predict", "--input", input);
  const file = `${home.path}/outcomes.jsonl`;
  const look = async (
    code: number,
    lines: readonly string[],
    ...flags: string[]
  ) => {
    await Deno.writeTextFile(file, lines.join("\n"));
    return await home.end(code, "monitor", "--outcomes", file, ...flags);
  };
  const row = (id: string, outcome: number) =>
    `{"player_id": ${id}, "churned": ${outcome}}`;

  // 2^53 + 1 would be read as 2^53, another player.
  const inexact = await look(1, [row("1", 0), row("9007199254740993", 1)]);
  match(
    inexact.stderr,
    /outcomes.jsonl, row 2 \(line 2\), column "player_id": expected a string without NUL, or a whole number of at most 15 digits, found 9007199254740992/,
  );
  const missing = await look(1, ['{"player": 1, "churned": 1}']);
  match(
    missing.stderr,
    /none of its 1 rows has a player id in the column "player_id"/,
  );
  const padded = await look(1, [row('"007"', 1), row('"008"', 0)]);
  match(
    padded.stderr,
    /none of the 2 outcomes .* belongs to a player of the matching scoring runs: --run 1 .*compared as text, the outcomes have "007"/,
  );
  const nobody = await look(1, [row('"007"', 1)], "--run", "1");
  match(nobody.stderr, /the outcomes have "007", the run has "0"/);
  const unknown = await look(1, [row("1", 1)], "--run", "2");
  match(unknown.stderr, /Cannot find scoring run 2 of base .*: --run 1 /);
  const early = await look(1, [row("1", 1)], "--as-of", "2020-02-29");
  match(early.stderr, /for a period on or before 2020-02-29; .*--run 1 /);
  for (
    const flags of [["--period", "2026-02-30"], ["--run", "one"], [
      "--run",
      "1",
      "--as-of",
      "2026-02-28",
    ], ["--run", "1", "--all"]]
  ) await look(2, [row("1", 1)], ...flags);

  // 120 of the 300, as text, twice; 30 rows without a player and 80 of other players.
  const known = numbered.slice(0, 120).flatMap((_, id) => [
    row(`"${id}"`, id % 2),
    row(`${id}`, id % 2),
  ]);
  const more = [
    ...Array.from({ length: 30 }, () => row("null", 1)),
    ...Array.from({ length: 80 }, (_, id) => row(`"X-${id}"`, 1)),
  ];
  const { report, stderr } = await look(0, [...known, ...more]);
  deepStrictEqual(
    [
      report.scoring_run_id,
      report.matured,
      report.scored_players,
      report.outcome_players,
      report.coverage,
    ],
    [1, 120, 300, 200, 0.4],
  );
  match(
    stderr,
    /WARNING: rows of .* without a player id, which were ignored: 30/,
  );
  match(stderr, /WARNING: only 120 of 300 scored players \(40.0 %\)/);
  match(stderr, /WARNING: only 120 of 200 outcomes \(60.0 %\)/);
  strictEqual(
    report.notes.filter((note: string) => note.startsWith("only ")).length,
    2,
  );
});

Deno.test("listRuns() suggests setup if the tables are missing or from an earlier release", async () => {
  await using folder = await tempFolder();
  await using database = await openPglite(`${folder.path}/database`);
  const wanted = { name: "UsageError", message: /run `deno task setup`/ };
  await rejects(listRuns(database, "base"), wanted);
  await ensurePredictionsSchema(database);
  deepStrictEqual(await listRuns(database, "base"), []);
  await database.query(
    "alter table monitoring_runs drop column earlier_performance_id",
  );
  await rejects(listRuns(database, "base"), wanted);
});

Deno.test("monitor judges the rows that were scored, also after their file has changed; without their profile, feature drift is unknown", async () => {
  await using home = await startHome();
  await home.run("predict", "--input", sample);
  const players = await readPlayers(sample);
  const input = await writePlayers(
    `${home.path}/new.jsonl`,
    players.slice(0, 600),
  );
  await home.run("predict", "--input", input);
  await writePlayers(input, drift(players));
  const first = await home.run("monitor");
  strictEqual(first.drift, "ok");
  strictEqual(first.drifted_share, 0);
  // As a run from before there were profiles: its rows would have to be read again.
  {
    await using database = await openPglite(`${home.path}/home/database`);
    await database.query("delete from drift_metrics");
    await database.query("delete from monitoring_runs");
    await database.query("update scoring_runs set profile = null");
  }
  const report = await home.run("monitor");
  strictEqual(report.drift, "unknown");
  strictEqual(report.drifted_share, null);
  const { comparisons, notes } = await home.evidence(report);
  strictEqual(comparisons[0]!.score?.severity, "ok");
  strictEqual("features" in comparisons[0]!, false);
  match(notes.join("\n"), /new.jsonl has changed since it was scored/);
});

Deno.test("the report is one small valid page that loads nothing else", async () => {
  await using home = await startHome();
  await home.run("predict", "--input", sample);
  const { report } = await home.run(
    "monitor",
    "--report",
    `${home.path}/report`,
  );
  strictEqual(report, `${home.path}/report/scoring-run-1.html`);
  const page = await Deno.readTextFile(report);
  ok(page.length < 100_000, `${page.length} characters`);
  match(page, /months_active/);
  doesNotMatch(page, /\b(src|href|srcset)\s*=|url\(|@import|<script/i);
  const executablePath = findChromium();
  if (executablePath === undefined) return; // parsed where there is a browser
  await openPages({
    executablePath,
    timeoutMs: 60_000,
    stops: [{
      url: `file://${report}`,
      texts: ["Monitoring of base", "is fine", "Score distribution"],
    }],
  });
});

Deno.test("toCandidate() profiles the sample, without metrics, if there is no labelled set", async () => {
  const read = async (uri: string) => ({
    uri,
    source: "local" as const,
    bytes: await Deno.readFile(`${root}${uri}`),
  });
  const files = {
    model: await read("models/churn/xgb_churn_model_2.bin"),
    features: await read("data/churn/feature_names_3.json"),
    sample: await withRows(await read("data/churn/X_test_sample_2.json"), {
      idColumn: "player_id",
      temporary: "",
    }),
    evaluation: undefined,
    manifest: undefined,
  };
  const { reference } = await toCandidate(files, {
    positiveClass: undefined,
    modelOutput: undefined,
    recipe: plainRecipe,
    idColumn: "player_id",
    label: "churned",
  });
  deepStrictEqual(
    [reference.source.kind, reference.source.uri, reference.rows],
    ["sample", "data/churn/X_test_sample_2.json", 1000],
  );
  strictEqual("metrics" in reference, false);
  strictEqual(reference.score?.counts.length, 14);
  // Bins and counts of 45 columns, not 1000 rows.
  ok(JSON.stringify(reference).length < 20_000);
});

Deno.test("toMetricKey() never gives two columns one key", () => {
  const names = ["a/b", "a:b", "a b", "a_b", `${"x".repeat(300)}1`, "é", "è"];
  strictEqual(new Set(names.map(toMetricKey)).size, names.length);
  ok(names.map(toMetricKey).every((key) => key.length < 220));
});

for (const release of mlflowReleases) {
  testWithPython(
    `monitor on Postgres and S3 logs a run that ${release} reads`,
    async () => {
      await using world = await startWorld("geography-us", release);
      const flags = ["--geography", "US", "--retries", "0"];
      const run = async (name: string, ...more: string[]) =>
        (await runCommand(name, [...flags, ...more], { env: world.env }))
          .report;
      for (const name of ["setup", "log-model"]) await run(name);
      await run("promote", "--version", "1");
      await run("predict", "--no-fallback");
      // Two schedulers at once: one look is kept, and both report it.
      const both = await Promise.all([run("monitor"), run("monitor")]);
      strictEqual(new Set(both.map(({ run_id }) => run_id)).size, 1);
      const [report] = both;
      // By chance, the total_handle of these 475 players has a KS distance of 0.114 from the labelled ones.
      strictEqual(report.drift, "warn");

      const { stdout } = await runPython(
        release,
        `import json, sys
from mlflow import MlflowClient
client = MlflowClient()
run = client.get_run(sys.argv[1])
version = client.get_model_version("churn-prediction-model-us", "1")
path = client.download_artifacts(sys.argv[1], "monitoring/report.json", sys.argv[2])
models = getattr(run.inputs, "model_inputs", None) or []
print(json.dumps({
    "name": run.info.run_name, "status": run.info.status, "tags": run.data.tags, "params": run.data.params,
    "metrics": run.data.metrics, "report": json.load(open(path)),
    "artifacts": sorted(file.path for file in client.list_artifacts(sys.argv[1], "monitoring")),
    "linked": [f"models:/{m.model_id}" for m in models] == [version.source],
    "datasets": [d.dataset.name for d in run.inputs.dataset_inputs],
    "killed": len([r for r in client.search_runs([run.info.experiment_id]) if r.info.run_name.startswith("Monitoring") and r.info.status != "FINISHED"]),
}))`,
        { args: [report.run_id, world.folder], env: { ...world.pythonEnv } },
      );
      const seen = JSON.parse(stdout.trim().split("\n").at(-1)!);
      strictEqual(seen.name, "Monitoring - Geo: US");
      strictEqual(seen.status, "FINISHED");
      strictEqual(seen.tags["churn.drift"], "warn");
      strictEqual(seen.params.model_version, "1");
      const evidence: MonitoringResult = seen.report;
      const [baseline] = evidence.comparisons;
      strictEqual(baseline!.features!.length, 45);
      for (const { name, psi } of baseline!.features!) {
        strictEqual(seen.metrics[`drift.psi.${name}`], psi);
      }
      strictEqual(seen.metrics["score.psi"], baseline!.score!.psi);
      strictEqual("performance.auc" in seen.metrics, false); // not known, so not 0
      deepStrictEqual(seen.artifacts, [
        "monitoring/report.html",
        "monitoring/report.json",
      ]);
      deepStrictEqual(seen.datasets, ["X_test_sample_2.json"]);
      if (release !== "mlflow-2.22.5") strictEqual(seen.linked, true);

      // The object that was scored is replaced by other players: those are new data. Of the old ones, the profile is left.
      const players = await readPlayers(
        `${root}data/geography-us/churn/X_test_sample_2.json`,
      );
      const path =
        `${world.bucket}/geography-us/data/churn/X_test_sample_2.json`;
      const body = drift(players).map((player) => JSON.stringify(player)).join(
        "\n",
      );
      await putObject(world.moto, path, body);
      await run("predict", "--no-fallback");
      const fallen = await runCommand("monitor", [
        ...flags,
        "--fail-on",
        "drift",
      ], { env: world.env, code: 3 });
      strictEqual(fallen.report.drift, "fail");
      deepStrictEqual(fallen.report.notes, []);
    },
  );
}

testWithPython(
  "monitor compares a model that Python logged only with the previous run, and reports that",
  async () => {
    await using world = await startWorld("geography-us", "mlflow-3.17.2");
    const flags = ["--geography", "US", "--retries", "0"];
    const run = async (name: string, ...more: string[]) =>
      (await runCommand(name, [...flags, ...more], { env: world.env })).report;
    await run("setup");
    const data = `${root}data/geography-us/churn/X_test_sample_2.json`;
    await runPython("mlflow-3.17.2", `${root}tests/peers/log_theirs.py`, {
      args: [
        "churn_prediction-geography-us",
        "churn-prediction-model-us",
        data,
      ],
      env: { ...world.pythonEnv },
    });
    await run("promote", "--version", "1");
    await run("predict", "--no-fallback");
    const alone = await run("monitor");
    strictEqual(alone.drift, "unknown");
    match(alone.notes.join("\n"), /was logged without a reference profile/);

    const players = drift(await readPlayers(data));
    const input = await writePlayers(`${world.folder}/new.jsonl`, players);
    await run("predict", "--input", input);
    const report = await run("monitor");
    strictEqual(report.drift, "fail");
    const evidence: MonitoringResult = JSON.parse(
      await Deno.readTextFile(report.report_json),
    );
    deepStrictEqual(
      evidence.comparisons.map(({ comparison }) => comparison),
      ["consecutive"],
    );
    strictEqual(evidence.comparisons[0]!.features!.length, 45);

    // The rows of the previous run are gone: only the scores can be compared.
    const next = await writePlayers(
      `${world.folder}/next.jsonl`,
      players.filter((_, index) => index % 2 === 0),
    );
    await run("predict", "--input", next);
    await Deno.writeTextFile(input, "");
    const gone = await run("monitor");
    strictEqual(gone.drift, "unknown");
    match(gone.notes.join("\n"), /new.jsonl has changed since it was scored/);
  },
);
