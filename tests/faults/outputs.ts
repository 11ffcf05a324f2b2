/** `kill -9` of `predict` while it writes a file (`--output`). */
import { seededNumbers } from "../support/ensembles.ts";
import { prepareBatch } from "./batch.ts";
import { lastWords, runPredict, sleep, startPredict } from "./process.ts";
import type { FaultFamily, FaultOptions, FaultResult } from "./result.ts";
import { borrowPostgresStore } from "./store.ts";
import { startTally } from "./tally.ts";

const family = "kill-output";

/** A run completes after so many kills, on what they left. */
const killsPerRecovery = 8;

/** Returns player, score and row number of each row; undefined if there is no file. The other columns are the same in all rows. */
async function readScores(file: string): Promise<string[] | undefined> {
  try {
    const lines = (await Deno.readTextFile(file)).split("\n").slice(1, -1);
    return lines.map((line) => {
      const cells = line.split(",");
      return [cells[0], cells[1], cells[5]].join();
    });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

async function killWriting(
  { seed, tries }: FaultOptions,
): Promise<FaultResult> {
  await using store = await borrowPostgresStore();
  const batch = await prepareBatch(store, { rows: 20_000 });
  const fault = "kill -9 at a random point, --output FILE, 20 k rows";
  const tally = startTally(family, { fault, seed });
  const file = `${store.folder}/output/scores.csv`;
  const part = `${file}.part`;
  const args = [...batch.args, "--output", file, "--retries", "0"];
  const first = await runPredict(args, store);
  const expected = await readScores(file);
  if (first.code !== 0 || expected?.length !== batch.rows) {
    throw new Error(`An undisturbed run ended with ${lastWords(first)}`);
  }
  await Deno.remove(file);

  /** Counts what differs from the undisturbed run; returns whether the file is there. */
  const check = async (each: { seed: number }): Promise<boolean> => {
    const found = await readScores(file);
    if (!found) return false;
    if (found.length < batch.rows) {
      const what = `the file has ${found.length} of ${batch.rows} rows`;
      tally.fail("halfVisible", { ...each, what });
    } else if (found.join("\n") !== expected.join("\n")) {
      tally.fail("wrong", { ...each, what: "the file has other rows" });
    }
    return true;
  };

  let completed = 0;
  for (let index = 0; index < tries; index++) {
    const each = { seed: seed + index };
    const random = seededNumbers(each.seed);
    const running = startPredict(args, store);
    await sleep((0.1 + random()) * first.seconds * 1000);
    running.kill("SIGKILL");
    await running.ended;
    if (await check(each)) {
      completed++;
      await Deno.remove(file);
    }
    if (index < tries - 1 && (index + 1) % killsPerRecovery > 0) continue;
    await age(part);
    const next = await runPredict(args, store);
    if (next.code !== 0) {
      tally.fail("unfinished", { ...each, what: lastWords(next) });
    }
    if (!await check(each)) {
      const what = lastWords(next);
      tally.fail("lost", { ...each, count: batch.rows, what });
    }
    if (await Deno.stat(part).then(() => true, () => false)) {
      tally.fail("wrong", { ...each, what: `${part} is left` });
      await Deno.remove(part, { recursive: true });
    }
    await Deno.remove(file).catch(() => {});
  }
  return tally.toResult({
    tries,
    remark: `${completed} files were complete when the process was killed`,
  });
}

/** Makes files look ten minutes old. */
async function age(folder: string): Promise<void> {
  try {
    const past = new Date(Date.now() - 600_000);
    for await (const { name } of Deno.readDir(folder)) {
      await Deno.utime(`${folder}/${name}`, past, past);
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

export const outputs: readonly FaultFamily[] = [
  {
    name: family,
    small: 4,
    full: 100,
    run: async (options) => [await killWriting(options)],
  },
];
