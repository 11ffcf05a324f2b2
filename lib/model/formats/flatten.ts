/**
 * Flattens the trees of a file into the parallel arrays of a `TreeEnsemble` and
 * validates them: afterwards, every row reaches a leaf of every tree.
 */
import type { InputError } from "../../base/errors.ts";
import { modelError } from "./document.ts";
import type { CategorySets, TreeEnsemble } from "../ensemble.ts";

/** One tree in the node order of its file, one entry per node, with the conventions of `ensemble.ts`. */
export interface TreeArrays {
  /** Node indices within this tree; -1 for a leaf. */
  readonly left: Int32Array;
  readonly right: Int32Array;
  readonly feature: Int32Array;
  readonly threshold: Float32Array;
  /** 1 if NaN goes left, else 0. */
  readonly defaultLeft: ArrayLike<number>;
  /** The categories that go right, per categorical node. */
  readonly sets: ReadonlyMap<number, ArrayLike<number>>;
  /** Nodes × values per leaf. */
  readonly leaf: Float32Array | Float64Array;
}

/** The arrays of a `TreeEnsemble` and the number of reachable nodes. */
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
    /** Per tree, the number of nodes that are reachable from its root. */
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
  /** The current tree's nodes in breadth-first order. */
  readonly order: Int32Array;
  /** Per node of the current tree, 1 if it has been visited. */
  readonly visited: Uint8Array;
  /** Empty if no node is categorical. */
  readonly setStart: Int32Array;
  readonly setSize: Int32Array;
  /** The words of each category set. */
  readonly sets: Uint32Array[];
  /** The number of words of all sets. */
  wordCount: number;
  nodes: number;
  maxDepth: number;
}

/** Exclusive upper bound of categories (XGBoost's `OutOfRangeCat`). */
const categoryLimit = 2 ** 24;

/** Maximum words of all category sets of a model: 64 MiB. */
const wordLimit = 2 ** 24;

/**
 * Returns the trees in breadth-first order, so that siblings are adjacent and
 * follow their parent.
 *
 * @throws {InputError} If a child is out of range or has two parents, or a threshold, feature, leaf value or category is invalid.
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
  const { featureCount, leafSize, precision, rounding } = options;
  const sizes = trees.map(({ left }) => left.length);
  const capacity = sizes.reduce((sum, size) => sum + size, 0);
  const largest = sizes.reduce((max, size) => Math.max(max, size), 0);
  const setCapacity = trees.some(({ sets }) => sets.size > 0) ? capacity : 0;
  const Leaves = precision === "float32" ? Float32Array : Float64Array;
  const builder: Builder = {
    featureCount,
    leafSize,
    left: new Int32Array(capacity),
    feature: new Int32Array(capacity),
    threshold: new Float32Array(capacity),
    defaultLeft: new Uint8Array(capacity),
    leaf: new Leaves(capacity * leafSize),
    order: new Int32Array(largest),
    visited: new Uint8Array(largest),
    setStart: new Int32Array(setCapacity).fill(-1),
    setSize: new Int32Array(setCapacity),
    sets: [],
    wordCount: 0,
    nodes: 0,
    maxDepth: 0,
  };
  const roots = new Int32Array(trees.length);
  const reached = new Int32Array(trees.length);
  trees.forEach((tree, t) => {
    roots[t] = builder.nodes;
    reached[t] = appendTree(builder, tree, t);
  });
  const { nodes, setStart, setSize, sets } = builder;
  return {
    roots,
    reached,
    left: builder.left.subarray(0, nodes),
    feature: builder.feature.subarray(0, nodes),
    threshold: builder.threshold.subarray(0, nodes),
    defaultLeft: builder.defaultLeft.subarray(0, nodes),
    leafSize,
    leaf: builder.leaf.subarray(0, nodes * leafSize),
    maxDepth: builder.maxDepth,
    ...(sets.length === 0 ? {} : {
      categories: {
        start: setStart.subarray(0, nodes),
        size: setSize.subarray(0, nodes),
        words: joined(sets, builder.wordCount),
        rounding,
      },
    }),
  };
}

function joined(sets: readonly Uint32Array[], length: number): Uint32Array {
  const words = new Uint32Array(length);
  let at = 0;
  for (const set of sets) {
    words.set(set, at);
    at += set.length;
  }
  return words;
}

/** Appends tree `t` and returns the number of reachable nodes. */
function appendTree(builder: Builder, tree: TreeArrays, t: number): number {
  if (tree.left.length === 0) throw modelError(`tree ${t}`, "no nodes");
  const reached = orderNodes(builder, tree, t);
  const { leafSize, featureCount, order, nodes: root } = builder;
  const { left, feature, threshold, defaultLeft, leaf } = builder;
  for (let i = 0; i < reached; i++) {
    const node = order[i] ?? 0;
    const at = root + i;
    if (left[at] === -1) {
      for (let k = 0; k < leafSize; k++) {
        const value = tree.leaf[node * leafSize + k] ?? NaN;
        if (!Number.isFinite(value)) {
          throw nodeError({ t, node }, `leaf value is ${value}`);
        }
        leaf[at * leafSize + k] = value;
      }
      continue;
    }
    const column = tree.feature[node] ?? -1;
    if (column < 0 || column >= featureCount) {
      throw nodeError(
        { t, node },
        `feature ${column} is outside 0..${featureCount - 1}`,
      );
    }
    feature[at] = column;
    defaultLeft[at] = tree.defaultLeft[node] ?? 0;
    const value = tree.threshold[node] ?? NaN;
    if (tree.sets.size > 0 && tree.sets.has(node)) {
      appendSet(builder, tree.sets.get(node) ?? [], { t, node, at });
    } else if (Number.isNaN(value)) {
      throw nodeError({ t, node }, "threshold is NaN");
    } else threshold[at] = value;
  }
  builder.nodes = root + reached;
  return reached;
}

