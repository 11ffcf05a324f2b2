/** Logs the datasets of a run: MLflow's `datasets`, `inputs` and `input_tags`. */
import { InputError } from "../../base/errors.ts";
import type { DatasetInput, RunInputs } from "../store.ts";
import { checkDataset } from "../values.ts";
import { requireLoggedModels } from "./models.ts";
import { linkKey, toLink } from "./links.ts";
import { insertRows, newId, type Tables } from "./rows.ts";
import { getActiveRun } from "./runs.ts";

/** Records datasets and logged models as inputs of a run; existing inputs are left unchanged. @throws {InputError} If the run does not exist or is deleted, or a dataset is invalid. */
export async function logInputs(
  tables: Tables,
  runId: string,
  inputs: RunInputs,
): Promise<void> {
  const { datasets = [], modelIds = [] } = inputs;
  if (modelIds.length > 0) requireLoggedModels(tables);
  for (const dataset of datasets) checkDataset(dataset);
  const { experimentId } = await getActiveRun(tables, runId);
  for (const dataset of datasets) {
    const datasetId = await ensureDataset(tables, experimentId, dataset);
    const link = toLink(["DATASET", datasetId], ["RUN", runId]);
    const isNew = await insertRows(tables, "inputs", {
      rows: [link],
      key: linkKey,
    });
    if (isNew === 0) continue;
    await insertRows(tables, "input_tags", {
      rows: [{
        input_uuid: link.input_uuid,
        name: "mlflow.data.context",
        value: dataset.context,
      }],
    });
  }
  await insertRows(tables, "inputs", {
    rows: [...new Set(modelIds)].map((modelId) =>
      toLink(["RUN_INPUT", runId], ["MODEL_INPUT", modelId])
    ),
    key: linkKey,
  });
}

async function ensureDataset(
  tables: Tables,
  experimentId: number,
  dataset: DatasetInput,
): Promise<string> {
  const key = {
    experiment_id: experimentId,
    name: dataset.name,
    digest: dataset.digest,
  };
  await insertRows(tables, "datasets", {
    rows: [{
      ...key,
      dataset_uuid: newId(),
      dataset_source_type: dataset.sourceType,
      dataset_source: dataset.source,
      dataset_schema: dataset.schema ?? null,
      dataset_profile: dataset.profile ?? null,
    }],
    key: Object.keys(key),
  });
  const [stored] = await tables.db.query<{ id: string }>(
    `select dataset_uuid as id from datasets
     where experiment_id = $1 and name = $2 and digest = $3`,
    Object.values(key),
  );
  if (stored) return stored.id;
  throw new InputError(
    `Cannot find the dataset "${dataset.name}" just after creating it: another writer deleted it`,
  );
}
