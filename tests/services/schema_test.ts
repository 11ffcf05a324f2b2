import {
  deepStrictEqual,
  match,
  ok,
  rejects,
  strictEqual,
} from "node:assert/strict";
import type { Database } from "../../lib/database/database.ts";
import { openPglite } from "../../lib/database/pglite.ts";
import { openPostgres } from "../../lib/database/postgres.ts";
import { ensureDatabase, toOneStatement } from "../../lib/database/admin.ts";
import { InputError, UsageError } from "../../lib/base/errors.ts";
import { ensureRoles } from "../../lib/database/roles.ts";
import {
  ensureMlflowSchema,
  ensurePredictionsSchema,
  mlflowRevisions,
} from "../../lib/services/schema.ts";
import { readCatalog } from "../support/catalog.ts";
import { makeMlflowDatabase, startMlflowServer } from "../support/mlflow.ts";
import { runPeer, runPython, testWithPython } from "../support/python.ts";
import {
  difficultPassword,
  type PostgresServer,
  startPostgres,
  tempFolder,
} from "../support/servers.ts";

const pinned = "mlflow-3.17.2";
const pinnedHead = "dc11669786a5";

let postgres: PostgresServer;
let databases = 0;

Deno.test.beforeAll(async () => {
  postgres = await startPostgres();
});
Deno.test.afterAll(async () => {
  await postgres[Symbol.asyncDispose]();
});

function open(database: string, user = postgres.user): Promise<Database> {
  const { host, port, password } = postgres;
  return openPostgres({ host, port, user, password, database });
}

/** An empty database. */
async function emptyDatabase(): Promise<{ name: string; url: string }> {
  const name = `test_${++databases}`;
  await using admin = await open("postgres");
  ok(await ensureDatabase(admin, name));
  return { name, url: postgres.url(name) };
}

/** The whole database as text: tables, rows, privileges. */
async function dump(url: string): Promise<string> {
  const output = await new Deno.Command(`${postgres.bin}/pg_dump`, {
    args: ["--inserts", url],
  }).output();
  ok(output.success, new TextDecoder().decode(output.stderr));
  // The two lines with a random word that guard psql.
  return new TextDecoder().decode(output.stdout).replaceAll(
    /^\\(un)?restrict .*$/gm,
    "",
  );
}

/** `count` callers, each with connections of its own, as separate processes would be. */
async function atOnce<T>(
  count: number,
  name: string,
  work: (database: Database) => Promise<T>,
): Promise<T[]> {
  return await Promise.all(Array.from({ length: count }, async () => {
    await using database = await open(name);
    return await work(database);
  }));
}

testWithPython(
  "ensureMlflowSchema() creates what `mlflow db upgrade` of 3.17.2 creates, by both catalogs",
  async () => {
    const ours = await emptyDatabase();
    const theirs = await emptyDatabase();
    await runPeer(pinned, ["mlflow", "db", "upgrade", theirs.url]);
    await using our = await open(ours.name);
    await using their = await open(theirs.name);
    deepStrictEqual(await ensureMlflowSchema(our), {
      status: "created",
      head: pinnedHead,
      note: undefined,
    });

    const catalog = await readCatalog(our);
    deepStrictEqual(catalog, await readCatalog(their));
    const tables = catalog.tables?.filter((line) => line.endsWith(" r")) ?? [];
    strictEqual(tables.length, 65); // 64 tables of MLflow's models, and alembic_version
    for (const table of tables.map((line) => line.slice(0, -2))) {
      const rows = `select * from ${table}`;
      deepStrictEqual(await our.query(rows), await their.query(rows), table);
    }
  },
);

testWithPython(
  "mlflow_revisions.txt ends with the head that 3.17.2 requires",
  async () => {
    const code =
      "from mlflow.store.db.utils import _get_latest_schema_revision as head; print(head())";
    const { stdout } = await runPython(pinned, code);
    strictEqual((await mlflowRevisions()).at(-1), stdout.trim());
  },
);

