/** Real MLflow beside the tests: its databases, its server. */
import { onEnd } from "./cleanup.ts";
import {
  peerEnvironment,
  type PeerName,
  peerPrograms,
  runPython,
} from "./python.ts";
import { freePort, untilAnswers } from "./servers.ts";

/** The releases that tests run, newest first. */
export const mlflowReleases = [
  "mlflow-3.17.2",
  "mlflow-3.4.0",
  "mlflow-2.22.5",
] as const satisfies readonly PeerName[];

/** Lets an MLflow release make its tables in an empty database, by its first use of it. */
export async function makeMlflowDatabase(
  release: PeerName,
  databaseUrl: string,
): Promise<void> {
  await runPython(
    release,
    `import sys
from mlflow import MlflowClient
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
SqlAlchemyStore(sys.argv[1], sys.argv[2])
MlflowClient(sys.argv[1]).search_registered_models()`,
    { args: [databaseUrl, "s3://mlflow"] },
  );
}

/** An `mlflow server` of this test's own. */
export interface MlflowServer extends AsyncDisposable {
  readonly url: string;
  /** What it said so far, stdout and stderr together. */
  log(): string;
}

/**
 * Starts `mlflow server` on a free port and waits until it answers.
 *
 * @param options `artifacts`: where artifacts go, proxied through the server (`mlflow-artifacts:/`); `args`: more flags.
 */
export async function startMlflowServer(
  release: PeerName,
  databaseUrl: string,
  options: {
    artifacts: string;
    args?: readonly string[];
    env?: Record<string, string>;
  },
): Promise<MlflowServer> {
  const folder = await peerPrograms(release);
  const port = freePort();
  const url = `http://127.0.0.1:${port}`;
  const child = new Deno.Command(`${folder}/mlflow`, {
    args: [
      "server",
      `--backend-store-uri=${databaseUrl}`,
      `--artifacts-destination=${options.artifacts}`,
      "--host=127.0.0.1",
      `--port=${port}`,
      "--workers=1",
      ...options.args ?? [],
    ],
    env: peerEnvironment(folder, {
      // Background jobs of MLflow's own: they double the time to start, and to stop.
      MLFLOW_SERVER_ENABLE_JOB_EXECUTION: "false",
      ...options.env,
    }),
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    detached: true,
  }).spawn();
  const forget = onEnd(() => Deno.kill(-child.pid, "SIGKILL"));
  let said = "";
  const reading = [child.stdout, child.stderr].map(async (stream) => {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      said += text;
    }
  });
  const stop = async () => {
    // To the whole group: 3.4.0's own process ends without ending its workers.
    Deno.kill(-child.pid, "SIGTERM");
    await child.status;
    forget();
    await Promise.all(reading);
  };
  const ended = child.status.then(() =>
    Promise.reject(new Error(`Cannot start mlflow server: it ended\n${said}`))
  );
  try {
    await Promise.race([untilAnswers(`${url}/health`, 120_000), ended]);
  } catch (error) {
    await stop().catch(() => {});
    throw error;
  }
  ended.catch(() => {}); // it ends when the test ends
  return { url, log: () => said, [Symbol.asyncDispose]: stop };
}
