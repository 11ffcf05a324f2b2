/** Copies the rows of a table of the embedded database to a table of the same columns in another database. */
import {
  type Queryable,
  quoteIdentifier,
  type Transaction,
} from "./database.ts";
import type { EmbeddedDatabase } from "./pglite.ts";
import type { Table, TableColumn } from "./tables.ts";

/** What is read at once, in bytes as the table stores them; compressed values may be several times larger in memory. */
const batchBytes = 4 << 20;

/**
 * Copies all rows of a table and returns how many. Values are copied in
 * Postgres's binary format, so that none is rounded or converted. Some megabytes
 * are read at a time, in the order in which they are stored.
 *
 * @throws {RangeError} If not all rows arrived.
 * @throws The errors of {@linkcode Transaction.copyRows}, or the reason of `signal`.
 */
export async function copyTable(
  source: EmbeddedDatabase,
  target: Transaction,
  table: Table,
  { valueOf, signal }: {
    /** Returns the SQL expression of the value to write, of the column's own type. */
    readonly valueOf: (column: TableColumn) => string;
    readonly signal?: AbortSignal | undefined;
  },
): Promise<number> {
  const name = quoteIdentifier(table.name);
  const columns = table.columns.map((column) => quoteIdentifier(column.name));
  const values = table.columns.map(valueOf);
  const [size] = await source.query<
    { pages: number; bytes: number; rows: number }
  >(
    `select pg_relation_size($1::regclass) / current_setting('block_size')::bigint as pages,
       pg_table_size($1::regclass) as bytes, (select count(*) from ${name}) as rows`,
    [name],
  );
  const { pages = 0, bytes = 0, rows = 0 } = size ?? {};
  const step = Math.max(1, Math.floor(pages * batchBytes / Math.max(1, bytes)));
  let copied = 0;
  for (let page = 0; page < pages; page += step) {
    signal?.throwIfAborted();
    const chunk = await source.readRows(
      `select ${
        values.join(", ")
      } from ${name} where ctid >= '(${page},0)' and ctid < '(${
        page + step
      },0)'`,
    );
    if (chunk.length === 0) continue;
    copied += await target.copyRows(
      `${name} (${columns.join(", ")})`,
      [chunk],
      { signal },
    );
  }
  if (copied === rows) return copied;
  throw new RangeError(
    `Cannot copy ${table.name}: ${copied} of ${rows} rows arrived`,
  );
}

/**
 * Makes a table's sequences continue after those of the source and after the
 * highest value that the table has. As always in Postgres, a rollback does not
 * take this back; it leaves a gap in the numbers at most.
 */
export async function continueSequences(
  source: Queryable,
  target: Queryable,
  tables: { readonly from: Table; readonly to: Table },
): Promise<void> {
  const name = quoteIdentifier(tables.to.name);
  for (const { name: column, sequence } of tables.to.columns) {
    const own = tables.from.columns.find((from) => from.name === column);
    if (sequence === null || !own?.sequence) continue;
    const [next] = await source.query<{ next: string }>(
      `select (last_value + case when is_called then 1 else 0 end)::text as next from ${own.sequence}`,
    );
    await target.query(
      `select setval($1::regclass, greatest($2::bigint, (select max(${
        quoteIdentifier(column)
      }) + 1 from ${name})), false)::text as next`,
      [sequence, next?.next ?? "1"],
    );
  }
}
