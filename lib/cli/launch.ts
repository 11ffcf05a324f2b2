// deno-lint-ignore-file no-console -- prints the help and the version of every task
/**
 * Starts a task: `deno run … lib/cli/launch.ts NAME [flags]`. It handles
 * `--help` and `--version` itself, and runs everything else in a second Deno
 * process with the permissions that the command needs. Only this process may
 * start another one, and Deno is the only program that it may start, except for
 * `mlflow` and `uvx` in the task `mlflow`.
 */
import { fileURLToPath } from "node:url";
import { basename, dirname, resolve } from "node:path";
import {
  type Environment,
  findUnknownSettings,
} from "../config/environment.ts";
import { toLocalPath } from "../config/paths.ts";
import {
  type NamedFile,
  permissionsFor,
  toFlags,
} from "../config/permissions.ts";
import { exitCode, messageOf, UsageError } from "../base/errors.ts";
import { nearest } from "../base/nearest.ts";
import { oneLine } from "../base/printable.ts";
import { wrap } from "../base/wrap.ts";
import { paintMessage } from "./color.ts";
import { commands } from "../config/commands.ts";
import {
  type DevelopmentTask,
  developmentTasks,
  toSteps,
} from "./development.ts";
import {
  type Command,
  findRequest,
  type Flag,
  type FlagTable,
  parseFlags,
  toHelp,
} from "../config/flags.ts";
import { runMlflow } from "./mlflow-server.ts";
import { toPort } from "./port.ts";
import { signalChild, stopSignals } from "./stop.ts";
import { messagesHaveColor, outputColumns } from "./terminal.ts";
import { version } from "./version.ts";

const project = fileURLToPath(new URL("../../", import.meta.url)).replace(
  /\/$/,
  "",
);

/**
 * Setting of the GNU C library for the process of a command: freed memory of this
 * many bytes or more goes back to the system at once. By default the library
 * raises the limit while it runs, and keeps 20 MB more of a large Parquet file.
 */
const memorySettings = { MALLOC_MMAP_THRESHOLD_: "262144" };

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
    const [message, code] = [messageOf(error), exitCode(error)];
    const task = findTask(Deno.args[0]);
    console.error(toError(task ? `${task.name}: ${message}` : message));
    if (Deno.args.includes("--json")) {
      const report = { status: "failed", error: message, exit_code: code };
      console.log(oneLine(JSON.stringify(report)));
    }
    Deno.exit(code);
  }
}

/** Runs the task that the first argument names and returns its exit code. */
async function launch(
  [name = "", ...args]: readonly string[],
): Promise<number> {
  const known = findTask(name);
  if (/^(-h|--help)?$/.test(name)) {
    console.log(toOverview({ columns: outputColumns() }));
    return name === "" ? 2 : 0;
  }
  if (!known) throw unknownTask(name);
  switch (findRequest(known, args)) {
    case "help":
      console.log(toHelp(known, { columns: outputColumns() }));
      return 0;
    case "version":
      console.log(version);
      return 0;
  }
  return "steps" in known
    ? await runSteps(known, args)
    : await runCommand(known, args);
}

/** Returns the command or the task for developers of that name. */
function findTask(
  name: string | undefined,
): Command | DevelopmentTask | undefined {
  return [...commands, ...developmentTasks].find((task) => task.name === name);
}

async function runCommand(
  command: Command,
  args: readonly string[],
): Promise<number> {
  const translated = await translateDimensions(command, args);
  const all = [...translated, ...askMissing(command, translated)];
  const environment = Deno.env.toObject();
  const own = argumentsFor(command, all, environment);
  const user = foldersOf(environment);
  return command.name === "mlflow"
    ? await runMlflow({
      args: own,
      folder: project,
      port: findUses(command, args, user).port ?? 0,
      environment,
      isQuiet: args.includes("--quiet"),
      isVerbose: args.includes("--verbose"),
    })
    : await run(own);
}

