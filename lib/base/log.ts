/** The messages of a command, each with a level that decides whether it is printed. */

/** Which messages are printed: warnings and errors only, progress as well, or every step as well. */
export type LogLevel = "quiet" | "normal" | "verbose";

/** Prints messages for the user. */
export interface Log {
  /** Prints an error. */
  readonly error: (message: string) => void;
  /** Prints a message that begins with `WARNING: `. */
  readonly warn: (message: string) => void;
  /** Prints progress, unless the level is `quiet`. */
  readonly info: (message: string) => void;
  /** Prints a detail if the level is `verbose`. */
  readonly verbose: (message: string) => void;
}

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
 */
export function toLog(
  level: LogLevel,
  print: (message: string) => void,
): Log {
  return {
    error: print,
    warn: (message) => print(`WARNING: ${message}`),
    info: level === "quiet" ? () => {} : print,
    verbose: level === "verbose" ? print : () => {},
  };
}

/** A log that prints nothing. */
export const noLog: Log = {
  error: () => {},
  warn: () => {},
  info: () => {},
  verbose: () => {},
};
