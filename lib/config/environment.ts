/** Converts the environment to one frozen {@linkcode Config}; no other module interprets settings. */
import { expandHome } from "./paths.ts";
import { resolve } from "node:path";
import {
  type DatabaseLogin,
  isWeaker,
  parsePostgresUri,
  splitUserinfo,
  type TlsSettings,
  toPort,
  toSslMode,
} from "./postgres-uri.ts";
import { checkSessionOptions } from "./session-options.ts";
import { UsageError } from "../base/errors.ts";
import { nearest } from "../base/nearest.ts";
import { announceSecret } from "../base/redact.ts";

/** Settings of services; if any of them is set, services are configured. */
export const serviceSettings: readonly string[] = [
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

/** All settings whose names only this project or MLflow defines, and those of libpq that apply. */
const settings = [
  ...serviceSettings,
  "MLFLOW_TRACKING_USER",
  "CHURN_HOME",
  "CHURN_FILES",
  "CHURN_HOSTS",
  "CHURN_ALERT_WEBHOOK",
  "CHURN_ALERT_REMINDER_DAYS",
  "PGSSLMODE",
  "PGSSLROOTCERT",
  "PGOPTIONS",
];

/** A variable of MLflow's own server that is near a setting. */
const ofMlflow = ["MLFLOW_TRACKING_DIR"];

/** A name in the environment that is not a known setting. */
export interface UnknownSetting {
  readonly name: string;
  /** The setting that it most likely means; undefined if none is near. */
  readonly meant: string | undefined;
}

/**
 * Returns the names in an environment that are probably misspelled settings: those
 * near a setting, whatever they begin with, and all others that begin with
 * `CHURN_` or `PREDICTIONS_`, because only this project has such settings.
 *
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 *
 * deepStrictEqual(findUnknownSettings(["mlflow_s3_buket", "MLFLOW_RUN_ID"]), [
 *   { name: "mlflow_s3_buket", meant: "MLFLOW_S3_BUCKET" },
 * ]);
 * ```
 */
export function findUnknownSettings(
  names: readonly string[],
): UnknownSetting[] {
  return names.toSorted().flatMap((name) => {
    if ([...settings, ...ofMlflow].includes(name)) return [];
    // A short name is near too many words of others.
    const meant = name.length < 8
      ? undefined
      : nearest(name.toUpperCase(), settings);
    const isOurs = /^(CHURN|PREDICTIONS)_/.test(name);
    return meant === undefined && !isOurs ? [] : [{ name, meant }];
  });
}

/** Says that a name is not a known setting. */
function describeUnknown({ name, meant }: UnknownSetting): string {
  return `${name} is not a known setting and is ignored${
    meant === undefined ? "" : `; did you mean ${meant}?`
  }`;
}

/** The environment as a mapping, such as `Deno.env.toObject()`. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** A secret that has not been read yet, and defaults for the values it may lack. */
export interface SecretReference {
  readonly kind: "secret";
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly database: string;
}

/** An MLflow server and its credentials. */
export interface ServerLogin {
  readonly kind: "server";
  /** Without user, password and trailing slash. */
  readonly uri: string;
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly token: string | undefined;
}

/** Where MLflow's runs and registry are stored. */
export type Tracking =
  | { readonly kind: "embedded" }
  | { readonly kind: "login"; readonly login: DatabaseLogin }
  | SecretReference
  | ServerLogin;

/** Where predictions are stored; `missing` means that no database is configured. */
export type Predictions =
  | { readonly kind: "embedded" }
  | { readonly kind: "login"; readonly login: DatabaseLogin }
  | { readonly kind: "secret"; readonly name: string }
  | { readonly kind: "missing"; readonly what: string };

/** Settings of the AWS clients, except credentials, which they find themselves. */
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

/** All settings that come from the environment. */
export interface Config {
  /** True when no services are configured and everything is stored below `home`. */
  readonly embedded: boolean;
  /** Folder of the embedded database, artifacts and the model cache. */
  readonly home: string;
  readonly tracking: Tracking;
  readonly predictions: Predictions;
  /** `s3://…` or an absolute folder; undefined if the MLflow server chooses it. */
  readonly artifactRoot: string | undefined;
  /** Bucket that models and data are read from; undefined means the local folders. */
  readonly bucket: string | undefined;
  readonly aws: AwsSettings;
  readonly tls: TlsSettings;
  /** Settings that are probably mistakes but are applied; to be printed once. */
  readonly warnings: readonly string[];
  /** The user who runs the command, for tags and the promotion history. */
  readonly user: string;
  /** Undefined outside GitHub Actions. */
  readonly job: Job | undefined;
  readonly alerts: AlertSettings;
}

/** Where `monitor` sends its alerts, as written: a mistake here must not stop any other command. */
export interface AlertSettings {
  /** `CHURN_ALERT_WEBHOOK`; a secret. Undefined: alerts are only printed. */
  readonly webhook: string | undefined;
  /** `CHURN_ALERT_REMINDER_DAYS`; undefined for the default. */
  readonly reminderDays: string | undefined;
}

/**
 * Returns the configuration that an environment describes. Empty values count as
 * absent. Passwords and tokens are announced to the redactor.
 *
 * ```ts
 * import { strictEqual, throws } from "node:assert/strict";
 *
 * strictEqual(loadConfig({}).embedded, true);
 * throws(() => loadConfig({ MLFLOW_S3_BUCKET: "models" }), /MLFLOW_SECRET_NAME/);
 * ```
 *
 * @throws {UsageError} If a value cannot be used or the configuration is incomplete; names the setting.
 */
export function loadConfig(environment: Environment): Config {
  const unknown = findUnknownSettings(Object.keys(environment))
    .map(describeUnknown);
  try {
    return toConfig(environment, unknown);
  } catch (error) {
    if (!(error instanceof UsageError) || unknown.length === 0) throw error;
    throw new UsageError(`${error.message} (${unknown.join("; ")})`);
  }
}

function toConfig(
  environment: Environment,
  unknown: readonly string[],
): Config {
  const read = (name: string) => environment[name]?.trim() || undefined;
  const embedded = !serviceSettings.some((name) => read(name) !== undefined);
  const home = expandHome(read("CHURN_HOME") ?? ".local", read("HOME"));
  const bucket = checkedBucket(read("MLFLOW_S3_BUCKET"));
  // Only the AWS SDK uses these; they are announced so that they are redacted in output.
  announceSecret(read("AWS_SECRET_ACCESS_KEY"));
  announceSecret(read("AWS_SESSION_TOKEN"));
  checkUnsupported(read);
  if (!embedded) checkSessionOptions(read("PGOPTIONS") ?? "", "PGOPTIONS");
  const tracking = embedded ? { kind: "embedded" } as const : toTracking(read);
  const predictions = embedded
    ? { kind: "embedded" } as const
    : toPredictions(read, bucket);
  const tls = toTls(read);
  const config: Config = {
    embedded,
    home,
    tracking,
    predictions,
    artifactRoot: embedded
      ? resolve(home, "artifacts")
      : toArtifactRoot(read("MLFLOW_ARTIFACT_ROOT"), bucket, tracking),
    bucket,
    aws: toAws(read),
    tls,
    warnings: [
      ...unknown,
      ...read("PGSSLMODE") === undefined ? [] : [
        ...warnOfTls(tracking, { tls, setting: "MLFLOW_TRACKING_URI" }),
        ...warnOfTls(predictions, { tls, setting: "PREDICTIONS_DATABASE_URL" }),
      ],
    ],
    user: read("GITHUB_ACTOR") ?? read("MLFLOW_TRACKING_USER") ??
      read("USER") ?? read("LOGNAME") ?? "unknown",
    job: toJob(read),
    alerts: {
      webhook: announcedUrl(read("CHURN_ALERT_WEBHOOK")),
      reminderDays: read("CHURN_ALERT_REMINDER_DAYS"),
    },
  };
  return Object.freeze(config);
}

/** Announces a URL as a secret, also the part after its host. */
function announcedUrl(url: string | undefined): string | undefined {
  const { href, pathname, search } = URL.parse(url ?? "") ?? {};
  for (const part of [href, `${pathname ?? ""}${search ?? ""}`, pathname]) {
    if (part !== "/") announceSecret(part);
  }
  return announceSecret(url);
}

/** The webhook and the reminder period of `monitor`. */
export interface Alerting {
  /** Undefined: alerts are only printed. */
  readonly webhook: URL | undefined;
  /** Days between two alerts while nothing changes; 0: no reminders. */
  readonly reminderDays: number;
}

/**
 * Validates the settings of alerts; reminders come after 28 days by default. The
 * URL of the webhook is a secret and in no message.
 *
 * @throws {UsageError} If the webhook is not an `https` URL with a path, or the reminder is not a number of days.
 */
export function parseAlerting(
  { webhook, reminderDays = "28" }: AlertSettings,
): Alerting {
  const url = webhook === undefined ? undefined : URL.parse(webhook);
  if (
    url === null ||
    url && (url.protocol !== "https:" || url.username !== "" ||
        url.password !== "" || url.pathname === "/")
  ) {
    throw new UsageError(
      "Cannot use CHURN_ALERT_WEBHOOK: expected the https:// URL of an incoming webhook, with its path and without user and password",
    );
  }
  if (!/^\d{1,4}$/.test(reminderDays)) {
    throw new UsageError(
      `Cannot use CHURN_ALERT_REMINDER_DAYS "${reminderDays}": expected a whole number of days, 0 for no reminders`,
    );
  }
  return { webhook: url, reminderDays: Number(reminderDays) };
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
        `MLFLOW_SECRET_NAME; set one of them, or unset all of these settings to use the embedded store`,
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
  const names = serviceSettings.filter((name) => read(name) !== undefined);
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
      `Cannot use MLFLOW_TRACKING_URI: it has a query string or fragment, which MLflow clients do not send; ` +
        `expected http(s)://HOST/PATH, and a token in MLFLOW_TRACKING_TOKEN`,
    );
  }
  // A password may contain "?" and "/"; a path that contains part of a query string is rejected.
  const parts =
    /^(https?:\/\/)(?:([^/?#:@]*(?::.*)?)@)?([\w.~:[\]-]+)(\/[^?#&=]*)?$/i.exec(
      address,
    );
  if (!parts) {
    throw new UsageError(
      "Cannot use MLFLOW_TRACKING_URI: it has no host after http(s)://",
    );
  }
  const [, scheme = "", userinfo, host = "", path = ""] = parts;
  const [username, password] = splitUserinfo(userinfo);
  return {
    kind: "server",
    uri: `${scheme}${host}${path.replace(/\/+$/, "")}`,
    username: read("MLFLOW_TRACKING_USERNAME") ?? username,
    password: announceSecret(read("MLFLOW_TRACKING_PASSWORD") ?? password),
    token: announceSecret(read("MLFLOW_TRACKING_TOKEN")),
  };
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
      "neither PREDICTIONS_DATABASE_URL nor PREDICTIONS_SECRET_NAME is set, and there are no AWS settings",
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
    "Cannot store artifacts: MLflow's database is configured, but neither MLFLOW_S3_BUCKET nor MLFLOW_ARTIFACT_ROOT is; set one of them",
  );
}

