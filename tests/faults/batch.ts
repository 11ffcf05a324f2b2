/** One input, the scores that an undisturbed run stores of it, and what differs from them after a fault. */
import type { Database } from "../../lib/database/database.ts";
import { fileURLToPath } from "node:url";
import { runPredict } from "./process.ts";
import type { Store } from "./store.ts";

/** An input, and how long an undisturbed run takes. */
export interface Batch {
  readonly file: string;
  readonly rows: number;
  /** The arguments of `predict` that score it. */
  readonly args: readonly string[];
  readonly seconds: number;
}

/** What a reader sees, against the undisturbed run. Rows of the input. */
export interface Difference {
  readonly visible: number;
  readonly lost: number;
  readonly doubled: number;
  /** Rows with another player or score, or that are not in the input. */
  readonly wrong: number;
}

const sample = fileURLToPath(
  new URL("../../data/churn/X_test_sample_2.json", import.meta.url),
);

const prepared = new Map<string, Promise<Batch>>();

/**
 * Writes an input of the shipped rows, repeated, with the players `P-1` to
 * `P-<rows>`; scores it undisturbed, keeps what was stored for comparison, and
 * empties the ledger. A second call for the store returns the first one's batch.
 *
 * @throws {Error} If the undisturbed run did not store exactly these players.
 */
export function prepareBatch(
  store: Store,
  { rows }: { rows: number },
): Promise<Batch> {
  const key = `${store.env.PREDICTIONS_DATABASE_URL ?? store.home} ${rows}`;
  let batch = prepared.get(key);
  if (!batch) prepared.set(key, batch = prepare(store, rows));
  return batch;
}

async function prepare(store: Store, rows: number): Promise<Batch> {
  const file = `${store.folder}/players-${rows}.jsonl`;
  await writeRows(file, rows);
  const args = ["--input", file];
  await mustScore(args, store); // sets up an embedded store, and fills caches
  await store.use(empty);
  const seconds = await mustScore(args, store);
  await store.use(async (database) => {
    const [found] = await database.query(
      `select count(*) as rows, count(*) filter (where player_id = 'P-' || row_number) as players,
         count(distinct row_number) as numbers, max(row_number) as last from churn_predictions`,
    );
    const expected = { rows, players: rows, numbers: rows, last: rows };
    if (JSON.stringify(found) !== JSON.stringify(expected)) {
      throw new Error(
        `An undisturbed run stored ${JSON.stringify(found)} of ${rows} rows`,
      );
    }
    await database.query("create schema if not exists faults");
    await database.query(`drop table if exists faults.expected_${rows}`);
    await database.query(
      `create table faults.expected_${rows} as
       select row_number, player_id, churn_probability from churn_predictions`,
    );
    await empty(database);
  });
  return { file, rows, args, seconds };
}

/** Empties the ledger and the scores. */
export async function empty(database: Database): Promise<void> {
  await database.query("truncate scoring_runs, scores cascade");
}

/** Deletes the published batch, and leaves what dead runs left. */
export async function forget(database: Database): Promise<void> {
  await database.query(
    `with gone as (delete from scoring_runs where status = 'completed' returning id)
     delete from scores where scoring_run_id in (select id from gone)`,
  );
}

/** Returns the number of rows that a reader sees, and of those in batches that the ledger has as completed, at one moment. */
export async function countRows(
  database: Database,
): Promise<{ visible: number; published: number }> {
  const [row] = await database.query<{ visible: number; published: number }>(
    `select (select count(*) from churn_predictions) as visible,
       (select coalesce(sum(row_count), 0) from scoring_runs where status = 'completed') as published`,
  );
  return row ?? { visible: 0, published: 0 };
}

