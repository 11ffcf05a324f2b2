/** Creates and reads logged models on an MLflow server. */
import { InputError } from "../../base/errors.ts";
import { toPairs, toRecord, toText } from "../json.ts";
import { checkLoggedModelName } from "../validation.ts";
import type { LoggedModel, LoggedModelRecord, Run } from "../store.ts";
import { type Rest, toKeyValues, unlessMissing } from "./server.ts";

/** Creates a PENDING logged model, linked to its run as an output. @throws {InputError} If the server has no logged models, or the name is invalid. */
export async function createLoggedModel(
  rest: Rest,
  run: Run,
  options: {
    name: string;
    params?: Record<string, string>;
    tags?: Record<string, string>;
  },
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
  const model = toLoggedModel(answer);
  if (!model) {
    throw new InputError(
      `Cannot create a logged model: the server at ${rest.http.baseUrl} returned no id`,
    );
  }
  const { modelId, artifactLocation } = model;
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
  return answer && toLoggedModel(answer);
}

const statuses = ["PENDING", "READY", "UPLOAD_FAILED"] as const;

function toLoggedModel(
  answer: Record<string, unknown>,
): LoggedModelRecord | undefined {
  const info = toRecord(toRecord(answer["model"])?.["info"]);
  const modelId = toText(info?.["model_id"]);
  const artifactLocation = toText(info?.["artifact_uri"]);
  if (!info || modelId === undefined || artifactLocation === undefined) {
    return undefined;
  }
  const status = statuses.find((known) =>
    info["status"] === `LOGGED_MODEL_${known}`
  );
  return {
    modelId,
    artifactLocation,
    name: toText(info["name"]) ?? "",
    runId: toText(info["source_run_id"]),
    status: status ?? "UNSPECIFIED",
    tags: toPairs(info["tags"]),
  };
}

/** Checks that the server has logged models. @throws {InputError} On MLflow 2.x. */
export function requireLoggedModels(rest: Rest): void {
  if (rest.hasLoggedModels) return;
  throw new InputError(
    `Cannot use logged models: the server at ${rest.http.baseUrl} is MLflow 2.x, where a model is a folder of its run`,
  );
}
