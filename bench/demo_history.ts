/**
 * Makes half a year of monitoring for pictures and for trying things out: 26
 * weekly files of synthetic players, scored and monitored by the real commands
 * in a folder of their own. Run with `deno task demo-history`.
 *
 * The story: quiet weeks; a delivery whose deposits are all 0, and its
 * correction; stakes that rise week by week until drift advises to retrain; the
 * retrained model; players who churn more than before, which only outcomes show.
 */
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { Outcome } from "../lib/base/outcome.ts";
import { toLog } from "../lib/base/log.ts";
import { commandTable } from "../lib/config/commands.ts";
import { parseFlags } from "../lib/config/flags.ts";
import { openServices } from "../lib/services/services.ts";
import { setupDatabases } from "../lib/services/setup.ts";
import { logModel } from "../scripts/log-model.ts";
import { monitor } from "../scripts/monitor.ts";
import { predict } from "../scripts/predict.ts";
import { promote } from "../scripts/promote.ts";
import { setupExperiment } from "../scripts/setup.ts";
import { inherited } from "../tests/support/commands.ts";
import {
  Population,
  toLabelledRows,
  type Week,
  type World,
} from "./monitoring/players.ts";

const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const { values: flags } = parseArgs({
  options: {
    folder: { type: "string" },
    seed: { type: "string", default: "1" },
  },
});

const weeks = 26;
const firstDay = Date.UTC(2026, 5, 1);
/** Weeks until it is known who placed no bet in the following month. */
const maturityWeeks = 4;
/** The weeks of the story, counted from 1. */
const story = { zeroed: 8, drift: 11, retrained: 17, concept: 20 };

const seed = Number(flags.seed);
const own = here("../.cache/demo-history");
const folder = flags.folder === undefined
  ? own
  : resolve(Deno.env.get("INIT_CWD") ?? Deno.cwd(), flags.folder);
const start = performance.now();

await makeFolder();
useOnly({ CHURN_HOME: `${folder}/home`, CHURN_FILES: folder, USER: "demo" });
// One process runs the bodies of all commands, because the embedded database takes long to open.
await using services = await openServices({
  log: toLog("quiet", () => {}),
  retryPolicy: { retries: 0, delaySeconds: 0 },
});
const settings = services.variants.settings({});
const names: string[] = JSON.parse(
  await Deno.readTextFile(here("../data/churn/feature_names_3.json")),
);
const population = new Population(seed, { staying: 0.92 });
const delivered: Week[] = [];
const pages = new Map<string, string>();

await setupDatabases(services);
await setupExperiment(services, settings);
await register(["--training-date", dayOf(0)]);
for (let number = 1; number <= weeks; number++) await live(number);

await print(
  `\nThe history is in ${folder} (${
    ((performance.now() - start) / 1000).toFixed(0)
  } s). Open one of its pages:\n${
    [...pages].map(([what, page]) => `  ${what}: ${page}`).join("\n")
  }\nThe commands read it with CHURN_HOME, for example\n  CHURN_HOME=${services.config.home} CHURN_FILES=${folder} deno task monitor\n`,
);

/** Lives through one week: late outcomes, the retrained model, the delivery, its scores and their monitoring. */
async function live(number: number): Promise<void> {
  const world = worldOf(number);
  if (number === story.retrained) await retrain(world);
  if (number > maturityWeeks) await measure(number - maturityWeeks);
  // Registrations follow the season.
  const rows = Math.round(1000 + 60 * Math.sin(number / 4));
  const week = population.next({ rows, world });
  delivered.push(week);
  if (number === story.zeroed) {
    await deliver(number, {
      ...week,
      rows: week.rows.map((row) => ({ ...row, total_deposit: 0 })),
    }, "a delivery without deposits");
  }
  await deliver(
    number,
    week,
    number === story.zeroed
      ? "its correction"
      : number === story.drift + 3
      ? "drift in two adjacent weeks"
      : number === story.retrained
      ? "the first week of the retrained model"
      : number === weeks
      ? "the last week"
      : undefined,
  );
}

/** Stakes rise over six weeks and stay; after the model is retrained, more players churn. */
function worldOf(number: number): World {
  const rise = Math.min(6, Math.max(0, number - story.drift + 1));
  return {
    handle: Math.exp(0.25 * rise),
    intercept: number >= story.concept ? 0.9 : 0,
  };
}

