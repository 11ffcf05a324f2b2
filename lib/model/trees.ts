/**
 * From the trees of a file to the parallel arrays of a `TreeEnsemble`, with
 * every claim of the file checked on the way: after this, a walk through any
 * tree ends at a leaf, whatever the row.
 */
import { modelError } from "./document.ts";
import type { CategorySets, TreeEnsemble } from "./ensemble.ts";

/** One tree as a file has it, after its library's conventions are made ours. */
export interface RawTree {
  /** For messages, such as `tree 3`. */
  readonly name: string;
  /** -1 at a leaf. */
  readonly left: Int32Array;
  /** -1 at a leaf. */
  readonly right: Int32Array;
  readonly feature: Int32Array;
  readonly threshold: Float32Array;
  /** 1 where NaN goes left. */
  readonly defaultLeft: ArrayLike<number>;
  /** Categories that go right, per categorical node. */
  readonly sets: ReadonlyMap<number, ArrayLike<number>>;
  /** Value `k` of the leaf at a node. */
  readonly leaf: (node: number, k: number) => number;
}

/** Trees under construction; {@linkcode appendTree} fills it, {@linkcode finishTrees} closes it. */
export interface TreeBuilder {
  readonly featureCount: number;
  readonly leafSize: number;
  readonly left: Int32Array;
  readonly feature: Int32Array;
  readonly threshold: Float32Array;
  readonly defaultLeft: Uint8Array;
  readonly leaf: Float32Array | Float64Array;
  readonly roots: number[];
  readonly setStart: Int32Array;
  readonly setSize: Int32Array;
  words: Uint32Array;
  wordCount: number;
  hasSets: boolean;
  nodes: number;
  maxDepth: number;
}

/** XGBoost's first category that is none (`OutOfRangeCat`, 2^24), and our bound for a set's memory. */
const categoryLimit = 16_777_216;

/** All sets of a model together; 64 MiB. */
const wordLimit = 1 << 24;

/** An empty builder with room for the nodes of all trees. */
export function startTrees(
  room: number,
  options: {
    featureCount: number;
    leafSize: number;
    precision: "float32" | "float64";
  },
): TreeBuilder {
  const { featureCount, leafSize, precision } = options;
  const Leaves = precision === "float32" ? Float32Array : Float64Array;
  return {
    featureCount,
    leafSize,
    left: new Int32Array(room),
    feature: new Int32Array(room),
    threshold: new Float32Array(room),
    defaultLeft: new Uint8Array(room),
    leaf: new Leaves(room * leafSize),
    roots: [],
    setStart: new Int32Array(room).fill(-1),
    setSize: new Int32Array(room),
    words: new Uint32Array(64),
    wordCount: 0,
    hasSets: false,
    nodes: 0,
    maxDepth: 0,
  };
}

/**
 * Adds one tree, breadth first, so that children stand side by side behind
 * their parent.
 *
 * @returns How many of the tree's nodes its root leads to.
 * @throws {InputError} If a child is out of range, or belongs to two parents, or a threshold, feature, leaf or category is not possible.
 */
export function appendTree(builder: TreeBuilder, tree: RawTree): number {
  const size = tree.left.length;
  if (size === 0) throw modelError(tree.name, "no nodes");
  const first = builder.nodes;
  const order = new Int32Array(size); // file's node numbers in our order
  const seen = new Uint8Array(size);
  seen[0] = 1;
  let known = 1;
  let levelEnd = 1;
  let depth = 0;
  for (let i = 0; i < known; i++) {
    if (i === levelEnd) {
      depth++;
      levelEnd = known;
    }
    const node = order[i] ?? 0;
    const left = tree.left[node] ?? -1;
    if (left === -1) {
      appendLeaf(builder, tree, node);
      continue;
    }
    const right = tree.right[node] ?? -1;
    checkChild(tree, { node, child: left, seen });
    checkChild(tree, { node, child: right, seen });
    order[known] = left;
    order[known + 1] = right;
    appendSplit(builder, tree, { node, left: first + known });
    known += 2;
  }
  builder.roots.push(first);
  builder.maxDepth = Math.max(builder.maxDepth, depth);
  return known;
}