testWithPython(
  "ensureMlflowSchema() creates a database that MLflow 3.17.2 uses without an upgrade",
  async () => {
    const { name, url } = await emptyDatabase();
    await using database = await open(name);
    await using artifacts = await tempFolder();
    await ensureMlflowSchema(database, { artifactRoot: "s3://bucket/" });
    const before = await dump(url);

    await runPeer(pinned, ["mlflow", "db", "upgrade", url]);
    strictEqual(await dump(url), before);

    await using server = await startMlflowServer(pinned, url, {
      artifacts: artifacts.path,
    });
    strictEqual(await (await fetch(`${server.url}/health`)).text(), "OK");
    const response = await fetch(
      `${server.url}/api/2.0/mlflow/experiments/search`,
      {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ max_results: 10 }),
      },
    );
    const { experiments } = await response.json();
    deepStrictEqual(
      experiments.map((
        experiment: Record<string, unknown>,
      ) => [
        experiment.experiment_id,
        experiment.name,
        experiment.artifact_location,
      ]),
      [["0", "Default", "s3://bucket/0"]],
    );
    const created = await fetch(
      `${server.url}/api/2.0/mlflow/experiments/create`,
      {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ name: "first" }),
      },
    );
    strictEqual((await created.json()).experiment_id, "1");
    // Not a word about its tables: no migration, no creation, no error.
    ok(!/database tables|Traceback|ERROR/.test(server.log()), server.log());
  },
);

Deno.test("ensureMlflowSchema() changes nothing the second time", async () => {
  const { name, url } = await emptyDatabase();
  await using database = await open(name);
  await ensureMlflowSchema(database, { artifactRoot: "s3://bucket" });
  const before = await dump(url);
  deepStrictEqual(
    await ensureMlflowSchema(database, { artifactRoot: "s3://other" }),
    {
      status: "unchanged",
      head: pinnedHead,
      note: undefined,
    },
  );
  strictEqual(await dump(url), before);
});

Deno.test("ensureMlflowSchema() and ensurePredictionsSchema() are safe in ten concurrent calls", async () => {
  const { name: forMlflow } = await emptyDatabase();
  const { name: forPredictions } = await emptyDatabase();
  const mlflow = await atOnce(
    10,
    forMlflow,
    (database) => ensureMlflowSchema(database),
  );
  const predictions = await atOnce(10, forPredictions, ensurePredictionsSchema);
  const count = (results: { status: string }[]) =>
    results.filter(({ status }) => status === "created").length;
  deepStrictEqual([count(mlflow), count(predictions)], [1, 1]);
  ok(
    [...mlflow, ...predictions].every(({ status }) =>
      status === "created" || status === "unchanged"
    ),
  );
});

for (
  const [release, head, told] of [
    ["mlflow-3.4.0", "71994744cf8e", /MLflow 3\.4\.0 .*mlflow db upgrade/],
    ["mlflow-2.22.5", "0584bdc529eb", /MLflow 2\.22\.5 .*mlflow db upgrade/],
  ] as const
) {
  testWithPython(
    `ensureMlflowSchema() does not change a database of ${release}`,
    async () => {
      const { name, url } = await emptyDatabase();
      await makeMlflowDatabase(release, url);
      const before = await dump(url);
      await using database = await open(name);
      const { note, ...found } = await ensureMlflowSchema(database, {
        artifactRoot: "s3://bucket",
      });
      deepStrictEqual(found, { status: "unchanged", head });
      match(note ?? "", told);
      strictEqual(await dump(url), before);
    },
  );
}

