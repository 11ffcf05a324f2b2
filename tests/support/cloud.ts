/** What `infrastructure/` makes for the workflows: databases with their logins, secrets, and a bucket with the shipped files. */
import { strictEqual } from "node:assert/strict";
import { makeBucket, putObject, putSecret } from "./aws.ts";
import { openDatabase } from "./mlflow_stores.ts";
import type { MotoServer, PostgresServer } from "./servers.ts";
import { projectFolder, run } from "./tools.ts";

/** The bucket of models and data. */
export const bucket = "churn-models";
const password = "p@ss:w/rd#1%?&'\"\\ $é";

/** Every listed variant: its prefix in the bucket, its folder in the repository, its model. */
export const variants = [
  { key: "base", prefix: "", model: "churn-prediction-model" },
  {
    key: "geography-us",
    prefix: "geography-us/",
    model: "churn-prediction-model-us",
  },
  {
    key: "geography-eu/company-clientb",
    prefix: "geography-eu/company-clientb/",
    model: "churn-prediction-model-eu-clientb",
  },
  {
    key: "company-clienta",
    prefix: "company-clienta/",
    model: "churn-prediction-model-clienta",
  },
];

/** Databases and logins by the SQL that a person runs, secrets as churn.yaml makes them, and the shipped files in the bucket. */
export async function makeCloud(
  postgres: PostgresServer,
  moto: MotoServer,
): Promise<void> {
  const logins = [
    ["mlflow", "owner", "mlflow_db"],
    ["mlflow", "writer", "mlflow_db"],
    ["predictions", "owner", "predictions"],
    ["predictions", "writer", "predictions"],
    ["dashboard", "reader", "predictions"],
  ] as const;
  const made = await run(`${postgres.bin}/psql`, [
    "--no-psqlrc",
    "--set=ON_ERROR_STOP=1",
    ...logins.map(([what, who]) => `--set=${what}_${who}=${password}`),
    `--file=${projectFolder}infrastructure/logins.sql`,
    postgres.url(),
  ]);
  strictEqual(made.code, 0, made.stderr);
  const { host, port } = postgres;
  for (const [what, who, dbname] of logins) {
    const username = `${what}_${who}`;
    await putSecret(moto, `churn-test/${what}-${who}`, {
      username,
      password,
      host,
      port: String(port),
      dbname,
    });
  }
  await makeBucket(moto, bucket);
  for (const { prefix } of variants) {
    for (const kind of ["models", "data"]) {
      const folder = `${projectFolder}${kind}/${prefix}churn`;
      for await (const { name, isFile } of Deno.readDir(folder)) {
        if (!isFile) continue; // the weekly files stay here
        await putObject(
          moto,
          `${bucket}/${prefix}${kind}/churn/${name}`,
          await Deno.readFile(`${folder}/${name}`),
        );
      }
    }
  }
}

/** Rows of one column, `line`. */
export async function ask(
  postgres: PostgresServer,
  database: string,
  sql: string,
): Promise<string[]> {
  await using db = await openDatabase(postgres, database);
  return (await db.query<{ line: string }>(sql)).map(({ line }) => line);
}
