/** The templates, the logins and the image's recipe: linted, and run where that is possible without a cloud. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { parse } from "node:path";
import {
  CloudWatchClient,
  GetMetricStatisticsCommand,
  PutMetricDataCommand,
  // deno-lint-ignore no-import-prefix -- only this test needs it: Lambda brings its own
} from "npm:@aws-sdk/client-cloudwatch@3.1164.0";
import { loadConfig } from "../../lib/config/environment.ts";
import { parseDatabaseSecret } from "../../lib/aws/secrets.ts";
import { startMoto, startPostgres, tempFolder } from "../support/servers.ts";
import { lint, projectFolder, run, testWithTools } from "../support/tools.ts";

type Json = Record<string, unknown>;

interface Template {
  readonly Parameters: Record<string, { Default?: string }>;
  readonly Resources: Record<string, { Type: string; Properties: Json }>;
}

const folder = `${projectFolder}infrastructure/`;
const stacks = ["bootstrap", "churn", "batch"];

const templates = new Map<string, Promise<Template>>();

/** A template with `!Sub x` as `{"Fn::Sub": x}`, read by cfn-lint's own parser, once. */
function readTemplate(name: string): Promise<Template> {
  const known = templates.get(name) ?? parseTemplate(name);
  templates.set(name, known);
  return known;
}

async function parseTemplate(name: string): Promise<Template> {
  const code = `
import json, sys
from cfnlint.decode import decode
template, problems = decode(sys.argv[1])
assert not problems, problems
print(json.dumps(template))`;
  const { stdout, stderr } = await lint("python", [
    "-c",
    code,
    `${folder}${name}.yaml`,
  ]);
  return JSON.parse(stdout || `{"error": ${JSON.stringify(stderr)}}`);
}

testWithTools("cfn-lint finds nothing in the templates", async () => {
  const { stdout, code } = await lint(
    "cfn-lint",
    stacks.map((name) => `${folder}${name}.yaml`),
  );
  deepStrictEqual([stdout, code], ["", 0]);
});

testWithTools(
  "checkov finds nothing in the templates and the Dockerfile, and every skip has a reason",
  async () => {
    const files = [
      ...stacks.map((name) => `${folder}${name}.yaml`),
      `${projectFolder}Dockerfile`,
    ];
    const { stdout } = await lint("checkov", [
      "--skip-download",
      "--output=json",
      "--framework=cloudformation",
      "--framework=dockerfile",
      ...files.map((file) => `--file=${file}`),
    ]);
    const reports = JSON.parse(stdout);
    deepStrictEqual(
      reports.map(({ check_type }: Json) => check_type).sort(),
      ["cloudformation", "dockerfile"],
    );
    for (const { summary, results, check_type } of reports) {
      deepStrictEqual(
        results.failed_checks.map((each: Json) =>
          `${each.check_id} ${each.resource}`
        ),
        [],
      );
      strictEqual(summary.parsing_errors, 0);
      ok(summary.passed > 40, check_type);
      for (const each of results.skipped_checks) {
        ok(each.check_result.suppress_comment.length > 10, each.check_id);
      }
    }
    const checked = reports.flatMap(({ results }: Json) =>
      (results as { passed_checks: { file_abs_path: string }[] }).passed_checks
        .map(({ file_abs_path }) => file_abs_path)
    );
    deepStrictEqual([...new Set(checked)].sort(), files.sort());
  },
);

testWithTools("hadolint finds nothing in the Dockerfile", async () => {
  const { stdout, code } = await lint("hadolint", ["Dockerfile"]);
  deepStrictEqual([stdout, code], ["", 0]);
});

Deno.test("the image is pinned by digest, built in stages, and runs deno task without root", async () => {
  const text = await Deno.readTextFile(`${projectFolder}Dockerfile`);
  const stages = text.match(/^FROM .*$/gm) ?? [];
  strictEqual(stages.length, 2);
  for (const stage of stages) {
    match(stage, /^FROM denoland\/deno:2\.9\.6@sha256:[0-9a-f]{64}/);
  }
  match(text, /\nUSER 1993:1993\n/);
  match(
    text,
    /\nENTRYPOINT \["\/tini", "--", "deno", "task"\]\nCMD \["predict"\]\n$/,
  );
});

