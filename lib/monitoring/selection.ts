/** Selects the monitored scoring run: the one that flags name, the one that outcomes belong to, or the newest. */
import type { Names } from "../config/names.ts";
import type { VariantSettings } from "../config/variants.ts";
import { InputError, UsageError } from "../base/errors.ts";
import type { RunOutcomes } from "./outcome-source.ts";
import { countPlayers, type LedgerRun, listRuns } from "./runs.ts";
import { ensurePredictionsSchema } from "../services/schema.ts";
import { toCount } from "../base/flag-value.ts";
import type { Services } from "../services/services.ts";
import { parsePeriod, toDay } from "../config/periods.ts";
import { commandFor, type Variant } from "../config/variant.ts";

/** The run that the flags select; `newest` without flags. */
export type RunChoice =
  | { readonly by: "newest" }
  | { readonly by: "run"; readonly id: number }
  | { readonly by: "period" | "as-of"; readonly day: string };

/**
 * Returns the choice that `--run`, `--period` or `--as-of` makes.
 *
 * @throws {UsageError} If several are given, or one is invalid.
 */
export function parseRunChoice(
  flags: Readonly<
    Partial<Record<"run" | "period" | "as-of", string | undefined>>
  >,
): RunChoice {
  const given = (["run", "period", "as-of"] as const).flatMap((name) => {
    const value = flags[name];
    return value === undefined ? [] : [{ name, value }];
  });
  if (given.length > 1) {
    throw new UsageError(
      `Cannot use --${
        given.map(({ name }) => name).join(" together with --")
      }: each selects a scoring run`,
    );
  }
  if (!given[0]) return { by: "newest" };
  const { name, value } = given[0];
  return name === "run"
    ? { by: name, id: toCount(value, { flag: name, integer: true }) }
    : { by: name, day: parsePeriod(value, name) };
}

/**
 * Returns the scoring run to monitor. With outcomes and without `--run`, it is
 * the only run, among those that the choice allows, that scored any of their
 * players. The attempts of a period count once, as the newest of them, and so do
 * those of one model version on the same rows. Messages report which run the outcomes are joined to and which
 * other attempts exist.
 *
 * @param options `runs`: all completed runs, as {@linkcode readLedger} returns them.
 * @throws {InputError} If no run matches; names the existing runs.
 * @throws {UsageError} If several runs match; lists them.
 */
export async function chooseRun(
  services: Services,
  { variant, names }: Pick<VariantSettings, "variant" | "names">,
  { runs, choice, outcomes }: {
    runs: readonly LedgerRun[];
    choice: RunChoice;
    outcomes: Pick<RunOutcomes, "uri" | "byPlayer"> | undefined;
  },
): Promise<LedgerRun> {
  const { log } = services;
  const allowed = allowedRuns(runs, { choice, variant });
  const run = outcomes && choice.by !== "run"
    ? await findByOutcomes(services, allowed, {
      choice,
      variant,
      outcomes,
      names,
    })
    : choice.by === "newest"
    ? runs[0]!
    : onlyOne(allowed, {
      choice,
      what: `scoring run of ${variant.title} is meant`,
      why: "match",
    });
  if (outcomes) {
    log.info(
      `Joining the outcomes of ${outcomes.uri} to scoring ${describe(run)}`,
    );
  }
  const attempts = runs.filter(({ id, contentSha256 }) =>
    id !== run.id && contentSha256 === run.contentSha256
  );
  if (attempts.length > 0) {
    log.info(
      `Scoring run ${run.id} is one of ${
        attempts.length + 1
      } that scored the same rows; the others: ${list(attempts)}`,
    );
  }
  return run;
}

/**
 * Returns all completed runs of a variant, newest first; at least one. On the
 * embedded default, this creates the tables of `monitor`; for configured services,
 * `setup` creates them.
 *
 * @throws {InputError} If nothing has been scored yet.
 * @throws {UsageError} If the tables do not exist.
 */
export async function readLedger(
  services: Services,
  variant: Variant,
): Promise<LedgerRun[]> {
  const { config, withRetry } = services;
  const nothing = new InputError(
    `Cannot monitor ${variant.title}: nothing has been scored yet; run \`${
      commandFor("predict", variant)
    }\` first`,
  );
  if (config.embedded && !await services.hasEmbeddedDatabase()) {
    throw nothing;
  }
  const database = await services.predictions();
  if (config.embedded) await ensurePredictionsSchema(database);
  const runs = await withRetry(
    "read the ledger",
    () => listRuns(database, variant.key),
  );
  if (runs.length > 0) return runs;
  throw nothing;
}

