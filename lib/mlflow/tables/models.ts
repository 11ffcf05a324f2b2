/** Reads and writes logged models: MLflow's `logged_models` with their params and tags. */
import { InputError } from "../../base/errors.ts";
import { getActiveExperiment } from "./experiments.ts";
import * as v from "../../base/schema.ts";
import { toPythonJson } from "../json.ts";
import { toLink } from "./inputs.ts";
import { insertRows, newId, type Tables } from "./rows.ts";
import { appendToUri } from "../validation.ts";
import { getActiveRun } from "./runs.ts";
import type { LoggedModelRecord, MlflowStore } from "../store.ts";

/** Values of `logged_models.status` by their numbers (MLflow's `LoggedModelStatus`). */
const statuses = ["UNSPECIFIED", "PENDING", "READY", "UPLOAD_FAILED"] as const;

/** Returns the store's calls on logged models. */
export function loggedModelsIn(
  tables: Tables,
): Pick<
  MlflowStore,
  "createLoggedModel" | "finalizeLoggedModel" | "findLoggedModel"
> {
  return {
    async createLoggedModel(run, options) {
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
        status: statuses.indexOf("PENDING"),
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
          .map(([key, value]) => ({
            ...owner,
            tag_key: key,
            tag_value: value,
          })),
      });
      await insertRows(tables, "inputs", {
        rows: [{
          ...toLink(["RUN_OUTPUT", run.runId], ["MODEL_OUTPUT", modelId]),
          step: 0,
        }],
      });
      return { modelId, artifactLocation };
    },
    async finalizeLoggedModel(modelId, status) {
      const changed = await tables.db.query(
        `update logged_models set status = $2, last_updated_timestamp_ms = $3
         where model_id = $1 returning 1`,
        [modelId, statuses.indexOf(status), Date.now()],
      );
      if (changed.length === 0) throw missingModel(modelId);
    },
    async findLoggedModel(modelId) {
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
        status: statuses[model.status] ?? "UNSPECIFIED",
        tags: Object.fromEntries(tags.map(({ key, value }) => [key, value])),
      };
    },
  };
}

type ModelRow = Omit<LoggedModelRecord, "tags" | "status" | "runId"> & {
  readonly runId: string | null;
  readonly status: number;
};

/** Like `findLoggedModel` of the store. @throws {InputError} If it does not exist. */
export async function getLoggedModel(
  tables: Tables,
  modelId: string,
): Promise<LoggedModelRecord> {
  const model = await loggedModelsIn(tables).findLoggedModel(modelId);
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

function missingModel(modelId: string): InputError {
  return new InputError(`Cannot find the logged model ${modelId}`);
}
