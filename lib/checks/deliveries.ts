/** Checks the newest period of each variant: delivered, scored, whole and in time. */
import { commandFor } from "../config/variant.ts";
import { ageInDays, toDay } from "../config/periods.ts";
import type { VariantSettings } from "../config/variants.ts";
import { findProblems, readRuns, worthSaying } from "../scoring/deliveries.ts";
import { describeReplacement, findChanged } from "../scoring/inputs.ts";
import type { ScoringRun } from "../scoring/ledger.ts";
import type { InputBatch } from "../services/input-batches.ts";
import type { MlflowStore } from "../mlflow/store.ts";
import type { Services } from "../services/services.ts";
import { type Check, type Finding, runCheck, skipVariants } from "./check.ts";
import type { InputsOf } from "./files.ts";
import { inParallel } from "../base/parallel.ts";
import { countOf, groupDigits } from "../base/phrases.ts";

/** Compares what each variant's inputs hold with what was scored. @param options `mlflow`: undefined if the registry cannot be used; `why`: the reason if the ledger cannot be read. */
export async function checkDeliveries(
  services: Services,
  chosen: readonly VariantSettings[],
  { inputsOf, mlflow, why }: {
    inputsOf: InputsOf;
    mlflow: MlflowStore | undefined;
    why: string | undefined;
  },
): Promise<Check[]> {
  if (why !== undefined) return skipVariants("Data", chosen, why);
  return await inParallel(chosen, (settings) =>
    runCheck(
      { group: "Data", title: settings.variant.title },
      () => checkNewest(services, settings, { inputsOf, mlflow }),
    ));
}

/** The choice of data that a check makes: all of the variant's. */
const everything = {
  named: undefined,
  period: undefined,
  from: undefined,
  to: undefined,
  fallback: false,
  written: [],
};

async function checkNewest(
  services: Services,
  settings: VariantSettings,
  { inputsOf, mlflow }: {
    inputsOf: InputsOf;
    mlflow: MlflowStore | undefined;
  },
): Promise<Finding> {
  const { variant } = settings;
  const predict = commandFor("predict", variant);
  const runs = await readRuns(services, settings);
  const isReady = runs.length > 0 || !mlflow ||
    await mlflow.findModelVersion(variant.modelName, { kind: "latest" });
  if (!isReady) {
    const detail = "not checked: there is no model to score with";
    return { state: "skipped", detail };
  }
  const [newest] = runs;
  const facts = newest
    ? `${newest.period} (${ageOf(newest.period)}): ${
      groupDigits(newest.rows)
    } rows scored ${toDay(newest.finishedAt)}, version ${newest.modelVersion}`
    : "nothing scored yet";
  const batches = await inputsOf(settings).then(
    (inputs) => inputs.batches,
    () => undefined,
  );
  if (!batches) {
    const detail =
      `${facts}; cannot look for newer periods: the inputs cannot be listed (see Files)`;
    return { state: "skipped", detail };
  }
  // A run of another input has only the day of scoring for a period.
  const scored = new Set(
    runs.filter(({ hasPeriod }) => hasPeriod).map(({ period }) => period),
  );
  const open = batches.flatMap(({ period }) =>
    period === undefined || scored.has(period) ? [] : [period]
  );
  const [problem] = findProblems({
    delivered: open.map((period) => ({
      batch: { period },
      rows: "unknown" as const,
      ledger: undefined,
    })),
    settings,
    choice: everything,
    runs,
  });
  if (problem) {
    return {
      state: "warning",
      detail: `${facts}; ${problem.kind}: ${problem.reason}`,
      ...open.length > 0
        ? { remedy: predict }
        : { hint: `deliver the period, then run \`${predict}\`` },
    };
  }
  if (open.length > 0) {
    const what = open.length === 1
      ? `${open[0]} is not scored`
      : `${open.length} periods are not scored, the newest being ${
        open.at(-1)
      }`;
    const detail = newest ? `${facts}; ${what}` : what;
    return { state: "warning", detail, remedy: predict };
  }
  const stale = newest && await findStale(services, batches, { runs, predict });
  if (stale) return { ...stale, detail: `${facts}; ${stale.detail}` };
  return newest
    ? { state: "ok", detail: facts }
    : { state: "warning", detail: facts, remedy: predict };
}

/** Finds scored periods that changed since, one that has the content of an earlier attempt again, or a side file of the newest that contradicts it; undefined if there are none. */
async function findStale(
  services: Services,
  batches: readonly InputBatch[],
  { runs, predict }: { runs: readonly ScoringRun[]; predict: string },
): Promise<Finding | undefined> {
  const state = "warning";
  const { changed, same } = await findChanged(services, batches, { runs });
  const [first] = changed;
  if (first) {
    const detail = changed.length === 1
      ? `the data of ${first.period} have changed since then`
      : `the data of ${changed.length} periods have changed since then, the newest being ${
        changed.at(-1)?.period
      }`;
    return { state, detail, remedy: predict };
  }
  for (const each of same) {
    const detail = describeReplacement(each);
    if (detail === undefined) continue;
    const remedy = `${predict} --period ${each.run.period} --force`;
    return { state, detail, remedy };
  }
  const [said] = await worthSaying(services, same, { choice: everything });
  const detail = said?.failure ?? said?.incomplete;
  return detail === undefined ? undefined : {
    state,
    detail,
    hint: "correct the side file, or deliver the data again",
  };
}

function ageOf(period: string): string {
  return `${countOf(ageInDays(period, new Date()), "day")} old`;
}
