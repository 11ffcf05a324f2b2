/**
 * MLflow through its server's REST API. It makes the same calls as MLflow's own
 * client (`mlflow/store/tracking/rest_store.py`), which are the same in 2.22.5,
 * 3.4.0 and 3.17.2.
 */
import { type Log, noLog } from "../base/log.ts";
import { UsageError } from "../base/errors.ts";
import {
  ApiError,
  ForbiddenError,
  type HttpSettings,
  type MlflowHttp,
  openHttp,
} from "./http.ts";
import { readsRequired } from "./schema-version.ts";
import {
  createLoggedModel,
  finalizeLoggedModel,
  findLoggedModel,
} from "./rest/models.ts";
import {
  createModelVersion,
  ensureRegisteredModel,
  promote,
  setAlias,
  setModelVersionTags,
  setStage,
} from "./rest/registry.ts";
import type { Rest } from "./rest/server.ts";
import {
  createExperiment,
  createRun,
  findExperiment,
  findUnfinishedRuns,
  finishRun,
  logBatch,
  logInputs,
} from "./rest/tracking.ts";
import {
  findModelVersion,
  findRegisteredModel,
  listModelVersions,
} from "./rest/versions.ts";
import type { MlflowStore } from "./store.ts";

/**
 * Opens the store of a tracking server, and checks that the server answers and
 * accepts the login.
 *
 * @param options `log`: receives a warning for each value that was truncated.
 * @throws {UsageError} If the server refuses the login, or is not an MLflow server.
 * @throws {TransientError} If it cannot be reached.
 */
export async function openRest(
  options: HttpSettings & { log?: Pick<Log, "warn"> },
): Promise<MlflowStore> {
  const http = openHttp(options);
  const { log = noLog } = options;
  const hasLoggedModels = await askForLoggedModels(http);
  const mlflowVersion = await askVersion(http);
  const rest: Rest = { http, hasLoggedModels, log };
  return {
    description: `${http.baseUrl} (MLflow ${
      mlflowVersion ?? "of an unknown version"
    })`,
    mlflowVersion,
    hasLoggedModels,
    writesRequired: !mlflowVersion || readsRequired(mlflowVersion),
    findExperiment: (name) => findExperiment(rest, name),
    createExperiment: (name, more) => createExperiment(rest, name, more),
    createRun: (experimentId, more) => createRun(rest, experimentId, more),
    logBatch: (runId, data) => logBatch(rest, runId, data),
    logInputs: (runId, inputs) => logInputs(rest, runId, inputs),
    finishRun: (runId, more) => finishRun(rest, runId, more),
    findUnfinishedRuns: (experimentId, more) =>
      findUnfinishedRuns(rest, experimentId, more),
    createLoggedModel: (run, more) => createLoggedModel(rest, run, more),
    finalizeLoggedModel: (modelId, status) =>
      finalizeLoggedModel(rest, modelId, status),
    findLoggedModel: (modelId) => findLoggedModel(rest, modelId),
    findRegisteredModel: (name) => findRegisteredModel(rest, name),
    ensureRegisteredModel: (name, more) =>
      ensureRegisteredModel(rest, name, more),
    createModelVersion: (name, more) => createModelVersion(rest, name, more),
    listModelVersions: (name) => listModelVersions(rest, name),
    findModelVersion: (name, version) => findModelVersion(rest, name, version),
    setModelVersionTags: (name, more) => setModelVersionTags(rest, name, more),
    promote: (name, promotion) => promote(rest, name, promotion),
    setAlias: (name, more) => setAlias(rest, name, more),
    setStage: (name, more) => setStage(rest, name, more),
  };
}

/**
 * Tells whether the server has logged models. Older servers do not have the call;
 * newer ones answer that there is no such model or, with MLflow's permissions
 * (from 3.17.2), refuse it to everyone but administrators.
 */
async function askForLoggedModels(http: MlflowHttp): Promise<boolean> {
  try {
    await http.json("GET", `/mlflow/logged-models/m-${"0".repeat(32)}`);
    return true;
  } catch (error) {
    if (error instanceof ForbiddenError) return true;
    if (!(error instanceof ApiError)) throw error;
    if (error.code !== "ENDPOINT_NOT_FOUND") return true;
  }
  await http.json("GET", "/mlflow/experiments/get", { experiment_id: "0" })
    .catch((error) => {
      if (error instanceof ApiError && error.code === "ENDPOINT_NOT_FOUND") {
        throw new UsageError(error.message);
      }
      if (!(error instanceof ApiError)) throw error;
    });
  return false;
}

async function askVersion(http: MlflowHttp): Promise<string | undefined> {
  const response = await http.send("/version");
  const text = (await response.text()).trim();
  return response.ok && /^\d+\.\d+[\w.+-]*$/.test(text) ? text : undefined;
}
