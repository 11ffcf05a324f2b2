/** Checks Postgres: connection, version, TLS, rights, tables and roles. */
import { listSome } from "../base/phrases.ts";
import { shellWord } from "../config/variant.ts";
import { type Database, quoteIdentifier } from "../database/database.ts";
import type { PostgresSettings } from "../database/postgres.ts";
import { findMissingRoles } from "../database/roles.ts";
import {
  describeSchemaVersion,
  detectSchemaVersion,
} from "../mlflow/schema-version.ts";
import { readPredictionsSchema } from "../services/schema.ts";
import { type Check, type Finding, runCheck, skip } from "./check.ts";

const group = "Databases";

/** The oldest major version of Postgres that the SQL runs on. */
const oldestPostgres = 13;

/** One database of the two, and how it is reached. */
export interface CheckedDatabase {
  /** `MLflow's database` or `Predictions`. */
  readonly title: string;
  /** The login; undefined for the embedded database, or if the login cannot be used. */
  readonly login: PostgresSettings | undefined;
  readonly open: () => Promise<Database>;
}

/** The checks of a database, and the database if it can be used. */
export interface DatabaseChecks {
  readonly checks: readonly Check[];
  readonly database: Database | undefined;
}

/** Checks that a database answers, how it is protected, and what the login may do. */
export async function checkConnection(
  { title, login, open }: CheckedDatabase,
): Promise<DatabaseChecks> {
  let database: Database | undefined;
  const connection = await runCheck(
    { group, title },
    async () => {
      const opened = await open();
      database = opened;
      return opened.embedded
        ? { state: "ok", detail: opened.description }
        : await checkServer(opened);
    },
    login && {
      remedy: psql(login, ` user=${login.user}`),
      hint: "this must connect; `deno task setup` creates a missing database",
    },
  );
  if (!database || database.embedded) {
    return { checks: [inUse(connection)], database };
  }
  const opened = database;
  return {
    database,
    checks: [
      connection,
      await runCheck(
        { group, title: `${title}, TLS` },
        () => checkTls(opened, login),
      ),
    ],
  };
}

/** Another process that uses the embedded database is no fault. */
function inUse(check: Check): Check {
  return /is using it/.test(check.detail) && check.state === "unreachable"
    ? { ...check, state: "warning" }
    : check;
}

/** Returns the command line that connects to a database. @param more Other parameters of the connection. */
function psql(
  { host, port, database }: PostgresSettings,
  more = "",
): string {
  return `psql ${
    shellWord(`host=${host} port=${port} dbname=${database}${more}`)
  }`;
}

async function checkServer(database: Database): Promise<Finding> {
  const [row] = await database.query<{ version: string; number: number }>(
    "select current_setting('server_version') as version, current_setting('server_version_num')::int as number",
  );
  const { version = "of an unknown version", number = 0 } = row ?? {};
  // Some builds add their package: `15.18 (Debian 15.18-0+deb12u1)`.
  const detail = `${database.description}, Postgres ${version.split(" ")[0]}`;
  return number >= oldestPostgres * 10_000 ? { state: "ok", detail } : {
    state: "wrong",
    detail: `${detail}: too old`,
    hint: `use Postgres ${oldestPostgres} or later`,
  };
}

async function checkTls(
  database: Database,
  login: PostgresSettings | undefined,
): Promise<Finding> {
  const [row] = await database.query<
    { ssl: boolean; version: string | null }
  >("select ssl, version from pg_stat_ssl where pid = pg_backend_pid()");
  const mode = login?.sslMode ?? "prefer";
  const isLocal = /^(localhost|127\.[\d.]+|::1)$/.test(login?.host ?? "");
  const isVerified = row?.ssl && /^verify-/.test(mode);
  const what = !row?.ssl
    ? "not encrypted"
    : `${row.version}, certificate ${isVerified ? "" : "not "}verified`;
  const detail = `${what} (sslmode=${mode})`;
  if (isVerified || isLocal) {
    const remark = row?.ssl ? "" : "; the server is local";
    return { state: "ok", detail: detail + remark };
  }
  const remedy = "export PGSSLMODE=verify-full";
  return login?.sslRootCertificate !== undefined
    ? { state: "warning", detail, remedy }
    : {
      state: "warning",
      detail,
      remedy: `${remedy} PGSSLROOTCERT=system`,
      hint:
        "system trusts public authorities; for a private one, give the path of its certificate in PEM format instead",
    };
}

/** Checks MLflow's tables by their `alembic_version` and columns, and what the login may do with them. */
export async function checkMlflowTables(
  database: Database | undefined,
  login?: PostgresSettings,
): Promise<Check[]> {
  const subject = { group, title: "MLflow's tables" } as const;
  if (!database) return [skip(subject, "MLflow's database cannot be used")];
  const tables = await runCheck(subject, async () => {
    const schema = await detectSchemaVersion(database);
    const detail = `${describeSchemaVersion(schema)}, head ${schema.head}`;
    return schema.warning === undefined
      ? { state: "ok", detail }
      : { state: "warning", detail: schema.warning };
  }, { remedy: "deno task setup" });
  return [tables, ...await checkMlflowRights(database, login)];
}

