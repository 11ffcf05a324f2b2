/**
 * Two group roles with the minimum privileges: `churn_writer` for the login that
 * scores, `churn_reader` for dashboards. Logins are added to them when they are
 * created (`grant churn_writer to …`).
 */
import type { Database, Queryable } from "./database.ts";
import { isCode, underSetupLock } from "./admin.ts";

/** What {@linkcode ensureRoles} changed, and what it could not. */
export interface Roles {
  /** Roles that this call created. */
  readonly created: readonly string[];
  /** The privileges that this call granted, such as `SELECT on TABLE runs to churn_reader`. */
  readonly granted: readonly string[];
  /** What could not be done, and why; empty if all roles and privileges are in place. */
  readonly notes: readonly string[];
}

const roleNames = ["churn_writer", "churn_reader"] as const;

/** Tables that both roles read: tracking and registry, but not MLflow's secrets, webhooks or traces. */
const readTables = [
  "alembic_version",
  "experiments",
  "experiment_tags",
  "runs",
  "tags",
  "params",
  "metrics",
  "latest_metrics",
  "datasets",
  "inputs",
  "input_tags",
  "logged_models",
  "logged_model_params",
  "logged_model_tags",
  "logged_model_metrics",
  "registered_models",
  "registered_model_tags",
  "registered_model_aliases",
  "model_versions",
  "model_version_tags",
  "churn_predictions",
  "churn_predictions_current",
  "scoring_runs",
  "monitoring_runs",
  "drift_metrics",
  "monitoring_states",
  "monitoring_alerts",
  "predictions_schema_migrations",
];

/** The functions of the writer: one deletes a run that was never published, the other settles the scores of superseded runs. */
const writerFunctions = [
  "discard_scoring_run(bigint, boolean)",
  "settle_scores(text)",
];

/** Tables that the writer may change. It adds scores and publishes scoring runs; it never changes a score, a published run or the registry. */
const writtenTables: readonly (readonly [string, ...string[]])[] = [
  ["runs", "INSERT", "UPDATE"],
  ["tags", "INSERT", "UPDATE"],
  ["latest_metrics", "INSERT", "UPDATE"],
  ["params", "INSERT"],
  ["metrics", "INSERT"],
  ["datasets", "INSERT"],
  ["inputs", "INSERT"],
  ["input_tags", "INSERT"],
  ["scores", "SELECT", "INSERT"],
  ["scoring_runs", "INSERT", "UPDATE"], // a trigger refuses to change a completed run
  ["monitoring_runs", "INSERT"],
  ["drift_metrics", "INSERT"],
  ["monitoring_states", "INSERT", "UPDATE"],
  ["monitoring_alerts", "INSERT", "UPDATE"],
];

const wanted = [
  ...roleNames.flatMap((role) =>
    readTables.map((table) => ({ role, table, privilege: "SELECT" }))
  ),
  ...writtenTables.flatMap(([table, ...privileges]) =>
    privileges.map((privilege) => ({ role: roleNames[0], table, privilege }))
  ),
];

/**
 * Creates the two roles if they are missing, and grants them the privileges they
 * need on the existing tables: call it once per database, after the schemas are
 * created. It revokes nothing, and a second call changes nothing. Roles belong to
 * the whole server; if they are missing and the login may not create them, `notes`
 * says so and nothing is granted. The embedded database has one user and gets no
 * roles.
 */
export async function ensureRoles(database: Database): Promise<Roles> {
  if (database.embedded) return { created: [], granted: [], notes: [] };
  const { created, notes } = await createRoles(database);
  if (notes.length > 0) return { created, granted: [], notes };
  return await underSetupLock(database, async (tx) => {
    const granted: string[] = [];
    const notes: string[] = [];
    for (const { role, object, privilege, mayGrant } of await findMissing(tx)) {
      const grant = `${privilege} on ${object} to ${role}`;
      if (mayGrant) {
        await tx.query(`grant ${grant}`);
        granted.push(grant);
      } else {
        notes.push(
          `Cannot grant ${grant}: the login does not own it; run setup as its owner`,
        );
      }
    }
    return { created, granted, notes };
  });
}

