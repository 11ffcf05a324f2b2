/** What a database is made of, as plain data that two databases can be compared by. */
import type { Queryable } from "../../lib/database/database.ts";

/** One list per kind of thing; every entry is one line of text, in order. */
export type Catalog = Readonly<Record<string, readonly string[]>>;

const inSchema = "relnamespace = to_regnamespace(current_schema())";

const questions: Readonly<Record<string, string>> = {
  tables:
    `select relname || ' ' || relkind::text as line from pg_class where ${inSchema} and relkind in ('r', 'p', 'v', 'm', 'S')`,
  columns: `
    select concat_ws(' ', c.relname, rank() over (partition by c.oid order by a.attnum), a.attname, format_type(a.atttypid, a.atttypmod),
      case when a.attnotnull then 'not null' end, 'identity=' || a.attidentity::text, 'generated=' || a.attgenerated::text,
      'collation=' || a.attcollation, 'default=' || pg_get_expr(d.adbin, d.adrelid)) as line
    from pg_attribute a join pg_class c on c.oid = a.attrelid
    left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
    where c.${inSchema} and c.relkind in ('r', 'p', 'v') and a.attnum > 0 and not a.attisdropped`,
  constraints: `
    select concat_ws(' ', c.relname, k.conname, k.contype::text, pg_get_constraintdef(k.oid), k.convalidated) as line
    from pg_constraint k join pg_class c on c.oid = k.conrelid where c.${inSchema}`,
  indexes: `
    select pg_get_indexdef(i.indexrelid) || ' unique=' || i.indisunique || ' valid=' || i.indisvalid as line
    from pg_index i join pg_class c on c.oid = i.indrelid where c.${inSchema}`,
  triggers: `
    select pg_get_triggerdef(t.oid) as line
    from pg_trigger t join pg_class c on c.oid = t.tgrelid where c.${inSchema} and not t.tgisinternal`,
  functions: `
    select pg_get_functiondef(p.oid) as line
    from pg_proc p where p.pronamespace = to_regnamespace(current_schema())`,
  sequences: `
    select concat_ws(' ', c.relname, format_type(s.seqtypid, null), s.seqstart, s.seqincrement, s.seqmin, s.seqmax, s.seqcache, s.seqcycle) as line
    from pg_sequence s join pg_class c on c.oid = s.seqrelid where c.${inSchema}`,
  types: `
    select concat_ws(' ', t.typname, t.typtype::text, e.enumlabel) as line
    from pg_type t left join pg_enum e on e.enumtypid = t.oid
    where t.typnamespace = to_regnamespace(current_schema()) and t.typtype in ('e', 'd', 'r')`,
};

/** Everything in the current schema: tables, columns, types, defaults, keys, checks, indexes, triggers, functions, sequences. */
export async function readCatalog(database: Queryable): Promise<Catalog> {
  const catalog: Record<string, string[]> = {};
  for (const [kind, question] of Object.entries(questions)) {
    const rows = await database.query<{ line: string }>(
      `${question} order by 1`,
    );
    catalog[kind] = rows.map(({ line }) => line);
  }
  return catalog;
}
