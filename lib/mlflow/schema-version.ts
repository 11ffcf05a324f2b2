/**
 * Detects which MLflow created a database, from its Alembic head and the columns
 * of the tables that this project reads and writes.
 */
import type { Queryable } from "../database/database.ts";
import { InputError } from "../base/errors.ts";

/** What a database's MLflow schema supports. */
export interface SchemaVersion {
  /** The Alembic revision in `alembic_version`. */
  readonly head: string;
  /** The release that the head belongs to; undefined if the head is not in {@linkcode releases}. */
  readonly mlflowVersion: string | undefined;
  /** False for MLflow 2.x, where a model is a folder of its run. */
  readonly hasLoggedModels: boolean;
  /** False if MLflow before 2.10 creates the same schema. */
  readonly writesRequired: boolean;
  /** True if every registry key starts with a workspace, as in MLflow 3.17.2. */
  readonly hasWorkspaces: boolean;
  /** `table.column` → its maximum length in characters; columns without a limit are absent. */
  readonly widths: ReadonlyMap<string, number>;
  /** A message to print if the head is unknown but the tables have the expected columns. */
  readonly warning: string | undefined;
}

/** The MLflow release of each head that the tests cover, as found in newly created databases. */
export const releases: Readonly<Record<string, string>> = {
  "0584bdc529eb": "2.22.5",
  "71994744cf8e": "3.4.0",
  "dc11669786a5": "3.17.2",
};

/** The head of MLflow 2.9.2, which 2.10.2 shares. No older head has all the tables that we need. */
const lastHeadBeforeRequired = "acf3f17fdcc7";

/**
 * Tells whether a release reads `required` in a signature's columns, which 2.10
 * introduced; tested with 2.9.2 (`ColSpec.__init__() got an unexpected keyword
 * argument 'required'`) and 2.10.2.
 *
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 *
 * strictEqual(readsRequired("2.9.2"), false);
 * strictEqual(readsRequired("2.10.0"), true);
 * ```
 */
export function readsRequired(release: string): boolean {
  const [major = 0, minor = 0] = release.split(".").map(Number);
  return major > 2 || (major === 2 && minor >= 10);
}

type ExpectedColumns = Readonly<Record<string, string>>;

/** Columns of every schema version; types as in `information_schema` (`udt_name`). */
const commonColumns: ExpectedColumns = {
  experiments:
    "experiment_id:int4 name:varchar artifact_location:varchar lifecycle_stage:varchar creation_time:int8 last_update_time:int8",
  experiment_tags: "key:varchar value:text experiment_id:int4",
  runs:
    "run_uuid:varchar name:varchar source_type:varchar source_name:varchar entry_point_name:varchar user_id:varchar status:varchar start_time:int8 end_time:int8 deleted_time:int8 source_version:varchar lifecycle_stage:varchar artifact_uri:varchar experiment_id:int4",
  tags: "key:varchar value:text run_uuid:varchar",
  params: "key:varchar value:text run_uuid:varchar",
  metrics:
    "key:varchar value:float8 timestamp:int8 step:int8 run_uuid:varchar is_nan:bool",
  latest_metrics:
    "key:varchar value:float8 timestamp:int8 step:int8 run_uuid:varchar is_nan:bool",
  datasets:
    "dataset_uuid:varchar experiment_id:int4 name:varchar digest:varchar dataset_source_type:varchar dataset_source:text dataset_schema:text dataset_profile:text",
  inputs:
    "input_uuid:varchar source_type:varchar source_id:varchar destination_type:varchar destination_id:varchar",
  input_tags: "input_uuid:varchar name:varchar value:varchar",
  registered_models:
    "name:varchar creation_time:int8 last_updated_time:int8 description:varchar",
  registered_model_tags: "key:varchar value:text name:varchar",
  registered_model_aliases: "alias:varchar version:int4 name:varchar",
  model_versions:
    "name:varchar version:int4 creation_time:int8 last_updated_time:int8 description:varchar user_id:varchar current_stage:varchar source:varchar storage_location:varchar run_id:varchar run_link:varchar status:varchar status_message:varchar",
  model_version_tags: "key:varchar value:text name:varchar version:int4",
};

/** Columns of the schema versions that have logged models. */
const loggedModelColumns: ExpectedColumns = {
  inputs: "step:int8",
  logged_models:
    "model_id:varchar experiment_id:int4 name:varchar artifact_location:varchar creation_timestamp_ms:int8 last_updated_timestamp_ms:int8 status:int4 lifecycle_stage:varchar model_type:varchar source_run_id:varchar status_message:varchar",
  logged_model_params:
    "model_id:varchar experiment_id:int4 param_key:varchar param_value:text",
  logged_model_tags:
    "model_id:varchar experiment_id:int4 tag_key:varchar tag_value:text",
  logged_model_metrics:
    "model_id:varchar metric_name:varchar metric_timestamp_ms:int8 metric_step:int8 metric_value:float8 experiment_id:int4 run_id:varchar dataset_uuid:varchar dataset_name:varchar dataset_digest:varchar",
};

/** Tables whose keys begin with a workspace in the schema versions that have workspaces. */
export const workspaceTables: readonly string[] = [
  "experiments",
  "registered_models",
  "registered_model_tags",
  "registered_model_aliases",
  "model_versions",
  "model_version_tags",
];

