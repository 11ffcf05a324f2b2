/** Compares the delivered periods of a variant with what it expects. */
import type { Names } from "../config/names.ts";
import { InputError, messageOf } from "../base/errors.ts";
import { asStored, type StoredBatch } from "./batch.ts";
import {
  checkPromise,
  type Delivery,
  type DeliveryProblem,
  findIncomplete,
  findOverdue,
  IncompleteDelivery,
  readPromise,
} from "./expectations.ts";
import { type InputChoice, isExplicit, type SkippedBatch } from "./inputs.ts";
import { listScoringRuns, type ScoringRun } from "./ledger.ts";
import type { InputBatch } from "../services/input-batches.ts";
import { ageInDays, type Period, toDay } from "../config/periods.ts";
import type { VariantSettings } from "../config/variants.ts";
import type { Services } from "../services/services.ts";
import { nameOfInput } from "../services/variant-files.ts";

/** Returns the variant's completed runs, newest period first. */
export async function readRuns(
  services: Services,
  { variant }: VariantSettings,
): Promise<ScoringRun[]> {
  const database = await services.predictions();
  return await services.withRetry(
    "read the ledger",
    () => listScoringRuns(database, variant),
  );
}

/** What a call delivers, or would deliver, for one batch. */
export interface DeliveredBatch {
  readonly batch: Pick<InputBatch, "period">;
  /** Rows that this call scores, with those that are set aside; `unknown` before they are read; undefined if it scores none. */
  readonly rows: number | "unknown" | undefined;
  readonly ledger: ScoringRun | undefined;
  readonly incomplete?: string | undefined;
}

/** Returns a stored batch as a delivery. */
export function asDelivered(stored: StoredBatch): DeliveredBatch {
  return { ...stored, rows: stored.scored && rowsOf(stored.scored).rows };
}

/**
 * Returns what is not whole or in time after a call: the batches that are not the
 * ones that their side files promise, the rows of the periods that the call scored
 * or flags chose, and, unless flags chose any, the rows and the age of the newest
 * period.
 *
 * @param options `runs`: the ledger before the call; empty if the scores are not stored there, so that only this call's batches are known.
 */
export function findProblems(options: {
  delivered: readonly DeliveredBatch[];
  settings: VariantSettings;
  choice: InputChoice;
  runs: readonly ScoringRun[];
}): DeliveryProblem[] {
  const { delivered, settings: { expect }, choice } = options;
  // Where the inputs have periods, files that somebody named for none say nothing about them.
  const hasPeriods = delivered.some(({ batch }) => batch.period !== undefined);
  const runs = options.runs.filter((run) => run.hasPeriod || !hasPeriods);
  const now = new Date();
  const today = toDay(now);
  const deliveries = newestPerPeriod([
    ...delivered.flatMap(({ batch, rows }) =>
      rows === undefined ? [] : [{
        period: batch.period ?? today,
        rows: rows === "unknown" ? undefined : rows,
      }]
    ),
    ...runs.map((run) => ({ period: run.period, ...rowsOf(run) })),
    // Another process may have stored one in the meantime.
    ...delivered.flatMap(({ ledger }) =>
      ledger ? [{ period: ledger.period, ...rowsOf(ledger) }] : []
    ),
  ]);
  const checked = new Set(
    delivered.flatMap(({ batch, rows, ledger }) =>
      rows !== undefined || ledger
        ? [batch.period ?? ledger?.period ?? today]
        : []
    ),
  );
  const broken = delivered.flatMap(({ batch, incomplete }): DeliveryProblem[] =>
    incomplete === undefined ? [] : [{
      kind: "incomplete",
      period: batch.period ?? null,
      reason: incomplete,
    }]
  );
  // Files that a flag names for no period may be anything.
  if (choice.named !== undefined && choice.period === undefined) return broken;
  const newest = deliveries[0]?.period;
  if (!isExplicit(choice) && newest !== undefined) checked.add(newest);
  const problems = [
    ...broken,
    ...findIncomplete(deliveries, { checked, expect }),
  ];
  return isExplicit(choice) ? problems : [
    ...problems,
    ...findOverdue(
      deliveries.find(({ period }) => !isFarAhead(period, now))?.period,
      { expect, now },
    ),
  ];
}

