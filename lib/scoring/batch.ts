/** Scores the new batches of one variant with one version, and stores each once. */
import { InputError, messageOf, TransientError } from "../base/errors.ts";
import { namedPlace, nameOfInput } from "../services/variant-files.ts";
import type { InputBatch } from "../services/input-batches.ts";
import { toDay } from "../config/periods.ts";
import type { Experiment, ModelVersion } from "../mlflow/store.ts";
import {
  appendScores,
  findScoringRun,
  type OpenScoringRun,
  publishScoring,
  type ScoringRun,
  startScoring,
} from "./ledger.ts";
import { type BadRowLimit, type BadRowStore, openBadRows } from "./bad-rows.ts";
import {
  checkPromise,
  IncompleteDelivery,
  readPromise,
} from "./expectations.ts";
import type { SkippedBatch } from "./inputs.ts";
import { openScoreWriter } from "./score-writer.ts";
import type { ScoreChunk } from "./scores.ts";
import { digestRecipe } from "../rows/recipe.ts";
import type { Engine, Scorer } from "./scorer.ts";
import { checkStorable, columnsOf, openVersion } from "./version.ts";
import { finishScoringRun, startScoringRun } from "./mlflow-run.ts";
import {
  type BatchScores,
  type Binding,
  RawColumnsMissed,
  recipeOf,
  type ScoredBatch,
  scoreInto,
} from "./scoring-run.ts";
import { type Services, temporaryFolder } from "../services/services.ts";
import { settleScores, startSettling } from "../services/settled-scores.ts";
import { sourceTags } from "../mlflow/tags.ts";
import type { VariantSettings } from "../config/variants.ts";

