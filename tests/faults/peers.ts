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
import { type Peer, type PeerProgram, programs } from "./peers/programs.ts";
import type { PeerRun } from "./peers/running.ts";
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
  readonly program: PeerProgram;
  readonly server: PostgresServer;
  readonly database: Database;
  /** The folder of the programs of this try. */
  readonly folder: string;
  readonly writeSeconds: number;
  readonly messages: number;
  readonly versions: string;
}

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
    const other = { ...setting, folder: `${setting.folder}/other` };
    const running = await Promise.all([start(setting), start(other)]);
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

/** Starts a run against the server, or a proxy before it, at another port. */
function start(
  { program, server, folder }: Pick<Setting, "program" | "server" | "folder">,
  port = server.port,
): Promise<PeerRun> {
  return program.start({ port, folder });
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
      // Not countRows(), which sorts: it would take the time of what it observes.
      const [found] = await database.query<{ copies: number }>(
        "select count(*) as copies from peers.scores",
      );
      if ((found?.copies ?? 0) % rows !== 0) seen = true;
      await sleep(100);
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

/** Writes three times undisturbed: the first run makes tables, the second one's messages are counted, the third is timed. */
async function prepare(
  options: Pick<
    Setting,
    "peer" | "program" | "server" | "database" | "folder"
  >,
): Promise<Setting> {
  const { peer, program, server, database } = options;
  if (!peer.makesTable) {
    await database.query("create schema peers");
    await database.query(
      "create table peers.scores (player_id text not null, churn_probability double precision not null)",
    );
  }
  let messages = 0;
  await using proxy = startProxy(server.port, () => {
    messages++;
    return "forward";
  });
  const write = async (name: string, port: number) => {
    messages = 0;
    const folder = `${options.folder}/${name}`;
    const { isOk, seconds = NaN, said } = await (await program.start({
      port,
      folder,
    })).ended;
    if (isOk) return { seconds, said, messages };
    throw new Error(`An undisturbed ${peer.subject} failed: ${said}`);
  };
  await write("first", server.port);
  const counted = await write("counted", proxy.port);
  await database.query("truncate peers.scores");
  const timed = await write("timed", server.port);
  const { copies, players } = await countRows(database);
  if (copies !== rows || players !== rows) {
    throw new Error(
      `An undisturbed ${peer.subject} stored ${copies} rows of ${players} players`,
    );
  }
  return {
    ...options,
    messages: counted.messages,
    writeSeconds: timed.seconds,
    versions: timed.said,
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
  const { user, password } = server;
  using program = await peer.open({ user, password, rows });
  const setting = await prepare({
    peer,
    program,
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
