/** `doctor`: every fault has a real cause here, is named with its remedy, hides no other check, and nothing is changed by looking. */
import {
  deepStrictEqual,
  doesNotMatch,
  match,
  ok,
  strictEqual,
} from "node:assert/strict";
import { openPostgres } from "../../lib/database/postgres.ts";
import {
  makeBucket,
  putObject,
  putSecret,
  rotateSecret,
} from "../support/aws.ts";
import { copyProject } from "../support/checkout.ts";
import { type Ended, runCommand } from "../support/commands.ts";
import { startFaults } from "../support/faults.ts";
import { readDatabaseState } from "../support/database_state.ts";
import { readTree } from "../support/file_tree.ts";
import { startMlflowServer } from "../support/mlflow.ts";
import { openProject } from "../support/project.ts";
import { testWithPython } from "../support/python.ts";
import {
  freePort,
  type PostgresServer,
  startPostgres,
  tempFolder,
} from "../support/servers.ts";
import { makeCertificates } from "../support/tls.ts";
import { startWorld, type World } from "../support/world.ts";

interface Found {
  readonly group: string;
  readonly title: string;
  readonly state: string;
  readonly detail: string;
  readonly remedy?: string;
  readonly hint?: string;
}

/** The states of all checks, by group and title. */
function statesOf({ report }: Ended): Record<string, string> {
  return Object.fromEntries(
    report.checks.map(({ group, title, state }: Found) =>
      [`${group}: ${title}`, state] as const
    ),
  );
}

/** The one check of a group and title. */
function find({ report }: Ended, name: string): Found {
  const found = report.checks.find((check: Found) =>
    `${check.group}: ${check.title}` === name
  );
  ok(found, `${name} in ${JSON.stringify(report.checks, null, 1)}`);
  return found;
}

/** Everything but the checks that are in order. */
function faultsOf(ended: Ended): Record<string, string> {
  return Object.fromEntries(
    Object.entries(statesOf(ended)).filter(([, state]) => state !== "ok"),
  );
}

const us = ["--geography", "US"];

Deno.test("doctor on a fresh clone says what the first command is, and creates nothing", async () => {
  await using folder = await tempFolder();
  const env = { CHURN_HOME: `${folder.path}/home` };
  const fresh = await runCommand("doctor", [], { env });
  strictEqual(fresh.report.status, "warnings");
  deepStrictEqual(faultsOf(fresh), {
    "Installation: Disk": "skipped",
    "Databases: Embedded database": "warning",
  });
  strictEqual(
    find(fresh, "Databases: Embedded database").remedy,
    "deno task predict",
  );
  deepStrictEqual([...Deno.readDirSync(folder.path)], []);

  const { stdout } = await runCommand("doctor", [], { env, json: false });
  match(stdout, /^Installation\n {2}✓ Deno {5}2\.\d+\.\d+\n/);
  match(stdout, /\n1 warning, \d+ ok\. Nothing was changed\.\n$/);
  ok(!stdout.includes("\x1b"));
  ok(stdout.split("\n").every((line) => line.length <= 100), stdout);
});

