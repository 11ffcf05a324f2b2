/** Describes the tables of a schema, so that their rows can be copied to another database. */
import { type Queryable, quoteIdentifier } from "./database.ts";

/** A column whose values can be written. */
export interface TableColumn {
  readonly name: string;
  /** As Postgres writes it, such as `character varying(256)`. */
  readonly type: string;
  /** The sequence that numbers the column, quoted for SQL; null if there is none. */
  readonly sequence: string | null;
}

/** A table of the current schema. */
export interface Table {
  readonly name: string;
  /** In the table's order, without generated columns. */
  readonly columns: readonly TableColumn[];
  /** Names of the other tables that its foreign keys refer to. */
  readonly references: readonly string[];
}

/**
 * Returns the tables of the current schema, without those of extensions. A table
 * comes after the tables that its foreign keys refer to, so that rows can be
 * inserted in this order.
 *
 * @throws {RangeError} If foreign keys form a cycle.
 */
export async function readTables(database: Queryable): Promise<Table[]> {
  const tables = await database.query<Table>(`
    select c.relname::text as name,
      (
        select coalesce(json_agg(json_build_object(
          'name', a.attname,
          'type', format_type(a.atttypid, a.atttypmod),
          'sequence', pg_get_serial_sequence(format('%I.%I', n.nspname, c.relname), a.attname)
        ) order by a.attnum), '[]')
        from pg_attribute a
        where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
      ) as columns,
      array(
        select distinct f.relname::text
        from pg_constraint k join pg_class f on f.oid = k.confrelid
        where k.conrelid = c.oid and k.contype = 'f' and f.oid <> c.oid
      ) as references
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = current_schema() and c.relkind = 'r'
      and not exists (
        select from pg_depend d
        where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e'
      )
    order by c.relname
  `);
  return referencedFirst(tables);
}

function referencedFirst(tables: readonly Table[]): Table[] {
  const ordered: Table[] = [];
  const names = new Set(tables.map(({ name }) => name));
  const done = new Set<string>();
  const isReady = ({ references }: Table) =>
    references.every((name) => done.has(name) || !names.has(name));
  for (let rest = [...tables]; rest.length > 0;) {
    const ready = rest.filter(isReady);
    if (ready.length === 0) {
      const cycle = rest.map(({ name }) => name).join(", ");
      throw new RangeError(
        `Cannot order tables: foreign keys form a cycle among ${cycle}`,
      );
    }
    ordered.push(...ready);
    for (const { name } of ready) done.add(name);
    rest = rest.filter(({ name }) => !done.has(name));
  }
  return ordered;
}

/** Returns the number of rows of a table of the current schema. */
export async function countRows(
  database: Queryable,
  table: string,
): Promise<number> {
  const [row] = await database.query<{ rows: number }>(
    `select count(*) as rows from ${quoteIdentifier(table)}`,
  );
  return row?.rows ?? 0;
}

/** Tells whether a table of the current schema has rows. */
export async function hasRows(
  database: Queryable,
  table: string,
): Promise<boolean> {
  const rows = await database.query(
    `select 1 as found from ${quoteIdentifier(table)} limit 1`,
  );
  return rows.length > 0;
}
