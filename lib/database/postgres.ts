/** Postgres over the network: the only importer of `npm:pg`. */
import pg from "pg";
import type { TlsSettings } from "../config/postgres-uri.ts";
import {
  abortedTransaction,
  type Database,
  DatabaseError,
  MissingDatabaseError,
  type Queryable,
  ReadOnlyDatabaseError,
  refuseSameNames,
} from "./database.ts";
import { sendCopy } from "./copy.ts";
import { describeStatement, streamRows } from "./extended-query.ts";
import {
  limitSetting,
  longestReadMs,
  usualStatementMs,
} from "./time-limits.ts";
import { asText, describeType, type Parser, parsersOf } from "./values.ts";
import {
  explainDeniedHost,
  InputError,
  TransientError,
  UsageError,
} from "../base/errors.ts";

/** A database login. The password never appears in a message. */
export interface PostgresLogin {
  readonly user: string;
  readonly password: string;
}

/** Where a Postgres server is, and the login for it. */
export interface PostgresSettings extends PostgresLogin {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  /** Reads the login again after it was refused, because it may have been rotated. Undefined if the login cannot change. */
  readonly renewLogin?: (() => Promise<PostgresLogin>) | undefined;
  /** `prefer` by default: TLS if the server supports it, without verification. */
  readonly sslMode?: TlsSettings["sslMode"] | undefined;
  /** PEM text of the certificates to trust, for `verify-ca` and `verify-full`. */
  readonly sslRootCertificate?: string | undefined;
  /** True if every transaction is read-only; the server enforces it. */
  readonly readOnly?: boolean | undefined;
  /** Maximum run time of one statement, in milliseconds; 10 minutes by default. The server enforces it. */
  readonly statementTimeoutMs?: number | undefined;
  /** Longest wait for the answer to one statement, in milliseconds, for a server or network that enforces nothing; by default half a minute more than the statement may take. */
  readonly answerTimeoutMs?: number | undefined;
  /** Settings of each session in the form of libpq's `options`: `-c search_path=mlflow`. */
  readonly options?: string | undefined;
  /** Name of the connection in the server's views, such as `pg_stat_activity`; `churn` by default. */
  readonly applicationName?: string | undefined;
  /** Longest wait for a connection, in milliseconds; 10 seconds by default, 0 for no limit. */
  readonly connectTimeoutMs?: number | undefined;
}

/**
 * Opens a pool of at most four connections to one Postgres database and checks
 * that the server answers. If the server refuses the login of a connection, the
 * login is read again and, if it has changed, tried once more.
 *
 * @throws {UsageError} If the server refuses the login, or the database does not exist.
 * @throws {TransientError} If the server cannot be reached.
 */
export async function openPostgres(
  settings: PostgresSettings,
): Promise<Database> {
  const description =
    `${settings.user}@${settings.host}:${settings.port}/${settings.database}`;
  const pool = await connect(settings, description);
  const renewing = withRenewal(pool, settings);
  const run = (send: Send) => queryWith(send, description);

  return {
    description,
    embedded: false,
    query: run((query) => renewing(() => pool.query(query))),
    async describe(text) {
      try {
        const client = await renewing(() => pool.connect());
        const columns = await describeStatement(client, text)
          .finally(() => client.release());
        const parserOf = parserIn(exactParsers);
        return columns.map(({ name, dataTypeID }) => {
          const parse = parserOf(dataTypeID);
          return { name, parse, ...describeType(dataTypeID, parse) };
        });
      } catch (error) {
        throw translate(error, description);
      }
    },
    transaction: (work) =>
      inTransaction(
        () => renewing(() => pool.connect()),
        (client) =>
          work({
            query: run((query) => client.query(query)),
            copyRows: (target, chunks, { signal } = {}) =>
              sendCopy(
                client,
                `copy ${target} from stdin with (format binary)`,
                { chunks, signal },
              ).catch((error) => {
                throw translate(error, description);
              }),
            async *streamRows(text) {
              try {
                await client.query(
                  limitSetting("statement_timeout", longestReadMs, {
                    local: true,
                  }),
                );
                yield* streamRows(client, text, {
                  timeoutMs: waitFor(longestReadMs, settings),
                });
              } catch (error) {
                throw translate(error, description);
              }
            },
          }),
        description,
      ),
    [Symbol.asyncDispose]: () => endPool(pool),
  };
}

