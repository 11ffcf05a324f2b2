/** Puts rows with unusual values into every table of a database that has none. */
import {
  type Queryable,
  quoteIdentifier,
} from "../../lib/database/database.ts";

/** Values that a conversion would change, as SQL. */
const values: Readonly<Record<string, string>> = {
  "bigint": "9007199254740993",
  "integer": "7",
  "boolean": "true",
  "double precision": "'NaN'",
  "real": "0.1",
  "json": `'{"b": 1,  "a": 12345678901234567890, "b": 2}'`,
  "jsonb": `'{"b": [1, null], "a": 12345678901234567890}'`,
  "bytea": "'\\x00ff5c27'",
  "date": "'infinity'",
  "timestamp with time zone": "'2026-03-29 01:30:00.123456+00'",
  "text": "E'a\\tb\\nc\\\\ d \u{1F600}'",
};

/** Values of columns that have checks, or whose numbers this program reads. */
const special: Readonly<Record<string, string>> = {
  "churn_predictions_before.churn_probability": "0.1",
  "monitoring_alerts.id": "5",
  // MLflow refuses to start with more workspaces.
  "workspace": "'default'",
  "monitoring_alerts.status": "'warn'",
};

interface Column {
  readonly name: string;
  readonly type: string;
  /** Table and column that a foreign key of the column refers to; null for none. */
  readonly refers: readonly [string, string] | null;
}

/**
 * Inserts one row into each empty table of the current schema, into those that
 * others refer to first, and returns the names of these tables. The catalog says
 * which tables and columns there are.
 *
 * @throws {Error} If a table stays empty.
 */
export async function fillEmptyTables(database: Queryable): Promise<string[]> {
  const tables = await database.query<{ name: string }>(
    `select table_name::text as name from information_schema.tables
     where table_schema = current_schema() and table_type = 'BASE TABLE' order by 1`,
  );
  let empty: string[] = [];
  for (const { name } of tables) {
    const rows = await database.query(
      `select 1 as one from ${quoteIdentifier(name)} limit 1`,
    );
    if (rows.length === 0) empty.push(name);
  }
  const filled: string[] = [];
  const problems = new Map<string, unknown>();
  // A table whose foreign keys refer to an empty one is tried again.
  for (let before = -1; before !== filled.length;) {
    before = filled.length;
    for (const name of empty) {
      try {
        await database.query(await insertFor(database, name));
        filled.push(name);
      } catch (error) {
        problems.set(name, error);
      }
    }
    empty = empty.filter((name) => !filled.includes(name));
  }
  if (empty.length === 0) return filled;
  throw new Error(
    empty.map((name) => `${name}: ${problems.get(name)}`).join("\n"),
  );
}

async function insertFor(database: Queryable, table: string): Promise<string> {
  const columns = await database.query<Column>(
    `select a.attname::text as name, format_type(a.atttypid, a.atttypmod) as type,
       (select array[k.confrelid::regclass::text, f.attname::text] from pg_constraint k
        join pg_attribute f on f.attrelid = k.confrelid
          and f.attnum = k.confkey[array_position(k.conkey, a.attnum)]
        where k.contype = 'f' and k.conrelid = a.attrelid and a.attnum = any (k.conkey)
        limit 1) as refers
     from pg_attribute a
     where a.attrelid = $1::regclass and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
     order by a.attnum`,
    [quoteIdentifier(table)],
  );
  return `insert into ${quoteIdentifier(table)} (${
    columns.map(({ name }) => quoteIdentifier(name)).join(", ")
  }) overriding system value values (${
    columns.map((column) => valueFor(table, column)).join(", ")
  })`;
}

function valueFor(table: string, { name, type, refers }: Column): string {
  if (refers) {
    const [other, column] = refers;
    // The same row for each column of a key.
    return `(select ${
      quoteIdentifier(column)
    } from ${other} order by ctid limit 1)`;
  }
  const [, length] = /^character varying\((\d+)\)$/.exec(type) ?? [];
  const known = special[`${table}.${name}`] ?? special[name] ??
    (length ? `left('ä ''x'' ${name}', ${length})` : values[type]);
  if (known !== undefined) return known;
  throw new Error(`no value for ${name} of type ${type}`);
}
