import {
  deepStrictEqual,
  match,
  ok,
  strictEqual,
  throws,
} from "node:assert/strict";
import {
  type Environment,
  loadConfig,
  parseAlerting,
} from "../../lib/config/environment.ts";
import { UsageError } from "../../lib/base/errors.ts";
import { redact } from "../../lib/base/redact.ts";
import { runPython, testWithPython } from "../support/python.ts";
import { difficultPassword } from "../support/servers.ts";

/** Throws a UsageError whose message matches; never one that shows `hidden`. */
function refuses(
  environment: Environment,
  message: RegExp,
  hidden?: string,
): void {
  throws(() => loadConfig(environment), (error) => {
    strictEqual((error as Error).constructor, UsageError);
    match((error as Error).message, message);
    if (hidden !== undefined) {
      strictEqual((error as Error).message.includes(hidden), false);
    }
    return true;
  });
}

/** A whole configuration, to take parts away from. */
const whole = {
  MLFLOW_SECRET_NAME: "mlflow-db",
  MLFLOW_S3_BUCKET: "churn-models",
};
const root = { MLFLOW_ARTIFACT_ROOT: "/srv/artifacts" };

Deno.test("loadConfig() without settings returns the embedded default", () => {
  for (const environment of [{}, { MLFLOW_S3_BUCKET: "", AWS_PROFILE: "x" }]) {
    const config = loadConfig(environment);
    strictEqual(config.embedded, true);
    strictEqual(config.home, ".local");
    deepStrictEqual(config.tracking, { kind: "embedded" });
    deepStrictEqual(config.predictions, { kind: "embedded" });
    match(config.artifactRoot!, /^\/.*\/\.local\/artifacts$/);
  }
});

Deno.test("loadConfig() with a secret and a bucket has the documented defaults", () => {
  const config = loadConfig(whole);
  strictEqual(config.embedded, false);
  deepStrictEqual(config.tracking, {
    kind: "secret",
    name: "mlflow-db",
    host: "localhost",
    port: 5432,
    database: "mlflow_db",
  });
  deepStrictEqual(config.predictions, {
    kind: "secret",
    name: "predictions-pg-database",
  });
  strictEqual(config.artifactRoot, "s3://churn-models/");
  strictEqual(config.aws.secretsRegion, "us-east-1");
  strictEqual(config.tls.sslMode, "prefer");
});

Deno.test("loadConfig() rejects a partial configuration, and names what is missing", () => {
  refuses(
    { MLFLOW_SECRET_NAME: "mlflow-db" },
    /neither MLFLOW_S3_BUCKET nor MLFLOW_ARTIFACT_ROOT/,
  );
  refuses(
    { MLFLOW_TRACKING_URI: "postgresql://u:p@h/d" },
    /neither MLFLOW_S3_BUCKET nor MLFLOW_ARTIFACT_ROOT/,
  );
  // Each of these alone means that somebody wanted services.
  const halves = {
    MLFLOW_S3_BUCKET: "churn-models",
    MLFLOW_ARTIFACT_ROOT: "s3://churn-models/mlflow",
    MLFLOW_DB_NAME: "mlflow_db",
    MLFLOW_DB_HOST: "db.example",
    MLFLOW_DB_PORT: "5433",
    MLFLOW_S3_ENDPOINT_URL: "http://127.0.0.1:9000",
    PREDICTIONS_SECRET_NAME: "predictions",
    PREDICTIONS_DATABASE_URL: "postgresql://u:p@h/d",
  };
  for (const [name, value] of Object.entries(halves)) {
    refuses(
      { [name]: value },
      new RegExp(
        `${name} is set, but neither MLFLOW_TRACKING_URI nor MLFLOW_SECRET_NAME`,
      ),
    );
  }
  refuses(
    { MLFLOW_S3_BUCKET: "churn-models", MLFLOW_DB_HOST: "db.example" },
    /MLFLOW_DB_HOST, MLFLOW_S3_BUCKET are set, but neither/,
  );
});

