/** Which paths and hosts a command may use, by its settings and its command line. */
import { deepStrictEqual, match, ok, throws } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { type Environment, loadConfig } from "../../lib/config/environment.ts";
import { hostsFor } from "../../lib/config/network.ts";
import {
  ownFiles,
  type PermissionOptions,
  permissionsFor,
  toFlags,
} from "../../lib/config/permissions.ts";
import { UsageError } from "../../lib/base/errors.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const none: PermissionOptions = {
  named: [],
  project: "/srv/churn",
  exists: (path) => ["/", "/out", "/srv", "/srv/churn"].includes(path),
  real: (path) => path,
};

/** Expects a UsageError whose message matches. */
function refuses(work: () => unknown, message: RegExp): void {
  throws(work, (error) => {
    ok(error instanceof UsageError);
    match(error.message, message);
    return true;
  });
}

Deno.test("permissionsFor() allows writing in the project only to CHURN_HOME and named outputs", () => {
  const embedded = {
    read: [".", ".local"],
    write: [".local"],
    neverWrite: ownFiles,
    hosts: [],
  };
  deepStrictEqual(permissionsFor({}, none), embedded);
  deepStrictEqual(
    permissionsFor({ CHURN_HOME: "", CHURN_FILES: " , " }, none),
    embedded,
  );
  const both = ["/home/me/churn", "/srv/artifacts", "/in", "/out"];
  const { read, write } = permissionsFor({
    CHURN_HOME: "~/churn",
    CHURN_FILES: "/in, /out",
    MLFLOW_ARTIFACT_ROOT: "/srv/artifacts",
    PGSSLROOTCERT: "/etc/ca.pem",
    HOME: "/home/me",
  }, none);
  deepStrictEqual({ read, write }, {
    read: [".", "/etc/ca.pem", "/home/me/.aws", ...both],
    write: both,
  });
  const named = permissionsFor({}, {
    ...none,
    named: [
      { path: "/weeks/2026-*/part.jsonl", use: "read" },
      { path: "/out/scores.csv", use: "write" },
      { path: "/new/folder/scores.csv", use: "write" },
      { path: "/srv/churn/scores.csv", use: "write" },
    ],
  });
  deepStrictEqual(named.write, [
    ".local",
    "/out/scores.csv",
    "/out/scores.csv.part",
    "/new",
    "/new/folder/scores.csv.part",
    "/srv/churn/scores.csv",
    "/srv/churn/scores.csv.part",
  ]);
  ok(named.read.includes("/weeks"));
  const offline = permissionsFor({ PGSSLROOTCERT: "/ca.pem" }, {
    ...none,
    offline: true,
  });
  deepStrictEqual([offline.read, offline.write, offline.hosts], [
    [".", ".local"],
    [],
    [],
  ]);
});

