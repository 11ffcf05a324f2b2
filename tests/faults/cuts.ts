/** The connection to Postgres, cut before and after each message of the protocol, and after requests whose reply is lost. */
import { type Batch, empty, prepareBatch } from "./batch.ts";
import { type Ended, lastWords, startPredict } from "./process.ts";
import { type Fate, type Message, startProxy } from "./proxy.ts";
import type { FaultFamily, FaultOptions, FaultResult } from "./result.ts";
import { borrowPostgresStore, type PostgresStore } from "./store.ts";
import { observe, recover, startTally, type Tally } from "./tally.ts";

/** Enough rows for several messages of COPY. */
const rows = 2_000;

const retrying = ["--retries", "3", "--retry-delay", "0"];
const once = ["--retries", "0"];

/** Decides about each message of one run. */
type Decide = (message: Message) => Fate;

/** Runs `predict` on the batch through a proxy. With `kills`, a message that is not forwarded also kills it. */
async function runThrough(
  store: PostgresStore,
  batch: Batch,
  options: { decide: Decide; args: readonly string[]; kills?: boolean },
): Promise<Ended> {
  const { port } = store.server;
  await using proxy = startProxy(port, (message) => {
    const fate = options.decide(message);
    if (options.kills && fate !== "forward") running.kill("SIGKILL");
    return fate;
  });
  const env = Object.fromEntries(
    Object.entries(store.env).map(([name, value]) => [
      name,
      value.replace(`:${port}/`, `:${proxy.port}/`),
    ]),
  );
  const running = startPredict([...batch.args, ...options.args], { env });
  return await running.ended;
}

/** Checks how a disturbed run ended: by a code that is allowed, and with code 0 only if the batch is there. */
async function checkEnd(
  store: PostgresStore,
  batch: Batch,
  options: {
    seed: number;
    tally: Tally;
    ended: Ended;
    codes: readonly number[];
    point: string;
  },
): Promise<void> {
  const { seed, tally, ended, codes, point } = options;
  const isThere = await observe(store, batch, options);
  const what = `${point}: ${lastWords(ended)}`;
  if (!codes.includes(ended.code)) tally.fail("wrong", { seed, what });
  if (ended.code === 0 && !isThere) {
    tally.fail("lost", { seed, count: batch.rows, what });
  }
}

/** Spreads tries over the points from 0 to `count` - 1, so that each is tried once before one is tried again. */
function toPoint(seed: number, count: number): number {
  let step = Math.floor(count * 0.618) || 1;
  while (greatestCommonDivisor(step, count) > 1) step++;
  return (seed * step) % count;
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}

/** Ends the connection before or after each message, or with `kills` also the process. */
async function cutEverywhere(
  kills: boolean,
  { seed, tries }: FaultOptions,
): Promise<FaultResult> {
  await using store = await borrowPostgresStore();
  const batch = await prepareBatch(store, { rows });
  const tally = kills
    ? startTally("kill-message", {
      fault: "kill -9 before or after a protocol message",
      seed,
    })
    : startTally("cut", {
      fault: "connection cut before or after a protocol message",
      seed,
    });
  const messages = await count(store, batch, () => true);
  const points = 2 * messages;
  // Each point once is all there is to try.
  const made = Math.min(tries, points);
  for (let index = 0; index < made; index++) {
    const point = toPoint(seed + index, points);
    const fate = point % 2 === 0 ? "cut-before" : "cut-after";
    let hit = "no message";
    const ended = await runThrough(store, batch, {
      decide: (message) => {
        if (message.index !== Math.floor(point / 2)) return "forward";
        hit = `${fate} message ${message.index}, ${
          message.type || "start"
        } of the ${message.from}`;
        return fate;
      },
      args: retrying,
      kills,
    });
    const each = { seed: seed + index, tally };
    await checkEnd(store, batch, {
      ...each,
      ended,
      codes: kills ? [0, 137] : [0, 75],
      point: hit,
    });
    await recover(store, batch, each);
  }
  return tally.toResult({
    tries: made,
    remark: `${messages} messages in an undisturbed run, start included`,
  });
}

/** Returns how many messages of an undisturbed run are of a kind. */
async function count(
  store: PostgresStore,
  batch: Batch,
  isOfKind: (message: Message) => boolean,
): Promise<number> {
  let found = 0;
  const decide: Decide = (message) => {
    if (isOfKind(message)) found++;
    return "forward";
  };
  const ended = await runThrough(store, batch, { decide, args: once });
  if (ended.code !== 0) throw new Error(lastWords(ended));
  await store.use(empty);
  return found;
}

/** Whether the client asks for something and waits for the reply. */
function isRequest({ from, type }: Message): boolean {
  return from === "client" && (type === "Q" || type === "S" || type === "c");
}

/** Returns decisions that let the chosen request arrive, drop the end of its reply, and cut the connection once the server has done it. */
export function loseReply(
  isChosen: (message: Message) => boolean,
): { decide: Decide; wasLost: () => boolean } {
  let armed: number | undefined;
  let wasLost = false;
  return {
    wasLost: () => wasLost,
    decide(message) {
      const { from, type, connection } = message;
      if (wasLost) return "forward";
      if (armed === undefined && isChosen(message)) armed = connection;
      if (connection !== armed || from !== "server") return "forward";
      if (type === "Z") {
        wasLost = true;
        return "cut-before";
      }
      return type === "C" || type === "E" ? "drop" : "forward";
    },
  };
}

