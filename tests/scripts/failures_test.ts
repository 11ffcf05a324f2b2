/** Scripts as programs when something is wrong: each failure has its own message and its own exit code. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { getObject, putObject, putSecret } from "../support/aws.ts";
import { copyProject } from "../support/checkout.ts";
import { type Ended, runCommand } from "../support/commands.ts";
import { type Fault, s3Error, startFaults } from "../support/faults.ts";
import { makeMlflowDatabase } from "../support/mlflow.ts";
import { addDatabase, openDatabase } from "../support/mlflow_stores.ts";
import { testWithPython } from "../support/python.ts";
import { freePort, tempFolder } from "../support/servers.ts";
import { startWorld, type World } from "../support/world.ts";

type Env = Readonly<Record<string, string>>;

/** How a command must fail. */
interface Failure {
  readonly env: Env;
  readonly code: 1 | 2 | 75;
  /** What stderr and the report must say. */
  readonly says: RegExp;
  readonly folder?: string;
}

const quick = ["--retries", "1", "--retry-delay", "0.1"];
const us = ["--geography", "US", ...quick];

/** Runs a command that must fail so, and end stdout with an object that says it. */
async function fails(
  command: readonly [string, ...string[]],
  failure: Failure,
): Promise<Ended> {
  const [name, ...args] = command;
  const { env, code, says, ...place } = failure;
  const ended = await runCommand(name, args, { env, code, ...place });
  const { status, error, exit_code: exitCode } = ended.report;
  deepStrictEqual([status, exitCode], ["failed", code], ended.stdout);
  match(error, says);
  match(ended.stderr, says);
  ok(!/\n\s+at .*\.ts/.test(ended.stderr), `no stack:\n${ended.stderr}`);
  strictEqual(ended.stdout.trim().split("\n").length, 1);
  return ended;
}

