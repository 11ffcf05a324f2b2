/** How old a run's model is, and whether it is too early to retrain again. */
import { countOf } from "../base/phrases.ts";
import { ageInDays, type Period, toDay } from "../config/periods.ts";
import type { ModelVersion } from "../mlflow/store.ts";
import type { PastVerdict } from "./result.ts";
import type { LedgerRun } from "./runs.ts";
import type { ModelAge } from "./verdict.ts";

/**
 * Returns the days from a version's training date, or if it has none from when
 * it was logged, to the scoring; undefined without a largest age or a version.
 *
 * @param options `maxModelAgeDays`: the variant's setting.
 */
export function toAge(
  version: Pick<ModelVersion, "tags" | "createdMs"> | undefined,
  options: {
    run: Pick<LedgerRun, "finishedAt">;
    maxModelAgeDays: number | undefined;
  },
): ModelAge | undefined {
  const { run, maxModelAgeDays: maxDays } = options;
  if (maxDays === undefined || !version) return undefined;
  const trainedMs = Date.parse(version.tags["training_date"] ?? "");
  const startMs = Number.isNaN(trainedMs) ? version.createdMs : trainedMs;
  return { days: ageInDays(dayOf(startMs), run.finishedAt), maxDays };
}

/**
 * Returns why it is too early to advise retraining, as a clause: the version was
 * logged, or an earlier period of the variant was advised to retrain, fewer days
 * ago than the cool-down; undefined if it is not.
 *
 * @param history The results of earlier periods, newest first.
 * @param options `coolDownDays`: the variant's setting; 0 for none; `basis`: the scoring run whose performance this advice rests on, so that its own advice is no earlier one.
 */
export function findCoolDown(
  history: readonly PastVerdict[],
  options: {
    run: Pick<LedgerRun, "finishedAt" | "period">;
    version: Pick<ModelVersion, "version" | "createdMs"> | undefined;
    coolDownDays: number;
    basis?: number | undefined;
  },
): string | undefined {
  const { run, version, coolDownDays, basis } = options;
  if (coolDownDays === 0) return undefined;
  const loggedDays = version &&
    ageInDays(dayOf(version.createdMs), run.finishedAt);
  if (loggedDays !== undefined && loggedDays < coolDownDays) {
    return `version ${version?.version} was logged ${
      countOf(loggedDays, "day")
    } ago`;
  }
  const advised = history.find(({ retrain, scoring_run_id: id }) =>
    retrain === true && id !== basis
  );
  if (advised?.period === undefined) return undefined;
  const advisedDays = ageInDays(advised.period, new Date(run.period));
  if (advisedDays >= coolDownDays) return undefined;
  return `retraining was advised for ${advised.period}, ${
    countOf(advisedDays, "day")
  } before`;
}

function dayOf(timeMs: number): Period {
  return toDay(new Date(timeMs));
}