/** Writes a week's file, scores and monitors it. @param what Names its page in the list at the end. */
async function deliver(
  number: number,
  { rows }: Week,
  what: string | undefined,
): Promise<void> {
  const day = dayOf(number);
  const file = `${folder}/weekly/${day}.jsonl`;
  await writeLines(file, rows);
  const { values } = parseFlags(commandTable.predict, [
    ...["--input", file],
    ...["--period", day],
  ]);
  await predict(services, settings, values, { columns: 100 });
  const page = await check(["--period", day]);
  if (what === undefined) return;
  const kept = `${folder}/pages/${day}-${what.replaceAll(" ", "-")}.html`;
  await Deno.copyFile(page, kept);
  pages.set(`${day}, ${what}`, kept);
}

/** Writes the outcomes of a week and measures its scores. */
async function measure(number: number): Promise<void> {
  const day = dayOf(number);
  const { rows, outcomes } = delivered[number - 1]!;
  const file = `${folder}/outcomes/${day}.jsonl`;
  await writeLines(
    file,
    rows.map(({ player_id }, index) => ({
      player_id,
      churned: outcomes[index],
    })),
  );
  await check(["--period", day, "--outcomes", file]);
}

/** Trains a model on today's players, registers and promotes it. */
async function retrain(world: World): Promise<void> {
  const draw = (rows: number, shift: number) =>
    new Population(seed + shift, { staying: 0 }).next({ rows, world });
  const training = `${folder}/training.jsonl`;
  const evaluation = `${folder}/evaluation.jsonl`;
  await writeLines(training, toLabelledRows(draw(10_000, 1), names));
  await writeLines(evaluation, toLabelledRows(draw(1500, 2), names));
  const day = dayOf(story.retrained - 1);
  const { success, stderr } = await new Deno.Command("uv", {
    args: [
      ...["run", "--quiet", here("../models/train.py")],
      ...["--variant", "base", "--training", training],
      ...["--evaluation", evaluation, "--training-date", day],
      ...["--output", `${folder}/candidate`],
    ],
    stdout: "null",
    stderr: "piped",
    clearEnv: true,
    env: inherited(),
  }).output();
  if (!success) {
    throw new Error(
      `Cannot retrain the model: ${new TextDecoder().decode(stderr)}`,
    );
  }
  await register([
    ...["--model", `${folder}/candidate/xgb_churn_model_2.bin`],
    ...["--evaluation", evaluation],
  ]);
}

/** Logs a model and promotes its version. */
async function register(args: readonly string[]): Promise<void> {
  const { values } = parseFlags(commandTable["log-model"], args);
  const { report } = await logModel(services, settings, values);
  const version = Number(report["model_version"]);
  await promote(services, settings.variant, { version });
  await print(`log-model and promote version ${version}\n`);
}

/** Monitors a period and prints the verdicts; returns the path of the page. */
async function check(args: readonly string[]): Promise<string> {
  const { report }: Outcome = await monitor(services, settings, {
    ...parseFlags(commandTable.monitor, args).values,
  });
  const { period, data, drift, performance, retrain } = report;
  await print(
    `${period}: data ${data}, drift ${drift}, performance ${performance}${
      retrain ? "; retrain" : ""
    }\n`,
  );
  return String(report["report"]);
}

function dayOf(number: number): string {
  return new Date(firstDay + (number - 1) * 7 * 864e5).toISOString()
    .slice(0, 10);
}

async function writeLines(
  file: string,
  rows: readonly unknown[],
): Promise<void> {
  await Deno.writeTextFile(
    file,
    rows.map((row) => `${JSON.stringify(row)}\n`).join(""),
  );
}

/**
 * Makes the folder.
 *
 * @throws {Error} If it has files and is not the task's own.
 */
async function makeFolder(): Promise<void> {
  if (folder === own) {
    await Deno.remove(own, { recursive: true }).catch(() => {});
  }
  for (const name of ["weekly", "outcomes", "pages"]) {
    await Deno.mkdir(`${folder}/${name}`, { recursive: true });
    for await (const { name: file } of Deno.readDir(`${folder}/${name}`)) {
      throw new Error(
        `Cannot make the history in ${folder}: ${name}/${file} is already there; name an empty folder`,
      );
    }
  }
}

/** Sets the environment: no configured service and no store of the user is used. */
function useOnly(settings: Readonly<Record<string, string>>): void {
  for (const name of Object.keys(Deno.env.toObject())) {
    if (/^(AWS|CHURN|MLFLOW|PG|PREDICTIONS)_?/.test(name)) {
      Deno.env.delete(name);
    }
  }
  for (const [name, value] of Object.entries(settings)) {
    Deno.env.set(name, value);
  }
}

async function print(text: string): Promise<void> {
  await Deno.stdout.write(new TextEncoder().encode(text));
}
