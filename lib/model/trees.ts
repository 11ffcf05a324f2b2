/**
 * From the trees of a file to the parallel arrays of a `TreeEnsemble`, with
 * every claim of the file checked on the way: after this, a walk through any
 * tree ends at a leaf, whatever the row.
 */
import type { InputError } from "../errors.ts";
import { modelError } from "./document.ts";
import type { CategorySets, TreeEnsemble } from "./ensemble.ts";

/** One tree as a file has it, after its library's conventions are made ours: an entry per node. */
export interface TreeArrays {
  /** Numbers of nodes of this tree; -1 at a leaf. */
  readonly left: Int32Array;
  readonly right: Int32Array;
  readonly feature: Int32Array;
  readonly threshold: Float32Array;
  /** 1 where NaN goes left, else 0. */
  readonly defaultLeft: Int32Array;
  /** Categories that go right, per categorical node. */
  readonly sets: ReadonlyMap<number, ArrayLike<number>>;
  /** Nodes × values of a leaf. */
  readonly leaf: Float32Array | Float64Array;
}

/** The arrays of a `TreeEnsemble`, and what was found on the way. */
export type FlatTrees =
  & Pick<
    TreeEnsemble,
    | "roots"
    | "left"
    | "feature"
    | "threshold"
    | "defaultLeft"
    | "leafSize"
    | "leaf"
    | "categories"
    | "maxDepth"
  >
  & {
    /** Per tree, how many of its nodes its root leads to. */
    readonly reached: Int32Array;
  };

/** Trees under construction. */
interface Builder {
  readonly featureCount: number;
  readonly leafSize: number;
  readonly left: Int32Array;
  readonly feature: Int32Array;
  readonly threshold: Float32Array;
  readonly defaultLeft: Uint8Array;
  readonly leaf: Float32Array | Float64Array;
  /** Of one tree: its nodes' numbers in our order, and which of them were met. */
  readonly order: Int32Array;
  readonly met: Uint8Array;
  readonly setStart: Int32Array;
  readonly setSize: Int32Array;
  words: Uint32Array;
  wordCount: number;
  nodes: number;
  maxDepth: number;
}

/** XGBoost's first category that is none (`OutOfRangeCat`). */
const categoryLimit = 2 ** 24;

/** Words of all sets of a model together: 64 MiB. */
const wordLimit = 2 ** 24;

/**
 * The trees, breadth first, so that children stand side by side behind their
 * parent.
 *
 * @throws {InputError} If a child is out of range, or belongs to two parents, or a threshold, feature, leaf or category is not possible.
 */
export function flattenTrees(
  trees: readonly TreeArrays[],
  options: {
    featureCount: number;
    leafSize: number;
    precision: TreeEnsemble["precision"];
    rounding: CategorySets["rounding"];
  },
): FlatTrees {
  const { leafSize, rounding } = options;
  const builder = startTrees(trees, options);
  const roots = new Int32Array(trees.length);
  const reached = new Int32Array(trees.length);
  trees.forEach((tree, t) => {
    roots[t] = builder.nodes;
    reached[t] = appendTree(builder, tree, t);
  });
  const { nodes, wordCount } = builder;
  const start = builder.setStart.slice(0, nodes);
  const categories: CategorySets = {
    start,
    size: builder.setSize.slice(0, nodes),
    words: builder.words.slice(0, wordCount),
    rounding,
  };
  return {
    roots,
    reached,
    left: builder.left.slice(0, nodes),
    feature: builder.feature.slice(0, nodes),
    threshold: builder.threshold.slice(0, nodes),
    defaultLeft: builder.defaultLeft.slice(0, nodes),
    leafSize,
    leaf: builder.leaf.slice(0, nodes * leafSize),
    maxDepth: builder.maxDepth,
    ...(start.some((first) => first >= 0) ? { categories } : {}),
  };
}

function startTrees(
  trees: readonly TreeArrays[],
  options: {
    featureCount: number;
    leafSize: number;
    precision: TreeEnsemble["precision"];
  },
): Builder {
  const { featureCount, leafSize, precision } = options;
  let room = 0;
  let largest = 0;
  for (const { left } of trees) {
    room += left.length;
    largest = Math.max(largest, left.length);
  }
  const Leaves = precision === "float32" ? Float32Array : Float64Array;
  return {
    featureCount,
    leafSize,
    left: new Int32Array(room).fill(-1),
    feature: new Int32Array(room),
    threshold: new Float32Array(room),
    defaultLeft: new Uint8Array(room),
    leaf: new Leaves(room * leafSize),
    order: new Int32Array(largest),
    met: new Uint8Array(largest),
    setStart: new Int32Array(room).fill(-1),
    setSize: new Int32Array(room),
    words: new Uint32Array(64),
    wordCount: 0,
    nodes: 0,
    maxDepth: 0,
  };
}

