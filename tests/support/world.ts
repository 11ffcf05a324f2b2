/** Postgres, S3 and an MLflow database of a chosen release, with one variant's files in the bucket. */
import { fileURLToPath } from "node:url";
import { makeMlflowDatabase } from "./mlflow.ts";
import { addDatabase } from "./mlflow_stores.ts";
import type { PeerName } from "./python.ts";
import {
  type MotoServer,
  type PostgresServer,
  startMoto,
  startPostgres,
  tempFolder,
} from "./servers.ts";

/** Everything that the scripts need around them. */
export interface World extends AsyncDisposable {
  readonly postgres: PostgresServer;
  readonly moto: MotoServer;
  /** The environment of the scripts. */
  readonly env: Readonly<Record<string, string>>;
  /** The environment of Python's MLflow on the same database and bucket. */
  readonly pythonEnv: Readonly<Record<string, string>>;
  readonly bucket: string;
  /** A folder for files of the test. */
  readonly folder: string;
}

const root = fileURLToPath(new URL("../../", import.meta.url));

/**
 * Starts the servers, makes the bucket, and uploads the files of `prefix`
 * (`geography-us`) from this repository.
 *
 * @param release Makes MLflow's tables; undefined leaves them to `setup`.
 */
export async function startWorld(
  prefix: string,
  release?: PeerName,
): Promise<World> {
  await using stack = new AsyncDisposableStack();
  const postgres = stack.use(await startPostgres());
  const moto = stack.use(await startMoto());
  const folder = stack.use(await tempFolder());
  const bucket = "churn-models";
  await put(`${moto.endpoint}/${bucket}`);
  await upload(`${moto.endpoint}/${bucket}`, prefix);
  for (const name of ["mlflow_db", "predictions"]) {
    await addDatabase(postgres, name);
  }
  if (release) await makeMlflowDatabase(release, postgres.url("mlflow_db"));
  const env = {
    ...moto.env,
    MLFLOW_TRACKING_URI: postgres.url("mlflow_db"),
    MLFLOW_S3_BUCKET: bucket,
    PREDICTIONS_DATABASE_URL: postgres.url("predictions"),
    CHURN_HOME: `${folder.path}/home`,
    CHURN_FILES: folder.path,
    USER: "tester",
  };
  const pythonEnv = {
    ...moto.env,
    AWS_DEFAULT_REGION: "us-east-1",
    MLFLOW_S3_ENDPOINT_URL: moto.endpoint,
    MLFLOW_TRACKING_URI: postgres.url("mlflow_db"),
  };
  const owned = stack.move();
  return {
    postgres,
    moto,
    env,
    pythonEnv,
    bucket,
    folder: folder.path,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** `models/<prefix>/…` and `data/<prefix>/…` of the repository become `<prefix>/models/…` and `<prefix>/data/…`. */
async function upload(bucketUrl: string, prefix: string): Promise<void> {
  for (const kind of ["models", "data"]) {
    const folder = `${root}${kind}/${prefix}/churn`;
    for await (const { name, isFile } of Deno.readDir(folder)) {
      if (!isFile) continue; // the weekly files stay here
      await put(
        `${bucketUrl}/${prefix}/${kind}/churn/${name}`,
        await Deno.readFile(`${folder}/${name}`),
      );
    }
  }
}

/** Moto wants no signature. */
async function put(url: string, body?: Uint8Array<ArrayBuffer>): Promise<void> {
  const response = await fetch(url, { method: "PUT", ...body && { body } });
  const text = await response.text();
  if (!response.ok) {
    throw new Error(`Cannot put ${url}: ${response.status} ${text}`);
  }
}
