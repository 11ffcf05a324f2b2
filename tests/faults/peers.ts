/** The same faults on what a user would write in place of `predict`: pandas' `to_sql` in a retry. */
import { fileURLToPath } from "node:url";
import type { Database } from "../../lib/database/database.ts";
import { seededNumbers } from "../support/ensembles.ts";
import { openDatabase } from "../support/mlflow_stores.ts";
import { peer, peerEnvironment } from "../support/python.ts";
import { type PostgresServer, startPostgres } from "../support/servers.ts";
import { loseReply } from "./cuts.ts";
import { sleep } from "./process.ts";
import { type Message, startProxy } from "./proxy.ts";
import {
  type FaultFamily,
  type FaultOptions,
  type FaultResult,
  reproOf,
} from "./result.ts";

const family = "pandas";
const rows = 20_000;
const program = fileURLToPath(new URL("peers/to_sql.py", import.meta.url));

/** A server, and what an undisturbed run on it took and said. */
interface Setting {
  readonly server: PostgresServer;
  readonly python: string;
  readonly writeSeconds: number;
  readonly messages: number;
  readonly versions: string;
}

/** Makes one try of a fault; the runs after it complete. */
type Disturb = (setting: Setting, seed: number) => Promise<void>;

const disturbances: Readonly<Record<string, Disturb>> = {
  "kill -9 at a random point, rerun": async (setting, seed) => {
    const random = seededNumbers(seed);
    const running = start(setting, setting.server.port);
    await running.isWriting;
    await sleep(1.1 * random() * setting.writeSeconds * 1000);
    running.kill();
    if (!(await running.ended).isOk) await mustWrite(setting);
  },
  "reply to COMMIT lost": async (setting) => {
    const { decide, wasLost } = loseReply(isCommit);
    await using proxy = startProxy(setting.server.port, decide);
    const { isOk } = await start(setting, proxy.port).ended;
    if (!wasLost()) throw new Error("No reply to COMMIT was lost");
    if (!isOk) await mustWrite(setting);
  },
  "connection cut before or after a protocol message": async (
    setting,
    seed,
  ) => {
    const random = seededNumbers(seed);
    const chosen = Math.floor(random() * setting.messages);
    const fate = random() < 0.5 ? "cut-before" : "cut-after";
    await using proxy = startProxy(
      setting.server.port,
      ({ index }) => index === chosen ? fate : "forward",
    );
    const { isOk } = await start(setting, proxy.port).ended;
    if (!isOk) await mustWrite(setting);
  },
  "two runs at once": async (setting) => {
    await Promise.all([mustWrite(setting), mustWrite(setting)]);
  },
};

function isCommit({ from, type, bytes }: Message): boolean {
  return from === "client" && type === "Q" &&
    new TextDecoder().decode(bytes).includes("COMMIT");
}

/** Starts the program against Postgres, or a proxy before it, at a port. */
function start(
  { server, python }: Pick<Setting, "server" | "python">,
  port: number,
) {
  const url = server.url("postgres").replace(
    /^postgresql:(.*):\d+\//,
    `postgresql+psycopg2:$1:${port}/`,
  );
  const child = new Deno.Command(python, {
    args: [program, url, String(rows)],
    env: peerEnvironment(python.replace(/\/python$/, "")),
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const [first, all] = child.stdout.tee();
  const stderr = new Response(child.stderr).text();
  const stdout = new Response(all).text();
  return {
    /** Ends when it has imported pandas, and begins to write. */
    isWriting: (async () => {
      const reader = first.getReader();
      await reader.read();
      reader.releaseLock(); // the cancellation of one of the two would wait for the other
    })(),
    kill() {
      try {
        child.kill("SIGKILL");
      } catch {
        // It has ended.
      }
    },
    ended: child.status.then(async ({ success }) => ({
      isOk: success,
      stdout: await stdout,
      stderr: await stderr,
    })),
  };
}

async function mustWrite(
  setting: Pick<Setting, "server" | "python">,
  port = setting.server.port,
): Promise<string> {
  const { isOk, stdout, stderr } = await start(setting, port).ended;
  if (isOk) return stdout;
  throw new Error(`An undisturbed to_sql failed: ${stderr.slice(-1000)}`);
}

async function empty(database: Database): Promise<void> {
  await database.query("drop table if exists pandas_scores");
  await database.query(
    "create table pandas_scores (player_id text not null, churn_probability double precision not null)",
  );
}

async function countRows(
  database: Database,
): Promise<{ copies: number; players: number }> {
  const [found] = await database.query<{ copies: number; players: number }>(
    "select count(*) as copies, count(distinct player_id) as players from pandas_scores",
  );
  return found ?? { copies: 0, players: 0 };
}

/** Writes once through a proxy that only counts messages. */
async function prepare(
  server: PostgresServer,
  database: Database,
): Promise<Setting> {
  const python = await peer("mlflow-3.17.2");
  await empty(database);
  let messages = 0;
  await using proxy = startProxy(server.port, () => {
    messages++;
    return "forward";
  });
  await mustWrite({ server, python }, proxy.port);
  await empty(database);
  const [, seconds, versions = ""] = (await mustWrite({ server, python }))
    .split("\n");
  const { copies, players } = await countRows(database);
  if (copies !== rows || players !== rows) {
    throw new Error(`An undisturbed to_sql stored ${players} players`);
  }
  return { server, python, messages, versions, writeSeconds: Number(seconds) };
}

async function disturb({ seed, tries }: FaultOptions): Promise<FaultResult[]> {
  await using server = await startPostgres({ password: "of-the-tests" });
  await using database = await openDatabase(server, "postgres");
  const setting = await prepare(server, database);
  const results: FaultResult[] = [];
  for (const [fault, act] of Object.entries(disturbances)) {
    let lost = 0;
    let doubled = 0;
    let affected = 0;
    for (let index = 0; index < tries; index++) {
      await empty(database);
      await act(setting, seed + index);
      const { copies, players } = await countRows(database);
      lost += rows - players;
      doubled += copies - players;
      if (copies !== rows) affected++;
    }
    results.push({
      subject: "pandas to_sql",
      fault,
      tries,
      lost,
      doubled,
      halfVisible: 0,
      wrong: 0,
      unfinished: 0,
      seed,
      repro: reproOf(family, { seed, tries }),
      remark:
        `${affected} of ${tries} tries; ${setting.versions}, psycopg2; if_exists="append", one transaction of ${rows} rows, 3 attempts; visibility not observed`,
    });
  }
  return results;
}

export const peers: readonly FaultFamily[] = [
  // A result about others gates no change of ours.
  { name: family, small: 0, full: 20, run: disturb },
];
