/** MLflow's runs after processes that were killed or lost MLflow: the next predict ends them by the ledger. */
import { deepStrictEqual, match, strictEqual } from "node:assert/strict";
import { openPglite } from "../../lib/database/pglite.ts";
import { ensurePredictionsSchema } from "../../lib/services/schema.ts";
import { runCommand } from "../support/commands.ts";
import { tempFolder } from "../support/servers.ts";

const us = ["--geography", "US", "--retries", "0"];

Deno.test("predict ends runs that earlier calls left open, by what the ledger has of them", async () => {
  await using folder = await tempFolder();
  const env = { CHURN_HOME: `${folder.path}/home` };
  const { report } = await runCommand("predict", us, { env });
  const ids: string[] = report.inputs.map((input: { run_id: string }) =>
    input.run_id
  );
  const [lost, away, stored] = ids;
  {
    await using database = await openPglite(`${folder.path}/home/database`);
    await ensurePredictionsSchema(database);
    const setRun = (id: string | undefined, status: string) =>
      database.query(
        "update runs set status = $2, end_time = null where run_uuid = $1",
        [id, status],
      );
    // The answer to its publication was lost; MLflow was away when its scores were stored.
    await setRun(lost, "FAILED");
    await setRun(away, "RUNNING");
    // What kills leave: a run whose process is dead, one that is alive, one that failed in time.
    const [experiment] = await database.query<{ id: number }>(
      "select experiment_id as id from runs where run_uuid = $1",
      [stored],
    );
    const [alive] = await database.query<{ id: number }>(
      `insert into scoring_runs (variant, geography_id, input_uri, recipe_sha256, model_name, model_version, model_sha256,
         data_source, started_at, status, lease_expires_at)
       select variant, geography_id, input_uri, recipe_sha256, model_name, model_version, model_sha256, data_source,
         now(), 'running', now() + interval '5 minutes' from scoring_runs where id = 1 returning id`,
    );
    const leave = async (
      run: string,
      status: string,
      ledger: string | undefined,
    ) => {
      await database.query(
        `insert into runs (run_uuid, name, status, start_time, lifecycle_stage, experiment_id, artifact_uri, user_id, source_type, source_name, entry_point_name, source_version)
         values ($1, $1, $2, 1, 'active', $3, 'x', 'tester', 'UNKNOWN', '', '', '')`,
        [run, status, experiment?.id],
      );
      if (ledger === undefined) return;
      await database.query(
        "insert into tags (run_uuid, key, value) values ($1, 'churn.scoring_run_id', $2)",
        [run, ledger],
      );
    };
    await leave("dead", "RUNNING", "777");
    await leave("odd", "RUNNING", "no number");
    await leave("file", "RUNNING", "none"); // of --output FILE
    await leave("failed", "FAILED", "778");
    await leave("alive", "RUNNING", String(alive?.id));
    // Another process stored the batch: the ledger names its own run.
    await leave("rival", "RUNNING", "1");
    // A run of another kind, such as one that is logging a model.
    await leave("other", "RUNNING", undefined);
  }
  const { stderr } = await runCommand("predict", us, { env });
  match(stderr, new RegExp(`Ended the MLflow run ${lost} .* as FINISHED`));
  match(stderr, /Ended the MLflow run dead .* as KILLED/);
  const statuses = async () => {
    await using database = await openPglite(`${folder.path}/home/database`);
    const rows = await database.query<{ id: string; status: string }>(
      "select run_uuid as id, status from runs",
    );
    return Object.fromEntries(rows.map(({ id, status }) => [id, status]));
  };
  const after = await statuses();
  deepStrictEqual(
    [lost, away, stored].map((id) => after[id ?? ""]),
    ["FINISHED", "FINISHED", "FINISHED"],
  );
  deepStrictEqual(
    ["dead", "odd", "file", "failed", "alive", "rival", "other"].map((id) =>
      after[id]
    ),
    ["KILLED", "KILLED", "KILLED", "FAILED", "RUNNING", "KILLED", "RUNNING"],
  );
  {
    await using database = await openPglite(`${folder.path}/home/database`);
    // It ended when its scores were stored.
    const [times] = await database.query<{ same: boolean }>(
      `select abs(end_time - extract(epoch from finished_at) * 1000) < 2 as same
       from runs join scoring_runs on mlflow_run_id = run_uuid where run_uuid = $1`,
      [lost],
    );
    strictEqual(times?.same, true);
  }
  // A second call finds nothing to end.
  const second = await runCommand("predict", us, { env });
  strictEqual(/Ended the MLflow run/.test(second.stderr), false);
  deepStrictEqual(await statuses(), after);
});

Deno.test("predict --force with an idempotency key adds one attempt, however often it is repeated", async () => {
  await using folder = await tempFolder();
  const env = { CHURN_HOME: `${folder.path}/home` };
  await runCommand("predict", us, { env });
  const force = async (key: string) =>
    (await runCommand("predict", [...us, "--force", "--idempotency-key", key], {
      env,
    })).report;
  strictEqual((await force("100")).status, "scored");
  strictEqual((await force("100")).status, "nothing-new");
  strictEqual((await force("101")).status, "scored");
  const { report } = await runCommand("query", [
    "select attempt, idempotency_key from scoring_runs where period = '2026-11-23' order by id",
  ], { env });
  deepStrictEqual(report.result, [
    { attempt: 1, idempotency_key: null },
    { attempt: 2, idempotency_key: "100" },
    { attempt: 3, idempotency_key: "101" },
  ]);
  const { stderr } = await runCommand("predict", [
    ...us,
    "--idempotency-key",
    "100",
  ], { env, code: 2 });
  match(stderr, /Cannot use --idempotency-key without --force/);
});
