/** `mlflow` starts the real MLflow on the embedded store, and on Postgres and S3; its REST API, which the UI uses, finds everything. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { shellWord } from "../../lib/config/variant.ts";
import { onEnd } from "../support/cleanup.ts";
import { inherited, runCommand } from "../support/commands.ts";
import {
  peerEnvironment,
  peerPrograms,
  testWithPython,
} from "../support/python.ts";
import {
  difficultPassword,
  freePort,
  startPostgres,
  tempFolder,
  untilAnswers,
} from "../support/servers.ts";
import { run } from "../support/tools.ts";
import { startWorld } from "../support/world.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const release = "mlflow-3.17.2";

/** The command `mlflow`, running. */
interface Ui {
  readonly url: string;
  /** Sends the signal to the process that a shell would know, and returns how the command ended. */
  stop(signal: "SIGINT" | "SIGTERM"): Promise<Ended>;
}

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Starts `deno task mlflow` and waits until it answers. `installed`: whether MLflow 3.17.2 is on the path. */
async function openUi(
  env: Readonly<Record<string, string>>,
  { installed = true } = {},
): Promise<Ui> {
  const port = freePort();
  const url = `http://127.0.0.1:${port}`;
  const { PATH } = peerEnvironment(await peerPrograms(release));
  const child = new Deno.Command(Deno.execPath(), {
    args: ["task", "--quiet", "mlflow", "--json", `--port=${port}`],
    cwd: root,
    clearEnv: true,
    env: {
      // uv may need settings of its own.
      ...installed ? inherited() : Deno.env.toObject(),
      NO_COLOR: "1",
      ...env,
      ...installed ? { PATH: PATH! } : {},
    },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    detached: true,
  }).spawn();
  const forget = onEnd(() => Deno.kill(-child.pid, "SIGKILL"));
  const output = child.output();
  try {
    await Promise.race([
      untilAnswers(`${url}/health`, 300_000),
      output.then(({ stderr }) => {
        throw new Error(new TextDecoder().decode(stderr));
      }),
    ]);
  } catch (error) {
    forget();
    try {
      Deno.kill(-child.pid, "SIGKILL");
    } catch {
      // It has ended; the error says why.
    }
    throw error;
  }
  output.catch(() => {});
  return {
    url,
    async stop(signal) {
      // As a terminal does with Ctrl-C: to every process of the group.
      Deno.kill(signal === "SIGINT" ? -child.pid : child.pid, signal);
      const { code, stdout, stderr } = await output;
      forget();
      const decoder = new TextDecoder();
      return {
        code,
        stdout: decoder.decode(stdout),
        stderr: decoder.decode(stderr),
      };
    },
  };
}

/** Returns the command lines that name the port of the UI: those of the servers, and of what started them. */
async function commandsOf({ url }: Ui): Promise<string[]> {
  const { port } = new URL(url);
  // A shell, because Deno lets only a process with all permissions read /proc.
  const { stdout } = await run("sh", [
    "-c",
    "for each in /proc/[0-9]*/cmdline; do tr '\\0' ' ' < $each; echo; done 2> /dev/null",
  ]);
  return stdout.split("\n").filter((line) => line.includes(port));
}

/** Calls MLflow's REST API, as its UI does. */
// deno-lint-ignore no-explicit-any -- tests look into it freely
async function call(url: string, path: string, body?: unknown): Promise<any> {
  const response = await fetch(
    `${url}/${path}`,
    body === undefined ? {} : {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    },
  );
  const text = await response.text();
  ok(response.ok, `${path}: ${response.status} ${text}`);
  return text.startsWith("{") ? JSON.parse(text) : text;
}

