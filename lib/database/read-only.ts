/** Runs one query of a person's so that it has no effect, whatever it contains. */
import {
  type Database,
  ReadOnlyDatabaseError,
  refuseSameNames,
  type ResultColumn,
  type Transaction,
} from "./database.ts";
import { UsageError } from "../base/errors.ts";

/**
 * Runs one query in a read-only transaction that is always rolled back, and
 * returns its rows with exact values ({@linkcode QueryOptions}).
 *
 * A superuser's query could still run programs, read and write the server's
 * files, and take back its own restrictions. So it runs inside a function that
 * belongs to a role without rights except to read (`pg_read_all_data`; on
 * Postgres 13 `churn_reader`): there, Postgres refuses `set role`, `reset role`
 * and `set_config('role', …)`. The function exists only in this transaction. The
 * embedded database's only user is a superuser.
 *
 * @throws {UsageError} If the text is not a query, or the login may become a superuser or use the server's files or programs without being a superuser.
 * @throws {DatabaseError} If the server refuses the query.
 * @throws {TransientError} If the server is unavailable.
 */
export async function queryReadOnly(
  database: Database,
  sql: string,
): Promise<Record<string, unknown>[]> {
  const columns = await database.describe(sql);
  if (columns.length === 0) {
    throw new UsageError(
      "Cannot query: the statement returns no columns; expected one query, such as select … from churn_predictions",
    );
  }
  refuseSameNames(columns);
  return await rolledBack(database, async (tx) => {
    const isSuperuser = await checkLogin(tx, database.description);
    if (isSuperuser) await confine(tx, database.description);
    await tx.query("set transaction read only");
    if (!isSuperuser) return await tx.query(sql, [], { exact: true });
    const lines = await tx.query<{ line: string }>(
      "select line from pg_temp.churn_query($1) as line",
      [sql],
    );
    return lines.map(({ line }) => toRow(line, columns));
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

/** Creates the function that runs a query with the rights of a role that may only read. */
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
    await tx.query(`
      create function pg_temp.churn_query(statement text) returns setof text
      language plpgsql security definer as $body$
      declare
        results refcursor;
        line record;
      begin
        open results no scroll for execute statement;
        loop
          fetch results into line;
          exit when not found;
          return next line::text;
        end loop;
      end
      $body$
    `);
    await tx.query(
      `alter function pg_temp.churn_query(text) owner to ${reader.name}`,
    );
  } catch (error) {
    if (!(error instanceof ReadOnlyDatabaseError)) throw error;
    throw new UsageError(
      `Cannot query ${description} as a superuser: the server is a standby, where a superuser's queries cannot be confined; use a login that is a member of churn_reader`,
      { cause: error },
    );
  }
}

/** Returns the row that Postgres wrote as text. */
function toRow(
  line: string,
  columns: readonly ResultColumn[],
): Record<string, unknown> {
  const fields = parseRecord(line);
  return Object.fromEntries(columns.map(({ name, parse }, index) => {
    const field = fields[index] ?? null;
    return [name, field === null ? null : parse(field)];
  }));
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
  const fields: (string | null)[] = [];
  // One field and what ends it: quoted, with doubled quotes and backslashes, or plain.
  const field = /(?:"([^"\\]*(?:(?:""|\\[^])[^"\\]*)*)"|([^,()"\\]*))([,)])/y;
  field.lastIndex = 1;
  for (;;) {
    const [, quoted, plain, end] = field.exec(text) ?? [];
    if (end === undefined || text[0] !== "(") {
      throw new RangeError("Cannot read a row: it is not a composite value");
    }
    fields.push(
      quoted !== undefined
        ? quoted.replaceAll(
          /""|\\([^])/g,
          (pair, escaped: string) => escaped ?? pair[0],
        )
        : plain || null,
    );
    if (end === ")") return fields;
  }
}