Deno.test("the image's files run predict without a registry and without Deno's cache", async () => {
  const text = await Deno.readTextFile(`${projectFolder}Dockerfile`);
  await using folder = await tempFolder();
  for (const [, paths = ""] of text.matchAll(/^COPY (?!--)(.+) \S+$/gm)) {
    const copied = await run("cp", ["-r", ...paths.split(" "), folder.path]);
    strictEqual(copied.code, 0, copied.stderr);
  }
  const installed = await run("deno", ["ci"], { cwd: folder.path });
  strictEqual(installed.code, 0, installed.stderr);
  const { stdout, stderr } = await run("deno", ["task", "predict", "--json"], {
    cwd: folder.path,
    clearEnv: true,
    env: {
      PATH: Deno.env.get("PATH") ?? "",
      DENO_DIR: `${folder.path}/.local/empty`,
      NPM_CONFIG_REGISTRY: "http://127.0.0.1:9",
    },
  });
  strictEqual(JSON.parse(stdout || "{}").status, "scored", stderr);
});

testWithTools(
  "each stage has the parameters of the template",
  async () => {
    for (const name of ["churn", "batch"]) {
      const { Parameters } = await readTemplate(name);
      const needed = Object.entries(Parameters)
        .filter(([, { Default }]) => Default === undefined)
        .map(([key]) => key);
      for (const stage of ["dev", "prod"]) {
        const given = JSON.parse(
          await Deno.readTextFile(`${folder}parameters/${stage}-${name}.json`),
        ) as { ParameterKey: string; ParameterValue: string }[];
        const keys = given.map(({ ParameterKey }) => ParameterKey);
        deepStrictEqual(keys.filter((key) => !(key in Parameters)), []);
        deepStrictEqual(needed.filter((key) => !keys.includes(key)), []);
        strictEqual(
          given.find(({ ParameterKey }) => ParameterKey === "Stage")
            ?.ParameterValue,
          stage,
        );
      }
    }
  },
);

testWithTools(
  "every GitHub role is limited to one repository, one environment and main, in both subject formats",
  async () => {
    for (const name of stacks) {
      const { Parameters, Resources } = await readTemplate(name);
      const pattern = new RegExp(
        (Parameters.GitHubRepository as Json)?.AllowedPattern as string,
      );
      for (const repository of ["owner/name", "owner@123/name@456"]) {
        match(repository, pattern);
      }
      for (const repository of ["owner/*", "*", "owner/name:ref", "owner"]) {
        ok(!pattern.test(repository), repository);
      }
      const federated = Object.entries(Resources).filter(([, resource]) =>
        JSON.stringify(resource).includes("AssumeRoleWithWebIdentity")
      );
      ok(federated.length > 0, name);
      for (const [role, { Properties }] of federated) {
        const [statement] = (Properties.AssumeRolePolicyDocument as {
          Statement: { Condition: { StringEquals: Json } }[];
        }).Statement;
        const claims = statement?.Condition.StringEquals ?? {};
        const issuer = "token.actions.githubusercontent.com";
        strictEqual(claims[`${issuer}:aud`], "sts.amazonaws.com", role);
        strictEqual(claims[`${issuer}:ref`], "refs/heads/main", role);
        for (const subject of [claims[`${issuer}:sub`]].flat()) {
          match(
            String((subject as Json)["Fn::Sub"]),
            /^repo:\$\{GitHubRepository\}:environment:[a-z-]+$/,
            role,
          );
        }
      }
    }
  },
);

