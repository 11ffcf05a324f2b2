/**
 * Generates rows at the decision boundaries of a model: each row reaches one
 * split of one tree, with a value at the threshold, just below it, just above
 * it, or missing.
 */
import {
  categoriesOf,
  hasCategory,
  isCategorical,
  type LinearModel,
  type Model,
  type TreeEnsemble,
} from "../ensemble.ts";
import { nextAbove } from "../formats/float32.ts";

/** Generated rows and their descriptions. */
export interface BoundaryRows {
  readonly rows: number;
  /** Row-major, rows × features. */
  readonly matrix: Float32Array;
  /** Returns a description for messages, such as `column "age" just below 3.5 (tree 2)`. */
  describe(row: number): string;
}

/** A row and its description. */
interface Row {
  readonly values: Float32Array;
  readonly description: string;
}

/** A split that rows are generated for. */
interface Split {
  readonly node: number;
  readonly tree: number;
  readonly feature: number;
}

/** Of longer paths, only the last steps are followed. */
const pathLimit = 1024;

/** A category that a path allows is searched among this many. */
const categoryLimit = 4096;

/**
 * Returns rows at the splits of a model. If there are more splits than the
 * limit allows, every n-th split is used. The same model and sample give the
 * same rows.
 *
 * @param options `sample`: rows to start from, row-major; columns that no split on the path tests keep their values. `limit`: maximum number of rows; 20,000 by default.
 */
export function boundaryRows(
  model: Model,
  options: { sample: Float32Array; limit?: number },
): BoundaryRows {
  const { limit = 20_000 } = options;
  const columns = model.features.count;
  const sampleRow = rowsOf(options.sample, columns);
  const rows = model.kind === "linear"
    ? linearRows(model, sampleRow)
    : treeRows(model, { sampleRow, limit });
  const matrix = new Float32Array(rows.length * columns);
  rows.forEach(({ values }, r) => matrix.set(values, r * columns));
  return {
    rows: rows.length,
    matrix,
    describe: (row) => rows[row]?.description ?? `row ${row}`,
  };
}

/** Returns the row of a sample with a number, repeating the sample; zeros if it has none. */
type SampleRow = (number: number) => Float32Array;

function rowsOf(sample: Float32Array, columns: number): SampleRow {
  const rows = Math.floor(sample.length / columns);
  if (rows === 0) return () => new Float32Array(columns);
  return (number) => {
    const row = number % rows;
    return sample.slice(row * columns, (row + 1) * columns);
  };
}

function treeRows(
  model: TreeEnsemble,
  { sampleRow, limit }: { sampleRow: SampleRow; limit: number },
): Row[] {
  const parents = parentsOf(model);
  const splits = splitsOf(model);
  const maxSplits = Math.max(1, Math.floor(limit / 5));
  const stride = Math.max(1, Math.ceil(splits.length / maxSplits));
  return splits.flatMap((split, i) => {
    if (i % stride !== 0) return [];
    const { feature, tree } = split;
    const name = columnName(model, feature);
    const row = rowTo(model, { split, parents, from: sampleRow(i) });
    return probesOf(model, split.node).map(([value, description]) => ({
      values: row.with(feature, value),
      description: `column ${name} ${description} (tree ${tree})`,
    }));
  });
}

/** Returns a row for each missing column, and one with all columns missing. */
function linearRows(model: LinearModel, sampleRow: SampleRow): Row[] {
  const { count } = model.features;
  return [
    ...Array.from({ length: count }, (_, f) => ({
      values: sampleRow(f).with(f, NaN),
      description: `column ${columnName(model, f)} missing`,
    })),
    {
      values: new Float32Array(count).fill(NaN),
      description: "every column missing",
    },
  ];
}

function columnName(model: Model, feature: number): string {
  return JSON.stringify(model.features.names[feature] ?? `f${feature}`);
}

function parentsOf(model: TreeEnsemble): Int32Array {
  const parents = new Int32Array(model.left.length).fill(-1);
  model.left.forEach((left, node) => {
    if (left < 0) return;
    parents[left] = node;
    parents[left + 1] = node;
  });
  return parents;
}

function splitsOf(model: TreeEnsemble): Split[] {
  const splits: Split[] = [];
  model.roots.forEach((root, tree) => {
    const end = model.roots[tree + 1] ?? model.left.length;
    for (let node = root; node < end; node++) {
      if ((model.left[node] ?? -1) < 0) continue;
      splits.push({ node, tree, feature: model.feature[node] ?? 0 });
    }
  });
  return splits;
}

/** The values that the splits above a node allow in one column. */
interface Allowed {
  min: number;
  max: number;
  readonly sets: { readonly node: number; readonly isMember: boolean }[];
}

/** Changes a row where it would not reach the split, and returns it. */
function rowTo(
  model: TreeEnsemble,
  options: { split: Split; parents: Int32Array; from: Float32Array },
): Float32Array {
  const { split, parents, from: row } = options;
  const allowed = new Map<number, Allowed>();
  let child = split.node;
  for (let step = 0; step < pathLimit; step++) {
    const node = parents[child] ?? -1;
    if (node < 0) break;
    const feature = model.feature[node] ?? 0;
    const here = allowed.get(feature) ??
      { min: -Infinity, max: Infinity, sets: [] };
    allowed.set(feature, here);
    narrow(here, model, { node, isLeft: child === model.left[node] });
    child = node;
  }
  for (const [feature, here] of allowed) {
    row[feature] = here.sets.length > 0
      ? categoryIn(model, here)
      : Math.min(Math.max(orZero(row[feature]), here.min), here.max);
  }
  return row;
}

function narrow(
  allowed: Allowed,
  model: TreeEnsemble,
  step: { node: number; isLeft: boolean },
): void {
  const { node, isLeft } = step;
  if (isCategorical(model, node)) {
    allowed.sets.push({ node, isMember: !isLeft });
    return;
  }
  const threshold = model.threshold[node] ?? 0;
  if (isLeft) allowed.max = Math.min(allowed.max, nextBelow(threshold));
  else allowed.min = Math.max(allowed.min, threshold);
}

function categoryIn(model: TreeEnsemble, allowed: Allowed): number {
  for (let category = 0; category < categoryLimit; category++) {
    const fits = allowed.sets.every(({ node, isMember }) =>
      hasCategory(model, node, category) === isMember
    );
    if (fits) return category;
  }
  return 0;
}

/** Returns the values to test a split with, and their descriptions. */
function probesOf(
  model: TreeEnsemble,
  node: number,
): (readonly [number, string])[] {
  if (!isCategorical(model, node)) {
    const threshold = model.threshold[node] ?? 0;
    return [
      [threshold, `at ${threshold}`],
      [nextBelow(threshold), `just below ${threshold}`],
      [nextAbove(threshold), `just above ${threshold}`],
      [NaN, "missing"],
    ];
  }
  const set = categoriesOf(model, node);
  const end = (model.categories?.size[node] ?? 0) * 32;
  const member = set[0] ?? end;
  const gap = set.findIndex((category, i) => category !== i);
  const other = gap < 0 ? set.length : gap;
  return [
    ...[member, other, end].map((category) =>
      [category, `in category ${category}`] as const
    ),
    [-1, "negative"],
    [NaN, "missing"],
  ];
}

function orZero(value: number | undefined): number {
  return value === undefined || Number.isNaN(value) ? 0 : value;
}

/** Returns the largest float32 less than a float32. */
function nextBelow(value: number): number {
  return -nextAbove(-value);
}