/** Compares what a reader sees with the undisturbed run. */
export async function compare(
  database: Database,
  { rows }: Pick<Batch, "rows">,
): Promise<Difference> {
  const [found] = await database.query<Difference>(
    `select coalesce(sum(copies), 0) as visible,
       count(*) filter (where copies is null) as lost,
       coalesce(sum(copies - 1), 0) as doubled,
       count(*) filter (where copies is not null and (e.row_number is null
         or s.players <> array[e.player_id] or s.scores <> array[e.churn_probability])) as wrong
     from faults.expected_${rows} e
     full join (
       select row_number, count(*) as copies, array_agg(distinct player_id) as players,
         array_agg(distinct churn_probability) as scores
       from churn_predictions group by row_number
     ) s using (row_number)`,
  );
  return found ?? { visible: 0, lost: rows, doubled: 0, wrong: 0 };
}

/** Makes every open run in the ledger and every temporary file look abandoned, as they are ten minutes after a crash. */
export async function abandon(store: Store): Promise<void> {
  await store.use((database) =>
    database.query(
      `update scoring_runs set lease_expires_at = now() - interval '1 minute' where status = 'running'`,
    )
  );
  const past = new Date(Date.now() - 600_000);
  for (const name of await temporaryFiles(store)) {
    await Deno.utime(`${store.home}/tmp/${name}`, past, past);
  }
}

/** Returns what is left of earlier runs, in the ledger, in MLflow and on disk; empty if nothing is. */
export async function findLeftovers(store: Store): Promise<string[]> {
  const [found] = await store.use((database) =>
    database.query<{ running: number; orphans: number }>(
      `select (select count(*) from scoring_runs where status = 'running') as running,
         (select count(*) from scores where scoring_run_id not in (
           select id from scoring_runs where status = 'completed')) as orphans`,
    )
  );
  const files = await temporaryFiles(store);
  return [
    ...found?.running ? [`${found.running} running rows in the ledger`] : [],
    ...found?.orphans ? [`${found.orphans} scores without a batch`] : [],
    ...files.length > 0 ? [`temporary files ${files.join(", ")}`] : [],
  ];
}

/** Returns what MLflow has otherwise than the ledger: runs that are open, or a batch whose run is not finished. */
export async function findWrongRuns(store: Store): Promise<string[]> {
  const stored = await store.use((database) =>
    database.query<{ run: string }>(
      "select mlflow_run_id as run from scoring_runs where status = 'completed'",
    )
  );
  const wrong = await store.useMlflow((database) =>
    database.query<{ run: string; status: string }>(
      `select run_uuid as run, status from runs
       where status = 'RUNNING' or (run_uuid = any($1) and status <> 'FINISHED')`,
      [stored.map(({ run }) => run)],
    )
  );
  return wrong.map(({ run, status }) => `MLflow run ${run} is ${status}`);
}

/** Returns the names of the temporary files in the store. */
export async function temporaryFiles({ home }: Store): Promise<string[]> {
  try {
    return await Array.fromAsync(
      Deno.readDir(`${home}/tmp`),
      ({ name }) => name,
    );
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

async function mustScore(
  args: readonly string[],
  store: Store,
): Promise<number> {
  const { code, stderr, seconds } = await runPredict(args, store);
  if (code === 0) return seconds;
  throw new Error(`An undisturbed run ended with ${code}: ${stderr}`);
}

async function writeRows(file: string, rows: number): Promise<void> {
  const lines = (await Deno.readTextFile(sample)).trim().split("\n");
  const tails = lines.map((line) => line.replace(/^\{"player_id":"[^"]*"/, ""));
  const encoder = new TextEncoder();
  using output = await Deno.open(file, {
    create: true,
    write: true,
    truncate: true,
  });
  const writer = output.writable.getWriter();
  for (let row = 1; row <= rows;) {
    let text = "";
    for (; row <= rows && text.length < 1 << 22; row++) {
      text += `{"player_id":"P-${row}"${tails[(row - 1) % tails.length]}\n`;
    }
    await writer.write(encoder.encode(text));
  }
  writer.releaseLock();
}
