/** Finds the new inputs of one variant, scores them with one version, and stores each once. */
import { openCache } from "../storage/digest-cache.ts";
import { InputError } from "../base/errors.ts";
import { parseFeatureNames } from "../rows/feature-names.ts";
import type { Column } from "../rows/cells.ts";
import {
  createNamedFile,
  type InputData,
  readVariantFile,
} from "../services/variant-files.ts";
import type { Experiment, ModelVersion } from "../mlflow/store.ts";
import { readModelFolder } from "../mlflow/model-folder/read.ts";
import {
  openRowWriter,
  type OutputCells,
  type OutputColumn,
  outputFormat,
} from "../rows/write.ts";
import {
  appendScores,
  findScoringRun,
  type OpenScoringRun,
  publishScoring,
  type ScoreChunk,
  type ScoringRun,
  startScoring,
} from "./ledger.ts";
import { unpack } from "../rows/packed.ts";
import type { SkippedInput } from "./inputs.ts";
import type { PlacedScores } from "./score-file.ts";
import { digestRecipe } from "../rows/recipe.ts";
import type { OutputSettings } from "./model-output.ts";
import {
  type Engine,
  isProbability,
  openScorer,
  type Scorer,
} from "./scorer.ts";
import {
  type Binding,
  finishScoringRun,
  recipeOf,
  type ScoredFile,
  scoreInto,
  startScoringRun,
} from "./scoring-run.ts";
import { type Services, temporaryFolder } from "../services/services.ts";
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
  readonly data: InputData;
  /** Undefined when the input was not scored, because it had been stored before. */
  readonly scored: ScoredFile | undefined;
  /** The input's ledger row; undefined for file output and dry runs. */
  readonly ledger: ScoringRun | undefined;
  readonly mlflowRunId: string | undefined;
  /** An earlier input of the same call with the same content; this one was skipped. */
  readonly sameAs?: InputData | undefined;
}

/** Returns a skipped input as a result. */
export function asStored(
  { data, ledger, sameAs }: SkippedInput,
): StoredInput {
  return { data, scored: undefined, ledger, mlflowRunId: undefined, sameAs };
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
      `${version.name} version ${version.version} has no recorded digests, so its files are not verified`,
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
  options: BatchOptions & { inputs: readonly InputData[] },
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
  const context = { services, scorer, options, binding: { columns, recipe } };
  const stored: StoredInput[] = [];
  if (output === "postgres" && !dryRun) {
    for (const data of inputs) {
      stored.push(await storeInPostgres(context, data));
    }
    return stored;
  }
  if (dryRun) {
    for (const data of inputs) {
      const scored = await score(context, data, drain);
      stored.push({
        data,
        scored,
        ledger: undefined,
        mlflowRunId: undefined,
      });
    }
    return stored;
  }
  for (const scored of await writeOutput(context, inputs)) {
    stored.push(
      await logRun(
        context,
        scored,
        () => Promise.resolve({ stored: true, ledger: undefined }),
      ),
    );
  }
  return stored;
}

/** What the steps of one call share. */
interface Context {
  readonly services: Services;
  readonly scorer: Scorer;
  readonly options: BatchOptions;
  readonly binding: Binding;
}

/** Consumes the scores of one input. */
type Sink = (blocks: AsyncIterable<PlacedScores>) => Promise<void>;

/** Scores one input, from its beginning again if a service is away while it is read or stored. */
async function score(
  { services, scorer, options: { settings }, binding }: Context,
  data: InputData,
  sink: Sink,
): Promise<ScoredFile> {
  const { withRetry, log, config } = services;
  return await withRetry(
    `score ${data.file.uri}`,
    () =>
      scoreInto(scorer, data, {
        ...binding,
        settings,
        log,
        sink,
        temporary: temporaryFolder(config),
      }),
  );
}

async function drain(blocks: AsyncIterable<PlacedScores>): Promise<void> {
  for await (const _ of blocks);
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
      `The model has no column names; using those in ${file.uri}`,
    );
    return names.map((name) => ({ name, type: "double" }));
  }
  throw new InputError(
    `Cannot use ${file.uri}: it lists ${names.length} features, the model takes ${scorer.features}`,
  );
}

/** Appends the scores of an input while they are computed, and publishes them when all are there. */
async function storeInPostgres(
  context: Context,
  data: InputData,
): Promise<StoredInput> {
  const { services, scorer, options, binding } = context;
  const { settings: { variant }, version, force } = options;
  const database = await services.predictions();
  let run: OpenScoringRun | undefined;
  try {
    const scored = await score(context, data, async (blocks) => {
      await run?.[Symbol.asyncDispose]();
      run = await startScoring(database, {
        variant,
        inputUri: data.file.uri,
        recipeSha256: digestRecipe(binding.recipe),
        modelName: version.name,
        modelVersion: String(version.version),
        modelSha256: scorer.modelSha256,
        dataSource: data.source,
        startedAt: new Date(),
      });
      await appendScores(database, run, toChunks(blocks));
    });
    const { contentSha256 } = scored;
    const known = force ? undefined : await services.withRetry(
      "look into the ledger",
      () => findScoringRun(database, { variant, contentSha256 }),
    );
    if (known) return asStored({ data, ledger: known, sameAs: undefined });
    return await logRun(context, scored, async (mlflowRunId) => {
      const { stored, run: ledger } = await services.withRetry(
        "store the scores",
        () =>
          publishScoring(database, run!, {
            contentSha256,
            rows: scored.rows,
            rowsSetAside: scored.rowsSetAside,
            inputBytes: data.file.size,
            mlflowRunId,
            force,
          }),
      );
      return { stored, ledger };
    });
  } finally {
    await run?.[Symbol.asyncDispose]();
  }
}