Deno.test("loadConfig() needs no bucket with a server, but reports the missing predictions settings", () => {
  const config = loadConfig({ MLFLOW_TRACKING_URI: "http://mlflow:5000" });
  strictEqual(config.artifactRoot, undefined);
  strictEqual(config.predictions.kind, "missing");
});

Deno.test("loadConfig() prefers MLFLOW_TRACKING_URI to the secret and its five settings", () => {
  const { tracking } = loadConfig({
    ...whole,
    MLFLOW_TRACKING_URI: "postgresql://u:word@h:1/d",
    MLFLOW_DB_HOST: "other",
  });
  strictEqual(tracking.kind === "login" && tracking.login.host, "h");
});

/** Passwords and how each may stand in a URI. */
const passwords = [
  "plain",
  "p@ss",
  "a:b",
  "a/b",
  "a#b",
  "a?b=c",
  "p@ss:w/rd#1?x",
  "100%",
  "50%/5",
  "with space",
  "é✓",
  "trailing@",
];

for (const password of [...passwords, difficultPassword]) {
  Deno.test(`loadConfig() reads the password ${password} out of a URI, percent-encoded`, () => {
    const encoded = encodeURIComponent(password);
    const { tracking } = loadConfig({
      ...root,
      MLFLOW_TRACKING_URI: `postgresql://me:${encoded}@db.example:6543/mlflow`,
    });
    deepStrictEqual(tracking, {
      kind: "login",
      login: {
        username: "me",
        password,
        host: "db.example",
        port: 6543,
        database: "mlflow",
        sslMode: undefined,
      },
    });
  });
}

for (const password of passwords) {
  Deno.test(`loadConfig() reads the password ${password} out of a URI as it is`, () => {
    const uri = (scheme: string) =>
      `${scheme}://me:${password}@db.example/mlflow`;
    const { tracking, predictions } = loadConfig({
      ...root,
      MLFLOW_TRACKING_URI: uri("postgresql"),
      PREDICTIONS_DATABASE_URL: uri("postgres"),
    });
    for (const { kind, ...rest } of [tracking, predictions]) {
      strictEqual(kind, "login");
      const { login } = rest as { login: { password: string; host: string } };
      strictEqual(login.password, password);
      strictEqual(login.host, "db.example");
    }
    const server = loadConfig({
      MLFLOW_TRACKING_URI: `https://me:${password}@mlflow.example:8443/sub/`,
    }).tracking;
    deepStrictEqual(server, {
      kind: "server",
      uri: "https://mlflow.example:8443/sub",
      username: "me",
      password,
      token: undefined,
    });
  });
}

Deno.test("loadConfig() accepts every driver suffix that SQLAlchemy has for Postgres", () => {
  const schemes = [
    "postgresql",
    "postgres",
    "postgresql+psycopg2",
    "postgresql+psycopg",
    "postgresql+asyncpg",
    "postgresql+pg8000",
    "POSTGRESQL+PSYCOPG2",
  ];
  for (const scheme of schemes) {
    const { tracking } = loadConfig({
      ...root,
      MLFLOW_TRACKING_URI: `${scheme}://u:word@h/d`,
    });
    strictEqual(tracking.kind, "login", scheme);
  }
});

Deno.test("loadConfig() reads hosts, ports and sslmode of a URI", () => {
  const login = (rest: string) => {
    const uri = `postgresql://u:word@${rest}`;
    const { tracking } = loadConfig({ ...root, MLFLOW_TRACKING_URI: uri });
    return tracking.kind === "login" ? tracking.login : undefined;
  };
  strictEqual(login("[::1]:5433/d")?.host, "::1");
  strictEqual(login("[::1]:5433/d")?.port, 5433);
  strictEqual(login("h/d")?.port, 5432);
  strictEqual(login("h/d?sslmode=verify-full")?.sslMode, "verify-full");
  strictEqual(login("h/my%20db")?.database, "my db");
});

