/** Opens a registered version for scoring, and tells what it scores. */
import { InputError } from "../base/errors.ts";
import type { VariantSettings } from "../config/variants.ts";
import { readModelFolder } from "../mlflow/model-folder/read.ts";
import type { ModelVersion } from "../mlflow/store.ts";
import { digestTags } from "../mlflow/tags.ts";
import type { Column } from "../rows/cells.ts";
import { parseFeatureNames } from "../rows/feature-names.ts";
import type { Services } from "../services/services.ts";
import { readVariantFile } from "../services/variant-files.ts";
import { openCache } from "../storage/digest-cache.ts";
import { isProbability, type OutputSettings } from "./model-output.ts";
import { type Engine, openScorer, type Scorer } from "./scorer.ts";

/**
 * Returns the scorer of a registered version. Its files are read through the
 * cache in `CHURN_HOME` and verified against the digests recorded when it was
 * logged; the ONNX graph of a native model only if `engine` is `onnxruntime`. A version that MLflow itself logged has no digests; a message reports
 * this. On the embedded default, a dry run does not change the folder;
 * otherwise the cache is not part of the store, and a dry run fills it.
 */
export async function openVersion(
  services: Services,
  version: ModelVersion,
  options: {
    engine: "auto" | Engine;
    settings: OutputSettings;
    dryRun?: boolean;
  },
): Promise<Scorer> {
  const { withRetry, artifacts, config, log } = services;
  const cache = openCache(`${config.home}/cache/models`, { log });
  const store = artifacts(version.artifactUri);
  const folder = await withRetry(
    `read ${store.uri}`,
    () =>
      readModelFolder(store, {
        mlmodelSha256: version.tags[digestTags.mlmodel],
        prefersNative: options.engine !== "onnxruntime",
        cache: options.dryRun && config.embedded
          ? { ...cache, store: () => Promise.resolve() }
          : cache,
      }),
  );
  if (!folder.verified) {
    log.warn(
      `${version.name} version ${version.version} has no recorded digests, so its files are not verified`,
    );
  }
  return await openScorer(folder, options);
}

/** Rejects a model that does not return one churn probability per row. @throws {InputError} If so; says what it returns, and what to do. */
export function checkStorable(
  scorer: Scorer,
  { version, settings }: { version: ModelVersion; settings: VariantSettings },
): void {
  if (isProbability(scorer)) return;
  const { predictionKind, outputs, engine } = scorer;
  const isOpen = engine === "onnxruntime" && predictionKind === "score" &&
    outputs <= 2 && settings.modelOutput === undefined;
  const found = predictionKind === "score"
    ? outputs === 1
      ? "it returns a score that is not known to be a probability"
      : `it returns ${outputs} scores per row`
    : `it returns the probabilities of ${outputs} classes`;
  throw new InputError(
    `Cannot store the scores of ${version.name} version ${version.version} in churn_predictions, which holds one probability per row: ${found}; ` +
      `write them to a file with --output FILE.csv, .jsonl or .parquet` +
      (isOpen
        ? ", or set `model_output: probability` in variants.yaml if it is one"
        : ""),
  );
}

/** Returns the model's columns; for a graph without names, those in the variant's features file. @throws {InputError} If it lists another number of features than the model takes. */
export async function columnsOf(
  services: Services,
  scorer: Scorer,
  settings: VariantSettings,
): Promise<readonly Column[]> {
  if (scorer.columns) return scorer.columns;
  const file = await readVariantFile(
    services.variantFiles(settings.variant),
    settings.files.features,
  );
  const names = parseFeatureNames(file.bytes, { file: file.uri });
  if (scorer.features === undefined || scorer.features === names.length) {
    services.log.info(
      `The model has no column names; using those in ${file.uri}`,
    );
    return names.map((name) => ({ name, type: "double" }));
  }
  throw new InputError(
    `Cannot use ${file.uri}: it lists ${names.length} features, the model takes ${scorer.features}`,
  );
}
