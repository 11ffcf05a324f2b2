/**
 * Stores scores and their ledger. Each scored batch is one run in the ledger:
 * the run is inserted as `running`, its scores are appended in any number of
 * commits, and one update publishes it. Readers see the scores of completed runs
 * only, so a batch is visible as a whole or not at all. Because of the ledger's
 * unique key on variant, period (without one, content) and attempt, a batch is
 * published exactly once despite reruns, crashes or concurrent schedulers.
 */
import {
  type Database,
  DatabaseError,
  type Queryable,
} from "../database/database.ts";
import { sha256 } from "../base/digest.ts";
import { free } from "../base/free.ts";
import { InputError, TransientError } from "../base/errors.ts";
import { explainMissingTables } from "../services/schema.ts";
import { type DataSource, nameOfInput } from "../services/variant-files.ts";
import type { Period } from "../config/periods.ts";
import type { Variant } from "../config/variant.ts";
import type { BatchProfile } from "../statistics/batch-profile.ts";
import { encodeScores, type ScoreChunk } from "./scores.ts";

/** What is known about a run before its rows are read. */
export interface NewScoringRun {
  readonly variant: Variant;
  /** The period that the input names; undefined if it names none. */
  readonly period?: Period | undefined;
  readonly inputUri: string;
  /** SHA-256 of the feature recipe. */
  readonly recipeSha256: string;
  readonly modelName: string;
  readonly modelVersion: string;
  readonly modelSha256: string;
  readonly dataSource: DataSource;
  readonly startedAt: Date;
}

/**
 * A run that is not published yet; nobody sees its scores. While it is open, it
 * renews its lease in the ledger, so that no other run takes it for dead.
 * Disposal discards its scores unless it was published.
 */
export interface OpenScoringRun
  extends
    AsyncDisposable,
    Pick<NewScoringRun, "variant" | "period" | "inputUri"> {
  /** Its id in `scoring_runs`. */
  readonly id: number;
}

/** One file of a batch, as it was scored. */
export interface ScoredPart {
  readonly uri: string;
  readonly bytes: number;
  /** Its rows, including those that were set aside. */
  readonly rows: number;
  readonly sha256: string;
}

/** What is known about a run after its last row. */
export interface Publication {
  /** The digest of the input, as {@linkcode digestParts} returns it. */
  readonly contentSha256: string;
  /** The files of a batch of several; undefined for a single file. */
  readonly parts?: readonly ScoredPart[] | undefined;
  /** Changes whenever a file of the input is written; undefined if unknown. */
  readonly inputVersion?: string | undefined;
  /** Players with more than one row; undefined if they were not counted. */
  readonly duplicatePlayers?: number | undefined;
  /** Rows beyond the first of their player; undefined if they were not counted. */
  readonly repeatedRows?: number | undefined;
  /** The profile of the rows; undefined if they were not counted. */
  readonly profile?: BatchProfile | undefined;
  /** The number of rows that were appended. */
  readonly rows: number;
  /** Size of the input; undefined if unknown. */
  readonly inputBytes?: number | undefined;
  /** Rows of the input that were set aside and have no score; 0 by default. */
  readonly rowsSetAside?: number | undefined;
  readonly mlflowRunId: string;
  /** Publishes content that was published before as a new attempt. */
  readonly force?: boolean | undefined;
  /** With `force`, names the request: content that a completed run of the period has with this key is not published again. */
  readonly idempotencyKey?: string | undefined;
}

/** A completed ledger row. */
export interface ScoringRun {
  readonly id: number;
  /** The period that the input named, otherwise the day of scoring (UTC). */
  readonly period: Period;
  /** Whether the input named the period. */
  readonly hasPeriod: boolean;
  readonly inputUri: string;
  readonly contentSha256: string;
  /** Null: not recorded. */
  readonly inputVersion: string | null;
  /** Bytes; null: not recorded. */
  readonly inputBytes: number | null;
  readonly modelName: string;
  readonly modelVersion: string;
  readonly attempt: number;
  /** Null: none was given. */
  readonly idempotencyKey: string | null;
  readonly mlflowRunId: string | null;
  readonly rows: number;
  /** Rows of the input that have no score. */
  readonly rowsSetAside: number;
  readonly finishedAt: Date;
}

/** The result of {@linkcode publishScoring}. */
export interface StoreResult {
  /** False when another run had already published the content, and nothing was stored. */
  readonly stored: boolean;
  /** The content's ledger row. */
  readonly run: ScoringRun;
}

/** How long a run counts as alive without news, in minutes by the server's clock: long enough for a slow source or a paused machine. */
const leaseMinutes = 10;

/** How often an open run renews its lease even if no rows arrive. */
const renewEveryMs = 60_000;

