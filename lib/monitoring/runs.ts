/** Reads the ledger for `monitor`, and stores one monitoring result for the same scores and outcomes. */
import type { Period } from "../config/periods.ts";
import type { Database, Queryable } from "../database/database.ts";
import { effectivePeriod } from "../scoring/ledger.ts";
import {
  type BatchProfile,
  parseBatchProfile,
} from "../statistics/batch-profile.ts";
import { explainMissingTables } from "../services/schema.ts";
import type {
  EarlierPerformance,
  MonitoringResult,
  PastColumn,
  PastVerdict,
} from "./result.ts";

/** A completed scoring run and its inputs. */
export interface LedgerRun {
  readonly id: number;
  /** The period that the input named, otherwise the day of scoring (UTC). */
  readonly period: Period;
  /** Whether the input named the period. */
  readonly hasPeriod: boolean;
  readonly inputUri: string;
  /** The files of a batch of several; null for a single file. */
  readonly inputParts: unknown;
  readonly contentSha256: string;
  readonly recipeSha256: string;
  readonly modelName: string;
  readonly modelVersion: string;
  readonly mlflowRunId: string | null;
  readonly rows: number;
  /** Rows of the input that have no score. */
  readonly rowsSetAside: number;
  /** Players of more than one row; null if they were not counted. */
  readonly duplicatePlayers: number | null;
  /** Rows beyond the first of their player; null if they were not counted. */
  readonly repeatedRows: number | null;
  readonly finishedAt: Date;
}

/** A stored monitoring result. */
export interface MonitoringRun {
  readonly mlflowRunId: string | null;
  readonly result: MonitoringResult;
}

/** The outcomes that the newest result of a run was measured with. */
export interface MeasuredOutcomes {
  readonly sha256: string;
  /** Null if the source has no version. */
  readonly version: string | null;
  readonly settingsSha256: string;
  /** Version of the challenger that was measured beside; null for none. */
  readonly challenger: string | null;
}

/** The performance on an earlier run's outcomes, and the monitoring run that measured it. */
export interface EarlierRun {
  /** Id in `monitoring_runs`. */
  readonly id: number;
  readonly performance: EarlierPerformance;
}

/** SQL: the verdict of the newest result on the data of a scoring run. */
function newestData(id: string): string {
  return `select m.data from monitoring_runs m where m.scoring_run_id = ${id} order by m.id desc limit 1`;
}

/** SQL: the runs `s` before run $1: of an earlier period, or earlier in the same one. */
const isBefore = `(${effectivePeriod}, s.id) <
  (select ${effectivePeriod}, id from scoring_runs where id = $1)`;

/** The columns of a {@linkcode MonitoringRun}. */
const resultColumns = `mlflow_run_id as "mlflowRunId", report as result`;

/** The SQL equivalent of {@linkcode isJudged}. */
const isJudgedSql = "m.performance in ('ok', 'warn', 'fail')";

const runColumns = `id, ${effectivePeriod}::text as period,
  period is not null as "hasPeriod", input_uri as "inputUri",
  input_parts as "inputParts", content_sha256 as "contentSha256",
  recipe_sha256 as "recipeSha256", model_name as "modelName", model_version as "modelVersion",
  mlflow_run_id as "mlflowRunId", row_count as rows,
  rows_set_aside as "rowsSetAside", duplicate_players as "duplicatePlayers", repeated_rows as "repeatedRows", finished_at as "finishedAt"`;

/**
 * Returns all completed scoring runs of a variant: newest period first, and in it
 * newest attempt first.
 *
 * @throws {UsageError} If the prediction tables do not exist, or lack columns that `monitor` needs.
 */
export async function listRuns(
  database: Queryable,
  variant: string,
): Promise<LedgerRun[]> {
  await database.query(
    "select earlier_performance_id, data, settings_sha256 from monitoring_runs limit 0",
  )
    .catch(explainMissingTables);
  return await database.query<LedgerRun>(
    `select ${runColumns} from scoring_runs
     where variant = $1 and status = 'completed'
     order by ${effectivePeriod} desc, id desc`,
    [variant],
  ).catch(explainMissingTables);
}