/** The statement that publishes a batch, as the client sends it. */
const publishes = /update scoring_runs set\s+status = 'completed'/;

function isPublication({ from, type, bytes }: Message): boolean {
  return from === "client" && type === "P" &&
    publishes.test(new TextDecoder().decode(bytes));
}

async function loseEveryReply(
  { seed, tries }: FaultOptions,
): Promise<FaultResult> {
  await using store = await borrowPostgresStore();
  const batch = await prepareBatch(store, { rows });
  const tally = startTally("reply", {
    fault: "request done, reply lost, any request",
    seed,
  });
  const requests = await count(store, batch, isRequest);
  const made = Math.min(tries, requests);
  for (let index = 0; index < made; index++) {
    const chosen = toPoint(seed + index, requests);
    let number = 0;
    let text = "";
    const { decide } = loseReply((message) => {
      if (!isRequest(message) || number++ !== chosen) return false;
      text = message.type;
      return true;
    });
    const ended = await runThrough(store, batch, { decide, args: retrying });
    const each = { seed: seed + index, tally };
    await checkEnd(store, batch, {
      ...each,
      ended,
      codes: [0, 75],
      point: `request ${chosen} of ${requests} (${text})`,
    });
    await recover(store, batch, each);
  }
  return tally.toResult({
    tries: made,
    remark: `${requests} requests in an undisturbed run`,
  });
}

/** Who repeats a publication whose reply was lost, and how. */
const repeaters = {
  "the process": { retries: retrying, args: [], code: 0 },
  "the next process": { retries: once, args: [], code: 75 },
  "the next process, with --force": {
    retries: once,
    args: ["--force", "--idempotency-key", "dispatch-1"],
    code: 75,
  },
} as const;

/** Loses the reply to the publication: the batch is stored, and `predict` does not know it. */
async function losePublication(
  repeater: keyof typeof repeaters,
  { seed, tries }: FaultOptions,
): Promise<FaultResult> {
  await using store = await borrowPostgresStore();
  const { retries, args, code } = repeaters[repeater];
  const prepared = await prepareBatch(store, { rows });
  const batch = { ...prepared, args: [...prepared.args, ...args] };
  const tally = startTally("publication", {
    fault: `reply to the publication lost, repeated by ${repeater}`,
    seed,
  });
  for (let index = 0; index < tries; index++) {
    const each = { seed: seed + index, tally };
    const { decide, wasLost } = loseReply(isPublication);
    const ended = await runThrough(store, batch, { decide, args: retries });
    await checkEnd(store, batch, {
      ...each,
      ended,
      codes: [code],
      point: "reply to the publication",
    });
    if (!wasLost()) {
      tally.fail("wrong", { ...each, what: "no reply was lost" });
    }
    await recover(store, batch, each);
  }
  return tally.toResult({ tries });
}

/** Cuts every other connection from the reply to the publication on: the scores are stored, and MLflow does not hear of it. */
async function loseMlflow(
  { seed, tries }: FaultOptions,
): Promise<FaultResult> {
  await using store = await borrowPostgresStore();
  const batch = await prepareBatch(store, { rows });
  const fault = "MLflow's database away once the batch is published";
  const tally = startTally("publication", { fault, seed });
  for (let index = 0; index < tries; index++) {
    const each = { seed: seed + index, tally };
    let publishing: number | undefined;
    let isPublished = false;
    const decide: Decide = (message) => {
      const { from, type, connection } = message;
      if (isPublication(message)) publishing = connection;
      if (connection !== publishing) {
        return isPublished ? "cut-before" : "forward";
      }
      isPublished ||= from === "server" && type === "Z";
      return "forward";
    };
    const ended = await runThrough(store, batch, { decide, args: once });
    await checkEnd(store, batch, {
      ...each,
      ended,
      codes: [75],
      point: "after the publication",
    });
    if (!ended.stderr.includes(`stored before: ${batch.file}`)) {
      const what = `it does not say what is stored; ${lastWords(ended)}`;
      tally.fail("wrong", { ...each, what });
    }
    await recover(store, batch, each);
  }
  return tally.toResult({ tries });
}

function isRepeater(name: string): name is keyof typeof repeaters {
  return name in repeaters;
}

export const cuts: readonly FaultFamily[] = [
  {
    name: "cut",
    small: 4,
    full: 1_400,
    run: async (options) => [await cutEverywhere(false, options)],
  },
  {
    name: "kill-message",
    small: 3,
    full: 1_400,
    run: async (options) => [await cutEverywhere(true, options)],
  },
  {
    name: "reply",
    small: 3,
    full: 1_000,
    run: async (options) => [await loseEveryReply(options)],
  },
  {
    name: "publication",
    small: 1,
    full: 40,
    async run(options) {
      const results: FaultResult[] = [];
      for (const repeater of Object.keys(repeaters)) {
        if (!isRepeater(repeater)) continue;
        results.push(await losePublication(repeater, options));
      }
      results.push(await loseMlflow(options));
      return results;
    },
  },
];