/** How long closing the connections may take; a server that does not answer is not waited for. */
const closeTimeoutMs = 5_000;

async function endPool(pool: pg.Pool): Promise<void> {
  const elapsed = Promise.withResolvers<void>();
  const timer = setTimeout(elapsed.resolve, closeTimeoutMs);
  await Promise.race([pool.end(), elapsed.promise]);
  clearTimeout(timer);
}

/** Tries the TLS modes that `sslMode` allows, in libpq's order, until one connects. */
async function connect(
  settings: PostgresSettings,
  description: string,
): Promise<pg.Pool> {
  const attempts = tlsAttempts(settings);
  for (const [index, ssl] of attempts.entries()) {
    const pool = new pg.Pool(poolSettings(settings, ssl));
    // Without a listener, a connection error would end the process; its query rejects in any case.
    pool.on("error", () => {});
    pool.on("connect", (client) => {
      client.on("error", () => {});
      // Queued before the query that the connection was opened for; if this fails, that query fails too.
      client.query(sessionSettings(settings)).catch(() => {});
    });
    try {
      await withRenewal(pool, settings)(() => pool.query("select 1"));
      return pool;
    } catch (error) {
      await endPool(pool);
      const last = index === attempts.length - 1;
      if (last || !isTlsMismatch(error)) throw translate(error, description);
    }
  }
  throw new TypeError("unreachable: every sslMode allows at least one attempt");
}

/**
 * Returns a function that runs work that may open a connection. If the server
 * refuses the login, it reads the login again and, if it has changed, runs the
 * work once more. This repeats no effect: a refused connection or statement had
 * none.
 */
function withRenewal(
  pool: pg.Pool,
  { renewLogin }: PostgresSettings,
): <T>(work: () => Promise<T>) => Promise<T> {
  return async (work) => {
    const { options } = pool; // the pool reads these for each new connection
    const { user, password } = options;
    try {
      return await work();
    } catch (error) {
      if (!renewLogin || !isRefusedLogin(error)) throw error;
      const login = await renewLogin();
      if (login.user === user && login.password === password) throw error;
      Object.assign(options, login);
      return await work();
    }
  };
}

/** Tells whether the server refused the login. SQLSTATE 28P01: wrong password; 28000: the role does not exist or may not log in. */
function isRefusedLogin(error: unknown): boolean {
  const { code } = error as { code?: string };
  return code === "28P01" || code === "28000";
}

type Tls = false | {
  rejectUnauthorized: boolean;
  ca?: string;
  checkServerIdentity?: () => undefined;
};

function tlsAttempts(
  { sslMode = "prefer", sslRootCertificate }: PostgresSettings,
): Tls[] {
  const ca = sslRootCertificate === undefined ? {} : { ca: sslRootCertificate };
  const unverified: Tls = { rejectUnauthorized: false };
  const chainOnly: Tls = {
    rejectUnauthorized: true,
    ...ca,
    checkServerIdentity: () => undefined,
  };
  switch (sslMode) {
    case "disable":
      return [false];
    case "allow":
      return [false, unverified];
    case "prefer":
      return [unverified, false];
    case "require":
      // As in libpq, `require` verifies the chain if there is a root certificate.
      return [sslRootCertificate === undefined ? unverified : chainOnly];
    case "verify-ca":
      return [chainOnly];
    case "verify-full":
      return [{ rejectUnauthorized: true, ...ca }];
  }
}

function isTlsMismatch(error: unknown): boolean {
  const { message = "", code } = error as { message?: string; code?: string };
  // 28000: a pg_hba.conf with only `hostssl` (or only `hostnossl`) lines.
  return /does not support SSL/i.test(message) || code === "28000";
}