/** Checks that the UI finds experiment, runs, version and artifact of a variant. */
async function checkUi(
  { url }: Ui,
  { experiment, model, runs }: {
    experiment: string;
    model: string;
    runs: number;
  },
): Promise<void> {
  const api = "api/2.0/mlflow";
  match(await call(url, ""), /<title>MLflow<\/title>/);
  const { experiments } = await call(
    url,
    `${api}/experiments/search?max_results=100`,
  );
  const found = experiments.find(({ name }: { name: string }) =>
    name === experiment
  );
  ok(found, JSON.stringify(experiments));
  // Many at once, as a browser asks.
  const answers = await Promise.all(
    Array.from({ length: 12 }, () =>
      call(url, `${api}/runs/search`, {
        experiment_ids: [found.experiment_id],
      })),
  );
  deepStrictEqual(
    answers.map((answer) => answer.runs.length),
    Array(12).fill(runs),
  );
  const { model_versions: versions } = await call(
    url,
    `${api}/model-versions/search`,
  );
  strictEqual(
    versions.filter(({ name }: { name: string }) => name === model).length,
    1,
  );
  const { run_id: run, source } = versions[0];
  const id = source.replace("models:/", "");
  ok(
    answers[0].runs.some(({ info }: { info: { run_id: string } }) =>
      info.run_id === run
    ),
  );
  const files = `mlflow/logged-models/${id}/artifacts`;
  const listed = await call(url, `api/2.0/${files}/directories`);
  ok(listed.files.some(({ path }: { path: string }) => path === "MLmodel"));
  match(
    await call(url, `ajax-api/2.0/${files}/files?artifact_file_path=MLmodel`),
    new RegExp(`^model_id: ${id}$`, "m"),
  );
}

testWithPython(
  "mlflow shows the embedded store, read-only and without keeping other commands from it",
  async () => {
    await using folder = await tempFolder();
    const env = { CHURN_HOME: `${folder.path}/home` };
    const fresh = await runCommand("mlflow", [], { env, code: 1 });
    match(fresh.stderr, /Nothing is stored yet/);
    const { report } = await runCommand("predict", [], { env });
    const ui = await openUi(env);
    await checkUi(ui, {
      experiment: "churn_prediction",
      model: "churn-prediction-model",
      runs: 1 + report.inputs.length,
    });
    const created = await fetch(`${ui.url}/api/2.0/mlflow/experiments/create`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ name: "lost" }),
    });
    match(await created.text(), /read-only transaction/);
    // `setup` writes into the database at the same time.
    await runCommand("setup", ["--geography", "US", "--retries", "0"], { env });
    const { code, stdout, stderr } = await ui.stop("SIGINT");
    strictEqual(code, 0, stderr);
    strictEqual(JSON.parse(stdout.trim().split("\n").at(-1)!).url, ui.url);
    match(stderr, /Serving a read-only copy of the embedded database/);
    match(stderr, /Starting the installed MLflow 3\.17\.2: mlflow server /);
    deepStrictEqual(
      [...Deno.readDirSync(`${env.CHURN_HOME}/tmp/mlflow`)],
      [],
    );
  },
);

testWithPython(
  "mlflow shows Postgres and S3, and no process shows a password",
  async () => {
    await using world = await startWorld("geography-us");
    const { env } = world;
    const us = ["--geography", "US"];
    await runCommand("setup", us, { env });
    await runCommand("log-model", [...us, "--alias", "champion"], { env });
    const ui = await openUi(env);
    await checkUi(ui, {
      experiment: "churn_prediction-geography-us",
      model: "churn-prediction-model-us",
      runs: 1,
    });
    const commands = await commandsOf(ui);
    ok(commands.length > 0);
    const secrets = [difficultPassword, encodeURIComponent(difficultPassword)];
    const shown = commands.filter((line) =>
      secrets.some((secret) => line.includes(secret))
    );
    deepStrictEqual(shown, []);
    const { code, stdout, stderr } = await ui.stop("SIGTERM");
    strictEqual(code, 0, stderr);
    for (const secret of secrets) ok(!(stdout + stderr).includes(secret));
    deepStrictEqual(await commandsOf(ui), []);
  },
);

