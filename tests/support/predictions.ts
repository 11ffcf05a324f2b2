/** Stores scores that are in memory, as `predict` stores those of a file. */
import type { Database } from "../../lib/database/database.ts";
import { type PackedTexts, TextPacker } from "../../lib/rows/packed.ts";
import {
  appendScores,
  type NewScoringRun,
  publishScoring,
  startScoring,
  type StoreResult,
} from "../../lib/scoring/ledger.ts";

/** One scored input that is not stored yet. */
export interface ScoredInput extends NewScoringRun {
  readonly contentSha256: string;
  readonly mlflowRunId: string;
  /** One probability per row, in the input's order. */
  readonly probabilities: Float32Array;
  /** The player id of each row; undefined when the input has none. */
  readonly ids: readonly (string | null)[] | undefined;
}

/** Packs texts, as an encoder packs player ids. */
export function pack(texts: readonly (string | null)[]): PackedTexts {
  const packer = new TextPacker();
  for (const text of texts) packer.add(text);
  return packer.finish();
}

/** Starts, fills and publishes a run; see {@linkcode publishScoring}. */
export async function storePredictions(
  database: Database,
  input: ScoredInput,
  options: { force?: boolean } = {},
): Promise<StoreResult> {
  const { mlflowRunId, contentSha256, probabilities, ids } = input;
  await using run = await startScoring(database, input);
  const rows = await appendScores(database, run, [{
    firstRow: 1,
    scores: probabilities,
    ids: ids && pack(ids),
  }]);
  return await publishScoring(database, run, {
    contentSha256,
    rows,
    mlflowRunId,
    force: options.force,
  });
}