function poolSettings(settings: PostgresSettings, ssl: Tls): pg.PoolConfig {
  return {
    host: settings.host,
    port: settings.port,
    database: settings.database,
    user: settings.user,
    password: settings.password,
    ssl,
    max: 4,
    connectionTimeoutMillis: settings.connectTimeoutMs ?? 10_000,
    keepAlive: true,
    keepAliveInitialDelayMillis: 20_000,
    query_timeout: settings.answerTimeoutMs ??
      waitFor(settings.statementTimeoutMs ?? usualStatementMs, settings),
    application_name: settings.applicationName ?? "churn",
    options: settings.options,
    types: { getTypeParser: parserIn(valueParsers) },
  } as pg.PoolConfig;
}

/**
 * Returns the longest wait for the answer to a statement that the server limits. A
 * statement_timeout in the connection's own options replaces ours on the server,
 * which then decides alone.
 */
function waitFor(
  statementMs: number,
  { options = "" }: PostgresSettings,
): number | undefined {
  if (options.includes("statement_timeout")) return undefined;
  return statementMs + 30_000;
}

/**
 * Returns the statements that configure a session; a time limit from the
 * connection's own options is kept. The keepalives let the server notice within a
 * minute that a client is gone, and release its locks; over a Unix socket they
 * have no effect. They are statements because poolers such as
 * PgBouncer and RDS Proxy refuse them as startup parameters. Commits are
 * synchronous because a role with asynchronous commits could lose acknowledged
 * ones. The time zone is UTC because an existing table may store timestamps
 * without a time zone.
 */
function sessionSettings(
  { statementTimeoutMs = usualStatementMs, readOnly = false }: PostgresSettings,
): string {
  const limits = {
    // Milliseconds.
    statement_timeout: Math.round(statementTimeoutMs),
    idle_in_transaction_session_timeout: 60_000,
    // Seconds, seconds, probes.
    tcp_keepalives_idle: 20,
    tcp_keepalives_interval: 10,
    tcp_keepalives_count: 3,
  };
  return `set synchronous_commit = on; set timezone = 'UTC'; ` +
    (readOnly ? "set default_transaction_read_only = on; " : "") +
    Object.entries(limits).map(([name, limit]) =>
      limitSetting(name, limit, { local: false })
    ).join("; ");
}

const oids = { textArray: 1009, bytea: 17, point: 600, circle: 718 };

const valueParsers = parsersOf("value", arrayParser);

const exactParsers = {
  ...parsersOf("exact", arrayParser),
  // `pg` would convert these to objects.
  [oids.bytea]: asText,
  [oids.point]: asText,
  [oids.circle]: asText,
};

function parserIn(parsers: Readonly<Record<number, Parser>>) {
  return (oid: number): Parser => parsers[oid] ?? pg.types.getTypeParser(oid);
}

/** Returns the parser for an array, given the parser for one item. */
function arrayParser(parse: Parser): Parser {
  const parseTexts = pg.types.getTypeParser(oids.textArray);
  const parseItem = (item: unknown): unknown =>
    Array.isArray(item)
      ? item.map(parseItem)
      : item === null
      ? null
      : parse(String(item));
  return (text) => parseItem(parseTexts(text));
}

/** Sends one statement on some connection. */
type Send = (query: pg.QueryConfig) => Promise<pg.QueryResult>;

function queryWith(send: Send, description: string): Queryable["query"] {
  return async <Row>(text: string, values: readonly unknown[] = []) => {
    try {
      const query = {
        text,
        values: [...values],
        // The extended protocol even without values: with the simple one, `commit; …` could escape a read-only transaction.
        queryMode: "extended",
      };
      const { rows, fields } = await send(query);
      refuseSameNames(fields);
      return rows as Row[];
    } catch (error) {
      throw translate(error, description);
    }
  };
}

async function inTransaction<T>(
  connect: () => Promise<pg.PoolClient>,
  work: (client: pg.PoolClient) => Promise<T>,
  description: string,
): Promise<T> {
  const explain = (error: unknown) => {
    throw translate(error, description);
  };
  const client = await connect().catch(explain);
  let broken: Error | undefined;
  try {
    await client.query("begin").catch(explain);
    const result = await work(client);
    const { command } = await client.query("commit").catch(explain);
    if (command !== "COMMIT") throw abortedTransaction();
    return result;
  } catch (error) {
    // A connection that failed or does not answer is closed; the server then rolls back.
    if (error instanceof TransientError) broken = error;
    else {
      await client.query("rollback")
        .catch((problem: Error) => broken = problem);
    }
    throw error;
  } finally {
    client.release(broken);
  }
}

