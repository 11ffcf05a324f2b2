/** Runs one query of a person's so that it has no effect, whatever it contains. */
import {
  type Database,
  ReadOnlyDatabaseError,
  type Transaction,
} from "./database.ts";
import { limitSetting, longestReadMs } from "./time-limits.ts";
import type { ResultColumn, TextRow } from "../rows/output.ts";
import { UsageError } from "../base/errors.ts";

/** The result of a query, which is read once, row by row. */
export interface QueryResult {
  readonly columns: readonly ResultColumn[];
  /** The rows in the order of the result, some at a time. Ending the iteration early ends the query. */
  readonly rows: AsyncIterable<readonly TextRow[]>;
}

/**
 * Runs one query in a read-only transaction that is always rolled back, and
 * returns what `read` returns for its result. Rows are held in memory only until
 * they are read, on both databases.
 *
 * A superuser's query could still run programs, read and write the server's
 * files, and take back its own restrictions. So it runs inside functions that
 * belong to a role without rights except to read (`pg_read_all_data`; on
 * Postgres 13 `churn_reader`): there, Postgres refuses `set role`, `reset role`
 * and `set_config('role', …)`. The functions exist only in this transaction. The
 * embedded database's only user is a superuser.
 *
 * @throws {UsageError} If the text is not a query, or the login may become a superuser or use the server's files or programs without being a superuser.
 * @throws {DatabaseError} If the server refuses the query.
 * @throws {TransientError} If the server is unavailable.
 */
export async function queryReadOnly<T>(
  database: Database,
  sql: string,
  read: (result: QueryResult) => Promise<T>,
): Promise<T> {
  const columns = await database.describe(sql);
  if (columns.length === 0) {
    throw new UsageError(
      "Cannot query: the statement returns no columns; expected one query, such as select … from churn_predictions",
    );
  }
  return await rolledBack(database, async (tx) => {
    const isSuperuser = await checkLogin(tx, database.description);
    // A reader that pauses, such as a pager, must not end the session.
    await tx.query(
      limitSetting("idle_in_transaction_session_timeout", longestReadMs, {
        local: true,
      }),
    );
    const isConfined = isSuperuser || !tx.streamRows;
    if (isConfined) await confine(tx, database.description);
    await tx.query("set transaction read only");
    const rows = isConfined ? fetchConfined(tx, sql) : tx.streamRows!(sql);
    return await read({ columns, rows });
  });
}

/** Runs work in a transaction, rolls it back and returns the result of the work. */
async function rolledBack<T>(
  database: Database,
  work: (tx: Transaction) => Promise<T>,
): Promise<T> {
  const done = new Error("rolled back after a query");
  let result: { readonly value: T } | undefined;
  try {
    await database.transaction(async (tx) => {
      result = { value: await work(tx) };
      throw done;
    });
  } catch (error) {
    if (error === done && result) return result.value;
    throw error;
  }
  throw done;
}

/** Returns true if the login is a superuser. */
async function checkLogin(
  tx: Transaction,
  description: string,
): Promise<boolean> {
  const [login] = await tx.query<
    { superuser: boolean; others: string | null }
  >(`
    select own.rolsuper as superuser, (
      select string_agg(r.rolname, ', ' order by r.rolname)
      from pg_roles r
      where (r.rolsuper or r.rolname in
          ('pg_execute_server_program', 'pg_read_server_files', 'pg_write_server_files'))
        and pg_has_role(own.oid, r.oid, 'MEMBER')
    ) as others
    from pg_roles own where own.rolname = session_user
  `);
  if (login?.superuser) return true;
  if (!login?.others) return false;
  throw new UsageError(
    `Cannot query as ${description}: the login is a member of ${login.others}, so a query could use the server's files and programs; ` +
      `use a login without that role, such as a member of churn_reader, or a superuser, whose queries are confined`,
  );
}

/** Rows per call of the function that reads on; a call costs about as much as ten rows. */
const fetchRows = 1_000;

