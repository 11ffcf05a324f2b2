/** `kill -9` of `predict` at random points of its run. */
import { seededNumbers } from "../support/ensembles.ts";
import { type Batch, forget, prepareBatch } from "./batch.ts";
import { sleep, startPredict } from "./process.ts";
import type { FaultFamily, FaultOptions, FaultResult } from "./result.ts";
import { borrowPostgresStore, openEmbeddedStore, type Store } from "./store.ts";
import { observe, recover, startTally } from "./tally.ts";

/** A run completes after so many kills, on what they left. */
const killsPerRecovery = 8;

/** A quarter of the runs reads the rows from a pipe, which is first copied to a temporary file. */
const shareOfPipes = 0.25;

async function killAtRandom(
  store: Store,
  batch: Batch,
  options: FaultOptions & { family: string; fault: string },
): Promise<FaultResult> {
  const { family, fault, seed, tries } = options;
  const tally = startTally(family, { fault, seed });
  let completed = 0;
  for (let index = 0; index < tries; index++) {
    const each = { seed: seed + index, tally };
    const random = seededNumbers(each.seed);
    const piped = random() < shareOfPipes;
    const running = startPredict(
      [...piped ? ["--input", "-"] : batch.args, "--retries", "0"],
      { env: store.env, stdin: piped ? batch.file : undefined },
    );
    // Also a little later than an undisturbed run ends.
    await sleep((0.1 + random()) * batch.seconds * 1000);
    running.kill("SIGKILL");
    await running.ended;
    if (await observe(store, batch, each)) {
      completed++;
      await store.use(forget);
    }
    const isLast = index === tries - 1;
    if (isLast || index % killsPerRecovery === killsPerRecovery - 1) {
      await recover(store, batch, each);
    }
  }
  const remark =
    `${completed} runs had stored the batch when they were killed; a run completed after every ${killsPerRecovery} kills`;
  return tally.toResult({ tries, remark });
}

function onPostgres(
  name: string,
  options: { rows: number; title: string; small: number; full: number },
): FaultFamily {
  const { rows, title, small, full } = options;
  return {
    name,
    small,
    full,
    async run(asked) {
      await using store = await borrowPostgresStore();
      const batch = await prepareBatch(store, { rows });
      const fault = `kill -9 at a random point, ${title} rows`;
      return [
        await killAtRandom(store, batch, { ...asked, family: name, fault }),
      ];
    },
  };
}

export const kills: readonly FaultFamily[] = [
  onPostgres("kill", { rows: 20_000, title: "20 k", small: 4, full: 1_000 }),
  onPostgres("kill-1m", { rows: 1_000_000, title: "1 M", small: 0, full: 200 }),
  {
    name: "kill-embedded",
    small: 2,
    full: 200,
    async run(asked) {
      await using store = await openEmbeddedStore();
      const batch = await prepareBatch(store, { rows: 20_000 });
      return [
        await killAtRandom(store, batch, {
          ...asked,
          family: "kill-embedded",
          fault: "kill -9 at a random point, embedded, 20 k rows",
        }),
      ];
    },
  },
];
