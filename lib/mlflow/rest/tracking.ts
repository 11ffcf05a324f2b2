/** Reads and creates experiments, and creates, logs and finishes runs, on an MLflow server. */
import { InputError } from "../../base/errors.ts";
import { ApiError } from "../http.ts";
import * as v from "../../base/schema.ts";
import { checkExperimentName, checkKey } from "../validation.ts";
import {
  batchLimits,
  checkDataset,
  checkExperimentTag,
  checkMetric,
  fitAll,
  fitParam,
  fitTag,
  toBatches,
} from "../values.ts";
import type {
  Experiment,
  Metric,
  NewExperiment,
  NewRun,
  Run,
  RunData,
  RunEnd,
  RunInputs,
  UnfinishedRun,
} from "../store.ts";
import { requireLoggedModels } from "./models.ts";
import {
  keyValues,
  type Rest,
  runAnswer,
  toAnswer,
  toKeyValues,
  unlessMissing,
} from "./server.ts";

const experimentAnswer = v.object({
  experiment: v.object({
    experiment_id: v.string(),
    artifact_location: v.nullish(v.string(), ""),
    lifecycle_stage: v.nullish(v.string()),
  }),
});

/** Returns the experiment of that name, deleted or not; undefined if there is none. */
export async function findExperiment(
  rest: Rest,
  name: string,
): Promise<Experiment | undefined> {
  const answer = await unlessMissing(
    rest.http.json("GET", "/mlflow/experiments/get-by-name", {
      experiment_name: name,
    }),
  );
  if (!answer) return undefined;
  const { experiment } = toAnswer(rest, experimentAnswer, answer);
  return {
    experimentId: experiment.experiment_id,
    name,
    artifactLocation: experiment.artifact_location,
    lifecycleStage: experiment.lifecycle_stage === "deleted"
      ? "deleted"
      : "active",
  };
}

/** Creates an experiment, at the server's own root if no location is given. @throws {InputError} If the name is taken or invalid. */
export async function createExperiment(
  rest: Rest,
  name: string,
  options: NewExperiment,
): Promise<Experiment> {
  checkExperimentName(name);
  const { artifactLocation, tags = {} } = options;
  for (const [key, value] of Object.entries(tags)) {
    checkExperimentTag(key, value);
  }
  try {
    await rest.http.json("POST", "/mlflow/experiments/create", {
      name,
      artifact_location: artifactLocation || undefined,
      tags: toKeyValues(tags),
    });
  } catch (error) {
    // 2.22.5 has no error code for a taken name: it returns the message of Postgres.
    const isTaken = error instanceof ApiError &&
      await findExperiment(rest, name);
    if (!isTaken) throw error;
    throw new InputError(
      `Cannot create the experiment "${name}": the name is taken, perhaps by a deleted experiment; restore it or choose another name`,
      { cause: error },
    );
  }
  const experiment = await findExperiment(rest, name);
  if (experiment) return experiment;
  throw new InputError(`Cannot find the experiment "${name}"`);
}

/** Creates a RUNNING run. @throws {InputError} If the experiment does not exist or is deleted, or a tag is invalid. */
export async function createRun(
  rest: Rest,
  experimentId: string,
  options: NewRun,
): Promise<Run> {
  const { name, startTimeMs, tags } = options;
  for (const key of Object.keys(tags)) checkKey("tag", key);
  const answer = await rest.http.json("POST", "/mlflow/runs/create", {
    experiment_id: experimentId,
    user_id: tags["mlflow.user"] ?? "unknown",
    run_name: name,
    start_time: startTimeMs,
    tags: toKeyValues(tags),
  });
  const { run: { info } } = toAnswer(rest, runAnswer, answer);
  return { runId: info.run_id, experimentId, artifactUri: info.artifact_uri };
}

