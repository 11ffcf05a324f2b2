/**
 * Error classes, grouped by what the operator should do next. Every error that
 * a script throws on purpose is one of these three; any other error is a defect.
 */

/** The command line or the configuration is wrong: correct it and run again. Exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** The data, the model or the registry is invalid: retrying does not help. Exit code 1. */
export class InputError extends Error {
  override readonly name = "InputError";
}

/** A named file does not exist. Exit code 1, or 2 if the command line names it. */
export class MissingFileError extends InputError {
  /** The file as it was named: a path, a URI or a pattern. */
  readonly uri: string;

  constructor(uri: string) {
    super(`Cannot find ${uri}: there is no such file`);
    this.uri = uri;
  }
}

/** Why a service could not be used: it did not answer in time, or it answered that it is unavailable (HTTP 5xx). */
export type Outage = "unreachable" | "unavailable";

/** A service was unavailable or slow: the same command may succeed later. Exit code 75. */
export class TransientError extends Error {
  override readonly name = "TransientError";
  /** Undefined for other temporary failures, such as a truncated response body. */
  readonly outage: Outage | undefined;

  constructor(
    message: string,
    options: ErrorOptions & { outage?: Outage | undefined } = {},
  ) {
    super(message, options);
    this.outage = options.outage;
  }
}

/** Exit code of a process; 75 is `EX_TEMPFAIL` of BSD's `sysexits.h`. */
export type ExitCode = 0 | 1 | 2 | 3 | 75;

/**
 * Returns the exit code for an error: 2 for wrong usage or configuration, 75
 * for an unavailable service, 1 for everything else.
 *
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 *
 * strictEqual(exitCode(new TransientError("S3 did not answer")), 75);
 * strictEqual(exitCode(new RangeError("a defect")), 1);
 * ```
 */
export function exitCode(error: unknown): ExitCode {
  if (error instanceof SuppressedError) return exitCode(error.suppressed);
  if (error instanceof UsageError) return 2;
  if (error instanceof TransientError) return 75;
  return 1;
}

/** Exit codes, worst first, so that `--all` can report one code for many variants. */
const severity: readonly ExitCode[] = [2, 1, 75, 3, 0];

/**
 * Returns the exit code that one process reports for several tasks: wrong usage
 * before invalid data before retryable before `--fail-on`, and 0 only when all
 * are 0.
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
 * Returns the message of any thrown value, followed by the messages of its
 * causes, so that a wrapped error still shows the reason. If closing a resource
 * failed as well, the message is that of the first error.
 *
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 *
 * const error = new Error("Cannot read a", { cause: new Error("no such file") });
 * strictEqual(messageOf(error), "Cannot read a: no such file");
 * ```
 */
export function messageOf(error: unknown): string {
  // Closing something failed after the actual error, such as on a full disk.
  if (error instanceof SuppressedError) return messageOf(error.suppressed);
  if (!(error instanceof Error)) return String(error);
  const own = error.message || error.name;
  if (error.cause === undefined) return own;
  const cause = messageOf(error.cause);
  return own.includes(cause) ? own : `${own}: ${cause}`;
}

/**
 * Returns the error for a host that the launcher's permissions do not allow;
 * undefined for any other error. Deno refuses an address with `NotCapable`, and a
 * name that it would have to look up with `EPERM`.
 */
export function explainDeniedHost(error: unknown): UsageError | undefined {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const [, address, name] =
      /Requires net access to "([^"]+)"|^getaddrinfo EPERM (\S+)$/.exec(
        cause.message,
      ) ?? [];
    const host = address ?? name;
    if (host === undefined) continue;
    return new UsageError(
      `Cannot connect to ${host}: no setting names this host, so the launcher does not allow it; ` +
        `add it to CHURN_HOSTS, as in CHURN_HOSTS=${
          name === undefined ? host : `${host}:PORT`
        }`,
    );
  }
  return undefined;
}
