/** Checks MLflow's server, and the registered models: alias and stage agree, and the files are those that were logged. */
import type { VariantSettings } from "../config/variants.ts";
import { commandFor, shellWord } from "../config/variant.ts";
import { parseModelUri, resolveModel } from "../mlflow/model-uri.ts";
import { readModelFolder } from "../mlflow/model-folder/read.ts";
import type { MlflowStore, ModelVersion } from "../mlflow/store.ts";
import { digestTags } from "../mlflow/tags.ts";
import type { Services } from "../services/services.ts";
import { type Check, type Finding, runCheck, skipVariants } from "./check.ts";
import { inParallel } from "../base/parallel.ts";

/** The check of an MLflow server, and its store if it can be used. */
export interface ServerCheck {
  readonly check: Check;
  readonly mlflow: MlflowStore | undefined;
}

/** Checks the MLflow server of a tracking URI `http(s)://`; undefined for other tracking. */
export async function checkServer(
  services: Services,
): Promise<ServerCheck | undefined> {
  const { tracking } = services.config;
  if (tracking.kind !== "server") return undefined;
  let mlflow: MlflowStore | undefined;
  const check = await runCheck(
    { group: "MLflow", title: "Server" },
    async () => {
      mlflow = await services.mlflow();
      return { state: "ok", detail: mlflow.description };
    },
    {
      remedy: `curl ${shellWord(`${tracking.uri}/health`)}`,
      hint: "this must answer OK; MLFLOW_TRACKING_URI sets the address",
    },
  );
  return { check, mlflow };
}

/** Checks the registered model of each variant. @param options `mlflow`: undefined if the registry cannot be used. */
export async function checkModels(
  services: Services,
  chosen: readonly VariantSettings[],
  { mlflow, why }: { mlflow: MlflowStore | undefined; why: string },
): Promise<Check[]> {
  if (!mlflow) return skipVariants("Models", chosen, why);
  return await inParallel(chosen, (settings) =>
    runCheck(
      { group: "Models", title: settings.variant.title },
      () => checkModel(services, mlflow, settings),
      { hint: "log the model again, or promote another version" },
    ));
}

async function checkModel(
  services: Services,
  mlflow: MlflowStore,
  { variant, modelUri }: VariantSettings,
): Promise<Finding> {
  const name = variant.modelName;
  const [production, champion, newest] = await Promise.all([
    mlflow.findModelVersion(name, { kind: "stage", stage: "Production" }),
    mlflow.findModelVersion(name, { kind: "alias", alias: "champion" }),
    mlflow.findModelVersion(name, { kind: "latest" }),
  ]);
  const experiment = await mlflow.findExperiment(variant.experiment);
  if (!newest) {
    return {
      state: "warning",
      detail: `${name} has no version yet`,
      remedy: services.config.embedded
        ? commandFor("predict", variant)
        : commandFor(experiment ? "log-model" : "setup", variant),
    };
  }
  if (experiment?.lifecycleStage !== "active") {
    return {
      state: "wrong",
      detail: `there is no experiment ${variant.experiment}`,
      remedy: commandFor("setup", variant),
    };
  }
  if (production?.version !== champion?.version) {
    return {
      state: "wrong",
      detail: `${name}: the stage Production is ${
        versionOf(production)
      }, the alias champion is ${versionOf(champion)}`,
      remedy: `${commandFor("promote", variant)} --version ${
        (champion ?? production ?? newest).version
      }`,
      hint: "this moves alias and stage",
    };
  }
  const used = await findUsed(mlflow, { modelUri, production });
  if (!used) {
    return {
      state: "warning",
      detail:
        `${name} has version ${newest.version}, but ${modelUri} matches no version`,
      remedy: `${commandFor("promote", variant)} --version ${newest.version}`,
    };
  }
  return await checkFolder(services, used);
}

function versionOf(version: ModelVersion | undefined): string {
  return version ? `version ${version.version}` : "unset";
}

/** Returns the version that `predict` uses; undefined if the URI names none. */
async function findUsed(
  mlflow: MlflowStore,
  { modelUri, production }: {
    modelUri: string;
    production: ModelVersion | undefined;
  },
): Promise<ModelVersion | undefined> {
  const reference = parseModelUri(modelUri);
  if (reference.kind === "model") return await resolveModel(mlflow, modelUri);
  const isProduction = reference.kind === "stage" &&
    reference.name === production?.name && reference.stage === "Production";
  return isProduction
    ? production
    : await mlflow.findModelVersion(reference.name, reference);
}

/** Reads a version's files, past every cache, and compares them with the digests of when it was logged. */
async function checkFolder(
  services: Services,
  version: ModelVersion,
): Promise<Finding> {
  const { tags, artifactUri, aliases, stage } = version;
  const folder = await readModelFolder(services.artifacts(artifactUri), {
    mlmodelSha256: tags[digestTags.mlmodel],
    cache: {
      find: () => Promise.resolve(undefined),
      store: () => Promise.resolve(),
    },
  });
  const marks = [...aliases.map((alias) => `@${alias}`), stage].join(", ");
  const title = `version ${version.version} (${marks})`;
  return folder.verified
    ? { state: "ok", detail: `${title}, files verified` }
    : {
      state: "warning",
      detail:
        `${title} has no recorded digests, so its files cannot be verified`,
      hint: "log the model with log-model, which records them",
    };
}
