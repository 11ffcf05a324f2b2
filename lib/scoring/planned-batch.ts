/** The batches of a plan: their rows as far as they are cheap to know, and what a call would do with each. */
import { InputError, messageOf } from "../base/errors.ts";
import type { VariantSettings } from "../config/variants.ts";
import { countRows, type RowCount } from "../rows/read.ts";
import { RowError } from "../rows/row-error.ts";
import type { InputBatch } from "../services/input-batches.ts";
import type { Services } from "../services/services.ts";
import { nameOfInput } from "../services/variant-files.ts";
import type { BatchOptions } from "./batch.ts";
import {
  checkPromise,
  IncompleteDelivery,
  readPromise,
} from "./expectations.ts";
import type { PredictionPlan } from "./plan.ts";

/** A batch that was not scored yet, or would be scored again. */
export interface PlannedBatch {
  readonly batch: InputBatch;
  /** Rows, and how they are known: `scored` after a rehearsal, `promised` by the side file; undefined until the batch is read. */
  readonly rows:
    | RowCount
    | { readonly rows: number; readonly from: "scored" | "promised" }
    | undefined;
  /** Why it is not the batch that its side file promises; it would not be stored. */
  readonly incomplete?: string;
  /** Why it cannot be used. */
  readonly failure?: string;
  /** The digest of its content; undefined until it is read. */
  readonly contentSha256?: string | undefined;
}

/** What a call would do with a batch: `fail` if it cannot be used, `wait` if it is not the batch that its side file promises. */
export type PlannedAction = "score" | "score-again" | "fail" | "wait";

/** Returns what a call would do with a batch. */
export function actionOf(
  { batch, incomplete, failure }: PlannedBatch,
  { again, runs }: Pick<PredictionPlan, "again" | "runs">,
): PlannedAction {
  if (failure !== undefined) return "fail";
  if (incomplete !== undefined) return "wait";
  const isKnown = runs.some((run) =>
    batch.period === undefined
      ? run.inputUri === batch.uri
      : run.hasPeriod && run.period === batch.period
  );
  return isKnown && again(batch) ? "score-again" : "score";
}

/** Tells whether a batch is not known to be unusable or incomplete. */
export function isUsable({ incomplete, failure }: PlannedBatch): boolean {
  return incomplete === undefined && failure === undefined;
}

/**
 * Counts the rows of the batches that would be scored, where that is cheap, and
 * compares them with their side files. Nothing is scored.
 *
 * @param facts `badRows`: if given, rows that cannot be used are set aside, so that they do not refuse an input.
 */
export async function measureBatches(
  services: Services,
  batches: readonly InputBatch[],
  facts: Pick<BatchOptions, "settings" | "badRows">,
): Promise<PlannedBatch[]> {
  const planned: PlannedBatch[] = [];
  for (const batch of batches) {
    planned.push(
      await services.withRetry(
        `read ${nameOfInput(batch.uri)}`,
        () => measureBatch(batch, facts),
      ),
    );
  }
  return planned;
}

async function measureBatch(
  batch: InputBatch,
  { settings, badRows }: Pick<BatchOptions, "settings" | "badRows">,
): Promise<PlannedBatch> {
  const { expect, idColumn, recipe } = settings;
  const unknown = { batch, rows: undefined };
  try {
    const promised = await readPromise(batch, { expect });
    const counted = await countBatch(batch, { idColumn, recipe });
    if (promised?.rows === undefined) return { batch, rows: counted };
    if (!counted) {
      return { batch, rows: { rows: promised.rows, from: "promised" } };
    }
    checkPromise(
      { uri: batch.uri, rows: counted.rows, contentSha256: "" },
      { ...promised, sha256: undefined }, // the digest is checked when the bytes are read
    );
    return { batch, rows: counted };
  } catch (error) {
    if (error instanceof IncompleteDelivery) {
      return { ...unknown, incomplete: error.message };
    }
    if (error instanceof RowError && badRows !== undefined) return unknown;
    if (!(error instanceof InputError)) throw error;
    return { ...unknown, failure: messageOf(error) };
  }
}

/** Returns the rows of all files of a batch; undefined if those of one are not known. */
async function countBatch(
  { parts }: InputBatch,
  roles: Pick<VariantSettings, "idColumn" | "recipe">,
): Promise<RowCount | undefined> {
  let rows = 0;
  let from: RowCount["from"] = "footer";
  for (const part of parts) {
    if (part.size === 0 && parts.length > 1) continue; // an empty partition
    await using file = await part.open();
    const counted = await countRows(file, roles);
    if (!counted) return undefined;
    rows += counted.rows;
    if (counted.from === "counted") from = "counted";
  }
  return { rows, from };
}
