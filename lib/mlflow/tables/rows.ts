/**
 * Rows going into MLflow's tables: the one place that knows about workspaces
 * and about the widths of columns, so that the statements beside it need not.
 */
import { type Queryable, quoteIdentifier } from "../../database/database.ts";
import { InputError } from "../../base/errors.ts";
import type { SchemaVersion } from "../schema-version.ts";
import { countCharacters } from "../validation.ts";

/** MLflow's tables as one connection or one transaction sees them. */
export interface Tables {
  readonly db: Queryable;
  readonly generation: SchemaVersion;
  /** The time in milliseconds that new rows carry. */
  readonly nowMs: () => number;
  /** Told what was shortened to fit. */
  readonly warn: (warning: string) => void;
}

/** One row: column → value. */
export type Row = Readonly<
  Record<string, string | number | boolean | null>
>;

/** The workspace that an MLflow without workspaces reads and writes. */
const workspace = "default";

const workspaceTables = new Set([
  "experiments",
  "registered_models",
  "registered_model_tags",
  "registered_model_aliases",
  "model_versions",
  "model_version_tags",
]);

/** A condition that keeps a statement inside the default workspace; `true` where the database has none. */
export function inWorkspace(tables: Tables): string {
  return tables.generation.hasWorkspaces
    ? `workspace = '${workspace}'`
    : "true";
}

/**
 * How many rows were written: those that were there before are left alone, or
 * get the new values of the columns that `update` names.
 *
 * @param options `key`: the columns of the primary key (without workspace),
 * given when a row that is there already is no error. `rows` all have the
 * same columns, and no two of them the same key.
 * @throws {InputError} If a value is longer than its column.
 */
export async function insertRows(
  tables: Tables,
  table: string,
  options: {
    rows: readonly Row[];
    key?: readonly string[];
    update?: readonly string[];
  },
): Promise<number> {
  const { key, update = [] } = options;
  const scoped = tables.generation.hasWorkspaces && workspaceTables.has(table);
  const rows = scoped
    ? options.rows.map((row): Row => ({ workspace, ...row }))
    : options.rows;
  const columns = Object.keys(rows[0] ?? {});
  if (columns.length === 0) return 0;
  for (const row of rows) checkWidths(tables.generation, { table, row });
  const places = rows.map((_, index) =>
    `(${
      columns.map((_, column) => `$${index * columns.length + column + 1}`)
        .join(", ")
    })`
  );
  const inserted = await tables.db.query(
    `insert into ${quoteIdentifier(table)} (${list(columns)})
     values ${places.join(", ")}
     ${conflict(key && (scoped ? ["workspace", ...key] : key), update)}
     returning 1`,
    rows.flatMap((row) => columns.map((column) => row[column])),
  );
  return inserted.length;
}

/** Nothing, when every text of the row fits its column. @throws {InputError} Naming table, column, length and limit. */
export function checkWidths(
  generation: SchemaVersion,
  options: { table: string; row: Row },
): void {
  const { table, row } = options;
  for (const [column, value] of Object.entries(row)) {
    const limit = generation.widths.get(`${table}.${column}`);
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

/** A fresh id as MLflow makes them: 32 lower-case hexadecimal digits. */
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
