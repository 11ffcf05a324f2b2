/** Links runs to their datasets and models: MLflow's `datasets`, `inputs` and `input_tags`. */
import { InputError } from "../../base/errors.ts";
import type { DatasetInput, MlflowStore } from "../store.ts";
import { insertRows, newId, type TableRow, type Tables } from "./rows.ts";
import { getActiveRun } from "./runs.ts";

/** The primary key of `inputs`. */
const linkKey = [
  "source_type",
  "source_id",
  "destination_type",
  "destination_id",
];

/** Returns a row of `inputs` with a new id. */
export function toLink(
  source: readonly [type: string, id: string],
  destination: readonly [type: string, id: string],
): TableRow & { input_uuid: string } {
  return {
    input_uuid: newId(),
    source_type: source[0],
    source_id: source[1],
    destination_type: destination[0],
    destination_id: destination[1],
  };
}

/** Returns the store's call on inputs of runs. */
export function inputsIn(
  tables: Tables,
): Pick<MlflowStore, "logInputs"> {
  return {
    async logInputs(runId, { datasets = [], modelIds = [] }) {
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
    },
  };
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
