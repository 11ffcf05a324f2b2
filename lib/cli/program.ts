// deno-lint-ignore-file no-console -- the one place that prints
/** Runs the body of a script: parses its flags, prints messages and the JSON line, and sets the exit code. */
import {
  exitCode,
  InputError,
  messageOf,
  MissingFileError,
  UsageError,
  worstExitCode,
} from "../base/errors.ts";
import {
  escapeControls,
  manyLines,
  oneLine,
  withoutCommands,
} from "../base/printable.ts";
import { toCount } from "../base/flag-value.ts";
import {
  type Log,
  type LogLevel,
  type MessageLevel,
  toLog,
} from "../base/log.ts";
import type { Outcome } from "../base/outcome.ts";
import { redact, withoutUriSecrets } from "../base/redact.ts";
import type { RetryPolicy } from "../base/retry.ts";
import {
  type Command,
  findRequest,
  type FlagTable,
  type FlagValues,
  parseFlags,
  toHelp,
} from "../config/flags.ts";
import { bold, paintMessage, paintText } from "./color.ts";
import { openProgress } from "./progress.ts";
import { longestLimitMinutes, openStop } from "./stop.ts";
import {
  isWatched,
  messagesHaveColor,
  outputColumns,
  outputHasColor,
  terminalColumns,
} from "./terminal.ts";
import { version } from "./version.ts";

/** The context of a body, in addition to its flags. */
export interface Context {
  /** Positional arguments, in order. */
  readonly words: readonly string[];
  /** Prints on stderr, one line per message, at the level that the flags select. */
  readonly log: Log;
  /** How often a step is retried, as the flags say; never for a command without such flags. */
  readonly retryPolicy: Pick<RetryPolicy, "retries" | "delaySeconds">;
  /** Asks a question and returns the answer without spaces around it; undefined if nobody can be asked: there is no terminal, or `--yes` or `--json` is given. @throws {UsageError} If the terminal is closed. */
  readonly ask: ((question: string) => string) | undefined;
  /** Width of the terminal in characters; 100 if stdout is none. */
  readonly columns: number;
  /** Standard output, for a result that is written piece by piece. */
  readonly stdout: StandardOutput;
  /** Aborts when the process is interrupted or has reached its time limit; the body then rolls back what is not complete and throws the reason. */
  readonly signal: AbortSignal;
}

/** Standard output. */
export interface StandardOutput {
  readonly isTerminal: boolean;
  /** Characters per line of the terminal; undefined if it is none. */
  readonly columns: number | undefined;
  /** Returns text in bold, or as it is where there is no color. */
  readonly emphasize: (text: string) => string;
  /** Writes text without secrets and commands, or bytes as they are. If nobody reads any more, such as after `| head`, the command ends with exit code 0. */
  write(part: string | Uint8Array): Promise<void>;
}

/** Nobody reads standard output any more. */
class ClosedOutputError extends Error {}

/**
 * Runs `body` as a program: prints its outcome and ends the process with its
 * exit code. An error is printed as one line on stderr; only a defect also
 * prints its stack. Commands to GitHub's runner or a terminal are escaped in all
 * output. With `--json`, the last line of stdout is an object even after an
 * error: `{"status":"failed","error":…,"exit_code":…}`. SIGINT, SIGTERM and the
 * time limit end the command as {@linkcode openStop} describes.
 */
