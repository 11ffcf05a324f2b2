/** Reads and creates experiments: MLflow's `experiments` and `experiment_tags`. */
import { resolve } from "node:path";
import { DatabaseError } from "../../database/database.ts";
import { InputError } from "../../base/errors.ts";
import { checkWidths, insertRows, inWorkspace, type Tables } from "./rows.ts";
import { appendToUri, checkExperimentName } from "../validation.ts";
import { checkExperimentTag } from "../values.ts";
import type { Experiment, NewExperiment } from "../store.ts";

const columns = `experiment_id::text as "experimentId", name,
  artifact_location as "artifactLocation", lifecycle_stage as "lifecycleStage"`;

/** Returns the experiment of that name, deleted or not; undefined if there is none. */
export async function findExperiment(
  tables: Tables,
  name: string,
): Promise<Experiment | undefined> {
  const [experiment] = await tables.db.query<Experiment>(
    `select ${columns} from experiments where name = $1 and ${
      inWorkspace(tables)
    }`,
    [name],
  );
  return experiment;
}

/** Returns the experiment for a new run or model. @throws {InputError} If it does not exist or is deleted. */
export async function getActiveExperiment(
  tables: Tables,
  experimentId: string,
): Promise<Experiment> {
  const [experiment] = /^\d{1,9}$/.test(experimentId)
    ? await tables.db.query<Experiment>(
      `select ${columns} from experiments where experiment_id = $1 and ${
        inWorkspace(tables)
      }`,
      [Number(experimentId)],
    )
    : [];
  if (experiment?.lifecycleStage === "active") return experiment;
  throw new InputError(
    experiment
      ? `Cannot use the experiment "${experiment.name}" (${experimentId}): it is deleted; restore it with \`mlflow experiments restore --experiment-id ${experimentId}\``
      : `Cannot find the experiment with the id ${experimentId}`,
  );
}

/**
 * Creates an experiment. A relative folder becomes absolute, as in MLflow.
 *
 * @throws {InputError} If the name is taken (a deleted experiment keeps its
 * name), or name, location or tags are invalid.
 */
export async function createExperiment(
  tables: Tables,
  name: string,
  options: NewExperiment,
): Promise<Experiment> {
  checkExperimentName(name);
  const tags = Object.entries(options.tags ?? {});
  for (const [key, value] of tags) checkExperimentTag(key, value);
  if (options.artifactLocation === undefined) {
    throw new TypeError(
      "an experiment in MLflow's own tables needs a location",
    );
  }
  const artifactLocation = absoluteLocation(options.artifactLocation);
  checkRunLocation(tables, artifactLocation);
  const row = {
    name,
    artifact_location: artifactLocation,
    lifecycle_stage: "active",
    creation_time: Date.now(),
    last_update_time: Date.now(),
  };
  await insertExperiment(tables, row);
  const experiment = await findExperiment(tables, name);
  if (!experiment) throw new InputError(`Cannot find the experiment "${name}"`);
  await insertRows(tables, "experiment_tags", {
    rows: tags.map(([key, value]) => ({
      key,
      value,
      experiment_id: Number(experiment.experimentId),
    })),
  });
  return experiment;
}

async function insertExperiment(
  tables: Tables,
  row: { name: string } & Record<string, string | number>,
): Promise<void> {
  try {
    await insertRows(tables, "experiments", { rows: [row] });
  } catch (error) {
    if (!(error instanceof DatabaseError) || error.code !== "23505") {
      throw error;
    }
    throw new InputError(
      `Cannot create the experiment "${row.name}": the name is taken, perhaps by a deleted experiment; restore it or choose another name`,
      { cause: error },
    );
  }
}

function absoluteLocation(location: string | undefined): string {
  if (location === undefined || location === "") {
    throw new InputError(
      "Cannot create an experiment without an artifact location: set MLFLOW_ARTIFACT_ROOT or MLFLOW_S3_BUCKET",
    );
  }
  if (location.startsWith("runs:")) {
    throw new InputError(
      `Cannot use ${location} as an artifact location: MLflow does not allow runs:/ there`,
    );
  }
  return /^[A-Za-z][A-Za-z0-9+.-]*:/.test(location)
    ? location
    : resolve(location);
}

/** Refuses a location that is too long for a run's artifact URI: MLflow itself fails only at the first run. */
function checkRunLocation(tables: Tables, location: string): void {
  const example = appendToUri(location, "0".repeat(32), "artifacts");
  checkWidths(tables.schema, {
    table: "runs",
    row: { artifact_uri: example },
  });
}
