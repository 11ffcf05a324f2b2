/** The scripts where MLflow's tables, and the predictions', are in a schema that the URI's `options` name. */
import { deepStrictEqual, match, strictEqual } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { ensureDatabase } from "../../lib/database/admin.ts";
import { runCommand } from "../support/commands.ts";
import { openDatabase } from "../support/mlflow_stores.ts";
import { runPython, testWithPython } from "../support/python.ts";
import { startPostgres, tempFolder } from "../support/servers.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const us = ["--geography", "US", "--retries", "0"];
const file = (path: string) => `${root}${path}`;
const log = [
  ...["--model", file("models/geography-us/churn/xgb_churn_model_2.bin")],
  ...["--features", file("data/geography-us/churn/feature_names_3.json")],
  ...["--sample", file("data/geography-us/churn/X_test_sample_2.json")],
  ...["--evaluation", file("data/geography-us/churn/evaluation.jsonl")],
];
const input = [
  "--input",
  file("data/geography-us/churn/X_test_sample_2.json"),
];

/** Python's view of the same URI: who is champion, and whether MLflow wants to change anything. */
const look = `import sys
from mlflow import MlflowClient
client = MlflowClient(sys.argv[1])
model = client.get_registered_model("churn-prediction-model-us")
run = client.get_run(client.get_model_version(model.name, "1").run_id)
print(model.aliases, run.info.status, client.get_experiment(run.info.experiment_id).name)
client.create_registered_model("made by Python")`;

testWithPython(
  "setup, log-model, promote, predict and monitor work in the schema that options=-csearch_path names, where MLflow 3.17.2 finds the results",
  async () => {
    await using postgres = await startPostgres();
    await using folder = await tempFolder();
    await using admin = await openDatabase(postgres, "postgres");
    for (const name of ["shared", "predictions"]) {
      await ensureDatabase(admin, name);
    }
    const parameters =
      "?options=-csearch_path%3DmlFlow%2Cpublic&application_name=weekly%20churn&connect_timeout=20";
    const uri = `${postgres.url("shared")}${parameters}`;
    const env = {
      MLFLOW_TRACKING_URI: uri,
      // As SQLAlchemy writes it, and with every part a parameter.
      PREDICTIONS_DATABASE_URL:
        `postgresql+psycopg2://nobody@nowhere/nothing?user=postgres&password=${
          encodeURIComponent(postgres.password)
        }&host=127.0.0.1:${postgres.port}&dbname=shared&options=-c+search_path%3Dscores`,
      MLFLOW_ARTIFACT_ROOT: `${folder.path}/artifacts`,
      CHURN_HOME: `${folder.path}/home`,
    };
    const run = async (command: string, args: string[] = []) => {
      const ended = await runCommand(command, [...us, ...args], { env });
      for (
        const word of [postgres.password, encodeURIComponent(postgres.password)]
      ) {
        strictEqual(`${ended.stdout}${ended.stderr}`.includes(word), false);
      }
      return ended.report;
    };
    strictEqual((await run("setup")).status, "created");
    strictEqual((await run("setup")).status, "unchanged");
    strictEqual((await run("log-model", log)).model_version, 1);
    strictEqual((await run("log-model", log)).status, "unchanged");
    strictEqual((await run("promote", ["--version", "1"])).status, "promoted");
    strictEqual((await run("predict", input)).rows, 500);
    strictEqual((await run("predict", input)).status, "nothing-new");
    strictEqual((await run("monitor")).status, "created");

    await using database = await openDatabase(postgres, "shared");
    const places = await database.query(
      `select n.nspname::text as schema,
              count(*) filter (where relname in ('runs', 'model_versions', 'alembic_version')) as mlflow,
              count(*) filter (where relname in ('scoring_runs', 'churn_predictions')) as ours
       from pg_class c join pg_namespace n on n.oid = c.relnamespace
       where relkind in ('r', 'v') and nspname !~ '^(pg_|information_schema)' group by 1 order by 1`,
    );
    deepStrictEqual(places, [
      { schema: "mlflow", mlflow: 3, ours: 0 },
      { schema: "scores", mlflow: 0, ours: 2 },
    ]);
    const { stdout } = await runPython("mlflow-3.17.2", look, { args: [uri] });
    match(
      stdout,
      /\{'champion': '?1'?\} FINISHED churn_prediction-geography-us/,
    );
    deepStrictEqual(
      await database.query(
        "select name from mlflow.registered_models order by name",
      ),
      [{ name: "churn-prediction-model-us" }, { name: "made by Python" }],
    );
  },
);

Deno.test("an unsupported parameter ends every command with exit code 2 and is named", async () => {
  await using folder = await tempFolder();
  const env = {
    MLFLOW_TRACKING_URI: "postgresql://u:hidden-word@127.0.0.1:1/d?sslcrl=x",
    MLFLOW_ARTIFACT_ROOT: folder.path,
  };
  for (const command of ["setup", "log-model", "predict", "monitor"]) {
    const { stderr, stdout } = await runCommand(command, us, { env, code: 2 });
    match(`${stderr}${stdout}`, /MLFLOW_TRACKING_URI: its parameter "sslcrl"/);
    strictEqual(`${stderr}${stdout}`.includes("hidden-word"), false);
  }
});
