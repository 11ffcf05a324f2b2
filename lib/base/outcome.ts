/** The result of a command, as JSON and as text. */
import type { ExitCode } from "./errors.ts";

/** The result of a command as the JSON line shows it; commands may add fields. */
export interface Report {
  readonly status: string;
  readonly [field: string]: unknown;
}

/** The return value of a command's body: the JSON object, and the same as readable text. */
export interface Outcome {
  readonly report: Report;
  /** Printed to stdout unless `--json` asks for the object; empty if it was written there before. */
  readonly text: string;
  /** True when `text` is data in its own format, such as CSV: its control characters are not escaped, and it has no color. */
  readonly isData?: boolean;
  /** Defaults to 0. */
  readonly exitCode?: ExitCode;
}