Deno.test("ensureMlflowSchema() does not change a database with an unknown head, and reports that", async () => {
  const { name, url } = await emptyDatabase();
  await using database = await open(name);
  await ensureMlflowSchema(database);
  await database.query(
    "update alembic_version set version_num = 'ffffffffffff'",
  );
  const before = await dump(url);
  const { status, head, note } = await ensureMlflowSchema(database);
  deepStrictEqual([status, head], ["unchanged", "ffffffffffff"]);
  match(note ?? "", /ffffffffffff.*newer than MLflow 3\.17\.2 or not MLflow's/);
  strictEqual(await dump(url), before);
});

Deno.test("ensureMlflowSchema() rejects a database with other tables", async () => {
  const { name, url } = await emptyDatabase();
  await using database = await open(name);
  await database.query("create table customers (id int)");
  const before = await dump(url);
  await rejects(
    ensureMlflowSchema(database),
    (error) =>
      error instanceof InputError && /customers/.test(error.message) &&
      /no alembic_version/.test(error.message),
  );
  strictEqual(await dump(url), before);

  await database.query(
    "create table alembic_version (version_num varchar(32))",
  );
  await rejects(
    ensureMlflowSchema(database),
    (error) => error instanceof InputError && /0 rows/.test(error.message),
  );
  await database.query("insert into alembic_version values ('0123456789ab')");
  await rejects(
    ensureMlflowSchema(database),
    (error) =>
      error instanceof InputError &&
      /another program created it/.test(error.message),
  );
});

Deno.test("ensureMlflowSchema() leaves nothing behind if it fails halfway", async () => {
  const { name, url } = await emptyDatabase();
  await using database = await open(name);
  // A function of MLflow's name and another type of result stops the script.
  await database.query(
    "create function prevent_secrets_aad_mutation() returns int language sql as 'select 1'",
  );
  const before = await dump(url);
  await rejects(ensureMlflowSchema(database), /prevent_secrets_aad_mutation/);
  strictEqual(await dump(url), before);
});

Deno.test("ensureMlflowSchema() and ensurePredictionsSchema() share the embedded database, in either order", async () => {
  await using folder = await tempFolder();
  await using reference = await open((await emptyDatabase()).name);
  await ensureMlflowSchema(reference);
  const { columns: expected } = await readCatalog(reference);
  await using database = await openPglite(`${folder.path}/database`);
  strictEqual((await ensurePredictionsSchema(database)).status, "created");
  strictEqual(
    (await ensureMlflowSchema(database, { artifactRoot: "/x" })).status,
    "created",
  );
  strictEqual((await ensureMlflowSchema(database)).status, "unchanged");
  strictEqual((await ensurePredictionsSchema(database)).status, "unchanged");
  const { columns = [] } = await readCatalog(database);
  const ours =
    /^(churn_predictions|churn_predictions_before|churn_predictions_current|scores|settled_scores|scoring_runs|monitoring_runs|drift_metrics|monitoring_states|monitoring_alerts|predictions_schema_migrations) /;
  deepStrictEqual(columns.filter((line) => !ours.test(line)), expected);
});

Deno.test("ensurePredictionsSchema() creates the ledger, the table and the view", async () => {
  await using database = await open((await emptyDatabase()).name);
  deepStrictEqual(await ensurePredictionsSchema(database), {
    status: "created",
    applied: [
      "001_churn_predictions.sql",
      "002_monitoring.sql",
      "003_current.sql",
      "004_monitoring_earlier_performance.sql",
      "005_scores.sql",
      "006_periods.sql",
      "007_profile_and_key.sql",
      "008_monitoring_verdicts.sql",
      "009_alerts.sql",
      "010_monitoring_settings.sql",
      "011_settled_scores.sql",
    ],
  });
  deepStrictEqual(await ensurePredictionsSchema(database), {
    status: "unchanged",
    applied: [],
  });

  const first = await insertScoringRun(database, { version: "1", attempt: 1 });
  await insertScore(database, { run: first, row: 1, score: 0.25 });
  const second = await insertScoringRun(database, { version: "2", attempt: 2 });
  await insertScore(database, { run: second, row: 1, score: 0.75 });
  for (const status of ["failed", "running"]) {
    const unseen = await insertScoringRun(database, {
      version: "1",
      attempt: 2,
      status,
    });
    await insertScore(database, { run: unseen, row: 1, score: 0.5 });
  }
  const other = await insertScoringRun(database, {
    version: "1",
    attempt: 1,
    content: "b".repeat(64),
  });
  await insertScore(database, { run: other, row: 1, score: 1, player: "P-2" });
  const all = "select id, churn_probability from churn_predictions order by 1";
  // The id of a row is that of its run times 2^31, plus its number.
  deepStrictEqual(await database.query(all), [
    { id: first * 2 ** 31 + 1, churn_probability: 0.25 },
    { id: second * 2 ** 31 + 1, churn_probability: 0.75 },
    { id: other * 2 ** 31 + 1, churn_probability: 1 },
  ]);
  const current =
    "select scoring_run_id, churn_probability from churn_predictions_current order by 1";
  deepStrictEqual(await database.query(current), [
    { scoring_run_id: second, churn_probability: 0.75 },
    { scoring_run_id: other, churn_probability: 1 },
  ]);

  // One attempt per variant and content, whichever model scored it.
  await rejects(insertScoringRun(database, { version: "3", attempt: 1 }), {
    code: "23505",
    constraint: "scoring_runs_once",
  });
  for (const score of [-0.001, 1.001, Number.NaN]) {
    await rejects(insertScore(database, { run: first, row: 2, score }), {
      code: "23514",
    });
  }
  await rejects(
    database.query("update scoring_runs set data_source = 'elsewhere'"),
    { code: "23514" },
  );
  for (
    const column of ["content_sha256", "row_count", "finished_at"]
  ) {
    await rejects(database.query(`update scoring_runs set ${column} = null`), {
      code: "23514",
    });
  }
});

Deno.test("ensurePredictionsSchema() replaces churn_predictions_current and keeps the grants and views on it", async () => {
  await using database = await open((await emptyDatabase()).name);
  const folder = new URL("../../sql/predictions/", import.meta.url);
  await database.query(
    "create table predictions_schema_migrations (number integer primary key, name text not null, applied_at timestamptz not null default now())",
  );
  for (const name of ["001_churn_predictions.sql", "002_monitoring.sql"]) {
    await database.query(
      toOneStatement(await Deno.readTextFile(new URL(name, folder))),
    );
    await database.query(
      "insert into predictions_schema_migrations (number, name) values ($1, $2)",
      [Number(name.slice(0, 3)), name],
    );
  }
  await database.query(
    "create view retention as select * from churn_predictions_current where churn_probability > 0.5",
  );
  const reader = `reader_${crypto.randomUUID().slice(0, 8)}`;
  await database.query(`create role ${reader}`);
  await database.query(
    `grant select on churn_predictions_current to ${reader}`,
  );
  const columns = () =>
    database.query(
      "select column_name, data_type from information_schema.columns where table_name = 'churn_predictions_current' order by ordinal_position",
    );
  const before = await columns();
  for (const [index, content] of ["a", "b"].entries()) {
    const run = await insertScoringRun(database, {
      version: "1",
      attempt: 1,
      content: content.repeat(64),
    });
    await database.query(
      `insert into churn_predictions (prediction_timestamp, churn_probability, model_name, model_version, scoring_run_id, row_number, player_id)
       values (now(), $1, 'model', '1', $2, 1, 'P-1')`,
      [0.75 + index / 8, run],
    );
  }
  strictEqual((await database.query("select * from retention")).length, 2);

  deepStrictEqual((await ensurePredictionsSchema(database)).applied, [
    "003_current.sql",
    "004_monitoring_earlier_performance.sql",
    "005_scores.sql",
    "006_periods.sql",
    "007_profile_and_key.sql",
    "008_monitoring_verdicts.sql",
    "009_alerts.sql",
    "010_monitoring_settings.sql",
    "011_settled_scores.sql",
  ]);
  deepStrictEqual(await columns(), [
    ...before,
    { column_name: "period", data_type: "date" },
  ]);
  deepStrictEqual(
    await database.query("select churn_probability as score from retention"),
    [{ score: 0.875 }],
  );
  deepStrictEqual(
    await database.query(
      "select has_table_privilege($1, 'churn_predictions_current', 'select') as granted",
      [reader],
    ),
    [{ granted: true }],
  );
});

Deno.test("ensurePredictionsSchema() extends an existing churn_predictions and loses nothing", async () => {
  await using database = await open((await emptyDatabase()).name);
  await database.query(toOneStatement(`
    create table churn_predictions (
      id serial primary key,
      prediction_timestamp timestamp not null default now(),
      geography_id text not null,
      churn_probability double precision,
      model_version text
    );
    insert into churn_predictions (prediction_timestamp, geography_id, churn_probability, model_version) values
      ('2024-01-01 00:00:00', 'GEO_0', 0.5, '1.0.0'), ('2024-01-08 12:30:00.123456', 'US', 1.5, null), ('2024-01-15', '', null, '');
  `));
  const old =
    "select id, prediction_timestamp::text, geography_id, churn_probability, model_version from churn_predictions where id <= 3 order by id";
  const before = await database.query(old);
  strictEqual((await ensurePredictionsSchema(database)).status, "extended");
  strictEqual((await ensurePredictionsSchema(database)).status, "unchanged");
  deepStrictEqual(await database.query(old), before);

  const { columns = [] } = await readCatalog(database);
  ok(
    columns.some((line) =>
      line.startsWith(
        "churn_predictions 2 prediction_timestamp timestamp without time zone ",
      )
    ),
    columns.join("\n"),
  );
  const run = await insertScoringRun(database, { version: "3", attempt: 1 });
  await insertScore(database, { run, row: 1, score: 0.5 });
  deepStrictEqual(
    await database.query(
      "select id, geography_id, model_version from churn_predictions where scoring_run_id = $1",
      [run],
    ),
    [{ id: run * 2 ** 31 + 1, geography_id: null, model_version: "3" }],
  );
  // Whoever filled the five columns before can go on; the old 1.5 stays, no new one comes.
  const insert = (score: number) =>
    database.query(
      `insert into churn_predictions (prediction_timestamp, geography_id, churn_probability, model_version)
       values (now(), 'US', ${score}, '1') returning id`,
    );
  deepStrictEqual(await insert(0.5), [{ id: 4 }]);
  await rejects(insert(1.5), { code: "23514" });
  strictEqual(
    (await database.query("select from churn_predictions")).length,
    5,
  );
});

Deno.test("ensurePredictionsSchema() rejects an MLflow database", async () => {
  await using database = await open((await emptyDatabase()).name);
  await ensureMlflowSchema(database);
  await rejects(
    ensurePredictionsSchema(database),
    (error) =>
      error instanceof UsageError &&
      /is an MLflow database/.test(error.message),
  );
});

Deno.test("ensureDatabase() creates a database of any name once, whatever the number of callers", async () => {
  const results = await atOnce(
    10,
    "postgres",
    (admin) => ensureDatabase(admin, `Ünï "quoted" 'x' %41`),
  );
  strictEqual(results.filter(Boolean).length, 1);
  await using database = await open(`Ünï "quoted" 'x' %41`);
  strictEqual(await ensureDatabase(database, "postgres"), false);
  for (const name of ["", "x".repeat(64), "ü".repeat(32), "a\0b"]) {
    await rejects(
      ensureDatabase(database, name),
      (error) => error instanceof UsageError && /1 to 63/.test(error.message),
    );
  }
});

Deno.test("ensureDatabase() and both schemas name the privilege that a login lacks", async () => {
  const { name } = await emptyDatabase();
  await using admin = await open(name);
  await createLogin(admin, "powerless");
  await admin.query("revoke create on schema public from public");
  await using database = await open(name, "powerless");
  const says = (pattern: RegExp) => (error: unknown) =>
    error instanceof UsageError && pattern.test(error.message);
  await rejects(
    ensureDatabase(database, "other"),
    says(/permission denied to create database/),
  );
  await rejects(
    ensureMlflowSchema(database),
    says(/permission denied for schema public/),
  );
  await rejects(
    ensurePredictionsSchema(database),
    says(/permission denied for schema public/),
  );
});

Deno.test("ensureRoles() lets only the writer add scores and the reader read them", async () => {
  const { name: forMlflow } = await emptyDatabase();
  const { name: forPredictions, url } = await emptyDatabase();
  await using mlflow = await open(forMlflow);
  await using predictions = await open(forPredictions);
  await ensureMlflowSchema(mlflow, { artifactRoot: "s3://bucket" });
  await predictions.query(
    `create table churn_predictions (id serial primary key, prediction_timestamp timestamp,
    geography_id text, churn_probability double precision, model_version text)`,
  );
  await ensurePredictionsSchema(predictions);
  await createLogin(predictions, "without_createrole");
  await using without = await open(forPredictions, "without_createrole");
  const { notes } = await ensureRoles(without);
  strictEqual(notes.length, 1);
  match(
    notes[0] ?? "",
    /Cannot create the roles churn_writer and churn_reader: the login lacks CREATEROLE/,
  );

  const results = await atOnce(5, forPredictions, ensureRoles);
  deepStrictEqual(results.flatMap(({ created }) => created).sort(), [
    "churn_reader",
    "churn_writer",
  ]);
  deepStrictEqual(results.flatMap(({ notes }) => notes), []);
  await ensureRoles(mlflow);
  const before = await dump(url);
  deepStrictEqual(await ensureRoles(predictions), {
    created: [],
    granted: [],
    notes: [],
  });
  deepStrictEqual(await ensureRoles(mlflow), {
    created: [],
    granted: [],
    notes: [],
  });
  strictEqual(await dump(url), before);

  await createLogin(predictions, "scoring", "churn_writer");
  await createLogin(predictions, "dashboard", "churn_reader");
  const refused = { name: "UsageError", message: /permission denied/ };
  {
    await using writer = await open(forPredictions, "scoring");
    const run = await insertScoringRun(writer, { version: "1", attempt: 1 });
    await insertScore(writer, { run, row: 1, score: 0.5 });
    strictEqual(
      (await writer.query("select * from churn_predictions_current")).length,
      1,
    );
    for (
      const statement of [
        "update scores set churn_probability = 0",
        "delete from scores",
        "truncate scores",
        "insert into churn_predictions_before (churn_probability) values (0)",
        "delete from churn_predictions_before",
        "delete from scoring_runs",
        "update scoring_runs set status = 'failed'",
        "insert into settled_scores values ('base', 'P', now(), 1, 1, 0)",
        "select unsettle_scores('base')",
      ]
    ) await rejects(writer.query(statement), refused, statement);
    // It may publish and discard what is not published.
    const unpublished = await insertScoringRun(writer, {
      version: "1",
      attempt: 2,
      status: "running",
    });
    await insertScore(writer, { run: unpublished, row: 1, score: 0.5 });
    const discard = async (id: number) =>
      (await writer.query(`select discard_scoring_run(${id}) as done`))[0];
    deepStrictEqual(await discard(unpublished), { done: true });
    deepStrictEqual(await discard(run), { done: false });
    const second = await insertScoringRun(writer, { version: "2", attempt: 2 });
    deepStrictEqual(
      await writer.query("select settle_scores('base') as runs"),
      [{ runs: 1 }],
    );
    deepStrictEqual(
      await writer.query(
        "select id from scoring_runs where settled_at is null",
      ),
      [{ id: second }],
    );
    deepStrictEqual(
      await writer.query("select scoring_run_id as run from scores"),
      [{ run }],
    );
  }
  {
    await using writer = await open(forMlflow, "scoring");
    await writer.query(
      "insert into runs (run_uuid, experiment_id, status) values ('r', 0, 'RUNNING')",
    );
    await writer.query(
      "update runs set status = 'FINISHED' where run_uuid = 'r'",
    );
    await writer.query(
      "select v.version from model_versions v join registered_models using (workspace, name)",
    );
    await rejects(
      writer.query("insert into registered_models (name) values ('x')"),
      refused,
    );
    await rejects(
      writer.query("update model_versions set current_stage = 'Production'"),
      refused,
    );
    await rejects(writer.query("select * from secrets"), refused);
  }
  {
    await using reader = await open(forPredictions, "dashboard");
    strictEqual(
      (await reader.query("select * from churn_predictions_current")).length,
      1,
    );
    await rejects(
      insertScoringRun(reader, { version: "9", attempt: 1 }),
      refused,
    );
    await rejects(reader.query("select discard_scoring_run(1)"), refused);
    await rejects(reader.query("select settle_scores('base')"), refused);
    await rejects(reader.query("select from scores"), refused);
    await using runs = await open(forMlflow, "dashboard");
    strictEqual((await runs.query("select * from runs")).length, 1);
    await rejects(runs.query("delete from runs"), refused);
  }
});

async function createLogin(
  admin: Database,
  name: string,
  group?: string,
): Promise<void> {
  const password = difficultPassword.replaceAll("'", "''");
  await admin.query(
    `create role ${name} login password '${password}' ${
      group ? `in role ${group}` : ""
    }`,
  );
}

async function insertScoringRun(
  database: Database,
  run: { version: string; attempt: number; content?: string; status?: string },
): Promise<number> {
  const { version, attempt, content = "a".repeat(64), status = "completed" } =
    run;
  const lease = status === "running" ? ", lease_expires_at" : "";
  const [row] = await database.query<{ id: number }>(
    `insert into scoring_runs (variant, input_uri, content_sha256, recipe_sha256, model_name, model_version,
       model_sha256, attempt, row_count, data_source, status, started_at, finished_at${lease})
     values ('base', 's3://bucket/x', $1, $2, 'model', $3, $2, $4, 1, 's3', $5, now(), now()${
      lease && ", now()"
    }) returning id`,
    [content, "0".repeat(64), version, attempt, status],
  );
  ok(row);
  return row.id;
}

async function insertScore(
  database: Database,
  { run, row, score, player = "P-1" }: {
    run: number;
    row: number;
    score: number;
    player?: string;
  },
): Promise<void> {
  await database.query(
    "insert into scores (churn_probability, scoring_run_id, row_number, player_id) values ($1, $2, $3, $4)",
    [score, run, row, player],
  );
}
