/** Prepares what MLflow's UI reads: a copy of the embedded database, or the configured one. */
import { dirname, resolve } from "node:path";
import { InputError } from "../base/errors.ts";
import { detectSchemaVersion } from "../mlflow/schema-version.ts";
import { testedMlflow } from "../mlflow/tested.ts";
import { trackingSettings } from "./connections.ts";
import type { Services } from "./services.ts";

/** What MLflow's server needs; disposal closes the copy. */
export interface MlflowUi extends AsyncDisposable {
  /** The release of MLflow that the database belongs to; the newest that is tested if its release is not known. */
  readonly version: string;
  /** Environment variables of the server, secrets included. */
  readonly environment: Readonly<Record<string, string>>;
  /** What the UI shows, for people. */
  readonly source: string;
  /** True if other commands must wait until it is closed. */
  readonly blocks: boolean;
}

/** Connections that MLflow may open at once: each of its two stores has at most 15. */
const mostClients = 100;

/** The longest path of a Unix socket on Linux and macOS, in bytes. */
const longestSocketPath = 103;

/**
 * Prepares the configured database for MLflow's server. The embedded one is copied
 * to memory and served read-only on a Unix socket in `CHURN_HOME`, so that other
 * commands may use the original. Its connections share one session and take
 * turns, a transaction at a time; that is sound for clients without prepared
 * statements, temporary tables and session settings, as MLflow's with psycopg2 is.
 *
 * @param services Opened with `readOnly`.
 * @param options `port`: of the UI, to tell the sockets of several apart.
 * @throws {InputError} If there is no embedded database, or it has no MLflow tables.
 */
export async function prepareMlflowUi(
  services: Services,
  { port }: { port: number },
): Promise<MlflowUi> {
  const { config } = services;
  const { tracking } = config;
  const database = await services.trackingDatabase();
  if (!database || tracking.kind === "server") {
    throw new InputError(
      "Cannot serve MLflow's UI: an MLflow server is configured, which has its own",
    );
  }
  const { mlflowVersion = testedMlflow, warning } = await detectSchemaVersion(
    database,
  );
  if (warning) services.log.warn(warning);
  const shared = {
    AWS_DEFAULT_REGION: config.aws.region,
    ...config.aws.s3Endpoint === undefined
      ? {}
      : { MLFLOW_S3_ENDPOINT_URL: config.aws.s3Endpoint },
    ...config.artifactRoot === undefined ? {} : {
      MLFLOW_DEFAULT_ARTIFACT_ROOT: config.artifactRoot,
      MLFLOW_ARTIFACTS_DESTINATION: config.artifactRoot,
    },
  };
  if (tracking.kind === "embedded") {
    return await serveCopy(services, { port, shared, version: mlflowVersion });
  }
  const settings = await trackingSettings(tracking, config);
  const own = tracking.kind === "login" ? tracking.login : undefined;
  // `system`, or undefined for libpq's default.
  const certificate = own?.sslRootCertificate ?? config.tls.sslRootCertificate;
  const { user, host, database: name, options } = settings;
  const address = host.startsWith("/")
    ? `/${encodeURIComponent(name)}?host=${
      encodeURIComponent(host)
    }&port=${settings.port}`
    : `${host.includes(":") ? `[${host}]` : host}:${settings.port}/${
      encodeURIComponent(name)
    }`;
  return {
    version: mlflowVersion,
    environment: {
      ...shared,
      MLFLOW_BACKEND_STORE_URI: `postgresql+psycopg2://${
        encodeURIComponent(user)
      }@${address}`,
      // Not in the URI, which MLflow's messages may contain.
      PGPASSWORD: settings.password,
      PGSSLMODE: settings.sslMode ?? "prefer",
      PGAPPNAME: "churn-mlflow",
      ...options === undefined ? {} : { PGOPTIONS: options },
      ...certificate === undefined ? {} : {
        PGSSLROOTCERT: certificate === "system"
          ? certificate
          : resolve(certificate),
      },
    },
    source: database.description,
    blocks: false,
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

async function serveCopy(
  { config, embeddedDatabase }: Services,
  { port, shared, version }: {
    port: number;
    shared: Readonly<Record<string, string>>;
    version: string;
  },
): Promise<MlflowUi> {
  // Postgres's clients find the port in its name.
  const path = resolve(config.home, `tmp/mlflow/.s.PGSQL.${port}`);
  if (new TextEncoder().encode(path).length > longestSocketPath) {
    throw new InputError(
      `Cannot serve a copy of the embedded database at ${path}: a socket's path has at most ${longestSocketPath} bytes; move the project, or set CHURN_HOME to a folder with a shorter path`,
    );
  }
  const database = await embeddedDatabase();
  // What somebody changes in the UI would be lost without a word.
  await database.query("set default_transaction_read_only = on");
  await Deno.mkdir(dirname(path), { recursive: true, mode: 0o700 });
  await Deno.remove(path).catch(() => {}); // left by a killed process
  const server = await database.serve({ path, clients: mostClients });
  return {
    version,
    environment: {
      ...shared,
      MLFLOW_BACKEND_STORE_URI:
        `postgresql+psycopg2://postgres@/postgres?host=${
          encodeURIComponent(dirname(path))
        }&port=${port}`,
    },
    source: database.isCopy
      ? `a read-only copy of ${database.description}, as it is now`
      : `${database.description}, read-only`,
    blocks: !database.isCopy,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}
