/** The only reader of the environment: settings in, one frozen {@linkcode Config} out. */
import { resolve } from "node:path";
import { UsageError } from "./errors.ts";
import { announceSecret } from "./redact.ts";

/** TLS settings of every Postgres connection, as libpq names them. */
export interface TlsSettings {
  readonly sslMode:
    | "disable"
    | "allow"
    | "prefer"
    | "require"
    | "verify-ca"
    | "verify-full";
  /** Path of a PEM file. */
  readonly sslRootCertificate: string | undefined;
}

/** Who asks, and where; parts that a URI or secret left open are undefined. */
export interface DatabaseLogin {
  readonly username: string;
  readonly password: string;
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly sslMode?: TlsSettings["sslMode"] | undefined;
}

/** A secret that is still to be read, and what fills its gaps. */
export interface SecretReference {
  readonly kind: "secret";
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly database: string;
}

/** An MLflow server and how to be let in. */
export interface ServerLogin {
  readonly kind: "server";
  /** Without user, password and trailing slash. */
  readonly uri: string;
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly token: string | undefined;
}

/** Where MLflow's runs and registry are. */
export type Tracking =
  | { readonly kind: "embedded" }
  | { readonly kind: "login"; readonly login: DatabaseLogin }
  | SecretReference
  | ServerLogin;

/** Where the predictions go; undefined `missing` means usable. */
export type Predictions =
  | { readonly kind: "embedded" }
  | { readonly kind: "login"; readonly login: DatabaseLogin }
  | { readonly kind: "secret"; readonly name: string }
  | { readonly kind: "missing"; readonly what: string };

/** What the AWS clients need beside credentials, which they find by themselves. */
export interface AwsSettings {
  readonly region: string;
  readonly secretsRegion: string;
  readonly s3Endpoint: string | undefined;
  readonly secretsEndpoint: string | undefined;
}

/** The GitHub Actions job that this process is part of. */
export interface Job {
  readonly commit: string;
  readonly url: string;
}

/** Everything that the environment decides. */
export interface Config {
  /** True when nothing is configured and everything lives below `home`. */
  readonly embedded: boolean;
  /** Folder of the embedded database, artifacts and the model cache. */
  readonly home: string;
  readonly tracking: Tracking;
  readonly predictions: Predictions;
  /** `s3://…` or an absolute folder; undefined lets an MLflow server decide. */
  readonly artifactRoot: string | undefined;
  /** Bucket that models and data are read from; undefined means the local folders. */
  readonly bucket: string | undefined;
  readonly aws: AwsSettings;
  readonly tls: TlsSettings;
  /** Who runs this, for tags and the promotion history. */
  readonly user: string;
  /** Undefined outside GitHub Actions. */
  readonly job: Job | undefined;
}

/** The environment as a mapping, such as `Deno.env.toObject()`. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Any of these means that services are configured. */
const configuring = [
  "MLFLOW_TRACKING_URI",
  "MLFLOW_SECRET_NAME",
  "MLFLOW_DB_NAME",
  "MLFLOW_DB_HOST",
  "MLFLOW_DB_PORT",
  "MLFLOW_S3_BUCKET",
  "MLFLOW_ARTIFACT_ROOT",
  "MLFLOW_S3_ENDPOINT_URL",
  "MLFLOW_SECRET_REGION",
  "MLFLOW_TRACKING_USERNAME",
  "MLFLOW_TRACKING_PASSWORD",
  "MLFLOW_TRACKING_TOKEN",
  "PREDICTIONS_SECRET_NAME",
  "PREDICTIONS_DATABASE_URL",
];

/**
 * The configuration that an environment describes. Empty values count as
 * absent. Passwords and tokens are announced to the redactor here.
 *
 * ```ts
 * import { strictEqual, throws } from "node:assert/strict";
 *
 * strictEqual(loadConfig({}).embedded, true);
 * throws(() => loadConfig({ MLFLOW_S3_BUCKET: "models" }), /MLFLOW_SECRET_NAME/);
 * ```
 *
 * @throws {UsageError} If a value cannot be used, or the configuration is only half there; names the setting.
 */
