/** Many processes of one script at once, as a matrix of jobs or two schedulers start them. */
import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { runCommand } from "../support/commands.ts";
import { openDatabase } from "../support/mlflow_stores.ts";
import { runPython, testWithPython } from "../support/python.ts";
import { startWorld } from "../support/world.ts";

const us = ["--geography", "US", "--retries", "0"];

/** Registers three versions from a run of its own, as any Python client would. */
const pythonWriter = `
import mlflow
from mlflow import MlflowClient
client = MlflowClient()
run = client.create_run("0")
for index in range(3):
    client.create_model_version("churn-prediction-model-us", run.info.artifact_uri, run.info.run_id, await_creation_for=0)
`;

testWithPython(
  "setup, 20 log-model and 10 predict runs with concurrent Python clients leave no gap and no duplicate batch",
  async () => {
    await using world = await startWorld("geography-us");
    const { env, postgres, pythonEnv } = world;
    const many = (count: number, name: string, args: string[]) =>
      Promise.all(
        Array.from({ length: count }, () => runCommand(name, args, { env })),
      );

    const setups = await many(4, "setup", us);
    deepStrictEqual(setups.map(({ report }) => report.status).sort(), [
      "created",
      "unchanged",
      "unchanged",
      "unchanged",
    ]);

    await runCommand("log-model", us, { env });
    const python = Promise.all(
      [1, 2].map(() =>
        runPython("mlflow-3.17.2", pythonWriter, { env: { ...pythonEnv } })
      ),
    );
    const logged = await many(20, "log-model", [...us, "--force"]);
    await python;
    await using database = await openDatabase(postgres, "mlflow_db");
    const versions = await database.query<{ version: number }>(
      "select version from model_versions order by version",
    );
    deepStrictEqual(
      versions.map(({ version }) => version),
      Array.from({ length: 27 }, (_, index) => index + 1),
    );
    strictEqual(
      new Set(logged.map(({ report }) => report.model_version)).size,
      20,
    );

    await runCommand("promote", [...us, "--version", "1"], { env });
    const predictions = await many(10, "predict", us);
    strictEqual(
      predictions.filter(({ report }) => report.status === "scored").length,
      1,
    );
    await using scores = await openDatabase(postgres, "predictions");
    deepStrictEqual(
      await scores.query("select count(*) as rows from churn_predictions"),
      [{ rows: 500 }],
    );
  },
);