/** Bytes per COPY and commit: a short statement and transaction, and bounded memory on the embedded database. */
const bytesPerCommit = 4 << 20;

/** How often a forced publication that collided with another one is tried. */
const publishAttempts = 20;

/** SQL: the day that counts as a completed run's period. */
export const effectivePeriod =
  "coalesce(period, (finished_at at time zone 'UTC')::date)";

const newLease = `clock_timestamp() + interval '${leaseMinutes} minutes'`;

const runColumns = `id, ${effectivePeriod}::text as period,
  period is not null as "hasPeriod", input_uri as "inputUri", content_sha256 as "contentSha256",
  input_version as "inputVersion", input_bytes as "inputBytes", model_name as "modelName",
  model_version as "modelVersion", attempt, idempotency_key as "idempotencyKey", mlflow_run_id as "mlflowRunId", row_count as rows,
  rows_set_aside as "rowsSetAside", finished_at as "finishedAt"`;

/** Returns the digest of a batch: that of its file, or the SHA-256 of the lines with the digests of its files in order. */
export function digestParts(parts: readonly { sha256: string }[]): string {
  const [first, ...others] = parts.map((part) => part.sha256);
  if (first !== undefined && others.length === 0) return first;
  return sha256(parts.map((part) => `${part.sha256}\n`).join(""));
}

/**
 * Returns the completed runs of a variant: newest period first, and in it newest
 * attempt first.
 *
 * @throws {UsageError} If the prediction tables do not exist or are of an earlier release.
 */
export async function listScoringRuns(
  database: Queryable,
  variant: Variant,
): Promise<ScoringRun[]> {
  return await database.query<ScoringRun>(
    `select ${runColumns} from scoring_runs
     where variant = $1 and status = 'completed'
     order by ${effectivePeriod} desc, id desc`,
    [variant.key],
  ).catch(explainMissingTables);
}

/**
 * Returns the newest completed run that scored this content with any model: of
 * the variant and period, or for an input that names no period, of the variant in
 * any period. Undefined when the input is new.
 *
 * @param input `idempotencyKey`: only runs with this key count.
 * @throws {UsageError} If the prediction tables do not exist.
 */
export async function findScoringRun(
  database: Queryable,
  input: {
    variant: Variant;
    period?: Period | undefined;
    contentSha256: string;
    idempotencyKey?: string | undefined;
  },
): Promise<ScoringRun | undefined> {
  const [run] = await database.query<ScoringRun>(
    `select ${runColumns} from scoring_runs
     where variant = $1 and content_sha256 = $2 and status = 'completed'
       and ($3::date is null or period = $3)
       and ($4::text is null or idempotency_key = $4)
     order by id desc limit 1`,
    [
      input.variant.key,
      input.contentSha256,
      input.period ?? null,
      input.idempotencyKey ?? null,
    ],
  ).catch(explainMissingTables);
  return run;
}

/**
 * Opens a run of a variant, and deletes what dead runs of this variant left. A
 * run is dead when its lease has expired; runs that are alive are not touched.
 *
 * @throws {UsageError} If the prediction tables do not exist or are of an earlier release.
 */
export async function startScoring(
  database: Database,
  run: NewScoringRun,
): Promise<OpenScoringRun> {
  const { variant, inputUri, period } = run;
  await discardDeadRuns(database, variant).catch(explainMissingTables);
  const [row] = await database.query<{ id: number }>(
    `insert into scoring_runs (variant, geography_id, company_id, input_uri, recipe_sha256, model_name,
       model_version, model_sha256, data_source, started_at, period, status, lease_expires_at)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 'running', ${newLease}) returning id`,
    [
      variant.key,
      variant.geography ?? null,
      variant.company ?? null,
      inputUri,
      run.recipeSha256,
      run.modelName,
      run.modelVersion,
      run.modelSha256,
      run.dataSource,
      run.startedAt,
      period ?? null,
    ],
  ).catch(explainMissingTables);
  const id = row!.id;
  // A renewal that fails is made up for by the next one, or the run is found discarded.
  const timer = setInterval(
    () => void renewLease(database, id).catch(() => {}),
    renewEveryMs,
  );
  Deno.unrefTimer(timer);
  return {
    id,
    variant,
    period,
    inputUri,
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      await discardQuietly(database, id);
    },
  };
}

/**
 * Appends scores to an open run, in commits of some megabytes, and returns the
 * number of rows. May be called many times and concurrently, with the rows in
 * any order. After an error it is not known which rows are stored, so the run
 * must be disposed and a new one started.
 *
 * @throws {InputError} If a score is not between 0 and 1; names the row.
 * @throws {TransientError} If the connection broke, or the run lost its lease.
 * @throws The error of `chunks`.
 */
