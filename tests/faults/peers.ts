/** The same faults on what a user would write in place of `predict`: pandas, dlt and Spark. */
import type { Database } from "../../lib/database/database.ts";
import { seededNumbers } from "../support/ensembles.ts";
import { openDatabase } from "../support/mlflow_stores.ts";
import {
  type PostgresServer,
  startPostgres,
  tempFolder,
} from "../support/servers.ts";
import { loseReply } from "./cuts.ts";
import { type Peer, programs } from "./peers/programs.ts";
import { sleep } from "./process.ts";
import { type Message, startProxy } from "./proxy.ts";
import {
  type FaultFamily,
  type FaultOptions,
  type FaultResult,
  reproOf,
} from "./result.ts";

const rows = 20_000;

/** How often a user starts a program again that does not complete. */
const reruns = 3;

/** A peer and a server, and what an undisturbed run on it took and said. */
interface Setting {
  readonly peer: Peer;
  readonly server: PostgresServer;
  readonly database: Database;
  /** The folder of the programs of this try. */
  readonly folder: string;
  readonly writeSeconds: number;
  readonly messages: number;
  readonly versions: string;
}

type Place = Pick<Setting, "peer" | "server" | "folder">;

/** Disturbs one run, or two; returns whether all of them completed. */
type Disturb = (setting: Setting, seed: number) => Promise<boolean>;

const disturbances: Readonly<Record<string, Disturb>> = {
  "kill -9 at a random point, rerun": async (setting, seed) => {
    const random = seededNumbers(seed);
    const running = await start(setting);
    await running.isWriting;
    await sleep(1.1 * random() * setting.writeSeconds * 1000);
    running.kill();
    return (await running.ended).isOk;
  },
  "reply to COMMIT lost": async (setting) => {
    const { decide, wasLost } = loseReply(startFindingCommit());
    await using proxy = startProxy(setting.server.port, decide);
    const { isOk } = await (await start(setting, proxy.port)).ended;
    if (!wasLost()) throw new Error("No reply to COMMIT was lost");
    return isOk;
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
    return (await (await start(setting, proxy.port)).ended).isOk;
  },
  "two runs at once": async (setting) => {
    const { server: { port }, folder } = setting;
    const running = [
      await start(setting),
      await start({ ...setting, folder: `${folder}/other` }, port),
    ];
    const ended = await Promise.all(running.map(({ ended }) => ended));
    return ended.every(({ isOk }) => isOk);
  },
};

/**
 * Returns a test for the message that commits rows of the table that readers see:
 * COMMIT, or the insertion itself where no transaction was begun.
 */
function startFindingCommit(): (message: Message) => boolean {
  const begun = new Set<number>();
  const writing = new Set<number>();
  return ({ from, type, bytes, connection }) => {
    if (from !== "client" || (type !== "Q" && type !== "P")) return false;
    const text = new TextDecoder().decode(bytes.subarray(5, 2000));
    if (/\bBEGIN\b/.test(text)) begun.add(connection);
    if (/insert into "?peers"?\."?scores\b/i.test(text)) {
      writing.add(connection);
      if (!begun.has(connection)) return true;
    }
    return writing.has(connection) && /\bCOMMIT\b/.test(text);
  };
}