export function loadConfig(environment: Environment): Config {
  const read = (name: string) => environment[name]?.trim() || undefined;
  const embedded = !configuring.some((name) => read(name) !== undefined);
  const home = read("CHURN_HOME") ?? ".local";
  const bucket = checkedBucket(read("MLFLOW_S3_BUCKET"));
  // Only the AWS SDK reads them; here they are kept out of what is printed.
  announced(read("AWS_SECRET_ACCESS_KEY"));
  announced(read("AWS_SESSION_TOKEN"));
  const tracking = embedded ? { kind: "embedded" } as const : toTracking(read);
  const config: Config = {
    embedded,
    home,
    tracking,
    predictions: embedded ? { kind: "embedded" } : toPredictions(read, bucket),
    artifactRoot: embedded
      ? resolve(home, "artifacts")
      : toArtifactRoot(read("MLFLOW_ARTIFACT_ROOT"), bucket, tracking),
    bucket,
    aws: toAws(read),
    tls: toTls(read),
    user: read("GITHUB_ACTOR") ?? read("MLFLOW_TRACKING_USER") ??
      read("USER") ?? read("LOGNAME") ?? "unknown",
    job: toJob(read),
  };
  return Object.freeze(config);
}

type Read = (name: string) => string | undefined;

function toTracking(read: Read): Tracking {
  const uri = read("MLFLOW_TRACKING_URI");
  if (uri !== undefined) return parseTrackingUri(uri, read);
  const name = read("MLFLOW_SECRET_NAME");
  if (name === undefined) {
    throw new UsageError(
      `Cannot find MLflow's database: ${
        configuredNames(read)
      } set, but neither MLFLOW_TRACKING_URI nor ` +
        `MLFLOW_SECRET_NAME; set one of them, or unset all for the embedded default`,
    );
  }
  return {
    kind: "secret",
    name,
    host: read("MLFLOW_DB_HOST") ?? "localhost",
    port: toPort(read("MLFLOW_DB_PORT") ?? "5432", "MLFLOW_DB_PORT"),
    database: read("MLFLOW_DB_NAME") ?? "mlflow_db",
  };
}

function configuredNames(read: Read): string {
  const names = configuring.filter((name) => read(name) !== undefined);
  return `${names.join(", ")} ${names.length === 1 ? "is" : "are"}`;
}

function parseTrackingUri(uri: string, read: Read): Tracking {
  const scheme = uri.slice(0, Math.max(0, uri.indexOf(":"))).toLowerCase();
  if (/^postgres(ql)?(\+\w+)?$/.test(scheme)) {
    return {
      kind: "login",
      login: parsePostgresUri(uri, { setting: "MLFLOW_TRACKING_URI" }),
    };
  }
  if (scheme === "http" || scheme === "https") return parseServerUri(uri, read);
  throw new UsageError(
    `Cannot use MLFLOW_TRACKING_URI: its scheme is "${scheme}", expected postgresql:// (any driver suffix) or http(s)://`,
  );
}

