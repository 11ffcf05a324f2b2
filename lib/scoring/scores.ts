/** Scores as rows of the table `scores`, in Postgres's binary COPY format. */
import { InputError } from "../base/errors.ts";
import type { PackedTexts } from "../rows/packed.ts";

/** The scores of consecutive rows. */
export interface ScoreChunk {
  /** Number of the first row, from 1. */
  readonly firstRow: number;
  /** Number of each row; they count from `firstRow` by default. */
  readonly rowNumbers?: Int32Array | undefined;
  /** One probability per row. */
  readonly scores: Float32Array;
  /** The player id of each row; undefined when the input has none. */
  readonly ids: PackedTexts | undefined;
}

/** Rows per encoded part, so that a chunk of any size is encoded in bounded memory. */
const rowsPerPart = 65_536;

/** Field count, and the lengths of the four fields: 2 + 4 × 4 bytes; then int8, int4 and float4. */
const bytesPerRow = 18 + 8 + 4 + 4;

/**
 * Yields the rows of a chunk as `(scoring_run_id bigint, row_number integer,
 * churn_probability real, player_id text)`, without header and trailer.
 *
 * @param options `input`: what messages call the input.
 * @throws {InputError} If a score is not between 0 and 1; names the row.
 * @throws {RangeError} If the chunk has ids for another number of rows.
 */
export function* encodeScores(
  { firstRow, rowNumbers, scores, ids }: ScoreChunk,
  options: { scoringRunId: number; input: string },
): Generator<Uint8Array<ArrayBuffer>> {
  if (ids && ids.lengths.length !== scores.length) {
    throw new RangeError(
      `Cannot encode ${scores.length} scores with ${ids.lengths.length} ids`,
    );
  }
  const { scoringRunId, input } = options;
  const runHigh = Math.floor(scoringRunId / 2 ** 32);
  const runLow = scoringRunId % 2 ** 32;
  let textStart = 0;
  for (let start = 0; start < scores.length; start += rowsPerPart) {
    const end = Math.min(start + rowsPerPart, scores.length);
    const bytes = new Uint8Array(
      (end - start) * bytesPerRow + bytesOfTexts(ids, start, end),
    );
    const view = new DataView(bytes.buffer);
    let at = 0;
    for (let row = start; row < end; row++) {
      const score = scores[row]!;
      const number = rowNumbers?.[row] ?? firstRow + row;
      // Written so that NaN is refused, too.
      if (!(score >= 0 && score <= 1)) {
        throw new InputError(
          `Cannot store the scores of ${input}: row ${number} has ${score}, expected a probability from 0 to 1`,
        );
      }
      view.setInt16(at, 4);
      view.setInt32(at + 2, 8);
      view.setInt32(at + 6, runHigh);
      view.setUint32(at + 10, runLow);
      view.setInt32(at + 14, 4);
      view.setInt32(at + 18, number);
      view.setInt32(at + 22, 4);
      view.setFloat32(at + 26, score);
      const length = ids ? ids.lengths[row]! : -1;
      view.setInt32(at + 30, length); // -1 is null here, too
      at += bytesPerRow;
      if (length > 0) {
        bytes.set(ids!.bytes.subarray(textStart, textStart + length), at);
        at += length;
        textStart += length;
      }
    }
    yield bytes;
  }
}

function bytesOfTexts(
  ids: PackedTexts | undefined,
  start: number,
  end: number,
): number {
  let bytes = 0;
  for (let row = start; row < end; row++) {
    bytes += Math.max(0, ids?.lengths[row] ?? 0);
  }
  return bytes;
}
