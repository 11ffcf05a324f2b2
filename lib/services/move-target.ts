/** Looks at a database before the embedded store is moved to it: whether it was moved there before, and whether anything else is stored there. */
import {
  type Database,
  type Queryable,
  quoteIdentifier,
} from "../database/database.ts";
import {
  countRows,
  hasRows,
  readTables,
  type Table,
} from "../database/tables.ts";
import { InputError } from "../base/errors.ts";
import { countOf, listSome } from "../base/phrases.ts";

/** The tables that are moved to one database. */
export interface TableGroup {
  readonly kind: "mlflow" | "predictions";
  /** For messages: `MLflow's tables`. */
  readonly title: string;
  /** Each after the tables that it refers to. */
  readonly tables: readonly Table[];
  /** The table in which the schema records its own version: never copied, because it is made with the schema. */
  readonly versionTable: string;
  /** A query for texts `key` that only this store has; if one is found in a database, the store was moved there. */
  readonly origin: string;
  /** A query for texts `key` that must then all be there. */
  readonly contents: string;
}

/** MLflow's tables. Its server may keep rows of its own in tables that the embedded store does not use, such as leases of its jobs. */
export function mlflowGroup(tables: readonly Table[]): TableGroup {
  return {
    kind: "mlflow",
    title: "MLflow's tables",
    tables,
    versionTable: "alembic_version",
    // The time in milliseconds tells the experiments of two stores apart.
    origin: `select experiment_id || ' ' || creation_time as key
      from experiments where creation_time is not null`,
    contents: `select 'run ' || run_uuid as key from runs
      union all select 'experiment ' || name from experiments`,
  };
}

/** The prediction tables. */
export function predictionsGroup(tables: readonly Table[]): TableGroup {
  const key =
    "id || ' ' || variant || ' ' || (extract(epoch from started_at) * 1000000)::bigint";
  return {
    kind: "predictions",
    title: "the prediction tables",
    tables,
    versionTable: "predictions_schema_migrations",
    origin: `select ${key} as key from scoring_runs`,
    // An open run may be discarded.
    contents:
      `select 'scoring run ' || ${key} as key from scoring_runs where status = 'completed'`,
  };
}

/** Tables of which a target may have rows: `setup` creates an experiment per variant, and MLflow its own default. */
export const experimentTables: readonly string[] = [
  "experiments",
  "experiment_tags",
];

/** A group of tables, and the database to move them to. */
export interface GroupTarget {
  readonly group: TableGroup;
  readonly description: string;
  /** The database's tables, as {@linkcode tablesByName} returns them. */
  readonly present: ReadonlyMap<string, Table>;
}

/** Returns the tables of a database by their names. */
export async function tablesByName(
  database: Queryable,
): Promise<ReadonlyMap<string, Table>> {
  const tables = await readTables(database);
  return new Map(tables.map((table) => [table.name, table]));
}

/**
 * Tells whether the embedded store was moved to a database before. Otherwise the
 * database may have experiments to which nothing belongs, and rows that are equal
 * to the store's, such as MLflow's default workspace, but nothing else.
 *
 * @throws {InputError} If the database has runs or scores of somebody else, or lacks some of a store that was moved there before.
 */
export async function isMoved(
  source: Queryable,
  target: Queryable,
  { group, description, present }: GroupTarget,
): Promise<boolean> {
  // Before setup, or after it failed.
  const isSetUp = present.has(group.versionTable);
  if (!isSetUp && group.kind === "mlflow") return false;
  const own = await readKeys(source, group.origin);
  if (isSetUp && !own.isDisjointFrom(await readKeys(target, group.origin))) {
    await checkComplete(source, target, { group, description });
    return true;
  }
  const found = await findOthers(source, target, { group, present });
  if (found.length === 0) return false;
  throw new InputError(
    `Cannot move to ${description}: it is in use, with ${
      listSome(found, 5)
    }; rows of two stores are not merged, so name an empty database, which \`deno task move\` creates if it does not exist`,
  );
}

/** Tells whether the store has any row to copy to the tables of a group. */
export async function hasContent(
  source: Queryable,
  { tables, versionTable }: TableGroup,
): Promise<boolean> {
  for (const { name } of tables) {
    if (name !== versionTable && await hasRows(source, name)) return true;
  }
  return false;
}

async function readKeys(
  database: Queryable,
  query: string,
): Promise<Set<string>> {
  const rows = await database.query<{ key: string }>(query);
  return new Set(rows.map(({ key }) => key));
}

