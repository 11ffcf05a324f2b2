/** Runs this project's scripts as programs, the way a shell or a workflow does. */
import { fileURLToPath } from "node:url";

/** How a script ended, and what it said. */
export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** The object of `--json`, which every run here asks for; empty when there is none. */
  // deno-lint-ignore no-explicit-any -- tests look into it freely
  readonly report: any;
}

const root = fileURLToPath(new URL("../../", import.meta.url));

/**
 * Runs `deno task NAME --json`, with the permissions of deno.json, in an
 * environment of `env` and what Deno needs, nothing of this process's settings.
 *
 * @param options `json`: false leaves `--json` out; `folder`: another checkout of the project; `stdin`: what is piped into the command.
 *
 * @throws {Error} With all it said, if it ends with another code than `code` (0).
 */
export async function runCommand(
  name: string,
  args: readonly string[],
  options: {
    env: Readonly<Record<string, string>>;
    code?: number;
    json?: boolean;
    folder?: string;
    stdin?: Uint8Array<ArrayBuffer>;
  },
): Promise<Ended> {
  const { env, code = 0, json = true, folder = root, stdin } = options;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["task", "--quiet", name, ...json ? ["--json"] : [], ...args],
    cwd: folder,
    clearEnv: true,
    env: { ...inherited(), NO_COLOR: "1", ...env },
    stdin: stdin ? "piped" : "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const fed = stdin && new Blob([stdin]).stream().pipeTo(child.stdin)
    .catch(() => {}); // the command may end before it has read all
  const output = await child.output();
  await fed;
  const decoder = new TextDecoder();
  const stdout = decoder.decode(output.stdout);
  const stderr = decoder.decode(output.stderr);
  if (output.code !== code) {
    throw new Error(
      `${name} ${
        args.join(" ")
      } ended with exit code ${output.code}, not ${code}\n${stdout}\n${stderr}`,
    );
  }
  const last = stdout.trim().split("\n").at(-1) ?? "";
  return {
    code: output.code,
    stdout,
    stderr,
    report: last.startsWith("{") ? JSON.parse(last) : {},
  };
}

/** The variables of this process that any program needs. */
export function inherited(): Record<string, string> {
  const names = [
    "PATH",
    "HOME",
    "DENO_DIR",
    "DENO_CERT",
    "DENO_TLS_CA_STORE",
    "TMPDIR",
  ];
  return Object.fromEntries(names.flatMap((name) => {
    const value = Deno.env.get(name);
    return value === undefined ? [] : [[name, value]];
  }));
}
