/** Finds the new inputs of one variant, scores them with one version, and stores each once. */
import { openCache } from "../storage/digest-cache.ts";
import { sha256 } from "../base/digest.ts";
import { scoreDistribution } from "../statistics/distribution.ts";
import { InputError } from "../base/errors.ts";
import { parseFeatureNames } from "../rows/feature-names.ts";
import type { Column } from "../rows/cells.ts";
import {
  type InputFile,
  readNamedFiles,
  readNewData,
  readVariantFile,
  writeNamedFile,
} from "../services/variant-files.ts";
import type { Experiment, ModelVersion } from "../mlflow/store.ts";
import { readModelFolder } from "../mlflow/model-folder/read.ts";
import { outputFormat, type OutputRow, toOutput } from "../rows/write.ts";
import {
  findScoringRun,
  type ScoringRun,
  storePredictions,
  type StoreResult,
} from "./ledger.ts";
import { digestRecipe, type Recipe } from "../rows/recipe.ts";
import type { OutputSettings } from "./model-output.ts";
import {
  type Engine,
  isProbability,
  openScorer,
  type Scorer,
} from "./scorer.ts";
import {
  finishScoringRun,
  recipeOf,
  type ScoredFile,
  scoreFile,
  startScoringRun,
} from "./scoring-run.ts";
import type { Services } from "../services/services.ts";
import { digestTags, sourceTags } from "../mlflow/tags.ts";
import type { VariantSettings } from "../config/variants.ts";

/** Options that apply to all inputs of one call. */
export interface BatchOptions {
  readonly settings: VariantSettings;
  readonly experiment: Experiment;
  readonly version: ModelVersion;
  readonly modelUri: string;
  /** Scores inputs again that were scored before, as a new attempt. */
  readonly force: boolean;
  /** Scores, but stores and logs nothing. */
  readonly dryRun: boolean;
  /** `postgres`, or the path of a file. */
  readonly output: string;
}

/** One input and its result. */
export interface StoredInput {
  readonly file: InputFile;
  /** Undefined when the input was not scored, because it had been stored before. */
  readonly scored: ScoredFile | undefined;
  /** The input's ledger row; undefined for file output and dry runs. */
  readonly ledger: ScoringRun | undefined;
  readonly mlflowRunId: string | undefined;
  /** An earlier input of the same call with the same content; this one was skipped. */
  readonly sameAs?: InputFile;
}

/** Inputs, separated by whether a completed run of the variant scored the same content. */
export interface SortedInputs {
  readonly fresh: readonly InputFile[];
  readonly known: readonly StoredInput[];
}

/**
 * Reads the inputs of one call: the named ones, or else the variant's new data
 * with its declared fallback.
 *
 * @param options `named`: URIs or paths, `*` allowed; `fallback`: whether the local folder may replace S3.
 */
export async function readInputs(
  services: Services,
  settings: VariantSettings,
  options: { named: readonly string[] | undefined; fallback: boolean },
): Promise<InputFile[]> {
  const { withRetry, artifacts, log } = services;
  const { named, fallback } = options;
  if (named === undefined) {
    const files = services.variantFiles(settings.variant);
    const { sample } = settings.files;
    return [await readNewData(files, sample, { fallback, log })];
  }
  const files = named.map((uri) =>
    withRetry(`read ${uri}`, () => readNamedFiles(uri, artifacts))
  );
  return (await Promise.all(files)).flat();
}

/**
 * Separates the inputs from copies, which have the same content as an earlier
 * input and would store the same rows twice.
 */
export function withoutCopies(
  inputs: readonly InputFile[],
): { inputs: InputFile[]; copies: StoredInput[] } {
  const first = new Map<string, InputFile>();
  const copies: StoredInput[] = [];
  for (const file of inputs) {
    const digest = sha256(file.bytes);
    const sameAs = first.get(digest);
    if (sameAs) {
      copies.push({
        file,
        scored: undefined,
        ledger: undefined,
        mlflowRunId: undefined,
        sameAs,
      });
    } else first.set(digest, file);
  }
  return { inputs: [...first.values()], copies };
}

