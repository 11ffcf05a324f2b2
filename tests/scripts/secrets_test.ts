/** All that the scripts print, store and upload, over success and failure, searched for every secret they were given. */
import { ok, strictEqual } from "node:assert/strict";
import { Buffer } from "node:buffer";
import { openS3 } from "../../lib/storage/s3.ts";
import { pathsOf } from "../support/listing.ts";
import { putSecret } from "../support/aws.ts";
import { runCommand } from "../support/commands.ts";
import { s3Error, startFaults } from "../support/faults.ts";
import { openDatabase } from "../support/mlflow_stores.ts";
import { testWithPython } from "../support/python.ts";
import { difficultPassword, freePort, tempFolder } from "../support/servers.ts";
import { startWorld, type World } from "../support/world.ts";

/** Every secret of this test; none occurs in ordinary text. */
const secrets = {
  password: difficultPassword,
  wrongPassword: `wr@ng:w/rd#2%?&"`,
  serverPassword: `s@rver:w/rd#3%`,
  token: "canary-mlflow-token",
  secretKey: "canary/AWS+secret=access&key",
  sessionToken: "canary//AWS+session==token",
  fileSecretKey: "canary/file+secret=access&key",
  fileSessionToken: "canary//file+session==token",
  badSecret: `canary of a secret that is "no" JSON`,
};

