/** The messages of a command, each with a level that decides whether it is printed. */

/** Which messages are printed: warnings and errors only, progress as well, or every step as well. */
export type LogLevel = "quiet" | "normal" | "verbose";

/** What a message is. */
export type MessageLevel = "error" | "warning" | "info" | "verbose";

/** Shows how far one long step is. */
export interface Progress {
  /** Reports the part that is done, from 0 to 1, and the rows so far. */
  readonly update: (share: number, rows: number) => void;
  /** Ends the step, also after an error. */
  readonly end: () => void;
}

/** Prints messages for the user. */
export interface Log {
  /** Prints an error. */
  readonly error: (message: string) => void;
  /** Prints a message that begins with `WARNING: `. */
  readonly warn: (message: string) => void;
  /** Prints progress, unless the level is `quiet`. */
  readonly info: (message: string) => void;
  /** Prints a detail if the level is `verbose`; only then is a function called for it. */
  readonly verbose: (message: string | (() => string)) => void;
  /** Begins a step whose progress is shown, unless the level is `quiet`. One step at a time. */
  readonly progress: (name: string) => Progress;
}

/** A progress that is not shown. */
const noProgress: Progress = { update: () => {}, end: () => {} };

/**
 * Returns a log of the given level.
 *
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 *
 * const lines: string[] = [];
 * const log = toLog("normal", (line) => lines.push(line));
 * log.info("Scoring week.jsonl");
 * log.warn("missing in every row: spend");
 * log.verbose("read week.jsonl: 0.1 s");
 * deepStrictEqual(lines, ["Scoring week.jsonl", "WARNING: missing in every row: spend"]);
 * ```
 *
 * @param print Prints one message.
 * @param progress Begins to show a step; by default, nothing is shown.
 */
export function toLog(
  level: LogLevel,
  print: (message: string, level: MessageLevel) => void,
  progress: Log["progress"] = () => noProgress,
): Log {
  const at = (kind: MessageLevel) => (message: string) => print(message, kind);
  return {
    error: at("error"),
    warn: (message) => print(`WARNING: ${message}`, "warning"),
    info: level === "quiet" ? () => {} : at("info"),
    verbose: level === "verbose"
      ? (message) =>
        print(typeof message === "string" ? message : message(), "verbose")
      : () => {},
    progress: level === "quiet" ? () => noProgress : progress,
  };
}

/**
 * Begins to measure a request, and returns a function that reports how it ended,
 * with the milliseconds that it took.
 *
 * ```ts
 * import { match } from "node:assert/strict";
 *
 * const lines: string[] = [];
 * const done = startRequest("GET http://localhost/x", (line) => lines.push(line));
 * done(200);
 * match(lines[0] ?? "", /^GET http:..localhost.x: 200, \d+ ms$/);
 * ```
 *
 * @param request Without anything secret.
 * @param trace Undefined if nobody listens.
 */
export function startRequest(
  request: string,
  trace: ((message: string) => void) | undefined,
): (end: string | number) => void {
  const startMs = performance.now();
  return (end) => {
    const ms = Math.round(performance.now() - startMs);
    trace?.(`${request}: ${end}, ${ms} ms`);
  };
}

/** A log that prints nothing. */
export const noLog: Log = toLog("quiet", () => {});