export async function appendScores(
  database: Database,
  run: OpenScoringRun,
  chunks: AsyncIterable<ScoreChunk> | Iterable<ScoreChunk>,
): Promise<number> {
  let rows = 0;
  let committing = Promise.resolve(0);
  // One part is committed while the next one is collected. A slow source keeps no transaction open.
  for await (const part of inParts(encodeAll(run, chunks), bytesPerCommit)) {
    rows += await committing;
    committing = commitPart(database, run, part);
    committing.catch(() => {});
  }
  return rows + await committing;
}

async function commitPart(
  database: Database,
  run: OpenScoringRun,
  part: readonly Uint8Array[],
): Promise<number> {
  const rows = await database.transaction(async (tx) => {
    // At repeatable read, two commits for one run at once would collide on its lease.
    await tx.query("set transaction isolation level read committed");
    const rows = await tx.copyRows(
      "scores (scoring_run_id, row_number, churn_probability, player_id)",
      part,
    );
    // In the same transaction: rows of a run that was discarded meanwhile are not stored.
    if (!await renewLease(tx, run.id)) throw lostRun(run);
    return rows;
  });
  free(...part);
  return rows;
}

/**
 * Publishes a run: from the commit of one update on, readers see all its scores.
 * If the content was published before for the period, nothing is stored and the
 * run is discarded; with `force`, it becomes a new attempt, once per
 * `idempotencyKey`, as does other content of the period. A second call for the
 * same run, or for the same `mlflowRunId` and content, returns what the first one
 * published, so a call whose answer was lost can be repeated.
 *
 * @throws {InputError} If the number of stored rows is not `rows`.
 * @throws {TransientError} If the run lost its lease and was discarded, or the connection broke.
 */
export async function publishScoring(
  database: Database,
  run: OpenScoringRun,
  publication: Publication,
): Promise<StoreResult> {
  const { force = false, contentSha256, idempotencyKey } = publication;
  const { variant, period } = run;
  const own = await findPublished(database, run, publication);
  if (own) return await conclude(database, run, { stored: true, run: own });
  await checkCount(database, run, publication);
  for (let attempt = 0; attempt < publishAttempts; attempt++) {
    const published = await tryPublish(database, run, publication);
    if (published) {
      return await conclude(database, run, { stored: true, run: published });
    }
    const own = await findPublished(database, run, publication);
    if (own) return await conclude(database, run, { stored: true, run: own });
    if (!await renewLease(database, run.id)) throw lostRun(run);
    if (force && idempotencyKey === undefined) continue;
    const input = { variant, period, contentSha256 };
    const existing = await findScoringRun(database, {
      ...input,
      idempotencyKey: force ? idempotencyKey : undefined,
    });
    if (existing) {
      return await conclude(database, run, { stored: false, run: existing });
    }
  }
  throw new TransientError(
    `Cannot publish scoring run ${run.id}: ${publishAttempts} other attempts for the same ${
      period === undefined ? "content" : "period"
    } were published in the meantime; run the command again`,
  );
}

/** Discards the run unless it is the published one; on the embedded database, brings the indexes up to date. */
async function conclude(
  database: Database,
  { id }: OpenScoringRun,
  result: StoreResult,
): Promise<StoreResult> {
  if (result.run.id !== id) await discardQuietly(database, id);
  // A server does this when it vacuums the table; the embedded database never does.
  else if (database.embedded) {
    await database.query(
      "select sum(brin_summarize_new_values(name::regclass)) from unnest(array['scores_run', 'scores_player']) name",
    );
  }
  return result;
}

/** Returns what an earlier call published for this run, or for its MLflow run and content. */
async function findPublished(
  database: Queryable,
  { id, variant, period }: OpenScoringRun,
  { contentSha256, mlflowRunId }: Publication,
): Promise<ScoringRun | undefined> {
  const [run] = await database.query<ScoringRun>(
    `select ${runColumns} from scoring_runs
     where status = 'completed'
       and (id = $1 or variant = $2 and content_sha256 = $3 and mlflow_run_id = $4
         and period is not distinct from $5::date)
     order by id = $1 desc limit 1`,
    [id, variant.key, contentSha256, mlflowRunId, period ?? null],
  );
  return run;
}

/**
 * Publishes with one update. Returns undefined when the content was published
 * before, the unique key refused the attempt, or the run is no longer open.
 */
