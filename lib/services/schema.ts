/**
 * Creates the tables of MLflow and of the predictions if they are missing.
 * MLflow's tables are exactly its own, with its `alembic_version`, and are never
 * altered once they exist; only the predictions have numbered migrations of ours.
 */
import { type Database, type Queryable } from "../database/database.ts";
import { isCode, toOneStatement, underSetupLock } from "../database/admin.ts";
import { InputError, UsageError } from "../base/errors.ts";
import { listSome } from "../base/phrases.ts";
import { releases } from "../mlflow/schema-version.ts";

const ownTables = [
  "churn_predictions",
  "churn_predictions_before",
  "scores",
  "settled_scores",
  "scoring_runs",
  "monitoring_runs",
  "drift_metrics",
  "monitoring_states",
  "monitoring_alerts",
];
const migrationsTable = "predictions_schema_migrations";
const sqlFolder = new URL("../../sql/", import.meta.url);

/**
 * Creates MLflow's tables in an empty database, as the pinned MLflow's own
 * `mlflow db upgrade` would, in one transaction. A database created by any MLflow
 * is recognized by its `alembic_version` and left unchanged. Concurrent calls are
 * safe: one creates the tables, the others wait and find them.
 *
 * @param options `artifactRoot`: the artifact root for experiment 0, "Default", of a new database (`<artifactRoot>/0`); without it, MLflow's server creates that experiment at its first start.
 * @throws {InputError} If the database contains tables other than MLflow's.
 * @throws {UsageError} If the login may not create tables.
 */
export async function ensureMlflowSchema(
  database: Database,
  options: { artifactRoot?: string } = {},
): Promise<{
  readonly status: "created" | "unchanged";
  /** The database's `alembic_version`, which identifies the MLflow release of its tables. */
  readonly head: string;
  /** A note about the head to print; undefined if it is the pinned MLflow's. */
  readonly note: string | undefined;
}> {
  const script = await Deno.readTextFile(new URL("mlflow.sql", sqlFolder));
  const revisions = await mlflowRevisions();
  return await underSetupLock(database, async (tx) => {
    const head = await readMlflowHead(database, tx);
    if (head !== undefined) {
      const note = describeHead(head, revisions);
      return { status: "unchanged", head, note };
    }
    await tx.query(toOneStatement(script));
    if (options.artifactRoot !== undefined) {
      await insertDefaultExperiment(tx, options.artifactRoot);
    }
    const created = await readHeads(tx);
    return { status: "created", head: created[0] ?? "", note: undefined };
  });
}

/**
 * Returns every revision of MLflow's schema up to the pinned one, oldest first:
 * the last is the head that {@linkcode ensureMlflowSchema} sets. A revision not in
 * the list is newer, or not MLflow's.
 */
export async function mlflowRevisions(): Promise<string[]> {
  const text = await Deno.readTextFile(
    new URL("mlflow_revisions.txt", sqlFolder),
  );
  return text.split("\n").filter((line) => /^[0-9a-f]+$/.test(line));
}

/**
 * Creates or extends the predictions schema: the ledger `scoring_runs`, the
 * tables `scores` and `settled_scores`, the views `churn_predictions` and `churn_predictions_current`
 * over it, and the tables of `monitor`. An existing table `churn_predictions`
 * becomes `churn_predictions_before`; the view shows its rows, and views,
 * functions and grants on the table are moved to the view. All of it is one
 * transaction. A second call changes nothing; concurrent calls are safe.
 *
 * @throws {InputError} If something is bound to the table `churn_predictions` that cannot be moved, such as a foreign key; names it.
 * @throws {TransientError} If readers or writers of `churn_predictions` kept it locked for 10 seconds.
 * @throws {UsageError} If the database is MLflow's, or the login may not create tables.
 */
export async function ensurePredictionsSchema(
  database: Database,
): Promise<{
  /** `extended`: an existing `churn_predictions` was kept with all its rows. */
  readonly status: "created" | "extended" | "unchanged";
  /** File names of the migrations that this call applied, in order. */
  readonly applied: readonly string[];
}> {
  return await underSetupLock(database, async (tx) => {
    const tables = await listTables(tx);
    refuseMlflowDatabase(tables, database);
    const { missing } = await compareMigrations(tx, tables);
    if (!tables.includes(migrationsTable)) {
      await tx.query(`create table ${migrationsTable} (
        number integer primary key,
        name text not null,
        applied_at timestamptz not null default now()
      )`);
    }
    for (const { number, name, sql } of missing) {
      await tx.query(toOneStatement(sql)).catch(explainRefusal);
      await tx.query(
        `insert into ${migrationsTable} (number, name) values ($1, $2)`,
        [number, name],
      );
    }
    const applied = missing.map(({ name }) => name);
    if (applied.length === 0) return { status: "unchanged", applied };
    const legacy = tables.includes("churn_predictions");
    return { status: legacy ? "extended" : "created", applied };
  });
}

