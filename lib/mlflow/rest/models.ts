/** Creates and reads logged models on an MLflow server. */
import { InputError } from "../../base/errors.ts";
import * as v from "../../base/schema.ts";
import { checkLoggedModelName } from "../validation.ts";
import type {
  LoggedModel,
  LoggedModelRecord,
  NewLoggedModel,
  Run,
} from "../store.ts";
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

/** Creates a PENDING logged model, linked to its run as an output. @throws {InputError} If the server has no logged models, or the name is invalid. */
export async function createLoggedModel(
  rest: Rest,
  run: Run,
  options: NewLoggedModel,
): Promise<LoggedModel> {
  requireLoggedModels(rest);
  checkLoggedModelName(options.name);
  const answer = await rest.http.json("POST", "/mlflow/logged-models", {
    experiment_id: run.experimentId,
    name: options.name,
    source_run_id: run.runId,
    params: toKeyValues(options.params),
    tags: toKeyValues(options.tags),
  });
  const { modelId, artifactLocation } = toAnswer(rest, loggedModel, answer);
  await rest.http.json("POST", "/mlflow/runs/outputs", {
    run_id: run.runId,
    models: [{ model_id: modelId, step: 0 }],
  });
  return { modelId, artifactLocation };
}

/** Sets the final status of a logged model. */
export async function finalizeLoggedModel(
  rest: Rest,
  modelId: string,
  status: "READY" | "UPLOAD_FAILED",
): Promise<void> {
  requireLoggedModels(rest);
  await rest.http.json("PATCH", `/mlflow/logged-models/${modelId}`, {
    model_id: modelId,
    status: `LOGGED_MODEL_${status}`,
  });
}

/** Returns the logged model with that id; undefined if it does not exist, or the server has no logged models. */
export async function findLoggedModel(
  rest: Rest,
  modelId: string,
): Promise<LoggedModelRecord | undefined> {
  if (!rest.hasLoggedModels) return undefined;
  const answer = await unlessMissing(
    rest.http.json(
      "GET",
      `/mlflow/logged-models/${encodeURIComponent(modelId)}`,
    ),
  );
  return answer && toAnswer(rest, loggedModel, answer);
}

/** Checks that the server has logged models. @throws {InputError} On MLflow 2.x. */
export function requireLoggedModels(rest: Rest): void {
  if (rest.hasLoggedModels) return;
  throw new InputError(
    `Cannot use logged models: the server at ${rest.http.baseUrl} is MLflow 2.x, where a model is a folder of its run`,
  );
}
