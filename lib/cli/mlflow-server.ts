// deno-lint-ignore-file no-console -- prints what it starts, and what the command prints
/**
 * Runs the command `mlflow` and the MLflow server that it asks for. Only the task
 * `mlflow` lets the launcher run `mlflow` and `uvx`; the command itself may run
 * nothing.
 */
import type { Environment } from "../config/environment.ts";
import { oneLine } from "../base/printable.ts";
import { shellWord } from "../config/variant.ts";
import { testedMlflow } from "../mlflow/tested.ts";
import {
  greeting,
  linesOf,
  type MlflowEnd,
  type MlflowRequest,
  readRequest,
  writeEnd,
} from "./mlflow-request.ts";
import { signalChild, stopSignals } from "./stop.ts";

/** What {@linkcode runMlflow} needs. */
export interface MlflowOptions {
  /** Deno's arguments for the command. */
  readonly args: readonly string[];
  /** The folder in which both processes run. */
  readonly folder: string;
  /** Port of the UI on 127.0.0.1. */
  readonly port: number;
  readonly environment: Environment;
  readonly isQuiet: boolean;
  /** True if the server's own log is printed. */
  readonly isVerbose: boolean;
}

/** Packages beside MLflow: for Postgres and S3, in the versions of our tests, and the SQLAlchemy that MLflow 3.4.0 can use, too. */
const packages = [
  "psycopg2-binary==2.9.13",
  "boto3==1.44.5",
  "sqlalchemy<2.1",
];

/** Versions of Python that every tested MLflow and its packages run on. */
const python = ">=3.10,<3.14";

/**
 * Runs a program in a process group of its own, ends the group on SIGTERM and
 * SIGINT, and waits for at most 5 seconds until all of it has ended: MLflow 3.4.0
 * and 2.22.5 do not end, or not wait for, the processes that they start.
 */
const wrapper = `
import os, signal, subprocess, sys, time
child = subprocess.Popen(sys.argv[1:], start_new_session=True)
stop = lambda *_: os.killpg(child.pid, signal.SIGTERM)
signal.signal(signal.SIGTERM, stop)
signal.signal(signal.SIGINT, stop)
code = child.wait()
try:
    for _ in range(50):
        os.killpg(child.pid, 0)
        time.sleep(0.1)
    os.killpg(child.pid, signal.SIGKILL)
except ProcessLookupError:
    pass
sys.exit(code)
`.trim();

/** How long the server may take to end, in milliseconds. */
const graceMs = 10_000;

/**
 * Runs the command, starts the server when the command asks for it, and returns the
 * command's exit code. Both end on SIGINT and SIGTERM, and each when the other
 * does.
 */