Deno.test("loadConfig() rejects an invalid URI without showing it", () => {
  const bad = (uri: string, message: RegExp) => {
    refuses({ ...root, MLFLOW_TRACKING_URI: uri }, message, "hidden-word");
    refuses(
      {
        ...root,
        MLFLOW_TRACKING_URI: "http://mlflow",
        PREDICTIONS_DATABASE_URL: uri,
      },
      /PREDICTIONS_DATABASE_URL/,
      "hidden-word",
    );
  };
  bad("postgresql://u:hidden-word@h", /has no database/);
  bad("postgresql://u:hidden-word@/d", /has no host/);
  bad("postgresql://h/d", /has no user/);
  bad("postgresql://u:hidden-word@h:99999/d", /port of MLFLOW_TRACKING_URI/);
  bad("postgresql://u:hidden-word@h:x/d", /port of MLFLOW_TRACKING_URI/);
  bad("postgresql://u:hidden-word@h/d?sslmode=on", /sslmode is "on"/);
  bad("postgresql:u:hidden-word@h/d", /MLFLOW_TRACKING_URI/);
  bad("mysql://u:hidden-word@h/d", /scheme is "mysql"/);
  bad("sqlite:///mlflow.db", /scheme is "sqlite"/);
  bad("u:hidden-word@h/d", /MLFLOW_TRACKING_URI/);
  refuses({ MLFLOW_TRACKING_URI: "https://" }, /has no host/);
  for (
    const uri of [
      "https://mlflow?token=canary-in-uri",
      "https://mlflow/?token=canary-in-uri",
      "https://mlflow:8443/sub/path?a=b&token=canary-in-uri",
      "https://me:pass@mlflow/?token=canary-in-uri",
      "https://mlflow/?mail=a@b&token=canary-in-uri",
      "https://mlflow:80/?mail=a@b/&token=canary-in-uri",
      "https://mlflow/#canary-in-uri",
    ]
  ) {
    refuses(
      { MLFLOW_TRACKING_URI: uri },
      /^(?!.*canary-in-uri).*(query string|has no host)/,
    );
  }
});

/** The login of `postgresql://…`, read from both settings that take one. */
function loginOf(uri: string) {
  const { tracking, predictions } = loadConfig({
    ...root,
    MLFLOW_TRACKING_URI: uri,
    PREDICTIONS_DATABASE_URL: uri,
  });
  if (tracking.kind !== "login" || predictions.kind !== "login") {
    throw new TypeError("expected a login");
  }
  deepStrictEqual(predictions.login, tracking.login);
  return tracking.login;
}

const parameterUris = [
  "postgresql://u:word@h/d?options=-csearch_path%3Dmlflow",
  "postgresql://u:word@h/d?options=-c%20search_path%3Dmlflow%20--statement-timeout%3D5s",
  "postgresql://u:word@h/d?options=-csearch_path%3Da%5C%20b&application_name=score%20job",
  "postgresql://u:word@h:1/d?port=6543&host=db.example&user=other&dbname=second&password=p%40%3D%26w",
  "postgresql://h/d?user=u&password=p@ss/w:rd?x",
  "postgresql://u:word@h/d?sslmode=verify-ca&sslrootcert=%2Fetc%2Fca%20of%20ours.pem",
  "postgresql://u:word@h/d?connect_timeout=7&application_name=é%26✓",
  "postgresql://u:word@h/d?ssl=true",
  "postgresql://u:word@[2001:db8::1]:6543/my%20db?target_session_attrs=any&gssencmode=disable&keepalives=1",
  "postgres://u:word@h/d?host=&sslmode=require&",
];

