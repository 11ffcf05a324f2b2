/**
 * Inserts rows into MLflow's tables. Workspaces and column widths are handled
 * here, so that the other files need not know about them.
 */
import { type Queryable, quoteIdentifier } from "../../database/database.ts";
import { InputError } from "../../base/errors.ts";
import { type SchemaVersion, workspaceTables } from "../schema-version.ts";
import { countCharacters } from "../validation.ts";
import { toBatches } from "../values.ts";

/** MLflow's tables as one connection or one transaction sees them. */
export interface Tables {
  readonly db: Queryable;
  readonly schema: SchemaVersion;
}

/** One row: column → value. */
export type TableRow = Readonly<
  Record<string, string | number | boolean | null>
>;

/** The workspace used by an MLflow that has workspaces disabled. */
const workspace = "default";

/** Returns a condition that restricts a statement to the default workspace; `true` if the database has no workspaces. */
export function inWorkspace(tables: Tables): string {
  return tables.schema.hasWorkspaces ? `workspace = '${workspace}'` : "true";
}

/**
 * Inserts rows and returns how many were written. With `key`, existing rows are
 * left unchanged, or get new values in the columns listed in `update`.
 *
 * @param options `key`: the columns of the primary key (without workspace); if
 * absent, an existing row is an error. All `rows` must have the same columns and
 * different keys.
 * @throws {InputError} If a value is longer than its column.
 */
export async function insertRows(
  tables: Tables,
  table: string,
  options: {
    rows: readonly TableRow[];
    key?: readonly string[];
    update?: readonly string[];
  },
): Promise<number> {
  const { key, update = [] } = options;
  const scoped = tables.schema.hasWorkspaces && workspaceTables.includes(table);
  const rows = scoped
    ? options.rows.map((row): TableRow => ({ workspace, ...row }))
    : options.rows;
  const columns = Object.keys(rows[0] ?? {});
  if (columns.length === 0) return 0;
  for (const row of rows) checkWidths(tables.schema, { table, row });
  let inserted = 0;
  for (const some of toBatches(rows, rowsPerStatement)) {
    const tuples = some.map((_, index) =>
      `(${
        columns.map((_, column) => `$${index * columns.length + column + 1}`)
          .join(", ")
      })`
    );
    const written = await tables.db.query(
      `insert into ${quoteIdentifier(table)} (${list(columns)})
       values ${tuples.join(", ")}
       ${conflict(key && (scoped ? ["workspace", ...key] : key), update)}
       returning 1`,
      some.flatMap((row) => columns.map((column) => row[column])),
    );
    inserted += written.length;
  }
  return inserted;
}

/** A statement of Postgres has at most 65,535 parameters. */
const rowsPerStatement = 1000;

/** Validates that every text in a row fits its column. @throws {InputError} If one does not; the message names table, column, length and limit. */
export function checkWidths(
  schema: SchemaVersion,
  options: { table: string; row: TableRow },
): void {
  const { table, row } = options;
  for (const [column, value] of Object.entries(row)) {
    const limit = schema.widths.get(`${table}.${column}`);
    if (typeof value !== "string" || limit === undefined) continue;
    if (value.length <= limit) continue;
    const count = countCharacters(value);
    if (count <= limit) continue;
    throw new InputError(
      `Cannot store ${
        JSON.stringify(value.slice(0, 80))
      }…: it has ${count} characters and MLflow's column "${table}.${column}" holds ${limit}`,
    );
  }
}

/** Returns a new id in MLflow's format: 32 lowercase hexadecimal digits. */
export function newId(): string {
  return crypto.randomUUID().replaceAll("-", "");
}

function conflict(
  key: readonly string[] | undefined,
  update: readonly string[],
): string {
  if (!key) return "";
  if (update.length === 0) return `on conflict (${list(key)}) do nothing`;
  const changes = update.map((column) =>
    `${quoteIdentifier(column)} = excluded.${quoteIdentifier(column)}`
  );
  return `on conflict (${list(key)}) do update set ${changes.join(", ")}`;
}

function list(columns: readonly string[]): string {
  return columns.map(quoteIdentifier).join(", ");
}
