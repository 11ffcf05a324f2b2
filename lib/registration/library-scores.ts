/** Compares a candidate's scores with those that the training library returned for the same rows. */
import { InputError, UsageError } from "../base/errors.ts";
import type { InputRow } from "../rows/json.ts";

/**
 * The largest accepted difference, absolute up to 1 and relative beyond: far more
 * than graphs lose by adding a thousand float32 numbers, and far less than one
 * row that takes another branch.
 */
const tolerance = 1e-5;

/**
 * Checks that a model returns the scores in a column of the sample, which its
 * library returned for the same rows (`predict_proba`), and returns the largest
 * difference. This finds what no file shows: a converter that dropped something,
 * rows that were encoded in another way than during training.
 *
 * @param rows The sample.
 * @param options `scores`: the model's, one per row; `outputs`: the model's scores per row; `column`: the column; `what` and `file`: the model and the sample, for messages.
 * @throws {UsageError} If the model returns several scores per row.
 * @throws {InputError} If a row has no number in the column, or a score differs.
 */
export function checkLibraryScores(
  rows: readonly InputRow[],
  options: {
    scores: Float32Array;
    outputs: number;
    column: string;
    what: string;
    file: string;
  },
): number {
  const { scores, outputs, column, what, file } = options;
  if (outputs !== 1) {
    throw new UsageError(
      `Cannot use --scores ${column} for ${what}: it returns ${outputs} scores per row, and the column holds one`,
    );
  }
  const errors = rows.map(({ number, value }, row) => {
    const expected = Object.hasOwn(value, column) ? value[column] : undefined;
    if (typeof expected !== "number") {
      throw new InputError(
        `Cannot use ${file}, row ${number}, column "${column}": expected the library's score, a number, found ${
          JSON.stringify(expected) ?? "nothing"
        }`,
      );
    }
    const size = Math.max(1, Math.abs(expected));
    return Math.abs((scores[row] ?? NaN) - expected) / size;
  });
  const isWrong = (error: number) => !(error <= tolerance);
  const first = errors.findIndex(isWrong);
  const row = rows[first];
  if (!row) return errors.reduce((max, error) => Math.max(max, error), 0);
  throw new InputError(
    `Cannot log ${what}: ${
      errors.filter(isWrong).length
    } of ${rows.length} scores of ${file} differ from column "${column}"; ` +
      `row ${row.number} scores ${scores[first] ?? NaN}, expected ${
        row.value[column]
      }; nothing was logged: ` +
      `either the file lost something when it was converted, or the rows are encoded differently than for training`,
  );
}