export async function runScript<const Table extends FlagTable>(
  command: Command<Table>,
  body: (flags: FlagValues<Table>, context: Context) => Promise<Outcome>,
): Promise<never> {
  const startedMs = performance.now();
  const json = Deno.args.includes("--json");
  const seconds = () => Math.round(performance.now() - startedMs) / 1000;
  const fail = (error: unknown): never => {
    if (error instanceof ClosedOutputError) Deno.exit(0);
    const code = exitCode(error);
    const message = withoutSecrets(messageOf(error));
    console.error(toMessage(`${command.name}: ${message}`, "error"));
    if (isDefect(error)) {
      console.error(manyLines(withoutSecrets(error.stack ?? "")));
    }
    if (json) {
      const report = { status: "failed", error: message, exit_code: code };
      printResult(command, toLine({ ...report, seconds: seconds() }));
    }
    Deno.exit(code);
  };
  let named: readonly unknown[] = [];
  try {
    answerRequest(command);
    const { values, words } = parseFlags(command, Deno.args, {
      isWatched: isWatched(),
    });
    named = namedFiles(command, { values, words });
    const log = toLog(levelOf(values), printLine, display.begin);
    using stop = openStop({ limitMinutes: limitOf(values), exit: fail });
    const { signal } = stop;
    const columns = outputColumns();
    const outcome = await body(values, {
      words,
      log,
      retryPolicy: retryPolicyOf(values),
      ask: askOf(values),
      columns,
      stdout: openStdout(),
      signal,
    });
    const isPrinted = printResult(
      command,
      json
        ? toLine({ ...outcome.report, seconds: seconds() })
        : toText(outcome),
    );
    Deno.exit(isPrinted ? outcome.exitCode ?? 0 : 1);
  } catch (error) {
    const isTyped = error instanceof MissingFileError &&
      named.includes(error.uri);
    return fail(isTyped ? new UsageError(error.message) : error);
  }
}

/** Returns the files that a command line names. */
function namedFiles(
  { flags, words: positional }: Command,
  { values, words }: {
    values: Readonly<Record<string, unknown>>;
    words: readonly string[];
  },
): unknown[] {
  return [
    ...Object.entries(flags).flatMap(([name, flag]) =>
      flag.kind !== "switch" && flag.file ? [values[name]].flat() : []
    ),
    ...positional?.file ? words : [],
  ];
}

function openStdout(): StandardOutput {
  const isTerminal = Deno.stdout.isTerminal();
  const encoder = new TextEncoder();
  return {
    isTerminal,
    columns: isTerminal ? outputColumns() : undefined,
    emphasize: outputHasColor() ? bold : (text) => text,
    async write(part) {
      const bytes = typeof part === "string"
        ? encoder.encode(withoutCommands(redact(part)))
        : part;
      try {
        for (let at = 0; at < bytes.length;) {
          at += await Deno.stdout.write(bytes.subarray(at));
        }
      } catch (error) {
        if (error instanceof Deno.errors.BrokenPipe) {
          throw new ClosedOutputError();
        }
        throw new InputError(
          `Cannot write the result to standard output: ${messageOf(error)}`,
        );
      }
    },
  };
}

/** Prints the result to stdout, unless it was written before; returns false if it cannot be written there, such as to a full disk or a closed pipe. */
function printResult({ name }: Command, text: string): boolean {
  if (text === "") return true;
  try {
    console.log(text);
    return true;
  } catch (error) {
    console.error(
      oneLine(
        `${name}: Cannot write the result to standard output: ${
          messageOf(error)
        }; the command itself has completed`,
      ),
    );
    return false;
  }
}

function askOf(
  { yes, json }: { yes?: unknown; json?: unknown },
): Context["ask"] {
  const mayAsk = Deno.stdin.isTerminal() && Deno.stdout.isTerminal();
  return !mayAsk || yes || json ? undefined : (question) => {
    const answer = prompt(oneLine(question));
    if (answer !== null) return answer.trim();
    throw new UsageError("Stopped: the question was not answered");
  };
}

/** Returns the time limit of the flags, in minutes; 0 for commands without one. */
function limitOf(
  { "time-limit": limit = "0" }: { "time-limit"?: string },
): number {
  return toCount(limit, { flag: "time-limit", most: longestLimitMinutes });
}

function retryPolicyOf(
  { retries = "0", "retry-delay": delay = "0" }: {
    retries?: string;
    "retry-delay"?: string;
  },
): Context["retryPolicy"] {
  return {
    retries: toCount(retries, { flag: "retries", integer: true }),
    delaySeconds: toCount(delay, { flag: "retry-delay", most: 86_400 }),
  };
}

function levelOf(
  { quiet, verbose }: { quiet?: unknown; verbose?: unknown },
): LogLevel {
  if (quiet && verbose) {
    throw new UsageError("Cannot use --quiet with --verbose: choose one");
  }
  return quiet ? "quiet" : verbose ? "verbose" : "normal";
}

/** Handles `--help` and `--version` for a script that was started without the launcher. */
function answerRequest(command: Command): void {
  const request = findRequest(command, Deno.args);
  if (request === undefined) return;
  console.log(
    request === "help"
      ? toHelp(command, { columns: outputColumns() })
      : version,
  );
  Deno.exit(0);
}

