/** SIGTERM and SIGINT in the middle of `predict`, as a runner or a person stops it. */
import { seededNumbers } from "../support/ensembles.ts";
import { prepareBatch } from "./batch.ts";
import { lastWords, sleep, startPredict } from "./process.ts";
import type { FaultFamily, FaultOptions, FaultResult } from "./result.ts";
import { borrowPostgresStore } from "./store.ts";
import { observe, recover, startTally } from "./tally.ts";

/** A process must end so soon after a signal. */
const limitSeconds = 15;

async function stop(
  signal: "SIGTERM" | "SIGINT",
  { seed, tries }: FaultOptions,
): Promise<FaultResult> {
  await using store = await borrowPostgresStore();
  const batch = await prepareBatch(store, { rows: 20_000 });
  const tally = startTally("signal", { fault: `${signal} in mid-run`, seed });
  let slowest = 0;
  let stored = 0;
  for (let index = 0; index < tries; index++) {
    const each = { seed: seed + index, tally };
    const random = seededNumbers(each.seed);
    const launcher = random() < 0.5; // which passes the signal on
    const running = startPredict([...batch.args, "--retries", "0"], {
      env: store.env,
      launcher,
    });
    const startup = launcher ? 0.4 : 0.3;
    await sleep((startup + random()) * batch.seconds * 1000);
    running.kill(signal);
    const startMs = performance.now();
    const timer = setTimeout(() => running.kill("SIGKILL"), 120_000);
    const ended = await running.ended;
    clearTimeout(timer);
    const seconds = (performance.now() - startMs) / 1000;
    slowest = Math.max(slowest, seconds);
    const isThere = await observe(store, batch, each);
    if (isThere) stored++;
    const wrong = seconds > limitSeconds
      ? `it took ${seconds.toFixed(1)} s`
      : explain(ended, isThere);
    if (wrong !== undefined) {
      tally.fail("wrong", { ...each, what: `${wrong}; ${lastWords(ended)}` });
    }
    await recover(store, batch, each);
  }
  return tally.toResult({
    tries,
    remark: `ended after ${
      slowest.toFixed(1)
    } s at most; ${stored} runs had stored the batch`,
  });

  /** Returns what is wrong with the end; undefined if nothing is. */
  function explain(
    { code, signal: by, stderr }: Awaited<
      ReturnType<typeof startPredict>["ended"]
    >,
    isThere: boolean,
  ): string | undefined {
    // It had completed before the signal arrived.
    if (code === 0) return isThere ? undefined : "code 0, but nothing is there";
    // The signal arrived before the first line of the program ran.
    const isEarly = by !== null || code === 130 || code === 143; // 128 + signal, from the launcher
    if (isEarly && stderr === "" && !isThere) return undefined;
    if (code !== 75) return `code ${code}, expected 75`;
    const says = isThere ? /stored before: / : /nothing incomplete was stored/;
    return says.test(stderr)
      ? undefined
      : `the batch is ${
        isThere ? "" : "not "
      }there, and stderr does not say so`;
  }
}

export const signals: readonly FaultFamily[] = [
  {
    name: "signal",
    small: 2,
    full: 100,
    run: async (options) => [
      await stop("SIGTERM", options),
      await stop("SIGINT", options),
    ],
  },
];