async function tryPublish(
  database: Database,
  { id, variant, period }: OpenScoringRun,
  publication: Publication,
): Promise<ScoringRun | undefined> {
  const { contentSha256, force = false, parts } = publication;
  // Of two at once that take the same attempt, the unique key accepts one; the other looks again.
  const [row] = await database.query<ScoringRun>(
    `update scoring_runs set
       status = 'completed', content_sha256 = $2, row_count = $3, input_bytes = $4, rows_set_aside = $5,
       mlflow_run_id = $6, finished_at = clock_timestamp(), lease_expires_at = null,
       input_version = $10, input_parts = $11, duplicate_players = $12, idempotency_key = $13,
       profile = $14, repeated_rows = $15,
       attempt = 1 + coalesce((
         select max(attempt) from scoring_runs
         where variant = $8 and status = 'completed' and period is not distinct from $9::date
           and ($9::date is not null or content_sha256 = $2)), 0)
     where id = $1 and status = 'running' and not exists (
       select from scoring_runs
       where variant = $8 and content_sha256 = $2 and status = 'completed'
         and ($9::date is null or period = $9) and (not $7 or idempotency_key = $13))
     returning ${runColumns}`,
    [
      id,
      contentSha256,
      publication.rows,
      publication.inputBytes ?? null,
      publication.rowsSetAside ?? 0,
      publication.mlflowRunId,
      force,
      variant.key,
      period ?? null,
      publication.inputVersion ?? null,
      parts === undefined ? null : JSON.stringify(parts),
      publication.duplicatePlayers ?? null,
      publication.idempotencyKey ?? null,
      publication.profile ? JSON.stringify(publication.profile) : null,
      publication.repeatedRows ?? null,
    ],
  ).catch((error) => {
    if (isUniqueViolation(error)) return [undefined];
    throw error;
  });
  return row;
}

function isUniqueViolation(error: unknown): boolean {
  return error instanceof DatabaseError && error.code === "23505" &&
    /^scoring_runs_once(_period|_key)?$/.test(error.constraint ?? "");
}

/** Renews the lease of a run; returns false if the run is no longer open. */
async function renewLease(database: Queryable, id: number): Promise<boolean> {
  const rows = await database.query(
    `update scoring_runs set lease_expires_at = ${newLease} where id = $1 and status = 'running' returning id`,
    [id],
  );
  return rows.length > 0;
}

/** Discards a run if it is still open. What cannot be discarded now is swept by a later run; until then nobody sees it. */
async function discardQuietly(
  database: Queryable,
  id: number,
): Promise<void> {
  await database.query("select discard_scoring_run($1)", [id]).catch(() => {});
}

async function discardDeadRuns(
  database: Database,
  variant: Variant,
): Promise<void> {
  const dead = await database.query<{ id: number }>(
    `select id from scoring_runs
     where variant = $1 and status = 'running' and lease_expires_at <= clock_timestamp()`,
    [variant.key],
  );
  for (const { id } of dead) {
    await database.query("select discard_scoring_run($1, true)", [id]);
  }
}

function lostRun({ id, inputUri }: OpenScoringRun): TransientError {
  return new TransientError(
    `Cannot store the scores of ${
      nameOfInput(inputUri)
    }: scoring run ${id} sent no heartbeat for ${leaseMinutes} minutes and was discarded; run the command again`,
  );
}

/** Verifies that the stored rows are those that were scored: their count, and their numbers from 1 on. */
async function checkCount(
  database: Queryable,
  run: OpenScoringRun,
  { rows, rowsSetAside = 0 }: Publication,
): Promise<void> {
  const [found] = await database.query<
    { rows: number; first: number | null; last: number | null }
  >(
    `select count(*) as rows, min(row_number) as first, max(row_number) as last
     from scores where scoring_run_id = $1`,
    [run.id],
  );
  const isWhole = found?.rows === rows && (found.first ?? 1) >= 1 &&
    (found.last ?? 0) <= rows + rowsSetAside;
  if (isWhole) return;
  throw new InputError(
    `Cannot publish the scores of ${
      nameOfInput(run.inputUri)
    }: ${found?.rows} rows, numbered ${found?.first} to ${found?.last}, were stored, expected ${rows}`,
  );
}

/** Encodes each chunk for COPY; names the file in the error of a score that is no probability. */
async function* encodeAll(
  run: OpenScoringRun,
  chunks: AsyncIterable<ScoreChunk> | Iterable<ScoreChunk>,
): AsyncGenerator<Uint8Array, undefined> {
  for await (const chunk of chunks) {
    yield* encodeScores(chunk, {
      scoringRunId: run.id,
      input: nameOfInput(run.inputUri),
    });
  }
}

/** Collects chunks until they have `limit` bytes. */
async function* inParts(
  chunks: AsyncIterable<Uint8Array>,
  limit: number,
): AsyncGenerator<Uint8Array[]> {
  let part: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of chunks) {
    part.push(chunk);
    bytes += chunk.length;
    if (bytes < limit) continue;
    yield part;
    part = [];
    bytes = 0;
  }
  if (part.length > 0) yield part;
}
