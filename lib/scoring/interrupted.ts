/** Ends MLflow runs that earlier calls left open: their status follows from the ledger. */
import type { Queryable } from "../database/database.ts";
import type { Experiment } from "../mlflow/store.ts";
import type { Services } from "../services/services.ts";

/** The tag of a scoring run that holds its id in the ledger, or {@linkcode notInLedger}. */
export const ledgerTag = "churn.scoring_run_id";

/** The tag's value for a run that writes its scores to a file. */
export const notInLedger = "none";

/** What the ledger has of a run. */
interface LedgerState {
  readonly id: number;
  /** Completed, or open with a lease that has not expired. */
  readonly state: "completed" | "alive" | "dead";
  readonly mlflowRunId: string | null;
  readonly rows: number | null;
  readonly finishedMs: number | null;
}

/**
 * Ends the runs of an experiment that a killed process, a lost answer or an
 * absence of MLflow left as RUNNING or FAILED: as FINISHED if the ledger has their
 * scores, otherwise, if they are RUNNING and their process is dead, as KILLED. A
 * run whose process is alive is left alone. A second call changes nothing.
 *
 * A run that writes a file is RUNNING only for a moment, after the file is
 * complete, and its process is not known; it ends as KILLED, and if its process is
 * alive after all, that ends it as FINISHED.
 *
 * Looks at the newest 1,000 runs that are not finished.
 */
export async function endInterruptedRuns(
  services: Services,
  { experimentId }: Experiment,
): Promise<void> {
  const { withRetry, log } = services;
  const mlflow = await services.mlflow();
  const open = await withRetry(
    "find interrupted scoring runs",
    () => mlflow.findUnfinishedRuns(experimentId, { tag: ledgerTag }),
  );
  if (open.length === 0) return;
  const database = await services.predictions();
  // Read after MLflow's runs: what has left the ledger by now is dead.
  const states = await withRetry(
    "read the ledger",
    () => readStates(database, open.map(({ value }) => value)),
  );
  for (const { runId, status, value } of open) {
    const ledger = states.get(value);
    if (ledger?.state === "completed" && ledger.mlflowRunId === runId) {
      const endTimeMs = ledger.finishedMs ?? Date.now();
      const metrics = [
        { key: "rows", value: ledger.rows ?? 0, timestampMs: endTimeMs },
      ];
      await withRetry(`finish the run ${runId}`, async () => {
        await mlflow.logBatch(runId, { metrics });
        await mlflow.finishRun(runId, { status: "FINISHED", endTimeMs });
      });
      log.info(
        `Ended the MLflow run ${runId} of an earlier call as FINISHED: its scores are stored, as scoring run ${value}`,
      );
    } else if (status === "RUNNING" && ledger?.state !== "alive") {
      await withRetry(
        `end the run ${runId}`,
        () =>
          mlflow.finishRun(runId, { status: "KILLED", endTimeMs: Date.now() }),
      );
      log.info(
        `Ended the MLflow run ${runId} of an earlier call as KILLED: its process is dead, and stored nothing under it`,
      );
    }
  }
}

/** Returns what the ledger has of runs, by their ids as texts; an id that is no number has nothing. */
async function readStates(
  database: Queryable,
  ids: readonly string[],
): Promise<Map<string, LedgerState>> {
  const rows = await database.query<LedgerState>(
    `select id, mlflow_run_id as "mlflowRunId", row_count as rows,
       case when status = 'completed' then 'completed'
         when lease_expires_at > clock_timestamp() then 'alive' else 'dead' end as state,
       floor(extract(epoch from finished_at) * 1000) as "finishedMs"
     from scoring_runs where id = any($1::bigint[])`,
    [ids.filter((id) => /^\d{1,18}$/.test(id))],
  );
  return new Map(rows.map((row) => [String(row.id), row]));
}