/** Socket errors after which the same statement may succeed in a minute. */
const transientErrors =
  /^(ECONNREFUSED|ECONNRESET|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN)$/;

/** SQLSTATEs of the same kind: lost connections (08, 57P), conflicts (40), exhausted resources (53), locks, time limits and disk errors. */
const transientStates =
  /^(08\d{3}|40001|40P01|53\d{3}|55006|55P03|57014|57P0[1235]|58030|25P03)$/;

/** Messages of the transient failures of `pg` that have no code. */
const transientMessages =
  /connection terminated|connection error and is not queryable|timeout expired|query read timeout|timeout exceeded when trying to connect|socket hang up|connection closed/i;

function translate(error: unknown, description: string): Error {
  if (!(error instanceof Error)) return new Error(String(error));
  const denied = explainDeniedHost(error);
  if (denied) return denied;
  if (error instanceof DatabaseError || isOurs(error) || !isFromDriver(error)) {
    return error;
  }
  const { code = "", constraint } = error as Error & {
    code?: string;
    constraint?: string;
  };
  // A server error is classified by its code alone: its message may contain any text.
  const isOfServer = "severity" in error;
  const isAway = transientErrors.test(code) || transientStates.test(code) ||
    (!isOfServer && transientMessages.test(error.message));
  if (isAway) {
    return new TransientError(
      isOfServer && !isLostSession(code)
        ? `Cannot complete this at ${description}: ${
          explainRefusal(error, code)
        }`
        : `Cannot reach Postgres at ${description}: ${error.message || code}`,
    );
  }
  if (code === "25006") {
    return new ReadOnlyDatabaseError(
      `Cannot write to Postgres at ${description}: ${error.message}; is it a replica, as after a failover?`,
    );
  }
  if (code.startsWith("28")) {
    return new UsageError(
      `Cannot log in to Postgres at ${description}: ${error.message}; check the user name and password in the secret or URI`,
    );
  }
  if (code === "3D000") {
    return new MissingDatabaseError(
      `Cannot open the database at ${description}: ${error.message}; run \`deno task setup\` first`,
    );
  }
  if (code === "42501") {
    return new UsageError(
      `Cannot complete this as ${description}: ${error.message}; grant the privilege, or use another login`,
    );
  }
  if (!isOfServer && isTlsProblem(error, code)) {
    return new UsageError(
      `Cannot trust Postgres at ${description}: ${error.message}; check PGSSLMODE and PGSSLROOTCERT`,
    );
  }
  return new DatabaseError(error.message, { code, constraint, cause: error });
}

/** Tells whether the server ended the session or accepts none now, classes 08 and 57P of SQLSTATE: it cannot be reached. */
function isLostSession(code: string): boolean {
  return code.startsWith("08") || code.startsWith("57P");
}

/** Why a server that answers did not complete a statement or a login, and what to do about it. */
function explainRefusal({ message }: Error, code: string): string {
  switch (code) {
    case "53100":
      return `the server is out of disk space (${message}); free space there, then run the command again`;
    case "53200":
      return `the server is out of memory (${message}); run the command again when it has less to do`;
    case "53300":
      return `the server is out of connections (${message}); run the command again when others have ended, or raise the limit of the server, the database or the role`;
    case "53000":
    case "53400":
      return `the server has reached a limit (${message}); raise it, then run the command again`;
    default:
      return `${message}; run the command again`;
  }
}

/** Tells whether an error is one of ours, from reading the login again; its message may resemble the driver's. */
function isOurs(error: Error): boolean {
  return error instanceof UsageError || error instanceof InputError ||
    error instanceof TransientError;
}

/** Tells whether an error comes from the driver. Our own errors, such as a number that cannot be read exactly, are not database failures. */
function isFromDriver(error: Error): boolean {
  return "code" in error || "severity" in error ||
    transientMessages.test(error.message) ||
    isTlsProblem(error, "");
}

function isTlsProblem(error: Error, code: string): boolean {
  return /does not support SSL|certificate|SSL|TLS/i.test(error.message) ||
    code.startsWith("ERR_TLS") || code.startsWith("UNABLE_TO");
}
