/** Opens the configured databases: reads secrets, completes logins, and creates missing databases. */
import type { Config, Predictions, Tracking } from "../config/environment.ts";
import type { DatabaseLogin, TlsSettings } from "../config/postgres-uri.ts";
import { type Database, MissingDatabaseError } from "../database/database.ts";
import type { PostgresSettings } from "../database/postgres.ts";
import {
  checkMayCreateDatabase,
  checkMayCreateTables,
  ensureDatabase,
  ensureNamedSchema,
} from "../database/admin.ts";
import { UsageError } from "../base/errors.ts";
import type { DatabaseSecret } from "../aws/secrets.ts";

/** What a login needs besides where it is. */
interface LoginConfig extends Pick<Config, "aws" | "tls"> {
  /** Receives one line per request to Secrets Manager. */
  readonly trace?: ((message: string) => void) | undefined;
}

/**
 * Returns the settings of MLflow's database. Reads the secret if one is configured.
 *
 * @throws {UsageError} If the secret cannot be used.
 * @throws {TransientError} If Secrets Manager cannot be reached.
 */
export async function trackingSettings(
  tracking: Extract<Tracking, { kind: "login" | "secret" }>,
  config: LoginConfig,
): Promise<PostgresSettings> {
  if (tracking.kind === "login") {
    return await withTls(tracking.login, config.tls);
  }
  return await secretSettings(tracking.name, config, (secret) => ({
    host: secret.host ?? tracking.host,
    port: secret.port ?? tracking.port,
    database: secret.database ?? tracking.database,
  }));
}

/**
 * Returns the settings of the predictions database. Reads the secret if one is configured.
 *
 * @throws {UsageError} If it is not configured, or the secret lacks a part.
 * @throws {TransientError} If Secrets Manager cannot be reached.
 */
export async function predictionsSettings(
  predictions: Exclude<Predictions, { kind: "embedded" }>,
  config: LoginConfig,
): Promise<PostgresSettings> {
  if (predictions.kind === "missing") {
    throw new UsageError(
      `Cannot find the predictions database: ${predictions.what}; set one of them`,
    );
  }
  if (predictions.kind === "login") {
    return await withTls(predictions.login, config.tls);
  }
  const { name } = predictions;
  const need = (part: string, value: string | undefined) => {
    if (value !== undefined) return value;
    throw new UsageError(
      `Cannot use the secret "${name}": its "${part}" is missing; expected {username, password, host, port, dbname}`,
    );
  };
  return await secretSettings(name, config, (secret) => ({
    host: need("host", secret.host),
    port: secret.port ?? 5432,
    database: need("dbname", secret.database),
  }));
}

/** Returns the settings of the database of a secret, which is read again if the login is refused: it may be rotated while a script runs. */
async function secretSettings(
  name: string,
  config: LoginConfig,
  addressOf: (
    secret: DatabaseSecret,
  ) => Pick<DatabaseLogin, "host" | "port" | "database">,
): Promise<PostgresSettings> {
  const secret = await readSecret(name, config);
  const { username, password } = secret;
  const login = { username, password, ...addressOf(secret) };
  return {
    ...await withTls(login, config.tls),
    renewLogin: async () => {
      const { username, password } = await readSecret(name, config);
      return { user: username, password };
    },
  };
}

/**
 * Opens the database of a login. With `create`, creates it if it does not exist,
 * and the first schema of the login's own `search_path`.
 *
 * @throws {UsageError} If it does not exist, or the login may not create it.
 */
export async function openOrCreate(
  settings: PostgresSettings,
  { create }: { create: boolean },
): Promise<{ database: Database; created: boolean }> {
  let created = false;
  await using stack = new AsyncDisposableStack();
  const database = await openServer(settings).catch(async (error) => {
    if (!create || !(error instanceof MissingDatabaseError)) throw error;
    await using admin = await openServer({ ...settings, database: "postgres" });
    created = await ensureDatabase(admin, settings.database);
    return await openServer(settings);
  });
  stack.use(database);
  if (create) await ensureNamedSchema(database);
  stack.move();
  return { database, created };
}

/**
 * Checks that {@linkcode openOrCreate} with `create` would succeed, and that the
 * login may create tables if they are needed. Creates nothing.
 *
 * @param needsTables Tells whether tables are missing in the open database, or throws why it cannot be used.
 * @returns A text that is equal for two logins whose tables are or would be in one schema of one database.
 * @throws {UsageError} If the server refuses the login, or it lacks a privilege.
 * @throws {TransientError} If the server cannot be reached.
 */
export async function checkOpenOrCreate(
  settings: PostgresSettings,
  needsTables: (database: Database) => Promise<boolean>,
): Promise<string> {
  const readOnly = { ...settings, readOnly: true };
  const schemaOf = "coalesce(current_schema(), current_setting('search_path'))";
  try {
    await using database = await openServer(readOnly);
    if (await needsTables(database)) await checkMayCreateTables(database);
    return await placeOf(database, `current_database() || '.' || ${schemaOf}`);
  } catch (error) {
    if (!(error instanceof MissingDatabaseError)) throw error;
    await using admin = await openServer({ ...readOnly, database: "postgres" });
    await checkMayCreateDatabase(admin, settings.database);
    return await placeOf(admin, "$1", [
      `${settings.database} ${settings.options ?? ""}`,
    ]);
  }
}

/** Returns a text for a place on a server, which may have several addresses: no two servers start in the same microsecond. */
async function placeOf(
  database: Database,
  place: string,
  values: readonly string[] = [],
): Promise<string> {
  const [row] = await database.query<{ place: string }>(
    `select pg_postmaster_start_time()::text || ' ' || (${place})::text as place`,
    values,
  );
  return row?.place ?? "";
}

/** Opens a server's database. The client is loaded only if a server is configured. */
async function openServer(settings: PostgresSettings): Promise<Database> {
  const { openPostgres } = await import("../database/postgres.ts");
  return await openPostgres(settings);
}

/** Reads a secret. The Secrets Manager SDK is loaded only if a secret is configured. */
async function readSecret(
  name: string,
  { aws, trace }: LoginConfig,
): Promise<DatabaseSecret> {
  const { readDatabaseSecret } = await import("../aws/secrets.ts");
  return await readDatabaseSecret(name, {
    region: aws.secretsRegion,
    endpoint: aws.secretsEndpoint,
    trace,
  });
}

async function withTls(
  login: DatabaseLogin,
  tls: TlsSettings,
): Promise<PostgresSettings> {
  const { username, sslMode = tls.sslMode, sslRootCertificate, ...rest } =
    login;
  const path = sslRootCertificate ?? tls.sslRootCertificate;
  if (path === "system" && sslMode !== "verify-full") {
    throw new UsageError(
      `Cannot use the system's certificate authorities with sslmode=${sslMode}: they issue certificates to anyone; set sslmode=verify-full, as libpq requires`,
    );
  }
  return {
    ...rest,
    user: username,
    sslMode,
    sslRootCertificate: await readCertificate(path),
  };
}

async function readCertificate(
  path: string | undefined,
): Promise<string | undefined> {
  if (path === undefined || path === "system") return undefined;
  try {
    return await Deno.readTextFile(path);
  } catch (cause) {
    throw new UsageError(
      `Cannot read the certificates in ${path}, which sslrootcert or PGSSLROOTCERT names`,
      { cause },
    );
  }
}