testWithTools(
  "the workflows use the environments that the roles trust",
  async () => {
    const trusted = new Set<string>();
    for (const name of stacks) {
      const text = JSON.stringify(await readTemplate(name));
      for (const [, found = ""] of text.matchAll(/:environment:([a-z-]+)/g)) {
        trusted.add(found);
      }
    }
    const named = new Set<string>();
    for (
      const { name } of Deno.readDirSync(`${projectFolder}.github/workflows`)
    ) {
      const text = await Deno.readTextFile(
        `${projectFolder}.github/workflows/${name}`,
      );
      for (const block of text.split(/\n {2}(?=\w[\w-]*:\n)/)) {
        if (
          !block.includes("role-to-assume:") && !block.includes("role: ${{")
        ) {
          continue;
        }
        const found = /\n {4}environment: ([^\s#]+)/.exec(
          block.replaceAll("${{ inputs.stage }}", "STAGE"),
        )?.[1] ?? "";
        for (const stage of ["dev", "prod"]) {
          named.add(found.replace("STAGE", stage));
        }
      }
    }
    deepStrictEqual([...named].sort(), [...trusted].sort());
  },
);

testWithTools("each secret has the shape that the scripts read", async () => {
  const { Resources } = await readTemplate("churn");
  const secrets = Object.values(Resources).filter(({ Type }) =>
    Type === "AWS::SecretsManager::Secret"
  );
  strictEqual(secrets.length, 5);
  for (const { Properties } of secrets) {
    const { SecretStringTemplate, GenerateStringKey } = Properties
      .GenerateSecretString as {
        SecretStringTemplate: Json;
        GenerateStringKey: string;
      };
    const text = String(SecretStringTemplate["Fn::Sub"])
      .replace("${Database.Endpoint.Address}", "db.internal")
      .replace("${Database.Endpoint.Port}", "5432");
    const value = JSON.stringify({
      ...JSON.parse(text),
      [GenerateStringKey]: "generated",
    });
    const secret = parseDatabaseSecret(value, { name: "secret" });
    deepStrictEqual(
      [secret.host, secret.port, secret.password],
      ["db.internal", 5432, "generated"],
    );
    ok(["mlflow_db", "predictions"].includes(secret.database ?? ""));
  }
});

testWithTools(
  "the Batch job's environment is a complete configuration, and its exit codes match the workflows'",
  async () => {
    const { Resources } = await readTemplate("batch");
    const { ContainerProperties, RetryStrategy } = Resources.Predict
      ?.Properties as {
        ContainerProperties: {
          Environment: { Name: string; Value: unknown }[];
          Command: string[];
        };
        RetryStrategy: { Attempts: number; EvaluateOnExit: Json[] };
      };
    const config = loadConfig(Object.fromEntries(
      ContainerProperties.Environment.map(({ Name, Value }) => [
        Name,
        typeof Value === "string" ? Value : valueOf(Name),
      ]),
    ));
    strictEqual(config.embedded, false);
    strictEqual(config.tls.sslMode, "verify-full");
    strictEqual(config.artifactRoot, "s3://churn-test/mlflow");
    strictEqual(RetryStrategy.Attempts, 4); // the first try and three retries
    deepStrictEqual(RetryStrategy.EvaluateOnExit[0], {
      OnExitCode: "75",
      Action: "RETRY",
    });
    deepStrictEqual(RetryStrategy.EvaluateOnExit.at(-1), {
      OnReason: "*",
      Action: "EXIT",
    });
    deepStrictEqual(ContainerProperties.Command, [
      "predict",
      "--all",
      "--no-fallback",
      "--retries",
      "0",
      "--json",
    ]);
  },
);

/** What CloudFormation would put in the place of a reference. */
function valueOf(name: string): string {
  if (name === "MLFLOW_S3_BUCKET") return "churn-test";
  if (name === "MLFLOW_ARTIFACT_ROOT") return "s3://churn-test/mlflow";
  return "us-east-1";
}

testWithTools(
  "the watchdog reports the age of the last complete run",
  async () => {
    const { Resources } = await readTemplate("churn");
    const code = (Resources.Watchdog?.Properties.Code as { ZipFile: string })
      .ZipFile;
    ok(code.length < 4096); // CloudFormation's limit for code in a template
    await using moto = await startMoto();
    const client = () =>
      new CloudWatchClient({
        region: "us-east-1",
        endpoint: moto.endpoint,
        credentials: { accessKeyId: "testing", secretAccessKey: "testing" },
      });
    const watch = openWatchdog(code, client);
    const cloudwatch = client();

    await watch({});
    isAbout(await newest(cloudwatch, "HoursSinceRun"), 720); // no run in thirty days
    await moto.stop();
    await moto.start(); // empty again
    await putRun(cloudwatch, 200);
    await putRun(cloudwatch, 50);
    await watch({});
    isAbout(await newest(cloudwatch, "HoursSinceRun"), 50);
    strictEqual(await newest(cloudwatch, "RunFinished"), undefined);
    await watch({ source: "aws.batch" });
    strictEqual(await newest(cloudwatch, "RunFinished"), 1);

    const alarm = Resources.MissedRunAlarm?.Properties ?? {};
    strictEqual(alarm.MetricName, "HoursSinceRun");
    strictEqual(alarm.TreatMissingData, "breaching");
    ok(Number(alarm.Threshold) > 168);
  },
);

const hourMs = 3_600_000;
const namespace = "ChurnScoring/test";

/** The function's code as Lambda would load it, with a client of the test's own. */
function openWatchdog(
  code: string,
  client: () => CloudWatchClient,
): (event: Json) => Promise<unknown> {
  const exports: { handler?: (event: Json) => Promise<unknown> } = {};
  const sdk = {
    CloudWatchClient: function () {
      return client(); // `new` gives back the object that a function returns
    },
    PutMetricDataCommand,
    GetMetricStatisticsCommand,
  };
  new Function("require", "exports", "process", code)(
    () => sdk,
    exports,
    { env: { NAMESPACE: namespace } },
  );
  ok(exports.handler);
  return exports.handler;
}

async function putRun(
  cloudwatch: CloudWatchClient,
  hoursAgo: number,
): Promise<void> {
  const Timestamp = new Date(Date.now() - hoursAgo * hourMs);
  const MetricData = [{ MetricName: "RunFinished", Value: 1, Timestamp }];
  await cloudwatch.send(
    new PutMetricDataCommand({ Namespace: namespace, MetricData }),
  );
}

/** The highest value of the last hour. */
async function newest(
  cloudwatch: CloudWatchClient,
  MetricName: string,
): Promise<number | undefined> {
  const { Datapoints = [] } = await cloudwatch.send(
    new GetMetricStatisticsCommand({
      Namespace: namespace,
      MetricName,
      StartTime: new Date(Date.now() - hourMs),
      EndTime: new Date(Date.now() + hourMs),
      Period: 7200,
      Statistics: ["Maximum"],
    }),
  );
  return Datapoints[0]?.Maximum;
}

/** Within the hour to which CloudWatch rounds. */
function isAbout(hours: number | undefined, expected: number): void {
  ok(Math.abs((hours ?? Infinity) - expected) <= 1, `${hours} hours`);
}

Deno.test("logins.sql creates logins that only accept the passwords in their secrets", async () => {
  await using postgres = await startPostgres();
  const logins = [
    "mlflow_owner",
    "mlflow_writer",
    "predictions_owner",
    "predictions_writer",
    "dashboard_reader",
  ];
  const psql = (user: string, password: string, args: string[]) =>
    run(`${postgres.bin}/psql`, [
      "--no-psqlrc",
      "--tuples-only",
      "--no-align",
      ...args,
    ], {
      env: {
        PGHOST: postgres.host,
        PGPORT: String(postgres.port),
        PGUSER: user,
        PGPASSWORD: password,
      },
    });
  const made = await psql(postgres.user, postgres.password, [
    "--set=ON_ERROR_STOP=1",
    ...logins.map((login) => `--set=${login}=pass'word of ${login}`),
    `--file=${folder}logins.sql`,
    "postgres",
  ]);
  strictEqual(made.code, 0, made.stderr);
  const ask = (login: string, database: string, sql: string) =>
    psql(login, `pass'word of ${login}`, [`--command=${sql}`, database]);

  for (const login of logins) {
    const database = login.startsWith("mlflow") ? "mlflow_db" : "predictions";
    const { stdout } = await ask(login, database, "select current_user");
    strictEqual(stdout.trim(), login);
  }
  const groups = await ask(
    "mlflow_owner",
    "mlflow_db",
    `
    select member::regrole || ' in ' || roleid::regrole from pg_auth_members
    where roleid::regrole::text like 'churn_%' order by 1`,
  );
  deepStrictEqual(groups.stdout.trim().split("\n"), [
    "dashboard_reader in churn_reader",
    "mlflow_writer in churn_writer",
    "predictions_writer in churn_writer",
  ]);
  const table = await ask(
    "dashboard_reader",
    "predictions",
    "create table t ()",
  );
  match(table.stderr, /permission denied for schema public/);
  const other = await ask("mlflow_owner", "predictions", "select 1");
  match(other.stderr, /permission denied for database/);
});

Deno.test("the template files have the names that the workflow uses", () => {
  const yaml = [...Deno.readDirSync(folder)]
    .filter(({ name }) => name.endsWith(".yaml"))
    .map(({ name }) => parse(name).name);
  deepStrictEqual(yaml.sort(), [...stacks].sort());
});
