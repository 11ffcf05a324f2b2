/** Reads and creates experiments, and creates, logs and finishes runs, on an MLflow server. */
import { InputError } from "../../base/errors.ts";
import { ApiError } from "../http.ts";
import * as v from "../../base/schema.ts";
import { takenExperiment } from "../validation.ts";
import { batchLimits, toBatches } from "../values.ts";
import type { Metric, MlflowStore } from "../store.ts";
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

type Calls = Pick<
  MlflowStore,
  | "findExperiment"
  | "createExperiment"
  | "createRun"
  | "logBatch"
  | "logInputs"
  | "finishRun"
  | "findUnfinishedRuns"
>;

/** Returns the store's calls on experiments and runs. */
export function trackingOn(
  rest: Rest,
): Calls {
  const { http } = rest;
  const calls: Calls = {
    async findExperiment(name) {
      const answer = await unlessMissing(
        http.json("GET", "/mlflow/experiments/get-by-name", {
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
    },
    async createExperiment(name, { artifactLocation, tags = {} }) {
      try {
        await http.json("POST", "/mlflow/experiments/create", {
          name,
          artifact_location: artifactLocation || undefined,
          tags: toKeyValues(tags),
        });
      } catch (error) {
        // 2.22.5 has no error code for a taken name: it returns the message of Postgres.
        const isTaken = error instanceof ApiError &&
          await calls.findExperiment(name);
        throw isTaken ? takenExperiment(name, error) : error;
      }
      const experiment = await calls.findExperiment(name);
      if (experiment) return experiment;
      throw new InputError(`Cannot find the experiment "${name}"`);
    },
    async createRun(experimentId, { name, startTimeMs, tags }) {
      const answer = await http.json("POST", "/mlflow/runs/create", {
        experiment_id: experimentId,
        user_id: tags["mlflow.user"] ?? "unknown",
        run_name: name,
        start_time: startTimeMs,
        tags: toKeyValues(tags),
      });
      const { run: { info } } = toAnswer(rest, runAnswer, answer);
      return {
        runId: info.run_id,
        experimentId,
        artifactUri: info.artifact_uri,
      };
    },
    async logBatch(runId, { params, metrics = [], tags }) {
      const log = (part: Record<string, unknown>) =>
        http.json("POST", "/mlflow/runs/log-batch", {
          run_id: runId,
          ...part,
        });
      for (const some of toBatches(toKeyValues(params), batchLimits.params)) {
        await log({ params: some });
      }
      for (const some of toBatches(metrics, batchLimits.metrics)) {
        await log({ metrics: some.map((metric) => toMetric(rest, metric)) });
      }
      for (const some of toBatches(toKeyValues(tags), batchLimits.tags)) {
        await log({ tags: some });
      }
    },
    async logInputs(runId, { datasets = [], modelIds = [] }) {
      if (datasets.length + modelIds.length === 0) return;
      await http.json("POST", "/mlflow/runs/log-inputs", {
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
    },
    async finishRun(runId, { status, endTimeMs }) {
      await http.json("POST", "/mlflow/runs/update", {
        run_id: runId,
        status,
        end_time: endTimeMs,
      });
    },
    async findUnfinishedRuns(experimentId, { tag }) {
      const answer = await http.json("POST", "/mlflow/runs/search", {
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
    },
  };
  return calls;
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
