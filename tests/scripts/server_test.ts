/** The scripts through real MLflow servers that proxy their artifacts. */
import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { openPostgres } from "../../lib/database/postgres.ts";
import { ensureDatabase } from "../../lib/database/admin.ts";
import { runCommand } from "../support/commands.ts";
import { mlflowReleases, startMlflowServer } from "../support/mlflow.ts";
import { testWithPython } from "../support/python.ts";
import { startPostgres, tempFolder } from "../support/servers.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const us = ["--geography", "US", "--retries", "1", "--retry-delay", "0.1"];
const files = [
  ...["--model", `${root}models/geography-us/churn/xgb_churn_model_2.bin`],
  ...["--features", `${root}data/geography-us/churn/feature_names_3.json`],
  ...["--sample", `${root}data/geography-us/churn/X_test_sample_2.json`],
  ...["--evaluation", `${root}data/geography-us/churn/evaluation.jsonl`],
];
const input = [
  "--input",
  `${root}data/geography-us/churn/X_test_sample_2.json`,
];

for (const name of mlflowReleases) {
  testWithPython(
    `setup, log-model, promote, predict and monitor work through a server of ${name}`,
    async () => {
      await using postgres = await startPostgres({ password: "plain" });
      await using folder = await tempFolder();
      const login = { ...postgres, database: "postgres" };
      {
        await using admin = await openPostgres(login);
        await ensureDatabase(admin, "mlflow_db");
      }
      await using server = await startMlflowServer(
        name,
        postgres.url("mlflow_db"),
        {
          artifacts: `${folder.path}/artifacts`,
        },
      );
      const env = {
        MLFLOW_TRACKING_URI: server.url,
        PREDICTIONS_DATABASE_URL: postgres.url("predictions"),
        CHURN_HOME: `${folder.path}/home`,
      };
      const run = async (command: string, args: string[]) =>
        (await runCommand(command, [...us, ...args], { env })).report;
      strictEqual((await run("setup", [])).status, "created");
      strictEqual((await run("setup", [])).status, "unchanged");
      strictEqual((await run("log-model", files)).model_version, 1);
      strictEqual((await run("log-model", files)).status, "unchanged");
      strictEqual(
        (await run("log-model", [...files, "--force"])).model_version,
        2,
      );
      strictEqual(
        (await run("promote", ["--version", "1"])).status,
        "promoted",
      );
      const moved = await run("promote", ["--version", "2"]);
      deepStrictEqual([
        moved.status,
        moved.from_version,
        moved.archived_versions,
      ], ["promoted", 1, [1]]);
      const scored = await run("predict", input);
      deepStrictEqual([scored.status, scored.model_version, scored.rows], [
        "scored",
        2,
        500,
      ]);
      strictEqual((await run("predict", input)).status, "nothing-new");
      const looked = await run("monitor", []);
      // By chance, the total_handle of these players has a KS distance of 0.114 from the labelled ones.
      deepStrictEqual([looked.status, looked.drift], ["created", "warn"]);
      strictEqual((await run("monitor", [])).run_id, looked.run_id);
      strictEqual(
        (await run("predict", [
          ...input,
          "--force",
          "--model-uri",
          "models:/churn-prediction-model-us/1",
        ])).model_version,
        1,
      );
    },
  );
}