testWithPython(
  "mlflow runs an older database's own MLflow through uv, and leaves no process of it",
  async () => {
    // 3.4.0 does not end its web server on SIGTERM.
    await using world = await startWorld("geography-us", "mlflow-3.4.0");
    const ui = await openUi(world.env, { installed: false });
    strictEqual(await call(ui.url, "version"), "3.4.0");
    ok((await commandsOf(ui)).length > 1);
    const { code, stderr } = await ui.stop("SIGTERM");
    strictEqual(code, 0, stderr);
    match(stderr, /Starting MLflow 3\.4\.0 through uv/);
    deepStrictEqual(await commandsOf(ui), []);
  },
);

Deno.test("mlflow without its launcher starts nothing and prints no secret", async () => {
  await using postgres = await startPostgres();
  await using folder = await tempFolder();
  const env = {
    CHURN_HOME: folder.path,
    MLFLOW_TRACKING_URI: postgres.url("mlflow"),
    MLFLOW_ARTIFACT_ROOT: `${folder.path}/artifacts`,
    PREDICTIONS_DATABASE_URL: postgres.url("predictions"),
  };
  await runCommand("setup", [], { env });
  const script = [Deno.execPath(), "run", "-A", "scripts/mlflow.ts", "--json"]
    .map(shellWord).join(" ");
  const direct = async (program: string, args: readonly string[]) => {
    const { code, stdout, stderr } = await run(program, args, {
      clearEnv: true,
      env: { ...inherited(), NO_COLOR: "1", TERM: "xterm", ...env },
    });
    const said = stdout + stderr;
    match(
      said,
      /mlflow: Cannot start MLflow from this script; run `deno task mlflow`/,
    );
    const secrets = [difficultPassword, encodeURIComponent(difficultPassword)];
    for (const secret of [...secrets, "PGPASSWORD"]) {
      ok(!said.includes(secret), said);
    }
    strictEqual(code, 2);
  };
  await direct("sh", ["-c", script]);
  await direct("sh", ["-c", `echo '{"exitCode":1}' | ${script}`]);
  await direct("script", [
    "--quiet",
    "--return",
    "--command",
    script,
    "/dev/null",
  ]);
});

Deno.test("mlflow says what to install, which port is taken, and where a configured server is", async () => {
  await using folder = await tempFolder();
  const port = freePort();
  const server = "http://127.0.0.1:9";
  const { stdout } = await runCommand("mlflow", [], {
    env: { CHURN_HOME: folder.path, MLFLOW_TRACKING_URI: server },
    json: false,
  });
  match(
    stdout,
    /MLflow's UI is at http:\/\/127\.0\.0\.1:9, .*nothing was started/,
  );
  const env = { CHURN_HOME: `${folder.path}/home` };
  await runCommand("setup", [], { env });
  {
    using _listener = Deno.listen({ hostname: "127.0.0.1", port });
    const taken = await runCommand("mlflow", [`--port=${port}`], {
      env,
      code: 2,
    });
    match(taken.stderr, new RegExp(`port ${port}: .* --port ${port + 1}`));
  }
  // Only Deno is on the path.
  await Deno.mkdir(`${folder.path}/bin`);
  await Deno.symlink(Deno.execPath(), `${folder.path}/bin/deno`);
  const none = await runCommand("mlflow", [`--port=${port}`], {
    env: { ...env, PATH: `${folder.path}/bin` },
    code: 2,
  });
  match(none.stderr, /neither mlflow nor uvx is on PATH; install it with `pip/);
  // A program of that name that ends at once.
  await Deno.writeTextFile(
    `${folder.path}/bin/mlflow`,
    `#!/bin/sh\n[ "$1" = --version ] && echo "mlflow, version 3.17.2" && exit\necho "No module named 'psycopg2'" >&2\nexit 3\n`,
    { mode: 0o755 },
  );
  const broken = await runCommand("mlflow", [`--port=${port}`], {
    env: { ...env, PATH: `${folder.path}/bin:/bin` },
    code: 1,
  });
  match(
    broken.stderr,
    /ended with exit code 3: No module named 'psycopg2'; if a module is missing, `pip install psycopg2-binary/,
  );
});