const workspaceColumns: ExpectedColumns = Object.fromEntries(
  workspaceTables.map((table) => [table, "workspace:varchar"]),
);

interface TableColumn {
  readonly table: string;
  readonly name: string;
  readonly type: string;
  readonly width: number | null;
  readonly mustBeGiven: boolean;
}

/**
 * Returns the version of the MLflow schema in the connection's current schema.
 *
 * @throws {InputError} If there is no MLflow schema, or its tables differ from
 * those of every MLflow that we know; the message names the head and the table.
 */
export async function detectSchemaVersion(
  db: Queryable,
): Promise<SchemaVersion> {
  const columns = await readColumns(db);
  const head = await readHead(db, columns);
  const byTable = Map.groupBy(columns, (column) => column.table);
  const hasLoggedModels = byTable.has("logged_models");
  const hasWorkspaces = columns.some((column) =>
    column.table === "registered_models" && column.name === "workspace"
  );
  const expected = [
    commonColumns,
    ...hasLoggedModels ? [loggedModelColumns] : [],
    ...hasWorkspaces ? [workspaceColumns] : [],
  ];
  checkColumns(head, { expected, byTable });
  const mlflowVersion = releases[head];
  const warning = mlflowVersion === undefined
    ? `The database's MLflow schema has the head ${head}, which is not one of the tested ones (${
      Object.entries(releases).map(([id, release]) => `${id} of ${release}`)
        .join(", ")
    }); its tables are as expected, so the command continues`
    : undefined;
  const widths = new Map<string, number>();
  for (const { table, name, width } of columns) {
    if (width !== null) widths.set(`${table}.${name}`, width);
  }
  return {
    head,
    mlflowVersion,
    hasLoggedModels,
    writesRequired: head !== lastHeadBeforeRequired,
    hasWorkspaces,
    widths,
    warning,
  };
}

/** Returns a printable name of the schema version: `MLflow 3.17.2`, or the unknown head. */
export function describeSchemaVersion(schema: SchemaVersion): string {
  const { mlflowVersion, head } = schema;
  return mlflowVersion ? `MLflow ${mlflowVersion}` : `MLflow schema ${head}`;
}

function readColumns(db: Queryable): Promise<TableColumn[]> {
  return db.query<TableColumn>(
    `select table_name as "table", column_name as name, udt_name as type,
            character_maximum_length as width,
            is_nullable = 'NO' and column_default is null
              and is_identity = 'NO' and is_generated = 'NEVER' as "mustBeGiven"
     from information_schema.columns
     where table_schema = current_schema() and table_name = any($1::text[])`,
    [[
      "alembic_version",
      ...Object.keys(commonColumns),
      ...Object.keys(loggedModelColumns),
    ]],
  );
}

async function readHead(
  db: Queryable,
  columns: readonly TableColumn[],
): Promise<string> {
  const setup = "run `deno task setup` to create it, or `mlflow db upgrade`";
  if (columns.length === 0) {
    throw new InputError(
      `Cannot find MLflow's tables in this database: ${setup}`,
    );
  }
  if (!columns.some((column) => column.table === "alembic_version")) {
    throw new InputError(
      `Cannot determine which MLflow release created this database: it has tables such as "${
        columns[0]?.table
      }" but no "alembic_version"; ${setup} in an empty database`,
    );
  }
  const rows = await db.query<{ head: string }>(
    `select version_num as head from alembic_version`,
  );
  const head = rows[0]?.head;
  if (head !== undefined && rows.length === 1) return head;
  throw new InputError(
    `Cannot determine which MLflow release created this database: "alembic_version" has ${rows.length} rows, expected one; ${setup}`,
  );
}

function checkColumns(
  head: string,
  options: {
    expected: readonly ExpectedColumns[];
    byTable: ReadonlyMap<string, readonly TableColumn[]>;
  },
): void {
  const { expected, byTable } = options;
  const start =
    `Cannot use this database: its MLflow schema has the head ${head}`;
  const known = new Set<string>();
  for (
    const [table, text] of expected.flatMap((each) => Object.entries(each))
  ) {
    const columns = byTable.get(table);
    if (!columns) throw new InputError(`${start} and no table "${table}"`);
    for (const part of text.split(" ")) {
      const [name = "", type = ""] = part.split(":");
      known.add(`${table}.${name}`);
      const found = columns.find((column) => column.name === name)?.type;
      if (isSameKind(found, type)) continue;
      throw new InputError(
        `${start}, where the column "${name}" of the table "${table}" ${
          found === undefined ? "is missing" : `is ${found}`
        }, expected ${type}`,
      );
    }
  }
  for (const { table, name, mustBeGiven } of [...byTable.values()].flat()) {
    if (!mustBeGiven || known.has(`${table}.${name}`)) continue;
    if (table === "alembic_version") continue;
    throw new InputError(
      `${start}, where the table "${table}" requires a value for the unknown column "${name}"`,
    );
  }
}

/** Tells whether a column has a compatible type. All text types count as equal, because MLflow widens such columns between releases. */
function isSameKind(found: string | undefined, wanted: string): boolean {
  const isText = (type: string) => type === "varchar" || type === "text";
  if (found === undefined) return false;
  return found === wanted || (isText(found) && isText(wanted));
}
