/** From the embedded store to services: every row and file, then the commands and Python's MLflow on the new place. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { cp } from "node:fs/promises";
import { openPglite } from "../../lib/database/pglite.ts";
import type { Database, Queryable } from "../../lib/database/database.ts";
import { ensureMlflowSchema } from "../../lib/services/schema.ts";
import { getObject, makeBucket, putObject } from "../support/aws.ts";
import { inherited, runCommand } from "../support/commands.ts";
import { readTree } from "../support/file_tree.ts";
import { fillEmptyTables } from "../support/fill_tables.ts";
import { addDatabase, openDatabase } from "../support/mlflow_stores.ts";
import { runPython, testWithPython } from "../support/python.ts";
import {
  type PostgresServer,
  startMoto,
  startPostgres,
  tempFolder,
} from "../support/servers.ts";
import { projectFolder, run } from "../support/tools.ts";

const us = ["--geography", "US"];
const quick = ["--retries", "0"];
const newRoot = "s3://bucket-all/ml flow";
const inFolder = { MLFLOW_ARTIFACT_ROOT: newRoot };
const model = "churn-prediction-model-us";

testWithPython(
  "move copies every row and file of the embedded store, and the commands and Python's MLflow go on with the services",
  async (t) => {
    await using folder = await tempFolder();
    await using postgres = await startPostgres();
    await using moto = await startMoto();
    const home = `${folder.path}/home's & störe 🏠`;
    const embedded = { CHURN_HOME: home, CHURN_FILES: folder.path };
    await runCommand("predict", [...us, "--to", "2026-11-16"], {
      env: embedded,
    });
    await runCommand("monitor", us, { env: embedded });
    {
      await using store = await openPglite(`${home}/database`);
      const filled = await fillEmptyTables(store);
      ok(filled.includes("spans") && filled.includes("monitoring_alerts"));
      // Paths of the store in texts and JSON, and what only looks like one.
      const path = `${home}/artifacts`;
      for (
        const [key, value] of Object.entries({
          whole: path,
          below: `see file://${path}/1/x and ${path}-old`,
          longer: `/mnt${path}/x`,
        })
      ) {
        await store.query(
          "insert into experiment_tags (experiment_id, key, value) values (1, $1, $2)",
          [key, value],
        );
      }
      // A gap: the next id is not the highest one plus one.
      await store.query(
        "select setval(pg_get_serial_sequence('scoring_runs', 'id'), 40)",
      );
    }
    const read =
      () => [readTree(`${home}/database`), readTree(`${home}/artifacts`)];
    const before = read();

    const place = async (name: string, more: Record<string, string> = {}) => {
      await makeBucket(moto, `bucket-${name}`);
      return {
        ...moto.env,
        MLFLOW_TRACKING_URI: postgres.url(`mlflow_${name}`),
        PREDICTIONS_DATABASE_URL: postgres.url(`predictions_${name}`),
        MLFLOW_S3_BUCKET: `bucket-${name}`,
        ...embedded,
        ...more,
      };
    };
    const isUntouched = () => deepStrictEqual(read(), before);

    await t.step(
      "everything arrives, in databases that did not exist",
      async () => {
        const env = await place("all", inFolder);
        const { report, stdout } = await runCommand("move", quick, { env });
        strictEqual(report.status, "moved");
        isUntouched();
        const root = newRoot;
        await using store = await openPglite(`${home}/database`, {
          readOnly: true,
        });
        await using mlflow = await openDatabase(postgres, "mlflow_all");
        await using predictions = await openDatabase(
          postgres,
          "predictions_all",
        );
        await compareTables(store, [mlflow, predictions], {
          from: `${home}/artifacts`,
          to: root,
        });
        for (const name of ["whole", "below", "longer"]) {
          const [tag] = await mlflow.query<{ value: string }>(
            "select value from experiment_tags where key = $1",
            [name],
          );
          strictEqual(
            tag?.value,
            {
              whole: root,
              below: `see ${root}/1/x and ${home}/artifacts-old`,
              longer: `/mnt${home}/artifacts/x`,
            }[name],
          );
        }
        const files = Object.keys(readTree(`${home}/artifacts`)).filter((
          path,
        ) => !path.endsWith("/"));
        strictEqual(report.files, files.length);
        for (const path of files) {
          deepStrictEqual(
            await getObject(moto, `bucket-all/ml flow/${path}`),
            await Deno.readFile(`${home}/artifacts/${path}`),
          );
        }
        strictEqual(stdout.includes("p@ss"), false);
      },
    );

    await t.step(
      "a second call changes nothing, and says what may be deleted",
      async () => {
        const env = await place("all", inFolder);
        strictEqual(
          (await runCommand("move", quick, { env })).report.status,
          "unchanged",
        );
        const { stdout } = await runCommand("move", quick, {
          env,
          json: false,
        });
        match(stdout, /was already moved to .*nothing was changed/);
        match(
          stdout,
          /only read and is unchanged\..*\n {2}rm -r '.*\/database' '.*\/database.lock' '.*\/artifacts'\n$/,
        );
        isUntouched();
      },
    );

    await t.step(
      "predict and monitor find nothing new, then score a new week",
      async () => {
        const env = await place("all", inFolder);
        const upload = async (week: string) =>
          await putObject(
            moto,
            `bucket-all/geography-us/data/churn/weekly/${week}.jsonl`,
            await Deno.readFile(
              `${projectFolder}data/geography-us/churn/weekly/${week}.jsonl`,
            ),
          );
        await upload("2026-11-09");
        await upload("2026-11-16");
        strictEqual(
          (await runCommand("predict", us, { env })).report.status,
          "nothing-new",
        );
        strictEqual(
          (await runCommand("monitor", us, { env })).report.status,
          "nothing-new",
        );
        await upload("2026-11-23");
        const { report } = await runCommand("predict", us, { env });
        deepStrictEqual([report.status, report.model_version], ["scored", 1]);
        strictEqual(
          (await runCommand("monitor", us, { env })).report.status,
          "created",
        );
        // More there than in the store is no contradiction.
        strictEqual(
          (await runCommand("move", quick, { env })).report.status,
          "unchanged",
        );
        await using predictions = await openDatabase(
          postgres,
          "predictions_all",
        );
        deepStrictEqual(
          await predictions.query(
            "select period::text as period, scoring_run_id as run, count(*) as rows from churn_predictions where row_number <= 1000 group by 1, 2 order by 1",
          ),
          // The sequence of the ledger continues where the store's was.
          [["2026-11-09", 1], ["2026-11-16", 2], ["2026-11-23", 41]].map((
            [period, run],
          ) => ({ period, run, rows: 400 })),
        );
      },
    );

    await t.step(
      "Python's MLflow 3.17.2 loads the model from its new place and lists the runs",
      async () => {
        const { stdout } = await runPython("mlflow-3.17.2", readMoved, {
          args: [model],
          env: {
            ...moto.env,
            AWS_DEFAULT_REGION: "us-east-1",
            MLFLOW_S3_ENDPOINT_URL: moto.endpoint,
            MLFLOW_TRACKING_URI: postgres.url("mlflow_all"),
          },
        });
        const read = JSON.parse(stdout.trim().split("\n").at(-1) ?? "");
        ok(read.difference < 1e-6, stdout);
        deepStrictEqual(read.names, [
          "Model Logging - Geo: US",
          "Monitoring - Geo: US",
          "Scoring - Geo: US",
        ]);
        strictEqual(read.source, newRoot);
      },
    );

    await t.step(
      "setup's experiments are matched by name, and others stay",
      async () => {
        const env = await place("set");
        await runCommand("setup", ["--all", ...quick], { env });
        await using mlflow = await openDatabase(postgres, "mlflow_set");
        const list =
          "select name::text as name, experiment_id as id from experiments order by name";
        const namesOf = (experiments: readonly { name: string }[]) =>
          experiments.map(({ name }) => name);
        const before = await mlflow.query<{ name: string; id: number }>(list);
        strictEqual(
          (await runCommand("move", quick, { env })).report.status,
          "moved",
        );
        const after = await mlflow.query<{ name: string; id: number }>(list);
        await using store = await openPglite(`${home}/database`, {
          readOnly: true,
        });
        const own = await store.query<{ name: string; id: number }>(list);
        deepStrictEqual(
          namesOf(after),
          [...new Set(namesOf([...before, ...own]))].sort(),
        );
        for (const { name, id } of own) {
          strictEqual(
            after.find((experiment) => experiment.name === name)?.id,
            id,
          );
        }
        const tags = await mlflow.query(
          "select e.name from experiments e join experiment_tags t using (experiment_id) where t.key = 'mlflow.experimentKind'",
        );
        strictEqual(tags.length, 4);
        // The next experiment has an id of its own.
        const { report } = await runCommand("setup", [
          "--company",
          "New",
          ...quick,
        ], { env });
        deepStrictEqual([
          report.status,
          after.some(({ id }) => String(id) === String(report.experiment_id)),
        ], ["created", false]);
      },
    );

    await t.step(
      "what belongs to somebody else is named and refused before anything is written",
      async () => {
        const refused = async (
          env: Record<string, string>,
          message: RegExp,
          code = 1,
        ) => {
          const { stderr } = await runCommand("move", quick, { env, code });
          match(stderr, message);
          isUntouched();
        };
        const isAbsent = async (database: string) => {
          await using admin = await openDatabase(postgres, "postgres");
          deepStrictEqual(
            await admin.query(
              "select 1 as one from pg_database where datname = $1",
              [database],
            ),
            [],
          );
        };
        await refused(
          embedded,
          /Cannot move: no services are configured; set MLFLOW_SECRET_NAME/,
          2,
        );
        await refused(
          { ...await place("none"), CHURN_HOME: `${folder.path}/nowhere` },
          /Nothing to move: there is no embedded database in .*nowhere\/database/,
        );
        await refused(
          {
            ...embedded,
            MLFLOW_TRACKING_URI: "http://127.0.0.1:9",
            PREDICTIONS_DATABASE_URL: postgres.url("p"),
          },
          /Cannot move to an MLflow server: .*set MLFLOW_TRACKING_URI to the postgresql:\/\/ URI/,
          2,
        );
        await refused(
          {
            ...await place("inside"),
            MLFLOW_ARTIFACT_ROOT: `${home}/artifacts/new`,
          },
          /inside the embedded store's own folder/,
          2,
        );

        await addDatabase(postgres, "mlflow_runs");
        {
          await using mlflow = await openDatabase(postgres, "mlflow_runs");
          await ensureMlflowSchema(mlflow, { artifactRoot: "s3://other" });
          await mlflow.query(
            "insert into runs (run_uuid, status, lifecycle_stage, experiment_id) values ('a', 'FINISHED', 'active', 0)",
          );
          await mlflow.query(
            "insert into registered_models (workspace, name) values ('default', 'theirs')",
          );
        }
        await refused(
          await place("runs"),
          /Cannot move to .*mlflow_runs: it is in use, with the experiment "Default", .*registered_models \(1 row\)/,
        );
        await isAbsent("predictions_runs");

        await addDatabase(postgres, "predictions_scores");
        {
          await using old = await openDatabase(postgres, "predictions_scores");
          await old.query(
            "create table churn_predictions (id serial primary key, prediction_timestamp timestamptz not null, geography_id text not null, churn_probability float8 not null, model_version text not null)",
          );
          await old.query(
            "insert into churn_predictions select n, now(), 'US', 0.5, '1' from generate_series(1, 3) n",
          );
        }
        await refused(
          await place("scores"),
          /Cannot move to .*predictions_scores: it is in use, with churn_predictions \(3 rows\)/,
        );
        await isAbsent("mlflow_scores");

        const env = await place("file");
        const [file = ""] = Object.keys(readTree(`${home}/artifacts`)).filter((
          path,
        ) => path.endsWith("MLmodel"));
        await putObject(moto, `bucket-file/${file}`, "other bytes");
        await refused(
          env,
          /s3:\/\/bucket-file\/.*MLmodel exists with other content/,
        );
        await using mlflow = await openDatabase(postgres, "mlflow_file");
        deepStrictEqual(await mlflow.query("select run_uuid from runs"), []);
      },
    );

    await t.step(
      "SIGTERM during the copy rolls back, a kill between the databases leaves one whole, and the next call completes",
      async () => {
        const env = await place("stop");
        await runCommand("setup", [...us, ...quick], { env });
        await using mlflow = await openDatabase(postgres, "mlflow_stop");
        await using predictions = await openDatabase(
          postgres,
          "predictions_stop",
        );
        const slow = async (database: Database, table: string) => {
          await database.query(
            "create function wait() returns trigger language plpgsql as $$ begin perform pg_sleep(600); return new; end $$",
          );
          await database.query(
            `create trigger wait before insert on ${table} for each row execute function wait()`,
          );
        };
        const count = async (database: Database, table: string) => {
          const [row] = await database.query<{ rows: number }>(
            `select count(*) as rows from ${table}`,
          );
          return row?.rows ?? 0;
        };
        await slow(mlflow, "metrics");
        const ended = await stopDuring('copy "metrics"%', {
          env,
          postgres,
          signal: "SIGTERM",
        });
        strictEqual(ended.code, 75);
        match(
          ended.stderr,
          /move: Stopped by SIGTERM; nothing incomplete was stored/,
        );
        deepStrictEqual([
          await count(mlflow, "runs"),
          await count(mlflow, "registered_models"),
          await count(predictions, "scores"),
        ], [0, 0, 0]);
        await mlflow.query("drop trigger wait on metrics");

        await slow(predictions, "scores");
        await stopDuring('copy "scores"%', {
          env,
          postgres,
          signal: "SIGKILL",
        });
        ok(await count(mlflow, "runs") > 3);
        deepStrictEqual([
          await count(predictions, "scoring_runs"),
          await count(predictions, "scores"),
        ], [0, 0]);
        await predictions.query("drop trigger wait on scores");

        const { report, stderr } = await runCommand("move", quick, { env });
        // The copy that the killed process left is gone, too.
        deepStrictEqual(Object.keys(readTree(`${home}/tmp`)), []);
        deepStrictEqual([report.status, report.files, report.tables.runs], [
          "moved",
          0,
          undefined,
        ], stderr);
        strictEqual(await count(predictions, "scores"), 800);
        strictEqual(
          (await runCommand("move", quick, { env })).report.status,
          "unchanged",
        );
        isUntouched();
      },
    );

    await t.step(
      "the store's own folder of artifacts can stay in use, and is then not to be deleted",
      async () => {
        const env = await place("folder", {
          MLFLOW_ARTIFACT_ROOT: `${home}/artifacts`,
        });
        const { stdout } = await runCommand("move", quick, {
          env,
          json: false,
        });
        match(stdout, /artifacts to .*: they stay there\n/);
        match(stdout, /rm -r '.*\/database' '.*\/database.lock'\n$/);
        const again = await runCommand("move", quick, { env, json: false });
        match(again.stdout, /rm -r '.*\/database' '.*\/database.lock'\n$/);
        isUntouched();
      },
    );

    await t.step(
      "a store that was used after the move is refused, with what is missing there",
      async () => {
        const env = await place("all", inFolder);
        await runCommand("predict", us, { env: embedded });
        const { stderr } = await runCommand("move", quick, { env, code: 1 });
        match(
          stderr,
          /Cannot move again: .*now lacks 1 of its entries \(run [0-9a-f]{32}\); either .* used after the move/,
        );
      },
    );
  },
);

Deno.test("a store without scores is moved once, and scores that came after it are its own", async () => {
  await using folder = await tempFolder();
  await using postgres = await startPostgres();
  const env = { CHURN_HOME: `${folder.path}/home` };
  await runCommand("setup", us, { env });
  const services = {
    ...env,
    MLFLOW_TRACKING_URI: postgres.url("mlflow"),
    PREDICTIONS_DATABASE_URL: postgres.url("predictions"),
    MLFLOW_ARTIFACT_ROOT: `${folder.path}/artifacts`,
  };
  const move = async () =>
    (await runCommand("move", quick, { env: services })).report.status;
  strictEqual(await move(), "moved");
  await using predictions = await openDatabase(postgres, "predictions");
  await predictions.query(
    `insert into scoring_runs (variant, input_uri, content_sha256, recipe_sha256, model_name, model_version, model_sha256, row_count, data_source, status, started_at, finished_at)
     values ('base', 'x', repeat('a', 64), repeat('a', 64), 'm', '1', repeat('a', 64), 0, 's3', 'completed', now(), now())`,
  );
  strictEqual(await move(), "unchanged");
});

Deno.test("a store or a database of another release, and a store that was renamed, are refused with what to do", async () => {
  await using folder = await tempFolder();
  await using postgres = await startPostgres();
  const [home, renamed] = [`${folder.path}/home`, `${folder.path}/renamed`];
  await runCommand("setup", us, { env: { CHURN_HOME: home } });
  await cp(home, renamed, { recursive: true });
  const services = {
    MLFLOW_TRACKING_URI: postgres.url("mlflow"),
    PREDICTIONS_DATABASE_URL: postgres.url("predictions"),
    MLFLOW_ARTIFACT_ROOT: `${folder.path}/artifacts`,
  };
  const refused = async (folder: string, code: number) => {
    const env = { ...services, CHURN_HOME: folder };
    return (await runCommand("move", quick, { env, code })).stderr;
  };
  match(
    await refused(renamed, 1),
    /MLflow's tables name 2 folders outside .*renamed\/artifacts, such as .*home\/artifacts; if the store was made there, move it back/,
  );
  const change = async (sql: string) => {
    await using store = await openPglite(`${home}/database`);
    await store.query(sql);
  };
  await change("delete from predictions_schema_migrations where number = 10");
  match(
    await refused(home, 2),
    /it lacks 010_.*\.sql; run `deno task setup` once without the settings of services/,
  );
  await change(
    "insert into predictions_schema_migrations (number, name) values (10, 'x'), (999, '999_later.sql')",
  );
  match(await refused(home, 2), /a newer release .*\(999_later\.sql\)/);
  await change("delete from predictions_schema_migrations where number = 999");

  await addDatabase(postgres, "mlflow");
  {
    await using mlflow = await openDatabase(postgres, "mlflow");
    await ensureMlflowSchema(mlflow);
    await mlflow.query(
      "update alembic_version set version_num = '1a0cddfcaa16'",
    );
  }
  match(
    await refused(home, 1),
    /they have the head dc11669786a5 in the embedded store and 1a0cddfcaa16 there; use an empty database/,
  );
});

/** Compares every table of the store with the one in a target, row by row, as Postgres prints them. */
async function compareTables(
  store: Queryable,
  targets: readonly Queryable[],
  root: { from: string; to: string },
): Promise<void> {
  const list = `select table_name::text as name from information_schema.tables
    where table_schema = current_schema() and table_type = 'BASE TABLE' order by 1`;
  const names = (await store.query<{ name: string }>(list)).map(({ name }) =>
    name
  );
  ok(names.length > 70, `${names.length}`);
  const seen: string[] = [];
  for (const target of targets) {
    for (const { name } of await target.query<{ name: string }>(list)) {
      seen.push(name);
      // Each database records when its own schema was made.
      const columns = name === "predictions_schema_migrations"
        ? "(number, name)"
        : "t";
      const query = `select ${columns}::text as line from ${name} t order by 1`;
      const [own, other] = [
        await store.query<{ line: string }>(query),
        await target.query<{ line: string }>(query),
      ];
      ok(own.length > 0, `${name} is empty`);
      // Not of the tags, whose texts the caller compares.
      const moved = name === "experiment_tags"
        ? own.length
        : own.map(({ line }) => line.replaceAll(root.from, root.to)).sort();
      deepStrictEqual(
        name === "experiment_tags"
          ? other.length
          : other.map(({ line }) => line).sort(),
        moved,
        name,
      );
    }
  }
  deepStrictEqual(seen.sort(), names);
}

