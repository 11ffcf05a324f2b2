/** Every block of commands in README and docs is run as it is printed, by bash, in a copy of the project. */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { makeBucket } from "../support/aws.ts";
import { copyProject } from "../support/checkout.ts";
import { inherited } from "../support/commands.ts";
import { openDatabase } from "../support/mlflow_stores.ts";
import { peerPrograms, runPython, testWithPython } from "../support/python.ts";
import { startMoto, startPostgres } from "../support/servers.ts";
import { run } from "../support/tools.ts";

const root = new URL("../../", import.meta.url);

/** Commands that take long: another test runs what they run. */
const elsewhere: Readonly<Record<string, string>> = {
  "deno task test ": "docs/commands_test.ts",
  "deno task bench-monitoring": "monitoring/proof_test.ts",
  "deno task demo-history": "monitoring/proof_test.ts",
};

/** The documents whose commands need no service, and what of them. */
const embedded: Readonly<Record<string, (project: Project) => Promise<void>>> =
  {
    "README.md": nothing,
    "docs/start.md": nothing,
    "docs/operations.md": ({ path }) =>
      follow(["deno task predict"], { path, env: {} }),
    "docs/data.md": async ({ path }) => {
      const rows = await shippedRows("data/churn/X_test_sample_2.json");
      const { player_id: _, ...first } = rows[0]!;
      const names = Object.keys(first);
      const cells = rows.map((row) => names.map((name) => row[name] ?? ""));
      await Deno.writeTextFile(`${path}/sample.jsonl`, toLines(rows));
      await Deno.writeTextFile(
        `${path}/encoded.csv`,
        [names, ...cells].map((each) => `${each.join(",")}\n`).join(""),
      );
      const bad = { ...rows[0], total_deposit: "n/a" };
      await Deno.writeTextFile(`${path}/week.jsonl`, toLines([...rows, bad]));
    },
    "docs/weekly.md": async ({ path }) => {
      for (const folder of ["2026-11-23", "weeks/2026-11-23"]) {
        await Deno.mkdir(`${path}/${folder}`, { recursive: true });
        await runPython(
          "columnar",
          `import sys, pandas
pandas.read_json(sys.argv[1], lines=True).to_parquet(sys.argv[2])`,
          {
            args: [
              `${path}/data/geography-us/churn/weekly/2026-11-23.jsonl`,
              `${path}/${folder}/part-1.parquet`,
            ],
          },
        );
      }
    },
    "docs/removing.md": async ({ path }) => {
      const completions = `${path}/home/.config/fish/completions`;
      await Deno.mkdir(completions, { recursive: true });
      await Deno.writeTextFile(`${completions}/deno.fish`, "");
      await Deno.mkdir(`${path}/.local`, { recursive: true });
    },
  };

/** The documents whose commands use Postgres, S3 and Secrets Manager, in the order in which they are followed. */
const onServices = [
  "docs/your-data.md",
  "docs/services.md",
  "docs/monitoring.md",
];

/** The document that begins with an embedded store and ends on services. */
const moving = "docs/moving.md";

interface Project {
  readonly path: string;
}

async function nothing(): Promise<void> {}

type Row = Record<string, string | number | boolean | null>;

async function shippedRows(file: string): Promise<Row[]> {
  const text = await Deno.readTextFile(new URL(file, root));
  return text.trim().split("\n").map((line) => JSON.parse(line));
}

function toLines(rows: readonly Row[]): string {
  return rows.map((row) => `${JSON.stringify(row)}\n`).join("");
}

/** The blocks of commands of a document, without those that another test runs. */
async function blocksOf(document: string): Promise<string[]> {
  const text = await Deno.readTextFile(new URL(document, root));
  const blocks = [...text.matchAll(/^```(?:sh|bash)\n([\s\S]*?)^```/gm)];
  return blocks.map(([, block = ""]) =>
    block.split("\n").filter((line) =>
      !Object.keys(elsewhere).some((start) => line.startsWith(start))
    ).join("\n")
  ).filter((block) => block.trim() !== "");
}

/** Runs blocks one after the other in one shell, and stops at the first command that fails. */
async function follow(
  blocks: readonly string[],
  { path, env }: { path: string; env: Record<string, string> },
): Promise<void> {
  const { code, stdout, stderr } = await run("bash", [
    "-c",
    ["set -euo pipefail", ...blocks].join("\n"),
  ], {
    cwd: path,
    clearEnv: true,
    env: {
      ...inherited(),
      NO_COLOR: "1",
      PATH: `${Deno.execPath().replace(/\/[^/]*$/, "")}:${
        env["PATH"] ?? Deno.env.get("PATH")
      }`,
      ...Object.fromEntries(
        Object.entries(env).filter(([name]) => name !== "PATH"),
      ),
    },
  });
  strictEqual(code, 0, `${blocks.join("\n")}\n${stdout}\n${stderr}`);
}

