/**
 * Stores scores and their ledger. Each scored input has one ledger row, which is
 * committed together with its scores. Because of the ledger's unique key, a
 * batch is stored exactly once despite reruns, crashes or concurrent schedulers.
 */
import {
  type Database,
  DatabaseError,
  type Queryable,
} from "../database/database.ts";
import { InputError, UsageError } from "../base/errors.ts";
import type { DataSource } from "../services/variant-files.ts";
import type { Variant } from "../config/variant.ts";

/** One scored input that is not stored yet. */
export interface ScoredInput {
  readonly variant: Variant;
  readonly inputUri: string;
  /** SHA-256 of the bytes that were scored. */
  readonly contentSha256: string;
  /** SHA-256 of the feature recipe. */
  readonly recipeSha256: string;
  readonly modelName: string;
  readonly modelVersion: string;
  readonly modelSha256: string;
  readonly dataSource: DataSource;
  readonly mlflowRunId: string;
  readonly startedAt: Date;
  /** One probability per row, in the input's order. */
  readonly probabilities: Float32Array;
  /** The player id of each row; undefined when the input has none. */
  readonly ids: readonly (string | null)[] | undefined;
}

/** A completed ledger row. */
export interface ScoringRun {
  readonly id: number;
  readonly inputUri: string;
  readonly modelName: string;
  readonly modelVersion: string;
  readonly attempt: number;
  readonly mlflowRunId: string | null;
  readonly rows: number;
  readonly finishedAt: Date;
}

/** The result of {@linkcode storePredictions}. */
export interface StoreResult {
  /** False when this or another process had already stored the input, and nothing was written. */
  readonly stored: boolean;
  /** The input's ledger row. */
  readonly run: ScoringRun;
}

/** Rows per insert: small enough for Postgres's message limit and for constant memory use. */
const rowsPerInsert = 20_000;

const runColumns =
  `id, input_uri as "inputUri", model_name as "modelName", model_version as "modelVersion",
  attempt, mlflow_run_id as "mlflowRunId", row_count as rows, finished_at as "finishedAt"`;

/**
 * Returns the newest completed run that scored this content for this variant
 * with any model; undefined when the input is new.
 *
 * @throws {UsageError} If the prediction tables do not exist.
 */
export async function findScoringRun(
  database: Queryable,
  input: { variant: Variant; contentSha256: string },
): Promise<ScoringRun | undefined> {
  const [run] = await database.query<ScoringRun>(
    `select ${runColumns} from scoring_runs
     where variant = $1 and content_sha256 = $2 and status = 'completed'
     order by id desc limit 1`,
    [input.variant.key, input.contentSha256],
  ).catch(explainMissingTable);
  return run;
}

/**
 * Stores all rows of an input and its ledger row in one transaction. An input
 * that is already stored is not changed; with `force`, a new attempt is stored
 * in addition. A second call with the same `mlflowRunId` returns what the first
 * one stored, so a call whose connection broke during the commit can be retried.
 *
 * @throws {InputError} If a probability is not between 0 and 1; names the row.
 */
export async function storePredictions(
  database: Database,
  input: ScoredInput,
  options: { force?: boolean } = {},
): Promise<StoreResult> {
  refuseImprobable(input);
  return await database.transaction(async (tx) => {
    // Only an optimization: without it, two schedulers would both insert rows until the unique key rejects one.
    await tx.query("select pg_advisory_xact_lock(hashtextextended($1, 0))", [
      `churn:${input.variant.key}`,
    ]);
    const own = await findOwnRun(tx, input);
    if (own) return { stored: true, run: own };
    const existing = await findScoringRun(tx, input);
    if (existing && !options.force) return { stored: false, run: existing };
    const run = await insertRun(tx, input);
    await insertRows(tx, input, run.id);
    await checkCount(tx, run);
    return { stored: true, run };
  });
}