Deno.test("doctor on the embedded store changes no byte of it, and finds what is damaged", async (t) => {
  await using folder = await tempFolder();
  const home = `${folder.path}/home`;
  const env = { CHURN_HOME: home };
  await runCommand("predict", us, { env });
  const doctor = (code = 0, more = {}) =>
    runCommand("doctor", us, { env: { ...env, ...more }, code });

  await t.step("all in order", async () => {
    const before = readTree(home);
    const found = await doctor();
    deepStrictEqual(faultsOf(found), {});
    match(
      find(found, "Models: geography US").detail,
      /^version 1 \(@champion, Production\), files verified$/,
    );
    match(
      find(found, "Data: geography US").detail,
      /^2026-11-23 \(\d+ days? old\): 400 rows scored 20..-..-.., version 1$/,
    );
    deepStrictEqual(readTree(home), before);
  });

  await t.step("misspelled settings, also of the prefix", async () => {
    const found = await doctor(2, {
      MLFLOW_S3_BUKET: "models",
      PREDICTION_SECRET_NAME: "x",
      CHURN_COLOUR: "1",
    });
    deepStrictEqual(faultsOf(found), {
      "Settings: MLFLOW_S3_BUKET": "wrong",
      "Settings: PREDICTION_SECRET_NAME": "wrong",
      "Settings: CHURN_COLOUR": "warning",
    });
    strictEqual(
      find(found, "Settings: MLFLOW_S3_BUKET").remedy,
      `export MLFLOW_S3_BUCKET="$MLFLOW_S3_BUKET"; unset MLFLOW_S3_BUKET`,
    );
    // Any other command warns of it, too.
    const { stderr } = await runCommand("plan", us, {
      env: { ...env, MLFLOW_S3_BUKET: "models" },
    });
    match(
      stderr,
      /WARNING: MLFLOW_S3_BUKET is not a known setting and is ignored; did you mean MLFLOW_S3_BUCKET\?/,
    );
  });

  await t.step("half a configuration", async () => {
    const found = await doctor(2, { MLFLOW_S3_BUCKET: "models" });
    match(
      find(found, "Settings: Environment").detail,
      /MLFLOW_S3_BUCKET is set, but neither MLFLOW_TRACKING_URI nor MLFLOW_SECRET_NAME/,
    );
    strictEqual(statesOf(found)["Databases: Services"], "skipped");
  });

  await t.step("a store that another process uses is no fault", async () => {
    const { openPglite } = await import("../../lib/database/pglite.ts");
    await using _ = await openPglite(`${home}/database`);
    const found = await doctor();
    match(
      find(found, "Databases: Embedded database").detail,
      /process \d+ is using it/,
    );
    strictEqual(statesOf(found)["Models: geography US"], "skipped");
  });

  await t.step("a model file that was changed after logging", async () => {
    const [name] = Object.keys(readTree(`${home}/artifacts`)).filter((path) =>
      /\/model\.(ubj|xgb|json|bin)$/.test(path)
    );
    ok(name);
    const path = `${home}/artifacts/${name}`;
    const bytes = await Deno.readFile(path);
    const at = bytes.length >> 1;
    bytes[at]! ^= 1;
    await Deno.writeFile(path, bytes);
    const found = await doctor(2);
    deepStrictEqual(faultsOf(found), { "Models: geography US": "wrong" });
    match(find(found, "Models: geography US").detail, /digest|SHA-256/i);
    bytes[at]! ^= 1;
    await Deno.writeFile(path, bytes);
  });
});

