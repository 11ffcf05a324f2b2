/** Reads and creates experiments: MLflow's `experiments` and `experiment_tags`. */
import { resolve } from "node:path";
import { InputError } from "../../base/errors.ts";
import { checkWidths, insertRows, inWorkspace, type Tables } from "./rows.ts";
import { appendToUri, takenExperiment } from "../validation.ts";
import type { Experiment, MlflowStore } from "../store.ts";

const columns = `experiment_id::text as "experimentId", name,
  artifact_location as "artifactLocation", lifecycle_stage as "lifecycleStage"`;

type Calls = Pick<MlflowStore, "findExperiment" | "createExperiment">;

/** Returns the store's calls on experiments. */
export function experimentsIn(
  tables: Tables,
): Calls {
  const calls: Calls = {
    async findExperiment(name) {
      const [experiment] = await tables.db.query<Experiment>(
        `select ${columns} from experiments where name = $1 and ${
          inWorkspace(tables)
        }`,
        [name],
      );
      return experiment;
    },
    async createExperiment(name, options) {
      const artifactLocation = absoluteLocation(options.artifactLocation);
      // MLflow itself fails only at the first run of which the URI is too long.
      const uri = appendToUri(artifactLocation, "0".repeat(32), "artifacts");
      checkWidths(tables.schema, { table: "runs", row: { artifact_uri: uri } });
      const now = Date.now();
      const created = await insertRows(tables, "experiments", {
        rows: [{
          name,
          artifact_location: artifactLocation,
          lifecycle_stage: "active",
          creation_time: now,
          last_update_time: now,
        }],
        key: ["name"],
      });
      if (created === 0) throw takenExperiment(name);
      const experiment = await calls.findExperiment(name);
      if (!experiment) {
        throw new InputError(`Cannot find the experiment "${name}"`);
      }
      await insertRows(tables, "experiment_tags", {
        rows: Object.entries(options.tags ?? {}).map(([key, value]) => ({
          key,
          value,
          experiment_id: Number(experiment.experimentId),
        })),
      });
      return experiment;
    },
  };
  return calls;
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
