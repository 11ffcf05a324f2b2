/** Lists the tables and views of a database with their columns. */
import { type Queryable, quoteLiteral } from "./database.ts";

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

/** A table or view. */
export type Relation = Pick<CatalogColumn, "schema" | "relation">;

/**
 * Returns the tables and views that a name means, from what
 * {@linkcode readCatalog} returns: the one that SQL would find, or else those of
 * other schemas. None if there is none.
 *
 * @param name As in SQL, with or without its schema; a name in capitals may also be meant as it is.
 */
export function findRelations(
  catalog: readonly CatalogColumn[],
  name: string,
): Relation[] {
  const lower = name.toLowerCase();
  const meanings: readonly ((column: CatalogColumn) => boolean)[] = [
    ({ visible, relation }) => visible && relation === lower,
    ({ visible, relation }) => visible && relation === name,
    (column) => fullName(column) === lower,
    (column) => fullName(column) === name,
    ({ relation }) => relation === name || relation === lower,
  ];
  for (const isMeant of meanings) {
    const found = new Map(
      catalog.filter(isMeant).map((column) => [fullName(column), column]),
    );
    if (found.size > 0) return [...found.values()];
  }
  return [];
}

/** Returns the name of a table or view with its schema. */
export function fullName({ schema, relation }: Relation): string {
  return `${schema}.${relation}`;
}

/** Returns a query for the columns of one table or view. */
export function columnsQuery({ schema, relation }: Relation): string {
  return `select c.column, c.type, c.nullable from (${catalogQuery}) c
    where c.schema = ${quoteLiteral(schema)} and c.relation = ${
    quoteLiteral(relation)
  }`;
}
