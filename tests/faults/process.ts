/** Runs `predict` as a program that can be signalled, and says how it ended. */
import { fileURLToPath } from "node:url";
import { onEnd } from "../support/cleanup.ts";
import { inherited } from "../support/commands.ts";

/** How a program ended. */
export interface Ended {
  /** 128 and the signal's number if a signal ended it. */
  readonly code: number;
  readonly signal: Deno.Signal | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly seconds: number;
}

/** A running program. */
export interface Running {
  /** Sends a signal; does nothing if it has ended. */
  kill(signal: Deno.Signal): void;
  readonly ended: Promise<Ended>;
}

const root = fileURLToPath(new URL("../../", import.meta.url));

/**
 * Starts `predict`: its script itself, so that a signal reaches the process that
 * scores, or with `launcher` as `deno task` does, through the launcher.
 *
 * @param options `v8Flags`: limits of V8, such as `--max-old-space-size=64`; `dataKilobytes`: limit of the operating system for its memory; `stdin`: a file that is piped into it.
 */
export function startPredict(
  args: readonly string[],
  options: {
    env: Readonly<Record<string, string>>;
    launcher?: boolean;
    v8Flags?: string;
    dataKilobytes?: number;
    stdin?: string | undefined;
  },
): Running {
  const { env, launcher = false, v8Flags, dataKilobytes, stdin } = options;
  const startMs = performance.now();
  const limit = dataKilobytes === undefined
    ? ""
    : `ulimit -d ${dataKilobytes}; `;
  const child = new Deno.Command("sh", {
    args: [
      "-c",
      `${limit}exec "$@"`, // the shell becomes the program, so signals reach it
      "sh",
      Deno.execPath(),
      "run",
      "--quiet",
      "--no-prompt",
      "--allow-all",
      ...v8Flags === undefined ? [] : [`--v8-flags=${v8Flags}`],
      ...launcher ? ["lib/cli/launch.ts", "predict"] : ["scripts/predict.ts"],
      "--json",
      ...args,
    ],
    cwd: root,
    clearEnv: true,
    env: { ...inherited(), NO_COLOR: "1", ...env },
    stdin: stdin === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  if (stdin !== undefined) void feed(child, stdin);
  const forget = onEnd(() => child.kill("SIGKILL"));
  const decoder = new TextDecoder();
  return {
    kill(signal) {
      try {
        child.kill(signal);
      } catch {
        // It has ended.
      }
    },
    ended: child.output().then(({ code, signal, stdout, stderr }) => {
      forget();
      return {
        code,
        signal,
        stdout: decoder.decode(stdout),
        stderr: decoder.decode(stderr),
        seconds: (performance.now() - startMs) / 1000,
      };
    }),
  };
}

/** Runs `predict` to its end. */
export async function runPredict(
  args: readonly string[],
  options: Parameters<typeof startPredict>[1],
): Promise<Ended> {
  return await startPredict(args, options).ended;
}

/** Returns the last lines of what it said, in one line, for a remark. */
export function lastWords({ code, stderr }: Ended): string {
  const lines = stderr.trim().split("\n").slice(-2).join(" / ");
  return `exit code ${code}: ${lines.slice(0, 300)}`;
}

export function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

async function feed(child: Deno.ChildProcess, file: string): Promise<void> {
  try {
    const { readable } = await Deno.open(file);
    await readable.pipeTo(child.stdin);
  } catch {
    // The program ended before it had read all.
  }
}
