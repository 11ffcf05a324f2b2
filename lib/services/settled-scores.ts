/** Settles the scores of superseded scoring runs, so that `churn_predictions_current` need not read them. */
import { messageOf } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import type { Database } from "../database/database.ts";

/** After every run there is one to settle, or a few after several periods at once. */
const mostQuietRuns = 10;

/**
 * Settles the scores of all completed runs but the newest of each variant: the
 * newest rows of players whom the newest run does not contain are copied to
 * `settled_scores`, and the runs are not read any more for
 * `churn_predictions_current`. The view shows the same before, meanwhile and
 * after, so a failure is only a warning, which is returned, and the next call makes
 * up for it. A second call finds nothing to settle; concurrent calls for a variant
 * wait for each other.
 *
 * @param options `variant`: the key of the only variant to settle; all by default. `log`: takes the number of runs if there are many.
 * @returns The warning; undefined if nothing failed.
 */
export async function settleScores(
  database: Database,
  { variant, log }: { variant?: string; log: Pick<Log, "info"> },
): Promise<string | undefined> {
  try {
    const unsettled = await database.query<{ key: string; runs: number }>(
      `select variant as key, count(*) - 1 as runs from scoring_runs
       where status = 'completed' and settled_at is null and ($1::text is null or variant = $1)
       group by variant having count(*) > 1 order by variant`,
      [variant ?? null],
    );
    for (const { key, runs } of unsettled) {
      if (runs > mostQuietRuns) {
        log.info(
          `Settling the scores of ${runs} earlier scoring runs of ${key}, which takes a while once`,
        );
      }
      await settle(database, key);
    }
    return undefined;
  } catch (error) {
    return `Cannot settle the scores of earlier scoring runs: ${
      messageOf(error)
    }. churn_predictions_current shows the right scores, but slowly; \`deno task setup\`, with the login that owns the tables, repeats it`;
  }
}

async function settle(database: Database, variant: string): Promise<void> {
  await database.transaction(async (tx) => {
    // At repeatable read, of two that settle a variant at once, one would fail.
    await tx.query("set transaction isolation level read committed");
    await tx.query("select settle_scores($1)", [variant]);
  });
}
