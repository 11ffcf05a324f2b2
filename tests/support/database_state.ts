/** What a database holds, to compare it before and after. */
import { openDatabase } from "./mlflow_stores.ts";
import type { PostgresServer } from "./servers.ts";

/** Returns a digest of the rows of each table, by schema and name, and the roles of the server. */
export async function readDatabaseState(
  server: PostgresServer,
  database: string,
): Promise<Record<string, unknown>> {
  await using open = await openDatabase(server, database);
  const tables = await open.query<{ name: string }>(
    `select format('%I.%I', schemaname, tablename) as name from pg_tables
     where schemaname not in ('pg_catalog', 'information_schema') order by 1`,
  );
  const state: Record<string, unknown> = {
    roles: await open.query("select rolname from pg_roles order by 1"),
    views: await open.query(
      "select viewname, definition from pg_views where schemaname = 'public' order by 1",
    ),
  };
  for (const { name } of tables) {
    const [row] = await open.query(
      `select count(*) as rows, md5(string_agg(t::text, ',' order by t::text)) as digest from ${name} t`,
    );
    state[name] = row;
  }
  return state;
}