export async function runMlflow(options: MlflowOptions): Promise<number> {
  const child = new Deno.Command("deno", {
    args: [...options.args],
    cwd: options.folder,
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const answers = child.stdin.getWriter();
  let server: RunningServer | undefined;
  let isStopping = false;
  for (const signal of stopSignals) {
    Deno.addSignalListener(signal, () => {
      isStopping = true;
      signalChild(child, signal);
      server?.stop();
    });
  }
  const send = async (line: string) => {
    await answers.write(new TextEncoder().encode(line))
      .catch(() => {}); // the command has ended itself
  };
  const answer = async (end: MlflowEnd) => {
    if (!isStopping) await send(writeEnd(end));
  };
  await send(`${greeting}\n`);
  for await (const line of linesOf(child.stdout)) {
    const request = readRequest(line);
    if (request === undefined) {
      console.log(line);
      continue;
    }
    const started = await start(request, options);
    if ("message" in started) await answer(started);
    else {
      server = started;
      if (isStopping) server.stop();
      server.ended.then(answer);
    }
  }
  const { code } = await child.status;
  isStopping = true;
  await server?.stop();
  return code;
}

/** A server that was started. */
interface RunningServer {
  /** Resolves with the reason when the process has ended. */
  readonly ended: Promise<MlflowEnd>;
  /** Ends it, and resolves when it has ended. */
  stop(): Promise<void>;
}

async function start(
  { version, environment }: MlflowRequest,
  options: MlflowOptions,
): Promise<RunningServer | MlflowEnd> {
  const program = await chooseProgram(version, options.environment);
  if ("message" in program) return program;
  const args = [
    ...program.args,
    "server",
    "--host=127.0.0.1",
    `--port=${options.port}`,
    "--workers=1",
  ];
  if (!options.isQuiet) {
    console.error(
      oneLine(
        `Starting ${program.what}${program.note ?? ""}: ${
          [program.name, ...args.filter((arg) => arg !== wrapper)]
            .map(shellWord).join(" ").replace(" python -c ", " ")
        }`,
      ),
    );
  }
  const output = options.isVerbose ? "inherit" : "piped";
  const child = new Deno.Command(program.name, {
    args,
    cwd: options.folder,
    clearEnv: true,
    env: {
      ...ownVariables(options.environment),
      // Background jobs, which nobody started and which write into the database.
      MLFLOW_SERVER_ENABLE_JOB_EXECUTION: "false",
      MLFLOW_DISABLE_TELEMETRY: "true",
      PYTHONUNBUFFERED: "1",
      ...environment,
    },
    stdin: "null",
    stdout: output,
    stderr: output,
  }).spawn();
  const said: string[] = [];
  const reading = options.isVerbose ? [] : [child.stdout, child.stderr].map(
    async (stream) => {
      for await (const line of linesOf(stream)) {
        said.push(line);
        if (said.length > 20) said.shift();
      }
    },
  );
  const ended = child.status.then(async ({ code }): Promise<MlflowEnd> => {
    await Promise.all(reading);
    return {
      exitCode: 1,
      message: `${program.what} ended with exit code ${code}${
        said.length > 0
          ? `: ${said.slice(-2).map((line) => line.trim()).join(" | ")}`
          : ""
      }; ${program.hint}`,
    };
  });
  return {
    ended,
    async stop() {
      signalChild(child, "SIGTERM");
      const timer = setTimeout(() => signalChild(child, "SIGKILL"), graceMs);
      await child.status;
      clearTimeout(timer);
    },
  };
}

/** A way to run `mlflow`. */
interface Program {
  readonly name: "mlflow" | "uvx";
  readonly args: readonly string[];
  /** What it is, for messages. */
  readonly what: string;
  /** What to expect when it starts. */
  readonly note?: string;
  /** What to do if it fails. */
  readonly hint: string;
}

/** Returns the installed MLflow if it is of the database's release and ends its processes, otherwise that release through `uvx`, otherwise the installed one. */
async function chooseProgram(
  version: string,
  environment: Environment,
): Promise<Program | MlflowEnd> {
  const install =
    `install it with \`pip install mlflow==${version} psycopg2-binary boto3\`, or install uv (https://docs.astral.sh/uv/), which \`deno task mlflow\` then uses`;
  const hasUv = isOnPath("uvx", environment);
  const installed = isOnPath("mlflow", environment)
    ? await installedVersion()
    : undefined;
  const own = (): Program => ({
    name: "mlflow",
    args: [],
    what: `the installed MLflow ${installed}`,
    hint: installed === version
      ? "if a module is missing, `pip install psycopg2-binary boto3` adds it"
      : `the database belongs to MLflow ${version}: ${install}`,
  });
  // The tested release is known to end the processes that it starts.
  if (installed === version && installed === testedMlflow) return own();
  if (hasUv) {
    return {
      name: "uvx",
      args: [
        `--python=${python}`,
        `--from=mlflow==${version}`,
        ...packages.map((name) => `--with=${name}`),
        "python",
        "-c",
        wrapper,
        "mlflow",
      ],
      what: `MLflow ${version} through uv`,
      note: ", which downloads it the first time",
      hint:
        "uv needs access to PyPI or a mirror; `deno task mlflow --verbose` prints its whole output",
    };
  }
  if (installed !== undefined) return own();
  return {
    exitCode: 2,
    message:
      `Cannot show MLflow's UI: neither mlflow nor uvx is on PATH; ${install}`,
  };
}

/** Returns the version of the installed MLflow; undefined if it cannot be run. */
async function installedVersion(): Promise<string | undefined> {
  try {
    const { stdout } = await new Deno.Command("mlflow", {
      args: ["--version"],
      stdin: "null",
      stderr: "null",
    }).output();
    return /\d+\.\d+\.\d+/.exec(new TextDecoder().decode(stdout))?.[0];
  } catch {
    return undefined;
  }
}

function isOnPath(name: string, { PATH = "" }: Environment): boolean {
  return PATH.split(":").some((folder) => {
    try {
      return folder !== "" && Deno.statSync(`${folder}/${name}`).isFile;
    } catch {
      return false;
    }
  });
}

/** Returns the user's variables without those that would select another database, and those that Deno refuses to pass on. */
function ownVariables(environment: Environment): Record<string, string> {
  return Object.fromEntries(
    Object.entries(environment).flatMap(([name, value]) =>
      value === undefined ||
        /^(PG|LD_|DYLD_|MLFLOW_TRACKING_|MLFLOW_REGISTRY_)/.test(name)
        ? []
        : [[name, value]]
    ),
  );
}
