/** Monitors one scoring run of a variant: compares it with other data and stores the result, unless the same result is stored already. */
import { sha256 } from "../base/digest.ts";
import { type Names, usualNames } from "../config/names.ts";
import { ageInDays, toDay } from "../config/periods.ts";
import type { VariantSettings } from "../config/variants.ts";
import type { Services } from "../services/services.ts";
import { toUnknownShares } from "../statistics/batch-profile.ts";
import {
  type Challenger,
  compareChallenger,
  withChallenger,
} from "./challenger.ts";
import {
  alarmingColumns,
  type DriftComparison,
  lastingColumns,
} from "./columns.ts";
import { compareRun } from "./compare-run.ts";
import { brokenColumns, judgeData } from "./data.ts";
import type { PeriodSample } from "./judge-performance.ts";
import { type MonitoredRun, storeResult } from "./log.ts";
import { findCoolDown, toAge } from "./model-age.ts";
import type { RunOutcomes } from "./outcome-source.ts";
import { measurePerformance, type Performance } from "./performance.ts";
import type { MonitoringResult, PastVerdict, RunFacts } from "./result.ts";
import { readModel } from "./rows.ts";
import {
  type EarlierRun,
  findEarlierPerformance,
  findPreviousRun,
  type LedgerRun,
  listResults,
  type MonitoringRun,
  readHistory,
  readMonitoringRun,
  readScores,
  type StoredResult,
} from "./runs.ts";
import { decide, isJudged } from "./verdict.ts";

/** The scoring run to monitor and the data to compare it with. */
export interface MonitorOptions {
  readonly run: LedgerRun;
  /** Matured outcomes; undefined when none were given. */
  readonly outcomes: RunOutcomes | undefined;
  /** The version to measure beside the run's; undefined for none. */
  readonly challenger: Challenger | undefined;
  /** The outcomes of earlier periods that the same model version scored, oldest first; none by default. */
  readonly before?: readonly PeriodSample[];
}

/**
 * Returns the result for a run, its outcomes and the variant's settings: the
 * stored one, otherwise the run is monitored, and the result is logged to MLflow
 * and stored. Outcomes or settings that differ from those of the run's newest result
 * are judged again, also if they were judged before those.
 *
 * Without outcomes, the latest stored result that has some is returned. If other
 * settings judged it, a note says so, for without its outcomes it cannot be judged
 * again. A challenger is compared anew each time.
 *
 * @returns `saved`: whether this call stored the result.
 * @throws {InputError} If the outcomes cannot be used, or the model's reference is not the one that was logged.
 */
export async function monitorOnce(
  services: Services,
  settings: VariantSettings,
  options: MonitorOptions,
): Promise<MonitoringRun & { saved: boolean }> {
  const { run, outcomes, challenger } = options;
  const database = await services.predictions();
  const earlier = await findEarlierPerformance(database, run);
  const settingsSha256 = settingsDigest(settings);
  const stored = await listResults(database, run);
  const current = findCurrent(stored, {
    outcomesSha256: outcomes?.sha256,
    settingsSha256,
    earlierId: earlier?.id ?? 0,
  });
  if (!current) {
    const monitored = await monitorRun(services, settings, {
      ...options,
      earlier,
    });
    return await storeResult(services, monitored, {
      variant: settings.variant,
      settingsSha256,
      revision: Math.max(-1, ...stored.map(({ revision }) => revision)) + 1,
    });
  }
  const known = await readMonitoringRun(database, current);
  const { result } = known;
  if (outcomes && challenger) {
    const compared = await withChallenger(services, settings, result, {
      run,
      outcomes: outcomes.byPlayer,
      challenger,
    });
    return { ...known, result: compared, saved: false };
  }
  if (current.settingsSha256 === settingsSha256) {
    return { ...known, saved: false };
  }
  const note =
    `the settings of ${
      toDay(new Date(result.monitored_at))
    } or the release of that day judged this run; ` +
    `name its outcomes again with --outcomes to judge it by today's`;
  return {
    ...known,
    result: { ...result, notes: [...result.notes, note] },
    saved: false,
  };
}

