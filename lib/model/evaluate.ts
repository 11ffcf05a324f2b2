/**
 * The reference evaluator: defines every score, and favors clarity over speed.
 * The kernel and ONNX graphs are tested against it, and it is tested against
 * the libraries themselves (`docs/parity.md`).
 */
import { InputError } from "../base/errors.ts";
import {
  hasCategory,
  isCategorical,
  type LinearModel,
  type Model,
  type TreeEnsemble,
  zeroThreshold,
} from "./ensemble.ts";
import { toPredictions } from "./transform.ts";

/** The margins and predictions of rows. */
export interface Evaluation {
  /** Rows × groups, in the precision that the library sums in: float32 for XGBoost, double for LightGBM. */
  readonly margins: Float32Array | Float64Array;
  /** Rows × outputs. */
  readonly predictions: Float32Array;
}

/**
 * Returns the margins and predictions of rows.
 *
 * @param matrix Row-major, rows × features in the model's order; NaN is missing.
 * @throws {InputError} If the matrix is not `rows` × the model's features.
 */
export function evaluate(
  model: Model,
  matrix: Float32Array,
  options: { rows: number },
): Evaluation {
  const { rows } = options;
  checkMatrix(matrix, { rows, features: model.features.count });
  const margins = model.kind === "trees"
    ? sumTrees(model, matrix, rows)
    : sumWeights(model, matrix, rows);
  return { margins, predictions: toPredictions(model, margins) };
}

/**
 * Checks that a matrix has rows × features values.
 *
 * @throws {InputError} If it does not, with the found and expected number of values.
 */
export function checkMatrix(
  matrix: Float32Array,
  { rows, features }: { rows: number; features: number },
): void {
  const expected = rows * features;
  if (matrix.length === expected) return;
  throw new InputError(
    `Cannot score ${rows} rows: the matrix has ${matrix.length} values, expected ${expected} (${rows} × ${features} features)`,
  );
}

function sumTrees(
  model: TreeEnsemble,
  matrix: Float32Array,
  rows: number,
): Float32Array | Float64Array {
  const { groups, features: { count }, roots, treeGroups, leafSize } = model;
  const Margins = model.precision === "float32" ? Float32Array : Float64Array;
  const margins = new Margins(rows * groups);
  for (let r = 0; r < rows; r++) {
    const row = readRow(model, matrix.subarray(r * count, (r + 1) * count));
    const into = margins.subarray(r * groups, (r + 1) * groups);
    into.set(model.baseMargins);
    for (let t = 0; t < roots.length; t++) {
      const leaf = findLeaf(model, row, roots[t] ?? 0) * leafSize;
      const group = treeGroups[t] ?? 0;
      const first = group < 0 ? 0 : group;
      for (let k = 0; k < leafSize; k++) {
        // Storing in the typed array rounds each partial sum to the library's precision.
        into[first + k] = (into[first + k] ?? 0) + (model.leaf[leaf + k] ?? 0);
      }
    }
    if (model.divisor !== 1) {
      for (let g = 0; g < groups; g++) into[g] = (into[g] ?? 0) / model.divisor;
    }
  }
  return margins;
}

/** Returns the row with NaN where 0 means missing. */
function readRow(model: TreeEnsemble, row: Float32Array): Float32Array {
  const { zeroIsMissing } = model;
  if (zeroIsMissing === undefined) return row;
  return row.map((x, f) =>
    zeroIsMissing[f] && Math.abs(x) <= zeroThreshold ? NaN : x
  );
}

/** Returns the leaf that a row reaches, as an index into the model's node arrays. */
function findLeaf(
  model: TreeEnsemble,
  row: Float32Array,
  root: number,
): number {
  let node = root;
  for (;;) {
    const left = model.left[node] ?? -1;
    if (left < 0) return node;
    node = goesLeft(model, row, node) ? left : left + 1;
  }
}

function goesLeft(
  model: TreeEnsemble,
  row: Float32Array,
  node: number,
): boolean {
  const x = row[model.feature[node] ?? 0] ?? NaN;
  if (Number.isNaN(x)) return model.defaultLeft[node] === 1;
  if (isCategorical(model, node)) {
    const isFloor = model.categories?.rounding === "floor";
    const category = isFloor ? Math.floor(x) : Math.trunc(x);
    return !hasCategory(model, node, category);
  }
  return x < (model.threshold[node] ?? 0);
}

function sumWeights(
  model: LinearModel,
  matrix: Float32Array,
  rows: number,
): Float32Array {
  const { groups, features: { count }, weights, bias, baseMargins } = model;
  const margins = new Float32Array(rows * groups);
  for (let r = 0; r < rows; r++) {
    for (let g = 0; g < groups; g++) {
      let sum = Math.fround((bias[g] ?? 0) + (baseMargins[g] ?? 0));
      for (let f = 0; f < count; f++) {
        const x = matrix[r * count + f] ?? NaN;
        if (Number.isNaN(x)) continue;
        sum = Math.fround(
          sum + Math.fround(x * (weights[f * groups + g] ?? 0)),
        );
      }
      margins[r * groups + g] = sum;
    }
  }
  return margins;
}
