/**
 * What went wrong, sorted by what the operator should do next. Everything a
 * script throws on purpose is one of these three; anything else is a defect.
 */

/** The command line or the configuration is wrong: change it, then run again. Exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** The data, the model or the registry is not as it must be: retrying cannot help. Exit code 1. */
export class InputError extends Error {
  override readonly name = "InputError";
}

/** How a service was away: nobody answered in time, or it answered that it cannot serve now (HTTP 5xx). */
export type Outage = "unreachable" | "unavailable";

/** A service was away or slow: the same command may pass in a minute. Exit code 75. */
export class TransientError extends Error {
  override readonly name = "TransientError";
  /** Undefined for everything else that may pass, such as a body that was cut short. */
  readonly outage: Outage | undefined;

  constructor(
    message: string,
    options: ErrorOptions & { outage?: Outage | undefined } = {},
  ) {
    super(message, options);
    this.outage = options.outage;
  }
}

/** What a process says to whoever started it; 75 is `EX_TEMPFAIL` of BSD's `sysexits.h`. */
export type ExitCode = 0 | 1 | 2 | 3 | 75;

/**
 * The exit code that an error stands for: 2 wrong usage or configuration, 75 a
 * service was away, 1 everything else.
 *
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 *
 * strictEqual(exitCode(new TransientError("S3 did not answer")), 75);
 * strictEqual(exitCode(new RangeError("a defect")), 1);
 * ```
 */
export function exitCode(error: unknown): ExitCode {
  if (error instanceof UsageError) return 2;
  if (error instanceof TransientError) return 75;
  return 1;
}

/** Worst first, so that `--all` can report one code for many variants. */
const severity: readonly ExitCode[] = [2, 1, 75, 3, 0];

/**
 * The code that one process reports for several pieces of work: usage before
 * data before retryable before `--fail-on`, and 0 only when all were 0.
 *
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 *
 * strictEqual(worstExitCode([0, 75, 1]), 1);
 * strictEqual(worstExitCode([]), 0);
 * ```
 */
export function worstExitCode(codes: readonly ExitCode[]): ExitCode {
  return severity.find((code) => codes.includes(code)) ?? 0;
}

/**
 * The message of anything that was thrown, with the messages of its causes
 * behind it, so that "why" survives the wrapping.
 *
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 *
 * const error = new Error("Cannot read a", { cause: new Error("no such file") });
 * strictEqual(messageOf(error), "Cannot read a: no such file");
 * ```
 */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const own = error.message || error.name;
  if (error.cause === undefined) return own;
  const cause = messageOf(error.cause);
  return own.includes(cause) ? own : `${own}: ${cause}`;
}
