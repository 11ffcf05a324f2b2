// deno-lint-ignore-file no-console -- the one place that prints
/** Runs a script's body: flags, help, messages, the JSON line, and the exit code. */
import { parseArgs, type ParseArgsOptionsConfig } from "node:util";
import {
  type ExitCode,
  exitCode,
  messageOf,
  UsageError,
  worstExitCode,
} from "./errors.ts";
import {
  escapeControls,
  manyLines,
  oneLine,
  withoutCommands,
} from "./printable.ts";
import { redact, withoutUriSecrets } from "./redact.ts";

/** What a command is called, says of itself, and accepts. */
export interface Command<Options extends ParseArgsOptionsConfig> {
  readonly name: string;
  /** One line: what it does. */
  readonly summary: string;
  /** One line a flag, as `--help` shows them. */
  readonly usage: string;
  readonly options: Options;
  /** True where words without a flag are allowed. */
  readonly allowPositionals?: boolean;
}

/** The parsed flags of a command, by their names; absent flags are undefined. */
export type Flags<Options extends ParseArgsOptionsConfig> = ReturnType<
  typeof parseArgs<{ options: Options; strict: true; allowPositionals: true }>
>["values"];

/** What a body is given beside its flags. */
export interface Context {
  /** Words without a flag, in order. */
  readonly positionals: readonly string[];
  /** Tells a person something, on stderr, in one line. */
  readonly say: (message: string) => void;
}

/** What a command did, as the JSON line shows it; more fields may stand beside these. */
export interface Report {
  readonly status: string;
  readonly [field: string]: unknown;
}

/** What a body gives back: the JSON object, and the same told to a person. */
export interface Outcome {
  readonly report: Report;
  /** Printed to stdout unless `--json` asks for the object. */
  readonly text: string;
  /** True where `text` is data in a form of its own, such as CSV: its control characters stay. */
  readonly isData?: boolean;
  /** 0 when left out. */
  readonly exitCode?: ExitCode;
}

/** Flags that every command takes. */
export const commonOptions = {
  json: { type: "boolean" },
  help: { type: "boolean" },
} as const satisfies ParseArgsOptionsConfig;

/** Flags that name one variant. */
export const variantOptions = {
  geography: { type: "string" },
  company: { type: "string" },
} as const satisfies ParseArgsOptionsConfig;

/** Flags of the retries around critical steps. */
export const retryOptions = {
  retries: { type: "string", default: "3" },
  "retry-delay": { type: "string", default: "60" },
} as const satisfies ParseArgsOptionsConfig;

/** Help lines of {@linkcode variantOptions}. */
export const variantUsage =
  `  --geography G           the variant's geography, such as US
  --company C             the variant's company, such as ClientB`;

/** Help lines of {@linkcode retryOptions} and {@linkcode commonOptions}. */
export const commonUsage =
  `  --retries N             tries after the first one when a service is away (3)
  --retry-delay S         mean seconds between two tries (60)
  --json                  print one JSON object as the last line of stdout
  --help                  print this`;

/**
 * Runs `body` as a program: prints what it gives back, and ends the process
 * with its exit code. Errors become one line on stderr that names what to do;
 * only a defect shows its stack. Nothing that is printed is a command to
 * GitHub's runner or a terminal. With `--json` the last line of stdout is an
 * object even then: `{"status":"failed","error":…,"exit_code":…}`.
 */
export async function runScript<Options extends ParseArgsOptionsConfig>(
  command: Command<Options>,
  body: (flags: Flags<Options>, context: Context) => Promise<Outcome>,
): Promise<never> {
  const startedMs = performance.now();
  const json = Deno.args.includes("--json");
  const seconds = () => Math.round(performance.now() - startedMs) / 1000;
  try {
    const { values, positionals } = parseFlags(command, Deno.args);
    if (values["help"]) {
      console.log(helpOf(command));
      Deno.exit(0);
    }
    const outcome = await body(values as Flags<Options>, { positionals, say });
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

/**
 * The flags and words of a command line.
 *
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 *
 * const command = { name: "x", summary: "", usage: "", options: { all: { type: "boolean" } } } as const;
 * deepStrictEqual({ ...parseFlags(command, ["--all"]).values }, { all: true });
 * ```
 *
 * @throws {UsageError} If a flag is unknown, lacks its value, or stands where no word may.
 */
export function parseFlags<Options extends ParseArgsOptionsConfig>(
  command: Command<Options>,
  args: readonly string[],
): { values: Record<string, unknown>; positionals: string[] } {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      options: command.options,
      strict: true,
      allowPositionals: command.allowPositionals ?? false,
    });
    return { values, positionals };
  } catch (error) {
    throw new UsageError(
      `${
        messageOf(error)
      }; \`deno task ${command.name} --help\` shows the flags`,
    );
  }
}

/**
 * The number of 0 or more that a flag's text stands for.
 *
 * @param options `flag`: its name in errors; `integer`: refuse fractions.
 * @throws {UsageError} If it is not such a number.
 */
export function toCount(
  text: string,
  options: { flag: string; integer?: boolean },
): number {
  const { flag, integer = false } = options;
  const value = Number(text);
  const fits = text.trim() !== "" && Number.isFinite(value) && value >= 0 &&
    (!integer || Number.isInteger(value));
  if (fits) return value;
  throw new UsageError(
    `Cannot use --${flag} "${text}": expected a ${
      integer ? "whole " : ""
    }number of 0 or more`,
  );
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

function helpOf(
  { name, summary, usage }: Command<ParseArgsOptionsConfig>,
): string {
  return `${summary}\n\nUsage: deno task ${name} [flags]\n\n${usage}`;
}