/** Separates the inputs into new and known ones; with `force` or file output, all are new. */
export async function sortInputs(
  services: Services,
  inputs: readonly InputFile[],
  options: BatchOptions,
): Promise<SortedInputs> {
  const { settings: { variant }, force, output } = options;
  if (force || output !== "postgres") return { fresh: inputs, known: [] };
  const database = await services.predictions();
  const fresh: InputFile[] = [];
  const known: StoredInput[] = [];
  for (const file of inputs) {
    const input = { variant, contentSha256: sha256(file.bytes) };
    const ledger = await services.withRetry(
      "read the ledger",
      () => findScoringRun(database, input),
    );
    if (ledger) {
      known.push({ file, scored: undefined, ledger, mlflowRunId: undefined });
    } else fresh.push(file);
  }
  return { fresh, known };
}

/**
 * Returns the scorer of a registered version. Its files are read through the
 * cache in `CHURN_HOME` and verified against the digests recorded when it was
 * logged. A version that MLflow itself logged has no digests; a message reports
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
  const cache = openCache(`${config.home}/cache/models`);
  const store = artifacts(version.artifactUri);
  const folder = await withRetry(
    `read ${store.uri}`,
    () =>
      readModelFolder(store, {
        mlmodelSha256: version.tags[digestTags.mlmodel],
        cache: options.dryRun && config.embedded
          ? { ...cache, store: () => Promise.resolve() }
          : cache,
      }),
  );
  if (!folder.verified) {
    log.warn(
      `${version.name} version ${version.version} has no digests on record, so its files are taken as they are`,
    );
  }
  return await openScorer(folder, options);
}

/**
 * Scores each input and stores its scores. In Postgres, inputs are stored one at
 * a time and remain stored if a later one fails. A file is written at once for
 * all inputs, and MLflow runs are logged only after it is complete.
 */
export async function scoreInputs(
  services: Services,
  scorer: Scorer,
  options: BatchOptions & { inputs: readonly InputFile[] },
): Promise<StoredInput[]> {
  const { settings, output, dryRun, inputs } = options;
  const { log } = services;
  if (output === "postgres") checkStorable(scorer, options);
  const columns = await columnsOf(services, scorer, settings);
  const recipe = recipeOf(scorer, {
    declared: settings.recipe,
    columns,
    log,
  });
  const score = (file: InputFile) =>
    scoreFile(scorer, file, { settings, columns, recipe, log });
  const stored: StoredInput[] = [];
  if (output === "postgres" && !dryRun) {
    for (const file of inputs) {
      stored.push(
        await storeInPostgres(services, scorer, {
          ...options,
          recipe,
          scored: await score(file),
        }),
      );
    }
    return stored;
  }
  const all: ScoredFile[] = [];
  for (const file of inputs) all.push(await score(file));
  if (dryRun) {
    return all.map((scored) => ({
      file: scored.file,
      scored,
      ledger: undefined,
      mlflowRunId: undefined,
    }));
  }
  await writeOutput(services, { scorer, all, options });
  for (const scored of all) {
    stored.push(
      await logFileOutput(services, scorer, { ...options, recipe, scored }),
    );
  }
  return stored;
}

/** Rejects a model that does not return one churn probability per row, before anything is scored or logged. */
function checkStorable(
  scorer: Scorer,
  { version, settings }: BatchOptions,
): void {
  if (isProbability(scorer)) return;
  const { predictionKind, outputs, engine } = scorer;
  const isOpen = engine === "onnxruntime" && predictionKind === "score" &&
    outputs <= 2 && settings.modelOutput === undefined;
  const found = predictionKind === "score"
    ? outputs === 1
      ? "it gives a score that is not known to be a probability"
      : `it gives ${outputs} scores per row`
    : `it gives the probabilities of ${outputs} classes`;
  throw new InputError(
    `Cannot store the scores of ${version.name} version ${version.version} in churn_predictions, which holds one probability per row: ${found}; ` +
      `write them to a file with --output FILE.csv, .jsonl or .parquet` +
      (isOpen
        ? ", or set `model_output: probability` in variants.yaml if it is one"
        : ""),
  );
}

/** Returns the model's columns; for a graph without names, those in the variant's features file. */
async function columnsOf(
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
      `The model names no columns; they are taken from ${file.uri}`,
    );
    return names.map((name) => ({ name, type: "double" }));
  }
  throw new InputError(
    `Cannot use ${file.uri}: it names ${names.length} features, the model takes ${scorer.features}`,
  );
}

type StoreOptions = BatchOptions & { recipe: Recipe; scored: ScoredFile };

async function storeInPostgres(
  services: Services,
  scorer: Scorer,
  options: StoreOptions,
): Promise<StoredInput> {
  return await withScoringRun(
    services,
    scorer,
    options,
    async (mlflowRunId) => {
      const { stored, run } = await store(services, scorer, {
        ...options,
        mlflowRunId,
      });
      return { stored, ledger: run };
    },
  );
}

