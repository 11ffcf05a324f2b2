/**
 * Parses `postgresql://…` as libpq and SQLAlchemy do: every parameter of the URI
 * is either applied or rejected by name, and none is ignored.
 */
import { UsageError } from "../base/errors.ts";
import { announceSecret } from "../base/redact.ts";
import { checkSessionOptions } from "./session-options.ts";
import { decoded, parseParameters, splitParameters } from "./uri-parameters.ts";

/** TLS settings of every Postgres connection, as libpq names them. */
export interface TlsSettings {
  readonly sslMode: (typeof sslModes)[number];
  /** Path of a PEM file, or `system` for the authorities that Deno trusts. */
  readonly sslRootCertificate: string | undefined;
}

/** Credentials and address of a database; settings that the URI or secret does not contain are undefined. */
export interface DatabaseLogin {
  readonly username: string;
  readonly password: string;
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly sslMode?: TlsSettings["sslMode"] | undefined;
  readonly sslRootCertificate?: string;
  /** Session settings in the syntax of the server's command line: `-c search_path=mlflow`. */
  readonly options?: string;
  readonly applicationName?: string;
  /** Connection timeout in milliseconds; 0 means no limit. */
  readonly connectTimeoutMs?: number;
}

/** libpq's modes, weakest first. */
const sslModes = [
  "disable",
  "allow",
  "prefer",
  "require",
  "verify-ca",
  "verify-full",
] as const;

/**
 * Parses `postgresql://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=…`, with any
 * SQLAlchemy driver suffix. The URI is split at the last `@` instead of parsed
 * with `URL`, whose errors contain the whole text including the password; so a
 * password may contain `@:/?#` literally or percent-encoded. The default port is
 * 5432. Parameters override the parts before them, as in libpq.
 *
 * @param options `setting`: the variable to name in errors.
 * @throws {UsageError} If it is not such a URI, the user, host or database is missing, or a parameter is not supported; never shows the URI.
 */
export function parsePostgresUri(
  uri: string,
  options: { setting: string },
): DatabaseLogin {
  const { setting } = options;
  const [, rest] = /^postgres(?:ql)?(?:\+\w+)?:\/\/(.*)$/is.exec(uri) ?? [];
  if (rest === undefined) {
    throw new UsageError(
      `Cannot use ${setting}: expected postgresql://USER:PASSWORD@HOST:PORT/DATABASE`,
    );
  }
  const { main, query } = splitParameters(rest);
  const at = main.lastIndexOf("@");
  const [username, password] = splitUserinfo(
    at < 0 ? undefined : main.slice(0, at),
  );
  const [, host, port, database, unknown] =
    /^(\[[^\]]+\]|[^/:?#]*)(?::([^/?#]*))?(?:\/([^?#]*))?(?:\?(.*))?$/s.exec(
      main.slice(at + 1),
    ) ?? [];
  const given = parseParameters(query ?? unknown, setting);
  const need = (part: string, value: string | undefined) => {
    if (value) return value;
    throw new UsageError(
      `Cannot use ${setting}: it has no ${part}; expected postgresql://USER:PASSWORD@HOST:PORT/DATABASE`,
    );
  };
  const word = given.get("password");
  const address = toAddress(
    need("host", given.get("host") || (host && decoded(host))),
    { port: given.get("port") || port, setting },
  );
  return {
    username: need("user", given.get("user") || username),
    password: announceSecret(word || password || ""),
    ...address,
    database: need(
      "database",
      given.get("dbname") || (database && decoded(database)),
    ),
    ...toTls(given, setting),
    ...toSession(given, setting),
  };
}

function toAddress(
  text: string,
  options: { port: string | undefined; setting: string },
): { host: string; port: number } {
  const { setting } = options;
  if (/[,]/.test(text) || options.port?.includes(",")) {
    throw new UsageError(
      `Cannot use ${setting}: it has several hosts; use one, such as the cluster's writer endpoint`,
    );
  }
  if (/^[/@]/.test(text)) {
    throw new UsageError(
      `Cannot use ${setting}: its host is a Unix socket directory; use a host that listens on TCP, such as localhost`,
    );
  }
  // SQLAlchemy's form of the parameter: host=NAME:PORT.
  const [, host = text, port] = /^([^:[\]]+):([^:]*)$/.exec(text) ?? [];
  if (port !== undefined && options.port) {
    throw new UsageError(
      `Cannot use ${setting}: it has two ports, one of them in the parameter "host"`,
    );
  }
  return {
    host: host.replace(/^\[|\]$/g, ""),
    port: toPort(port || options.port || "5432", setting),
  };
}

function toTls(
  given: ReadonlyMap<string, string>,
  setting: string,
): Pick<DatabaseLogin, "sslMode" | "sslRootCertificate"> {
  const certificate = given.get("sslrootcert") || undefined;
  const usual = certificate === "system"
    ? "verify-full"
    : given.has("ssl")
    ? "require"
    : undefined;
  return {
    sslMode: toSslMode(given.get("sslmode"), setting) ?? usual,
    ...certificate === undefined ? {} : { sslRootCertificate: certificate },
  };
}

function toSession(
  given: ReadonlyMap<string, string>,
  setting: string,
): Pick<DatabaseLogin, "options" | "applicationName" | "connectTimeoutMs"> {
  const session = given.get("options");
  if (session) checkSessionOptions(session, setting);
  const name = given.get("application_name") ||
    given.get("fallback_application_name");
  const timeout = given.get("connect_timeout") || undefined;
  if (timeout !== undefined && !/^-?\d{1,6}$/.test(timeout)) {
    throw new UsageError(
      `Cannot use ${setting}: its connect_timeout must be a whole number of seconds`,
    );
  }
  return {
    ...session ? { options: session } : {},
    ...name ? { applicationName: name } : {},
    // As in libpq, zero and negative values mean no limit.
    ...timeout === undefined
      ? {}
      : { connectTimeoutMs: Math.max(0, Number(timeout)) * 1000 },
  };
}

/** Returns true if the first mode is weaker than the second. */
export function isWeaker(
  mode: TlsSettings["sslMode"],
  than: TlsSettings["sslMode"],
): boolean {
  return sslModes.indexOf(mode) < sslModes.indexOf(than);
}

/** Returns the decoded user and password of a URI; the password is announced to the redactor. */
export function splitUserinfo(
  userinfo: string | undefined,
): [string | undefined, string | undefined] {
  if (userinfo === undefined) return [undefined, undefined];
  const colon = userinfo.indexOf(":");
  if (colon < 0) return [decoded(userinfo), undefined];
  // The undecoded password is also announced, so that an unusual encoding of it is redacted too.
  const written = announceSecret(userinfo.slice(colon + 1));
  return [decoded(userinfo.slice(0, colon)), announceSecret(decoded(written))];
}

/** Validates one of libpq's TLS modes; returns undefined for undefined. @throws {UsageError} For any other value. */
export function toSslMode(
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

/** Parses a TCP port number. @throws {UsageError} If it is not one; names the setting. */
export function toPort(text: string, setting: string): number {
  const port = Number(text);
  if (/^\d+$/.test(text) && port >= 1 && port <= 65535) return port;
  // The value is not shown, because a malformed URI can put part of the password here.
  throw new UsageError(
    `Cannot use the port of ${setting}: expected a number from 1 to 65535`,
  );
}
