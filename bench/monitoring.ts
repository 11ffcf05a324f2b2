/**
 * What monitoring finds: weeks with known faults, and quiet weeks, judged by
 * the functions of `monitor` and by Evidently and NannyML. Run with
 * `deno task bench-monitoring`.
 */
import { parseArgs } from "node:util";
import { fileURLToPath } from "node:url";
import { faults } from "./monitoring/faults.ts";
import { openModel } from "./monitoring/judge.ts";
import { type PeerFound, runPeer, writeWeeks } from "./monitoring/peers.ts";
import {
  type FalseAlarms,
  type FaultFound,
  type Quiet,
  simulateFault,
  simulateQuiet,
} from "./monitoring/simulate.ts";
import {
  type MonitoringReport,
  toMarkdown,
  writeTables,
} from "./monitoring/table.ts";

const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const { values: flags } = parseArgs({
  options: {
    only: { type: "string", default: "" },
    seeds: { type: "string", default: "24" },
    weeks: { type: "string", default: "260" },
    rows: { type: "string", default: "300,1000,10000" },
    peers: { type: "string", default: "evidently,nannyml" },
    write: { type: "boolean", default: false },
  },
});

const docs = here("../docs/monitoring.md");
const folder = here("../.cache/bench/monitoring");
/** Rows of a week with a fault. */
const faultRows = 1000;
/** Seeds of the first history with a fault, and of the first quiet one. */
const [firstFault, firstQuiet] = [100, 1000];

const chosen = faults.filter(({ name }) => name.includes(flags.only));
const seeds = Array.from(
  { length: Number(flags.seeds) },
  (_, index) => firstFault + index,
);
const weeks = Number(flags.weeks);
const model = await openModel();

const found: FaultFound[] = [];
for (const fault of chosen) {
  found.push(await simulateFault(model, fault, { seeds, rows: faultRows }));
  await note(fault.title);
}

const quiet: FalseAlarms[] = [];
for (
  const kind of ["independent", "overlapping", "seasonal"] satisfies Quiet[]
) {
  for (const rows of weeks > 0 ? flags.rows.split(",").map(Number) : []) {
    const alarms = await simulateQuiet(model, kind, {
      seed: firstQuiet,
      rows,
      weeks,
    });
    quiet.push(alarms);
    const causes = [...alarms.causes].map(([cause, count]) =>
      `\n  ${count} × ${cause}`
    );
    await note(`${weeks} ${kind} weeks of ${rows} rows${causes.join("")}`);
  }
}

const peers: PeerFound[] = [];
const names = flags.peers.split(",").filter((name) => name !== "");
if (names.length > 0) {
  await writeWeeks(model, folder, {
    faults: chosen,
    seeds,
    rows: faultRows,
    weeks: 104,
  });
  await note("Weeks written for the peers");
}
for (const name of names) {
  if (name !== "evidently" && name !== "nannyml") {
    throw new Error(
      `Cannot compare with "${name}": expected evidently, nannyml`,
    );
  }
  const result = await runPeer(name, folder, {
    faults: chosen,
    rows: faultRows,
  });
  peers.push(result);
  await Deno.writeTextFile(`${folder}/${name}.json`, JSON.stringify(result));
  await note(name);
}
// What an earlier call measured; the peers' weeks depend on nothing of ours.
for (const name of ["evidently", "nannyml"]) {
  if (names.includes(name)) continue;
  const kept = await Deno.readTextFile(`${folder}/${name}.json`)
    .catch(() => undefined);
  if (kept !== undefined) peers.push(JSON.parse(kept));
}

const report: MonitoringReport = {
  date: new Date().toISOString().slice(0, 10),
  commit: await readCommit(),
  command:
    `deno task bench-monitoring --seeds ${flags.seeds} --weeks ${flags.weeks} --write`,
  rows: faultRows,
  faults: found,
  quiet,
  peers,
};
await Deno.stdout.write(new TextEncoder().encode(`${toMarkdown(report)}\n`));
if (flags.write) {
  await Deno.writeTextFile(
    docs,
    writeTables(await Deno.readTextFile(docs), report),
  );
}

async function readCommit(): Promise<string> {
  const { stdout } = await new Deno.Command("git", {
    args: ["rev-parse", "--short", "HEAD"],
    cwd: here(".."),
    stderr: "null",
  }).output();
  return new TextDecoder().decode(stdout).trim() || "an unknown commit";
}

/** Prints progress to stderr. */
async function note(text: string): Promise<void> {
  await Deno.stderr.write(new TextEncoder().encode(`${text}\n`));
}