/** The shapes in which a secret could show itself, written without the redactor. */
function formsOf(secret: string): string[] {
  const percent = encodeURIComponent(secret);
  // RFC 3986: everything but the unreserved characters.
  const strict = percent.replace(
    /[!'()*]/g,
    (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  const json = JSON.stringify(secret).slice(1, -1);
  const encoded = [
    percent,
    strict,
    strict.replaceAll("%20", "+"),
    encodeURI(secret),
  ];
  const base64 = [secret, `postgres:${secret}`, `me:${secret}`]
    .map((text) => Buffer.from(text).toString("base64").replace(/=+$/, ""));
  return [
    secret,
    ...encoded,
    ...encoded.map((text) =>
      text.replace(/%../g, (escape) => escape.toLowerCase())
    ),
    json,
    JSON.stringify(json).slice(1, -1),
    ...base64,
  ];
}

/** Pieces that a careless parser of URIs would let out. */
const pieces = ["p@ss", "rd#1", "rd%231", "wr@ng", "rd#2", "s@rver", "rd#3"];

const needles = [...Object.values(secrets).flatMap(formsOf), ...pieces]
  .map((text) => Buffer.from(text));

/** Where a text was found, and the bytes of it. */
interface Found {
  readonly where: string;
  readonly bytes: Uint8Array;
}

const quick = ["--retries", "1", "--retry-delay", "0.1"];
const variant = ["--geography", "US"];
const us = [...variant, ...quick];

testWithPython(
  "no secret is in any output, database, object or file",
  async () => {
    await using world = await startWorld("geography-us");
    const found: Found[] = [];
    const run = async (
      [name, ...args]: [string, ...string[]],
      env: Record<string, string>,
      code = 0,
    ) => {
      for (const json of code === 0 ? [true, false] : [true]) {
        const { stdout, stderr } = await runCommand(name, args, {
          env,
          code,
          json,
        });
        const where = `output ${found.length}: ${name}, exit code ${code}`;
        found.push({ where, bytes: Buffer.from(`${stdout}\n${stderr}`) });
      }
    };
    const env = await deployment(world);
    await happyPath(run, env);
    await failures(run, { env, world });
    const outputs = found.length;
    found.push(...await textsOfDatabases(world));
    const databases = found.length - outputs;
    found.push(...await objects(world));
    found.push(...filesBelow(world.folder));
    ok(databases > 20 && found.length > outputs + databases + 10);

    const leaks = found.flatMap(({ where, bytes }) =>
      needles.filter((needle) => Buffer.from(bytes).includes(needle))
        .map((needle) => `${where}: ${needle}`)
    );
    strictEqual(leaks.join("\n"), "");
    // The same search finds what is there: names in outputs, databases and objects.
    const holds = (name: string, from: number, to?: number) =>
      found.slice(from, to).some(({ bytes }) =>
        Buffer.from(bytes).includes(name)
      );
    ok(holds("churn_prediction-geography-us", 0, outputs));
    ok(holds("churn_prediction-geography-us", outputs, outputs + databases));
    ok(holds("mlflow_version", outputs + databases));
  },
);

type Run = (
  command: [string, ...string[]],
  env: Record<string, string>,
  code?: number,
) => Promise<void>;

/** The environment of a deployment: logins in Secrets Manager, the AWS keys of a role. */
async function deployment(world: World): Promise<Record<string, string>> {
  const { MLFLOW_TRACKING_URI: _, PREDICTIONS_DATABASE_URL: __, ...env } =
    world.env;
  const { moto, postgres } = world;
  const { host, port, user: username, password } = postgres;
  strictEqual(password, secrets.password);
  await putSecret(moto, "mlflow-db", { username, password });
  const dbname = "predictions";
  const login = { username, password, host, port, dbname };
  await putSecret(moto, "predictions-pg-database", login);
  await putSecret(moto, "wrong", { username, password: secrets.wrongPassword });
  await putSecret(moto, "bad", secrets.badSecret);
  return {
    ...env,
    AWS_SECRET_ACCESS_KEY: secrets.secretKey,
    AWS_SESSION_TOKEN: secrets.sessionToken,
    MLFLOW_TRACKING_TOKEN: secrets.token,
    MLFLOW_SECRET_NAME: "mlflow-db",
    MLFLOW_DB_HOST: host,
    MLFLOW_DB_PORT: String(port),
  };
}

async function happyPath(run: Run, env: Record<string, string>): Promise<void> {
  await run(["setup", ...us], env);
  await run(["log-model", ...us], env);
  await run(["promote", ...us, "--version", "1"], env);
  await run(["predict", ...us], env);
  await run(["predict", ...us, "--force"], env);
  await run(["plan", ...us], env);
  await run(["doctor", ...variant], env);
  await run(["query", "select * from scoring_runs"], env);
  await run([
    "fetch",
    ...us,
    "--file",
    "data/churn/feature_names_3.json",
    "--output",
    `${env["CHURN_FILES"]}/copy.json`,
  ], env);
  await run(["log-model", ...us, "--force", "--alias", "challenger"], env);
  await run(["compare", ...us], env);
}

async function failures(
  run: Run,
  { env, world }: { env: Record<string, string>; world: World },
): Promise<void> {
  const { postgres } = world;
  const nowhere = String(freePort());
  const uri = (password: string, place: string) =>
    `postgresql+psycopg2://postgres:${password}@${place}`;
  const { password } = postgres;
  const here = `127.0.0.1:${postgres.port}`;
  const encoded = encodeURIComponent(password);
  const byUri = (value: string) => ({ ...env, MLFLOW_TRACKING_URI: value });
  await run(["setup", ...us], { ...env, MLFLOW_SECRET_NAME: "wrong" }, 2);
  await run(["setup", ...us], { ...env, MLFLOW_SECRET_NAME: "bad" }, 2);
  await run(["setup", ...us], { ...env, MLFLOW_SECRET_NAME: "absent" }, 2);
  await run(["doctor", ...variant], { ...env, MLFLOW_SECRET_NAME: "wrong" }, 2);
  await run(["doctor", ...variant], { ...env, MLFLOW_SECRET_NAME: "bad" }, 2);
  await run(["setup", ...us], { ...env, MLFLOW_DB_PORT: nowhere }, 75);
  await run(["predict", ...us], byUri(uri(encoded, `${here}/absent`)), 2);
  await run(
    ["predict", ...us],
    byUri(uri(encoded, `127.0.0.1:${nowhere}/d`)),
    75,
  );
  await run(["predict", ...us], byUri(uri(password, `${here}/mlflow_db`)), 2);
  await run(["predict", ...us], byUri(uri(password, "127.0.0.1:port/d")), 2);
  await run(["predict", ...us], byUri(uri(password, "127.0.0.1")), 2);
  await run(["predict", ...us], byUri(`mysql://u:${password}@h/d`), 2);
  const server = `http://me:${secrets.serverPassword}@127.0.0.1:${nowhere}`;
  await run(["predict", ...us], byUri(server), 75);
  await run(["query", "select 1 / 0"], env, 1);
  // What a user asks for is hidden too, in an error as in an answer.
  await run(["query", `select 1 from "${secrets.secretKey}"`], env, 1);
  await run(["query", `select '${secrets.secretKey}' as shown`], env);
  for (const code of ["SignatureDoesNotMatch", "InvalidToken"]) {
    await using s3 = startFaults({ bytes: s3Error(403, code) });
    await run(["predict", ...us, "--force"], {
      ...env,
      AWS_ENDPOINT_URL_S3: s3.endpoint,
    }, 2);
  }
  await run(["predict", ...us, "--geografy"], env, 2);
  // Credentials that only the SDK reads.
  await using folder = await tempFolder();
  const file = `${folder.path}/credentials`;
  await Deno.writeTextFile(
    file,
    `[default]\naws_access_key_id = AKIAFILE\naws_secret_access_key = ${secrets.fileSecretKey}\naws_session_token = ${secrets.fileSessionToken}\n`,
  );
  const {
    AWS_ACCESS_KEY_ID: _,
    AWS_SECRET_ACCESS_KEY: __,
    AWS_SESSION_TOKEN: ___,
    ...rest
  } = env;
  const byFile = { ...rest, AWS_SHARED_CREDENTIALS_FILE: file };
  for (const word of [secrets.fileSecretKey, secrets.fileSessionToken]) {
    await run(["query", `select '${word}' as shown`], byFile);
    await run(["query", `select 1 from "${word}"`], byFile, 1);
  }
}

/** Every row of every table of both databases, as Postgres writes it. */
async function textsOfDatabases(world: World): Promise<Found[]> {
  const found: Found[] = [];
  for (const name of ["mlflow_db", "predictions"]) {
    await using database = await openDatabase(world.postgres, name);
    const tables = await database.query<{ table: string }>(
      "select quote_ident(table_name) as table from information_schema.tables where table_schema = 'public' and table_type = 'BASE TABLE'",
    );
    for (const { table } of tables) {
      const rows = await database.query<{ text: string }>(
        `select to_jsonb(t)::text as text from ${table} t`,
      );
      const text = rows.map(({ text }) => text).join("\n");
      found.push({ where: `${name}.${table}`, bytes: Buffer.from(text) });
    }
  }
  return found;
}

/** Every object of the bucket. */
async function objects({ moto, bucket }: World): Promise<Found[]> {
  Deno.env.set("AWS_ACCESS_KEY_ID", "testing");
  Deno.env.set("AWS_SECRET_ACCESS_KEY", "testing");
  const store = openS3(`s3://${bucket}`, {
    region: "us-east-1",
    endpoint: moto.endpoint,
  });
  const paths = pathsOf(await store.list(""));
  return await Promise.all(
    paths.map(async (path) => ({
      where: `s3://${bucket}/${path}`,
      bytes: await store.find(path) ?? new Uint8Array(),
    })),
  );
}

/** Every file that the scripts left on this disk, the model cache among them. */
function filesBelow(folder: string): Found[] {
  return [...Deno.readDirSync(folder)].flatMap(({ name, isDirectory }) => {
    const path = `${folder}/${name}`;
    return isDirectory
      ? filesBelow(path)
      : [{ where: path, bytes: Deno.readFileSync(path) }];
  });
}