/** Returns the run that an earlier call with the same MLflow run stored, even if other runs were stored after it. */
async function findOwnRun(
  tx: Queryable,
  { variant, contentSha256, mlflowRunId }: ScoredInput,
): Promise<ScoringRun | undefined> {
  const [run] = await tx.query<ScoringRun>(
    `select ${runColumns} from scoring_runs
     where variant = $1 and content_sha256 = $2 and mlflow_run_id = $3 and status = 'completed'`,
    [variant.key, contentSha256, mlflowRunId],
  ).catch(explainMissingTable);
  return run;
}

async function insertRun(
  tx: Queryable,
  input: ScoredInput,
): Promise<ScoringRun> {
  const [run] = await tx.query<ScoringRun>(
    `insert into scoring_runs (variant, geography_id, company_id, input_uri, content_sha256, recipe_sha256,
       model_name, model_version, model_sha256, attempt, mlflow_run_id, row_count, data_source, started_at, finished_at)
     select $1::text, $2, $3, $4, $5::text, $6::text, $7::text, $8::text, $9,
       coalesce(max(attempt), 0) + 1, $10, $11, $12, $13, clock_timestamp()
     from scoring_runs
     where variant = $1 and content_sha256 = $5 and recipe_sha256 = $6 and model_name = $7 and model_version = $8
     returning ${runColumns}`,
    [
      input.variant.key,
      input.variant.geography ?? null,
      input.variant.company ?? null,
      input.inputUri,
      input.contentSha256,
      input.recipeSha256,
      input.modelName,
      input.modelVersion,
      input.modelSha256,
      input.mlflowRunId,
      input.probabilities.length,
      input.dataSource,
      input.startedAt,
    ],
  );
  return run!;
}

async function insertRows(
  tx: Queryable,
  input: ScoredInput,
  scoringRunId: number,
): Promise<void> {
  const { variant, probabilities, ids } = input;
  const timestamp = new Date();
  for (let start = 0; start < probabilities.length; start += rowsPerInsert) {
    const scores = Array.from(
      probabilities.subarray(start, start + rowsPerInsert),
    );
    const players = scores.map((_, index) => ids?.[start + index] ?? null);
    await tx.query(
      `insert into churn_predictions (prediction_timestamp, geography_id, company_id, model_name, model_version,
         scoring_run_id, player_id, churn_probability, row_number)
       select $1::timestamptz, $2, $3, $4, $5, $6, player, score, $7 + position
       from unnest($8::text[], $9::float8[]) with ordinality as scored (player, score, position)`,
      [
        timestamp,
        variant.geography ?? null,
        variant.company ?? null,
        input.modelName,
        input.modelVersion,
        scoringRunId,
        start,
        players,
        scores,
      ],
    );
  }
}

/** Verifies that the row count in the ledger matches the stored rows before the transaction commits. */
async function checkCount(tx: Queryable, run: ScoringRun): Promise<void> {
  const [found] = await tx.query<{ rows: number }>(
    "select count(*) as rows from churn_predictions where scoring_run_id = $1",
    [run.id],
  );
  if (found?.rows !== run.rows) {
    throw new Error(
      `Cannot store scoring run ${run.id}: ${found?.rows} rows arrived, ${run.rows} were scored`,
    );
  }
}

function refuseImprobable({ probabilities, inputUri }: ScoredInput): void {
  const row = probabilities.findIndex((score) => !(score >= 0 && score <= 1));
  if (row < 0) return;
  throw new InputError(
    `Cannot store the scores of ${inputUri}: row ${row + 1} has ${
      probabilities[row]
    }, expected a probability from 0 to 1`,
  );
}

function explainMissingTable(error: unknown): never {
  const undefinedTable = "42P01";
  if (error instanceof DatabaseError && error.code === undefinedTable) {
    throw new UsageError(
      "Cannot find the predictions' tables; run `deno task setup` first",
      { cause: error },
    );
  }
  throw error;
}
