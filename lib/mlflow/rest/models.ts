/** Creates and reads logged models on an MLflow server. */
import * as v from "../../base/schema.ts";
import type { LoggedModelRecord, MlflowStore } from "../store.ts";
import {
  keyValues,
  optionalText,
  type Rest,
  toAnswer,
  toKeyValues,
  unlessMissing,
} from "./server.ts";

const statuses = ["PENDING", "READY", "UPLOAD_FAILED"] as const;

const loggedModel = v.pipe(
  v.object({
    model: v.object({
      info: v.object({
        model_id: v.string(),
        artifact_uri: v.string(),
        name: v.nullish(v.string(), ""),
        source_run_id: optionalText,
        status: v.nullish(v.string()),
        tags: keyValues,
      }),
    }),
  }),
  v.transform(({ model: { info } }): LoggedModelRecord => ({
    modelId: info.model_id,
    artifactLocation: info.artifact_uri,
    name: info.name,
    runId: info.source_run_id,
    status: statuses.find((known) => info.status === `LOGGED_MODEL_${known}`) ??
      "UNSPECIFIED",
    tags: info.tags,
  })),
);

/** Returns the store's calls on logged models. */
export function loggedModelsOn(
  rest: Rest,
): Pick<
  MlflowStore,
  "createLoggedModel" | "finalizeLoggedModel" | "findLoggedModel"
> {
  const { http } = rest;
  return {
    async createLoggedModel(run, options) {
      const answer = await http.json("POST", "/mlflow/logged-models", {
        experiment_id: run.experimentId,
        name: options.name,
        source_run_id: run.runId,
        params: toKeyValues(options.params),
        tags: toKeyValues(options.tags),
      });
      const { modelId, artifactLocation } = toAnswer(rest, loggedModel, answer);
      await http.json("POST", "/mlflow/runs/outputs", {
        run_id: run.runId,
        models: [{ model_id: modelId, step: 0 }],
      });
      return { modelId, artifactLocation };
    },
    async finalizeLoggedModel(modelId, status) {
      await http.json("PATCH", `/mlflow/logged-models/${modelId}`, {
        model_id: modelId,
        status: `LOGGED_MODEL_${status}`,
      });
    },
    async findLoggedModel(modelId) {
      const path = `/mlflow/logged-models/${encodeURIComponent(modelId)}`;
      const answer = await unlessMissing(http.json("GET", path));
      return answer && toAnswer(rest, loggedModel, answer);
    },
  };
}