/** Returns the only run of the outcomes' players. @throws {InputError} If there is none. @throws {UsageError} If there are several. */
async function findByOutcomes(
  services: Services,
  runs: readonly LedgerRun[],
  { choice, variant, outcomes: { uri, byPlayer }, names }: {
    choice: RunChoice;
    variant: Variant;
    outcomes: Pick<RunOutcomes, "uri" | "byPlayer">;
    names: Names;
  },
): Promise<LedgerRun> {
  const players = [...byPlayer.keys()];
  const database = await services.predictions();
  const counts = await services.withRetry(
    `find the ${names.entities} of the outcomes`,
    () => countPlayers(database, runs, { players }),
  );
  const found = runs.filter(({ id }) => counts.has(id));
  if (found.length === 0) {
    throw new InputError(
      `Cannot measure performance: none of the ${players.length} outcomes of ${uri} belongs to a ${names.entity} of the matching scoring runs: ${
        list(runs)
      }; ids are compared as text, the outcomes have "${players[0]}"`,
    );
  }
  return onlyOne(found, {
    choice,
    what: `scoring run of ${variant.title} the outcomes of ${uri} belong to`,
    why: `scored some of their ${players.length} ${names.entities}`,
    more: ({ id }) => `${counts.get(id)} ${names.entities}`,
  });
}

/** Returns the only one of several runs. @throws {UsageError} If there is more than one; lists them. */
function onlyOne(
  runs: readonly LedgerRun[],
  { choice, what, why, more }: {
    choice: RunChoice;
    what: string;
    why: string;
    more?: (run: LedgerRun) => string;
  },
): LedgerRun {
  if (runs.length === 1) return runs[0]!;
  const instead = choice.by === "newest" ? "" : ` instead of --${choice.by}`;
  throw new UsageError(
    `Cannot tell which ${what}: ${runs.length} ${why}: ${
      list(runs, more)
    }; use one of these flags${instead}`,
  );
}

/** Returns the runs that a choice allows; equal attempts count once. @throws {InputError} If there are none; names the existing runs. */
function allowedRuns(
  runs: readonly LedgerRun[],
  { choice, variant }: { choice: RunChoice; variant: Variant },
): LedgerRun[] {
  if (choice.by === "newest") return newestAttempts(runs);
  if (choice.by === "run") {
    const run = runs.find(({ id }) => id === choice.id);
    if (run) return [run];
    throw new InputError(
      `Cannot find scoring run ${choice.id} of ${variant.title} among its completed runs: ${
        list(runs)
      }`,
    );
  }
  const days = runs.map(({ period }) => period).filter((day) =>
    choice.by === "period" ? day === choice.day : day <= choice.day
  ).sort();
  const day = days.at(-1);
  if (day !== undefined) {
    return newestAttempts(runs.filter(({ period }) => period === day));
  }
  throw new InputError(
    `Cannot find a run of ${variant.title} for ${
      choice.by === "period" ? "period" : "a period on or before"
    } ${choice.day}; the completed runs are: ${list(runs)}`,
  );
}

/** Returns the newest attempt of each period; for runs without one, the newest per model version, recipe and rows, because such attempts have the same scores. */
function newestAttempts(runs: readonly LedgerRun[]): LedgerRun[] {
  const newest = new Map<string, LedgerRun>();
  for (const run of runs) {
    const { contentSha256, recipeSha256, modelName, modelVersion } = run;
    const key = run.hasPeriod
      ? run.period
      : [contentSha256, recipeSha256, modelName, modelVersion].join();
    if (!newest.has(key)) newest.set(key, run);
  }
  return [...newest.values()];
}

/** Lists runs by the flags that select them, in the order given. */
function list(
  runs: readonly LedgerRun[],
  more?: (run: LedgerRun) => string,
): string {
  const most = 30;
  const shown = runs.slice(0, most).map((run) =>
    `--${describe(run, more?.(run))}`
  ).join("; ");
  return runs.length > most
    ? `${shown}; and ${runs.length - most} older runs`
    : shown;
}

function describe(run: LedgerRun, more?: string): string {
  return `run ${run.id} (period ${run.period}, scored ${
    toDay(run.finishedAt)
  }, ${run.rows} rows of ${run.inputUri}, ${run.modelName} version ${run.modelVersion}${
    more === undefined ? "" : `, ${more}`
  })`;
}
