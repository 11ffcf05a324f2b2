/**
 * The programs that check and run the workflows: act and actionlint, built once
 * by Go under `.cache/tools/`, and the linters that `tests/peers/linters.txt`
 * pins. Several test processes may ask for the same one at once.
 */
import { fileURLToPath } from "node:url";
import {
  type Finished,
  hasUv,
  peerEnvironment,
  peerPrograms,
  runPeer,
} from "./python.ts";

/** Go packages by the name of the program that they make. */
const goPackages = {
  act: "github.com/nektos/act@v0.2.89",
  actionlint: "github.com/rhysd/actionlint/cmd/actionlint@v1.7.12",
} as const;

/** Programs that Go builds. */
export type GoTool = keyof typeof goPackages;

/** Programs that come from PyPI, and their Python. */
export type Linter =
  | "cfn-lint"
  | "checkov"
  | "hadolint"
  | "python"
  | "shellcheck"
  | "zizmor";

/** This repository, with a slash at the end. */
export const projectFolder: string = fileURLToPath(
  new URL("../../", import.meta.url),
);

const hasGo = await canRun("go", "version");

/**
 * Registers a test that needs Go's tools and the linters. Without `go` or `uv`
 * it is skipped, and stderr says so; under `CI=true` it fails instead.
 */
export function testWithTools(
  name: string,
  body: (t: Deno.TestContext) => Promise<void>,
): void {
  const missing = [...hasGo ? [] : ["go"], ...hasUv ? [] : ["uv"]];
  if (missing.length === 0) return Deno.test(name, body);
  const reason = `Cannot install the tools: ${missing.join(" and ")} not found`;
  if (Deno.env.get("CI") === "true") {
    return Deno.test(name, () => Promise.reject(new Error(reason)));
  }
  const line = `SKIPPED ${name}: ${reason}\n`;
  Deno.stderr.writeSync(new TextEncoder().encode(line));
  Deno.test({ name, ignore: true, fn: body });
}

/** The path of a program that Go builds, made when it is not there yet. */
export async function goTool(name: GoTool): Promise<string> {
  const goPackage = goPackages[name];
  const version = goPackage.split("@")[1];
  const folder = `${projectFolder}.cache/tools/${name}-${version}`;
  await Deno.mkdir(folder, { recursive: true });
  using file = await Deno.open(`${folder}.lock`, { create: true, write: true });
  await file.lock(true); // other test processes wait here until it stands
  const path = `${folder}/${name}`;
  if (!await isFile(path)) {
    const made = await run("go", ["install", goPackage], {
      env: { GOBIN: folder },
    });
    if (made.code !== 0) {
      throw new Error(`Cannot build ${goPackage}:\n${made.stderr}`);
    }
  }
  return path;
}

/** Runs a linter of `tests/peers/linters.txt`, whatever it finds. */
export async function lint(
  linter: Linter,
  args: readonly string[],
): Promise<Finished> {
  return await runPeer("linters", [linter, ...args], { mayFail: true });
}

/** Runs actionlint in the project's folder, with shellcheck on its path. */
export async function actionlint(args: readonly string[]): Promise<Finished> {
  const program = await goTool("actionlint");
  const folder = await peerPrograms("linters");
  return await run(program, args, { env: peerEnvironment(folder) });
}

/** Runs a program to its end; `clearEnv` leaves it nothing but `env`. */
export async function run(
  program: string,
  args: readonly string[],
  options: {
    env?: Record<string, string>;
    cwd?: string;
    clearEnv?: boolean;
  } = {},
): Promise<Finished> {
  const output = await new Deno.Command(program, {
    args: [...args],
    stdin: "null",
    cwd: options.cwd ?? projectFolder,
    env: options.env ?? {},
    clearEnv: options.clearEnv ?? false,
  }).output();
  const decoder = new TextDecoder();
  return {
    code: output.code,
    stdout: decoder.decode(output.stdout),
    stderr: decoder.decode(output.stderr),
  };
}

async function canRun(program: string, ...args: string[]): Promise<boolean> {
  try {
    return (await run(program, args)).code === 0;
  } catch {
    return false;
  }
}

async function isFile(path: string): Promise<boolean> {
  return await Deno.stat(path).then(({ isFile }) => isFile, () => false);
}