async function logFileOutput(
  services: Services,
  scorer: Scorer,
  options: StoreOptions,
): Promise<StoredInput> {
  return await withScoringRun(
    services,
    scorer,
    options,
    () => Promise.resolve({ stored: true, ledger: undefined }),
  );
}

/** Stores one input within an MLflow run, which ends as FINISHED, as FAILED, or as KILLED when another process stored the input first. */
async function withScoringRun(
  services: Services,
  scorer: Scorer,
  options: StoreOptions,
  storeScores: (
    mlflowRunId: string,
  ) => Promise<{ stored: boolean; ledger: ScoringRun | undefined }>,
): Promise<StoredInput> {
  const { withRetry, config } = services;
  const { scored } = options;
  const mlflow = await services.mlflow();
  const tags = sourceTags("predict", config);
  const mlflowRunId = await startScoringRun(mlflow, scored, {
    ...options,
    engine: scorer.engine,
    tags,
    withRetry,
  });
  const end = (status: "FAILED" | "KILLED") =>
    mlflow.finishRun(mlflowRunId, { status, endTimeMs: Date.now() });
  try {
    const { stored, ledger } = await storeScores(mlflowRunId);
    if (!stored) {
      services.log.info(
        `${scored.file.uri} was stored by another process meanwhile; this one stored nothing`,
      );
      await end("KILLED");
      return {
        file: scored.file,
        scored: undefined,
        ledger,
        mlflowRunId: undefined,
      };
    }
    await finishScoringRun(mlflow, mlflowRunId, { scored, withRetry });
    return { file: scored.file, scored, ledger, mlflowRunId };
  } catch (error) {
    await end("FAILED").catch(() => {});
    throw error;
  }
}

async function store(
  services: Services,
  scorer: Scorer,
  options: StoreOptions & { mlflowRunId: string },
): Promise<StoreResult> {
  const { settings, version, recipe, scored, force, mlflowRunId } = options;
  const database = await services.predictions();
  const input = {
    variant: settings.variant,
    inputUri: scored.file.uri,
    contentSha256: scored.contentSha256,
    recipeSha256: digestRecipe(recipe),
    modelName: version.name,
    modelVersion: String(version.version),
    modelSha256: scorer.modelSha256,
    dataSource: scored.file.source,
    mlflowRunId,
    startedAt: scored.startedAt,
    probabilities: scored.scores,
    ids: scored.features.ids,
  };
  return await services.withRetry(
    "store the scores",
    () => storePredictions(database, input, { force }),
  );
}

/** Writes the scores of all inputs of the call to one file, in input order. */
async function writeOutput(
  services: Services,
  { scorer, all, options }: {
    scorer: Scorer;
    all: readonly ScoredFile[];
    options: BatchOptions;
  },
): Promise<void> {
  const rows = all.flatMap((scored) =>
    toOutputRows(scored, { scorer, options })
  );
  const bytes = toOutput(rows, outputFormat(options.output));
  await services.withRetry(
    `write ${options.output}`,
    () => writeNamedFile(options.output, bytes, services.artifacts),
  );
}

function toOutputRows(
  { file, features, scores }: ScoredFile,
  { scorer, options }: { scorer: Scorer; options: BatchOptions },
): OutputRow[] {
  const { version } = options;
  const name = isProbability(scorer) ? "churn_probability" : "score";
  const columns = scorer.outputs === 1
    ? [name]
    : Array.from({ length: scorer.outputs }, (_, index) => `${name}_${index}`);
  return Array.from({ length: features.rows }, (_, row) => ({
    player_id: features.ids?.[row] ?? null,
    ...Object.fromEntries(
      columns.map((
        column,
        index,
      ) => [column, scores[row * scorer.outputs + index]!]),
    ),
    model_name: version.name,
    model_version: version.version,
    input_uri: file.uri,
    row_number: row + 1,
  }));
}

/** Returns the distribution of all scores of a call; undefined when nothing was scored. */
export function distributionOf(
  stored: readonly StoredInput[],
): ReturnType<typeof scoreDistribution> | undefined {
  const scores = stored.flatMap(({ scored }) => scored ? [scored.scores] : []);
  if (scores.length === 0) return undefined;
  const all = new Float32Array(
    scores.reduce((sum, { length }) => sum + length, 0),
  );
  let at = 0;
  for (const part of scores) {
    all.set(part, at);
    at += part.length;
  }
  return scoreDistribution(all);
}
