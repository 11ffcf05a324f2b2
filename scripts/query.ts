/** Runs one SQL query on the predictions database, embedded or not, in a read-only transaction; without SQL, lists tables and views. */
import { InputError, UsageError } from "../lib/base/errors.ts";
import type { Outcome } from "../lib/base/outcome.ts";
import { commandTable } from "../lib/config/commands.ts";
import { type Context, runScript } from "../lib/cli/program.ts";
import {
  type ResultOptions,
  toResultOptions,
  writeResult,
} from "../lib/cli/result-output.ts";
import {
  type CatalogColumn,
  catalogQuery,
  columnsQuery,
  findRelations,
  fullName,
  readCatalog,
  type Relation,
} from "../lib/database/catalog.ts";
import {
  type Database,
  DatabaseError,
  ReadOnlyDatabaseError,
} from "../lib/database/database.ts";
import { queryReadOnly } from "../lib/database/read-only.ts";
import { describeTables } from "../lib/scoring/tables-text.ts";
import { openServices } from "../lib/services/services.ts";

if (import.meta.main) {
  await runScript(commandTable.query, async (flags, context) => {
    const sql = readSql(context.words);
    const options = toResultOptions(flags, context);
    await using services = await openServices({
      ...context,
      existingOnly: true,
    });
    const database = await services.predictions();
    const [, name] = /^\\d\s*([^\s;]*)\s*;?\s*$/.exec(sql) ?? [];
    if (name === "") return await listTables(database, options, context);
    const statement = name === undefined
      ? sql
      : columnsQuery(onlyRelation(await readCatalog(database), name));
    return await query(database, statement, options, context);
  });
}

/** Returns the SQL of the command line; `\d`, which lists tables as in psql, if there is none. */
function readSql(words: readonly string[]): string {
  const [sql = "\\d", ...more] = words;
  if (!/^[\s;]*$/.test(sql) && more.length === 0) return sql;
  throw new UsageError(
    'Cannot query: expected one SQL text in quotes, such as "select count(*) from churn_predictions", or nothing, which lists the tables',
  );
}

async function query(
  database: Database,
  sql: string,
  options: ResultOptions,
  context: Context,
): Promise<Outcome> {
  try {
    return await queryReadOnly(
      database,
      sql,
      (result) => writeResult(result, options, context),
    );
  } catch (error) {
    throw explained(error);
  }
}

/** Returns the one table or view that a name means. */
function onlyRelation(
  catalog: readonly CatalogColumn[],
  name: string,
): Relation {
  const [found, ...others] = findRelations(catalog, name);
  if (!found) {
    throw new InputError(
      `Cannot find a table or view "${name}"; \`deno task query\` lists them`,
    );
  }
  if (others.length === 0) return found;
  const names = [found, ...others].map(fullName);
  throw new UsageError(
    `Cannot list the columns of "${name}": several schemas have it; expected one of ${
      names.join(", ")
    }`,
  );
}

/** Lists tables and views: as text for people, as rows for programs and in files. */
async function listTables(
  database: Database,
  options: ResultOptions,
  context: Context,
): Promise<Outcome> {
  const { format, json, output } = options;
  if (json || format !== "table" || output !== undefined) {
    return await query(database, catalogQuery, options, context);
  }
  const catalog = await readCatalog(database);
  const { description } = database;
  if (catalog.length === 0) {
    throw new InputError(
      `Nothing is stored yet: ${description} has no tables that this login may read; \`deno task setup\` creates them`,
    );
  }
  return {
    report: { status: "done", rows: catalog.length },
    text: describeTables(catalog, { description, width: context.columns }),
  };
}

/** Returns an error that says what to do: waiting lets no query write, and tables have names that one can look up. */
function explained(error: unknown): unknown {
  if (error instanceof ReadOnlyDatabaseError) {
    return new InputError(`Cannot write with a query: ${error.message}`);
  }
  // 42P01: no such table; 42703: no such column.
  if (
    error instanceof DatabaseError && ["42P01", "42703"].includes(error.code)
  ) {
    return new InputError(
      `Cannot query: ${error.message}; \`deno task query\` lists the tables and their columns`,
      { cause: error },
    );
  }
  return error;
}
