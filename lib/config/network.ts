/** Determines which hosts a command may connect to, from the configuration and its command line. */
import { type Config, type Environment, loadConfig } from "./environment.ts";
import { UsageError } from "../base/errors.ts";

/**
 * Returns the hosts that a command may connect to, as `HOST:PORT` for
 * `--allow-net`; undefined if it may connect to any. Embedded, there are none.
 * Otherwise they are the database, the MLflow server and the endpoints of AWS
 * that the settings name, and the hosts in `CHURN_HOSTS`; with `alerts`, also the
 * webhook's, which is the only one when embedded. If Secrets Manager
 * holds a database's login, only its secret names the host, so that every host
 * is allowed unless `CHURN_HOSTS` is set.
 *
 * @param options `uris`: the URIs on the command line, which may name S3; `alerts`: whether the command posts to the webhook.
 * @returns An empty list if the configuration is invalid, which the command itself reports.
 * @throws {UsageError} If `CHURN_HOSTS` is not a list of hosts with ports.
 */
export function hostsFor(
  environment: Environment,
  options: { uris: readonly string[]; alerts?: boolean | undefined },
): readonly string[] | undefined {
  const named = parseHosts(environment.CHURN_HOSTS ?? "");
  const config = loadValid(environment);
  if (!config) return [];
  const { tracking, predictions } = config;
  const webhook = options.alerts
    ? addressOf(config.alerts.webhook ?? "")
    : undefined;
  const hasSecret = tracking.kind === "secret" || predictions.kind === "secret";
  if (hasSecret && named.length === 0) return undefined;
  const needsS3 = tracking.kind === "server" || config.bucket !== undefined ||
    [config.artifactRoot ?? "", ...options.uris].some((uri) =>
      /^s3a?:/i.test(uri)
    );
  const hosts = [
    ...[tracking, predictions].map((place) => {
      if (place.kind === "login") return toAddress(place.login);
      return place.kind === "server" ? addressOf(place.uri) : undefined;
    }),
    // The secret need not repeat what these settings say.
    tracking.kind === "secret" && environment.MLFLOW_DB_HOST?.trim()
      ? toAddress(tracking)
      : undefined,
    ...needsS3 || hasSecret
      ? awsHosts(config, { environment, needsS3, hasSecret })
      : [],
  ].filter((host) => host !== undefined);
  const posted = webhook === undefined ? [] : [webhook];
  if (hosts.length === 0) return posted;
  // Whoever names AWS's hosts in CHURN_HOSTS wants these, not all.
  const namesAws = named.some((host) => awsDomain.test(host));
  return [
    ...new Set([
      ...hosts.filter((host) => !(namesAws && host.startsWith("*."))),
      ...named,
      ...posted,
    ]),
  ];
}

const awsDomain = /\.(amazonaws\.(com(\.cn)?|eu)|api\.aws):/i;

function loadValid(environment: Environment): Config | undefined {
  try {
    return loadConfig(environment);
  } catch (error) {
    if (error instanceof UsageError) return undefined;
    throw error;
  }
}

/** Matches a host as Deno accepts it: a name, a name behind `*.`, an IPv4 or an IPv6 address in brackets. */
const hostPattern =
  /^(?:(?:\*\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?|\[[0-9a-f:.]+\])$/i;

function parseHosts(text: string): string[] {
  return text.split(",").map((host) => host.trim()).filter((host) =>
    host !== ""
  ).map((entry) => {
    const [, host = "", port = ""] = /^(.*):(\d{1,5})$/.exec(entry) ?? [];
    if (
      hostPattern.test(host) && Number(port) >= 1 && Number(port) <= 65535
    ) return entry;
    throw new UsageError(
      `Cannot use CHURN_HOSTS: "${entry}" is not HOST:PORT; expected a list such as db.example.com:5432,[fd00::1]:5432`,
    );
  });
}

/** Returns `HOST:PORT`; undefined for a host that Deno cannot connect to either. */
function toAddress(
  { host, port }: { readonly host: string; readonly port: number },
): string | undefined {
  const written = host.includes(":") ? `[${host}]` : host;
  return hostPattern.test(written) ? `${written}:${port}` : undefined;
}

/** Returns `HOST:PORT` of a URL, with the port of its scheme if it has none. */
function addressOf(url: string): string | undefined {
  const { hostname, port, protocol } = URL.parse(url) ?? {};
  if (!hostname || !hostPattern.test(hostname)) return undefined;
  return `${hostname}:${port || (protocol === "http:" ? "80" : "443")}`;
}

/** Returns the hosts of S3 and Secrets Manager, and those from which the AWS SDK gets its credentials. */
function awsHosts(
  { aws }: Config,
  options: { environment: Environment; needsS3: boolean; hasSecret: boolean },
): (string | undefined)[] {
  const { environment, needsS3, hasSecret } = options;
  const everywhere = [...new Set([aws.region, aws.secretsRegion])].map((
    region,
  ) => `*.${domainOf(region)}:443`);
  if (/^true$/i.test(environment.AWS_USE_DUALSTACK_ENDPOINT ?? "")) {
    everywhere.push("*.api.aws:443");
  }
  const at = (endpoint: string | undefined) =>
    endpoint === undefined || endpoint === ""
      ? everywhere
      : [addressOf(endpoint)];
  return [
    ...needsS3 ? at(aws.s3Endpoint) : [],
    ...hasSecret ? at(aws.secretsEndpoint) : [],
    ...credentialHosts(
      environment,
      at(environment.AWS_ENDPOINT_URL_STS || environment.AWS_ENDPOINT_URL),
    ),
  ];
}

function domainOf(region: string): string {
  if (region.startsWith("cn-")) return "amazonaws.com.cn";
  return region.startsWith("eusc-") ? "amazonaws.eu" : "amazonaws.com";
}

/** Returns the hosts of the AWS SDK's default credential chain, up to the first link that the environment selects. */
function credentialHosts(
  environment: Environment,
  sts: readonly (string | undefined)[],
): (string | undefined)[] {
  const isSet = (name: string) => Boolean(environment[name]);
  const hasKeys = isSet("AWS_ACCESS_KEY_ID") && isSet("AWS_SECRET_ACCESS_KEY");
  if (hasKeys && !isSet("AWS_PROFILE")) return [];
  if (isSet("AWS_WEB_IDENTITY_TOKEN_FILE") && !isSet("AWS_PROFILE")) {
    return [...sts];
  }
  // A profile may use single sign-on or a role, and its role the container or the machine.
  const hosts = [...sts, "*.signin.aws.amazon.com:443"];
  if (isSet("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")) {
    return [...hosts, "169.254.170.2:80"];
  }
  const full = environment.AWS_CONTAINER_CREDENTIALS_FULL_URI;
  if (full) return [...hosts, addressOf(full)];
  if (/^true$/i.test(environment.AWS_EC2_METADATA_DISABLED ?? "")) return hosts;
  const isV6 = /^ipv6$/i.test(
    environment.AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE ?? "",
  );
  return [
    ...hosts,
    addressOf(
      environment.AWS_EC2_METADATA_SERVICE_ENDPOINT ||
        (isV6 ? "http://[fd00:ec2::254]" : "http://169.254.169.254"),
    ),
  ];
}
