/** What a command did, as `--json` shows it and as a person reads it. */
import type { ExitCode } from "./errors.ts";

/** What a command did, as the JSON line shows it; more fields may stand beside these. */
export interface Report {
  readonly status: string;
  readonly [field: string]: unknown;
}

/** What the body of a command returns: the JSON object, and the same for a person. */
export interface Outcome {
  readonly report: Report;
  /** Printed to stdout unless `--json` asks for the object. */
  readonly text: string;
  /** True where `text` is data in a form of its own, such as CSV: its control characters stay. */
  readonly isData?: boolean;
  /** 0 when left out. */
  readonly exitCode?: ExitCode;
}