/** Logs params (write-once), metrics and tags to a run, in batches within MLflow's limits. */
export async function logBatch(
  rest: Rest,
  runId: string,
  data: RunData,
): Promise<void> {
  const { metrics = [] } = data;
  for (const metric of metrics) checkMetric(metric);
  const params = toKeyValues(fitAll(data.params, fitParam, rest.log.warn));
  const tags = toKeyValues(fitAll(data.tags, fitTag, rest.log.warn));
  const log = (part: Record<string, unknown>) =>
    rest.http.json("POST", "/mlflow/runs/log-batch", {
      run_id: runId,
      ...part,
    });
  for (const some of toBatches(params, batchLimits.params)) {
    await log({ params: some });
  }
  for (const some of toBatches(metrics, batchLimits.metrics)) {
    await log({ metrics: some.map((metric) => toMetric(rest, metric)) });
  }
  for (const some of toBatches(tags, batchLimits.tags)) {
    await log({ tags: some });
  }
}

/** Records datasets and logged models as inputs of a run. */
export async function logInputs(
  rest: Rest,
  runId: string,
  inputs: RunInputs,
): Promise<void> {
  const { datasets = [], modelIds = [] } = inputs;
  for (const dataset of datasets) checkDataset(dataset);
  if (modelIds.length > 0) requireLoggedModels(rest);
  if (datasets.length + modelIds.length === 0) return;
  await rest.http.json("POST", "/mlflow/runs/log-inputs", {
    run_id: runId,
    datasets: datasets.map((dataset) => ({
      dataset: {
        name: dataset.name,
        digest: dataset.digest,
        source_type: dataset.sourceType,
        source: dataset.source,
        schema: dataset.schema,
        profile: dataset.profile,
      },
      tags: [{ key: "mlflow.data.context", value: dataset.context }],
    })),
    ...modelIds.length === 0 ? {} : {
      models: [...new Set(modelIds)].map((id) => ({ model_id: id })),
    },
  });
}

/** Ends a run. */
export async function finishRun(
  rest: Rest,
  runId: string,
  options: RunEnd,
): Promise<void> {
  await rest.http.json("POST", "/mlflow/runs/update", {
    run_id: runId,
    status: options.status,
    end_time: options.endTimeMs,
  });
}

const searchAnswer = v.object({
  runs: v.nullish(
    v.array(v.object({
      info: v.object({ run_id: v.string(), status: v.string() }),
      data: v.object({ tags: keyValues }),
    })),
    [],
  ),
});

/** Returns the runs of an experiment that have the tag and are RUNNING or FAILED, newest first, from the newest 1,000 that are not finished. */
export async function findUnfinishedRuns(
  rest: Rest,
  experimentId: string,
  { tag }: { tag: string },
): Promise<UnfinishedRun[]> {
  const answer = await rest.http.json("POST", "/mlflow/runs/search", {
    experiment_ids: [experimentId],
    filter: `attributes.status != 'FINISHED' and tags.\`${tag}\` != ''`,
    run_view_type: "ACTIVE_ONLY",
    max_results: 1000,
  });
  return toAnswer(rest, searchAnswer, answer).runs.flatMap((
    { info: { run_id: runId, status }, data: { tags } },
  ) =>
    status === "RUNNING" || status === "FAILED"
      ? [{ runId, status, value: tags[tag] ?? "" }]
      : []
  );
}

/** Converts a metric to JSON. JSON has no NaN or infinities, so they are sent as strings, as in protobuf's JSON mapping. */
function toMetric(rest: Rest, metric: Metric): Record<string, unknown> {
  return {
    key: metric.key,
    value: Number.isFinite(metric.value) ? metric.value : String(metric.value),
    timestamp: metric.timestampMs,
    step: metric.step ?? 0,
    ...rest.hasLoggedModels
      ? {
        model_id: metric.modelId,
        dataset_name: metric.datasetName,
        dataset_digest: metric.datasetDigest,
      }
      : {},
  };
}
