// deno-lint-ignore-file no-console -- a program for a terminal
/**
 * Tries every fault on `predict` and on what a user would write in its place, as
 * whole programs on real servers, and prints how many rows were lost or doubled.
 * Run with `deno task test:faults`. Exit code 1 if `predict` failed in any way.
 */
import { parseArgs } from "node:util";
import { fileURLToPath } from "node:url";
import { cleanUpOnSignals } from "../support/cleanup.ts";
import { families } from "./families.ts";
import { type FaultResult, isClean } from "./result.ts";
import { toText, writeHeadline, writeTable } from "./table.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const docs = `${root}docs/reliability.md`;
const readme = `${root}README.md`;

const { values: flags } = parseArgs({
  options: {
    only: { type: "string", multiple: true, default: [] },
    scale: { type: "string", default: "small" },
    tries: { type: "string" },
    seed: { type: "string", default: "1" },
    write: { type: "boolean", default: false },
  },
});

const { scale } = flags;
if (scale !== "small" && scale !== "full") {
  fail(`Cannot use --scale "${scale}": expected small or full`);
}
const seed = toCount("seed", flags.seed);
const asked = flags.tries === undefined
  ? undefined
  : toCount("tries", flags.tries);
const unknown = flags.only.find((name) =>
  !families.some((family) => family.name === name)
);
if (unknown !== undefined) {
  fail(
    `Cannot use --only "${unknown}": expected one of ${
      families.map(({ name }) => name).join(", ")
    }`,
  );
}

const chosen = families
  .filter(({ name }) => flags.only.length === 0 || flags.only.includes(name))
  .map((family) => ({ ...family, tries: asked ?? family[scale] }))
  .filter(({ tries }) => tries > 0);
for (const { check } of chosen) {
  await check?.().catch((error: Error) => fail(error.message));
}

cleanUpOnSignals();
const results: FaultResult[] = [];
for (const { name, run, tries } of chosen) {
  const startMs = performance.now();
  console.error(`${name}: ${tries} tries from seed ${seed}`);
  const rows = await run({ seed, tries });
  const seconds = (performance.now() - startMs) / 1000;
  console.error(`${name}: ${seconds.toFixed(0)} s`);
  results.push(...rows);
  if (flags.write) await write(rows);
}
console.log(toText(results));
const isOk = results.every((result) =>
  result.subject !== "churn" || isClean(result)
);
Deno.exit(isOk ? 0 : 1);

/** Writes after each family, so that an interrupted run keeps what it measured. */
async function write(rows: readonly FaultResult[]): Promise<void> {
  const { stdout } = await new Deno.Command("git", {
    args: ["rev-parse", "--short", "HEAD"],
    cwd: root,
  }).output();
  const commit = new TextDecoder().decode(stdout).trim();
  const date = new Date().toISOString().slice(0, 10);
  const order = families.map(({ name }) => name);
  const measured = { date, commit, order };
  await Deno.writeTextFile(
    docs,
    writeTable(await Deno.readTextFile(docs), rows, measured),
  );
  await format();
  const document = await Deno.readTextFile(docs);
  await Deno.writeTextFile(
    readme,
    writeHeadline(await Deno.readTextFile(readme), document),
  );
  await format();
}

async function format(): Promise<void> {
  await new Deno.Command(Deno.execPath(), {
    args: ["fmt", "--quiet", docs, readme],
    cwd: root,
  }).output();
}

function toCount(name: string, text: string): number {
  const count = Number(text);
  if (Number.isSafeInteger(count) && count > 0) return count;
  fail(`Cannot use --${name} "${text}": expected a whole number above 0`);
}

function fail(message: string): never {
  console.error(message);
  Deno.exit(2);
}
