/** Reads a person's query as `query` does. */
import type { Database } from "../../lib/database/database.ts";
import { queryReadOnly } from "../../lib/database/read-only.ts";

/** Returns the rows of a query, with their values parsed. */
export async function rowsOf(
  database: Database,
  sql: string,
): Promise<Record<string, unknown>[]> {
  return await queryReadOnly(database, sql, async ({ columns, rows }) => {
    const result: Record<string, unknown>[] = [];
    for await (const some of rows) {
      result.push(
        ...some.map((row) =>
          Object.fromEntries(columns.map(({ name, parse }, index) => {
            const text = row[index] ?? null;
            return [name, text === null ? null : parse(text)];
          }))
        ),
      );
    }
    return result;
  });
}
