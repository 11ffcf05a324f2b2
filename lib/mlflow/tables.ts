/**
 * MLflow through its own Postgres tables. It writes the rows that MLflow's
 * `SqlAlchemyStore` would write, so that an MLflow server or a Python client on
 * the same database sees our runs and models as its own.
 */
import type { Database, Queryable } from "../database/database.ts";
import { createExperiment, findExperiment } from "./tables/experiments.ts";
import {
  describeSchemaVersion,
  detectSchemaVersion,
} from "./schema-version.ts";
import { type Log, noLog } from "../base/log.ts";
import { logInputs } from "./tables/inputs.ts";
import {
  createLoggedModel,
  finalizeLoggedModel,
  findLoggedModel,
} from "./tables/models.ts";
import {
  ensureRegisteredModel,
  findRegisteredModel,
} from "./tables/registry.ts";
import { retryRaces } from "./races.ts";
import { type Tables } from "./tables/rows.ts";
import {
  createRun,
  findUnfinishedRuns,
  finishRun,
  logBatch,
} from "./tables/runs.ts";
import type { MlflowStore } from "./store.ts";
import {
  createModelVersion,
  findModelVersion,
  listModelVersions,
  promote,
  setAlias,
  setModelVersionTags,
  setStage,
} from "./tables/versions.ts";

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
  const tables: Tables = { db: database, schema, log };
  const atomic = <T>(work: (tables: Tables) => Promise<T>): Promise<T> =>
    retryRaces(() =>
      database.transaction((db: Queryable) => work({ ...tables, db }))
    );
  return {
    description: `${database.description} (${describeSchemaVersion(schema)})`,
    mlflowVersion: schema.mlflowVersion,
    hasLoggedModels: schema.hasLoggedModels,
    writesRequired: schema.writesRequired,

    findExperiment: (name) => findExperiment(tables, name),
    createExperiment: (name, more) =>
      atomic((tx) => createExperiment(tx, name, more)),

    createRun: (experimentId, more) =>
      atomic((tx) => createRun(tx, experimentId, more)),
    logBatch: (runId, data) => atomic((tx) => logBatch(tx, runId, data)),
    logInputs: (runId, inputs) => atomic((tx) => logInputs(tx, runId, inputs)),
    finishRun: (runId, more) => atomic((tx) => finishRun(tx, runId, more)),
    findUnfinishedRuns: (experimentId, more) =>
      findUnfinishedRuns(tables, experimentId, more),

    createLoggedModel: (run, more) =>
      atomic((tx) => createLoggedModel(tx, run, more)),
    finalizeLoggedModel: (modelId, status) =>
      atomic((tx) => finalizeLoggedModel(tx, modelId, status)),
    findLoggedModel: (modelId) => findLoggedModel(tables, modelId),

    findRegisteredModel: (name) => findRegisteredModel(tables, name),
    ensureRegisteredModel: (name, more) =>
      atomic((tx) => ensureRegisteredModel(tx, name, more)),
    createModelVersion: (name, more) =>
      atomic((tx) => createModelVersion(tx, name, more)),
    listModelVersions: (name) => listModelVersions(tables, name),
    findModelVersion: (name, version) =>
      findModelVersion(tables, name, version),
    setModelVersionTags: (name, more) =>
      atomic((tx) => setModelVersionTags(tx, name, more)),
    promote: (name, promotion) => atomic((tx) => promote(tx, name, promotion)),
    setAlias: (name, more) => atomic((tx) => setAlias(tx, name, more)),
    setStage: (name, more) => atomic((tx) => setStage(tx, name, more)),
  };
}
