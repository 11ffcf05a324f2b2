/** Creates, logs and finishes runs: MLflow's `runs`, `tags` and `params`. */
import { InputError } from "../../base/errors.ts";
import { logMetrics, logModelMetrics } from "./metrics.ts";
import { getActiveExperiment } from "./experiments.ts";
import { insertRows, newId, type Tables } from "./rows.ts";
import { appendToUri } from "../validation.ts";
import type { MlflowStore, UnfinishedRun } from "../store.ts";

const nameTag = "mlflow.runName";

/** Returns the store's calls on runs. */
export function runsIn(
  tables: Tables,
): Pick<
  MlflowStore,
  "createRun" | "logBatch" | "finishRun" | "findUnfinishedRuns"
> {
  return {
    async createRun(experimentId, options) {
      const { name, startTimeMs } = options;
      const experiment = await getActiveExperiment(tables, experimentId);
      const tags: Record<string, string> = { ...options.tags, [nameTag]: name };
      const runId = newId();
      const artifactUri = appendToUri(
        experiment.artifactLocation,
        runId,
        "artifacts",
      );
      const row = {
        run_uuid: runId,
        name,
        source_type: "UNKNOWN",
        source_name: "",
        entry_point_name: "",
        user_id: tags["mlflow.user"] ?? "unknown",
        status: "RUNNING",
        start_time: startTimeMs,
        source_version: "",
        lifecycle_stage: "active",
        artifact_uri: artifactUri,
        experiment_id: Number(experimentId),
      };
      await insertRows(tables, "runs", { rows: [row] });
      await insertRows(tables, "tags", { rows: runRows(runId, tags) });
      return { runId, experimentId, artifactUri };
    },
    async logBatch(runId, { params = {}, metrics = [], tags = {} }) {
      const { experimentId } = await getActiveRun(tables, runId);
      await logParams(tables, runId, params);
      await logMetrics(tables, runId, metrics);
      await logModelMetrics(tables, { runId, experimentId, metrics });
      await setTags(tables, runId, tags);
    },
    async finishRun(runId, { status, endTimeMs }) {
      await getActiveRun(tables, runId);
      await tables.db.query(
        `update runs set status = $2, end_time = $3 where run_uuid = $1`,
        [runId, status, endTimeMs],
      );
    },
    async findUnfinishedRuns(experimentId, { tag }) {
      return await tables.db.query<UnfinishedRun>(
        `select r.run_uuid as "runId", r.status, t.value
         from runs r join tags t on t.run_uuid = r.run_uuid
         where r.experiment_id = $1 and r.status in ('RUNNING', 'FAILED')
           and r.lifecycle_stage = 'active' and t.key = $2
         order by r.start_time desc limit 1000`,
        [Number(experimentId), tag],
      );
    },
  };
}

/** Returns the experiment of a run that may be written to. @throws {InputError} If the run does not exist or is deleted. */
export async function getActiveRun(
  tables: Tables,
  runId: string,
): Promise<{ experimentId: number }> {
  const [run] = await tables.db.query<{ experimentId: number; stage: string }>(
    `select experiment_id as "experimentId", lifecycle_stage as stage from runs where run_uuid = $1`,
    [runId],
  );
  if (run?.stage === "active") return run;
  throw new InputError(
    run
      ? `Cannot write to the run ${runId}: it is deleted; restore it with \`mlflow runs restore --run-id ${runId}\``
      : `Cannot find the run ${runId}`,
  );
}

async function logParams(
  tables: Tables,
  runId: string,
  params: Readonly<Record<string, string>>,
): Promise<void> {
  const rows = runRows(runId, params);
  await insertRows(tables, "params", { rows, key: ["key", "run_uuid"] });
  const stored = await tables.db.query<{ key: string; value: string }>(
    `select key, value from params where run_uuid = $1 and key = any($2::text[])`,
    [runId, Object.keys(params)],
  );
  for (const { key, value } of stored) {
    if (params[key] === value) continue;
    throw new InputError(
      `Cannot change the param "${key}" of the run ${runId} from ${
        JSON.stringify(value)
      } to ${JSON.stringify(params[key])}: MLflow params cannot be changed`,
    );
  }
}

async function setTags(
  tables: Tables,
  runId: string,
  tags: Readonly<Record<string, string>>,
): Promise<void> {
  const name = tags[nameTag];
  if (name !== undefined) {
    await tables.db.query(`update runs set name = $2 where run_uuid = $1`, [
      runId,
      name,
    ]);
  }
  await insertRows(tables, "tags", {
    rows: runRows(runId, tags),
    key: ["key", "run_uuid"],
    update: ["value"],
  });
}

function runRows(runId: string, values: Readonly<Record<string, string>>) {
  return Object.entries(values).sort(([a], [b]) => a < b ? -1 : 1)
    .map(([key, value]) => ({ key, value, run_uuid: runId }));
}