/** Returns how many of `players` each run scored, by run id; a run without any is absent. */
export async function countPlayers(
  database: Queryable,
  runs: readonly LedgerRun[],
  options: { players: readonly string[] },
): Promise<Map<number, number>> {
  const rows = await database.query<{ id: number; players: number }>(
    `select p.scoring_run_id as id, count(distinct p.player_id) as players
     from churn_predictions p
     join unnest($1::text[]) as wanted (player_id) on wanted.player_id = p.player_id
     where p.scoring_run_id = any($2::bigint[]) group by p.scoring_run_id`,
    [options.players, runs.map(({ id }) => id)],
  );
  return new Map(rows.map(({ id, players }) => [id, players]));
}

/**
 * Returns the newest completed run of the newest period before the run's that
 * scored other data; undefined when there is none. For a run that names its period,
 * runs that name theirs come first. For a run without a period, an earlier run of
 * the same day counts, too.
 */
export async function findPreviousRun(
  database: Queryable,
  run: LedgerRun,
): Promise<LedgerRun | undefined> {
  const [previous] = await database.query<LedgerRun>(
    `select ${runColumns} from scoring_runs
     where variant = (select variant from scoring_runs where id = $1)
       and content_sha256 <> $2 and status = 'completed'
       and (${effectivePeriod} < $3 or ${effectivePeriod} = $3 and id < $1
         and (select period is null from scoring_runs where id = $1))
     order by ($4 and period is not null) desc, ${effectivePeriod} desc, id desc limit 1`,
    [run.id, run.contentSha256, run.period, run.hasPeriod],
  );
  return previous;
}

/**
 * Returns the profile that was counted while a run was scored; undefined if there is none.
 *
 * @throws {InputError} If it is of a later release.
 */
export async function readProfile(
  database: Queryable,
  run: LedgerRun,
): Promise<BatchProfile | undefined> {
  const [row] = await database.query<{ profile: unknown }>(
    "select profile from scoring_runs where id = $1",
    [run.id],
  );
  return parseBatchProfile(row?.profile, { file: `scoring run ${run.id}` });
}

/**
 * Returns the profiles of the runs of earlier periods in the bins of one
 * reference, oldest first: of each period the newest run, unless its data
 * failed. Where a run names its period, runs that do not are left out.
 *
 * @param options `reference`: SHA-256 of the reference profile; `limit`: number of periods at most.
 * @throws {InputError} If one is of a later release.
 */
export async function readPastProfiles(
  database: Queryable,
  run: LedgerRun,
  options: { reference: string; limit: number },
): Promise<BatchProfile[]> {
  const rows = await database.query<{ id: number; profile: unknown }>(
    `select id, profile from (
       select distinct on (${effectivePeriod}) s.id, s.profile, ${effectivePeriod} as day from scoring_runs s
       where s.variant = (select variant from scoring_runs where id = $1) and s.status = 'completed'
         and ${effectivePeriod} < $2 and s.content_sha256 <> $3 and s.profile ->> 'reference' = $4
         and (s.period is not null or not $6)
       order by ${effectivePeriod} desc, s.id desc) newest
     where (${newestData("newest.id")}) is distinct from 'fail'
     order by day desc limit $5`,
    [
      run.id,
      run.period,
      run.contentSha256,
      options.reference,
      options.limit,
      run.hasPeriod,
    ],
  );
  return rows.flatMap(({ id, profile }) =>
    parseBatchProfile(profile, { file: `scoring run ${id}` }) ?? []
  ).reverse();
}

/** Returns the scores and player ids of a run, in row order. */
export async function readScores(
  database: Queryable,
  run: LedgerRun,
): Promise<{ ids: (string | null)[]; scores: Float64Array }> {
  const rows = await database.query<{ id: string | null; score: number }>(
    `select player_id as id, churn_probability::float8 as score
     from churn_predictions where scoring_run_id = $1 order by row_number`,
    [run.id],
  );
  return {
    ids: rows.map(({ id }) => id),
    scores: Float64Array.from(rows, ({ score }) => score),
  };
}

/**
 * Returns the latest judged performance among the runs before `run` that the
 * same model version scored and whose data did not fail, and the monitoring run
 * that measured it; undefined when there is none.
 */