function appendLeaf(builder: TreeBuilder, tree: RawTree, node: number): void {
  const at = builder.nodes++;
  builder.left[at] = -1;
  for (let k = 0; k < builder.leafSize; k++) {
    const value = tree.leaf(node, k);
    if (!Number.isFinite(value)) {
      throw modelError(`${tree.name} node ${node}`, `leaf value is ${value}`);
    }
    builder.leaf[at * builder.leafSize + k] = value;
  }
}

function appendSplit(
  builder: TreeBuilder,
  tree: RawTree,
  split: { node: number; left: number },
): void {
  const { node, left } = split;
  const at = builder.nodes++;
  const feature = tree.feature[node] ?? -1;
  if (feature < 0 || feature >= builder.featureCount) {
    throw modelError(
      `${tree.name} node ${node}`,
      `feature ${feature} is outside 0..${builder.featureCount - 1}`,
    );
  }
  builder.left[at] = left;
  builder.feature[at] = feature;
  builder.defaultLeft[at] = tree.defaultLeft[node] ? 1 : 0;
  const set = tree.sets.get(node);
  if (set !== undefined) return appendSet(builder, tree, { node, at, set });
  const threshold = tree.threshold[node] ?? NaN;
  if (Number.isNaN(threshold)) {
    throw modelError(`${tree.name} node ${node}`, "threshold is NaN");
  }
  builder.threshold[at] = threshold;
}

function appendSet(
  builder: TreeBuilder,
  tree: RawTree,
  split: { node: number; at: number; set: ArrayLike<number> },
): void {
  const { node, at, set } = split;
  let largest = -1;
  for (let i = 0; i < set.length; i++) {
    const category = set[i] ?? -1;
    if (!(category >= 0 && category < categoryLimit)) {
      throw modelError(
        `${tree.name} node ${node}`,
        `category ${category} is outside 0..${categoryLimit - 1}`,
      );
    }
    largest = Math.max(largest, category);
  }
  const start = builder.wordCount;
  const size = (largest >> 5) + 1;
  if (start + size > wordLimit) {
    throw modelError(`${tree.name} node ${node}`, "category sets over 64 MiB");
  }
  const words = roomForWords(builder, size);
  for (let i = 0; i < set.length; i++) {
    const category = set[i] ?? 0;
    const word = start + (category >> 5);
    words[word] = (words[word] ?? 0) | 1 << (category & 31);
  }
  builder.hasSets = true;
  builder.setStart[at] = start;
  builder.setSize[at] = size;
}

/** The words of all sets, with room for so many more, which count as used from here on. */
function roomForWords(builder: TreeBuilder, size: number): Uint32Array {
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

/** Refuses a child that is not there or was met before; marks it as met. */
function checkChild(
  tree: RawTree,
  step: { node: number; child: number; seen: Uint8Array },
): void {
  const { node, child, seen } = step;
  if (child >= 0 && child < seen.length) {
    if (!seen[child]) {
      seen[child] = 1;
      return;
    }
    throw modelError(
      `${tree.name} node ${node}`,
      `child ${child} is already another node's child or the root`,
    );
  }
  const side = child === tree.left[node] ? "left" : "right";
  throw modelError(
    `${tree.name} node ${node}`,
    `${side} child ${child} is outside 0..${seen.length - 1}`,
  );
}

/** The arrays of a `TreeEnsemble`, cut to the nodes that were added. */
export function finishTrees(
  builder: TreeBuilder,
  rounding: CategorySets["rounding"],
): Pick<
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
> {
  const { nodes, leafSize, words, wordCount } = builder;
  const categories: CategorySets = {
    start: builder.setStart.subarray(0, nodes),
    size: builder.setSize.subarray(0, nodes),
    words: words.slice(0, wordCount),
    rounding,
  };
  return {
    roots: Int32Array.from(builder.roots),
    left: builder.left.subarray(0, nodes),
    feature: builder.feature.subarray(0, nodes),
    threshold: builder.threshold.subarray(0, nodes),
    defaultLeft: builder.defaultLeft.subarray(0, nodes),
    leafSize,
    leaf: builder.leaf.subarray(0, nodes * leafSize),
    maxDepth: builder.maxDepth,
    ...(builder.hasSets ? { categories } : {}),
  };
}
