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
  appendScores,
  findScoringRun,
  type OpenScoringRun,
  publishScoring,
  type ScoreChunk,
  type ScoringRun,
  startScoring,
} from "./ledger.ts";
import { type BadRowLimit, type BadRowStore, openBadRows } from "./bad-rows.ts";
import type { SkippedInput } from "./inputs.ts";
import { openScoreWriter } from "./score-writer.ts";
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
  RawColumnsMissed,
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
  /** Sets rows aside that cannot be used; without it, the first one is an error. */
  readonly badRows: BadRowOptions | undefined;
}

/** Where rows that cannot be used go, and how many of each input may. */
export interface BadRowOptions {
  /** Path or `s3://` URI of the file, which is replaced. */
  readonly file: string;
  readonly limit: BadRowLimit | undefined;
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
    await using badRows = openBadRowFile(context);
    for (const data of inputs) {
      stored.push(await storeInPostgres(context, data, badRows));
    }
    return stored;
  }
  if (dryRun) {
    for (const data of inputs) {
      const scored = await fromTheStart(
        context,
        `score ${data.file.uri}`,
        (rawColumns) => score(context, data, { sink: drain, rawColumns }),
      );
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

/** The raw columns of inputs that have them in some rows only. */
type RawColumns = ReadonlyMap<InputData, readonly string[]>;

/**
 * Scores one input, once. If a raw column turns up late or a service is unavailable,
 * what the sink did is void: {@linkcode fromTheStart} begins again.
 */
async function score(
  { services, scorer, options, binding }: Context,
  data: InputData,
  { sink, badRows: store, rawColumns }: {
    sink: Sink;
    badRows?: BadRowStore | undefined;
    rawColumns: RawColumns;
  },
): Promise<ScoredFile> {
  const { log, config } = services;
  const { settings } = options;
  return await scoreInto(scorer, data, {
    ...binding,
    settings,
    log,
    sink,
    badRows: options.badRows && { limit: options.badRows.limit, store },
    temporary: temporaryFolder(config),
    rawColumns: rawColumns.get(data),
  });
}

/** Runs a step that scores inputs, from its beginning again if a raw column turns up late or a service is unavailable. */
async function fromTheStart<T>(
  { services }: Context,
  what: string,
  step: (rawColumns: RawColumns) => Promise<T>,
): Promise<T> {
  const rawColumns = new Map<InputData, readonly string[]>();
  return await services.withRetry(what, async () => {
    for (;;) {
      try {
        return await step(rawColumns);
      } catch (error) {
        if (!(error instanceof RawColumnsMissed)) throw error;
        rawColumns.set(error.data, error.columns);
      }
    }
  });
}

/** Opens the file for rows that cannot be used; undefined if they are an error. */
function openBadRowFile(
  { services: { artifacts, config }, options: { badRows } }: Context,
): BadRowStore | undefined {
  return badRows && openBadRows({
    folder: temporaryFolder(config),
    create: () => createNamedFile(badRows.file, artifacts),
  });
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
  badRows: BadRowStore | undefined,
): Promise<StoredInput> {
  const { services, scorer, options, binding } = context;
  const { settings: { variant }, version, force } = options;
  const database = await services.predictions();
  let run: OpenScoringRun | undefined;
  try {
    const sink = async (blocks: AsyncIterable<PlacedScores>) => {
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
    };
    const scored = await fromTheStart(
      context,
      `score ${data.file.uri}`,
      (rawColumns) => score(context, data, { sink, badRows, rawColumns }),
    );
    const { contentSha256 } = scored;
    const known = force ? undefined : await services.withRetry(
      "read the ledger",
      () => findScoringRun(database, { variant, contentSha256 }),
    );
    if (known) return asStored({ data, ledger: known, sameAs: undefined });
    return await logRun(context, scored, async (mlflowRunId) => {
      // Written first, so that whoever sees the scores finds the rows without one.
      badRows?.keep();
      await publishBadRows(context, badRows);
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

async function publishBadRows(
  { services, options }: Context,
  badRows: BadRowStore | undefined,
): Promise<void> {
  if (!badRows) return;
  await services.withRetry(
    `write ${options.badRows?.file}`,
    () => badRows.publish(),
  );
}

async function* toChunks(
  blocks: AsyncIterable<PlacedScores>,
): AsyncGenerator<ScoreChunk> {
  for await (const { firstRow, rowNumbers, scores, ids } of blocks) {
    yield { firstRow, rowNumbers, scores, ids };
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

/** Writes the scores of all inputs of the call to one file, in input order. If a service is unavailable meanwhile, the file is begun again. */
async function writeOutput(
  context: Context,
  inputs: readonly InputData[],
): Promise<ScoredFile[]> {
  const { services, scorer, options } = context;
  const { output } = options;
  return await fromTheStart(context, `write ${output}`, async (rawColumns) => {
    await using badRows = openBadRowFile(context);
    await using file = await createNamedFile(output, services.artifacts);
    const all: ScoredFile[] = [];
    const writer = await openScoreWriter(file, { ...options, scorer });
    for (const data of inputs) {
      const sink = (blocks: AsyncIterable<PlacedScores>) =>
        writer.write(blocks, data.file.uri);
      all.push(await score(context, data, { sink, badRows, rawColumns }));
      badRows?.keep();
    }
    await writer.finish();
    await badRows?.publish();
    await file.finish();
    return all;
  });
}
