/** Logs metrics: MLflow's `metrics`, `latest_metrics` and `logged_model_metrics`. */
import { insertRows, type Tables } from "./rows.ts";
import type { Metric } from "../store.ts";
import { storedMetricValue } from "../values.ts";

/** Logs metrics to a run and updates `latest_metrics`; logging the same metric again changes nothing. */
export async function logMetrics(
  tables: Tables,
  runId: string,
  metrics: readonly Metric[],
): Promise<void> {
  const rows = uniqueRows(metrics.map((metric) => ({
    key: metric.key,
    ...toStored(metric),
    run_uuid: runId,
  })));
  await insertRows(tables, "metrics", {
    rows,
    key: ["key", "timestamp", "step", "run_uuid", "value", "is_nan"],
  });
  await updateLatest(tables, runId, rows);
}

type MetricRow = {
  readonly key: string;
  readonly value: number;
  readonly is_nan: boolean;
  readonly timestamp: number;
  readonly step: number;
  readonly run_uuid: string;
};

/** Updates `latest_metrics`. Locks the rows in the order of their keys, as MLflow does, so that two writers cannot deadlock. */
async function updateLatest(
  tables: Tables,
  runId: string,
  rows: readonly MetricRow[],
): Promise<void> {
  const newest = new Map<string, MetricRow>();
  for (const row of rows) {
    const known = newest.get(row.key);
    if (!known || isNewer(row, known)) newest.set(row.key, row);
  }
  const stored = await tables.db.query<MetricRow>(
    `select key, value, timestamp, step from latest_metrics
     where run_uuid = $1 and key = any($2::text[])
     order by run_uuid, key for update`,
    [runId, [...newest.keys()].sort()],
  );
  for (const old of stored) {
    const row = newest.get(old.key);
    if (row && !isNewer(row, old)) newest.delete(old.key);
  }
  const changed = [...newest.values()].sort((a, b) => a.key < b.key ? -1 : 1);
  await insertRows(tables, "latest_metrics", {
    rows: changed,
    key: ["key", "run_uuid"],
    update: ["value", "timestamp", "step", "is_nan"],
  });
}

/** Compares metrics in MLflow's order: greater step, then later time, then greater value. */
function isNewer(a: MetricRow, b: MetricRow): boolean {
  if (a.step !== b.step) return a.step > b.step;
  if (a.timestamp !== b.timestamp) return a.timestamp > b.timestamp;
  return a.value > b.value;
}

/** Records the metrics that have a `modelId` for that logged model too. */
export async function logModelMetrics(
  tables: Tables,
  options: {
    runId: string;
    experimentId: number;
    metrics: readonly Metric[];
  },
): Promise<void> {
  if (!tables.schema.hasLoggedModels) return;
  const { runId, experimentId, metrics } = options;
  const rows = metrics.flatMap((metric) => {
    if (metric.modelId === undefined) return [];
    const { value, timestamp, step } = toStored(metric);
    return [{
      model_id: metric.modelId,
      metric_name: metric.key,
      metric_timestamp_ms: timestamp,
      metric_step: step,
      metric_value: value,
      experiment_id: experimentId,
      run_id: runId,
      dataset_name: metric.datasetName ?? null,
      dataset_digest: metric.datasetDigest ?? null,
    }];
  });
  await insertRows(tables, "logged_model_metrics", {
    rows,
    key: [
      "model_id",
      "metric_name",
      "metric_timestamp_ms",
      "metric_step",
      "run_id",
    ],
  });
}

function toStored(metric: Metric) {
  const { value, isNan } = storedMetricValue(metric.value);
  return {
    value,
    is_nan: isNan,
    timestamp: metric.timestampMs,
    step: metric.step ?? 0,
  };
}

function uniqueRows(rows: readonly MetricRow[]): MetricRow[] {
  return [
    ...new Map(rows.map((row) => [JSON.stringify(row), row])).values(),
  ];
}
