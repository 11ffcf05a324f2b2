/** Measures how much a model's scores depend on each feature. */
import {
  type Profile,
  type ReferenceProfile,
  toAssociations,
} from "../statistics/profile.ts";

/** Rows that are used at most, and scored in all: a model with many features is measured on fewer rows. */
const mostRows = 256;
const mostScored = 50_000;

/**
 * Returns the importance of each feature: the mean absolute change of the
 * predictions when the feature's values are those of other rows (Fisher, Rudin
 * and Dominici 2019, https://jmlr.org/papers/v20/18-760.html, with the change of
 * the score in place of the loss, so that no outcomes are needed), as shares of
 * their sum. The rows are spread over the whole set, and the other row is the one
 * half of them further on, so a second call returns the same.
 *
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 *
 * const rows = { matrix: Float32Array.of(1, 5, 2, 6), rows: 2, width: 2 };
 * const predict = (matrix: Float32Array, rows: number) =>
 *   Promise.resolve(Float32Array.from({ length: rows }, (_, row) => matrix[2 * row]!));
 * deepStrictEqual(await featureImportance(predict, rows), [1, 0]);
 * ```
 *
 * @param predict Returns rows × outputs predictions.
 * @param data `matrix`: rows × width.
 * @returns One share per feature, from 0 to 1; undefined if no feature changes a prediction, as with a single row.
 */
export async function featureImportance(
  predict: (matrix: Float32Array, rows: number) => Promise<Float32Array>,
  { matrix, rows: all, width }: {
    matrix: Float32Array;
    rows: number;
    width: number;
  },
): Promise<number[] | undefined> {
  const rows = Math.min(
    all,
    mostRows,
    Math.max(2, Math.floor(mostScored / width)),
  );
  // The set may be sorted, so that its first rows know too little.
  const used = new Float32Array(rows * width);
  for (let row = 0; row < rows; row++) {
    const from = Math.floor(row * all / rows) * width;
    used.set(matrix.subarray(from, from + width), row * width);
  }
  const before = await predict(used, rows);
  const changes: number[] = [];
  for (let feature = 0; feature < width; feature++) {
    const moved = used.slice();
    for (let row = 0; row < rows; row++) {
      const other = (row + Math.floor(rows / 2)) % rows;
      moved[row * width + feature] = used[other * width + feature]!;
    }
    const isSame = moved.every((value, index) => Object.is(value, used[index]));
    const after = isSame ? before : await predict(moved, rows);
    changes.push(meanChange(before, after));
  }
  const total = changes.reduce((sum, change) => sum + change, 0);
  return total === 0 ? undefined : changes.map((change) => change / total);
}

/**
 * Returns what a reference profile has of the importance of its features: the
 * shares, and the rank correlations of the most important ones; nothing if no
 * feature changes a prediction.
 *
 * @param profile The profile of the rows.
 * @param data As for {@linkcode featureImportance}.
 */
export async function profileImportance(
  predict: Parameters<typeof featureImportance>[0],
  profile: Pick<Profile, "features">,
  data: { matrix: Float32Array; rows: number },
): Promise<Pick<ReferenceProfile, "importance" | "associations">> {
  const { matrix, rows } = data;
  const width = profile.features.length;
  const importance = await featureImportance(predict, { matrix, rows, width });
  if (!importance) return {};
  return {
    importance,
    associations: toAssociations(profile, { importance, matrix, rows }),
  };
}

function meanChange(before: Float32Array, after: Float32Array): number {
  const sum = before.reduce(
    (sum, score, index) => sum + Math.abs(score - after[index]!),
    0,
  );
  return before.length === 0 ? 0 : sum / before.length;
}