/** Options that apply to all batches of one call. */
export interface BatchOptions {
  readonly settings: VariantSettings;
  readonly experiment: Experiment;
  readonly version: ModelVersion;
  readonly modelUri: string;
  /** Tells whether a batch is scored again, as a new attempt, if its content was scored before. */
  readonly again: (batch: InputBatch) => boolean;
  /** Names the request to score again; a batch is stored once per key. */
  readonly idempotencyKey: string | undefined;
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

/** One batch and its result. */
export interface StoredBatch {
  readonly batch: InputBatch;
  /** Undefined when the batch was not scored, because it had been stored before or is not whole. */
  readonly scored: ScoredBatch | undefined;
  /** The batch's ledger row; undefined for file output and dry runs. */
  readonly ledger: ScoringRun | undefined;
  readonly mlflowRunId: string | undefined;
  /** Why the batch is not the one that its side file promises; its scores are not stored. */
  readonly incomplete?: string;
  /** Why the batch cannot be used; others of the call were scored all the same. */
  readonly failure?: string;
}

/** Returns a skipped batch as a result. */
export function asStored(
  { batch, run }: Pick<SkippedBatch, "batch" | "run">,
): StoredBatch {
  return { batch, scored: undefined, ledger: run, mlflowRunId: undefined };
}

/**
 * Opens the version, unless a scorer is given, and scores the batches with it, as
 * {@linkcode scoreBatches} does. Without batches nothing is opened, and the engine
 * is undefined.
 */
export async function openAndScore(
  services: Services,
  options: BatchOptions & {
    engine: "auto" | Engine;
    batches: readonly InputBatch[];
    scorer: Scorer | undefined;
  },
): Promise<{ stored: StoredBatch[]; engine: Engine | undefined }> {
  const { batches, version } = options;
  if (batches.length === 0) return { stored: [], engine: undefined };
  const [first] = batches;
  services.log.info(
    `Scoring ${
      first && batches.length === 1
        ? nameOfInput(first.uri)
        : `${batches.length} periods`
    } with ${version.name} version ${version.version}`,
  );
  for (const { uri } of batches) {
    services.log.verbose(`to score: ${nameOfInput(uri)}`);
  }
  await using scorer = options.scorer ??
    await openVersion(services, version, options);
  const stored = await scoreBatches(services, scorer, options);
  return { stored, engine: scorer.engine };
}

/**
 * Scores each batch and stores its scores. In Postgres, batches are stored one at
 * a time; one whose data cannot be used does not keep the others from it. A file
 * is written at once for all batches, and MLflow runs are logged only after it is
 * complete. A batch that is not the one its side file promises is not stored.
 */
async function scoreBatches(
  services: Services,
  scorer: Scorer,
  options: BatchOptions & { batches: readonly InputBatch[] },
): Promise<StoredBatch[]> {
  const { settings, output, dryRun, batches } = options;
  const { log } = services;
  if (output === "postgres") checkStorable(scorer, options);
  const columns = await columnsOf(services, scorer, settings);
  const recipe = recipeOf(scorer, {
    declared: settings.recipe,
    columns,
    log,
  });
  const context = { services, scorer, options, binding: { columns, recipe } };
  const stored: StoredBatch[] = [];
  const only = batches.length === 1;
  if (output === "postgres" && !dryRun) {
    await using badRows = openBadRowFile(context);
    const database = await services.predictions();
    const unsettled = { variant: settings.variant.key, log };
    // What earlier calls stored; if it is much, while rows are read and scored.
    const settling = await startSettling(database, unsettled);
    for (const batch of batches) {
      const step = () => storeInPostgres(context, batch, badRows);
      stored.push(
        await orFailure(services, batch, { only, step }).catch((error) => {
          throw namingStored(error, stored);
        }),
      );
    }
    const warning = await settling.warning ??
      (batches.length > 1
        ? await settleScores(database, unsettled)
        : undefined);
    if (warning !== undefined) log.warn(warning);
    return stored;
  }
  if (dryRun) {
    for (const batch of batches) {
      const sink = drain;
      stored.push(
        await orFailure(services, batch, {
          only,
          step: async () => ({
            batch,
            scored: await fromTheStart(
              context,
              `score ${nameOfInput(batch.uri)}`,
              (rawColumns) => score(context, batch, { sink, rawColumns }),
            ),
            ledger: undefined,
            mlflowRunId: undefined,
          }),
        }),
      );
    }
    return stored;
  }
  for (const scored of await writeOutput(context, batches)) {
    stored.push(
      await logRun(context, scored, {
        ledgerId: undefined,
        store: () => Promise.resolve({ stored: true, ledger: undefined }),
      }),
    );
  }
  return stored;
}

/** Adds to a temporary failure which batches of the call were stored before it. */
function namingStored(error: unknown, stored: readonly StoredBatch[]): unknown {
  const before = stored.flatMap(({ batch, scored }) =>
    scored ? [batch.uri] : []
  );
  if (!(error instanceof TransientError) || before.length === 0) return error;
  return new TransientError(
    `${messageOf(error)} (stored before: ${before.join(", ")})`,
    { cause: error.cause, outage: error.outage },
  );
}

/**
 * Returns the result of a step, or the batch as one that is not whole. Data that
 * cannot be used are the batch's failure if there are others, which are scored all
 * the same, so that an old period never holds up a new one.
 */
async function orFailure(
  { log }: Services,
  batch: InputBatch,
  { only, step }: { only: boolean; step: () => Promise<StoredBatch> },
): Promise<StoredBatch> {
  const unscored = {
    batch,
    scored: undefined,
    ledger: undefined,
    mlflowRunId: undefined,
  };
  try {
    return await step();
  } catch (error) {
    if (error instanceof IncompleteDelivery) {
      return { ...unscored, incomplete: error.message };
    }
    if (only || !(error instanceof InputError)) throw error;
    const failure = messageOf(error);
    log.error(failure);
    return { ...unscored, failure };
  }
}

/** What the steps of one call share. */
interface Context {
  readonly services: Services;
  readonly scorer: Scorer;
  readonly options: BatchOptions;
  readonly binding: Binding;
}

/** Consumes the scores of one batch. */
type Sink = (blocks: AsyncIterable<BatchScores>) => Promise<void>;

/** The raw columns of batches that have them in some rows only. */
type RawColumns = ReadonlyMap<InputBatch, readonly string[]>;

/**
 * Scores one batch, once, and compares it with its side file. If a raw column turns
 * up late or a service is unavailable, what the sink did is void:
 * {@linkcode fromTheStart} begins again.
 */
async function score(
  { services, scorer, options, binding }: Context,
  batch: InputBatch,
  { sink, badRows: store, rawColumns }: {
    sink: Sink;
    badRows?: BadRowStore | undefined;
    rawColumns: RawColumns;
  },
): Promise<ScoredBatch> {
  const { log, config, signal } = services;
  const { settings } = options;
  const promised = await readPromise(batch, settings);
  const scored = await scoreInto(scorer, batch, {
    ...binding,
    settings,
    log,
    sink,
    badRows: options.badRows && { limit: options.badRows.limit, store },
    temporary: temporaryFolder(config),
    signal,
    rawColumns: rawColumns.get(batch),
  });
  if (promised) {
    const { rows, rowsSetAside, contentSha256 } = scored;
    const delivered = {
      uri: batch.uri,
      rows: rows + rowsSetAside,
      contentSha256,
    };
    checkPromise(delivered, promised);
  }
  return scored;
}

/** Runs a step that scores batches, from its beginning again if a raw column turns up late or a service is unavailable. */
async function fromTheStart<T>(
  { services }: Context,
  what: string,
  step: (rawColumns: RawColumns) => Promise<T>,
): Promise<T> {
  const rawColumns = new Map<InputBatch, readonly string[]>();
  return await services.withRetry(what, async () => {
    for (;;) {
      try {
        return await step(rawColumns);
      } catch (error) {
        if (!(error instanceof RawColumnsMissed)) throw error;
        rawColumns.set(error.batch, error.columns);
      }
    }
  });
}

/** Opens the file for rows that cannot be used; undefined if they are an error. */
function openBadRowFile(
  { services: { artifacts, config }, options: { badRows } }: Context,
): BadRowStore | undefined {
  if (!badRows) return undefined;
  const { store, path } = namedPlace(badRows.file, artifacts);
  return openBadRows({
    folder: temporaryFolder(config),
    create: () => store.create(path),
  });
}

async function drain(blocks: AsyncIterable<BatchScores>): Promise<void> {
  for await (const _ of blocks);
}

/** Appends the scores of a batch while they are computed, and publishes them when all are there. */
async function storeInPostgres(
  context: Context,
  batch: InputBatch,
  badRows: BadRowStore | undefined,
): Promise<StoredBatch> {
  const { services, scorer, options, binding } = context;
  const { settings: { variant }, version, idempotencyKey } = options;
  const { period } = batch;
  const force = options.again(batch);
  const database = await services.predictions();
  let run: OpenScoringRun | undefined;
  try {
    const sink = async (blocks: AsyncIterable<BatchScores>) => {
      await run?.[Symbol.asyncDispose]();
      run = await startScoring(database, {
        variant,
        period,
        inputUri: batch.uri,
        recipeSha256: digestRecipe(binding.recipe),
        modelName: version.name,
        modelVersion: String(version.version),
        modelSha256: scorer.modelSha256,
        dataSource: batch.source,
        startedAt: new Date(),
      });
      await appendScores(database, run, toChunks(blocks));
    };
    const scored = await fromTheStart(
      context,
      `score ${nameOfInput(batch.uri)}`,
      (rawColumns) => score(context, batch, { sink, badRows, rawColumns }),
    );
    const { contentSha256, parts } = scored;
    const known = force ? undefined : await services.withRetry(
      "read the ledger",
      () => findScoringRun(database, { variant, period, contentSha256 }),
    );
    if (known) return asStored({ batch, run: known });
    const store = async (mlflowRunId: string) => {
      // Written first, so that whoever sees the scores finds the rows without one.
      if (badRows) {
        badRows.keep();
        await services.withRetry(
          `write ${options.badRows?.file}`,
          () => badRows.publish(),
        );
      }
      const { stored, run: ledger } = await services.withRetry(
        "store the scores",
        () =>
          publishScoring(database, run!, {
            contentSha256,
            rows: scored.rows,
            rowsSetAside: scored.rowsSetAside,
            inputBytes: parts.reduce((sum, { bytes }) => sum + bytes, 0),
            parts: parts.length > 1 ? parts : undefined,
            inputVersion: batch.version,
            duplicatePlayers: scored.duplicatePlayers?.players,
            repeatedRows: scored.duplicatePlayers?.repeatedRows,
            profile: scored.profile,
            mlflowRunId,
            force,
            idempotencyKey,
          }),
      );
      return { stored, ledger };
    };
    return await logRun(context, scored, { ledgerId: run?.id, store });
  } finally {
    await run?.[Symbol.asyncDispose]();
  }
}

/** Numbers the rows of a batch across its files. */
async function* toChunks(
  blocks: AsyncIterable<BatchScores>,
): AsyncGenerator<ScoreChunk> {
  for await (const block of blocks) {
    const { rowsBefore, rowNumbers, scores, ids } = block;
    yield {
      firstRow: rowsBefore + block.firstRow,
      rowNumbers: rowsBefore === 0
        ? rowNumbers
        : rowNumbers?.map((row) => row + rowsBefore),
      scores,
      ids,
    };
  }
}

/**
 * Logs one scored batch as an MLflow run, which ends as FINISHED, as FAILED, or as
 * KILLED when another process stored the batch first. If MLflow fails after the
 * scores were stored, the next call ends the run as FINISHED.
 *
 * @param options `store`: stores the scores; `ledgerId`: the run's id in the ledger, if they go there.
 */
async function logRun(
  { services, scorer, options }: Context,
  scored: ScoredBatch,
  { ledgerId, store }: {
    ledgerId: number | undefined;
    store: (
      mlflowRunId: string,
    ) => Promise<{ stored: boolean; ledger: ScoringRun | undefined }>;
  },
): Promise<StoredBatch> {
  const { withRetry, config } = services;
  const { batch } = scored;
  const mlflow = await services.mlflow();
  const mlflowRunId = await startScoringRun(mlflow, scored, {
    ...options,
    engine: scorer.engine,
    tags: sourceTags("predict", config),
    ledgerId,
    withRetry,
  });
  const end = (status: "FAILED" | "KILLED") =>
    mlflow.finishRun(mlflowRunId, { status, endTimeMs: Date.now() });
  const { stored, ledger } = await store(mlflowRunId).catch(async (error) => {
    await end("FAILED").catch(() => {});
    throw error;
  });
  if (!stored) {
    services.log.info(
      `${
        nameOfInput(batch.uri)
      } was stored by another process in the meantime; nothing was stored again`,
    );
    await end("KILLED");
    return { batch, scored: undefined, ledger, mlflowRunId: undefined };
  }
  const done = { batch, scored, ledger, mlflowRunId };
  await finishScoringRun(mlflow, mlflowRunId, { scored, withRetry })
    .catch((error) => {
      throw namingStored(error, [done]);
    });
  return done;
}

/** Writes the scores of all batches of the call to one file, in order. If a service is unavailable meanwhile, the file is begun again. */
async function writeOutput(
  context: Context,
  batches: readonly InputBatch[],
): Promise<ScoredBatch[]> {
  const { services, scorer, options } = context;
  const { output } = options;
  return await fromTheStart(context, `write ${output}`, async (rawColumns) => {
    await using badRows = openBadRowFile(context);
    const { store, path } = namedPlace(output, services.artifacts);
    await using file = await store.create(path);
    const all: ScoredBatch[] = [];
    const writer = await openScoreWriter(file, { ...options, scorer });
    for (const batch of batches) {
      const sink = (blocks: AsyncIterable<BatchScores>) =>
        writer.write(blocks, batch.period ?? toDay(new Date()));
      all.push(await score(context, batch, { sink, badRows, rawColumns }));
      badRows?.keep();
    }
    await writer.finish();
    await badRows?.publish();
    await file.finish();
    return all;
  });
}
