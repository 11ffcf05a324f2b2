/** `setup` checks everything first: if anything that it needs is missing, nothing at all is created. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { openPostgres } from "../../lib/database/postgres.ts";
import { makeBucket, putSecret, rotateSecret } from "../support/aws.ts";
import { runCommand } from "../support/commands.ts";
import { s3Error, startFaults } from "../support/faults.ts";
import { testWithPython } from "../support/python.ts";
import {
  freePort,
  startMoto,
  startPostgres,
  tempFolder,
} from "../support/servers.ts";

const us = ["--geography", "US", "--retries", "1", "--retry-delay", "0.1"];

testWithPython(
  "setup with a fault anywhere says all of them and creates nothing; corrected, it creates everything",
  async (t) => {
    await using postgres = await startPostgres();
    await using moto = await startMoto();
    await using folder = await tempFolder();
    const { host, port, user, password } = postgres;
    const open = (database: string) =>
      openPostgres({ host, port, user, password, database });
    const login = { username: user, password, host, port };
    await putSecret(moto, "mlflow", { ...login, dbname: "mlflow_db" });
    const good = { ...login, dbname: "predictions" };
    await putSecret(moto, "predictions", good);
    await makeBucket(moto, "churn-models");
    const env = {
      ...moto.env,
      MLFLOW_SECRET_NAME: "mlflow",
      PREDICTIONS_SECRET_NAME: "predictions",
      MLFLOW_S3_BUCKET: "churn-models",
      CHURN_HOME: `${folder.path}/home`,
    };
    /** Databases, roles and the tables of each database. */
    const stateOf = async () => {
      await using admin = await open("postgres");
      const databases = await admin.query<{ name: string }>(
        "select datname as name from pg_database where not datistemplate order by 1",
      );
      const roles = await admin.query(
        "select rolname from pg_roles where rolname !~ '^pg_' order by 1",
      );
      const tables: unknown[] = [];
      for (const { name } of databases) {
        await using database = await open(name);
        tables.push([
          name,
          await database.query(
            `select n.nspname, c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
             where n.nspname !~ '^(pg_|information_schema)' order by 1, 2`,
          ),
        ]);
      }
      return { roles, tables };
    };
    /** Runs setup, which must end with `code` and leave everything as it was. */
    const refused = async (code: number, more: Record<string, string> = {}) => {
      const before = await stateOf();
      const ended = await runCommand("setup", us, {
        env: { ...env, ...more },
        code,
      });
      deepStrictEqual(await stateOf(), before);
      return ended.report.error as string;
    };

    await t.step("an absent bucket", async () => {
      match(
        await refused(2, { MLFLOW_S3_BUCKET: "no-such-bucket" }),
        /Cannot list s3:\/\/no-such-bucket: there is no bucket "no-such-bucket"/,
      );
      match(
        await refused(2, { MLFLOW_ARTIFACT_ROOT: "s3://no-such-root/mlflow" }),
        /there is no bucket "no-such-root"/,
      );
    });

    await t.step("a second secret without a key", async () => {
      await rotateSecret(moto, "predictions", login);
      match(
        await refused(2),
        /the secret "predictions": its "dbname" is missing/,
      );
      await rotateSecret(moto, "predictions", good);
    });

    await t.step(
      "a second database on a host that does not answer",
      async () => {
        await rotateSecret(moto, "predictions", { ...good, port: freePort() });
        match(
          await refused(75),
          /Cannot open the predictions database after 2 attempts: .*ECONNREFUSED/,
        );
        await rotateSecret(moto, "predictions", good);
      },
    );

    await t.step(
      "all faults in one message, and the worst exit code",
      async () => {
        await rotateSecret(moto, "predictions", { ...good, port: freePort() });
        const message = await refused(2, {
          MLFLOW_S3_BUCKET: "no-such-bucket",
          MLFLOW_SECRET_NAME: "absent",
        });
        match(
          message,
          /^Cannot set up, and nothing was changed: 3 checks failed: \(1\) /,
        );
        match(
          message,
          /no bucket "no-such-bucket".*secret "absent".*ECONNREFUSED/s,
        );
        await rotateSecret(moto, "predictions", good);
      },
    );

    await t.step(
      "a login that may not create a database or tables",
      async () => {
        await using admin = await open("postgres");
        await admin.query("create role small login password 'small-word'");
        const small = {
          ...good,
          username: "small",
          password: "small-word",
        };
        await rotateSecret(moto, "predictions", small);
        match(
          await refused(2),
          /"predictions" as small@.*: permission denied to create database/,
        );
        await admin.query("create database existing");
        await rotateSecret(moto, "predictions", {
          ...small,
          dbname: "existing",
        });
        match(await refused(2), /permission denied for schema public; grant/);
        await admin.query("drop database existing");
        await rotateSecret(moto, "predictions", good);
      },
    );

    await t.step(
      "a database of another program, or MLflow's for predictions",
      async () => {
        await using admin = await open("postgres");
        await admin.query("create database orders");
        {
          await using database = await open("orders");
          await database.query("create table orders (id int)");
        }
        await rotateSecret(moto, "mlflow", { ...login, dbname: "orders" });
        match(
          await refused(1),
          /it has tables \(orders\) but no alembic_version/,
        );
        await rotateSecret(moto, "mlflow", { ...login, dbname: "mlflow_db" });
        await admin.query("drop database orders");
      },
    );

    await t.step("one database for both", async () => {
      await using admin = await open("postgres");
      await admin.query("create database shared");
      await rotateSecret(moto, "mlflow", { ...login, dbname: "shared" });
      // The same server by another name.
      for (const name of [host, "localhost"]) {
        const same = { ...good, host: name, dbname: "shared" };
        await rotateSecret(moto, "predictions", same);
        match(
          await refused(2),
          /Cannot store predictions in shared: it is also MLflow's database/,
        );
      }
      await admin.query("drop database shared");
      // Neither of the two exists yet.
      match(await refused(2), /it is also MLflow's database/);
      await rotateSecret(moto, "mlflow", { ...login, dbname: "mlflow_db" });
      await rotateSecret(moto, "predictions", good);
    });

    await t.step("tables that belong to another login", async () => {
      await using admin = await open("postgres");
      await admin.query("create database older");
      {
        await using database = await open("older");
        await database.query("grant all on schema public to small");
        await database.query(
          `create table churn_predictions (id serial primary key, prediction_timestamp timestamp,
             geography_id text, churn_probability float, model_version text)`,
        );
      }
      await rotateSecret(moto, "predictions", {
        ...good,
        username: "small",
        password: "small-word",
        dbname: "older",
      });
      match(
        await refused(2),
        new RegExp(`churn_predictions belong to ${user}; run setup with`),
      );
      await admin.query("drop database older");
      await rotateSecret(moto, "predictions", good);
    });

    await t.step(
      "credentials that may not list the bucket are no reason to stop",
      async () => {
        await using faults = startFaults({
          bytes: s3Error(403, "AccessDenied"),
        });
        const { stderr, report } = await runCommand("setup", us, {
          env: { ...env, AWS_ENDPOINT_URL_S3: faults.endpoint },
        });
        match(
          stderr,
          /WARNING: Cannot check whether s3:\/\/churn-models exists: .*access denied/,
        );
        strictEqual(report.status, "created");
        const { tables } = await stateOf();
        ok(JSON.stringify(tables).includes("scoring_runs"));
      },
    );

    await t.step(
      "a login that may not create MLflow's experiments",
      async () => {
        {
          await using database = await open("mlflow_db");
          await database.query("grant churn_reader to small");
        }
        await rotateSecret(moto, "mlflow", {
          ...login,
          username: "small",
          password: "small-word",
          dbname: "mlflow_db",
        });
        const before = await stateOf();
        const eu = ["--geography", "EU", "--company", "ClientB"];
        const { report } = await runCommand("setup", eu, { env, code: 2 });
        match(report.error, /Cannot create experiments as small@/);
        deepStrictEqual(await stateOf(), before);
        // That of US is there already.
        await runCommand("setup", us, { env });
        await rotateSecret(moto, "mlflow", { ...login, dbname: "mlflow_db" });
      },
    );

    await t.step("a second run changes nothing", async () => {
      const before = await stateOf();
      const { report } = await runCommand("setup", us, { env });
      strictEqual(report.status, "unchanged");
      deepStrictEqual(await stateOf(), before);
      await rotateSecret(moto, "predictions", {
        ...login,
        dbname: "mlflow_db",
      });
      match(await refused(2), /it is an MLflow database; use another database/);
    });
  },
);