function checkedBucket(bucket: string | undefined): string | undefined {
  // https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
  if (
    bucket === undefined || /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(bucket)
  ) return bucket;
  throw new UsageError(
    `Cannot use MLFLOW_S3_BUCKET "${bucket}": expected a bucket name (3 to 63 characters: a-z, 0-9, "." and "-") without s3:// or slashes`,
  );
}

function toJob(read: Read): Job | undefined {
  const [commit, server, repository, run] = [
    "GITHUB_SHA",
    "GITHUB_SERVER_URL",
    "GITHUB_REPOSITORY",
    "GITHUB_RUN_ID",
  ].map(read);
  return commit && server && repository && run
    ? { commit, url: `${server}/${repository}/actions/runs/${run}` }
    : undefined;
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
  const sslRootCertificate = read("PGSSLROOTCERT");
  const usual = sslRootCertificate === "system" ? "verify-full" : "prefer";
  return {
    sslMode: toSslMode(read("PGSSLMODE"), "PGSSLMODE") ?? usual,
    sslRootCertificate,
  };
}

/** Returns a warning if a URI's sslmode, which takes precedence over PGSSLMODE as in libpq, weakens TLS. */
function warnOfTls(
  place: Tracking | Predictions,
  options: { tls: TlsSettings; setting: string },
): string[] {
  const { tls: { sslMode }, setting } = options;
  const own = place.kind === "login" ? place.login.sslMode : undefined;
  if (own === undefined || !isWeaker(own, sslMode)) return [];
  return [
    `${setting} sets sslmode=${own}, which is weaker than PGSSLMODE=${sslMode} and overrides it, as in libpq; remove it from the URI to use ${sslMode}`,
  ];
}