testWithPython(
  "loadConfig() reads a URI's parameters as libpq does (psycopg2 2.9)",
  async () => {
    const code = `import json, sys
from psycopg2.extensions import parse_dsn
print(json.dumps([parse_dsn(uri) for uri in json.loads(sys.argv[1])]))`;
    const { stdout } = await runPython("mlflow-3.17.2", code, {
      args: [JSON.stringify(parameterUris)],
    });
    const expected: Record<string, string>[] = JSON.parse(stdout);
    strictEqual(expected.length, parameterUris.length);
    for (const [index, uri] of parameterUris.entries()) {
      const dsn = expected[index] ?? {};
      const login = loginOf(uri);
      const found = {
        user: login.username,
        password: login.password,
        host: login.host,
        port: String(login.port),
        dbname: login.database,
        sslmode: login.sslMode,
        sslrootcert: login.sslRootCertificate,
        options: login.options,
        application_name: login.applicationName,
        connect_timeout: login.connectTimeoutMs,
      };
      const seconds = dsn["connect_timeout"];
      deepStrictEqual(found, {
        user: dsn["user"],
        password: dsn["password"],
        host: dsn["host"] || "h", // an empty host is libpq's default, which we have not
        port: dsn["port"] ?? "5432",
        dbname: dsn["dbname"],
        sslmode: dsn["sslmode"],
        sslrootcert: dsn["sslrootcert"],
        options: dsn["options"],
        application_name: dsn["application_name"],
        connect_timeout: seconds === undefined
          ? undefined
          : Number(seconds) * 1000,
      }, uri);
    }
  },
);

Deno.test("loadConfig() reads parameters as SQLAlchemy does where libpq differs", () => {
  const { host, port } = loginOf("postgresql+psycopg2://u:w0rd@/d?host=h:6543");
  deepStrictEqual([host, port], ["h", 6543]);
  strictEqual(
    loginOf("postgresql://u:w0rd@h/d?options=-c+search_path%3Dmlflow").options,
    "-c search_path=mlflow",
  );
  strictEqual(
    loginOf("postgresql://u:w0rd@h/d?sslrootcert=system").sslMode,
    "verify-full",
  );
});

Deno.test("loadConfig() rejects every unsupported parameter by name, without showing values", () => {
  const bad = (
    parameters: string,
    message: RegExp,
    start = "u:hidden-word@h/d",
  ) => {
    const uri = `postgresql://${start}?${parameters}`;
    refuses({ ...root, MLFLOW_TRACKING_URI: uri }, message, "hidden-word");
    refuses(
      { MLFLOW_TRACKING_URI: "http://mlflow", PREDICTIONS_DATABASE_URL: uri },
      message,
      "hidden-word",
    );
  };
  /** What libpq 17 knows beside what is honoured (manual, 32.1.2), SQLAlchemy's and psycopg's own, and slips. */
  const names =
    `hostaddr passfile require_auth channel_binding client_encoding keepalives keepalives_idle keepalives_interval
    keepalives_count tcp_user_timeout replication gssencmode sslnegotiation sslcompression sslcert sslkey sslkeylogfile sslpassword
    sslcertmode sslcrl sslcrldir sslsni requirepeer ssl_min_protocol_version ssl_max_protocol_version krbsrvname gsslib gssdelegation
    service servicefile target_session_attrs load_balance_hosts requiressl min_protocol_version username database prepare_threshold
    prepared_statement_cache_size pgbouncer schema currentSchema SSLMODE searchpath`
      .split(/\s+/);
  for (const name of names) {
    const message = new RegExp(
      `parameter "${name}" is not supported.*remove it`,
    );
    bad(`${name}=hidden-word`, message);
    bad(`sslmode=require&${name}=x@y/z`, message);
    if (name !== "schema") bad(`${name}=`, message);
  }
  bad("hostaddr=10.0.0.1", /use the address as the host/);
  bad("channel_binding=require", /sslmode=verify-full/);
  bad("target_session_attrs=read-write", /use the host that has the role/);
  bad("sslmode=require&sslmode=disable", /"sslmode" occurs twice/);
  bad("password=hidden-word+1", /"\+" in its parameter "password".*%2B/);
  bad("connect_timeout=soon", /connect_timeout/);
  bad("hidden-word%20x=1", /one of its parameters/);
  bad("host=%2Fvar%2Frun%2Fpostgresql", /Unix socket/);
  bad("host=a,b", /several hosts/);
  bad("sslmode=prefer", /several hosts/, "u:hidden-word@a:1,b:2/d");
  bad("sslmode=prefer", /several hosts/, "u:hidden-word@a,b/d");
  bad("host=a&host=b", /"host" occurs twice/);
  bad("port=6543,6544", /several hosts/);
});