export async function findEarlierPerformance(
  database: Queryable,
  run: LedgerRun,
): Promise<EarlierRun | undefined> {
  const [row] = await database.query<
    Omit<EarlierPerformance, "monitored_at"> & {
      id: number;
      monitored_at: Date;
    }
  >(
    `select m.id, m.scoring_run_id, ${effectivePeriod}::text as period, m.report -> 'performance' as performance,
       m.performance as severity, m.auc, m.report -> 'outcomes' ->> 'uri' as outcomes_uri, m.monitored_at
     from monitoring_runs m join scoring_runs s on s.id = m.scoring_run_id
     where s.variant = (select variant from scoring_runs where id = $1) and ${isBefore}
       and s.model_name = $2 and s.model_version = $3 and ${isJudgedSql}
       and m.data is distinct from 'fail'
     order by ${effectivePeriod} desc, s.id desc, m.id desc limit 1`,
    [run.id, run.modelName, run.modelVersion],
  );
  if (!row) return undefined;
  const { id, monitored_at, ...performance } = row;
  return {
    id,
    performance: { ...performance, monitored_at: monitored_at.toISOString() },
  };
}

/** Returns the outcomes that each run was measured with last, by run id; a run without any is absent. */
export async function readMeasured(
  database: Queryable,
  runs: readonly number[],
): Promise<Map<number, MeasuredOutcomes>> {
  const rows = await database.query<MeasuredOutcomes & { id: number }>(
    `select distinct on (scoring_run_id) scoring_run_id as id, outcomes_sha256 as sha256, report -> 'outcomes' ->> 'version' as version,
       settings_sha256 as "settingsSha256", report -> 'challenger' ->> 'model_version' as challenger
     from monitoring_runs m
     where outcomes_sha256 <> '' and scoring_run_id = any($1::bigint[])
     order by scoring_run_id, m.id desc`,
    [runs],
  );
  return new Map(rows.map(({ id, ...measured }) => [id, measured]));
}

/** Returns those of the runs whose data failed, by their newest result. */
export async function readBroken(
  database: Queryable,
  runs: readonly number[],
): Promise<number[]> {
  const rows = await database.query<{ id: number }>(
    `select run.id from unnest($1::bigint[]) as run (id) where (${
      newestData("run.id")
    }) = 'fail'`,
    [runs],
  );
  return rows.map(({ id }) => id);
}

/** What a result depends on, apart from the scoring run and the digest of its outcomes. */
export interface ResultKey {
  /** Id of the monitoring run whose performance the advice is based on; 0 when the run has its own, or there is none. */
  readonly earlierId: number;
  /** Digest of the settings that judged it; empty for a result of an earlier release. */
  readonly settingsSha256: string;
  /** One more than the highest of the scoring run's earlier results, so that settings and outcomes that return are judged again; the column `outcomes_revision`. */
  readonly revision: number;
}

/** What a stored result of a scoring run depends on. */
export interface StoredResult extends ResultKey {
  /** Id in `monitoring_runs`. */
  readonly id: number;
  /** Empty if it has no outcomes. */
  readonly outcomesSha256: string;
  readonly isJudged: boolean;
}

/** Returns what each stored result of a scoring run depends on, newest first. */
export async function listResults(
  database: Queryable,
  run: LedgerRun,
): Promise<StoredResult[]> {
  return await database.query<StoredResult>(
    `select m.id, m.outcomes_sha256 as "outcomesSha256", m.settings_sha256 as "settingsSha256",
       m.earlier_performance_id as "earlierId", m.outcomes_revision as revision, ${isJudgedSql} as "isJudged"
     from monitoring_runs m where m.scoring_run_id = $1 order by m.id desc`,
    [run.id],
  );
}

/** Returns the stored result with an id. */
export async function readMonitoringRun(
  database: Queryable,
  { id }: Pick<StoredResult, "id">,
): Promise<MonitoringRun> {
  const [found] = await database.query<MonitoringRun>(
    `select ${resultColumns} from monitoring_runs where id = $1`,
    [id],
  );
  return found!; // results are never deleted
}

/**
 * Returns the stored result of each variant's newest period, and in it of the
 * newest attempt, by the variant's key; results with a judged performance take
 * precedence over later ones without.
 *
 * @throws {UsageError} If the prediction tables do not exist, or lack columns that `monitor` needs.
 */