/**
 * Returns the stored result that is still the answer; undefined if the run is to be
 * judged.
 *
 * Without outcomes, this is the latest result with a judged performance, so that
 * a monitoring run without outcomes does not hide it, also if other settings
 * judged it. A result without a judged performance is returned only if it is based
 * on the same earlier performance; otherwise its advice is out of date.
 *
 * @param stored Newest first.
 * @param key `outcomesSha256`: undefined for none.
 */
function findCurrent(
  stored: readonly StoredResult[],
  { outcomesSha256, settingsSha256, earlierId }: {
    outcomesSha256: string | undefined;
    settingsSha256: string;
    earlierId: number;
  },
): StoredResult | undefined {
  const [newest] = stored;
  const candidate = outcomesSha256 === undefined
    ? stored.find(({ isJudged }) => isJudged) ?? newest
    : stored.find((result) => result.outcomesSha256 !== "");
  if (!candidate) return undefined;
  if (outcomesSha256 === undefined && candidate.isJudged) return candidate;
  const isSame = newest?.settingsSha256 === settingsSha256 &&
    candidate.settingsSha256 === settingsSha256 &&
    candidate.outcomesSha256 === (outcomesSha256 ?? candidate.outcomesSha256) &&
    (candidate.isJudged || candidate.earlierId === earlierId);
  return isSame ? candidate : undefined;
}

/** Changes when the same rows and outcomes are judged differently by a new release. */
const judgement = 1;

/** Returns the digest of the settings that a monitoring result depends on. */
export function settingsDigest(
  { monitoring, expect, outcomes }: VariantSettings,
): string {
  return sha256(JSON.stringify([
    judgement,
    monitoring,
    expect.maxAgeDays ?? null,
    outcomes?.threshold ?? null,
  ]));
}

/**
 * Compares a scoring run's rows, which are read again and verified, and its
 * scores with the model's reference and the previous run, and its scores with
 * matured outcomes. If rows are missing or have changed, their drift is unknown
 * and a note reports it; nothing is guessed.
 *
 * @throws {InputError} If the outcomes cannot be used, or the model's reference is not the one that was logged.
 */
async function monitorRun(
  services: Services,
  settings: VariantSettings,
  { run, outcomes, earlier, before, challenger }: MonitorOptions & {
    earlier: EarlierRun | undefined;
  },
): Promise<MonitoredRun> {
  const notes: string[] = [];
  const { names, monitoring, expect } = settings;
  const { thresholds: limits } = monitoring;
  const database = await services.predictions();
  const previous = await findPreviousRun(database, run);
  const model = await readModel(services, run, { settings, notes });
  const { version, reference } = model;
  const { comparisons, columns, unknownCategories } = await compareRun(
    services,
    settings,
    { run, previous, model, notes },
  );
  if (!previous) {
    notes.push("there is no earlier run of this variant on other data");
  } else if (
    previous.modelVersion !== run.modelVersion ||
    previous.modelName !== run.modelName
  ) {
    notes.push(
      `the previous run was scored with ${previous.modelName} version ${previous.modelVersion}, so the scores may differ for that reason alone`,
    );
  }
  const measured = outcomes &&
    measurePerformance(await readScores(database, run), {
      outcomes: outcomes.byPlayer,
      durations: outcomes.durations,
      file: outcomes.uri,
      reference: reference?.profile,
      limits,
      names,
      threshold: settings.outcomes?.threshold,
      period: run.period,
      before,
    });
  const performance = measured && withUnnamed(measured, outcomes, names);
  notes.push(...performance?.warnings ?? []);
  const compared = outcomes && challenger &&
    await compareChallenger(services, settings, {
      run,
      outcomes: outcomes.byPlayer,
      challenger,
      notes,
    });
  const severity = performance?.severity ?? "unknown";
  const restsOn = isJudged(severity) ? undefined : earlier;
  const history = await readHistory(database, run, {
    columns: alarmingColumns(comparisons[0]).slice(0, mostAlarming)
      .map(({ name }) => name),
  });
  const unseen = toUnknownShares({ rows: run.rows, unknownCategories });
  const data = judgeData({
    rows: run.rows,
    columns,
    unseen,
    unseenBefore: reference?.profile.unknownShares,
    earlierRows: history.slice(0, 12).map(({ rows }) => rows),
    duplicatePlayers: run.duplicatePlayers ?? undefined,
    repeatedRows: run.repeatedRows ?? undefined,
    delay: toDelay(run, expect),
    names,
  }, limits);
  const drift = comparisons[0]?.severity ?? "unknown";
  return {
    version,
    earlierId: restsOn?.id ?? 0,
    result: {
      version: 1,
      variant: settings.variant.key,
      title: settings.variant.title,
      names: toStoredNames(names),
      monitored_at: new Date().toISOString(),
      scoring_run: toFacts(run),
      previous: previous && toFacts(previous),
      reference: reference && {
        ...reference.profile.source,
        rows: reference.profile.rows,
      },
      outcomes: outcomes && {
        uri: outcomes.uri,
        sha256: outcomes.sha256,
        version: outcomes.version,
      },
      verdict: {
        data: data.severity,
        drift,
        performance: severity,
        ...decide({
          data: data.severity,
          drift,
          performance: severity,
          earlier: restsOn?.performance,
          age: toAge(version, { run, ...monitoring }),
          coolDown: findCoolDown(history, {
            run,
            version,
            basis: restsOn?.performance.scoring_run_id,
            ...monitoring,
          }),
          lasting: toLasting(comparisons[0], {
            run,
            broken: brokenColumns(data, model),
            limits,
            before: history.find(({ scoring_run_id }) =>
              scoring_run_id === previous?.id
            ),
          }),
        }),
      },
      data,
      comparisons,
      performance,
      challenger: compared,
      earlier_performance: restsOn?.performance,
      unseen_categories: unseen,
      notes,
      thresholds: limits,
      history,
    },
  };
}

