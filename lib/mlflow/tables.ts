/**
 * An MLflow that is reached through its own Postgres tables: leaves the rows
 * that MLflow's `SqlAlchemyStore` would leave, so that an MLflow server or a
 * Python client on the same database sees our runs and models as its own.
 */
import type { Database, Queryable } from "../database/database.ts";
import { createExperiment, findExperiment } from "./tables/experiments.ts";
import { describeGeneration, detectGeneration } from "./schema-version.ts";
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
import { createRun, finishRun, logBatch } from "./tables/runs.ts";
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
 * The store over the MLflow schema of a database; every call that writes is
 * one transaction, run again when a concurrent writer got in between.
 *
 * @param options `warn` is told what was shortened to fit and that an unknown
 * schema is in use; `nowMs` is the clock for new rows; `closesDatabase` lets
 * the store's disposal close the database (by default whoever opened it does).
 * @throws {InputError} If the database has no MLflow schema that we know how to use.
 */
export async function openTables(
  database: Database,
  options: {
    warn?: (warning: string) => void;
    nowMs?: () => number;
    closesDatabase?: boolean;
  } = {},
): Promise<MlflowStore> {
  const { warn = () => {}, nowMs = Date.now, closesDatabase = false } = options;
  const generation = await detectGeneration(database);
  if (generation.warning !== undefined) warn(generation.warning);
  const tables: Tables = { db: database, generation, nowMs, warn };
  const atomic = <T>(work: (tables: Tables) => Promise<T>): Promise<T> =>
    retryRaces(() =>
      database.transaction((db: Queryable) => work({ ...tables, db }))
    );
  return {
    description: `${database.description} (${describeGeneration(generation)})`,
    mlflowVersion: generation.mlflowVersion,
    hasLoggedModels: generation.hasLoggedModels,
    writesRequired: generation.writesRequired,

    findExperiment: (name) => findExperiment(tables, name),
    createExperiment: (name, more) =>
      atomic((tx) => createExperiment(tx, name, more)),

    createRun: (experimentId, more) =>
      atomic((tx) => createRun(tx, experimentId, more)),
    logBatch: (runId, data) => atomic((tx) => logBatch(tx, runId, data)),
    logInputs: (runId, inputs) => atomic((tx) => logInputs(tx, runId, inputs)),
    finishRun: (runId, more) => atomic((tx) => finishRun(tx, runId, more)),

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

    async [Symbol.asyncDispose]() {
      if (closesDatabase) await database[Symbol.asyncDispose]();
    },
  };
}
