/** Logs a monitoring result as an MLflow run "Monitoring …": numbers as metrics, verdicts as tags, and the report as artifacts. */
import { sha256 } from "../base/digest.ts";
import { InputError } from "../base/errors.ts";
import { knownFields } from "../base/objects.ts";
import { dayMs } from "../config/periods.ts";
import { type MonitoringResult, periodOf } from "./result.ts";
import { getExperiment } from "../mlflow/experiment.ts";
import { ForbiddenError } from "../mlflow/http.ts";
import type { MlflowStore, ModelVersion } from "../mlflow/store.ts";
import { toJsonReport } from "./report.ts";
import { toHtmlReport } from "./page.ts";
import {
  type MonitoringRun,
  type ResultKey,
  saveMonitoringRun,
} from "./runs.ts";
import type { Services } from "../services/services.ts";
import { sourceTags, toDataset } from "../mlflow/tags.ts";
import type { Variant } from "../config/variant.ts";
import type { ColumnDrift } from "./column-drift.ts";
import type { DriftComparison } from "./columns.ts";
import type { Performance } from "./performance.ts";
import { isJudged } from "./verdict.ts";

/** The result of monitoring a scoring run, and the model version if the registry still has it. */
export interface MonitoredRun {
  readonly result: MonitoringResult;
  /** Id of the monitoring run whose performance the advice is based on; 0 for none. */
  readonly earlierId: number;
  readonly version: ModelVersion | undefined;
}

/**
 * Logs the result to MLflow and stores it in Postgres: first the run's contents
 * and the point of the version's time series, then the rows, then the run's end,
 * so that a crash leaves an unfinished run and no result that a later call would
 * treat as complete. If another process stored a result first, that one is
 * returned and this run ends as KILLED.
 */
export async function storeResult(
  services: Services,
  monitored: MonitoredRun,
  { variant, ...key }: Omit<ResultKey, "earlierId"> & { variant: Variant },
): Promise<MonitoringRun & { saved: boolean }> {
  const { withRetry } = services;
  const { result, earlierId } = monitored;
  const mlflow = await services.mlflow();
  const runId = await startRun(services, mlflow, { ...monitored, variant });
  const end = (status: "FINISHED" | "FAILED" | "KILLED") =>
    mlflow.finishRun(runId, { status, endTimeMs: Date.now() });
  try {
    const metrics = toMetrics(
      Object.assign(
        {},
        ...result.comparisons.map(numbersOf),
        result.performance && performanceNumbers(result.performance),
      ),
      { timestampMs: Date.parse(result.monitored_at) },
    );
    await withRetry(
      "log the metrics",
      () => mlflow.logBatch(runId, { metrics, tags: toTags(result) }),
    );
    await logToVersion(services, mlflow, monitored);
    const database = await services.predictions();
    const stored = await withRetry(
      "store the result",
      () =>
        saveMonitoringRun(database, result, {
          mlflowRunId: runId,
          earlierId,
          ...key,
        }),
    );
    await withRetry(
      "finish the monitoring run",
      () => end(stored.saved ? "FINISHED" : "KILLED"),
    );
    return stored;
  } catch (error) {
    await end("FAILED").catch(() => {});
    throw error;
  }
}

/**
 * Logs a judged performance to the run that logged the model version, one point
 * per period: MLflow's history of a metric is then the version's performance
 * over time. The step is the period's day, counted from 1970-01-01. Periods
 * measured again have a later point at the same step. If the run was deleted or
 * may not be written, a warning reports it.
 */
async function logToVersion(
  { withRetry, log }: Services,
  mlflow: MlflowStore,
  { result, version }: MonitoredRun,
): Promise<void> {
  const { performance, scoring_run: run, monitored_at } = result;
  const runId = version?.runId;
  if (runId === undefined || !performance || !isJudged(performance.severity)) {
    return;
  }
  const day = periodOf(run);
  const step = Math.round(Date.parse(day) / dayMs);
  const timestampMs = Date.parse(monitored_at);
  const metrics = toMetrics(performanceNumbers(performance), {
    timestampMs,
    step,
  });
  try {
    await withRetry(
      "log the performance to the model version's run",
      () => mlflow.logBatch(runId, { metrics }),
    );
  } catch (error) {
    const isRefused = error instanceof InputError ||
      error instanceof ForbiddenError;
    if (!isRefused) throw error;
    log.warn(
      `Cannot log the performance to the run of ${run.model_name} version ${run.model_version}: ${error.message}`,
    );
  }
}

