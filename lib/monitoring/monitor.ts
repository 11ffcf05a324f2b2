/** Monitors one scoring run of a variant: compares it with other data and returns the result. */
import { type Names, usualNames } from "../config/names.ts";
import { UsageError } from "../base/errors.ts";
import type { MonitoringResult, PastVerdict, RunFacts } from "./result.ts";
import { openNamedFiles, readWhole } from "../services/variant-files.ts";
import type { ModelVersion } from "../mlflow/store.ts";
import {
  type EarlierRun,
  findPreviousRun,
  type LedgerRun,
  readHistory,
  readScores,
} from "./runs.ts";
import { type Challenger, compareChallenger } from "./challenger.ts";
import { toOutcomes } from "./outcomes.ts";
import { digestOutcomes, type RunOutcomes } from "./outcome-source.ts";
import { measurePerformance, type Performance } from "./performance.ts";
import type { PeriodSample } from "./pooled.ts";
import type { ReferenceProfile } from "../statistics/profile.ts";
import { readAllRows } from "../rows/read.ts";
import { bytesAsFile } from "../storage/store.ts";
import { readModel } from "./rows.ts";
import { type Services, temporaryFolder } from "../services/services.ts";
import type { Thresholds } from "../config/monitoring.ts";
import { ageInDays } from "../config/periods.ts";
import { toUnknownShares } from "../statistics/batch-profile.ts";
import type { VariantSettings } from "../config/variants.ts";
import {
  alarmingColumns,
  type DriftComparison,
  lastingColumns,
} from "./columns.ts";
import { findCoolDown, toAge } from "./model-age.ts";
import { compareRun } from "./compare-run.ts";
import { brokenColumns, judgeData } from "./data.ts";
import { decide, isJudged } from "./verdict.ts";

/**
 * Reads the outcomes file that a flag names, with the columns that `outcomes` in
 * `variants.yaml` sets.
 *
 * @throws {UsageError} If the flag does not name exactly one file, or the variant has no id column.
 * @throws {InputError} If it cannot be read or used.
 */
export async function readOutcomes(
  { withRetry, artifacts, config }: Services,
  settings: VariantSettings,
  options: { uri: string },
): Promise<RunOutcomes> {
  const { uri } = options;
  const { variant } = settings;
  const { idColumn, label, durationColumn } = settings.outcomes ??
    { ...settings, durationColumn: undefined };
  if (idColumn === undefined) {
    throw new UsageError(
      `Cannot use --outcomes for ${variant.title}: variants.yaml sets "id_column: none", so outcomes cannot be joined to scores`,
    );
  }
  const files = await withRetry(
    `read ${uri}`,
    () => openNamedFiles(uri, artifacts),
  );
  const [file, ...more] = files;
  if (!file || more.length > 0) {
    throw new UsageError(
      `Cannot use --outcomes ${uri}: it matches ${files.length} files, expected one`,
    );
  }
  const { uri: found, bytes } = await readWhole(file);
  const rows = await readAllRows(bytesAsFile(found, bytes), {
    idColumn,
    temporary: temporaryFolder(config),
  });
  const outcomes = toOutcomes(rows, {
    idColumn,
    label,
    durationColumn,
    names: settings.names,
    file: found,
  });
  return { ...outcomes, uri: found, sha256: digestOutcomes(outcomes) };
}

/** The monitored scoring run and the data to compare it with. */
export interface MonitorOptions {
  readonly run: LedgerRun;
  /** Matured outcomes; undefined when none were given. */
  readonly outcomes: RunOutcomes | undefined;
  /** The latest judged performance of the same model version; undefined when there is none. */
  readonly earlier: EarlierRun | undefined;
  /** The outcomes of earlier periods that the same model version scored, oldest first; none by default. */
  readonly before?: readonly PeriodSample[] | undefined;
  /** The version to measure beside the run's; none by default. */
  readonly challenger?: Challenger | undefined;
}

/** The result of monitoring a scoring run, and the model version if the registry still has it. */
export interface MonitoredRun {
  readonly result: MonitoringResult;
  /** Id of the monitoring run whose performance the advice is based on; 0 for none. */
  readonly earlierId: number;
  readonly version: ModelVersion | undefined;
}

/**
 * Compares a scoring run's rows, which are read again and verified, and its
 * scores with the model's reference and the previous run, and its scores with
 * matured outcomes. If rows are missing or have changed, their drift is unknown
 * and a note reports it; nothing is guessed.
 *
 * @throws {InputError} If the outcomes cannot be used, or the model's reference is not the one that was logged.
 */
export async function monitorRun(
  services: Services,
  settings: VariantSettings,
  { run, outcomes, earlier, before = [], challenger }: MonitorOptions,
): Promise<MonitoredRun> {
  const notes: string[] = [];
  const { thresholds: limits } = settings.monitoring;
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
  const performance = outcomes && toPerformance(outcomes, {
    ...await readScores(database, run),
    reference: reference?.profile,
    limits,
    names: settings.names,
    threshold: settings.outcomes?.threshold,
    period: run.period,
    before,
  });
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
    delay: toDelay(run, settings.expect),
    names: settings.names,
  }, limits);
  const drift = comparisons[0]?.severity ?? "unknown";
  return {
    version,
    earlierId: restsOn?.id ?? 0,
    result: {
      version: 1,
      variant: settings.variant.key,
      title: settings.variant.title,
      names: toStoredNames(settings.names),
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
          age: toAge(version, { run, ...settings.monitoring }),
          coolDown: findCoolDown(history, {
            run,
            version,
            basis: restsOn?.performance.scoring_run_id,
            ...settings.monitoring,
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
  { run, before, broken, limits }: {
    run: LedgerRun;
    before: PastVerdict | undefined;
    broken: readonly string[];
    limits: Thresholds;
  },
): string[] {
  if (
    before?.model_version !== run.modelVersion || before.data === "fail" ||
    before.drift !== "fail"
  ) return [];
  return lastingColumns(comparison, {
    before: before.failed ?? [],
    broken,
    limits,
  });
}

function toPerformance(
  { uri, byPlayer, durations, unnamed }: RunOutcomes,
  { ids, scores, ...options }: {
    ids: readonly (string | null)[];
    scores: Float64Array;
    reference: ReferenceProfile | undefined;
    threshold: number | undefined;
    period: string;
    before: readonly PeriodSample[];
    limits: Thresholds;
    names: Names;
  },
): Performance {
  const performance = measurePerformance({ ids, scores }, {
    ...options,
    outcomes: byPlayer,
    durations,
    file: uri,
  });
  if (unnamed === 0) return performance;
  const left =
    `rows of ${uri} without a ${options.names.entity} id, which were ignored: ${unnamed}`;
  return { ...performance, warnings: [left, ...performance.warnings ?? []] };
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
