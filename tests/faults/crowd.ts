/** Many `predict` at once on one batch, as two schedulers and an impatient person start them. */
import { prepareBatch } from "./batch.ts";
import { lastWords, runPredict } from "./process.ts";
import type { FaultFamily, FaultOptions, FaultResult } from "./result.ts";
import { borrowPostgresStore } from "./store.ts";
import { checkScores, recover, startTally } from "./tally.ts";

/** The isolation levels under which rounds run in turn; the first is the default. */
const isolations = ["read committed", "repeatable read"];

async function allAtOnce(
  { seed, tries }: FaultOptions,
): Promise<FaultResult> {
  await using store = await borrowPostgresStore();
  const batch = await prepareBatch(store, { rows: 2_000 });
  // A single round is a small check.
  const processes = tries === 1 ? 8 : 50;
  const tally = startTally("crowd", {
    fault: `${processes} predict at once`,
    seed,
  });
  for (let round = seed; round < seed + tries; round++) {
    const isolation = isolations[(round - seed) % isolations.length];
    await store.use((database) =>
      database.query(
        `alter database predictions set default_transaction_isolation to '${isolation}'`,
      )
    );
    // Half of the rounds name a period: the ledger then has another key.
    const period = (round - seed) % 4 < 2 ? [] : ["--period", "2026-11-23"];
    const args = [...batch.args, ...period, "--retries", "0"];
    const ended = await Promise.all(
      Array.from({ length: processes }, () => runPredict(args, store)),
    );
    const each = { seed: round, tally };
    for (const one of ended) {
      if (one.code !== 0) {
        tally.fail("wrong", { ...each, what: lastWords(one) });
      }
    }
    const scored = ended.filter(({ stdout }) =>
      stdout.includes('"status":"scored"')
    ).length;
    if (scored !== 1) {
      const what = `${scored} of ${processes} say that they stored the batch`;
      tally.fail("wrong", { ...each, what });
    }
    await checkScores(store, batch, each);
    await recover(store, batch, each);
  }
  await store.use((database) =>
    database.query(
      "alter database predictions reset default_transaction_isolation",
    )
  );
  return tally.toResult({
    tries,
    remark: "rounds; at read committed and at repeatable read in turn",
  });
}

export const crowd: readonly FaultFamily[] = [
  {
    name: "crowd",
    small: 1,
    full: 20,
    run: async (options) => [await allAtOnce(options)],
  },
];
