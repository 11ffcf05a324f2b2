/** Settles the scores of superseded scoring runs, so that `churn_predictions_current` need not read them. */
import { withinTime } from "../base/abortable.ts";
import { messageOf } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import type { Database } from "../database/database.ts";

/** After every run there is one to settle, or a few after several periods at once. */
const mostQuietRuns = 10;

/** Fewer rows are settled in milliseconds, which is less than opening a second connection takes. */
const manyRows = 100_000;

/** The longest that the caller waits for few rows. */
const longestWaitMs = 5_000;

/** Which scores to settle. */
export interface SettleOptions {
  /** The key of the only variant to settle; all by default. */
  readonly variant?: string;
  /** Takes the number of runs if there are many. */
  readonly log: Pick<Log, "info">;
}

/**
 * Settles the scores of all completed runs but the newest of each variant: the
 * newest rows of players whom the newest run does not contain are copied to
 * `settled_scores`, and the runs are not read any more for
 * `churn_predictions_current`. The view shows the same before, meanwhile and
 * after, so a failure is only a warning, which is returned, and the next call makes
 * up for it. A second call finds nothing to settle; concurrent calls for a variant
 * wait for each other.
 *
 * @returns The warning; undefined if nothing failed.
 */
export async function settleScores(
  database: Database,
  options: SettleOptions,
): Promise<string | undefined> {
  const { warning } = await startSettling(database, options);
  return await warning;
}

/**
 * Settles scores as {@linkcode settleScores} does: few before it returns, unless
 * that takes seconds; many on a second connection, while the caller goes on.
 *
 * @returns `warning`: resolves when settling has ended; it never rejects.
 */
export async function startSettling(
  database: Database,
  { variant, log }: SettleOptions,
): Promise<{ warning: Promise<string | undefined> }> {
  try {
    const unsettled = await database.query<Unsettled>(
      `select variant as key, count(*) - 1 as runs, sum(row_count)::int8 as rows from scoring_runs
       where status = 'completed' and settled_at is null and ($1::text is null or variant = $1)
       group by variant having count(*) > 1 order by variant`,
      [variant ?? null],
    );
    const warning = settleAll(database, unsettled, log).then(
      () => undefined,
      toWarning,
    );
    if (unsettled.every(({ rows }) => rows < manyRows)) {
      // Not for long: somebody else may have locked the variant's runs.
      await withinTime(longestWaitMs, warning).catch(() => {});
    }
    return { warning };
  } catch (error) {
    return { warning: Promise.resolve(toWarning(error)) };
  }
}

/** Superseded runs of one variant that are not settled, and their rows with those of the newest run. */
interface Unsettled {
  readonly key: string;
  readonly runs: number;
  readonly rows: number;
}

async function settleAll(
  database: Database,
  unsettled: readonly Unsettled[],
  log: Pick<Log, "info">,
): Promise<void> {
  for (const { key, runs } of unsettled) {
    if (runs > mostQuietRuns) {
      log.info(
        `Settling the scores of ${runs} earlier scoring runs of ${key}, which takes a while once`,
      );
    }
    await settle(database, key);
  }
}

function toWarning(error: unknown): string {
  return `Cannot settle the scores of earlier scoring runs: ${
    messageOf(error)
  }. churn_predictions_current shows the right scores, but slowly; \`deno task setup\`, with the login that owns the tables, repeats it`;
}

async function settle(database: Database, variant: string): Promise<void> {
  await database.transaction(async (tx) => {
    // At repeatable read, of two that settle a variant at once, one would fail.
    await tx.query("set transaction isolation level read committed");
    await tx.query("select settle_scores($1)", [variant]);
  });
}
