/**
 * MLflow through its own Postgres tables. It writes the rows that MLflow's
 * `SqlAlchemyStore` would write, so that an MLflow server or a Python client on
 * the same database sees our runs and models as its own.
 */
import type { Database, Queryable } from "../database/database.ts";
import { withChecks } from "./checked.ts";
import {
  describeSchemaVersion,
  detectSchemaVersion,
} from "./schema-version.ts";
import { type Log, noLog } from "../base/log.ts";
import { retryRaces } from "./races.ts";
import type { MlflowStore } from "./store.ts";
import { experimentsIn } from "./tables/experiments.ts";
import { inputsIn } from "./tables/inputs.ts";
import { loggedModelsIn } from "./tables/models.ts";
import { registeredModelsIn } from "./tables/registry.ts";
import { runsIn } from "./tables/runs.ts";
import { versionsIn } from "./tables/versions.ts";

/**
 * Opens the store on the MLflow schema of a database. Every call that writes is
 * one transaction, retried if a concurrent writer interferes.
 *
 * @param options `log`: receives a warning for each value that was truncated and
 * for an unknown schema.
 * @throws {InputError} If the database has no MLflow schema that we can use.
 */
export async function openTables(
  database: Database,
  options: {
    log?: Pick<Log, "warn">;
  } = {},
): Promise<MlflowStore> {
  const { log = noLog } = options;
  const schema = await detectSchemaVersion(database);
  if (schema.warning !== undefined) log.warn(schema.warning);
  const callsOn = (db: Queryable) => {
    const tables = { db, schema };
    return {
      ...experimentsIn(tables),
      ...runsIn(tables),
      ...inputsIn(tables),
      ...loggedModelsIn(tables),
      ...registeredModelsIn(tables),
      ...versionsIn(tables),
    };
  };
  const atomic = <T>(
    work: (calls: ReturnType<typeof callsOn>) => Promise<T>,
  ): Promise<T> =>
    retryRaces(() => database.transaction((tx) => work(callsOn(tx))));
  const reads = callsOn(database);
  return withChecks({
    description: `${database.description} (${describeSchemaVersion(schema)})`,
    mlflowVersion: schema.mlflowVersion,
    hasLoggedModels: schema.hasLoggedModels,
    writesRequired: schema.writesRequired,
    findExperiment: reads.findExperiment,
    findUnfinishedRuns: reads.findUnfinishedRuns,
    findLoggedModel: reads.findLoggedModel,
    findRegisteredModel: reads.findRegisteredModel,
    listModelVersions: reads.listModelVersions,
    findModelVersion: reads.findModelVersion,
    createExperiment: (...args) => atomic((tx) => tx.createExperiment(...args)),
    createRun: (...args) => atomic((tx) => tx.createRun(...args)),
    logBatch: (...args) => atomic((tx) => tx.logBatch(...args)),
    logInputs: (...args) => atomic((tx) => tx.logInputs(...args)),
    finishRun: (...args) => atomic((tx) => tx.finishRun(...args)),
    createLoggedModel: (...args) =>
      atomic((tx) => tx.createLoggedModel(...args)),
    finalizeLoggedModel: (...args) =>
      atomic((tx) => tx.finalizeLoggedModel(...args)),
    ensureRegisteredModel: (...args) =>
      atomic((tx) => tx.ensureRegisteredModel(...args)),
    createModelVersion: (...args) =>
      atomic((tx) => tx.createModelVersion(...args)),
    setModelVersionTags: (...args) =>
      atomic((tx) => tx.setModelVersionTags(...args)),
    promote: (...args) => atomic((tx) => tx.promote(...args)),
    setAlias: (...args) => atomic((tx) => tx.setAlias(...args)),
    setStage: (...args) => atomic((tx) => tx.setStage(...args)),
  }, log);
}
