/**
 * Python environments to compare with: each is pinned by a file of
 * `tests/peers/`, made once by `uv` under `.cache/peers/`, and made again when
 * that file changes. Several test processes may ask for the same one at once.
 */
import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";

/** The environments that `tests/peers/NAME.txt` pins. */
export type PeerName =
  | "mlflow-3.17.2"
  | "mlflow-3.4.0"
  | "mlflow-2.22.5"
  | "linters"
  | "aws"
  | "moto"
  | "sbom"
  | "bench"
  | "rows"
  | "columnar"
  | "dlt"
  | "spark"
  | "parity"
  | "survival"
  | "evidently"
  | "nannyml"
  | "xgboost";

/** The version of Python that the pins were resolved for. */
const pythonVersion = "3.11";

/** What packages may ask for that stand in a `NAME.newer.txt`: they run on the other one all the same. */
const newerPythonVersion = "3.12";

const root = fileURLToPath(new URL("../../", import.meta.url));
const made = new Map<PeerName, Promise<string>>();

/** How a finished program ended, and what it said. */
export interface Finished {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** True when `uv` can be run, which makes every peer available. */
export const hasUv: boolean = await canRun("uv");

/**
 * Registers a test that needs Python peers. Without `uv` it is skipped, and
 * stderr says so; under `CI=true` it fails instead.
 */
export function testWithPython(
  name: string,
  body: (t: Deno.TestContext) => Promise<void>,
): void {
  if (hasUv) return Deno.test(name, body);
  const reason =
    "Cannot compare with Python: uv is not installed (https://docs.astral.sh/uv/)";
  if (Deno.env.get("CI") === "true") {
    return Deno.test(name, () => Promise.reject(new Error(reason)));
  }
  const line = `SKIPPED ${name}: ${reason}\n`;
  Deno.stderr.writeSync(new TextEncoder().encode(line));
  Deno.test({ name, ignore: true, fn: body });
}

/** The folder of a peer's programs (`python`, `mlflow`, `moto_server`), made when it is not there yet. */
export async function peerPrograms(name: PeerName): Promise<string> {
  let folder = made.get(name);
  if (!folder) made.set(name, folder = makePeer(name));
  return await folder;
}

/** The Python executable of a peer, made when it is not there yet. */
export async function peer(name: PeerName): Promise<string> {
  return `${await peerPrograms(name)}/python`;
}

/**
 * Runs Python code, or a file whose name ends in `.py`, to its end.
 *
 * @param options `env` is added to this process's environment; `mayFail` gives back a failure in place of throwing it.
 * @throws {Error} With the end of stderr, if Python exits with anything but 0.
 */
export async function runPython(
  name: PeerName,
  scriptOrCode: string,
  options: {
    args?: readonly string[];
    env?: Record<string, string>;
    mayFail?: boolean;
  } = {},
): Promise<Finished> {
  const isFile = scriptOrCode.endsWith(".py");
  const args = [
    ...isFile ? [scriptOrCode] : ["-c", scriptOrCode],
    ...options.args ?? [],
  ];
  return await runPeer(name, ["python", ...args], options);
}

/** Runs one of a peer's programs, such as `["mlflow", "db", "upgrade", url]`; options as for {@linkcode runPython}. */
export async function runPeer(
  name: PeerName,
  command: readonly [string, ...string[]],
  options: { env?: Record<string, string>; mayFail?: boolean } = {},
): Promise<Finished> {
  const folder = await peerPrograms(name);
  const [program, ...args] = command;
  return await run(`${folder}/${program}`, {
    ...options,
    args,
    env: peerEnvironment(folder, options.env),
  });
}

/** The environment that a peer's program runs in: its own folder first on the path, and no telemetry. */
export function peerEnvironment(
  folder: string,
  more: Record<string, string> = {},
): Record<string, string> {
  return {
    PATH: `${folder}:${Deno.env.get("PATH") ?? ""}`,
    PYTHONUNBUFFERED: "1",
    PYTHONWARNINGS: "ignore",
    MLFLOW_DISABLE_TELEMETRY: "true",
    DO_NOT_TRACK: "true",
    GIT_PYTHON_REFRESH: "quiet",
    ...more,
  };
}

async function makePeer(name: PeerName): Promise<string> {
  const pins = `${root}tests/peers/${name}.txt`;
  const newer = `${root}tests/peers/${name}.newer.txt`;
  const newerPins = await Deno.readTextFile(newer).catch(() => "");
  const digest = createHash("sha256")
    .update(`${pythonVersion}\n${await Deno.readTextFile(pins)}${newerPins}`)
    .digest("hex");
  const folder = `${root}.cache/peers/${name}`;
  await Deno.mkdir(`${root}.cache/peers`, { recursive: true });
  using file = await Deno.open(`${folder}.lock`, { create: true, write: true });
  await file.lock(true); // other test processes wait here until the environment stands
  const stamp = `${folder}/pins.sha256`;
  const standing = await Deno.readTextFile(stamp).catch(() => "");
  if (standing !== digest) {
    await run("uv", {
      args: ["venv", "--quiet", "--clear", "--python", pythonVersion, folder],
    });
    await run("uv", {
      args: [
        "pip",
        "sync",
        "--quiet",
        "--python",
        `${folder}/bin/python`,
        pins,
      ],
    });
    if (newerPins !== "") {
      const python = ["--python", `${folder}/bin/python`];
      const asked = ["--no-deps", "--python-version", newerPythonVersion];
      await run("uv", {
        args: ["pip", "install", "--quiet", ...python, ...asked, "-r", newer],
      });
    }
    await Deno.writeTextFile(stamp, digest);
  }
  return `${folder}/bin`;
}

async function run(
  program: string,
  options: {
    args: readonly string[];
    env?: Record<string, string>;
    mayFail?: boolean;
  },
): Promise<Finished> {
  const { args, env = {}, mayFail = false } = options;
  const output = await new Deno.Command(program, {
    args: [...args],
    env,
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  const finished = {
    code: output.code,
    stdout: decoder.decode(output.stdout),
    stderr: decoder.decode(output.stderr),
  };
  if (finished.code !== 0 && !mayFail) {
    const last = `${finished.stdout}\n${finished.stderr}`.trim().slice(-3000);
    throw new Error(
      `Cannot run ${program} ${
        args[0] ?? ""
      }: exit code ${finished.code}\n${last}`,
    );
  }
  return finished;
}

async function canRun(program: string): Promise<boolean> {
  try {
    return (await new Deno.Command(program, {
      args: ["--version"],
      stdout: "null",
      stderr: "null",
    }).output()).success;
  } catch {
    return false;
  }
}