/** Creates the run, links it to the rows and the model, and uploads the report. Returns the run id. */
async function startRun(
  services: Services,
  mlflow: MlflowStore,
  { result, variant, version }: MonitoredRun & { variant: Variant },
): Promise<string> {
  const { withRetry, config, artifacts } = services;
  const { scoring_run: run } = result;
  const experiment = await withRetry(
    "find the experiment",
    () => getExperiment(mlflow, variant),
  );
  const { runId, artifactUri } = await withRetry(
    "create the monitoring run",
    () =>
      mlflow.createRun(experiment.experimentId, {
        name: variant.runName.replace("Model Logging", "Monitoring"),
        startTimeMs: Date.parse(result.monitored_at),
        tags: { ...sourceTags("monitor", config), ...variant.tags },
      }),
  );
  const rows = toDataset(run.input_uri, {
    digest: run.content_sha256,
    rows: run.rows,
    context: "monitoring",
  });
  await withRetry(
    "link the monitoring run to its inputs",
    () =>
      mlflow.logInputs(runId, {
        datasets: [rows],
        ...(version?.modelId === undefined
          ? {}
          : { modelIds: [version.modelId] }),
      }),
  );
  const params = toParams(result);
  await withRetry(
    "log the monitoring run's parameters",
    () => mlflow.logBatch(runId, { params }),
  );
  const store = artifacts(artifactUri);
  const files = {
    "monitoring/report.html": toHtmlReport(result),
    "monitoring/report.json": toJsonReport(result),
  };
  for (const [path, text] of Object.entries(files)) {
    const bytes = new TextEncoder().encode(text);
    await withRetry(`write ${path}`, () => store.write(path, bytes));
  }
  return runId;
}

function toParams(
  { scoring_run: run, reference, outcomes, earlier_performance: earlier }:
    MonitoringResult,
): Record<string, string> {
  return knownFields({
    scoring_run_id: String(run.id),
    model_name: run.model_name,
    model_version: run.model_version,
    input_uri: run.input_uri,
    scoring_mlflow_run_id: run.mlflow_run_id ?? undefined,
    reference_uri: reference?.uri,
    outcomes_uri: outcomes?.uri,
    earlier_performance_scoring_run_id: earlier && String(
      earlier.scoring_run_id,
    ),
  });
}

function toTags(
  { verdict, earlier_performance: earlier }: MonitoringResult,
): Record<string, string> {
  return knownFields({
    "churn.data": verdict.data,
    "churn.drift": verdict.drift,
    "churn.performance": verdict.performance,
    "churn.retrain": String(verdict.retrain),
    "churn.earlier_performance": earlier?.severity,
  });
}

/** Numbers by the key of their metric; undefined if unknown. */
type Numbers = Readonly<Record<string, number | undefined>>;

/** Returns the known numbers as metrics. */
function toMetrics<Point>(numbers: Numbers, point: Point) {
  return Object.entries(numbers).flatMap(([key, value]) =>
    value === undefined || !Number.isFinite(value)
      ? []
      : [{ key, value, ...point }]
  );
}

function performanceNumbers(
  { metrics, coverage, intervals, auc_interval, auc_reference, pooled }:
    Performance,
): Numbers {
  const ends = Object.entries(intervals ?? {}).flatMap(([name, [low, high]]) =>
    [[`${name}_low`, low], [`${name}_high`, high]] as const
  );
  return prefixed("performance.", {
    ...metrics,
    ...Object.fromEntries(ends),
    pooled_auc: pooled?.auc,
    pooled_auc_low: pooled?.auc_interval?.[0],
    pooled_auc_high: pooled?.auc_interval?.[1],
    coverage,
    auc_low: auc_interval?.[0],
    auc_high: auc_interval?.[1],
    auc_reference,
  });
}

function numbersOf(
  { comparison, features = [], groups = [], score, drifted_share, above_half }:
    DriftComparison,
): Numbers {
  const isBaseline = comparison === "baseline";
  const drift = isBaseline ? "drift." : "drift_previous.";
  const own = isBaseline ? "score." : "score_previous.";
  return {
    ...Object.assign(
      {},
      ...[...features, ...groups].map((column) => columnNumbers(column, drift)),
    ),
    [`${drift}drifted_share`]: drifted_share,
    ...prefixed(own, {
      psi: score?.psi,
      ks: score?.ks,
      mean: score?.mean_cur,
      mean_shift: score?.mean_ref === undefined || score.mean_cur === undefined
        ? undefined
        : score.mean_cur - score.mean_ref,
      share_above_half: above_half?.cur,
    }),
  };
}

function columnNumbers(
  { name, psi, ks, missing_cur, out_of_range }: ColumnDrift,
  prefix: string,
): Numbers {
  const key = toMetricKey(name);
  return {
    [`${prefix}psi.${key}`]: psi,
    [`${prefix}ks.${key}`]: ks,
    [`${prefix}missing_share.${key}`]: missing_cur,
    [`${prefix}out_of_range_share.${key}`]: out_of_range,
  };
}

/**
 * Returns a column's name as the end of a metric key that MLflow 2.x and 3.x
 * accept. If the name must be changed, part of its digest is appended, so that
 * two columns do not share a key.
 *
 * ```ts
 * import { match, strictEqual } from "node:assert/strict";
 *
 * strictEqual(toMetricKey("brand_id_NJ"), "brand_id_NJ");
 * match(toMetricKey("net/gross %"), /^net_gross __[0-9a-f]{8}$/);
 * ```
 */
export function toMetricKey(name: string): string {
  const longest = 200;
  const key = name.replaceAll(/[^A-Za-z0-9_. -]/g, "_").slice(0, longest);
  return key === name ? key : `${key}_${sha256(name).slice(0, 8)}`;
}

function prefixed(
  prefix: string,
  numbers: Numbers,
): Numbers {
  return Object.fromEntries(
    Object.entries(numbers).map(([key, value]) => [`${prefix}${key}`, value]),
  );
}