Deno.test("doctor finds scored data that changed since, and a side file that contradicts them", async () => {
  await using project = await openProject(
    await Deno.readTextFile("variants.yaml"),
  );
  const weekly = `${project.path}/data/churn/weekly`;
  await project.run("predict");
  const data = async () => {
    const found = await project.run("doctor");
    const base = find(found, "Data: base");
    return { state: base.state, detail: base.detail, remedy: base.remedy };
  };
  strictEqual((await data()).state, "ok");
  const text = await Deno.readTextFile(`${weekly}/2026-11-16.jsonl`);
  // The same content, written again.
  await Deno.writeTextFile(`${weekly}/2026-11-16.jsonl`, text);
  strictEqual((await data()).state, "ok");
  await Deno.writeTextFile(
    `${weekly}/2026-11-16.jsonl`,
    text.replace(/\n[^\n]+\n?$/, "\n"),
  );
  const changed = await data();
  deepStrictEqual([changed.state, changed.remedy], [
    "warning",
    "deno task predict",
  ]);
  match(changed.detail, /; the data of 2026-11-16 have changed since then$/);
  const done = await project.run("predict");
  strictEqual(done.report.rows, 399);
  strictEqual((await data()).state, "ok");
  // What was scored before the change comes back: only --force scores it again.
  const shortened = await Deno.readTextFile(`${weekly}/2026-11-16.jsonl`);
  await Deno.writeTextFile(`${weekly}/2026-11-16.jsonl`, text);
  const force = "deno task predict --period 2026-11-16 --force";
  const returned = await data();
  deepStrictEqual([returned.state, returned.remedy], ["warning", force]);
  match(
    returned.detail,
    /; the data of 2026-11-16 have the content of attempt 1 again, but churn_predictions_current shows attempt 2, whose content was another$/,
  );
  match(
    (await project.run("plan")).stderr,
    new RegExp(`whose content was another; \`${force}\` scores it again`),
  );
  await Deno.writeTextFile(`${weekly}/2026-11-16.jsonl`, shortened);
  strictEqual((await data()).state, "ok");
  await Deno.writeTextFile(`${weekly}/2026-11-23.manifest.json`, '{"rows": 5}');
  const side = await data();
  strictEqual(side.state, "warning");
  match(side.detail, /2026-11-23\.manifest\.json promises 5$/);
  await Deno.writeTextFile(`${weekly}/2026-11-23.manifest.json`, "{");
  match((await data()).detail, /2026-11-23\.manifest\.json/);
  // A dry run says it once, too.
  const dry = await project.run("predict", ["--dry-run"], 1);
  const said = dry.stderr.trim().split("\n");
  strictEqual(
    said.filter((line) => line.includes("2026-11-23.manifest.json")).length,
    1,
    dry.stderr,
  );
});

Deno.test("doctor names what is wrong in variants.yaml, and still checks the rest", async () => {
  await using project = await copyProject();
  await using folder = await tempFolder();
  await Deno.writeTextFile(
    `${project.path}/variants.yaml`,
    "variants:\n  - geografy: US\n",
  );
  const found = await runCommand("doctor", [], {
    env: { CHURN_HOME: `${folder.path}/home` },
    code: 2,
    folder: project.path,
  });
  match(find(found, "Settings: variants.yaml").detail, /geografy/);
  strictEqual(statesOf(found)["Databases: Embedded database"], "warning");
});