async function* toChunks(
  blocks: AsyncIterable<PlacedScores>,
): AsyncGenerator<ScoreChunk> {
  for await (const { firstRow, scores, ids } of blocks) {
    yield { firstRow, scores, ids };
  }
}

/** Logs one scored input as an MLflow run, which ends as FINISHED, as FAILED, or as KILLED when another process stored the input first. */
async function logRun(
  { services, scorer, options }: Context,
  scored: ScoredFile,
  store: (
    mlflowRunId: string,
  ) => Promise<{ stored: boolean; ledger: ScoringRun | undefined }>,
): Promise<StoredInput> {
  const { withRetry, config } = services;
  const { data } = scored;
  const mlflow = await services.mlflow();
  const mlflowRunId = await startScoringRun(mlflow, scored, {
    ...options,
    engine: scorer.engine,
    tags: sourceTags("predict", config),
    withRetry,
  });
  const end = (status: "FAILED" | "KILLED") =>
    mlflow.finishRun(mlflowRunId, { status, endTimeMs: Date.now() });
  try {
    const { stored, ledger } = await store(mlflowRunId);
    if (!stored) {
      services.log.info(
        `${data.file.uri} was stored by another process in the meantime; nothing was stored again`,
      );
      await end("KILLED");
      return asStored({ data, ledger, sameAs: undefined });
    }
    await finishScoringRun(mlflow, mlflowRunId, { scored, withRetry });
    return { data, scored, ledger, mlflowRunId };
  } catch (error) {
    await end("FAILED").catch(() => {});
    throw error;
  }
}

/** Writes the scores of all inputs of the call to one file, in input order. If a service is away meanwhile, the file is begun again. */
async function writeOutput(
  context: Context,
  inputs: readonly InputData[],
): Promise<ScoredFile[]> {
  const { services, options: { output } } = context;
  return await services.withRetry(`write ${output}`, async () => {
    await using file = await createNamedFile(output, services.artifacts);
    const all: ScoredFile[] = [];
    const columns = outputColumns(context.scorer);
    const writer = await openRowWriter(file, {
      format: outputFormat(output),
      columns,
    });
    for (const data of inputs) {
      const facts = outputFacts(context, data);
      all.push(
        await score(context, data, async (blocks) => {
          for await (const block of blocks) {
            await writer.write(toCells(block, { columns, facts }));
          }
        }),
      );
    }
    await writer.finish();
    await file.finish();
    return all;
  });
}

/** The columns of an output file; more than one score per row is `score_0`, `score_1`, … */
function outputColumns(scorer: Scorer): OutputColumn[] {
  const name = isProbability(scorer) ? "churn_probability" : "score";
  return [
    { name: "player_id", type: "text" },
    ...Array.from({ length: scorer.outputs }, (_, index): OutputColumn => ({
      name: scorer.outputs === 1 ? name : `${name}_${index}`,
      type: "number",
    })),
    { name: "model_name", type: "text" },
    { name: "model_version", type: "integer" },
    { name: "input_uri", type: "text" },
    { name: "row_number", type: "integer" },
    { name: "geography_id", type: "text" },
    { name: "company_id", type: "text" },
    { name: "prediction_timestamp", type: "timestamp" },
  ];
}

/** Returns the cells that are the same for all rows of an input, by column. */
function outputFacts(
  { options: { version, settings: { variant } } }: Context,
  { file }: InputData,
): Record<string, string | number | Date | null> {
  return {
    model_name: version.name,
    model_version: version.version,
    input_uri: file.uri,
    geography_id: variant.geography ?? null,
    company_id: variant.company ?? null,
    prediction_timestamp: new Date(),
  };
}

function toCells(
  { rows, scores, ids, firstRow }: PlacedScores,
  { columns, facts }: {
    columns: readonly OutputColumn[];
    facts: Record<string, string | number | Date | null>;
  },
): OutputCells[] {
  const outputs = rows === 0 ? 0 : scores.length / rows;
  const players = ids && unpack(ids);
  return columns.map(({ name }, column) => {
    if (name === "player_id") {
      return players ?? new Array<null>(rows).fill(null);
    }
    if (name === "row_number") {
      return Array.from({ length: rows }, (_, row) => firstRow + row);
    }
    if (name in facts) return new Array(rows).fill(facts[name]!);
    // The scores follow the player.
    return Array.from(
      { length: rows },
      (_, row) => scores[row * outputs + column - 1]!,
    );
  });
}
