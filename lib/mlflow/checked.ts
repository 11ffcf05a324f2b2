/** MLflow's rules for names, keys, values and logged models, which hold for tables and servers alike. */
import { InputError } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import type { MlflowStore } from "./store.ts";
import {
  checkAlias,
  checkExperimentName,
  checkKey,
  checkLoggedModelName,
  checkModelName,
  toModelId,
} from "./validation.ts";
import {
  checkDataset,
  checkExperimentTag,
  checkMetric,
  checkRegistryTag,
  fitAll,
} from "./values.ts";

/**
 * Returns the same store, which refuses what MLflow refuses before it is called,
 * and truncates what MLflow truncates.
 *
 * @param log Receives a warning for each value that was truncated.
 */
export function withChecks(
  store: MlflowStore,
  log: Pick<Log, "warn">,
): MlflowStore {
  const requireLoggedModels = () => {
    if (store.hasLoggedModels) return;
    throw new InputError(
      `Cannot use logged models in ${store.description}: it is MLflow 2.x, where a model is a folder of its run`,
    );
  };
  return {
    ...store,
    async createExperiment(name, options) {
      checkExperimentName(name);
      checkAll(options.tags, checkExperimentTag);
      return await store.createExperiment(name, options);
    },
    async createRun(experimentId, options) {
      checkAll(options.tags, (key) => checkKey("tag", key));
      return await store.createRun(experimentId, options);
    },
    async logBatch(runId, data) {
      for (const metric of data.metrics ?? []) checkMetric(metric);
      await store.logBatch(runId, {
        ...data,
        params: fitAll("param", data.params, log.warn),
        tags: fitAll("tag", data.tags, log.warn),
      });
    },
    async logInputs(runId, inputs) {
      const { datasets = [], modelIds = [] } = inputs;
      for (const dataset of datasets) checkDataset(dataset);
      if (modelIds.length > 0) requireLoggedModels();
      await store.logInputs(runId, inputs);
    },
    async createLoggedModel(run, options) {
      requireLoggedModels();
      checkLoggedModelName(options.name);
      return await store.createLoggedModel(run, options);
    },
    async finalizeLoggedModel(modelId, status) {
      requireLoggedModels();
      await store.finalizeLoggedModel(modelId, status);
    },
    findLoggedModel: async (modelId) =>
      store.hasLoggedModels ? await store.findLoggedModel(modelId) : undefined,
    async ensureRegisteredModel(name, options) {
      checkModelName(name);
      checkAll(options.tags, checkRegistryTag);
      return await store.ensureRegisteredModel(name, options);
    },
    async createModelVersion(name, options) {
      checkModelName(name);
      checkAll(options.tags, checkRegistryTag);
      if (options.modelId ?? toModelId(options.source)) requireLoggedModels();
      return await store.createModelVersion(name, options);
    },
    async setModelVersionTags(name, options) {
      checkAll(options.tags, checkRegistryTag);
      await store.setModelVersionTags(name, options);
    },
    async promote(name, promotion) {
      checkModelName(name);
      return await store.promote(name, promotion);
    },
    async setAlias(name, options) {
      checkAlias(options.alias);
      await store.setAlias(name, options);
    },
  };
}

function checkAll(
  tags: Readonly<Record<string, string>> = {},
  check: (key: string, value: string) => void,
): void {
  for (const [key, value] of Object.entries(tags)) check(key, value);
}