/** Orders the reachable nodes breadth first, sets their children's indices, and returns their number. */
function orderNodes(builder: Builder, tree: TreeArrays, t: number): number {
  const { order, visited, nodes: root } = builder;
  const size = tree.left.length;
  visited.fill(0, 0, size);
  order[0] = 0;
  visited[0] = 1;
  let reached = 1;
  let levelEnd = 1;
  let depth = 0;
  for (let i = 0; i < reached; i++) {
    if (i === levelEnd) {
      depth++;
      levelEnd = reached;
    }
    const node = order[i] ?? 0;
    const left = tree.left[node] ?? -1;
    if (left === -1) {
      builder.left[root + i] = -1;
      continue;
    }
    const right = tree.right[node] ?? -1;
    if (left < 0 || left >= size || visited[left]) {
      throw childError({ t, node, side: "left", child: left, size });
    }
    visited[left] = 1;
    if (right < 0 || right >= size || visited[right]) {
      throw childError({ t, node, side: "right", child: right, size });
    }
    visited[right] = 1;
    order[reached] = left;
    order[reached + 1] = right;
    builder.left[root + i] = root + reached;
    reached += 2;
  }
  builder.maxDepth = Math.max(builder.maxDepth, depth);
  return reached;
}

function childError(
  { t, node, side, child, size }: {
    t: number;
    node: number;
    side: string;
    child: number;
    size: number;
  },
): InputError {
  return child < 0 || child >= size
    ? nodeError({ t, node }, `${side} child ${child} is outside 0..${size - 1}`)
    : nodeError(
      { t, node },
      `child ${child} is the root or already has a parent`,
    );
}

function nodeError(
  { t, node }: { t: number; node: number },
  problem: string,
): InputError {
  return modelError(`tree ${t} node ${node}`, problem);
}

function appendSet(
  builder: Builder,
  set: ArrayLike<number>,
  { t, node, at }: { t: number; node: number; at: number },
): void {
  let largest = -1;
  for (let i = 0; i < set.length; i++) {
    const category = set[i] ?? -1;
    if (!(category >= 0 && category < categoryLimit)) {
      throw nodeError(
        { t, node },
        `category ${category} is outside 0..${categoryLimit - 1}`,
      );
    }
    largest = Math.max(largest, category);
  }
  const words = new Uint32Array((largest >> 5) + 1);
  const start = builder.wordCount;
  if (start + words.length > wordLimit) {
    throw nodeError({ t, node }, "category sets exceed 64 MiB");
  }
  for (let i = 0; i < set.length; i++) {
    const category = set[i] ?? 0;
    words[category >> 5] = (words[category >> 5] ?? 0) | 1 << (category & 31);
  }
  builder.sets.push(words);
  builder.setStart[at] = start;
  builder.setSize[at] = words.length;
  builder.wordCount += words.length;
}