/** Runs `move`, sends a signal to it while the server runs a statement like the pattern, and returns how it ended, after the server has ended the statement. */
async function stopDuring(
  pattern: string,
  { env, postgres, signal }: {
    env: Record<string, string>;
    postgres: PostgresServer;
    signal: Deno.Signal;
  },
): Promise<{ code: number; stderr: string }> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["task", "--quiet", "move", ...quick],
    cwd: projectFolder,
    clearEnv: true,
    env: { ...inherited(), NO_COLOR: "1", ...env },
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const output = child.output();
  await using admin = await openDatabase(postgres, "postgres");
  const running = async () =>
    await admin.query<{ pid: number }>(
      "select pid from pg_stat_activity where state = 'active' and query like $1 and pid <> pg_backend_pid()",
      [pattern],
    );
  const until = async (isRunning: boolean) => {
    for (let tries = 0; (await running()).length > 0 !== isRunning; tries++) {
      ok(tries < 600, `${pattern} is ${isRunning ? "not " : "still "}running`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  };
  await until(true);
  if (signal === "SIGKILL") await killTree(child.pid);
  else child.kill(signal);
  const { code, stderr } = await output;
  // A sleeping backend does not notice that its client is gone.
  for (const { pid } of await running()) {
    await admin.query("select pg_terminate_backend($1)", [pid]);
  }
  await until(false);
  return { code, stderr: new TextDecoder().decode(stderr) };
}

/** Kills a process that this test started and those that it started, the last ones first. */
async function killTree(pid: number): Promise<void> {
  // A program, because Deno lets only a process with all permissions read /proc.
  const { stdout } = await run("cat", [`/proc/${pid}/task/${pid}/children`]);
  for (const child of stdout.trim().split(" ").filter((text) => text !== "")) {
    await killTree(Number(child));
  }
  Deno.kill(pid, "SIGKILL");
}

const readMoved = `
import json, sys
import mlflow, numpy as np
from mlflow import MlflowClient
name = sys.argv[1]
client = MlflowClient()
loaded = mlflow.pyfunc.load_model(f"models:/{name}/Production")
folder = mlflow.artifacts.download_artifacts(f"models:/{name}/Production")
expected = json.load(open(folder + "/expected_scores.json"))["scores"]
scores = np.asarray(loaded.predict(loaded.input_example)).ravel()
experiment = client.get_experiment_by_name("churn_prediction-geography-us")
runs = client.search_runs([experiment.experiment_id])
print(json.dumps({
    "difference": float(np.abs(scores - expected).max()),
    "names": sorted({run.info.run_name for run in runs}),
    "source": experiment.artifact_location,
}))
`;