/** Adds one tree; how many of its nodes its root leads to. */
function appendTree(builder: Builder, tree: TreeArrays, t: number): number {
  const { order, met } = builder;
  const size = tree.left.length;
  if (size === 0) throw modelError(`tree ${t}`, "no nodes");
  const root = builder.nodes;
  met.fill(0, 0, size);
  order[0] = 0;
  met[0] = 1;
  let known = 1;
  let levelEnd = 1;
  let depth = 0;
  for (let i = 0; i < known; i++) {
    if (i === levelEnd) {
      depth++;
      levelEnd = known;
    }
    const node = order[i] ?? 0;
    const step = { tree, t, node, at: root + i };
    const left = tree.left[node] ?? -1;
    if (left === -1) {
      appendLeaf(builder, step);
      continue;
    }
    const right = tree.right[node] ?? -1;
    meet(builder, left, step);
    meet(builder, right, step);
    order[known] = left;
    order[known + 1] = right;
    builder.left[step.at] = root + known;
    appendSplit(builder, step);
    known += 2;
  }
  builder.nodes = root + known;
  builder.maxDepth = Math.max(builder.maxDepth, depth);
  return known;
}

/** A node of tree `t`, and where it stands among the nodes of all trees. */
interface Step {
  readonly tree: TreeArrays;
  readonly t: number;
  readonly node: number;
  readonly at: number;
}

/** Refuses a child that is not there or was met before; marks it as met. */
function meet({ met }: Builder, child: number, step: Step): void {
  const { left } = step.tree;
  if (child < 0 || child >= left.length) {
    const side = child === left[step.node] ? "left" : "right";
    throw nodeError(
      step,
      `${side} child ${child} is outside 0..${left.length - 1}`,
    );
  }
  if (met[child]) {
    throw nodeError(
      step,
      `child ${child} is already another node's child or the root`,
    );
  }
  met[child] = 1;
}

function nodeError({ t, node }: Step, problem: string): InputError {
  return modelError(`tree ${t} node ${node}`, problem);
}

function appendLeaf(builder: Builder, step: Step): void {
  const { leafSize, leaf } = builder;
  const { tree, node, at } = step;
  for (let k = 0; k < leafSize; k++) {
    const value = tree.leaf[node * leafSize + k] ?? NaN;
    if (!Number.isFinite(value)) {
      throw nodeError(step, `leaf value is ${value}`);
    }
    leaf[at * leafSize + k] = value;
  }
}

function appendSplit(builder: Builder, step: Step): void {
  const { tree, node, at } = step;
  const { featureCount } = builder;
  const feature = tree.feature[node] ?? -1;
  if (feature < 0 || feature >= featureCount) {
    throw nodeError(
      step,
      `feature ${feature} is outside 0..${featureCount - 1}`,
    );
  }
  builder.feature[at] = feature;
  builder.defaultLeft[at] = tree.defaultLeft[node] ?? 0;
  const set = tree.sets.size > 0 ? tree.sets.get(node) : undefined;
  if (set !== undefined) return appendSet(builder, set, step);
  const threshold = tree.threshold[node] ?? NaN;
  if (Number.isNaN(threshold)) throw nodeError(step, "threshold is NaN");
  builder.threshold[at] = threshold;
}

function appendSet(
  builder: Builder,
  set: ArrayLike<number>,
  step: Step,
): void {
  let largest = -1;
  for (let i = 0; i < set.length; i++) {
    const category = set[i] ?? -1;
    if (!(category >= 0 && category < categoryLimit)) {
      throw nodeError(
        step,
        `category ${category} is outside 0..${categoryLimit - 1}`,
      );
    }
    largest = Math.max(largest, category);
  }
  const start = builder.wordCount;
  const size = (largest >> 5) + 1;
  if (start + size > wordLimit) {
    throw nodeError(step, "category sets over 64 MiB");
  }
  const words = takeWords(builder, size);
  for (let i = 0; i < set.length; i++) {
    const category = set[i] ?? 0;
    const word = start + (category >> 5);
    words[word] = (words[word] ?? 0) | 1 << (category & 31);
  }
  builder.setStart[step.at] = start;
  builder.setSize[step.at] = size;
}

/** The words of all sets, with room for so many more, which count as used from here on. */
function takeWords(builder: Builder, size: number): Uint32Array {
  builder.wordCount += size;
  if (builder.wordCount > builder.words.length) {
    const larger = new Uint32Array(
      Math.max(builder.wordCount, 2 * builder.words.length),
    );
    larger.set(builder.words);
    builder.words = larger;
  }
  return builder.words;
}
