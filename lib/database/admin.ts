/**
 * Database setup, independent of the schema: creating databases and schemas,
 * the setup lock, and running scripts inside a transaction.
 */
import {
  type Database,
  DatabaseError,
  type Queryable,
  quoteIdentifier,
} from "./database.ts";
import { UsageError } from "../base/errors.ts";

/**
 * Creates a database unless it exists; `name` may contain any character but NUL.
 *
 * @param admin A connection to another database of the same server.
 * @returns True if this call created it; false if it existed or another process created it meanwhile.
 * @throws {UsageError} If the name is empty, longer than 63 bytes, or the login may not create databases.
 */
export async function ensureDatabase(
  admin: Queryable,
  name: string,
): Promise<boolean> {
  const bytes = new TextEncoder().encode(name).length;
  // Postgres would truncate a longer name and use a different database.
  if (bytes === 0 || bytes > 63 || name.includes("\0")) {
    throw new UsageError(
      `Cannot use the database name "${name}": it has ${bytes} bytes, and Postgres allows 1 to 63 without NUL`,
    );
  }
  const found = await admin.query(
    "select 1 from pg_database where datname = $1",
    [name],
  );
  if (found.length > 0) return false;
  try {
    await admin.query(`create database ${quoteIdentifier(name)}`);
    return true;
  } catch (error) {
    // 42P04: it exists by now; 23505: two processes created it at the same time.
    if (isCode(error, "42P04", "23505")) return false;
    throw error;
  }
}

/**
 * Creates the first schema of the connection's own `search_path` (from its
 * `options`, not a default of the role or database), unless it exists. Otherwise
 * new tables would go to the next schema in the path, or fail.
 *
 * @throws {UsageError} If the login may not create schemas.
 */
export async function ensureNamedSchema(database: Queryable): Promise<void> {
  const [row] = await database.query<{ path: string }>(
    "select setting as path from pg_settings where name = 'search_path' and source = 'client'",
  );
  const [, quoted, plain] =
    /^\s*(?:"((?:[^"]|"")+)"|([^\s,"]+))/.exec(row?.path ?? "") ?? [];
  const name = quoted?.replaceAll('""', '"') ?? plain?.toLowerCase();
  if (name === undefined || name === "$user") return;
  const found = await database.query(
    "select 1 from pg_namespace where nspname = $1",
    [name],
  );
  if (found.length > 0) return;
  await database.query(`create schema ${quoteIdentifier(name)}`).catch(
    (error) => {
      // 42P06: it exists by now; 23505: two processes created it at the same time.
      if (!isCode(error, "42P06", "23505")) throw error;
    },
  );
}

/**
 * Checks that the login may create a database, without creating it.
 *
 * @param admin A connection to another database of the same server.
 * @throws {UsageError} If it may not.
 */
export async function checkMayCreateDatabase(
  admin: Database,
  name: string,
): Promise<void> {
  const [row] = await admin.query<{ may: boolean }>(
    "select rolsuper or rolcreatedb as may from pg_roles where rolname = current_user",
  );
  if (row?.may) return;
  throw new UsageError(
    `Cannot create the database "${name}" as ${admin.description}: permission denied to create database; grant the privilege, or use another login`,
  );
}

/**
 * Checks that the login may create tables in the current schema, or the schema
 * that its `search_path` names if it does not exist. Creates nothing.
 *
 * @throws {UsageError} If it may not.
 */
export async function checkMayCreateTables(database: Database): Promise<void> {
  const [row] = await database.query<{ schema: string | null; may: boolean }>(
    `select current_schema()::text as schema, case
       when current_schema() is null then has_database_privilege(current_database(), 'CREATE')
       else has_schema_privilege(current_schema(), 'CREATE')
     end as may`,
  );
  if (row?.may) return;
  throw new UsageError(
    `Cannot create tables as ${database.description}: permission denied for ${
      row?.schema ? `schema ${row.schema}` : "database"
    }; grant the privilege, or use another login`,
  );
}

/**
 * Returns one statement that runs a whole script, so that a script can be part of
 * a transaction on any {@linkcode Queryable}, which takes one statement at a time.
 *
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 *
 * const statement = toOneStatement("select 1; select 2");
 * strictEqual(statement, "do $do$ begin execute $script$select 1; select 2$script$; end $do$");
 * ```
 *
 * @throws {RangeError} If the script contains `$do$` or `$script$`.
 */
export function toOneStatement(script: string): string {
  for (const quote of ["$do$", "$script$"]) {
    if (script.includes(quote)) {
      throw new RangeError(`Cannot run a script that holds ${quote}`);
    }
  }
  return `do $do$ begin execute $script$${script}$script$; end $do$`;
}

/**
 * Runs `work` in a transaction that holds the setup lock of the database: a
 * second setup waits, then sees what the first one committed.
 */
export async function underSetupLock<T>(
  database: Database,
  work: (tx: Queryable) => Promise<T>,
): Promise<T> {
  return await database.transaction(async (tx) => {
    await tx.query("select pg_advisory_xact_lock(hashtext('churn setup'))");
    return await work(tx);
  });
}

/** Tells whether the server refused a statement with one of these SQLSTATEs. */
export function isCode(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof DatabaseError && codes.includes(error.code);
}
