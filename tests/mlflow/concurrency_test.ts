/** Many writers under one name at once: our runs and Python's clients together. */
import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { openRest } from "../../lib/mlflow/rest.ts";
import type { MlflowStore } from "../../lib/mlflow/store.ts";
import { openTables } from "../../lib/mlflow/tables.ts";
import { startMlflowServer } from "../support/mlflow.ts";
import {
  copyDatabase,
  openDatabase,
  openEmbeddedFixture,
  startPostgresWith,
} from "../support/mlflow_stores.ts";
import { runPython, testWithPython } from "../support/python.ts";
import { tempFolder } from "../support/servers.ts";

const name = "churn-prediction-model";

/** One whole registration: a run, a logged model, a version; gives back its number. */
async function register(store: MlflowStore, index: number): Promise<number> {
  const experiment = await store.findExperiment("Default");
  const run = await store.createRun(experiment?.experimentId ?? "0", {
    name: `writer ${index}`,
    startTimeMs: 1000,
    tags: {},
  });
  await store.logBatch(run.runId, {
    params: { index: String(index) },
    metrics: [{ key: "auc", value: index, timestampMs: 1 }],
  });
  const { modelId } = await store.createLoggedModel(run, { name: "model" });
  await store.finalizeLoggedModel(modelId, "READY");
  await store.ensureRegisteredModel(name, { tags: {} });
  const { version } = await store.createModelVersion(name, {
    source: `models:/${modelId}`,
    modelId,
    runId: run.runId,
    tags: {},
  });
  return version;
}

/** Registers five versions, one after the other, as `mlflow.register_model` does. */
const pythonWriter = `
import sys, mlflow
from mlflow import MlflowClient
mlflow.set_tracking_uri(sys.argv[1])
client = MlflowClient()
numbers = []
for index in range(5):
    run = client.create_run("0")
    model = client.create_logged_model("0", name="model", source_run_id=run.info.run_id)
    version = mlflow.register_model(f"models:/{model.model_id}", "${name}", await_registration_for=0)
    numbers.append(int(version.version))
print(numbers)
`;

async function registerInPython(uri: string): Promise<number[]> {
  const { stdout } = await runPython("mlflow-3.17.2", pythonWriter, {
    args: [uri],
  });
  return JSON.parse(stdout.trim().split("\n").at(-1) ?? "");
}

const oneTo = (last: number) => Array.from({ length: last }, (_, i) => i + 1);
const sorted = (numbers: number[]) => numbers.toSorted((a, b) => a - b);

Deno.test("createModelVersion() numbers 20 concurrent calls on PGlite without a gap", async () => {
  await using fixture = await openEmbeddedFixture();
  const { store } = fixture;
  const numbers = await Promise.all(
    oneTo(20).map((index) => register(store, index)),
  );
  deepStrictEqual(sorted(numbers), oneTo(20));
});

testWithPython(
  "createModelVersion() numbers 20 writers and Python's clients without a gap, on Postgres and through a server",
  async (t) => {
    const release = "mlflow-3.17.2";
    await using server = await startPostgresWith([release]);

    await t.step(
      "20 connections and 3 Python clients on the tables",
      async () => {
        await copyDatabase(server, release, "tables");
        const python = Promise.all(
          oneTo(3).map(() => registerInPython(server.url("tables"))),
        );
        const ours = Promise.all(
          oneTo(20).map(async (index) => {
            await using database = await openDatabase(server, "tables");
            const store = await openTables(database);
            const numbers = [];
            // Twice, so that some still write when Python has started.
            for (let round = 0; round < 2; round++) {
              numbers.push(await register(store, index));
              await new Promise((resolve) => setTimeout(resolve, 200 * index));
            }
            return numbers;
          }),
        );
        const numbers = [...await ours, ...await python].flat();
        deepStrictEqual(sorted(numbers), oneTo(55));
      },
    );

    await t.step(
      "20 writers and 2 Python clients through a server",
      async () => {
        await copyDatabase(server, release, "served");
        await using folder = await tempFolder();
        await using mlflow = await startMlflowServer(
          release,
          server.url("served"),
          {
            artifacts: folder.path,
            // By default 15 in all, and one request can hold three.
            env: { MLFLOW_SQLALCHEMYSTORE_POOL_SIZE: "90" },
          },
        );
        const store = await openRest({ uri: mlflow.url });
        const python = Promise.all(
          oneTo(2).map(() => registerInPython(mlflow.url)),
        );
        const ours = Promise.all(
          oneTo(20).map((index) => register(store, index)),
        );
        const numbers = [...await ours, ...(await python).flat()];
        deepStrictEqual(sorted(numbers), oneTo(30));
      },
    );

    await t.step(
      "two concurrent promotions leave one version in Production",
      async () => {
        await using database = await openDatabase(server, "tables");
        const store = await openTables(database);
        await Promise.all(
          oneTo(10).map((version) =>
            store.promote(name, {
              version,
              alias: "champion",
              stage: "Production",
              by: `writer ${version}`,
              timeMs: 1000 + version,
            })
          ),
        );
        const versions = await store.listModelVersions(name);
        const inProduction = versions.filter(({ stage }) =>
          stage === "Production"
        );
        strictEqual(inProduction.length, 1);
        deepStrictEqual(inProduction[0]?.aliases, ["champion"]);
        const archived = versions.filter(({ stage }) => stage === "Archived");
        strictEqual(archived.length, 9);
      },
    );
  },
);