/** Tells whether a period begins in more than a week, so that it is a wrong date. */
function isFarAhead(period: Period, now: Date): boolean {
  return ageInDays(period, now) < -7;
}

/**
 * Warns of what readers of `churn_predictions_current` would not expect: a period
 * in the future, which hides all others, a period that is older than a run
 * without one, whose day of scoring counts, and a period with the content of
 * another one, which may be an export that was delivered again.
 *
 * @param options `scored`: the batches that the call scores into the ledger; `runs`: the ledger before the call.
 */
export function warnOfHidden(
  { log }: Pick<Services, "log">,
  { scored, runs, names }: {
    scored: readonly {
      readonly batch: Pick<InputBatch, "uri" | "period">;
      readonly contentSha256?: string | undefined;
    }[];
    runs: readonly ScoringRun[];
    names: Names;
  },
): void {
  const now = new Date();
  const unnamed = runs.find(({ hasPeriod }) => !hasPeriod);
  const known = [
    ...runs.flatMap((run) =>
      run.hasPeriod ? [{ ...run, uri: run.inputUri }] : []
    ),
    ...scored.map(({ batch, contentSha256 }) => ({ ...batch, contentSha256 })),
  ];
  for (const { batch, contentSha256 } of scored) {
    const { period } = batch;
    if (period === undefined) continue;
    const uri = nameOfInput(batch.uri);
    const same = known.find((other) =>
      contentSha256 !== undefined && other.contentSha256 === contentSha256 &&
      other.period !== undefined && other.period < period
    );
    if (same) {
      log.warn(
        `${uri} is for ${period}, but has the same content as the data of ${same.period} in ${
          nameOfInput(same.uri)
        }; is it the right file?`,
      );
    }
    if (isFarAhead(period, now)) {
      log.warn(
        `${uri} is for ${period}, which begins in ${-ageInDays(
          period,
          now,
        )} days; churn_predictions_current shows it before every earlier period`,
      );
    }
    if (unnamed && unnamed.period > period) {
      log.warn(
        `${uri} is for ${period}, but churn_predictions_current shows scoring run ${unnamed.id} for ${names.entities} in both: that run has no period, so it counts as ${unnamed.period}, the day of scoring`,
      );
    }
  }
}

function rowsOf(
  { rows, rowsSetAside }: { rows: number; rowsSetAside: number },
): { rows: number } {
  return { rows: rows + rowsSetAside };
}

/** Returns the first delivery of each period, newest period first. */
function newestPerPeriod(deliveries: readonly Delivery[]): Delivery[] {
  const first = new Map<string, Delivery>();
  for (const delivery of deliveries) {
    if (!first.has(delivery.period)) first.set(delivery.period, delivery);
  }
  return [...first.values()].toSorted((a, b) => a.period < b.period ? 1 : -1);
}

/**
 * Returns the skipped batches that the result of a call names: all that flags
 * chose, otherwise the newest. Each is compared with its side file again, which
 * may have been written after the scores.
 */
export async function worthSaying(
  services: Services,
  skipped: readonly SkippedBatch[],
  { choice }: { choice: InputChoice },
): Promise<StoredBatch[]> {
  const said = isExplicit(choice) ? skipped : skipped.slice(-1);
  const stored: StoredBatch[] = [];
  for (const each of said) {
    const fault = await findBrokenPromise(services, each);
    stored.push({ ...asStored(each), ...fault });
  }
  return stored;
}

async function findBrokenPromise(
  { withRetry, log }: Services,
  { batch, run }: SkippedBatch,
): Promise<Pick<StoredBatch, "incomplete" | "failure">> {
  try {
    const promised = await withRetry(
      `read the side file of ${batch.uri}`,
      () => readPromise(batch, { expect: { manifest: undefined } }),
    );
    const { contentSha256 } = run;
    const scored = { uri: batch.uri, ...rowsOf(run), contentSha256 };
    if (promised) checkPromise(scored, promised);
    return {};
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    const reason = messageOf(error);
    if (error instanceof IncompleteDelivery) return { incomplete: reason };
    log.error(reason);
    return { failure: reason };
  }
}

/** Returns batches in the order of their periods. */
export function inOrder(stored: readonly StoredBatch[]): StoredBatch[] {
  return stored.toSorted((a, b) =>
    (a.batch.period ?? "").localeCompare(b.batch.period ?? "")
  );
}
