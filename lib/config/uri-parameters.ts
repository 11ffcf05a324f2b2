/** Parses the parameters of a `postgresql://` URI: each of libpq's is applied, accepted or rejected. */
import { UsageError } from "../base/errors.ts";
import { announceSecret } from "../base/redact.ts";

/** All parameters that are applied; the first five override the parts of the URI before them. */
const honoured = [
  "host",
  "port",
  "user",
  "password",
  "dbname",
  "sslmode",
  "sslrootcert",
  "options",
  "application_name",
  "fallback_application_name",
  "connect_timeout",
];

/** Parameters that are accepted with values that match the existing behaviour. */
const accepted: Readonly<Record<string, RegExp>> = {
  channel_binding: /^(disable|prefer)$/,
  client_encoding: /^(utf-?8|auto)$/i,
  gssencmode: /^(disable|prefer)$/,
  keepalives: /^1$/,
  load_balance_hosts: /^(disable|random)$/,
  sslcompression: /^0$/,
  sslnegotiation: /^postgres$/,
  sslsni: /^1$/,
  ssl: /^true$/, // libpq reads it as sslmode=require
  target_session_attrs: /^(any|prefer-standby)$/,
};

/** What to do instead of using a rejected parameter. */
const advice: Readonly<Record<string, string>> = {
  channel_binding: "sslmode=verify-full protects the login as well",
  hostaddr: "use the address as the host",
  passfile: "put the password in the URI or in a secret",
  service: "put its settings into the URI",
  servicefile: "put its settings into the URI",
  sslcert: "client certificates are not supported; log in with a password",
  sslkey: "client certificates are not supported; log in with a password",
  sslpassword: "client certificates are not supported; log in with a password",
  target_session_attrs: "use the host that has the role",
};

/** libpq's other parameters, which are not supported. */
const refused =
  "gssdelegation gsslib keepalives_count keepalives_idle keepalives_interval krbsrvname max_protocol_version min_protocol_version replication require_auth requirepeer requiressl ssl_max_protocol_version ssl_min_protocol_version sslcertmode sslcrl sslcrldir sslkeylogfile tcp_user_timeout";

/** Matches a `?` followed by a known parameter, where the parameters begin; any other `?` may be part of a password. */
const start = new RegExp(
  `\\?(?=(?:${
    [
      ...honoured,
      ...Object.keys(accepted),
      ...Object.keys(advice),
      ...refused.split(" "),
    ].join("|")
  })=)`,
);

/**
 * Splits a URI before its parameters, so that a `@` in a parameter is not read
 * as part of the login, and a password may contain `?`.
 */
export function splitParameters(
  uri: string,
): { main: string; query: string | undefined } {
  const at = uri.search(start);
  return at < 0
    ? { main: uri, query: undefined }
    : { main: uri.slice(0, at), query: uri.slice(at + 1) };
}

/**
 * Returns the decoded name and value of each parameter.
 *
 * @throws {UsageError} If one is repeated or not supported; names it and the setting.
 */
export function parseParameters(
  query: string | undefined,
  setting: string,
): Map<string, string> {
  const given = new Map<string, string>();
  for (const pair of (query ?? "").split("&")) {
    if (pair === "") continue;
    const equals = pair.indexOf("=");
    const name = decoded(equals < 0 ? pair : pair.slice(0, equals));
    const written = equals < 0 ? "" : pair.slice(equals + 1);
    if (name === "password") announceSecret(written);
    const value = toValue(name, { written, setting });
    if (given.has(name)) {
      throw new UsageError(
        `Cannot use ${setting}: the parameter "${name}" occurs twice`,
      );
    }
    checkParameter(name, { value, setting });
    given.set(name, value);
  }
  return given;
}

/** Rejects unsupported parameters. The error shows a name only if it looks like one, because a malformed URI can put part of the password here. */
function checkParameter(
  name: string,
  options: { value: string; setting: string },
): void {
  const { value, setting } = options;
  if (honoured.includes(name)) return;
  const wanted = accepted[name];
  if (wanted?.test(value)) return;
  const start = /^[A-Za-z_]{1,40}$/.test(name)
    ? `Cannot use ${setting}: its parameter "${name}" is not supported`
    : `Cannot use ${setting}: one of its parameters is not supported`;
  const but = wanted ? ` with this value` : "";
  const known = [...honoured, ...Object.keys(accepted)].sort().join(", ");
  throw new UsageError(
    `${start}${but}: remove it${
      advice[name] === undefined ? "" : `; ${advice[name]}`
    } (supported: ${known})`,
  );
}

/**
 * Decodes a parameter's value. SQLAlchemy reads `+` as a space, libpq reads it
 * literally. In `options` only the space makes sense; in other parameters `+` is
 * rejected, because the two would read it differently.
 */
function toValue(
  name: string,
  options: { written: string; setting: string },
): string {
  const { written, setting } = options;
  if (!written.includes("+")) return decoded(written);
  if (name === "options") return decoded(written.replaceAll("+", " "));
  throw new UsageError(
    `Cannot use ${setting}: the "+" in its parameter "${name}" is a space to SQLAlchemy and a plus sign to libpq; write %20 or %2B`,
  );
}

/** Decodes valid percent-escapes and leaves every other `%` unchanged. */
export function decoded(text: string): string {
  return text.replace(/(?:%[0-9A-Fa-f]{2})+/g, (escapes) => {
    try {
      return decodeURIComponent(escapes);
    } catch {
      return escapes;
    }
  });
}
