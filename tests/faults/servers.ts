/** Postgres restarts, loses a backend or stands still while `predict` runs. */
import { seededNumbers } from "../support/ensembles.ts";
import { prepareBatch } from "./batch.ts";
import { lastWords, sleep, startPredict } from "./process.ts";
import type { FaultFamily, FaultOptions, FaultResult } from "./result.ts";
import { borrowPostgresStore, type PostgresStore } from "./store.ts";
import { observe, recover, startTally } from "./tally.ts";

/** How long a paused server stands still. */
const pauseMs = 2_000;

const disturbances: Readonly<
  Record<string, (store: PostgresStore) => Promise<void>>
> = {
  "Postgres restarted (fast)": async ({ server }) => {
    await server.stop("fast");
    await server.start();
  },
  "Postgres restarted (immediate)": async ({ server }) => {
    await server.stop("immediate");
    await server.start();
  },
  "backends terminated": async (store) => {
    await store.use((database) =>
      database.query(
        `select pg_terminate_backend(pid) from pg_stat_activity
         where backend_type = 'client backend' and pid <> pg_backend_pid()`,
      )
    );
  },
  "backend killed (kill -9)": async (store) => {
    const [pid] = await findBackends(store);
    if (pid === undefined) return;
    Deno.kill(pid, "SIGKILL");
    // The server ends all sessions and recovers.
    for (let wait = 0; wait < 100; wait++) {
      await sleep(100);
      if (await findBackends(store).then(() => true, () => false)) return;
    }
  },
  "backends paused": async (store) => {
    const pids = await findBackends(store);
    for (const pid of pids) signal(pid, "SIGSTOP");
    await sleep(pauseMs);
    for (const pid of pids) signal(pid, "SIGCONT");
  },
};

/** Returns the server's processes that work for clients, except the one that answers. */
async function findBackends(store: PostgresStore): Promise<number[]> {
  const rows = await store.use((database) =>
    database.query<{ pid: number }>(
      `select pid from pg_stat_activity
       where backend_type = 'client backend' and pid <> pg_backend_pid() order by backend_start desc`,
    )
  );
  return rows.map(({ pid }) => pid);
}

function signal(pid: number, name: Deno.Signal): void {
  try {
    Deno.kill(pid, name);
  } catch {
    // It has ended.
  }
}

async function disturb(
  name: string,
  { seed, tries }: FaultOptions,
): Promise<FaultResult> {
  const act = disturbances[name];
  if (!act) throw new TypeError(`no disturbance ${name}`);
  await using store = await borrowPostgresStore();
  const batch = await prepareBatch(store, { rows: 20_000 });
  const tally = startTally("server", { fault: name, seed });
  let completed = 0;
  for (let index = 0; index < tries; index++) {
    const each = { seed: seed + index, tally };
    const random = seededNumbers(each.seed);
    const running = startPredict(
      [...batch.args, "--retries", "3", "--retry-delay", "1"],
      store,
    );
    await sleep((0.2 + 0.7 * random()) * batch.seconds * 1000);
    await act(store);
    const ended = await running.ended;
    const isThere = await observe(store, batch, each);
    const what = lastWords(ended);
    if (ended.code !== 0 && ended.code !== 75) {
      tally.fail("wrong", { ...each, what });
    }
    if (ended.code === 0) {
      completed++;
      if (!isThere) tally.fail("lost", { ...each, count: batch.rows, what });
    }
    await recover(store, batch, each);
  }
  return tally.toResult({
    tries,
    remark: `${completed} runs completed, the others ended with code 75`,
  });
}

export const servers: readonly FaultFamily[] = [
  {
    name: "server",
    small: 1,
    full: 20,
    async run(options) {
      const results: FaultResult[] = [];
      for (const name of Object.keys(disturbances)) {
        results.push(await disturb(name, options));
      }
      return results;
    },
  },
];
