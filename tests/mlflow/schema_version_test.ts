/** Which MLflow made a database: told from the database, or refused in words that help. */
import { deepStrictEqual, rejects, strictEqual } from "node:assert/strict";
import type { Queryable } from "../../lib/database/database.ts";
import { openPglite } from "../../lib/database/pglite.ts";
import { InputError } from "../../lib/base/errors.ts";
import { detectSchemaVersion } from "../../lib/mlflow/schema-version.ts";
import { openTables } from "../../lib/mlflow/tables.ts";
import { ensureMlflowSchema } from "../../lib/services/schema.ts";
import { tempFolder } from "../support/servers.ts";

const newHead = "ffffffffffff";

/** Does `work` to the pinned schema and rolls it back. */
async function withChange(
  database: Awaited<ReturnType<typeof openPglite>>,
  statements: readonly string[],
  work: (tx: Queryable) => Promise<void>,
): Promise<void> {
  const done = new Error("rolled back");
  await rejects(
    database.transaction(async (tx) => {
      for (const statement of statements) await tx.query(statement);
      await work(tx);
      throw done;
    }),
    done,
  );
}

const refuses = (tx: Queryable, message: RegExp) =>
  rejects(() => detectSchemaVersion(tx), (error: unknown) => {
    if (!(error instanceof InputError)) throw error;
    strictEqual(message.test(error.message), true, error.message);
    return true;
  });

Deno.test("detectSchemaVersion() recognises the pinned schema and rejects others", async (t) => {
  await using folder = await tempFolder();
  await using database = await openPglite(`${folder.path}/database`);
  const stamp = `update alembic_version set version_num = '${newHead}'`;

  await t.step("the error for an empty database suggests setup", async () => {
    await refuses(database, /Cannot find MLflow's tables.*deno task setup/);
  });

  await ensureMlflowSchema(database);
  await t.step("the pinned schema", async () => {
    const { widths, ...generation } = await detectSchemaVersion(database);
    deepStrictEqual(generation, {
      head: "dc11669786a5",
      mlflowVersion: "3.17.2",
      hasLoggedModels: true,
      writesRequired: true,
      hasWorkspaces: true,
      warning: undefined,
    });
    strictEqual(widths.get("runs.artifact_uri"), 200);
    strictEqual(widths.get("model_version_tags.value"), undefined);
  });

  await t.step(
    "an unknown head on known tables works, with a warning",
    () =>
      withChange(database, [
        stamp,
        "alter table runs add column mood varchar(20)",
      ], async (tx) => {
        const { mlflowVersion, warning } = await detectSchemaVersion(tx);
        strictEqual(mlflowVersion, undefined);
        strictEqual(warning?.includes(newHead), true);
      }),
  );

  const broken: Record<string, [statements: string[], message: RegExp]> = {
    "a table that is gone": [
      [stamp, "drop table input_tags"],
      /head ffffffffffff and no table "input_tags"/,
    ],
    "a column that is gone": [
      [stamp, "alter table runs drop column source_version"],
      /"source_version" of the table "runs" is missing, expected varchar/,
    ],
    "a column of another type": [
      [stamp, "alter table latest_metrics alter column value type numeric"],
      /"value" of the table "latest_metrics" is numeric, expected float8/,
    ],
    "a column that wants a value we do not know": [
      [stamp, "alter table params add column origin text not null"],
      /the table "params" requires a value for the unknown column "origin"/,
    ],
    "a known head on tables that are not its own": [
      ["alter table tags rename column value to content"],
      /head dc11669786a5.*"value" of the table "tags"/,
    ],
    "no alembic_version": [
      ["drop table alembic_version"],
      /no "alembic_version".*deno task setup/,
    ],
    "an alembic_version without a head": [
      ["delete from alembic_version"],
      /"alembic_version" has 0 rows/,
    ],
  };
  for (const [name, [statements, message]] of Object.entries(broken)) {
    await t.step(
      `${name} is refused`,
      () => withChange(database, statements, (tx) => refuses(tx, message)),
    );
  }

  await t.step("openTables() logs the warning and works", async () => {
    await database.query(stamp);
    const warnings: string[] = [];
    const store = await openTables(database, {
      log: { warn: (text) => void warnings.push(text) },
    });
    strictEqual(warnings.length, 1);
    strictEqual(store.description.includes(newHead), true);
    const made = await store.createExperiment("works", {
      artifactLocation: "s3://bucket",
    });
    deepStrictEqual(await store.findExperiment("works"), made);
  });
});
