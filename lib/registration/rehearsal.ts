/** Simulates the first run for `plan` and `predict --dry-run`: says what it would set up, and builds the model that it would log, in memory only. */
import type { ArtifactStore } from "../storage/store.ts";
import { type Candidate, toCandidate } from "./candidate.ts";
import { readCandidateFiles } from "./candidate-files.ts";
import { InputError, UsageError } from "../base/errors.ts";
import { artifactPath } from "./log.ts";
import { type ModelReference, parseModelUri } from "../mlflow/model-uri.ts";
import type { Experiment, ModelVersion } from "../mlflow/store.ts";
import { readModelFolder } from "../mlflow/model-folder/read.ts";
import { toModelFolder } from "./model-folder.ts";
import { type Engine, openScorer, type Scorer } from "../scoring/scorer.ts";
import type { Services } from "../services/services.ts";
import { commandFor, type Variant } from "../config/variant.ts";
import type { VariantSettings } from "../config/variants.ts";
import { findVariantFile, locationOf } from "../services/variant-files.ts";

/** Returns true if the first run has not happened yet. It does not create or change a store. */
async function isEmpty(
  services: Services,
  { variant }: VariantSettings,
): Promise<boolean> {
  if (!await services.hasEmbeddedDatabase()) return true;
  const database = await services.predictions();
  const [found] = await database.query<{ ready: boolean }>(
    "select to_regclass('model_versions') is not null and to_regclass('scoring_runs') is not null as ready",
  );
  if (!found?.ready) return true;
  const mlflow = await services.mlflow();
  const newest = await mlflow.findModelVersion(variant.modelName, {
    kind: "latest",
  });
  return newest === undefined;
}

/** What the first run on the embedded default would set up. */
export interface FirstRun {
  readonly experiment: Experiment;
  readonly version: ModelVersion;
  /** URI of the shipped model that it would log. */
  readonly modelUri: string;
  /** What it would log. */
  readonly candidate: Candidate;
}

/**
 * Returns what the first run on the embedded default would set up; undefined if the
 * variant already has a model, because then there is no first run. The files that
 * would be logged are read and checked. Nothing is created or changed.
 *
 * @param options `modelUri`: the model to score with.
 * @throws {InputError} If a shipped file is missing or cannot be used, or the URI does not refer to the version that would be registered.
 */
export async function planFirstRun(
  services: Services,
  settings: VariantSettings,
  { modelUri }: { modelUri: string },
): Promise<FirstRun | undefined> {
  if (!await isEmpty(services, settings)) return undefined;
  const { config } = services;
  const { variant, files } = settings;
  await refuseUnshipped(services, settings);
  if (!isFirst(parseModelUri(modelUri), variant)) {
    throw new InputError(
      `Cannot find ${modelUri}: the embedded store in ${config.home} has no model yet; the first run would register ${variant.modelName} version 1`,
    );
  }
  const candidate = await toCandidate(
    await readCandidateFiles(services, settings, {}),
    settings,
  );
  return {
    candidate,
    modelUri: locationOf(services.variantFiles(variant), files.model),
    experiment: {
      name: variant.experiment,
      experimentId: "",
      artifactLocation: memory,
      lifecycleStage: "active",
    },
    version: {
      name: variant.modelName,
      version: 1,
      stage: "Production",
      aliases: ["champion"],
      status: "READY",
      source: memory,
      artifactUri: memory,
      runId: undefined,
      modelId: undefined,
      description: undefined,
      tags: {},
      createdMs: Date.now(),
    },
  };
}

/** Reports what the first run would do, and returns the scorer of the model that it would log, written to and read from memory instead of a store. */
export async function rehearseModel(
  services: Services,
  settings: VariantSettings,
  { engine, firstRun }: { engine: "auto" | Engine; firstRun: FirstRun },
): Promise<Scorer> {
  const { log, config } = services;
  const { name, version } = firstRun.version;
  const folder = toModelFolder(firstRun.candidate, {
    artifactPath,
    modelId: undefined,
    runId: "dry-run",
    createdMs: Date.now(),
  });
  const loaded = await readModelFolder(inMemory(folder.files), {
    mlmodelSha256: undefined,
    cache: {
      find: () => Promise.resolve(undefined),
      store: () => Promise.resolve(),
    },
  });
  const scorer = await openScorer(loaded, { engine, settings });
  if (!await services.hasEmbeddedDatabase()) {
    log.info(`Would create the embedded store in ${config.home}`);
  }
  log.info(
    `Would log ${firstRun.modelUri} as ${name} version ${version} and promote it`,
  );
  return scorer;
}

/** The URI of the store in memory. */
const memory = "memory:";

/** Returns true if a URI would refer to the first version of the variant's model after its promotion. */
function isFirst(reference: ModelReference, variant: Variant): boolean {
  if (reference.kind === "model" || reference.name !== variant.modelName) {
    return false;
  }
  return reference.kind === "latest" ||
    (reference.kind === "version" && reference.version === 1) ||
    (reference.kind === "stage" && reference.stage === "Production") ||
    (reference.kind === "alias" && reference.alias === "champion");
}

/** Returns a store of which only {@linkcode readModelFolder} reads. */
function inMemory(files: ReadonlyMap<string, Uint8Array>): ArtifactStore {
  const refuse = () =>
    Promise.reject(new TypeError("a dry run only finds files in memory"));
  return {
    uri: memory,
    find: (path) => {
      const bytes = files.get(path);
      return Promise.resolve(bytes && new Uint8Array(bytes));
    },
    open: refuse,
    write: refuse,
    create: refuse,
    checkCreate: refuse,
    list: refuse,
  };
}

/** Rejects a variant without a shipped model. @throws {UsageError} If there is none; lists the variants and the commands for a new one. */
export async function refuseUnshipped(
  services: Services,
  { variant, files }: VariantSettings,
): Promise<void> {
  const model = await findVariantFile(
    services.variantFiles(variant),
    files.model,
  );
  if (model) return await model.file[Symbol.asyncDispose]();
  const listed = services.variants.listed.map((known) => known.variant.title);
  throw new UsageError(
    `Cannot predict for ${variant.title}: the embedded store has no model for it and the project ships none; ` +
      `variants.yaml lists ${
        listed.join("; ")
      }. To add it with a model of your own, run \`${
        commandFor("init", variant)
      }\` with --model and --sample`,
  );
}
