// deno-lint-ignore-file no-console -- the one place that prints
/** Runs the body of a script: flags, messages, the JSON line, and the exit code. */
import { exitCode, messageOf, worstExitCode } from "../base/errors.ts";
import {
  escapeControls,
  manyLines,
  oneLine,
  withoutCommands,
} from "../base/printable.ts";
import type { Outcome } from "../base/outcome.ts";
import { redact, withoutUriSecrets } from "../base/redact.ts";
import {
  type Command,
  findRequest,
  type FlagTable,
  type FlagValues,
  parseFlags,
  toHelp,
} from "./flags.ts";
import { version } from "./version.ts";

/** What a body is given beside its flags. */
export interface Context {
  /** Words without a flag, in order. */
  readonly words: readonly string[];
  /** Tells a person something, on stderr, in one line. */
  readonly say: (message: string) => void;
}

/**
 * Runs `body` as a program: prints what it gives back, and ends the process
 * with its exit code. Errors become one line on stderr that names what to do;
 * only a defect shows its stack. Nothing that is printed is a command to
 * GitHub's runner or a terminal. With `--json` the last line of stdout is an
 * object even then: `{"status":"failed","error":…,"exit_code":…}`.
 */
export async function runScript<const Table extends FlagTable>(
  command: Command<Table>,
  body: (flags: FlagValues<Table>, context: Context) => Promise<Outcome>,
): Promise<never> {
  const startedMs = performance.now();
  const json = Deno.args.includes("--json");
  const seconds = () => Math.round(performance.now() - startedMs) / 1000;
  try {
    answerRequest(command);
    const { values, words } = parseFlags(command, Deno.args);
    const outcome = await body(values, { words, say });
    console.log(
      json
        ? toLine({ ...outcome.report, seconds: seconds() })
        : toText(outcome),
    );
    Deno.exit(outcome.exitCode ?? 0);
  } catch (error) {
    const code = exitCode(error);
    const message = withoutSecrets(messageOf(error));
    console.error(oneLine(`${command.name}: ${message}`));
    if (isDefect(error)) {
      console.error(manyLines(withoutSecrets(error.stack ?? "")));
    }
    if (json) {
      console.log(
        toLine({
          status: "failed",
          error: message,
          exit_code: code,
          seconds: seconds(),
        }),
      );
    }
    Deno.exit(code);
  }
}

/** `--help` and `--version` of a script that was started without the launcher. */
function answerRequest(command: Command): void {
  const request = findRequest(command, Deno.args);
  if (request === undefined) return;
  console.log(request === "help" ? toHelp(command) : version);
  Deno.exit(0);
}

/**
 * One outcome for several pieces of work: each runs after the other whatever
 * happened before it, a failed one is reported in its place, and the worst exit
 * code wins. Its `status` is `failed` when any failed, else that of the first
 * that changed something.
 *
 * @param work The pieces: `key` is what the report calls a variant, `title` what a person does.
 * @param options `all`: false runs the only piece by itself, which keeps its own shape and its own error.
 */
export async function runEach(
  work: readonly { key: string; title: string; run: () => Promise<Outcome> }[],
  options: { all: boolean; say: (message: string) => void },
): Promise<Outcome> {
  const [only] = work;
  if (only && !options.all) return await only.run();
  const outcomes: Outcome[] = [];
  for (const { key, title, run } of work) {
    outcomes.push(
      await run().catch((error) => failed({ key, title }, error, options.say)),
    );
  }
  const code = worstExitCode(outcomes.map(({ exitCode }) => exitCode ?? 0));
  return {
    report: {
      status: code === 0 ? overallStatus(outcomes) : "failed",
      exit_code: code,
      variants: outcomes.map(({ report }) => report),
    },
    text: outcomes.map(({ text }) => text).join("\n\n"),
    exitCode: code,
  };
}

/** The first status that says something changed; they are of one command, so they mean alike. */
function overallStatus(outcomes: readonly Outcome[]): string {
  const statuses = outcomes.map(({ report }) => report.status);
  const idle = ["nothing-new", "unchanged"];
  return statuses.find((status) => !idle.includes(status)) ?? statuses[0] ??
    "unchanged";
}

function failed(
  { key, title }: { key: string; title: string },
  error: unknown,
  say: (message: string) => void,
): Outcome {
  const message = withoutSecrets(messageOf(error));
  const code = exitCode(error);
  say(`${title}: ${message}`);
  if (isDefect(error)) { for (const line of stackOf(error)) say(line); }
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

/** Anything that no part of the code throws on purpose deserves its stack. */
function isDefect(error: unknown): error is Error {
  return error instanceof Error && !expectedErrors.has(error.name);
}

/** For messages; a report and an outcome's text hold data, which must stay as it is. */
function withoutSecrets(message: string): string {
  return withoutUriSecrets(redact(message));
}

function stackOf(error: Error): string[] {
  return (error.stack ?? "").split("\n");
}

function toText({ text, isData = false }: Outcome): string {
  const shown = redact(text);
  return isData ? withoutCommands(shown) : manyLines(shown);
}

/** Redacts text by text: in the whole line a secret such as `true` or `1000` would take JSON's own words with it. */
function toLine(report: Readonly<Record<string, unknown>>): string {
  const line = JSON.stringify(
    report,
    (_, value: unknown) => typeof value === "string" ? redact(value) : value,
  );
  return withoutCommands(escapeControls(line));
}

function say(message: string): void {
  console.error(oneLine(withoutSecrets(message)));
}