/** Settings of MLflow's Python client that are not supported, and the values that are accepted because they have no effect. */
const unsupported: Readonly<
  Record<string, { readonly harmless: RegExp; readonly instead: string }>
> = {
  MLFLOW_WORKSPACE: {
    harmless: /^default$/,
    instead: "only the default workspace is supported; unset it",
  },
  MLFLOW_TRACKING_INSECURE_TLS: {
    harmless: /^(false|0|no|off)$/i,
    instead:
      "certificates are always verified; unset it and set DENO_CERT to the PEM file of the server's certificate authority",
  },
  MLFLOW_TRACKING_CLIENT_CERT_PATH: {
    harmless: /^$/,
    instead:
      "client certificates are not supported; unset it and log in with MLFLOW_TRACKING_USERNAME or MLFLOW_TRACKING_TOKEN",
  },
  MLFLOW_TRACKING_AWS_SIGV4: {
    harmless: /^(false|0|no|off)$/i,
    instead: "AWS request signing is not supported; unset it",
  },
  MLFLOW_TRACKING_AUTH: {
    harmless: /^$/,
    instead:
      "authentication plugins are not supported; unset it and set MLFLOW_TRACKING_TOKEN",
  },
};

function checkUnsupported(read: Read): void {
  for (const [name, { harmless, instead }] of Object.entries(unsupported)) {
    const value = read(name);
    if (value === undefined || harmless.test(value)) continue;
    throw new UsageError(`Cannot use ${name}: ${instead}`);
  }
  const registry = read("MLFLOW_REGISTRY_URI");
  if (registry !== undefined && registry !== read("MLFLOW_TRACKING_URI")) {
    throw new UsageError(
      "Cannot use MLFLOW_REGISTRY_URI: the registry must be on the tracking server; unset it, or set it to the value of MLFLOW_TRACKING_URI",
    );
  }
  const certificate = read("MLFLOW_TRACKING_SERVER_CERT_PATH");
  if (certificate !== undefined && certificate !== read("DENO_CERT")) {
    throw new UsageError(
      "Cannot use MLFLOW_TRACKING_SERVER_CERT_PATH: set DENO_CERT to the same PEM file; Deno trusts it in addition to its own authorities",
    );
  }
}