async function checkComplete(
  source: Queryable,
  target: Queryable,
  { group, description }: Pick<GroupTarget, "group" | "description">,
): Promise<void> {
  const missing = (await readKeys(source, group.contents))
    .difference(await readKeys(target, group.contents));
  if (missing.size === 0) return;
  throw new InputError(
    `Cannot move again: the embedded store was already moved to ${description}, which now lacks ${missing.size} of its entries (${
      listSome([...missing], 5)
    }); either they were deleted there, or the embedded store was used after the move; in that case, score that data again with the services`,
  );
}

/** Returns what a database has that is not of this store, such as `scores (1200 rows)`. */
async function findOthers(
  source: Queryable,
  target: Queryable,
  { group, present }: Pick<GroupTarget, "group" | "present">,
): Promise<string[]> {
  const found: string[] = [];
  // Rows in prediction tables of which this store has no rows belong to somebody else.
  const isExclusive = group.kind === "predictions";
  const own = new Set(group.tables.map(({ name }) => name));
  if (own.has("experiments") && present.has("experiments")) {
    found.push(...await findUsedExperiments(target, present));
  }
  const names = [
    ...own,
    // The table of this name, before setup makes it a view.
    ...isExclusive ? ["churn_predictions"] : [],
  ].filter((name) =>
    present.has(name) && name !== group.versionTable &&
    !experimentTables.includes(name)
  );
  for (const name of names) {
    if (!await hasRows(target, name)) continue;
    const isOurs = own.has(name) && await hasRows(source, name);
    if (!isExclusive && !isOurs) continue;
    if (isOurs && await hasEqualRows(source, target, name)) continue;
    const rows = await countRows(target, name);
    found.push(`${name} (${countOf(rows, "row")})`);
  }
  return found;
}

/** Returns the experiments to which rows of any table belong. */
async function findUsedExperiments(
  target: Queryable,
  present: GroupTarget["present"],
): Promise<string[]> {
  const uses = [...present.values()].filter(({ name, columns }) =>
    !experimentTables.includes(name) &&
    columns.some((column) => column.name === "experiment_id")
  ).map(({ name }) =>
    `select experiment_id::text as id from ${quoteIdentifier(name)}`
  );
  if (uses.length === 0) return [];
  const rows = await target.query<{ name: string }>(`
    select name::text as name from experiments
    where experiment_id::text in (${
    uses.join(" union ")
  }) order by experiment_id
  `);
  return rows.map(({ name }) => `the experiment "${name}"`);
}

/** More rows than a schema itself brings are not compared. */
const mostComparedRows = 100;

async function hasEqualRows(
  source: Queryable,
  target: Queryable,
  table: string,
): Promise<boolean> {
  const [own, other] = [
    await countRows(source, table),
    await countRows(target, table),
  ];
  if (own !== other || own > mostComparedRows) return false;
  const query = `select to_json(t)::text as key from ${
    quoteIdentifier(table)
  } t`;
  return (await readKeys(source, query))
    .symmetricDifference(await readKeys(target, query)).size === 0;
}

/**
 * Checks that a database has every table and column that is copied, with the same
 * type. Tables without rows in the store are not compared.
 *
 * @throws {InputError} If it does not.
 */
export async function checkColumns(
  source: Queryable,
  target: Database,
  group: TableGroup,
): Promise<void> {
  const present = await tablesByName(target);
  for (const table of group.tables) {
    if (!await hasRows(source, table.name)) continue;
    const types = new Map(
      present.get(table.name)?.columns.map(({ name, type }) => [name, type]),
    );
    const different = table.columns.find(({ name, type }) =>
      types.get(name) !== type
    );
    if (!different) continue;
    const type = types.get(different.name);
    throw new InputError(
      `Cannot move ${group.title} to ${target.description}: ${table.name}.${different.name} is ${different.type} in the embedded store and ${
        type ?? "missing"
      } there; use a database that \`deno task setup\` of this release made`,
    );
  }
}

/**
 * Checks that a database has the embedded store's version of MLflow's tables.
 *
 * @param heads `alembic_version` of both; undefined if the database has no tables yet.
 * @throws {InputError} If it has another one.
 */
export function checkHeads(
  heads: {
    readonly own: string | undefined;
    readonly other: string | undefined;
  },
  { description }: Pick<Database, "description">,
): void {
  const { own, other } = heads;
  if (other === undefined || own === other) return;
  throw new InputError(
    `Cannot move MLflow's tables to ${description}: they have the head ${own} in the embedded store and ${other} there; use an empty database, and upgrade it with \`mlflow db upgrade\` after the move`,
  );
}
