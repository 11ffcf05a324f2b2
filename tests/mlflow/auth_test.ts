/** The whole story through a real server with MLflow's own permissions, as a user who is no administrator. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { ForbiddenError } from "../../lib/mlflow/http.ts";
import { openRest } from "../../lib/mlflow/rest.ts";
import { runCommand } from "../support/commands.ts";
import { startMlflowServer } from "../support/mlflow.ts";
import { addDatabase } from "../support/mlflow_stores.ts";
import { runPython, testWithPython } from "../support/python.ts";
import { startPostgres, tempFolder } from "../support/servers.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const release = "mlflow-3.17.2";
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
const model = "churn-prediction-model-us";
const admin = { username: "admin", password: "word-of-the-admin" };
const ada = { username: "ada", password: "word-of-ada-1815" };
const bob = { username: "bob", password: "word-of-bob-1917" };

/** `mlflow server --app-name basic-auth` with the users ada and bob, whom its administrator made. */
async function startGuarded(
  permission: string,
  options: { databaseUrl: string; folder: string },
) {
  const { databaseUrl, folder } = options;
  const settings = `${folder}/basic_auth.ini`;
  await Deno.writeTextFile(
    settings,
    `[mlflow]
default_permission = ${permission}
database_uri = sqlite:///${folder}/users.db
admin_username = ${admin.username}
admin_password = ${admin.password}
authorization_function = mlflow.server.auth:authenticate_request_basic_auth
`,
  );
  const server = await startMlflowServer(release, databaseUrl, {
    artifacts: `${folder}/artifacts`,
    args: ["--app-name=basic-auth"],
    env: {
      MLFLOW_AUTH_CONFIG_PATH: settings,
      MLFLOW_FLASK_SERVER_SECRET_KEY: "signs the forms of the web pages",
    },
  });
  for (const user of [ada, bob]) {
    const login = btoa(`${admin.username}:${admin.password}`);
    const response = await fetch(`${server.url}/api/2.0/mlflow/users/create`, {
      method: "POST",
      headers: {
        Authorization: `Basic ${login}`,
        "Content-Type": "application/json",
      },
      body: JSON.stringify(user),
    });
    strictEqual(response.status, 200, await response.text());
  }
  return server;
}

/** Python's client as the same user: what it sees of the registry, and what its own pyfunc scores. */
const look = `import json, sys
import mlflow
from mlflow import MlflowClient
client = MlflowClient()
version = client.get_model_version_by_alias(sys.argv[1], "champion")
print(json.dumps([version.version, version.current_stage, client.get_run(version.run_id).info.status,
  [v.version for v in client.search_model_versions(f"name='{sys.argv[1]}'")]]))`;

for (const permission of ["READ", "NO_PERMISSIONS"]) {
  testWithPython(
    `a user without administrator rights can do everything on a basic-auth server of MLflow 3.17.2 whose default is ${permission}`,
    async (t) => {
      await using postgres = await startPostgres({ password: "plain" });
      await addDatabase(postgres, "mlflow_db");
      await using folder = await tempFolder();
      await using server = await startGuarded(permission, {
        databaseUrl: postgres.url("mlflow_db"),
        folder: folder.path,
      });
      const envOf = (user: { username: string; password: string }) => ({
        MLFLOW_TRACKING_URI: server.url,
        MLFLOW_TRACKING_USERNAME: user.username,
        MLFLOW_TRACKING_PASSWORD: user.password,
      });
      const env = {
        ...envOf(ada),
        PREDICTIONS_DATABASE_URL: postgres.url("predictions"),
        CHURN_HOME: `${folder.path}/home`,
      };
      const run = async (command: string, args: string[] = []) =>
        (await runCommand(command, [...us, ...args], { env })).report;

      strictEqual((await run("setup")).status, "created");
      strictEqual((await run("log-model", log)).model_version, 1);
      strictEqual((await run("log-model", log)).status, "unchanged");
      strictEqual(
        (await run("log-model", [...log, "--force"])).model_version,
        2,
      );
      strictEqual(
        (await run("promote", ["--version", "1"])).from_version,
        null,
      );
      strictEqual((await run("promote", ["--version", "2"])).from_version, 1);
      const scored = await run("predict", input);
      deepStrictEqual([scored.model_version, scored.rows], [2, 500]);
      strictEqual((await run("monitor")).status, "created");

      await t.step(
        "Python's client sees it with the same login",
        async () => {
          const { stdout } = await runPython(release, look, {
            args: [model],
            env: envOf(ada),
          });
          const seen = JSON.parse(stdout.trim().split("\n").at(-1) ?? "");
          deepStrictEqual(seen.slice(0, 3), ["2", "Production", "FINISHED"]);
          deepStrictEqual(seen[3].map(Number).sort(), [1, 2]);
        },
      );

      await t.step("missing objects are reported as missing", async () => {
        const store = await openRest({ uri: server.url, ...ada });
        strictEqual(store.hasLoggedModels, true);
        strictEqual(store.mlflowVersion, "3.17.2");
        strictEqual(await store.findExperiment("absent"), undefined);
        strictEqual(await store.findRegisteredModel("absent"), undefined);
        strictEqual(
          await store.findModelVersion(model, { kind: "version", version: 9 }),
          undefined,
        );
        const { stderr } = await runCommand(
          "predict",
          [...us, ...input, "--model-uri", "models:/absent/Production"],
          { env, code: permission === "READ" ? 1 : 2 },
        );
        match(
          stderr,
          permission === "READ"
            ? /Cannot find the registered model "absent"/
            : /registered-models\/get was denied \(403\).*or the requested object does not exist/,
        );
      });

      await t.step("another user's model is not changed", async () => {
        const others = { ...env, ...envOf(bob) };
        const { stderr } = await runCommand(
          "promote",
          [...us, "--version", "1"],
          { env: others, code: 2 },
        );
        match(stderr, /was denied \(403\): Permission denied/);
        const store = await openRest({ uri: server.url, ...bob });
        const refused = await store.ensureRegisteredModel(model, { tags: {} })
          .catch((error) => error);
        if (permission === "READ") strictEqual(refused.name, model);
        else ok(refused instanceof ForbiddenError, String(refused));
        const own = await openRest({ uri: server.url, ...ada });
        const versions = await own.listModelVersions(model);
        deepStrictEqual(
          versions.map(({ version, aliases, stage }) => [
            version,
            aliases,
            stage,
          ]),
          [[2, ["champion"], "Production"], [1, [], "Archived"]],
        );
      });
    },
  );
}