/** Checks that all migrations of the prediction tables are applied, and what the login may do with the tables. */
export async function checkPredictionTables(
  database: Database | undefined,
  login?: PostgresSettings,
): Promise<Check[]> {
  const subject = { group, title: "Prediction tables" } as const;
  if (!database) {
    return [skip(subject, "the predictions database cannot be used")];
  }
  const tables = await runCheck(subject, async () => {
    const { exists, missing, newer } = await readPredictionsSchema(database);
    if (!exists || missing.length > 0) {
      return {
        // On the embedded default, predict runs setup by itself.
        state: database.embedded ? "warning" : "wrong",
        detail: exists
          ? `from an earlier release; not applied: ${missing.join(", ")}`
          : `missing in ${database.description}`,
        remedy: "deno task setup",
      };
    }
    if (newer.length > 0) {
      return {
        state: "warning",
        detail: `from a newer release, which applied ${newer.join(", ")}`,
        remedy: "git pull",
      };
    }
    return { state: "ok", detail: "all migrations of this release applied" };
  });
  if (database.embedded || tables.state !== "ok") return [tables];
  const rights = await runCheck(
    { group, title: "Login's rights" },
    () => checkRights(database, login),
  );
  return [tables, rights];
}

/** Checks what the login may do with MLflow's tables; nothing if there are none. */
async function checkMlflowRights(
  database: Database,
  login: PostgresSettings | undefined,
): Promise<Check[]> {
  if (database.embedded) return [];
  // The schema check finds a missing table.
  const [found] = await database.query<{ isThere: boolean }>(
    `select bool_and(to_regclass(name) is not null) as "isThere"
     from unnest(array['experiments', 'runs', 'metrics', 'tags', 'model_versions']) name`,
  ).catch(() => []);
  if (!found?.isThere) return [];
  return [
    await runCheck({ group, title: "MLflow login's rights" }, async () => {
      const [row] = await database.query<
        { name: string; reads: boolean; logs: boolean; registers: boolean }
      >(`
        select current_user::text as name,
          has_table_privilege('model_versions', 'SELECT') and has_table_privilege('experiments', 'SELECT') as reads,
          has_table_privilege('runs', 'INSERT') and has_table_privilege('runs', 'UPDATE')
            and has_table_privilege('metrics', 'INSERT') and has_table_privilege('tags', 'INSERT') as logs,
          has_table_privilege('model_versions', 'INSERT') and has_table_privilege('experiments', 'INSERT') as registers
      `);
      const { name = "", reads = false, logs = false, registers = false } =
        row ?? {};
      return logs && reads
        ? {
          state: "ok",
          detail: `${name} can log runs${
            registers ? " and register models" : ""
          }`,
        }
        : {
          state: "warning",
          detail: `${name} ${
            reads ? "can only read" : "cannot read"
          } MLflow's tables, so predict cannot log its runs`,
          ...grantWriter(name, login),
        };
    }),
  ];
}

/** Returns the command that lets a user store scores. @param login Undefined if the connection is not known. */
function grantWriter(
  user: string,
  login: PostgresSettings | undefined,
): Pick<Finding, "remedy" | "hint"> {
  return {
    remedy: `${login ? psql(login) : "psql"} -c ${
      shellWord(`grant churn_writer to ${quoteIdentifier(user)}`)
    }`,
    hint: "as an administrator of the database",
  };
}

async function checkRights(
  database: Database,
  login: PostgresSettings | undefined,
): Promise<Finding> {
  const [row] = await database.query<
    { name: string; writes: boolean; reads: boolean; creates: boolean }
  >(`
    select current_user::text as name,
      has_table_privilege('scores', 'INSERT') and has_table_privilege('scoring_runs', 'INSERT')
        and has_table_privilege('scoring_runs', 'UPDATE') as writes,
      has_table_privilege('churn_predictions', 'SELECT') as reads,
      has_schema_privilege(current_schema(), 'CREATE') as creates
  `);
  const { name = "", writes = false, reads = false, creates = false } = row ??
    {};
  if (!writes) {
    return {
      state: "warning",
      detail: `${name} ${
        reads ? "can only read" : "cannot read"
      } the prediction tables, so predict cannot store scores`,
      ...grantWriter(name, login),
    };
  }
  return {
    state: "ok",
    detail: `${name} can store scores${creates ? " and create tables" : ""}`,
  };
}

/** Checks that the group roles exist and have their privileges in both databases. */
export async function checkRoles(
  databases: readonly (Database | undefined)[],
): Promise<Check[]> {
  const servers = [...new Set(databases)].filter((database) =>
    database !== undefined
  );
  if (servers.length === 0) return [];
  return [
    await runCheck({ group, title: "Roles" }, async () => {
      const missing = await Promise.all(servers.map(findMissingRoles));
      const all = [...new Set(missing.flat())];
      if (all.length === 0) {
        return { state: "ok", detail: "churn_writer, churn_reader" };
      }
      return {
        state: "warning",
        detail: `missing: ${listSome(all, 2, { separator: "; " })}`,
        remedy: "deno task setup",
        hint: "with a login that may create roles",
      };
    }),
  ];
}
