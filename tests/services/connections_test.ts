/** Logins that are rotated while a script runs: a real Postgres with SCRAM passwords, and moto's Secrets Manager. */
import { deepStrictEqual, match, ok, rejects } from "node:assert/strict";
import { loadConfig } from "../../lib/config/environment.ts";
import {
  predictionsSettings,
  trackingSettings,
} from "../../lib/services/connections.ts";
import type { Database } from "../../lib/database/database.ts";
import { openPostgres } from "../../lib/database/postgres.ts";
import { toLog } from "../../lib/base/log.ts";
import { ensureMlflowSchema } from "../../lib/services/schema.ts";
import { openServices } from "../../lib/services/services.ts";
import { redact } from "../../lib/base/redact.ts";
import { putSecret, rotateSecret } from "../support/aws.ts";
import { setEnvironment } from "../support/environment.ts";
import { openDatabase } from "../support/mlflow_stores.ts";
import { testWithPython } from "../support/python.ts";
import { startMoto, startPostgres } from "../support/servers.ts";

testWithPython(
  "a login that is rotated during a run is read again once",
  async (t) => {
    await using postgres = await startPostgres();
    await using moto = await startMoto();
    using _ = setEnvironment(moto.env);
    await using admin = await openDatabase(postgres, "postgres");
    await admin.query("create role app login password 'first-word'");
    const { host, port } = postgres;
    const place = { host, port, dbname: "postgres" };
    const login = { username: "app", password: "first-word", ...place };
    await putSecret(moto, "mlflow-db", login);
    await putSecret(moto, "predictions-pg-database", login);
    const config = loadConfig({
      ...moto.env,
      MLFLOW_SECRET_NAME: "mlflow-db",
      MLFLOW_S3_BUCKET: "churn-models",
    });
    const { tracking, predictions } = config;
    ok(tracking.kind === "secret" && predictions.kind === "secret");
    const settings = {
      "MLflow's database": () => trackingSettings(tracking, config),
      "the predictions database": () =>
        predictionsSettings(predictions, config),
    };

    /** What a rotation does: the role's password, then the secret. */
    const rotate = async (username: string, password: string) => {
      await admin.query(`alter role ${username} password '${password}'`);
      for (const name of ["mlflow-db", "predictions-pg-database"]) {
        await rotateSecret(moto, name, { username, password, ...place });
      }
    };
    /** Ends every connection of the script, as a failover or an idle time-out does. */
    const disconnect = async () => {
      await admin.query(
        "select pg_terminate_backend(pid, 5000) from pg_stat_activity where usename in ('app', 'app2')",
      );
      await new Promise((resolve) => setTimeout(resolve, 100));
    };
    const userOf = async (database: Database) => {
      const [row] = await database.query<{ name: string }>(
        "select current_user::text as name",
      );
      return row?.name;
    };

    for (const [what, read] of Object.entries(settings)) {
      await t.step(`between reading and connecting: ${what}`, async () => {
        const stale = await read();
        await rotate("app", `after-${what.length}`);
        await using database = await openPostgres(stale);
        deepStrictEqual(await userOf(database), "app");
      });
    }

    await t.step("between two connections of a run", async () => {
      await using database = await openPostgres(
        await trackingSettings(tracking, config),
      );
      await rotate("app", "second-word");
      await disconnect();
      deepStrictEqual(await userOf(database), "app");
      await rotate("app", "third-word");
      await disconnect();
      const users = await database.transaction((tx) =>
        tx.query("select current_user::text as name")
      );
      deepStrictEqual(users, [{ name: "app" }]);
      await disconnect();
      await rotate("app", "fourth-word");
      await database.query("select 1");
      ok(!redact("fourth-word").includes("fourth"));
    });

    await t.step("several concurrent connections", async () => {
      await using database = await openPostgres(
        await trackingSettings(tracking, config),
      );
      await rotate("app", "fifth-word");
      const users = await Promise.all(
        [1, 2, 3, 4].map(() =>
          database.transaction(async (tx) => {
            await tx.query("select pg_sleep(0.2)");
            return await tx.query("select current_user::text as name");
          })
        ),
      );
      deepStrictEqual(users, [1, 2, 3, 4].map(() => [{ name: "app" }]));
    });

    await t.step("to another user, as alternating rotation does", async () => {
      await using database = await openPostgres(
        await trackingSettings(tracking, config),
      );
      await admin.query("create role app2 login");
      await rotate("app2", "sixth-word");
      await admin.query("alter role app nologin");
      await disconnect();
      deepStrictEqual(await userOf(database), "app2");
    });

    await t.step("a second rejection is a wrong setting", async () => {
      await using database = await openPostgres(
        await trackingSettings(tracking, config),
      );
      const stale = await trackingSettings(tracking, config);
      await admin.query("alter role app2 password 'of nobody'");
      await disconnect();
      const refused = {
        name: "UsageError",
        message:
          /Cannot log in to Postgres at .*password authentication failed.*check the user name and password in the secret/,
      };
      await rejects(database.query("select 1"), refused);
      await rejects(
        database.transaction((tx) => tx.query("select 1")),
        refused,
      );
      await rejects(openPostgres(stale), refused);
      // A secret that changed, but to another wrong word.
      await rotateSecret(moto, "mlflow-db", {
        username: "app2",
        password: "also-wrong",
        ...place,
      });
      await rejects(database.query("select 1"), refused);
      await rejects(openPostgres(stale), refused);
    });

    await t.step("an unavailable Secrets Manager is transient", async () => {
      const stale = await trackingSettings(tracking, config);
      await moto.stop();
      await rejects(openPostgres(stale), (error) => {
        ok(error instanceof Error && error.name === "TransientError");
        match(
          error.message,
          /Cannot read the secret "mlflow-db": .*ECONNREFUSED/,
        );
        return true;
      });
    });
  },
);

Deno.test("the version of MLflow's tables is read again while the tables are locked", async () => {
  await using postgres = await startPostgres();
  await using admin = await openDatabase(postgres, "postgres");
  await ensureMlflowSchema(admin);
  await admin.query("alter role postgres set lock_timeout = '200ms'");
  using _ = setEnvironment({
    MLFLOW_TRACKING_URI: postgres.url(),
    MLFLOW_ARTIFACT_ROOT: "/nowhere",
    PREDICTIONS_DATABASE_URL: postgres.url("predictions"),
  });
  const messages: string[] = [];
  const note = (message: string) => void messages.push(message);
  await using services = await openServices({
    log: toLog("normal", note),
    retryPolicy: { retries: 50, delaySeconds: 0.1 },
  });
  const locked = Promise.withResolvers<void>();
  const released = Promise.withResolvers<void>();
  const holder = admin.transaction(async (tx) => {
    await tx.query("lock table alembic_version in access exclusive mode");
    locked.resolve();
    await released.promise;
  });
  await locked.promise;
  const opened = services.mlflow();
  while (!messages.some((message) => /lock timeout/.test(message))) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  released.resolve();
  await holder;
  ok(await opened);
});
