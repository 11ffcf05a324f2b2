/** Counts what goes wrong in the tries of one fault, and checks a store after a try. */
import {
  abandon,
  type Batch,
  compare,
  countRows,
  empty,
  findLeftovers,
  findWrongRuns,
  temporaryFiles,
} from "./batch.ts";
import { lastWords, runPredict } from "./process.ts";
import { failures, type FaultResult, reproOf } from "./result.ts";
import type { Store } from "./store.ts";

/** What can go wrong. */
export type Failure = typeof failures[number];

/** The counts of one fault so far. */
export interface Tally {
  /** Counts a failure of the try with this seed; nothing if `count` is 0. */
  fail(
    failure: Failure,
    options: { seed: number; count?: number; what: string },
  ): void;
  /** Returns the row of the table. */
  toResult(options: { tries: number; remark?: string }): FaultResult;
}

/** Starts the counts of one fault. */
export function startTally(
  family: string,
  options: { fault: string; subject?: string; seed: number },
): Tally {
  const { fault, subject = "churn", seed } = options;
  const counts = {
    lost: 0,
    doubled: 0,
    halfVisible: 0,
    wrong: 0,
    unfinished: 0,
  };
  let first: { seed: number; what: string } | undefined;
  return {
    fail(failure, { seed, count = 1, what }) {
      if (count === 0) return;
      counts[failure] += count;
      first ??= { seed, what };
    },
    toResult: ({ tries, remark }) => ({
      subject,
      fault,
      tries,
      ...counts,
      seed,
      repro: first
        ? reproOf(family, { seed: first.seed })
        : reproOf(family, { seed, tries }),
      ...first
        ? { remark: `seed ${first.seed}: ${first.what}` }
        : remark === undefined
        ? {}
        : { remark },
    }),
  };
}

/** One try: the seed that determines it. */
export interface Try {
  readonly seed: number;
  readonly tally: Tally;
}

/** Checks that a reader sees nothing or exactly the batch, and returns whether it sees it. */
export async function observe(
  store: Store,
  batch: Batch,
  { seed, tally }: Try,
): Promise<boolean> {
  const { visible, published } = await store.use(countRows);
  if (visible !== published || (visible !== 0 && visible !== batch.rows)) {
    const what =
      `${visible} of ${batch.rows} rows are visible, ${published} are published`;
    tally.fail("halfVisible", { seed, what });
  }
  if (visible === 0) return false;
  await checkScores(store, batch, { seed, tally });
  return true;
}

/** Checks that a reader sees exactly what an undisturbed run stores. */
export async function checkScores(
  store: Store,
  batch: Batch,
  { seed, tally }: Try,
): Promise<void> {
  const difference = await store.use((database) => compare(database, batch));
  const what = JSON.stringify(difference);
  const { lost, doubled, wrong } = difference;
  tally.fail("lost", { seed, count: lost, what });
  tally.fail("doubled", { seed, count: doubled, what });
  tally.fail("wrong", { seed, count: Math.min(wrong, 1), what });
}

/**
 * Runs the next `predict`, ten minutes later as it were, which must complete with
 * exactly the batch. Then checks that MLflow agrees with the ledger and that, if the
 * batch was not there before, nothing of the earlier runs is left; empties the store.
 */
export async function recover(
  store: Store,
  batch: Batch,
  { seed, tally }: Try,
): Promise<void> {
  await abandon(store);
  const { visible } = await store.use(countRows);
  // A run that needs temporary files deletes those of dead processes.
  const piped = (await temporaryFiles(store)).length > 0;
  const ended = await runPredict(
    [...piped ? ["--input", "-"] : batch.args, "--retries", "0"],
    { env: store.env, stdin: piped ? batch.file : undefined },
  );
  if (ended.code !== 0) {
    const what = `the next run ended with ${lastWords(ended)}`;
    tally.fail("unfinished", { seed, what });
  }
  await checkScores(store, batch, { seed, tally });
  // A run that finds nothing new sweeps nothing.
  const left = [
    ...visible > 0 ? [] : await findLeftovers(store),
    ...await findWrongRuns(store),
  ];
  tally.fail("wrong", {
    seed,
    count: Math.min(left.length, 1),
    what: left.join(", "),
  });
  await store.use(empty);
}