/** Starts the program against Postgres, or a proxy before it, at a port. */
async function start(
  { peer, server, folder }: Place,
  port = server.port,
) {
  const { program, args, env } = await peer.toCommand(server, {
    rows,
    port,
    folder,
  });
  const child = new Deno.Command(program, {
    args: [...args],
    env,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const [first, all] = child.stdout.tee();
  const stderr = new Response(child.stderr).text();
  const stdout = new Response(all).text();
  return {
    /** Ends when it has imported its packages, and begins to write. */
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

/** Runs the program undisturbed and returns what it printed. */
async function mustWrite(place: Place, port?: number): Promise<string> {
  const { isOk, stdout, stderr } = await (await start(place, port)).ended;
  if (isOk) return stdout;
  throw new Error(
    `An undisturbed ${place.peer.subject} failed: ${stderr.slice(-1000)}`,
  );
}

/** Starts the program again, as its user would, until it completes. Returns how often it failed. */
async function rerun(setting: Setting): Promise<number> {
  for (let failed = 0; failed < reruns; failed++) {
    if ((await (await start(setting)).ended).isOk) return failed;
  }
  return reruns;
}

async function countRows(
  database: Database,
): Promise<{ copies: number; players: number }> {
  const [found] = await database.query<{ copies: number; players: number }>(
    "select count(*) as copies, count(distinct player_id) as players from peers.scores",
  );
  return found ?? { copies: 0, players: 0 };
}

/** Counts rows as a reader does, until disposal; `sawPart` tells whether they ever were a part of what one run stores. */
function startReading(
  database: Database,
): { sawPart(): boolean } & AsyncDisposable {
  let isStopped = false;
  let seen = false;
  const reading = (async () => {
    while (!isStopped) {
      const { copies } = await countRows(database);
      if (copies % rows !== 0) seen = true;
      await sleep(50);
    }
  })();
  return {
    sawPart: () => seen,
    async [Symbol.asyncDispose]() {
      isStopped = true;
      await reading;
    },
  };
}

/** Writes twice: once through a proxy that only counts messages, once alone for the time. */
async function prepare(
  peer: Peer,
  options: Pick<Setting, "server" | "database" | "folder">,
): Promise<Setting> {
  const { server, database, folder } = options;
  if (!peer.makesTable) {
    await database.query("create schema peers");
    await database.query(
      "create table peers.scores (player_id text not null, churn_probability double precision not null)",
    );
  }
  // A program that makes its tables does so in the first run.
  await mustWrite({ peer, server, folder: `${folder}/first` });
  let messages = 0;
  await using proxy = startProxy(server.port, () => {
    messages++;
    return "forward";
  });
  await mustWrite({ peer, server, folder: `${folder}/counted` }, proxy.port);
  await database.query("truncate peers.scores");
  const said = await mustWrite({ peer, server, folder: `${folder}/timed` });
  const [, seconds, versions = ""] = said.split("\n");
  const { copies, players } = await countRows(database);
  if (copies !== rows || players !== rows) {
    throw new Error(
      `An undisturbed ${peer.subject} stored ${copies} rows of ${players} players`,
    );
  }
  return {
    ...options,
    peer,
    messages,
    versions,
    writeSeconds: Number(seconds),
  };
}

async function tryFault(
  setting: Setting,
  fault: string,
  options: FaultOptions & { act: Disturb },
): Promise<FaultResult> {
  const { peer, database, versions } = setting;
  const { seed, tries, act } = options;
  const counts = { lost: 0, doubled: 0, halfVisible: 0, unfinished: 0 };
  let affected = 0;
  let repeated = 0;
  for (let index = 0; index < tries; index++) {
    await database.query("truncate peers.scores");
    await using folder = await tempFolder();
    const each = { ...setting, folder: folder.path };
    await using reader = startReading(database);
    if (!await act(each, seed + index)) {
      repeated++;
      if (await rerun(each) > 0) counts.unfinished++;
    }
    if (reader.sawPart()) counts.halfVisible++;
    const { copies, players } = await countRows(database);
    counts.lost += rows - players;
    counts.doubled += copies - players;
    if (copies !== rows || players !== rows) affected++;
  }
  const { family, subject, settings } = peer;
  return {
    subject,
    fault,
    tries,
    ...counts,
    wrong: 0,
    seed,
    repro: reproOf(family, { seed, tries }),
    remark:
      `${affected} of ${tries} tries ended with lost or doubled rows, ${repeated} were run again; ${versions}; ${settings}`,
  };
}

async function disturb(
  peer: Peer,
  options: FaultOptions,
): Promise<FaultResult[]> {
  await using server = await startPostgres({ password: "of-the-tests" });
  await using database = await openDatabase(server, "postgres");
  await using folder = await tempFolder();
  const setting = await prepare(peer, {
    server,
    database,
    folder: folder.path,
  });
  const results: FaultResult[] = [];
  for (const [fault, act] of Object.entries(disturbances)) {
    results.push(await tryFault(setting, fault, { ...options, act }));
  }
  return results;
}

export const peers: readonly FaultFamily[] = programs.map((peer) => ({
  name: peer.family,
  // A result about others gates no change of ours.
  small: 0,
  full: 20,
  ...peer.check ? { check: peer.check } : {},
  run: (options) => disturb(peer, options),
}));