export async function readNewestResults(
  database: Queryable,
): Promise<MonitoringResult[]> {
  const rows = await database.query<{ result: MonitoringResult }>(
    `with newest as (
       select distinct on (s.variant) m.id
       from monitoring_runs m join scoring_runs s on s.id = m.scoring_run_id
       order by s.variant, ${effectivePeriod} desc, s.id desc, ${isJudgedSql} desc, m.performance <> 'unknown' desc, m.id desc)
     select m.report as result from newest join monitoring_runs m on m.id = newest.id order by m.variant`,
  ).catch(explainMissingTables);
  return rows.map(({ result }) => result);
}

/** Most earlier runs in a result: half a year of weeks. */
const mostPeriods = 26;

/** Most columns whose past is part of a result in addition to those that fail or warn now. */
const mostColumns = 12;

/**
 * Returns one monitoring result per earlier run that scored other data, newest
 * first, at most 26; results with a judged performance take precedence over later
 * ones. Each has the columns that failed or warned most often in these runs.
 *
 * @param options `columns`: names of further columns and groups whose past is wanted.
 */
export async function readHistory(
  database: Queryable,
  run: LedgerRun,
  options: { columns: readonly string[] },
): Promise<PastVerdict[]> {
  const rows = await database.query<
    Omit<PastVerdict, "finished_at" | "columns"> & {
      id: number;
      finished_at: Date;
    }
  >(
    // The stored results are large: they are read only for the runs that are chosen.
    `with chosen as (
       select distinct on (${effectivePeriod}, s.id) m.id, s.id as scoring_run_id, ${effectivePeriod}::text as period,
         s.finished_at, s.model_version, s.row_count as rows, m.data, m.drift, m.performance, m.retrain, m.drifted_share, m.score_psi, m.auc
       from monitoring_runs m join scoring_runs s on s.id = m.scoring_run_id
       where s.variant = (select variant from scoring_runs where id = $1)
         and ${isBefore} and s.content_sha256 <> $2
       order by ${effectivePeriod} desc, s.id desc, ${isJudgedSql} desc, m.performance <> 'unknown' desc, m.id desc limit $3)
     select chosen.*,
       case when chosen.auc is not null then m.report #> '{performance,auc_interval}' end as auc_interval,
       case when chosen.auc is not null then (m.report #>> '{performance,auc_reference}')::float8 end as auc_reference,
       (select coalesce(json_agg(case d.column_kind when 'score' then 'the score' else d.column_name end), '[]')
        from drift_metrics d where d.monitoring_run_id = m.id and d.severity = 'fail'
          and d.comparison = ${mainComparison}) as failed
     from chosen join monitoring_runs m on m.id = chosen.id
     order by chosen.period desc, chosen.scoring_run_id desc`,
    [run.id, run.contentSha256, mostPeriods],
  );
  const columns = await readColumns(
    database,
    rows.map(({ id }) => id),
    options,
  );
  return rows.map(({ id, ...row }) => ({
    ...row,
    finished_at: row.finished_at.toISOString(),
    columns: columns.get(id) ?? {},
  }));
}

/** SQL: the comparison that determined the verdict of monitoring run `m`, the baseline if there is one. */
const mainComparison =
  "(select min(comparison) from drift_metrics where monitoring_run_id = m.id)";

/** Returns what was found in the named columns, and in those that failed or warned most often, by monitoring run and column. */
async function readColumns(
  database: Queryable,
  ids: readonly number[],
  options: { columns: readonly string[] },
): Promise<Map<number, Record<string, PastColumn>>> {
  const rows = await database.query<
    PastColumn & { id: number; name: string }
  >(
    `with found as (
       select d.monitoring_run_id as id, d.column_name as name, d.severity, d.psi
       from drift_metrics d join monitoring_runs m on m.id = d.monitoring_run_id
       where d.monitoring_run_id = any($1::bigint[]) and d.column_kind in ('feature', 'group')
         and d.comparison = ${mainComparison})
     select id, name, severity, psi from found
     where name = any($2::text[]) or name in (
       select name from found where severity in ('warn', 'fail') group by name
       order by count(*) filter (where severity = 'fail') desc, count(*) desc, name limit $3)`,
    [ids, options.columns, mostColumns],
  );
  return new Map(
    ids.map((id) => [
      id,
      Object.fromEntries(
        rows.filter((row) => row.id === id)
          .map(({ name, severity, psi }) => [name, { severity, psi }]),
      ),
    ]),
  );
}