/** Yields the rows of a query that runs with the rights of a role that may only read. */
async function* fetchConfined(
  tx: Transaction,
  sql: string,
): AsyncGenerator<readonly TextRow[], void, undefined> {
  await tx.query("select from pg_temp.churn_query($1)", [sql]);
  for (;;) {
    // Between two calls, only this statement runs with the superuser's rights. It uses no name that a search_path could change.
    const lines = await tx.query<{ line: string }>(
      `select line from pg_temp.churn_fetch(${fetchRows}) as line`,
    );
    if (lines.length > 0) yield lines.map(({ line }) => parseRecord(line));
    if (lines.length < fetchRows) return;
  }
}

/** Creates the functions that open a query and read on in it with the rights of a role that may only read. */
async function confine(tx: Transaction, description: string): Promise<void> {
  const [reader] = await tx.query<{ name: string }>(
    `select rolname::text as name from pg_roles where rolname in ('pg_read_all_data', 'churn_reader')
     order by rolname desc limit 1`,
  );
  if (!reader) {
    throw new UsageError(
      `Cannot query ${description} as a superuser: the server has neither the role pg_read_all_data nor churn_reader; run \`deno task setup\` first`,
    );
  }
  try {
    await tx.query("set local role none");
    // A table with row level security is an error for the reader, instead of fewer rows.
    await tx.query("set local row_security = off");
    // The rows of a cursor are made while they are fetched, so that must be in a function of the same rights.
    await tx.query(`
      create function pg_temp.churn_query(statement text) returns void
      language plpgsql security definer as $body$
      declare
        results refcursor := 'churn_rows';
      begin
        open results no scroll for execute statement;
      end
      $body$
    `);
    await tx.query(`
      create function pg_temp.churn_fetch(most integer) returns setof text
      language plpgsql security definer as $body$
      declare
        results refcursor := 'churn_rows';
        line record;
      begin
        for i in 1..most loop
          fetch results into line;
          exit when not found;
          return next line::text;
        end loop;
      end
      $body$
    `);
    for (const signature of ["churn_query(text)", "churn_fetch(integer)"]) {
      await tx.query(
        `alter function pg_temp.${signature} owner to ${reader.name}`,
      );
    }
  } catch (error) {
    if (!(error instanceof ReadOnlyDatabaseError)) throw error;
    throw new UsageError(
      `Cannot query ${description} as a superuser: the server is a standby, where a superuser's queries cannot be confined; use a login that is a member of churn_reader`,
      { cause: error },
    );
  }
}

/**
 * Returns the fields of a composite value in text form, null for null (Postgres's
 * manual, "Composite Type Input and Output Syntax").
 *
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 *
 * deepStrictEqual(parseRecord('(1,,"","a ""b"", \\\\c")'), ["1", null, "", 'a "b", \\c']);
 * ```
 *
 * @throws {RangeError} If the text is not a composite value.
 */
export function parseRecord(text: string): (string | null)[] {
  if (text[0] !== "(") throw unreadableRecord();
  const fields: (string | null)[] = [];
  for (let start = 1;; start++) {
    const isQuoted = text[start] === '"';
    const end = isQuoted ? quotedEnd(text, start) : plainEnd(text, start);
    const field = text.slice(start, end);
    fields.push(isQuoted ? unquoted(field) : field || null);
    if (text[end] === ")") return fields;
    if (text[end] !== ",") throw unreadableRecord();
    start = end;
  }
}

// Loops: the regular expression for a quoted field overflows the stack on a field of some megabytes.

/** Returns the index after a quoted field. */
function quotedEnd(text: string, start: number): number {
  for (let index = start + 1; index < text.length; index++) {
    if (text[index] === "\\") index++;
    else if (text[index] === '"') {
      if (text[index + 1] !== '"') return index + 1;
      index++;
    }
  }
  throw unreadableRecord();
}

/** Returns the index after a field without quotes. */
function plainEnd(text: string, start: number): number {
  let end = start;
  while (end < text.length && !',()"\\'.includes(text[end]!)) end++;
  return end;
}

/** Returns a quoted field without its quotes, doubled quotes and backslashes. */
function unquoted(field: string): string {
  return field.slice(1, -1).replaceAll(
    /""|\\([^])/g,
    (pair, escaped: string) => escaped ?? pair[0],
  );
}

function unreadableRecord(): RangeError {
  return new RangeError("Cannot read a row: it is not a composite value");
}