async function runSteps(
  task: DevelopmentTask,
  args: readonly string[],
): Promise<number> {
  // Before the first step, which may take long.
  if (!task.passesFlags) parseFlags(task, args);
  for (const step of toSteps(task, args)) {
    const code = await run(step.args, step.environment);
    if (code !== 0) return code;
  }
  return 0;
}

/**
 * Returns the arguments with `--dimension brand=NJ` for `--brand NJ`, where
 * `variants.yaml` declares the dimension and the command has no such flag.
 *
 * @throws {UsageError} If a flag is unknown, or one of a dimension has no value, or two. Without dimensions, the command reports what is wrong.
 */
async function translateDimensions(
  command: Command,
  args: readonly string[],
): Promise<string[]> {
  const { flags } = command;
  const nameOf = (arg: string) => /^--([a-z][\w-]*)/.exec(arg)?.[1] ?? "";
  const isUnknown = (arg: string) =>
    nameOf(arg) !== "" && flags[nameOf(arg)] === undefined;
  if (flags["dimension"] === undefined || !args.some(isUnknown)) {
    return [...args];
  }
  const { readDimensions } = await import("../services/dimensions.ts");
  const names = await readDimensions(project);
  if (names.length === 0) return [...args];
  const own = Object.fromEntries(
    names.map((name) => [name, { kind: "text", value: "VALUE", help: "" }]),
  ) satisfies FlagTable;
  parseFlags({ ...command, flags: { ...own, ...flags } }, args);
  const translated: string[] = [];
  for (let index = 0; index < args.length; index++) {
    const arg = args[index]!;
    if (arg === "--") return [...translated, ...args.slice(index)];
    if (!isUnknown(arg)) {
      translated.push(arg);
      continue;
    }
    const [, inline] = /^--[^=]+=([^]*)$/.exec(arg) ?? [];
    const value = inline ?? args[++index];
    translated.push(`--dimension=${nameOf(arg)}=${value}`);
  }
  return translated;
}

/** Asks for the files that the command line lacks, and returns them as flags; asks nothing without a terminal, with `--yes`, `--json` or an invalid command line, which the command reports. */
function askMissing(
  command: Command,
  args: readonly string[],
): string[] {
  const asked = Object.entries(command.flags).flatMap(([name, flag]) =>
    flag.kind === "text" && flag.ask !== undefined
      ? [{ name, question: flag.ask }]
      : []
  );
  if (asked.length === 0) return [];
  try {
    const { values } = parseFlags(command, args);
    const mayAsk = Deno.stdin.isTerminal() && Deno.stdout.isTerminal();
    if (!mayAsk || values["yes"] || values["json"]) return [];
    return asked.filter(({ name }) => values[name] === undefined)
      .flatMap(({ name, question }) => {
        const answer = prompt(question)?.trim() ?? "";
        return answer === "" ? [] : [`--${name}=${answer}`];
      });
  } catch (error) {
    if (error instanceof UsageError) return [];
    throw error;
  }
}

/** Returns the list of all tasks with what they do. */
function toOverview({ columns }: { columns: number }): string {
  const listOf = (tasks: readonly Command[]) => {
    const width = Math.max(...tasks.map(({ name }) => name.length));
    return tasks.flatMap(({ name, summary }) => {
      const [first, ...more] = wrap(summary, columns - width - 4);
      return [
        `  ${name.padEnd(width)}  ${first}`,
        ...more.map((line) => " ".repeat(width + 4) + line),
      ];
    });
  };
  return [
    "Usage: deno task NAME [flags]; `deno task NAME --help` lists the flags",
    "",
    ...listOf(commands),
    "",
    "For developers of this project:",
    "",
    ...listOf(developmentTasks),
  ].join("\n");
}

function unknownTask(name: string): UsageError {
  const names = [...commands, ...developmentTasks].map((known) => known.name);
  const near = nearest(name, names);
  const hint = near === undefined ? "." : `; did you mean ${near}?`;
  return new UsageError(
    `Unknown task "${name}"${hint} The tasks are ${names.join(", ")}`,
  );
}

/** Returns an error as one line for stderr. */
function toError(message: string): string {
  const safe = oneLine(message);
  return messagesHaveColor() ? paintMessage(safe, { isError: true }) : safe;
}

