import {
  deepStrictEqual,
  match,
  strictEqual,
  throws,
} from "node:assert/strict";
import { type Environment, loadConfig } from "../lib/config.ts";
import { UsageError } from "../lib/errors.ts";
import { redact } from "../lib/redact.ts";
import { difficultPassword } from "./support/servers.ts";

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

Deno.test("loadConfig() of nothing is the embedded default", () => {
  for (const environment of [{}, { MLFLOW_S3_BUCKET: "", AWS_PROFILE: "x" }]) {
    const config = loadConfig(environment);
    strictEqual(config.embedded, true);
    strictEqual(config.home, ".local");
    deepStrictEqual(config.tracking, { kind: "embedded" });
    deepStrictEqual(config.predictions, { kind: "embedded" });
    match(config.artifactRoot!, /^\/.*\/\.local\/artifacts$/);
  }
});

Deno.test("loadConfig() of secret and bucket has the documented defaults", () => {
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

Deno.test("loadConfig() refuses half a configuration, and names what is missing", () => {
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

Deno.test("loadConfig() lets a server do without a bucket, but says what predictions lack", () => {
  const config = loadConfig({ MLFLOW_TRACKING_URI: "http://mlflow:5000" });
  strictEqual(config.artifactRoot, undefined);
  strictEqual(config.predictions.kind, "missing");
});

Deno.test("loadConfig() lets MLFLOW_TRACKING_URI win over the secret and its five settings", () => {
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

Deno.test("loadConfig() takes every driver suffix that SQLAlchemy has for Postgres", () => {
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

Deno.test("loadConfig() refuses a URI it cannot use, without showing it", () => {
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
  refuses({ MLFLOW_TRACKING_URI: "https://" }, /names no host/);
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
      /^(?!.*canary-in-uri).*(query string|names no host)/,
    );
  }
});

Deno.test("loadConfig() refuses other settings it cannot use, by name", () => {
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
    PREDICTIONS_DATABASE_URL: "postgresql://u:canary%2Durl@h/d",
    AWS_SECRET_ACCESS_KEY: "canary-aws-key",
    AWS_SESSION_TOKEN: "canary-aws-session",
  });
  const text =
    "canary-in-uri canary-token canary-url canary%2Durl canary-aws-key canary-aws-session";
  strictEqual(redact(text), "*** *** *** *** *** ***");
});

Deno.test("loadConfig() reads the endpoints in the order that is documented", () => {
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

Deno.test("loadConfig() cannot be changed afterwards", () => {
  throws(() => {
    (loadConfig({}) as { home: string }).home = "/elsewhere";
  }, TypeError);
});