for (const [document, prepare] of Object.entries(embedded)) {
  testWithPython(
    `the commands of ${document} run as they are printed`,
    async () => {
      await using project = await copyProject();
      await prepare(project);
      const blocks = await blocksOf(document);
      ok(blocks.length > 0);
      // What is removed must not be this machine's.
      const env = document === "docs/removing.md"
        ? { HOME: `${project.path}/home`, DENO_DIR: `${project.path}/cache` }
        : {};
      await follow(blocks, { path: project.path, env });
    },
  );
}

/** A project, Postgres with the logins of the secrets, and an S3 and Secrets Manager that the AWS CLI reaches. */
async function startServices() {
  await using stack = new AsyncDisposableStack();
  const postgres = stack.use(await startPostgres());
  const moto = stack.use(await startMoto());
  const project = stack.use(await copyProject());
  await makeBucket(moto, "acme-churn");
  const { host, port } = postgres;
  await using admin = await openDatabase(postgres, "postgres");
  for (const login of ["mlflow", "churn"]) {
    await admin.query(
      `create role ${login} login createdb password 'pa$$${login}'`,
    );
  }
  const env = {
    ...moto.env,
    AWS_DEFAULT_REGION: "us-east-1",
    AWS_ENDPOINT_URL: moto.endpoint,
    PATH: `${await peerPrograms("aws")}:${Deno.env.get("PATH")}`,
  };
  /** Puts a host, a port and passwords that exist into printed commands. */
  const withServer = (block: string) =>
    block.replaceAll("db.example.com", host)
      .replaceAll('"port": 5432', `"port": ${port}`)
      .replaceAll(/("username": "(\w+)", "password": )"…"/g, '$1"pa$$$$$2"')
      .replaceAll("export MLFLOW", `export MLFLOW_DB_PORT=${port} MLFLOW`);
  const countScores = async () => {
    await using predictions = await openDatabase(postgres, "predictions");
    return await predictions.query<{ period: string; rows: number }>(
      "select period::text, count(*)::int as rows from churn_predictions group by 1 order by 1",
    );
  };
  const owned = stack.move();
  return {
    path: project.path,
    env,
    withServer,
    countScores,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

testWithPython(
  "the commands for real services run as they are printed, with a host and passwords that exist",
  async () => {
    await using services = await startServices();
    const { path, env, withServer } = services;
    // The variant and the files that the document names.
    const settings = await Deno.readTextFile(`${path}/variants.yaml`);
    await Deno.writeTextFile(
      `${path}/variants.yaml`,
      settings.replace(/^variants:[\s\S]*/m, "variants: [{geography: US}]\n"),
    );
    const files = {
      "model.ubj": "models/geography-us/churn/xgb_churn_model_2.bin",
      "features.json": "data/geography-us/churn/feature_names_3.json",
      "sample.jsonl": "data/geography-us/churn/X_test_sample_2.json",
      "evaluation.jsonl": "data/geography-us/churn/evaluation.jsonl",
      "week.jsonl": "data/geography-us/churn/weekly/2026-11-23.jsonl",
    };
    for (const [name, file] of Object.entries(files)) {
      await Deno.copyFile(new URL(file, root), `${path}/${name}`);
    }
    const week = await shippedRows(files["week.jsonl"]);
    await Deno.writeTextFile(
      `${path}/outcomes.jsonl`,
      toLines(week.map(({ player_id }, row) => ({
        player_id: player_id!,
        churned: row % 3 === 0 ? 1 : 0,
      }))),
    );
    const given = [
      "aws s3 cp week.jsonl s3://acme-churn/geography-us/data/churn/weekly/2026-10-19.jsonl",
      "aws s3 cp outcomes.jsonl s3://acme-churn/outcomes/2026-10-19.jsonl",
    ];
    const printed = (await Promise.all(onServices.map(blocksOf))).flat();
    await follow([...given, ...printed].map(withServer), { path, env });
    deepStrictEqual(await services.countScores(), [
      { period: "2026-10-19", rows: 400 },
      { period: "2026-11-23", rows: 400 },
    ]);
  },
);

testWithPython(
  "the commands of docs/moving.md move what was scored without services",
  async () => {
    await using services = await startServices();
    const { path, env, withServer } = services;
    const [secrets = ""] = await blocksOf("docs/your-data.md");
    const blocks = ["deno task predict", secrets, ...await blocksOf(moving)];
    await follow(blocks.map(withServer), { path, env });
    deepStrictEqual(
      (await services.countScores()).map(({ rows }) => rows),
      [400, 400, 400],
    );
  },
);

Deno.test("every document with commands is followed by a test", async () => {
  const documents = ["README.md"];
  for await (const { name } of Deno.readDir(new URL("docs", root))) {
    if (name.endsWith(".md")) documents.push(`docs/${name}`);
  }
  const followed = [...Object.keys(embedded), ...onServices, moving];
  const found = await Promise.all(
    documents.map(async (document) =>
      (await blocksOf(document)).length > 0 && !followed.includes(document)
        ? [document]
        : []
    ),
  );
  deepStrictEqual(found.flat(), []);
  for (const test of Object.values(elsewhere)) {
    ok((await Deno.stat(new URL(`tests/${test}`, root))).isFile, test);
  }
});