/**
 * Tells whether {@linkcode ensureMlflowSchema} would create MLflow's tables.
 * Changes nothing.
 *
 * @throws {InputError} As that function.
 */
export async function needsMlflowSchema(database: Database): Promise<boolean> {
  return await readMlflowHead(database) === undefined;
}

/**
 * Returns what a database has of this release's schema, before
 * {@linkcode ensurePredictionsSchema} creates or extends it. Changes nothing.
 *
 * @throws {UsageError} If the database is MLflow's.
 */
export async function checkPredictionsSchema(
  database: Database,
): Promise<PredictionsSchemaState> {
  refuseMlflowDatabase(await listTables(database), database);
  return await readPredictionsSchema(database);
}

/**
 * Checks that the login may alter the prediction tables that exist already, as a
 * migration does. Changes nothing.
 *
 * @throws {UsageError} If they belong to another role.
 */
export async function checkMayExtend(database: Database): Promise<void> {
  const foreign = await database.query<{ name: string; owner: string }>(
    `select c.relname::text as name, pg_get_userbyid(c.relowner)::text as owner
     from pg_class c
     where c.relnamespace = to_regnamespace(quote_ident(current_schema()))
       and c.relname = any($1) and c.relkind in ('r', 'p', 'v')
       and not pg_has_role(c.relowner, 'USAGE')
     order by c.relname`,
    [[...ownTables, migrationsTable, "churn_predictions_current"]],
  );
  const [first] = foreign;
  if (!first) return;
  throw new UsageError(
    `Cannot extend the prediction tables as ${database.description}: ${
      listSome(foreign.map(({ name }) => name), 5)
    } belong to ${first.owner}; run setup with that login, or grant its role to this one`,
  );
}

/**
 * Checks that the login may create the experiments that MLflow's tables do not have
 * yet. Changes nothing.
 *
 * @param names The experiments that are needed.
 * @throws {UsageError} If it may not.
 */
export async function checkMayCreateExperiments(
  database: Database,
  names: readonly string[],
): Promise<void> {
  const [may] = await database.query<{ reads: boolean; writes: boolean }>(
    `select has_table_privilege('experiments', 'SELECT') as reads,
       has_table_privilege('experiments', 'INSERT')
         and has_table_privilege('experiment_tags', 'INSERT')
         and coalesce(has_sequence_privilege(pg_get_serial_sequence('experiments', 'experiment_id'), 'USAGE'), true) as writes`,
  );
  if (may?.reads) {
    const found = await database.query<{ name: string }>(
      "select name from experiments where name = any($1)",
      [names],
    );
    if (may.writes || found.length === new Set(names).size) return;
  }
  throw new UsageError(
    `Cannot create experiments as ${database.description}: permission denied for table experiments; grant the privilege, or use another login`,
  );
}

/** What a predictions database has of the schema of this release. */
export interface PredictionsSchemaState {
  /** False if none of our tables exists. */
  readonly exists: boolean;
  /** File names of the migrations that `setup` would apply, in order. */
  readonly missing: readonly string[];
  /** Names of applied migrations that this release does not have, because a newer one applied them. */
  readonly newer: readonly string[];
}

/**
 * Tells whether a table of the embedded database is one of the predictions; all
 * others there are MLflow's.
 */
export function isPredictionsTable(name: string): boolean {
  return ownTables.includes(name) || name === migrationsTable;
}

/** Returns what a predictions database has of this release's schema. Changes nothing. */
export async function readPredictionsSchema(
  database: Queryable,
): Promise<PredictionsSchemaState> {
  const tables = await listTables(database);
  const { missing, newer } = await compareMigrations(database, tables);
  return {
    exists: tables.some((name) => ownTables.includes(name)),
    missing: missing.map(({ name }) => name),
    newer,
  };
}

/**
 * Rethrows the error of a query on the prediction tables.
 *
 * @throws {UsageError} If a table or a column is missing, because `setup` has not run since the last release.
 */
export function explainMissingTables(error: unknown): never {
  // 42P01: undefined table; 42703: undefined column.
  if (isCode(error, "42P01", "42703")) {
    throw new UsageError(
      "Cannot find the prediction tables of this release; run `deno task setup` first",
      { cause: error },
    );
  }
  throw error;
}

/** P0001: a migration raised an error of its own, which says what to do. */
function explainRefusal(error: unknown): never {
  if (isCode(error, "P0001") && error instanceof Error) {
    throw new InputError(error.message, { cause: error });
  }
  throw error;
}

