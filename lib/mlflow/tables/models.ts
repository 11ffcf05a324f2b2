/** Reads and writes logged models: MLflow's `logged_models` with their params and tags. */
import { InputError } from "../../base/errors.ts";
import { getActiveExperiment } from "./experiments.ts";
import * as v from "../../base/schema.ts";
import { toPythonJson } from "../json.ts";
import { toLink } from "./links.ts";
import { insertRows, newId, type Tables } from "./rows.ts";
import { appendToUri, checkLoggedModelName } from "../validation.ts";
import { getActiveRun } from "./runs.ts";
import type {
  LoggedModel,
  LoggedModelRecord,
  NewLoggedModel,
  Run,
} from "../store.ts";

/** Values of `logged_models.status` (MLflow's `LoggedModelStatus`). */
const statusNumbers = { PENDING: 1, READY: 2, UPLOAD_FAILED: 3 } as const;

/** Creates a PENDING logged model, linked to its run as an output. @throws {InputError} If this MLflow has no logged models, or the name is invalid. */
export async function createLoggedModel(
  tables: Tables,
  run: Run,
  options: NewLoggedModel,
): Promise<LoggedModel> {
  requireLoggedModels(tables);
  checkLoggedModelName(options.name);
  await getActiveRun(tables, run.runId);
  const experiment = await getActiveExperiment(tables, run.experimentId);
  const modelId = `m-${newId()}`;
  const artifactLocation = appendToUri(
    experiment.artifactLocation,
    "models",
    modelId,
    "artifacts",
  );
  const owner = {
    model_id: modelId,
    experiment_id: Number(run.experimentId),
  };
  const now = Date.now();
  const row = {
    ...owner,
    name: options.name,
    artifact_location: artifactLocation,
    creation_timestamp_ms: now,
    last_updated_timestamp_ms: now,
    status: statusNumbers.PENDING,
    lifecycle_stage: "active",
    source_run_id: run.runId,
  };
  await insertRows(tables, "logged_models", { rows: [row] });
  await insertRows(tables, "logged_model_params", {
    rows: Object.entries(options.params ?? {})
      .map(([key, value]) => ({
        ...owner,
        param_key: key,
        param_value: value,
      })),
  });
  await insertRows(tables, "logged_model_tags", {
    rows: Object.entries(options.tags ?? {})
      .map(([key, value]) => ({ ...owner, tag_key: key, tag_value: value })),
  });
  await insertRows(tables, "inputs", {
    rows: [{
      ...toLink(["RUN_OUTPUT", run.runId], ["MODEL_OUTPUT", modelId]),
      step: 0,
    }],
  });
  return { modelId, artifactLocation };
}

/** Sets the final status of a logged model. @throws {InputError} If it does not exist. */
export async function finalizeLoggedModel(
  tables: Tables,
  modelId: string,
  status: "READY" | "UPLOAD_FAILED",
): Promise<void> {
  requireLoggedModels(tables);
  const changed = await tables.db.query(
    `update logged_models set status = $2, last_updated_timestamp_ms = $3
     where model_id = $1 returning 1`,
    [modelId, statusNumbers[status], Date.now()],
  );
  if (changed.length === 0) throw missingModel(modelId);
}

/** Returns the logged model with that id; undefined if it does not exist, is deleted, or this MLflow has no logged models. */
export async function findLoggedModel(
  tables: Tables,
  modelId: string,
): Promise<LoggedModelRecord | undefined> {
  if (!tables.schema.hasLoggedModels) return undefined;
  const [model] = await tables.db.query<ModelRow>(
    `select model_id as "modelId", name, artifact_location as "artifactLocation",
            source_run_id as "runId", status
     from logged_models where model_id = $1 and lifecycle_stage <> 'deleted'`,
    [modelId],
  );
  if (!model) return undefined;
  const tags = await tables.db.query<{ key: string; value: string }>(
    `select tag_key as key, tag_value as value from logged_model_tags
     where model_id = $1 order by tag_key`,
    [modelId],
  );
  return {
    ...model,
    runId: model.runId ?? undefined,
    status: statusNames[model.status] ?? "UNSPECIFIED",
    tags: Object.fromEntries(tags.map(({ key, value }) => [key, value])),
  };
}

type ModelRow = Omit<LoggedModelRecord, "tags" | "status" | "runId"> & {
  readonly runId: string | null;
  readonly status: number;
};

const statusNames: Readonly<Record<number, LoggedModelRecord["status"]>> = {
  1: "PENDING",
  2: "READY",
  3: "UPLOAD_FAILED",
};

/** Like {@linkcode findLoggedModel}. @throws {InputError} If it does not exist. */
export async function getLoggedModel(
  tables: Tables,
  modelId: string,
): Promise<LoggedModelRecord> {
  requireLoggedModels(tables);
  const model = await findLoggedModel(tables, modelId);
  if (!model) throw missingModel(modelId);
  return model;
}

/** Appends a registered version to the logged model's tag `mlflow.modelVersions`, which MLflow's UI uses for links. */
export async function tagModelVersion(
  tables: Tables,
  modelId: string,
  version: { name: string; version: number },
): Promise<void> {
  const [model] = await tables.db.query<{ experimentId: number }>(
    `select experiment_id as "experimentId" from logged_models
     where model_id = $1 for update`,
    [modelId],
  );
  if (!model) throw missingModel(modelId);
  const [tag] = await tables.db.query<{ value: string }>(
    `select tag_value as value from logged_model_tags
     where model_id = $1 and tag_key = $2`,
    [modelId, versionsTag],
  );
  await insertRows(tables, "logged_model_tags", {
    rows: [{
      model_id: modelId,
      experiment_id: model.experimentId,
      tag_key: versionsTag,
      tag_value: appendVersion(tag?.value, version),
    }],
    key: ["model_id", "tag_key"],
    update: ["tag_value"],
  });
}

const versionsTag = "mlflow.modelVersions";

/** Returns the JSON of the tag `mlflow.modelVersions` with one version added, in the format of Python's `json.dumps`. */
function appendVersion(
  text: string | undefined,
  version: { name: string; version: number },
): string {
  const file = `the tag ${versionsTag}`;
  const known = v.parseJson(v.array(v.unknown()), text || "[]", { file });
  return toPythonJson([...known, version]);
}

/** Checks that this MLflow has logged models. @throws {InputError} On MLflow 2.x. */
export function requireLoggedModels(tables: Tables): void {
  if (tables.schema.hasLoggedModels) return;
  throw new InputError(
    "Cannot use logged models: this database was created by MLflow 2.x, where a model is a folder of its run",
  );
}

function missingModel(modelId: string): InputError {
  return new InputError(`Cannot find the logged model ${modelId}`);
}
