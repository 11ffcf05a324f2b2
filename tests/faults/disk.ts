/** The disk is full: of Postgres, of the embedded store, and of `CHURN_HOME`. */
import { seededNumbers } from "../support/ensembles.ts";
import { type Batch, prepareBatch } from "./batch.ts";
import { type Ended, lastWords, runPredict } from "./process.ts";
import {
  type FaultFamily,
  type FaultOptions,
  type FaultResult,
  reproOf,
} from "./result.ts";
import { mountSmallDisk, type SmallDisk } from "./small-disk.ts";
import {
  borrowPostgresStore,
  openEmbeddedStore,
  type PostgresStore,
  type Store,
} from "./store.ts";
import { observe, recover, startTally, type Tally } from "./tally.ts";

const family = "disk";
const rows = 20_000;

/** What a full disk must be called. */
const says = /no space left|disk is full|could not extend file/i;

/** More than any try needs. */
const ampleKilobytes = 400_000;

/** What the tries of one place have in common. */
interface Place {
  readonly store: Store;
  readonly batch: Batch;
  readonly disk: SmallDisk;
  /** The largest size to try above what is used, in KiB. */
  readonly most: number;
  /** A file that is piped in, in place of the batch's arguments. */
  readonly stdin?: string;
  /** Empties the disk before each try. */
  readonly clear?: boolean;
  /** True if the run must complete all the same. */
  readonly mustComplete?: boolean;
}

/** Runs `predict` on a disk with too little space, of a random size, then with enough. */
async function fillUp(
  place: Place,
  fault: string,
  { seed, tries }: FaultOptions,
): Promise<FaultResult> {
  const { store, batch, disk, most, stdin, clear, mustComplete } = place;
  const tally = startTally(family, { fault, seed });
  let full = 0;
  for (let index = 0; index < tries; index++) {
    const each = { seed: seed + index, tally };
    const random = seededNumbers(each.seed);
    if (clear) await removeAll(disk.path);
    const kilobytes = await disk.used() + 4 + Math.floor(random() * most);
    await disk.resize(kilobytes);
    const ended = await runPredict(
      [...stdin ? ["--input", "-"] : batch.args, "--retries", "0"],
      { env: store.env, stdin },
    );
    await disk.resize(ampleKilobytes);
    const isThere = await observe(store, batch, each);
    if (ended.code !== 0) full++;
    check({ ended, isThere, mustComplete }, batch, each);
    await recover(store, batch, each);
  }
  return tally.toResult({
    tries,
    remark: `${full} runs ended for lack of space, the others completed`,
  });
}

function check(
  { ended, isThere, mustComplete = false }: {
    ended: Ended;
    isThere: boolean;
    mustComplete?: boolean | undefined;
  },
  batch: Batch,
  { seed, tally }: { seed: number; tally: Tally },
): void {
  const what = lastWords(ended);
  if (ended.code === 0) {
    if (!isThere) tally.fail("lost", { seed, count: batch.rows, what });
    return;
  }
  const isClear = says.test(ended.stderr) && !/\n\s+at /.test(ended.stderr);
  if (mustComplete || !isClear) tally.fail("wrong", { seed, what });
}

async function removeAll(folder: string): Promise<void> {
  for await (const { name } of Deno.readDir(folder)) {
    await Deno.remove(`${folder}/${name}`, { recursive: true });
  }
}

/** The row of a fault that could not be tried. */
function untried(fault: string, seed: number): FaultResult {
  return {
    subject: "churn",
    fault,
    tries: 0,
    lost: 0,
    doubled: 0,
    halfVisible: 0,
    wrong: 0,
    unfinished: 0,
    seed,
    repro: reproOf(family, { seed }),
    remark: "not tried: this user may not mount a file system",
  };
}

async function fillPostgres(options: FaultOptions): Promise<FaultResult> {
  const fault = "disk full, Postgres";
  await using store = await borrowPostgresStore();
  const uid = await serverUid(store);
  await using disk = await mountSmallDisk({ kilobytes: ampleKilobytes, uid });
  if (!disk) return untried(fault, options.seed);
  const batch = await prepareBatch(store, { rows });
  await store.use(async (database) => {
    await database.query(`create tablespace small location '${disk.path}'`);
    await database.query("alter table scores set tablespace small");
  });
  try {
    return await fillUp({ store, batch, disk, most: 1_100 }, fault, options);
  } finally {
    await store.use(async (database) => {
      await database.query("alter table scores set tablespace pg_default");
      await database.query("drop tablespace small");
    });
  }
}

async function serverUid(store: PostgresStore): Promise<number> {
  const [row] = await store.use((database) =>
    database.query<{ folder: string }>(
      "select current_setting('data_directory') as folder",
    )
  );
  return (await Deno.stat(row?.folder ?? "")).uid ?? 0;
}

async function fillEmbedded(options: FaultOptions): Promise<FaultResult> {
  const fault = "disk full, embedded";
  await using disk = await mountSmallDisk({ kilobytes: ampleKilobytes });
  if (!disk) return untried(fault, options.seed);
  await using store = await openEmbeddedStore({ home: `${disk.path}/home` });
  const batch = await prepareBatch(store, { rows });
  return await fillUp({ store, batch, disk, most: 900 }, fault, options);
}

/** Fills `CHURN_HOME` while the scores go to Postgres: the input is piped and needs a temporary file, or only the cache of model files has no space. */
async function fillHome(
  options: FaultOptions,
  piped: boolean,
): Promise<FaultResult> {
  const fault = piped
    ? "disk full, temporary files"
    : "disk full, cache of model files";
  await using disk = await mountSmallDisk({ kilobytes: ampleKilobytes });
  if (!disk) return untried(fault, options.seed);
  await using postgres = await borrowPostgresStore();
  const home = disk.path;
  const store = {
    ...postgres,
    home,
    env: { ...postgres.env, CHURN_HOME: home },
  };
  const batch = await prepareBatch(store, { rows });
  const place = piped
    ? { most: 25_000, stdin: batch.file }
    : { most: 200, mustComplete: true };
  return await fillUp(
    { store, batch, disk, clear: true, ...place },
    fault,
    options,
  );
}

export const disk: readonly FaultFamily[] = [
  {
    name: family,
    small: 1,
    full: 30,
    run: async (options) => [
      await fillPostgres(options),
      await fillEmbedded(options),
      await fillHome(options, true),
      await fillHome(options, false),
    ],
  },
];
