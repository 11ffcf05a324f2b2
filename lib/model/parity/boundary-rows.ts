/**
 * Rows at the decision boundaries of a model: each leads to one split of one
 * tree, and its value there is on the threshold, just below, just above or missing.
 */
import {
  hasCategory,
  isCategorical,
  type LinearModel,
  type Model,
  type TreeEnsemble,
} from "../ensemble.ts";
import { nextAbove } from "../formats/float32.ts";

/** Generated rows, and what each is about. */
export interface BoundaryRows {
  readonly rows: number;
  /** Row-major, rows × features. */
  readonly matrix: Float32Array;
  /** For messages, such as `column "age" just below 3.5 (tree 2)`. */
  describe(row: number): string;
}

/** A float32 value for a column, and how to call it. */
interface Probe {
  readonly value: number;
  readonly words: string;
}

/** A split to be reached: its node, tree and column. */
interface Split {
  readonly node: number;
  readonly tree: number;
  readonly feature: number;
}

/** Longer paths than this are followed from their last steps only. */
const pathLimit = 1024;

/** A category that a path still allows is looked for among so many. */
const categoryLimit = 4096;

/**
 * Rows at the splits of a model, spread evenly over its trees where there are
 * more splits than fit. The same model and sample give the same rows.
 *
 * @param options `sample`: rows to start from, row-major; a column that no split of a path asks keeps its value. `limit`: most rows; 20,000 by default.
 */
export function boundaryRows(
  model: Model,
  options: { sample: Float32Array; limit?: number },
): BoundaryRows {
  const { sample, limit = 20_000 } = options;
  const columns = model.features.count;
  const build = { model, sample, columns, values: [], words: [] };
  if (model.kind === "linear") addLinear(build, model);
  else addTrees(build, model, limit);
  const { values, words } = build as Build;
  const matrix = new Float32Array(values.length * columns);
  values.forEach((row, r) => matrix.set(row, r * columns));
  return {
    rows: values.length,
    matrix,
    describe: (row) => words[row] ?? `row ${row}`,
  };
}

/** Rows under construction. */
interface Build {
  readonly model: Model;
  readonly sample: Float32Array;
  readonly columns: number;
  readonly values: Float32Array[];
  readonly words: string[];
}

function addTrees(build: Build, model: TreeEnsemble, limit: number): void {
  const parents = parentsOf(model);
  const splits = splitsOf(model);
  const most = Math.max(1, Math.floor(limit / 5));
  const stride = Math.max(1, Math.ceil(splits.length / most));
  for (let i = 0; i < splits.length; i += stride) {
    const split = splits[i];
    if (split === undefined) continue;
    const row = rowTo(build, model, { split, parents, number: i });
    for (const probe of probesOf(model, split.node)) {
      const own = row.slice();
      own[split.feature] = probe.value;
      build.values.push(own);
      build.words.push(
        `column ${
          columnName(model, split.feature)
        } ${probe.words} (tree ${split.tree})`,
      );
    }
  }
}

/** Each column missing by itself, and all of them. */
function addLinear(build: Build, model: LinearModel): void {
  const { columns } = build;
  for (let f = 0; f < columns; f++) {
    const row = sampleRow(build, f);
    row[f] = NaN;
    build.values.push(row);
    build.words.push(`column ${columnName(model, f)} missing`);
  }
  build.values.push(new Float32Array(columns).fill(NaN));
  build.words.push("every column missing");
}

function sampleRow(build: Build, number: number): Float32Array {
  const { sample, columns } = build;
  const rows = Math.floor(sample.length / columns);
  if (rows === 0) return new Float32Array(columns);
  const row = number % rows;
  return sample.slice(row * columns, (row + 1) * columns);
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

/** What the splits above a node allow in one column. */
interface Allowed {
  least: number;
  most: number;
  readonly sets: { readonly node: number; readonly isIn: boolean }[];
}

/** A sample's row, changed where it would not lead to the split. */
function rowTo(
  build: Build,
  model: TreeEnsemble,
  options: { split: Split; parents: Int32Array; number: number },
): Float32Array {
  const { split, parents, number } = options;
  const allowed = new Map<number, Allowed>();
  let child = split.node;
  for (let step = 0; step < pathLimit; step++) {
    const node = parents[child] ?? -1;
    if (node < 0) break;
    const feature = model.feature[node] ?? 0;
    const here = allowed.get(feature) ??
      { least: -Infinity, most: Infinity, sets: [] };
    allowed.set(feature, here);
    narrow(here, model, { node, isLeft: child === model.left[node] });
    child = node;
  }
  const row = sampleRow(build, number);
  for (const [feature, here] of allowed) {
    row[feature] = here.sets.length > 0
      ? categoryIn(model, here)
      : Math.min(Math.max(orZero(row[feature]), here.least), here.most);
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
    allowed.sets.push({ node, isIn: !isLeft });
    return;
  }
  const threshold = model.threshold[node] ?? 0;
  if (isLeft) allowed.most = Math.min(allowed.most, nextBelow(threshold));
  else allowed.least = Math.max(allowed.least, threshold);
}

function categoryIn(model: TreeEnsemble, allowed: Allowed): number {
  for (let category = 0; category < categoryLimit; category++) {
    const fits = allowed.sets.every(({ node, isIn }) =>
      hasCategory(model, node, category) === isIn
    );
    if (fits) return category;
  }
  return 0;
}

/** The values that a split is asked about. */
function probesOf(model: TreeEnsemble, node: number): Probe[] {
  const missing = { value: NaN, words: "missing" };
  if (!isCategorical(model, node)) {
    const threshold = model.threshold[node] ?? 0;
    return [
      { value: threshold, words: `on ${threshold}` },
      { value: nextBelow(threshold), words: `just below ${threshold}` },
      { value: nextAbove(threshold), words: `just above ${threshold}` },
      missing,
    ];
  }
  const end = (model.categories?.size[node] ?? 0) * 32;
  const member = firstCategory(model, node, true);
  const other = firstCategory(model, node, false);
  return [
    ...[member, other, end].map((value) => ({
      value,
      words: `in category ${value}`,
    })),
    { value: -1, words: "negative" },
    missing,
  ];
}

function firstCategory(
  model: TreeEnsemble,
  node: number,
  isIn: boolean,
): number {
  const end = (model.categories?.size[node] ?? 0) * 32;
  for (let category = 0; category < end; category++) {
    if (hasCategory(model, node, category) === isIn) return category;
  }
  return end;
}

function orZero(value: number | undefined): number {
  return value === undefined || Number.isNaN(value) ? 0 : value;
}

function nextBelow(value: number): number {
  return -nextAbove(-value);
}