/**
 * Returns the `alembic_version` of a database; undefined if it has no MLflow tables.
 *
 * @param tx A transaction to read it in.
 * @throws {InputError} If the database contains tables other than MLflow's.
 */
export async function readMlflowHead(
  database: Database,
  tx: Queryable = database,
): Promise<string | undefined> {
  const { description, embedded } = database;
  const tables = await listTables(tx);
  const own = embedded ? [...ownTables, migrationsTable] : [];
  const others = tables.filter((name) => !own.includes(name));
  if (others.length === 0) return undefined;
  if (!others.includes("alembic_version")) {
    throw new InputError(
      `Cannot use ${description} for MLflow: it has tables (${
        listSome(others, 5)
      }) but no alembic_version; use an empty database or one that MLflow created`,
    );
  }
  const heads = await readHeads(tx);
  if (heads.length !== 1 || !others.includes("experiments")) {
    throw new InputError(
      `Cannot use ${description} for MLflow: its alembic_version has ${heads.length} rows and its tables are ${
        listSome(others, 5)
      }, so another program created it or an upgrade failed; use an empty database or one that MLflow created`,
    );
  }
  return heads[0];
}

async function readHeads(tx: Queryable): Promise<string[]> {
  const rows = await tx.query<{ head: string }>(
    "select version_num as head from alembic_version",
  );
  return rows.map(({ head }) => head);
}

/** Returns the tables of the current schema, without those of extensions such as PostGIS. */
async function listTables(tx: Queryable): Promise<string[]> {
  const rows = await tx.query<{ name: string }>(`
    select c.relname::text as name
    from pg_class c
    where c.relnamespace = to_regnamespace(quote_ident(current_schema()))
      and c.relkind in ('r', 'p')
      and not exists (
        select from pg_depend d
        where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e'
      )
    order by c.relname
  `);
  return rows.map(({ name }) => name);
}

function describeHead(
  head: string,
  revisions: readonly string[],
): string | undefined {
  const pinned = revisions.at(-1) ?? "";
  if (head === pinned) return undefined;
  const nameOf = (known: string) =>
    releases[known] ? `MLflow ${releases[known]}` : "an MLflow release";
  if (!revisions.includes(head)) {
    return `The schema head ${head} is newer than ${
      nameOf(pinned)
    } or not MLflow's; the tables were not changed`;
  }
  return `The tables are from ${
    nameOf(head)
  } (head ${head}) and were not changed; to use ${
    nameOf(pinned)
  }, back up the database and run \`mlflow db upgrade <URI>\` of that release`;
}

/** Inserts the default experiment as `_create_default_experiment` of MLflow 3.17.2 does, which does not advance the sequence. */
async function insertDefaultExperiment(
  tx: Queryable,
  artifactRoot: string,
): Promise<void> {
  await tx.query(
    `insert into experiments
       (experiment_id, name, artifact_location, lifecycle_stage, creation_time, last_update_time, workspace)
     values (0, 'Default', $1, 'active', $2, $2, 'default')`,
    [`${artifactRoot.replace(/\/+$/, "")}/0`, Date.now()],
  );
}

function refuseMlflowDatabase(
  tables: readonly string[],
  { description, embedded }: Database,
): void {
  if (embedded || !tables.includes("alembic_version")) return;
  throw new UsageError(
    `Cannot store predictions in ${description}: it is an MLflow database; use another database for predictions`,
  );
}

interface Migration {
  readonly number: number;
  readonly name: string;
  readonly sql: string;
}

/** Reads the files `NNN_name.sql` in `sql/predictions/`, in numeric order. */
async function readMigrations(): Promise<Migration[]> {
  const folder = new URL("predictions/", sqlFolder);
  const names: string[] = [];
  for await (const { name } of Deno.readDir(folder)) {
    if (/^\d{3}_.*\.sql$/.test(name)) names.push(name);
  }
  return await Promise.all(
    names.sort().map(async (name) => ({
      number: Number(name.slice(0, 3)),
      name,
      sql: await Deno.readTextFile(new URL(name, folder)),
    })),
  );
}

/** Returns the migrations that a database lacks, and the names of those that only a newer release has. */
async function compareMigrations(
  database: Queryable,
  tables: readonly string[],
): Promise<{ missing: Migration[]; newer: string[] }> {
  const files = await readMigrations();
  const applied = tables.includes(migrationsTable)
    ? await database.query<{ number: number; name: string }>(
      `select number, name from ${migrationsTable} order by number`,
    )
    : [];
  const numbers = new Set(applied.map(({ number }) => number));
  const known = new Set(files.map(({ number }) => number));
  return {
    missing: files.filter(({ number }) => !numbers.has(number)),
    newer: applied.filter(({ number }) => !known.has(number))
      .map(({ name }) => name),
  };
}
