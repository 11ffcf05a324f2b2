/** `predict` runs out of memory: V8's heap is full, or the operating system gives no more. */
import { seededNumbers } from "../support/ensembles.ts";
import { prepareBatch } from "./batch.ts";
import { lastWords, runPredict } from "./process.ts";
import type { FaultFamily, FaultOptions, FaultResult } from "./result.ts";
import { borrowPostgresStore } from "./store.ts";
import { observe, recover, startTally } from "./tally.ts";

async function starve({ seed, tries }: FaultOptions): Promise<FaultResult> {
  await using store = await borrowPostgresStore();
  const batch = await prepareBatch(store, { rows: 100_000 });
  const tally = startTally("memory", { fault: "out of memory", seed });
  let crashed = 0;
  for (let index = 0; index < tries; index++) {
    const each = { seed: seed + index, tally };
    const random = seededNumbers(each.seed);
    const ended = await runPredict([...batch.args, "--retries", "0"], {
      env: store.env,
      ...each.seed % 2 === 0
        ? { v8Flags: `--max-old-space-size=${12 + Math.floor(5 * random())}` }
        : { dataKilobytes: 600_000 + Math.floor(1_500_000 * random()) },
    });
    const isThere = await observe(store, batch, each);
    if (ended.code !== 0) crashed++;
    else if (!isThere) {
      const what = lastWords(ended);
      tally.fail("lost", { ...each, count: batch.rows, what });
    }
    await recover(store, batch, each);
  }
  if (crashed === 0 && tries > 3) {
    tally.fail("wrong", { seed, what: "no run went out of memory" });
  }
  return tally.toResult({
    tries,
    remark: `${crashed} runs ended, the others completed`,
  });
}

export const memory: readonly FaultFamily[] = [
  {
    name: "memory",
    small: 2,
    full: 50,
    run: async (options) => [await starve(options)],
  },
];
