/** What a printed command line is for. */
import type { InputBatch } from "../services/input-batches.ts";

/** What the printed command line of a call does. */
export interface CommandOptions {
  /** The one batch that it is for; by default, all that the call is for. */
  readonly batch?: InputBatch;
  /** Whether it scores again what was scored before; false by default. */
  readonly force?: boolean;
}
