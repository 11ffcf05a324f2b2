// deno-lint-ignore-file no-console -- prints the help and the version of every task
/**
 * Starts a task: `deno run … lib/cli/launch.ts NAME [flags]`. It handles
 * `--help` and `--version` itself, and runs everything else in a second Deno
 * process with the permissions that the command needs. Only this process may
 * start another one, and Deno is the only program that it may start.
 */
import { fileURLToPath } from "node:url";
import {
  type NamedFile,
  permissionsFor,
  toLocalPath,
} from "../config/permissions.ts";
import { exitCode, messageOf, UsageError } from "../base/errors.ts";
import { nearest } from "../base/nearest.ts";
import { commands } from "./commands.ts";
import { developmentTasks, toSteps } from "./development.ts";
import {
  type Command,
  findRequest,
  type Flag,
  parseFlags,
  toHelp,
} from "./flags.ts";
import { version } from "./version.ts";

const project = fileURLToPath(new URL("../../", import.meta.url)).replace(
  /\/$/,
  "",
);

/** The user's folders, from the environment. */
interface UserFolders {
  /** The user's working directory; `deno task` itself runs in the project folder. */
  readonly folder: string;
  readonly home: string | undefined;
}

if (import.meta.main) {
  try {
    Deno.exit(await launch(Deno.args));
  } catch (error) {
    console.error(messageOf(error));
    Deno.exit(exitCode(error));
  }
}

/** Runs the task that the first argument names and returns its exit code. */
async function launch(
  [name = "", ...args]: readonly string[],
): Promise<number> {
  const command = commands.find((known) => known.name === name);
  const task = developmentTasks.find((known) => known.name === name);
  const known = command ?? task;
  if (!known) return explainUnknown(name);
  switch (findRequest(known, args)) {
    case "help":
      console.log(toHelp(known));
      return 0;
    case "version":
      console.log(version);
      return 0;
  }
  if (command) return await run(argumentsFor(command, args));
  for (const step of task ? toSteps(task, args) : []) {
    const code = await run(step.args, step.environment);
    if (code !== 0) return code;
  }
  return 0;
}

function explainUnknown(name: string): number {
  const names = [...commands, ...developmentTasks].map((known) => known.name);
  const near = nearest(name, names);
  console.error(
    `Unknown task "${name}"${
      near === undefined ? "." : `; did you mean ${near}?`
    } The tasks are ${names.join(", ")}`,
  );
  return 2;
}

/** Returns the arguments of Deno for a command: permissions, script, and the user's arguments with resolved paths. */
function argumentsFor(command: Command, args: readonly string[]): string[] {
  const environment = Deno.env.toObject();
  const user = {
    folder: environment.INIT_CWD ?? Deno.cwd(),
    home: environment.HOME,
  };
  const { read, write } = permissionsFor(environment, {
    named: findFiles(command, args, user),
    exists: (path) => existsSync(path),
  });
  return [
    "run",
    "--quiet",
    "--no-prompt",
    // In MiB. Two scoring threads take 200 MB, by default 280 MB, and the same time.
    "--v8-flags=--max-semi-space-size=4",
    "--allow-env",
    "--allow-net",
    "--allow-sys=osRelease,homedir,uid",
    `--allow-read=${toList(read)}`,
    `--allow-write=${toList(write)}`,
    `scripts/${command.name}.ts`,
    ...resolvePaths(command, args, user),
  ];
}

/** Joins paths for a permission flag; Deno separates paths by commas, which cannot be escaped. */
function toList(paths: readonly string[]): string {
  const divided = paths.find((path) => path.includes(","));
  if (divided === undefined) return paths.join(",");
  throw new UsageError(
    `Cannot use "${divided}": Deno cannot grant access to a path that contains a comma; rename it`,
  );
}

/** Returns the files that the command line names; none if it is invalid, which the command itself reports. */
function findFiles(
  command: Command,
  args: readonly string[],
  user: UserFolders,
): NamedFile[] {
  const found: NamedFile[] = [];
  const add = (text: string, use: NamedFile["use"]) => {
    const path = toLocalPath(text, user);
    if (path !== undefined) found.push({ path, use });
  };
  try {
    const { values, words } = parseFlags(command, args);
    for (const [name, flag] of Object.entries(command.flags)) {
      const file = fileOf(flag);
      if (file === undefined) continue;
      for (const text of [values[name] ?? []].flat()) {
        if (typeof text !== "string" || text === file.except) continue;
        add(text, file.use);
        for (const beside of file.beside ?? []) {
          add(text.replace(/[^/]*$/, beside), file.use);
        }
      }
    }
    if (command.words?.file) {
      for (const word of words) add(word, command.words.file.use);
    }
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
  }
  return found;
}

/** Expands `~` in file arguments, and makes relative paths absolute if the user's working directory is not the project folder. */
function resolvePaths(
  command: Command,
  args: readonly string[],
  user: UserFolders,
): string[] {
  const resolved = (text: string) => {
    const isRelative = !/^(~|\/)/.test(text);
    if (isRelative && user.folder === project) return text;
    return toLocalPath(text, user) ?? text;
  };
  return args.map((arg, index) => {
    const [, inline, value] = /^--([^=]+)=([^]*)$/.exec(arg) ?? [];
    if (inline !== undefined && value !== undefined) {
      const file = fileOf(command.flags[inline]);
      return file && value !== file.except
        ? `--${inline}=${resolved(value)}`
        : arg;
    }
    const before = args[index - 1];
    const isFlag = arg.startsWith("-") && arg !== "-";
    const flag = before?.startsWith("--")
      ? command.flags[before.slice(2)]
      : undefined;
    const isValue = flag !== undefined && flag.kind !== "switch";
    const file = isValue ? fileOf(flag) : command.words?.file;
    return file && !isFlag && arg !== file.except ? resolved(arg) : arg;
  });
}

function fileOf(flag: Flag | undefined) {
  return flag && flag.kind !== "switch" ? flag.file : undefined;
}

/** Runs Deno, forwards signals to it, and returns its exit code. */
async function run(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<number> {
  const child = new Deno.Command("deno", {
    args: [...args],
    env,
    cwd: project,
    stdin: "inherit",
    stdout: "inherit",
    stderr: "inherit",
  }).spawn();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, () => {
      try {
        child.kill(signal);
      } catch {
        // The process has already ended.
      }
    });
  }
  const { code } = await child.status;
  return code;
}

function existsSync(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}