Deno.test("loadConfig() rejects session options that would change what is read or stored", () => {
  const uri = (options: string) =>
    `postgresql://u:word@h/d?options=${encodeURIComponent(options)}`;
  for (
    const options of [
      "-ctimezone=Europe/Paris",
      "-c TimeZone=CET",
      "--datestyle=german",
      "-c search_path=mlflow -c extra_float_digits=0",
      "-cclient_encoding=LATIN1",
      "-c synchronous-commit=off",
      "search_path=mlflow",
      "-c search_path",
      "-c",
      "-d 5",
    ]
  ) {
    refuses(
      { ...root, MLFLOW_TRACKING_URI: uri(options) },
      /the options of MLFLOW_TRACKING_URI/,
    );
    refuses({ ...whole, PGOPTIONS: options }, /the options of PGOPTIONS/);
    strictEqual(loadConfig({ PGOPTIONS: options }).embedded, true);
  }
  for (
    const options of [
      "-ctimezone=UTC",
      "-c search_path=mlflow,public",
      '--search-path="My\\ Schema"',
      "-c lock_timeout=5s -c role=churn",
    ]
  ) {
    strictEqual(loginOf(uri(options)).options, options);
  }
});

Deno.test("loadConfig() warns when a URI weakens PGSSLMODE", () => {
  const { warnings } = loadConfig({
    ...root,
    PGSSLMODE: "verify-full",
    MLFLOW_TRACKING_URI: "postgresql://u:word@h/d?sslmode=disable",
    PREDICTIONS_DATABASE_URL: "postgresql://u:word@h/d?sslmode=verify-full",
  });
  strictEqual(warnings.length, 1);
  match(
    warnings[0] ?? "",
    /MLFLOW_TRACKING_URI sets sslmode=disable.*PGSSLMODE=verify-full.*remove it/,
  );
  const uri = "postgresql://u:word@h/d?sslmode=disable";
  deepStrictEqual(
    loadConfig({ ...root, MLFLOW_TRACKING_URI: uri }).warnings,
    [],
  );
});

Deno.test("loadConfig() rejects MLflow client settings that it does not support", () => {
  const uri = "https://mlflow.example";
  const given: Record<string, string> = {
    MLFLOW_REGISTRY_URI: "https://registry.example",
    MLFLOW_WORKSPACE: "team",
    MLFLOW_TRACKING_INSECURE_TLS: "true",
    MLFLOW_TRACKING_SERVER_CERT_PATH: "/etc/ca.pem",
    MLFLOW_TRACKING_CLIENT_CERT_PATH: "/etc/client.pem",
    MLFLOW_TRACKING_AWS_SIGV4: "true",
    MLFLOW_TRACKING_AUTH: "databricks",
  };
  for (const [name, value] of Object.entries(given)) {
    const message = new RegExp(`^Cannot use ${name}: .*(unset|DENO_CERT)`);
    refuses({ MLFLOW_TRACKING_URI: uri, [name]: value }, message);
    refuses({ [name]: value }, message);
  }
  const harmless = {
    MLFLOW_REGISTRY_URI: uri,
    MLFLOW_WORKSPACE: "default",
    MLFLOW_TRACKING_INSECURE_TLS: "false",
    MLFLOW_TRACKING_SERVER_CERT_PATH: "/etc/ca.pem",
    DENO_CERT: "/etc/ca.pem",
  };
  const { tracking } = loadConfig({ MLFLOW_TRACKING_URI: uri, ...harmless });
  strictEqual(tracking.kind, "server");
});

