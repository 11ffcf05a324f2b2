/** Lists the tables and views of a database with their columns. */
import type { Queryable } from "./database.ts";

/** One column of a table or view. */
export interface CatalogColumn {
  readonly schema: string;
  readonly relation: string;
  readonly kind: "table" | "view" | "materialized view" | "foreign table";
  readonly column: string;
  /** As Postgres writes it, such as `timestamp with time zone`. */
  readonly type: string;
  readonly nullable: boolean;
  /** True if the name needs no schema before it. */
  readonly visible: boolean;
}

/** A query for the columns of every table and view that the login may read, outside Postgres's own schemas, by name and position: {@linkcode CatalogColumn}. */
export const catalogQuery = `
  select n.nspname::text as schema, c.relname::text as relation,
    case c.relkind when 'v' then 'view' when 'm' then 'materialized view'
      when 'f' then 'foreign table' else 'table' end as kind,
    a.attname::text as column, format_type(a.atttypid, a.atttypmod) as type,
    not a.attnotnull as nullable, pg_table_is_visible(c.oid) as visible
  from pg_class c
  join pg_namespace n on n.oid = c.relnamespace
  join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
  where c.relkind in ('r', 'p', 'v', 'm', 'f')
    and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
    and has_schema_privilege(n.oid, 'usage')
    and has_table_privilege(c.oid, 'select')
  order by not pg_table_is_visible(c.oid), 1, 2, a.attnum`;

/** Returns what {@linkcode catalogQuery} finds. */
export async function readCatalog(
  database: Queryable,
): Promise<CatalogColumn[]> {
  return await database.query<CatalogColumn>(catalogQuery);
}

/** Tells whether a table or view is among the columns of {@linkcode readCatalog}, by a name as in {@linkcode columnsQuery}. */
export function hasRelation(
  catalog: readonly CatalogColumn[],
  name: string,
): boolean {
  return catalog.some(({ schema, relation, visible }) =>
    visible && relation === name.toLowerCase() || relation === name ||
    `${schema}.${relation}` === name
  );
}

/**
 * Returns a query for the columns of one table or view.
 *
 * @param name As in SQL, with or without its schema.
 */
export function columnsQuery(name: string): string {
  const literal = `'${name.replaceAll("'", "''")}'`;
  return `select c.column, c.type, c.nullable from (${catalogQuery}) c
    where case when c.visible then c.relation end = lower(${literal})
      or c.relation = ${literal} or c.schema || '.' || c.relation = ${literal}`;
}