function parseServerUri(uri: string, read: Read): ServerLogin {
  const [address = "", ...extra] = uri.split(/[?#](?!.*@)/s);
  if (extra.length > 0) {
    throw new UsageError(
      `Cannot use MLFLOW_TRACKING_URI: it has a query string or fragment, which no MLflow client sends on; ` +
        `expected http(s)://HOST/PATH, and a token in MLFLOW_TRACKING_TOKEN`,
    );
  }
  // A password may hold "?" and "/"; a path with a piece of a query string is none.
  const parts =
    /^(https?:\/\/)(?:([^/?#:@]*(?::.*)?)@)?([\w.~:[\]-]+)(\/[^?#&=]*)?$/i.exec(
      address,
    );
  if (!parts) {
    throw new UsageError(
      "Cannot use MLFLOW_TRACKING_URI: it names no host after http(s)://",
    );
  }
  const [, scheme = "", userinfo, host = "", path = ""] = parts;
  const [username, password] = splitUserinfo(userinfo);
  return {
    kind: "server",
    uri: `${scheme}${host}${path.replace(/\/+$/, "")}`,
    username: read("MLFLOW_TRACKING_USERNAME") ?? username,
    password: announced(read("MLFLOW_TRACKING_PASSWORD") ?? password),
    token: announced(read("MLFLOW_TRACKING_TOKEN")),
  };
}

/**
 * The parts of `postgresql://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=…`, any
 * SQLAlchemy driver suffix allowed. It is cut by hand, at the last `@`, because
 * `URL` puts the whole text, password included, into its error; so a password
 * may hold `@:/?#` as they are, or percent-encoded. Port 5432 by default.
 *
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 *
 * const login = parsePostgresUri("postgresql+psycopg2://me:p%40s/s:#w@db.example:6543/mlflow", { setting: "X" });
 * strictEqual(login.password, "p@s/s:#w");
 * strictEqual(login.port, 6543);
 * ```
 *
 * @param options `setting`: the variable to name in an error.
 * @throws {UsageError} If it is no such URI, or user, host or database is missing; never shows the URI.
 */
export function parsePostgresUri(
  uri: string,
  options: { setting: string },
): DatabaseLogin {
  const [, rest] = /^postgres(?:ql)?(?:\+\w+)?:\/\/(.*)$/is.exec(uri) ?? [];
  if (rest === undefined) {
    throw new UsageError(
      `Cannot use ${options.setting}: expected postgresql://USER:PASSWORD@HOST:PORT/DATABASE`,
    );
  }
  const at = rest.lastIndexOf("@");
  const [username, password] = splitUserinfo(
    at < 0 ? undefined : rest.slice(0, at),
  );
  const place =
    /^(\[[^\]]+\]|[^/:?#]*)(?::([^/?#]*))?(?:\/([^?#]*))?(?:\?(.*))?$/.exec(
      rest.slice(at + 1),
    );
  const [, host, port, database, query] = place ?? [];
  const need = (part: string, value: string | undefined) => {
    if (value) return decoded(value);
    throw new UsageError(
      `Cannot use ${options.setting}: it has no ${part}; expected postgresql://USER:PASSWORD@HOST:PORT/DATABASE`,
    );
  };
  return {
    username: need("user", username),
    password: announceSecret(password ?? ""),
    host: need("host", host).replace(/^\[|\]$/g, ""),
    port: toPort(port || "5432", options.setting),
    database: need("database", database),
    sslMode: toSslMode(
      new URLSearchParams(query).get("sslmode") ?? undefined,
      options.setting,
    ),
  };
}

function splitUserinfo(
  userinfo: string | undefined,
): [string | undefined, string | undefined] {
  if (userinfo === undefined) return [undefined, undefined];
  const colon = userinfo.indexOf(":");
  if (colon < 0) return [decoded(userinfo), undefined];
  // Announced as it was written, too: an encoding of the user's own stays hidden.
  const written = announceSecret(userinfo.slice(colon + 1));
  return [decoded(userinfo.slice(0, colon)), decoded(written)];
}

/** Decodes the valid percent-escapes and leaves every other `%` as it is. */
function decoded(text: string): string {
  return text.replace(/(?:%[0-9A-Fa-f]{2})+/g, (escapes) => {
    try {
      return decodeURIComponent(escapes);
    } catch {
      return escapes;
    }
  });
}

function announced(secret: string | undefined): string | undefined {
  return secret === undefined ? undefined : announceSecret(secret);
}

function toPredictions(read: Read, bucket: string | undefined): Predictions {
  const url = read("PREDICTIONS_DATABASE_URL");
  if (url !== undefined) {
    return {
      kind: "login",
      login: parsePostgresUri(url, { setting: "PREDICTIONS_DATABASE_URL" }),
    };
  }
  const name = read("PREDICTIONS_SECRET_NAME");
  if (name !== undefined) return { kind: "secret", name };
  const aws = bucket !== undefined || read("MLFLOW_SECRET_NAME") !== undefined;
  if (aws) return { kind: "secret", name: "predictions-pg-database" };
  return {
    kind: "missing",
    what:
      "neither PREDICTIONS_DATABASE_URL nor PREDICTIONS_SECRET_NAME is set, and no AWS setting either",
  };
}

function toArtifactRoot(
  root: string | undefined,
  bucket: string | undefined,
  tracking: Tracking,
): string | undefined {
  if (root !== undefined) {
    return /^[a-z][a-z0-9+.-]*:/i.test(root) ? root : resolve(root);
  }
  if (bucket !== undefined) return `s3://${bucket}/`;
  if (tracking.kind === "server") return undefined;
  throw new UsageError(
    "Cannot place artifacts: MLflow's database is configured, but neither MLFLOW_S3_BUCKET nor MLFLOW_ARTIFACT_ROOT; set one of them",
  );
}

function checkedBucket(bucket: string | undefined): string | undefined {
  // https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
  if (
    bucket === undefined || /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(bucket)
  ) return bucket;
  throw new UsageError(
    `Cannot use MLFLOW_S3_BUCKET "${bucket}": expected a bucket's bare name (3 to 63 of a-z, 0-9, "." and "-"), without s3:// or slashes`,
  );
}

function toJob(read: Read): Job | undefined {
  const [commit, server, repository, run] = [
    "GITHUB_SHA",
    "GITHUB_SERVER_URL",
    "GITHUB_REPOSITORY",
    "GITHUB_RUN_ID",
  ].map(read);
  if (
    commit === undefined || server === undefined || repository === undefined ||
    run === undefined
  ) return undefined;
  return { commit, url: `${server}/${repository}/actions/runs/${run}` };
}

function toAws(read: Read): AwsSettings {
  const secretsRegion = read("MLFLOW_SECRET_REGION") ?? "us-east-1";
  return {
    region: read("AWS_REGION") ?? read("AWS_DEFAULT_REGION") ?? secretsRegion,
    secretsRegion,
    s3Endpoint: read("MLFLOW_S3_ENDPOINT_URL") ?? read("AWS_ENDPOINT_URL_S3") ??
      read("AWS_ENDPOINT_URL"),
    secretsEndpoint: read("AWS_ENDPOINT_URL_SECRETS_MANAGER") ??
      read("AWS_ENDPOINT_URL"),
  };
}

function toTls(read: Read): TlsSettings {
  return {
    sslMode: toSslMode(read("PGSSLMODE"), "PGSSLMODE") ?? "prefer",
    sslRootCertificate: read("PGSSLROOTCERT"),
  };
}

const sslModes = [
  "disable",
  "allow",
  "prefer",
  "require",
  "verify-ca",
  "verify-full",
] as const;

function toSslMode(
  value: string | undefined,
  setting: string,
): TlsSettings["sslMode"] | undefined {
  if (value === undefined) return undefined;
  const mode = sslModes.find((known) => known === value);
  if (mode) return mode;
  throw new UsageError(
    `Cannot use ${setting}: its sslmode is "${value}", expected one of ${
      sslModes.join(", ")
    }`,
  );
}

function toPort(text: string, setting: string): number {
  const port = Number(text);
  if (/^\d+$/.test(text) && port >= 1 && port <= 65535) return port;
  // Not shown: with an odd URI a piece of the password can end up here.
  throw new UsageError(
    `Cannot use the port of ${setting}: expected a number from 1 to 65535`,
  );
}