/**
 * Returns the arguments of Deno for a command: permissions, script, and the
 * user's arguments with resolved paths. They apply to a process that starts in
 * the project's folder.
 *
 * @throws {UsageError} If the command line or the environment names something that no command may use.
 */
export function argumentsFor(
  command: Command,
  args: readonly string[],
  environment: Environment,
): string[] {
  const user = foldersOf(environment);
  const { named, uris, port } = findUses(command, args, user);
  const permissions = permissionsFor(environment, {
    named,
    uris,
    port,
    socket: command.socket?.replace("{port}", String(port ?? "")),
    project,
    offline: command.offline,
    alerts: command.alerts,
    changes: command.changes,
    exists: (path) => existsSync(path),
    real: (path) => realPath(path),
  });
  return [
    "run",
    "--quiet",
    "--no-prompt",
    `--v8-flags=${heapFlags({ environment, uris })}`,
    ...toFlags(permissions, {
      sys: command.sys,
      variables: findUnknownSettings(Object.keys(environment)).map(({ name }) =>
        name
      )
        .filter((name) => /^\w+$/.test(name)),
    }),
    `scripts/${command.name}.ts`,
    ...resolvePaths(command, args, user),
  ];
}

function foldersOf(environment: Environment): UserFolders {
  return {
    folder: environment.INIT_CWD ?? Deno.cwd(),
    home: environment.HOME,
  };
}

/**
 * Returns V8's flags that limit memory; sizes in MiB. By default, scoring takes up
 * to 80 MB more, and the same time. S3's answers leave many small buffers, which
 * are collected earlier: 60 MB less for a tenth more CPU time.
 */
function heapFlags(
  { environment, uris }: {
    environment: Environment;
    uris: readonly string[];
  },
): string {
  const readsS3 = environment.MLFLOW_S3_BUCKET !== undefined ||
    uris.some((uri) => uri.startsWith("s3:"));
  return readsS3
    ? "--max-semi-space-size=2,--heap-growing-percent=30"
    : "--max-semi-space-size=4";
}

/** What a command line names: files, URIs, and a port to listen on. */
interface Uses {
  readonly named: readonly NamedFile[];
  readonly uris: readonly string[];
  readonly port: number | undefined;
}

/** Returns what the command line names; nothing if it is invalid, which the command itself reports. */
function findUses(
  command: Command,
  args: readonly string[],
  user: UserFolders,
): Uses {
  const named: NamedFile[] = [];
  const uris: string[] = [];
  let port: number | undefined;
  const add = (text: string, use: NamedFile["use"]) => {
    const path = toLocalPath(text, user);
    if (path !== undefined) named.push({ path, use });
    else if (text.includes(":")) uris.push(text);
  };
  try {
    const { values, words } = parseFlags(command, args);
    for (const [name, flag] of Object.entries(command.flags)) {
      const value = values[name] ?? [];
      if (flag.kind === "text" && flag.listens) port = toPort(String(value));
      const file = fileOf(flag);
      if (file === undefined) continue;
      for (const text of [value].flat()) {
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
  return { named, uris, port };
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
    env: { ...memorySettings, ...env },
    cwd: project,
    stdin: "inherit",
    stdout: "inherit",
    stderr: "inherit",
  }).spawn();
  for (const signal of stopSignals) {
    Deno.addSignalListener(signal, () => signalChild(child, signal));
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

/** Returns a path without symbolic links; of a path that does not exist, as far as it exists. */
function realPath(path: string, links = 0): string {
  try {
    return Deno.realPathSync(path);
  } catch {
    const folder = dirname(path);
    if (folder === path) return path;
    // A link to a file that does not exist yet is followed when it is written.
    const target = targetOf(path);
    if (target === undefined || links > 40) {
      return resolve(realPath(folder), basename(path));
    }
    return realPath(resolve(folder, target), links + 1);
  }
}

function targetOf(path: string): string | undefined {
  try {
    return Deno.readLinkSync(path);
  } catch {
    return undefined;
  }
}