/**
 * Returns what {@linkcode ensureRoles} would create and grant, in words; empty if
 * everything is in place. Changes nothing.
 */
export async function findMissingRoles(database: Database): Promise<string[]> {
  if (database.embedded) return [];
  const roles = await missingRoles(database);
  if (roles.length > 0) return roles.map((role) => `role ${role}`);
  const grants = await findMissing(database);
  return grants.map(({ role, object, privilege }) =>
    `${privilege} on ${object} to ${role}`
  );
}

async function missingRoles(database: Database): Promise<string[]> {
  const rows = await database.query<{ name: string }>(
    "select rolname::text as name from pg_roles where rolname = any($1)",
    [roleNames],
  );
  return roleNames.filter((role) => !rows.some(({ name }) => name === role));
}

async function createRoles(
  database: Database,
): Promise<{ created: string[]; notes: string[] }> {
  const missing = await missingRoles(database);
  if (missing.length > 0 && !await mayCreateRoles(database)) {
    const note = `Cannot create the roles ${missing.join(" and ")}: ` +
      "the login lacks CREATEROLE; everything else works without them, and setup creates them when a login with CREATEROLE runs it again";
    return { created: [], notes: [note] };
  }
  const created: string[] = [];
  for (const role of missing) {
    try {
      await database.query(`create role ${role} nologin`);
      created.push(role);
    } catch (error) {
      // 42710, 23505: another setup is creating it at the same time.
      if (!isCode(error, "42710", "23505")) throw error;
    }
  }
  return { created, notes: [] };
}

async function mayCreateRoles(database: Database): Promise<boolean> {
  const rows = await database.query<{ may: boolean }>(
    "select rolsuper or rolcreaterole as may from pg_roles where rolname = current_user",
  );
  return rows[0]?.may ?? false;
}

interface Missing {
  readonly role: string;
  /** The object as written in a GRANT, such as `TABLE runs`. */
  readonly object: string;
  readonly privilege: string;
  readonly mayGrant: boolean;
}

/** Returns the missing privileges on the schema, its tables and views, and the functions of the writer. */
async function findMissing(tx: Queryable): Promise<Missing[]> {
  return await tx.query<Missing>(
    `
    select role, 'SCHEMA ' || quote_ident(n.nspname) as object, 'USAGE' as privilege,
      pg_has_role(n.nspowner, 'USAGE') as "mayGrant"
    from pg_namespace n
    cross join unnest($4::text[]) role
    where n.nspname = current_schema() and not has_schema_privilege(role, n.oid, 'USAGE')
    union all
    select role, 'TABLE ' || quote_ident(c.relname), privilege,
      pg_has_role(c.relowner, 'USAGE')
    from unnest($1::text[], $2::text[], $3::text[]) wanted (role, "table", privilege)
    join pg_class c on c.relname = wanted."table" and c.relkind in ('r', 'p', 'v')
    join pg_namespace n on n.oid = c.relnamespace and n.nspname = current_schema()
    where not has_table_privilege(role, c.oid, privilege)
    union all
    select role, 'FUNCTION ' || name, 'EXECUTE', pg_has_role(p.proowner, 'USAGE')
    from (select $5::text as role, unnest($6::text[]) as name) wanted
    join pg_proc p on p.oid = to_regprocedure(quote_ident(current_schema()) || '.' || name)
    where not has_function_privilege(role, p.oid, 'EXECUTE')
    order by 2, 1, 3
  `,
    [
      wanted.map(({ role }) => role),
      wanted.map(({ table }) => table),
      wanted.map(({ privilege }) => privilege),
      roleNames,
      roleNames[0],
      writerFunctions,
    ],
  );
}