Deno.test("permissionsFor() refuses outputs and folders that are the project's own files", () => {
  const output = (path: string, real = (path: string) => path) => () =>
    permissionsFor({}, { ...none, named: [{ path, use: "write" }], real });
  for (const file of ownFiles) {
    refuses(output(`/srv/churn/${file}`), /belongs to the project's own files/);
    refuses(output(`/srv/churn/${file}/new/x`), /no command changes/);
  }
  refuses(output("/srv/churn/Scripts/x.ts"), /: scripts belongs/);
  const linked = (path: string) => path.replace(/^\/out/, "/srv/churn/lib");
  refuses(output("/out/x.csv", linked), /the output \/out\/x.csv: lib belongs/);
  const files = permissionsFor({ CHURN_FILES: "/in,tests/golden" }, none);
  ok(files.read.includes("tests/golden"));
  deepStrictEqual(files.write, [".local", "/in"]);
  for (const name of ["CHURN_HOME", "MLFLOW_ARTIFACT_ROOT"]) {
    for (const path of ["lib", "./scripts/x", "/srv/churn/.git"]) {
      refuses(
        () => permissionsFor({ [name]: path }, none),
        new RegExp(`^Cannot write ${name} ${path.replace(".", "\\.")}: `),
      );
    }
  }
});

Deno.test("permissionsFor() denies the whole project below a folder that contains it", () => {
  const { write, neverWrite } = permissionsFor({
    CHURN_HOME: "/out",
    CHURN_FILES: "/srv",
  }, none);
  deepStrictEqual([write, neverWrite], [["/out", "/srv"], ["."]]);
  refuses(
    () => permissionsFor({ CHURN_FILES: "/srv" }, none),
    /Cannot write CHURN_HOME \.local: CHURN_FILES \/srv contains the whole project/,
  );
  // The project itself cannot be moved into a folder of its own.
  const own = permissionsFor({ CHURN_HOME: "/srv/churn" }, none);
  deepStrictEqual(own.neverWrite, ownFiles);
});

Deno.test("ownFiles has every file and folder of the project except its data", async () => {
  const { stdout } = await new Deno.Command("git", {
    args: ["ls-tree", "--name-only", "HEAD"],
    cwd: root,
  }).output();
  const names = new TextDecoder().decode(stdout).trim().split("\n");
  deepStrictEqual(names.filter((name) => !ownFiles.includes(name)), ["data"]);
});

Deno.test("toFlags() lists every variable that loadConfig() reads", () => {
  const [, list = ""] = toFlags(permissionsFor({}, none))
    .map((flag) => /^--allow-env=(.*)$/.exec(flag))
    .find((found) => found !== null) ?? [];
  const patterns = list.split(",").map((name) =>
    new RegExp(`^${name.replace("*", ".*")}$`)
  );
  const read = new Set<string>();
  const record = (environment: Environment) =>
    loadConfig(
      new Proxy(environment, {
        get(target, name) {
          read.add(String(name));
          return Reflect.get(target, name);
        },
      }),
    );
  record({});
  record({ MLFLOW_SECRET_NAME: "s", MLFLOW_S3_BUCKET: "bucket" });
  record({ MLFLOW_TRACKING_URI: "http://h", PREDICTIONS_SECRET_NAME: "s" });
  ok(read.size > 40, `${read.size}`);
  deepStrictEqual(
    [...read].filter((name) => !patterns.some((known) => known.test(name))),
    [],
  );
});

const databases = {
  MLFLOW_TRACKING_URI: "postgresql+psycopg2://u:p@db.example/mlflow",
  PREDICTIONS_DATABASE_URL: "postgresql://u:p@[fd00::1]:6543/p",
};
const keys = { AWS_ACCESS_KEY_ID: "k", AWS_SECRET_ACCESS_KEY: "secret" };
const bucket = { MLFLOW_S3_BUCKET: "models" };
const aws = "*.amazonaws.com:443";
const signIn = "*.signin.aws.amazon.com:443";
const machine = "169.254.169.254:80";

const cases: readonly (readonly [
  string,
  Environment,
  readonly string[] | undefined,
])[] = [
  ["embedded", { AWS_ENDPOINT_URL: "http://h:1", CHURN_HOSTS: "h:1" }, []],
  ["an invalid configuration", { MLFLOW_S3_BUCKET: "models" }, []],
  [
    "databases and a local folder",
    { ...databases, MLFLOW_ARTIFACT_ROOT: "/artifacts" },
    ["db.example:5432", "[fd00::1]:6543"],
  ],
  [
    "host and port as parameters",
    {
      MLFLOW_TRACKING_URI: "postgresql://u:p@x/m?host=y&port=7",
      MLFLOW_ARTIFACT_ROOT: "/a",
    },
    ["y:7"],
  ],
  [
    "S3 with keys",
    { ...databases, ...bucket, ...keys },
    ["db.example:5432", "[fd00::1]:6543", aws],
  ],
  [
    "S3 in China, over both protocols",
    {
      ...databases,
      ...bucket,
      ...keys,
      AWS_REGION: "cn-north-1",
      MLFLOW_SECRET_REGION: "cn-north-1",
      AWS_USE_DUALSTACK_ENDPOINT: "true",
    },
    [
      "db.example:5432",
      "[fd00::1]:6543",
      "*.amazonaws.com.cn:443",
      "*.api.aws:443",
    ],
  ],
  [
    "S3 with a role of the machine",
    { ...databases, ...bucket },
    ["db.example:5432", "[fd00::1]:6543", aws, signIn, machine],
  ],
  [
    "S3 with a profile",
    { ...databases, ...bucket, ...keys, AWS_PROFILE: "p" },
    ["db.example:5432", "[fd00::1]:6543", aws, signIn, machine],
  ],
  [
    "S3 with an identity token",
    { ...databases, ...bucket, AWS_WEB_IDENTITY_TOKEN_FILE: "/t" },
    ["db.example:5432", "[fd00::1]:6543", aws],
  ],
  [
    "S3 in a container",
    { ...databases, ...bucket, AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: "/c" },
    ["db.example:5432", "[fd00::1]:6543", aws, signIn, "169.254.170.2:80"],
  ],
  [
    "S3 in a pod",
    {
      ...databases,
      ...bucket,
      AWS_CONTAINER_CREDENTIALS_FULL_URI:
        "http://169.254.170.23/v1/credentials",
    },
    ["db.example:5432", "[fd00::1]:6543", aws, signIn, "169.254.170.23:80"],
  ],
  [
    "emulators",
    {
      ...databases,
      ...bucket,
      ...keys,
      MLFLOW_S3_ENDPOINT_URL: "http://s3.local:9000",
      AWS_ENDPOINT_URL: "http://localhost:4566",
      PREDICTIONS_DATABASE_URL: "",
      PREDICTIONS_SECRET_NAME: "s",
      CHURN_HOSTS: "db2:5432",
    },
    ["db.example:5432", "s3.local:9000", "localhost:4566", "db2:5432"],
  ],
  [
    "an MLflow server, whose artifacts may be in S3",
    { MLFLOW_TRACKING_URI: "http://me:pw@[::1]/x", ...keys },
    ["[::1]:80", aws],
  ],
  [
    "a secret that may name the host",
    { MLFLOW_SECRET_NAME: "s", ...bucket, ...keys },
    undefined,
  ],
  [
    "a secret and CHURN_HOSTS",
    {
      MLFLOW_SECRET_NAME: "s",
      MLFLOW_DB_HOST: "db.example",
      ...bucket,
      ...keys,
      CHURN_HOSTS: "predictions.example:5432, [fd00::1]:5432",
    },
    [
      "db.example:5432",
      aws,
      "predictions.example:5432",
      "[fd00::1]:5432",
    ],
  ],
  [
    "CHURN_HOSTS that names AWS's hosts",
    {
      ...databases,
      ...bucket,
      ...keys,
      CHURN_HOSTS: "models.s3.eu-west-1.amazonaws.com:443",
    },
    [
      "db.example:5432",
      "[fd00::1]:6543",
      "models.s3.eu-west-1.amazonaws.com:443",
    ],
  ],
];

for (const [title, environment, expected] of cases) {
  Deno.test(`hostsFor() returns the configured hosts: ${title}`, () => {
    deepStrictEqual(hostsFor(environment, { uris: [] }), expected);
  });
}

Deno.test("hostsFor() allows the webhook's host to a command that posts alerts, and to no other", () => {
  const webhook = {
    CHURN_ALERT_WEBHOOK: "https://hooks.example/services/x",
  };
  deepStrictEqual(hostsFor(webhook, { uris: [] }), []);
  deepStrictEqual(hostsFor(webhook, { uris: [], alerts: true }), [
    "hooks.example:443",
  ]);
  const url = { CHURN_ALERT_WEBHOOK: "https://hooks.example:8443/x" };
  const database = {
    MLFLOW_TRACKING_URI: "postgresql://u:p@h/m",
    MLFLOW_ARTIFACT_ROOT: "/a",
    PREDICTIONS_DATABASE_URL: "postgresql://u:p@h:5433/p",
  };
  deepStrictEqual(
    hostsFor({ ...database, ...url, CHURN_HOSTS: "x:1" }, {
      uris: [],
      alerts: true,
    }),
    ["h:5432", "h:5433", "x:1", "hooks.example:8443"],
  );
});

Deno.test("hostsFor() allows S3 if the command line names it, and refuses malformed CHURN_HOSTS", () => {
  deepStrictEqual(hostsFor(keys, { uris: ["s3://b/k"] }), [aws]);
  deepStrictEqual(hostsFor(keys, { uris: ["https://b/k"] }), []);
  for (
    const hosts of ["h", "h:0", "h:70000", "a b:1", "*:1", "::1:5", "a,b:1"]
  ) {
    refuses(
      () => hostsFor({ CHURN_HOSTS: hosts }, { uris: [] }),
      /^Cannot use CHURN_HOSTS: ".*" is not HOST:PORT/,
    );
  }
});