/** Most columns whose trend the report shows because they fail or warn now. */
const mostAlarming = 12;

/** Returns what failed in this run and in that of the period before, whose drift failed, which the same model version scored and whose data did not fail; without the columns whose data is broken. */
function toLasting(
  comparison: DriftComparison | undefined,
  { run, before, ...options }: {
    run: LedgerRun;
    before: PastVerdict | undefined;
    broken: readonly string[];
    limits: MonitoringResult["thresholds"];
  },
): string[] {
  if (
    before?.model_version !== run.modelVersion || before.data === "fail" ||
    before.drift !== "fail"
  ) return [];
  return lastingColumns(comparison, {
    ...options,
    before: before.failed ?? [],
  });
}

/** Returns the performance with a warning of the outcomes without an id, if there are any. */
function withUnnamed(
  performance: Performance,
  { uri, unnamed }: RunOutcomes,
  { entity }: Names,
): Performance {
  if (unnamed === 0) return performance;
  const warning =
    `rows of ${uri} without a ${entity} id, which were ignored: ${unnamed}`;
  return {
    ...performance,
    warnings: [warning, ...performance.warnings ?? []],
  };
}

/** Returns the names of a variant as a result has them; undefined for the usual ones. */
function toStoredNames(
  { entity, entities, outcome }: Names,
): MonitoringResult["names"] {
  const isUsual = entities === usualNames.entities &&
    outcome === usualNames.outcome;
  return isUsual ? undefined : { entity, entities, outcome };
}

/** Returns how long after its period's first day a run was scored; undefined without a named period or an expectation. */
function toDelay(
  { hasPeriod, period, finishedAt }: LedgerRun,
  { maxAgeDays: maxDays }: VariantSettings["expect"],
): { days: number; maxDays: number } | undefined {
  if (!hasPeriod || maxDays === undefined) return undefined;
  return { days: ageInDays(period, finishedAt), maxDays };
}

function toFacts(run: LedgerRun): RunFacts {
  return {
    id: run.id,
    period: run.period,
    input_uri: run.inputUri,
    content_sha256: run.contentSha256,
    model_name: run.modelName,
    model_version: run.modelVersion,
    rows: run.rows,
    finished_at: run.finishedAt.toISOString(),
    mlflow_run_id: run.mlflowRunId,
  };
}