/**
 * Stores a monitoring result, with one row per column and comparison, in one
 * transaction. If a result for the same scores, outcomes and settings is already
 * stored, it is not changed and is returned; `saved` is true if the stored result
 * is from this MLflow run.
 */
export async function saveMonitoringRun(
  database: Database,
  result: MonitoringResult,
  options: ResultKey & { mlflowRunId: string },
): Promise<MonitoringRun & { saved: boolean }> {
  const { mlflowRunId, earlierId, settingsSha256, revision } = options;
  const { verdict, performance, scoring_run: run } = result;
  const main = result.comparisons[0];
  const outcomesSha256 = result.outcomes?.sha256 ?? "";
  return await database.transaction(async (tx) => {
    const [inserted] = await tx.query<{ id: number }>(
      `insert into monitoring_runs (variant, scoring_run_id, previous_scoring_run_id, reference_sha256, outcomes_sha256,
         mlflow_run_id, drift, performance, retrain, drifted_share, score_psi, auc, report, monitored_at,
         earlier_performance_id, data, settings_sha256, outcomes_revision)
       values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
       on conflict on constraint monitoring_runs_once do nothing returning id`,
      [
        result.variant,
        run.id,
        result.previous?.id ?? null,
        result.reference?.sha256 ?? null,
        outcomesSha256,
        mlflowRunId,
        verdict.drift,
        verdict.performance,
        verdict.retrain,
        main?.drifted_share ?? null,
        main?.score?.psi ?? null,
        performance?.metrics["auc"] ?? null,
        JSON.stringify(result),
        result.monitored_at,
        earlierId,
        verdict.data ?? null,
        settingsSha256,
        revision,
      ],
    );
    if (inserted) {
      await insertMetrics(tx, result, inserted.id);
      return { saved: true, result, mlflowRunId };
    }
    const [known] = await tx.query<MonitoringRun>(
      `select ${resultColumns} from monitoring_runs
       where scoring_run_id = $1 and outcomes_sha256 = $2 and earlier_performance_id = $3
         and settings_sha256 = $4 and outcomes_revision = $5`,
      [run.id, outcomesSha256, earlierId, settingsSha256, revision],
    );
    return { saved: known!.mlflowRunId === mlflowRunId, ...known! };
  });
}

/** Inserts all columns of both comparisons in one statement; an absent field becomes null. */
async function insertMetrics(
  tx: Queryable,
  { comparisons }: MonitoringResult,
  monitoringRunId: number,
): Promise<void> {
  const rows = comparisons.flatMap((
    { comparison, features = [], groups = [], score },
  ) =>
    [
      ...features.map((drift) => ({ kind: "feature", drift })),
      ...groups.map((drift) => ({ kind: "group", drift })),
      ...(score ? [{ kind: "score", drift: score }] : []),
    ].map(({ kind, drift }) => ({ ...drift, comparison, column_kind: kind }))
  );
  await tx.query(
    `insert into drift_metrics (monitoring_run_id, comparison, column_kind, column_name, severity, psi, psi_noise,
       psi_noise_limit, ks_statistic, ks_p_value, ks_p_adjusted, missing_share_reference, missing_share_current,
       out_of_range_share, mean_reference, mean_current, reference_rows, current_rows, chi_square, cusum)
     select $1, comparison, column_kind, name, severity, psi, psi_noise,
       psi_noise_limit, ks, p_value, p_adjusted, missing_ref, missing_cur,
       out_of_range, mean_ref, mean_cur, n_ref, n_cur, chi_square, cusum
     from json_to_recordset($2::json) as found (comparison text, column_kind text, name text, severity text,
       psi float8, psi_noise float8, psi_noise_limit float8, ks float8, p_value float8, p_adjusted float8,
       missing_ref float8, missing_cur float8, out_of_range float8, mean_ref float8, mean_cur float8,
       n_ref bigint, n_cur bigint, chi_square float8, cusum float8)`,
    [monitoringRunId, JSON.stringify(rows)],
  );
}