Deno.test("loadConfig() rejects other invalid settings by name", () => {
  refuses({ ...whole, MLFLOW_DB_PORT: "0" }, /port of MLFLOW_DB_PORT/);
  refuses({ ...whole, MLFLOW_DB_PORT: "5432.5" }, /port of MLFLOW_DB_PORT/);
  refuses(
    { ...whole, PGSSLMODE: "verify" },
    /PGSSLMODE: its sslmode is "verify"/,
  );
  for (const bucket of ["s3://churn", "Churn", "a", "churn/models"]) {
    refuses({ ...whole, MLFLOW_S3_BUCKET: bucket }, /MLFLOW_S3_BUCKET/);
  }
});

Deno.test("loadConfig() announces every secret of the environment to the redactor", () => {
  loadConfig({
    ...root,
    MLFLOW_TRACKING_URI: "http://me:canary-in-uri@mlflow",
    MLFLOW_TRACKING_TOKEN: "canary-token",
    PREDICTIONS_DATABASE_URL:
      "postgresql://u:canary%2Durl@h/d?password=canary%2Dparameter",
    AWS_SECRET_ACCESS_KEY: "canary-aws-key",
    AWS_SESSION_TOKEN: "canary-aws-session",
  });
  const text =
    "canary-in-uri canary-token canary-url canary%2Durl canary-aws-key canary-aws-session canary-parameter canary%2Dparameter";
  strictEqual(redact(text), "*** *** *** *** *** *** *** ***");
});

Deno.test("loadConfig() reads the endpoints in the documented order", () => {
  const { aws } = loadConfig({
    ...whole,
    MLFLOW_S3_ENDPOINT_URL: "http://a",
    AWS_ENDPOINT_URL_S3: "http://b",
    AWS_ENDPOINT_URL: "http://c",
    MLFLOW_SECRET_REGION: "eu-north-1",
  });
  deepStrictEqual(aws, {
    region: "eu-north-1",
    secretsRegion: "eu-north-1",
    s3Endpoint: "http://a",
    secretsEndpoint: "http://c",
  });
  const { s3Endpoint } = loadConfig({
    ...whole,
    AWS_ENDPOINT_URL_S3: "http://b",
    AWS_ENDPOINT_URL: "http://c",
  }).aws;
  strictEqual(s3Endpoint, "http://b");
});

Deno.test("parseAlerting() returns the webhook, which is a secret, and the reminder", () => {
  const url = "https://hooks.example/services/T1SECRET?key=K2SECRET";
  const { alerts, embedded } = loadConfig({ CHURN_ALERT_WEBHOOK: url });
  strictEqual(embedded, true); // it configures no service
  const { webhook, reminderDays } = parseAlerting(alerts);
  deepStrictEqual([webhook?.href, reminderDays], [url, 28]);
  for (
    const text of [url, "POST /services/T1SECRET?key=K2SECRET failed"]
  ) ok(!/SECRET/.test(redact(text)), redact(text));
  deepStrictEqual(
    parseAlerting(loadConfig({ CHURN_ALERT_REMINDER_DAYS: "0" }).alerts),
    { webhook: undefined, reminderDays: 0 },
  );
  for (
    const text of [
      "http://hooks.example/a",
      "https://hooks.example",
      "https://u:p@hooks.example/a",
      "hooks.example/a",
    ]
  ) {
    throws(
      () => parseAlerting({ webhook: text, reminderDays: undefined }),
      (error) =>
        error instanceof UsageError && !error.message.includes("example"),
    );
  }
  for (const reminderDays of ["soon", "-1", "1.5"]) {
    throws(
      () => parseAlerting({ webhook: undefined, reminderDays }),
      /Cannot use CHURN_ALERT_REMINDER_DAYS/,
    );
  }
});

Deno.test("loadConfig() returns an immutable object", () => {
  throws(() => {
    (loadConfig({}) as { home: string }).home = "/elsewhere";
  }, TypeError);
});