/**
 * Runs several tasks in sequence and returns one outcome. A failed task does not
 * stop the others and is reported in its place; the exit code is the worst of
 * all. `status` is `failed` if the exit code is not 0, otherwise the status of
 * the first task that changed something.
 *
 * @param work The tasks: `key` names the variant in the report, `title` in messages.
 * @param options `all`: if false, a single task's own outcome or error is passed through.
 */
export async function runEach(
  work: readonly { key: string; title: string; run: () => Promise<Outcome> }[],
  options: { all: boolean; log: Pick<Log, "error"> },
): Promise<Outcome> {
  const [only] = work;
  if (only && !options.all) return await only.run();
  const outcomes: Outcome[] = [];
  for (const { key, title, run } of work) {
    outcomes.push(
      await run().catch((error) => failed({ key, title }, error, options.log)),
    );
  }
  const code = worstExitCode(outcomes.map(({ exitCode }) => exitCode ?? 0));
  return {
    report: {
      status: code === 0 ? overallStatus(outcomes) : "failed",
      exit_code: code,
      variants: outcomes.map(({ report }) => report),
    },
    text: outcomes.length === 0
      ? "Nothing to do: variants.yaml lists no variant"
      : outcomes.map(({ text }) => text).join("\n\n"),
    exitCode: code,
  };
}

/** Returns the first status that reports a change; all are from one command, so they have the same meaning. */
function overallStatus(outcomes: readonly Outcome[]): string {
  const statuses = outcomes.map(({ report }) => report.status);
  const idle = ["nothing-new", "unchanged"];
  return statuses.find((status) => !idle.includes(status)) ?? statuses[0] ??
    "unchanged";
}

function failed(
  { key, title }: { key: string; title: string },
  error: unknown,
  log: Pick<Log, "error">,
): Outcome {
  const message = withoutSecrets(messageOf(error));
  const code = exitCode(error);
  log.error(`${title}: ${message}`);
  if (isDefect(error)) (error.stack ?? "").split("\n").forEach(log.error);
  return {
    report: {
      status: "failed",
      variant: key,
      error: message,
      exit_code: code,
    },
    text: oneLine(`${title}: failed, ${message}`),
    exitCode: code,
  };
}

const expectedErrors = new Set([
  "UsageError",
  "InputError",
  "TransientError",
  "DatabaseError",
]);

/** Returns true for an error that is not thrown on purpose; its stack is printed. */
function isDefect(error: unknown): error is Error {
  if (error instanceof SuppressedError) return isDefect(error.suppressed);
  return error instanceof Error && !expectedErrors.has(error.name);
}

/** Redacts secrets and URIs in messages. Reports and outcome texts contain data, whose URIs must not be changed. */
function withoutSecrets(message: string): string {
  return withoutUriSecrets(redact(message));
}

function toText({ text, isData = false }: Outcome): string {
  const shown = redact(text);
  if (isData) return withoutCommands(shown);
  const safe = manyLines(shown);
  // Painted after its own escapes are made visible, because it may be anything.
  return outputHasColor() ? paintText(safe) : safe;
}

/** Returns the JSON line. Each text is redacted separately, because a secret such as `true` or `1000` would also match JSON syntax in the whole line. */
function toLine(report: Readonly<Record<string, unknown>>): string {
  const line = JSON.stringify(
    report,
    (_, value: unknown) => typeof value === "string" ? redact(value) : value,
  );
  return withoutCommands(escapeControls(line));
}

const display = openProgress({
  isTerminal: isWatched(),
  columns: () => terminalColumns() ?? 80,
  nowMs: () => performance.now(),
  write: (text) => void Deno.stderr.writeSync(new TextEncoder().encode(text)),
  print: (message) => console.error(oneLine(withoutSecrets(message))),
});

function printLine(message: string, level?: MessageLevel): void {
  display.around(() => console.error(toMessage(message, level)));
}

/** Returns a message as one line for stderr. */
function toMessage(message: string, level?: MessageLevel): string {
  const safe = oneLine(withoutSecrets(message));
  return messagesHaveColor()
    ? paintMessage(safe, { isError: level === "error" })
    : safe;
}