Deno.test("a wrong command line ends with exit code 2 and names the flag", async (t) => {
  await using home = await tempFolder();
  const env = { CHURN_HOME: home.path };
  const cases: [[string, ...string[]], RegExp][] = [
    [["predict", "--geografy", "US"], /--geografy.*predict --help/],
    [["predict", "--geography", "a/b"], /Cannot use geography "a\/b"/],
    [["predict", "--engine", "gpu"], /--engine "gpu"/],
    [["predict", "--output", "scores.xls"], /--output "scores.xls"/],
    [["predict", "--retries", "many"], /--retries "many"/],
    [["predict", "--all", "--company", "ClientA"], /--all together with/],
    [["predict", "--model-uri", "models:/"], /models:\//],
    [["promote"], /--version N is missing/],
    [["setup", "now"], /now/],
    [["query", "select", "1"], /expected one SQL text/],
    [["query", "select 1", "--format", "xml"], /--format "xml"/],
    [["query", "select 1", "--limit", "many"], /--limit "many"/],
    [["database", "--port", "0"], /--port 0/],
  ];
  for (const [command, says] of cases) {
    await t.step(command.join(" "), async () => {
      await fails(command, { env, code: 2, says });
    });
  }
  deepStrictEqual([...Deno.readDirSync(home.path)], []);
});

Deno.test("a result that cannot be printed is one line and exit code 1, without a stack", async () => {
  await using home = await tempFolder();
  const child = new Deno.Command("sh", {
    args: ["-c", "deno task --quiet matrix --json > /dev/full"],
    cwd: fileURLToPath(new URL("../../", import.meta.url)),
    env: { CHURN_HOME: home.path },
    stdout: "null",
    stderr: "piped",
  });
  const { code, stderr } = await child.output();
  strictEqual(code, 1);
  strictEqual(
    new TextDecoder().decode(stderr).trim(),
    "matrix: Cannot write the result to standard output: No space left on device (os error 28); the command itself has completed",
  );
});

Deno.test("a partial configuration ends with exit code 2 and never uses the embedded default", async (t) => {
  await using home = await tempFolder();
  const uri = "postgresql://u:word@127.0.0.1:1/d";
  const cases: [[string, ...string[]], Env, RegExp][] = [
    [
      ["setup"],
      { MLFLOW_SECRET_NAME: "mlflow-db" },
      /neither MLFLOW_S3_BUCKET nor MLFLOW_ARTIFACT_ROOT/,
    ],
    [
      ["predict"],
      { MLFLOW_S3_BUCKET: "churn-models" },
      /MLFLOW_S3_BUCKET is set, but neither MLFLOW_TRACKING_URI nor MLFLOW_SECRET_NAME/,
    ],
    [
      ["log-model"],
      { PREDICTIONS_DATABASE_URL: uri },
      /PREDICTIONS_DATABASE_URL is set, but neither/,
    ],
    [
      ["promote", "--version", "1"],
      { MLFLOW_TRACKING_URI: uri },
      /neither MLFLOW_S3_BUCKET nor MLFLOW_ARTIFACT_ROOT/,
    ],
    [
      ["query", "select 1"],
      { MLFLOW_TRACKING_URI: "http://127.0.0.1:1" },
      /neither PREDICTIONS_DATABASE_URL nor PREDICTIONS_SECRET_NAME is set/,
    ],
  ];
  for (const [command, settings, says] of cases) {
    await t.step(`${command[0]} with ${Object.keys(settings)}`, async () => {
      const env = { ...settings, CHURN_HOME: home.path };
      await fails(command, { env, code: 2, says });
    });
  }
  deepStrictEqual([...Deno.readDirSync(home.path)], []);
});

/** An address where nothing listens. */
const nowhere = () => `http://127.0.0.1:${freePort()}`;

/** The world's services by secret, as a deployment has them, in place of URIs. */
function bySecret(world: World, secret: string): Env {
  const { MLFLOW_TRACKING_URI: _, PREDICTIONS_DATABASE_URL: __, ...env } =
    world.env;
  return {
    ...env,
    MLFLOW_SECRET_NAME: secret,
    MLFLOW_DB_HOST: world.postgres.host,
    MLFLOW_DB_PORT: String(world.postgres.port),
  };
}

testWithPython(
  "a failure on real services reports its cause and stores nothing",
  async (t) => {
    await using world = await startWorld("geography-us");
    const { env, postgres, moto } = world;
    // The other one, which bySecret() leaves to its default.
    await putSecret(moto, "predictions-pg-database", {
      username: postgres.user,
      password: postgres.password,
      host: postgres.host,
      port: postgres.port,
      dbname: "predictions",
    });

    await t.step("an unknown secret", async () => {
      await fails(["setup", ...us], {
        env: bySecret(world, "absent"),
        code: 2,
        says:
          /Cannot find the secret "absent" in Secrets Manager of region us-east-1/,
      });
    });

    await t.step(
      "a secret that is not JSON, or lacks a field, is not shown",
      async () => {
        await putSecret(moto, "text", "hidden-word, not JSON");
        await putSecret(moto, "half", { username: "hidden-word" });
        const says = {
          text: /secret "text": it is not JSON/,
          half: /secret "half": password should be .*, found nothing/,
        };
        for (const name of ["text", "half"] as const) {
          const { stdout, stderr } = await fails(["setup", ...us], {
            env: bySecret(world, name),
            code: 2,
            says: says[name],
          });
          ok(!`${stdout}${stderr}`.includes("hidden-word"));
        }
      },
    );

    await t.step("a wrong password", async () => {
      await putSecret(moto, "wrong", {
        username: "postgres",
        password: "wrong-word",
      });
      const { stdout, stderr } = await fails(["setup", ...us], {
        env: bySecret(world, "wrong"),
        code: 2,
        says:
          /Cannot log in to Postgres at postgres@127.0.0.1.*check the user name and password/,
      });
      ok(!`${stdout}${stderr}`.includes("wrong-word"));
    });

    await t.step("a login that may not create the database", async () => {
      await using admin = await openDatabase(postgres, "postgres");
      await admin.query("create role small login password 'small-word'");
      await putSecret(moto, "small", {
        username: "small",
        password: "small-word",
      });
      await fails(["setup", ...us], {
        env: { ...bySecret(world, "small"), MLFLOW_DB_NAME: "new_db" },
        code: 2,
        says:
          /permission denied to create database; grant the privilege, or use another login/,
      });
      const made = await admin.query(
        "select 1 from pg_database where datname = 'new_db'",
      );
      deepStrictEqual(made, []);
    });

    await t.step(
      "an unreachable database host, with the given number of attempts",
      async () => {
        await putSecret(moto, "good", {
          username: postgres.user,
          password: postgres.password,
        });
        const { stderr } = await fails(["setup", ...us], {
          env: {
            ...bySecret(world, "good"),
            MLFLOW_DB_PORT: String(freePort()),
          },
          code: 75,
          says:
            /Cannot open MLflow's database after 2 attempts: .*ECONNREFUSED/,
        });
        match(stderr, /Attempt 1 of 2 to open MLflow's database failed/);
        ok(!stderr.includes("Attempt 2"));
      },
    );

    await t.step("Secrets Manager is unavailable", async () => {
      const { stderr } = await fails(["setup", ...us], {
        env: {
          ...bySecret(world, "good"),
          AWS_ENDPOINT_URL_SECRETS_MANAGER: nowhere(),
        },
        code: 75,
        says: /Cannot read the login of MLflow's database after 2 attempts/,
      });
      match(stderr, /Attempt 1 of 2 to read the login/);
    });

    await t.step("a database without MLflow's tables", async () => {
      await fails(["log-model", ...us], {
        env,
        code: 1,
        says: /Cannot find MLflow's tables .*`deno task setup --geography US`/,
      });
    });

    await t.step(
      "a missing experiment prints the setup command",
      async () => {
        await runCommand("setup", ["--company", "ClientA", ...quick], { env });
        for (const name of ["log-model", "predict"]) {
          await fails([name, ...us], {
            env,
            code: 1,
            says:
              /experiment "churn_prediction-geography-us": create it with `deno task setup --geography US`/,
          });
        }
      },
    );

    await t.step(
      "a missing model, then an unpromoted one, prints the next command",
      async () => {
        await runCommand("setup", us, { env });
        await fails(["predict", ...us], {
          env,
          code: 1,
          says:
            /churn-prediction-model-us.*`deno task log-model --geography US`/,
        });
        await runCommand("log-model", us, { env });
        await fails(["predict", ...us], {
          env,
          code: 1,
          says: /Production.*`deno task promote --geography US --version 1`/,
        });
        await fails(["promote", ...us, "--version", "9"], {
          env,
          code: 1,
          says:
            /version 9 of the registered model "churn-prediction-model-us": it has version 1/,
        });
        await runCommand("promote", [...us, "--version", "1"], { env });
      },
    );

    await t.step(
      "credentials that S3 rejects: no fallback, whatever the local folder has",
      async () => {
        await using project = await copyProject();
        const sample =
          `${project.path}/data/geography-us/churn/X_test_sample_2.json`;
        const [row = ""] = (await Deno.readTextFile(sample)).split("\n");
        await Deno.writeTextFile(sample, `${row}\n`);
        const refusals: Record<string, Fault> = {
          AccessDenied: { bytes: s3Error(403, "AccessDenied") },
          ExpiredToken: { bytes: s3Error(400, "ExpiredToken") },
        };
        for (const [code, fault] of Object.entries(refusals)) {
          await using s3 = startFaults(fault);
          const { stderr } = await fails(["predict", ...us], {
            env: { ...env, AWS_ENDPOINT_URL_S3: s3.endpoint },
            code: 2,
            says: new RegExp(
              `access denied \\(${code}.*check the AWS credentials`,
            ),
            folder: project.path,
          });
          ok(!stderr.includes("Falling back"));
        }
        // With S3 away the same folder is scored, so there was something to fall back to.
        await runCommand("predict", [...us, "--dry-run"], { env }); // fills the model cache
        const { report, stderr } = await runCommand("predict", [
          ...us,
          "--dry-run",
        ], {
          env: { ...env, AWS_ENDPOINT_URL_S3: nowhere() },
          folder: project.path,
        });
        deepStrictEqual([report.data_source, report.rows], [
          "local-fallback",
          1,
        ]);
        match(stderr, /WARNING: .*Falling back to /);
      },
    );

    await t.step("a missing bucket", async () => {
      await fails(["predict", ...us], {
        env: { ...env, MLFLOW_S3_BUCKET: "absent-bucket" },
        code: 2,
        says: /there is no bucket "absent-bucket"; check MLFLOW_S3_BUCKET/,
      });
    });

    await t.step(
      "a model file that was changed after it was logged",
      async () => {
        await using database = await openDatabase(postgres, "mlflow_db");
        const [model] = await database.query<{ location: string }>(
          "select artifact_location as location from logged_models",
        );
        const path = `${model!.location.replace("s3://", "")}/model.ubj`;
        const original = await getObject(moto, path);
        const changed = original.slice();
        changed[changed.length - 100]! ^= 1;
        await putObject(moto, path, changed);
        await fails(["predict", ...us], {
          env: { ...env, CHURN_HOME: `${world.folder}/other-home` },
          code: 1,
          says:
            /Cannot trust .*model\.ubj: its SHA-256 is .*the file has changed/,
        });
        await putObject(moto, path, original);
      },
    );

    await t.step("none of these cases stored anything", async () => {
      await using database = await openDatabase(postgres, "predictions");
      for (const table of ["churn_predictions", "scoring_runs"]) {
        deepStrictEqual(
          await database.query(`select count(*) as rows from ${table}`),
          [
            { rows: 0 },
          ],
        );
      }
    });

    await t.step(
      "a CHURN_HOME that cannot be written does not stop scoring",
      async () => {
        const { report, stderr } = await runCommand("predict", us, {
          env: { ...env, CHURN_HOME: "/dev/null/home" },
        });
        strictEqual(report.rows > 0, true);
        match(
          stderr,
          /WARNING: Cannot cache a model file in \/dev\/null\/home\/cache\/models, so it is read from the artifact store each time/,
        );
      },
    );

    await t.step("an invalid model file is named with its path", async () => {
      const key = "geography-us/models/churn/xgb_churn_model_2.bin";
      const path = `${world.bucket}/${key}`;
      const original = await getObject(moto, path);
      for (const bytes of [original.slice(0, 5000), new Uint8Array()]) {
        await putObject(moto, path, bytes);
        await fails(["log-model", ...us], { env, code: 1, says: /Cannot/ });
      }
      await putObject(moto, path, original);
    });

    await t.step(
      "a database of another MLflow release is recognised and not altered",
      async () => {
        await addDatabase(postgres, "theirs");
        await makeMlflowDatabase("mlflow-2.22.5", postgres.url("theirs"));
        const before = await catalog(world, "theirs");
        const theirs = { ...env, MLFLOW_TRACKING_URI: postgres.url("theirs") };
        const { stderr } = await runCommand("setup", us, { env: theirs });
        match(stderr, /already exist \(0584bdc529eb\)/);
        match(stderr, /mlflow db upgrade/);
        strictEqual(await catalog(world, "theirs"), before);
      },
    );

    await t.step(
      "a database of another program is rejected and not altered",
      async () => {
        await addDatabase(postgres, "foreign");
        {
          await using database = await openDatabase(postgres, "foreign");
          await database.query("create table orders (id int)");
        }
        const before = await catalog(world, "foreign");
        await fails(["setup", ...us], {
          env: { ...env, MLFLOW_TRACKING_URI: postgres.url("foreign") },
          code: 1,
          says: /it has tables \(orders\) but no alembic_version/,
        });
        strictEqual(await catalog(world, "foreign"), before);
      },
    );
  },
);

/** Every column of every table of a database, as one text. */
async function catalog(world: World, name: string): Promise<string> {
  await using database = await openDatabase(world.postgres, name);
  const rows = await database.query(
    `select table_name::text, column_name::text, data_type::text, is_nullable::text, column_default::text
     from information_schema.columns where table_schema = 'public' order by 1, ordinal_position`,
  );
  return JSON.stringify(rows);
}