/** Postgres and moto with secrets, and a variant that is set up. */
async function startConfigured() {
  await using stack = new AsyncDisposableStack();
  const world: World = stack.use(await startWorld("geography-us"));
  const { moto, postgres, bucket } = world;
  const { host, port, user, password } = postgres;
  const login = { username: user, password, host, port };
  await putSecret(moto, "mlflow-db", { ...login, dbname: "mlflow_db" });
  await putSecret(moto, "predictions", { ...login, dbname: "predictions" });
  const { MLFLOW_TRACKING_URI: _, PREDICTIONS_DATABASE_URL: __, ...rest } =
    world.env as Record<string, string>;
  const env = {
    ...rest,
    MLFLOW_SECRET_NAME: "mlflow-db",
    PREDICTIONS_SECRET_NAME: "predictions",
  };
  const run = (name: string, args: readonly string[] = us, code = 0) =>
    runCommand(name, args, { env, code });
  await run("setup");
  await run("log-model");
  await run("promote", [...us, "--version", "1"]);
  await putObject(
    moto,
    `${bucket}/geography-us/data/churn/weekly/2026-11-23.jsonl`,
    await Deno.readTextFile("data/geography-us/churn/weekly/2026-11-23.jsonl"),
  );
  await run("predict");
  const owned = stack.move();
  return {
    world,
    login,
    env,
    run,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function openAs(
  { host, port, user, password }: PostgresServer,
  database: string,
) {
  return await openPostgres({ host, port, user, password, database });
}

testWithPython(
  "doctor finds each fault of secrets, bucket, databases and registry, and hides no other",
  async (t) => {
    await using configured = await startConfigured();
    const { world, login, env, run } = configured;
    const { moto, postgres, bucket, folder } = world;
    const doctor = (code = 0, more: Record<string, string> = {}) =>
      runCommand("doctor", us, { env: { ...env, ...more }, code });

    await t.step("all in order, and nothing changed", async () => {
      const state = async () => ({
        mlflow: await readDatabaseState(postgres, "mlflow_db"),
        predictions: await readDatabaseState(postgres, "predictions"),
        bucket: await (await fetch(
          `${moto.endpoint}/${bucket}?list-type=2`,
        )).text(),
        files: readTree(folder),
      });
      const before = await state();
      const found = await doctor();
      deepStrictEqual(faultsOf(found), {});
      strictEqual(found.report.status, "ok");
      deepStrictEqual(Object.keys(statesOf(found)), [
        "Installation: Deno",
        "Installation: Project",
        "Installation: Disk",
        "Settings: Environment",
        "Settings: variants.yaml",
        "Files: Bucket",
        "Files: geography US",
        "Secrets: MLflow's database",
        "Secrets: Predictions",
        "Databases: MLflow's database",
        "Databases: MLflow's database, TLS",
        "Databases: MLflow's tables",
        "Databases: MLflow login's rights",
        "Databases: Predictions",
        "Databases: Predictions, TLS",
        "Databases: Prediction tables",
        "Databases: Login's rights",
        "Databases: Roles",
        "Models: geography US",
        "Data: geography US",
      ]);
      match(find(found, "Databases: Predictions").detail, /, Postgres \d+\./);
      const text = await runCommand("doctor", us, { env, json: false });
      for (const { stdout, stderr } of [found, text]) {
        doesNotMatch(stdout + stderr, /p@ss|p%40ss/);
      }
      deepStrictEqual(await state(), before);
    });

    await t.step("an absent bucket, and one that lacks the files", async () => {
      const absent = await doctor(2, { MLFLOW_S3_BUCKET: "no-such-bucket" });
      deepStrictEqual(faultsOf(absent), {
        "Data: geography US": "skipped",
        "Files: Bucket": "wrong",
        "Files: geography US": "skipped",
      });
      match(find(absent, "Files: Bucket").detail, /there is no bucket/);
      await makeBucket(moto, "empty-bucket");
      const empty = await doctor(0, { MLFLOW_S3_BUCKET: "empty-bucket" });
      match(
        find(empty, "Files: geography US").detail,
        /missing in s3:\/\/empty-bucket\/geography-us: models\/churn\/xgb_churn_model_2\.bin, /,
      );
      strictEqual(
        find(empty, "Files: geography US").remedy,
        "aws s3 cp models/geography-us/churn/xgb_churn_model_2.bin s3://empty-bucket/geography-us/models/churn/xgb_churn_model_2.bin",
      );
    });

    await t.step("secrets: a key is missing, no JSON, absent", async () => {
      const { host: _, ...withoutHost } = login;
      await rotateSecret(moto, "predictions", {
        ...withoutHost,
        dbname: "predictions",
      });
      const lacking = await doctor(2);
      deepStrictEqual(faultsOf(lacking), {
        "Secrets: Predictions": "wrong",
        "Databases: Predictions": "skipped",
        "Databases: Prediction tables": "skipped",
        "Data: geography US": "skipped",
      });
      match(find(lacking, "Secrets: Predictions").detail, /"host" is missing/);
      await rotateSecret(moto, "predictions", "canary p@ss, no JSON");
      const broken = await doctor(2);
      doesNotMatch(broken.stdout + broken.stderr, /canary|p@ss/);
      strictEqual(statesOf(broken)["Secrets: Predictions"], "wrong");
      await rotateSecret(moto, "predictions", {
        ...login,
        dbname: "predictions",
      });
      const absent = await doctor(2, { MLFLOW_SECRET_NAME: "no-such" });
      deepStrictEqual(
        [
          statesOf(absent)["Secrets: MLflow's database"],
          statesOf(absent)["Databases: MLflow's database"],
          statesOf(absent)["Databases: Prediction tables"],
        ],
        ["wrong", "skipped", "ok"],
      );
    });

    await t.step("a wrong password", async () => {
      await rotateSecret(moto, "predictions", {
        ...login,
        password: "wr@ng:w/rd",
        dbname: "predictions",
      });
      const found = await doctor(2);
      deepStrictEqual(faultsOf(found), {
        "Databases: Predictions": "wrong",
        "Databases: Prediction tables": "skipped",
        "Data: geography US": "skipped",
      });
      doesNotMatch(found.stdout + found.stderr, /wr@ng/);
      await rotateSecret(moto, "predictions", {
        ...login,
        dbname: "predictions",
      });
    });

    await t.step("hosts that do not answer", async () => {
      const database = await doctor(75, {
        PREDICTIONS_DATABASE_URL:
          `postgresql://me:p%40ss@127.0.0.1:${freePort()}/x`,
      });
      strictEqual(database.report.status, "unreachable");
      deepStrictEqual(faultsOf(database), {
        "Databases: Predictions": "unreachable",
        "Databases: Prediction tables": "skipped",
        "Data: geography US": "skipped",
      });
      doesNotMatch(database.stdout + database.stderr, /p@ss|p%40ss/);
      const s3 = await doctor(75, {
        AWS_ENDPOINT_URL_S3: `http://127.0.0.1:${freePort()}`,
      });
      deepStrictEqual(faultsOf(s3), {
        "Data: geography US": "skipped",
        "Files: Bucket": "unreachable",
        "Files: geography US": "skipped",
        "Models: geography US": "unreachable",
      });
      // What is wrong comes before what may be there later.
      await doctor(2, {
        AWS_ENDPOINT_URL_S3: `http://127.0.0.1:${freePort()}`,
        MLFLOW_SECRET_NAME: "no-such",
      });
    });

    await t.step("missing tables, migrations and databases", async () => {
      await using predictions = await openAs(postgres, "predictions");
      await using mlflow = await openAs(postgres, "mlflow_db");
      await mlflow.query("alter table runs rename to runs_elsewhere");
      const table = await doctor(2);
      match(
        find(table, "Databases: MLflow's tables").detail,
        /no table "runs"/,
      );
      strictEqual(statesOf(table)["Models: geography US"], "skipped");
      strictEqual(statesOf(table)["Databases: Prediction tables"], "ok");
      await mlflow.query("alter table runs_elsewhere rename to runs");

      const [last] = await predictions.query<{ name: string }>(
        `delete from predictions_schema_migrations
         where number = (select max(number) from predictions_schema_migrations) returning *`,
      );
      const earlier = await doctor(2);
      match(
        find(earlier, "Databases: Prediction tables").detail,
        new RegExp(`from an earlier release; not applied: ${last?.name}`),
      );
      strictEqual(
        find(earlier, "Databases: Prediction tables").remedy,
        "deno task setup",
      );
      await predictions.query(
        "insert into predictions_schema_migrations select ($1::jsonb->>'number')::int, $1::jsonb->>'name'",
        [JSON.stringify(last)],
      );
      await rotateSecret(moto, "predictions", { ...login, dbname: "nowhere" });
      const nowhere = await doctor(2);
      match(
        find(nowhere, "Databases: Predictions").detail,
        /nowhere.*does not exist/,
      );
      await rotateSecret(moto, "predictions", {
        ...login,
        dbname: "predictions",
      });
      deepStrictEqual(faultsOf(await doctor()), {});
    });

    await t.step("a login without rights, and lost privileges", async () => {
      await using predictions = await openAs(postgres, "predictions");
      await predictions.query(
        "create role analyst login password 'p@ss-analyst' in role churn_reader",
      );
      await rotateSecret(moto, "predictions", {
        ...login,
        username: "analyst",
        password: "p@ss-analyst",
        dbname: "predictions",
      });
      await using mlflow = await openAs(postgres, "mlflow_db");
      await rotateSecret(moto, "mlflow-db", {
        ...login,
        username: "analyst",
        password: "p@ss-analyst",
        dbname: "mlflow_db",
      });
      const reading = await doctor();
      match(
        find(reading, "Databases: MLflow login's rights").detail,
        /analyst can only read MLflow's tables, so predict cannot log its runs/,
      );
      await mlflow.query("revoke select on model_versions from churn_reader");
      match(
        find(await doctor(2), "Databases: MLflow login's rights").detail,
        /analyst cannot read MLflow's tables/,
      );
      await mlflow.query("grant select on model_versions to churn_reader");
      await rotateSecret(moto, "mlflow-db", { ...login, dbname: "mlflow_db" });
      await predictions.query(
        "revoke select on scoring_runs from churn_writer",
      );
      const found = await doctor();
      deepStrictEqual(faultsOf(found), {
        "Databases: Login's rights": "warning",
        "Databases: Roles": "warning",
      });
      const rights = find(found, "Databases: Login's rights");
      match(rights.detail, /analyst can only read/);
      const { host, port } = postgres;
      strictEqual(
        rights.remedy,
        `psql 'host=${host} port=${port} dbname=predictions' -c 'grant churn_writer to "analyst"'`,
      );
      await rotateSecret(moto, "predictions", {
        ...login,
        dbname: "predictions",
      });
      await run("setup");
      deepStrictEqual(faultsOf(await doctor()), {});
    });

    await t.step("alias and stage on different versions", async () => {
      await run("log-model", [...us, "--force", "--stage", "Production"]);
      const found = await doctor(2);
      deepStrictEqual(faultsOf(found), { "Models: geography US": "wrong" });
      const { detail, remedy } = find(found, "Models: geography US");
      match(detail, /Production is version 2, the alias champion is version 1/);
      strictEqual(remedy, "deno task promote --geography US --version 1");
      await run("promote", [...us, "--version", "1"]);
      deepStrictEqual(faultsOf(await doctor()), {});
    });

    await t.step("a model file that was replaced in the bucket", async () => {
      const listing = await (await fetch(
        `${moto.endpoint}/${bucket}?list-type=2`,
      )).text();
      const keys = [...listing.matchAll(/<Key>([^<]+)<\/Key>/g)]
        .map(([, key]) => key!)
        .filter((key) => /\/model\.(ubj|xgb|json|bin)$/.test(key));
      ok(keys.length > 0, listing);
      for (const key of keys) await putObject(moto, `${bucket}/${key}`, "{}");
      const found = await doctor(2);
      deepStrictEqual(faultsOf(found), { "Models: geography US": "wrong" });
    });
  },
);

testWithPython(
  "doctor checks a variant that is set up as far as it is, and says the next command",
  async () => {
    await using world = await startWorld("geography-us");
    const { env } = world;
    const next = async () =>
      (await runCommand("doctor", us, { env, code: 0 })).report.checks
        .filter(({ state }: Found) => state === "warning")
        .map(({ title, remedy }: Found) => [title, remedy]);
    const before = await runCommand("doctor", us, { env, code: 2 });
    deepStrictEqual(
      [
        statesOf(before)["Databases: MLflow's tables"],
        statesOf(before)["Databases: Prediction tables"],
        find(before, "Databases: Prediction tables").remedy,
      ],
      ["wrong", "wrong", "deno task setup"],
    );
    await runCommand("setup", us, { env });
    deepStrictEqual(await next(), [
      ["geography US", "deno task log-model --geography US"],
    ]);
    await runCommand("log-model", us, { env });
    deepStrictEqual(await next(), [
      ["geography US", "deno task promote --geography US --version 1"],
      ["geography US", "deno task predict --geography US"],
    ]);
  },
);

Deno.test("doctor ends in bounded time if every service accepts connections and says nothing", async () => {
  await using silent = startFaults({ bytes: "", thenSilent: true });
  await using folder = await tempFolder();
  const startMs = performance.now();
  const found = await runCommand("doctor", us, {
    env: {
      MLFLOW_TRACKING_URI: silent.endpoint,
      PREDICTIONS_SECRET_NAME: "predictions",
      MLFLOW_S3_BUCKET: "models",
      AWS_ENDPOINT_URL: silent.endpoint,
      AWS_ACCESS_KEY_ID: "key",
      AWS_SECRET_ACCESS_KEY: "secret",
      CHURN_HOME: `${folder.path}/home`,
    },
    code: 75,
  });
  const seconds = (performance.now() - startMs) / 1000;
  // Two checks after each other, of 20 s each, and a slow start.
  ok(seconds < 60, `${seconds} s`);
  deepStrictEqual(
    [
      statesOf(found)["Files: Bucket"],
      statesOf(found)["Secrets: Predictions"],
      statesOf(found)["MLflow: Server"],
    ],
    ["unreachable", "unreachable", "unreachable"],
  );
});

testWithPython(
  "doctor checks a real MLflow server, and TLS to Postgres",
  async (t) => {
    const tls = await makeCertificates("localhost");
    await using postgres = await startPostgres({ password: "plain", tls });
    await using folder = await tempFolder();
    {
      await using admin = await openAs(postgres, "postgres");
      await admin.query("create database mlflow_db");
    }
    await Deno.writeTextFile(`${folder.path}/ca.crt`, tls.authority);
    const env = {
      PREDICTIONS_DATABASE_URL:
        `postgresql://postgres:plain@localhost:${postgres.port}/predictions`,
      PGSSLMODE: "verify-full",
      PGSSLROOTCERT: `${folder.path}/ca.crt`,
      CHURN_HOME: `${folder.path}/home`,
    };
    const doctor = (uri: string, code = 0, more: Record<string, string> = {}) =>
      runCommand("doctor", us, {
        env: { ...env, ...more, MLFLOW_TRACKING_URI: uri },
        code,
      });
    await using server = await startMlflowServer(
      "mlflow-3.17.2",
      postgres.url("mlflow_db"),
      { artifacts: `${folder.path}/artifacts` },
    );
    await runCommand("setup", us, {
      env: { ...env, MLFLOW_TRACKING_URI: server.url },
    });
    await t.step(
      "the server and its version; a verified certificate",
      async () => {
        const found = await doctor(server.url);
        strictEqual(
          find(found, "MLflow: Server").detail,
          `${server.url} (MLflow 3.17.2)`,
        );
        match(
          find(found, "Databases: Predictions, TLS").detail,
          /^TLSv1\.3, certificate verified \(sslmode=verify-full\)$/,
        );
        strictEqual(
          find(found, "Models: geography US").detail,
          "churn-prediction-model-us has no version yet",
        );
      },
    );
    await t.step(
      "no server, and a certificate of another authority",
      async () => {
        const other = await makeCertificates("localhost");
        await Deno.writeTextFile(`${folder.path}/other.crt`, other.authority);
        const away = await doctor(`http://127.0.0.1:${freePort()}`, 75);
        deepStrictEqual(
          [
            statesOf(away)["MLflow: Server"],
            statesOf(away)["Models: geography US"],
            statesOf(away)["Databases: Prediction tables"],
          ],
          ["unreachable", "skipped", "ok"],
        );
        const distrusted = await runCommand("doctor", us, {
          env: {
            ...env,
            MLFLOW_TRACKING_URI: server.url,
            PGSSLROOTCERT: `${folder.path}/other.crt`,
          },
          code: 2,
        });
        strictEqual(statesOf(distrusted)["Databases: Predictions"], "wrong");
        strictEqual(statesOf(distrusted)["MLflow: Server"], "ok");
      },
    );
  },
);
