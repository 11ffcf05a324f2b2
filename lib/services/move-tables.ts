/** Copies the tables of the embedded store to a database, all of them in one transaction. */
import { continueSequences, copyTable } from "../database/copy-table.ts";
import {
  type Database,
  type Queryable,
  quoteIdentifier,
  quoteLiteral,
  type Transaction,
} from "../database/database.ts";
import { isCode } from "../database/admin.ts";
import type { EmbeddedDatabase } from "../database/pglite.ts";
import { hasRows, type TableColumn } from "../database/tables.ts";
import { InputError, UsageError } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import {
  experimentTables,
  isMoved,
  type TableGroup,
  tablesByName,
} from "./move-target.ts";

/** Where the files of the store were and are now. */
export interface MovedRoot {
  /** The store's own folder, as its tables have it. */
  readonly from: string;
  /** `s3://…` or an absolute folder. */
  readonly to: string;
}

/** Rows by table; only tables that have rows. */
export type MovedRows = Readonly<Record<string, number>>;

/**
 * Copies the rows of all tables of a group in one transaction, with the paths of
 * artifacts changed, and makes the sequences continue after them. Nobody else can
 * write to the tables meanwhile. Experiments of the target to which nothing belongs
 * are matched by name: the store's replaces its own. Others stay and get another id
 * if theirs is taken.
 *
 * @returns Undefined if the store was moved to the database before; nothing is then changed.
 * @throws {InputError} If the target has runs or scores of somebody else.
 * @throws {UsageError} If a path of the new artifact root is too long for MLflow's tables.
 * @throws {TransientError} If the server is unavailable or the tables are locked; nothing is then changed.
 */
export async function moveTables(
  source: EmbeddedDatabase,
  target: Database,
  { group, root, log, signal }: {
    readonly group: TableGroup;
    readonly root: MovedRoot;
    readonly log: Pick<Log, "progress">;
    readonly signal?: AbortSignal | undefined;
  },
): Promise<MovedRows | undefined> {
  const { description } = target;
  const valueOf = valuesWith(root);
  const progress = log.progress(`Copying ${group.title}`);
  try {
    return await target.transaction(async (tx) => {
      const present = await tablesByName(tx);
      await lockTables(tx, group, present);
      if (await isMoved(source, tx, { group, description, present })) {
        return undefined;
      }
      if (group.kind === "mlflow") await replaceExperiments(source, tx);
      const moved: Record<string, number> = {};
      let rows = 0;
      for (const [index, from] of group.tables.entries()) {
        signal?.throwIfAborted();
        const to = present.get(from.name);
        if (!to || from.name === group.versionTable) continue;
        // Its rows are equal, or of a table that the store does not use; see isMoved.
        const hasThem = !experimentTables.includes(from.name) &&
          await hasRows(tx, from.name);
        const copied = hasThem
          ? 0
          : await copyTable(source, tx, from, { valueOf, signal });
        await continueSequences(source, tx, { from, to });
        if (copied > 0) moved[from.name] = copied;
        progress.update((index + 1) / group.tables.length, rows += copied);
      }
      return moved;
    });
  } catch (error) {
    if (!isCode(error, "22001")) throw error;
    throw new UsageError(
      `Cannot move ${group.title} to ${description}: a path below ${root.to} is too long for them; choose a shorter MLFLOW_ARTIFACT_ROOT`,
      { cause: error },
    );
  } finally {
    progress.end();
  }
}

/**
 * Checks that all local artifacts that MLflow's tables name are below the store's
 * folder, so that all of them are moved.
 *
 * @throws {InputError} If not, such as after the folder was renamed.
 */
export async function checkLocations(
  source: Queryable,
  folder: string,
): Promise<void> {
  const found = await source.query<{ uri: string }>(
    `
    select distinct uri from (
      select artifact_location::text as uri from experiments
      union all select artifact_uri from runs
      union all select artifact_location from logged_models
      union all select source from model_versions
      union all select storage_location from model_versions
    ) named
    where uri ~ '^(/|file:)'
      and not starts_with(regexp_replace(uri, '^file://', '') || '/', $1 || '/')
    order by uri
  `,
    [folder],
  );
  const [first] = found;
  if (!first) return;
  throw new InputError(
    `Cannot move the artifacts: MLflow's tables name ${found.length} folders outside ${folder}, such as ${first.uri}; if the store was made there, move it back and set CHURN_HOME to it`,
  );
}

/** Waits until nobody writes to the tables, and keeps writers away until the transaction ends; readers go on. */
async function lockTables(
  tx: Transaction,
  group: TableGroup,
  present: ReadonlyMap<string, unknown>,
): Promise<void> {
  const names = group.tables.map(({ name }) => name)
    .filter((name) => present.has(name)).map(quoteIdentifier);
  await tx.query("set local lock_timeout = '10s'");
  await tx.query(`lock table ${names.join(", ")} in share row exclusive mode`);
}

/** Deletes the target's experiments that have the names of the store's, and gives another id to those whose id the store uses. Nothing belongs to any of them. */
async function replaceExperiments(
  source: Queryable,
  tx: Transaction,
): Promise<void> {
  const query =
    "select experiment_id as id, workspace || '/' || name as name from experiments order by experiment_id";
  const own = await source.query<{ id: number; name: string }>(query);
  const others = await tx.query<{ id: number; name: string }>(query);
  const names = new Set(own.map(({ name }) => name));
  const ids = new Set(own.map(({ id }) => id));
  let last = [...own, ...others].reduce(
    (most, { id }) => Math.max(most, id),
    0,
  );
  for (const { id, name } of others) {
    if (names.has(name)) {
      await tx.query("delete from experiment_tags where experiment_id = $1", [
        id,
      ]);
      await tx.query("delete from experiments where experiment_id = $1", [id]);
    } else if (ids.has(id)) {
      // One statement, because foreign keys are checked at its end.
      await tx.query(
        `with tags as (
          delete from experiment_tags where experiment_id = $1::integer returning key, value
        ), renumbered as (
          update experiments set experiment_id = $2::integer,
            artifact_location = regexp_replace(artifact_location, '/' || $1::integer || '$', '/' || $2::integer)
          where experiment_id = $1::integer
        )
        insert into experiment_tags (experiment_id, key, value) select $2::integer, key, value from tags`,
        [id, last += 1],
      );
    }
  }
}

/** Returns the SQL for the values of columns in which the old root is replaced, wherever a text names it as a whole path or the beginning of one. */
function valuesWith({ from, to }: MovedRoot): (column: TableColumn) => string {
  // Only ASCII: Postgres knows no escape of half a character.
  const path = from.replace(/[^\w/\P{ASCII}]/gu, "\\$&");
  const pattern = quoteLiteral(
    `(?<![[:alnum:]_.~/-])(file://)?${path}(?![[:alnum:]_.~-])`,
  );
  const replacement = quoteLiteral(to.replaceAll("\\", "\\\\"));
  return ({ name, type }) => {
    const column = quoteIdentifier(name);
    if (!/^(character varying|text|json)/.test(type)) return column;
    const text = `${column}::text`;
    const cast = type.startsWith("json") ? `::${type}` : "";
    return `case when strpos(${text}, ${
      quoteLiteral(from)
    }) = 0 then ${column} else regexp_replace(${text}, ${pattern}, ${replacement}, 'g')${cast} end`;
  };
}
