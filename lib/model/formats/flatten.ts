/**
 * From the trees of a file to the parallel arrays of a `TreeEnsemble`, with
 * every claim of the file checked on the way: after this, a walk through any
 * tree ends at a leaf, whatever the row.
 */
import type { InputError } from "../../base/errors.ts";
import { modelError } from "./document.ts";
import type { CategorySets, TreeEnsemble } from "../ensemble.ts";

/** One tree as a file has it, after its library's conventions are made ours: an entry per node. */
export interface TreeArrays {
  /** Numbers of nodes of this tree; -1 at a leaf. */
  readonly left: Int32Array;
  readonly right: Int32Array;
  readonly feature: Int32Array;
  readonly threshold: Float32Array;
  /** 1 where NaN goes left, else 0. */
  readonly defaultLeft: ArrayLike<number>;
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
  /** Empty where no node is categorical. */
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
  const { nodes, setStart, setSize, words, wordCount } = builder;
  const categories = {
    start: setStart.subarray(0, nodes),
    size: setSize.subarray(0, nodes),
    words: words.slice(0, wordCount),
    rounding,
  };
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
    ...(categories.start.some((first) => first >= 0) ? { categories } : {}),
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
  const sizes = trees.map(({ left }) => left.length);
  const room = sizes.reduce((sum, size) => sum + size, 0);
  const largest = sizes.reduce((most, size) => Math.max(most, size), 0);
  const setRoom = trees.some(({ sets }) => sets.size > 0) ? room : 0;
  const Leaves = precision === "float32" ? Float32Array : Float64Array;
  return {
    featureCount,
    leafSize,
    left: new Int32Array(room),
    feature: new Int32Array(room),
    threshold: new Float32Array(room),
    defaultLeft: new Uint8Array(room),
    leaf: new Leaves(room * leafSize),
    order: new Int32Array(largest),
    met: new Uint8Array(largest),
    setStart: new Int32Array(setRoom).fill(-1),
    setSize: new Int32Array(setRoom),
    words: new Uint32Array(64),
    wordCount: 0,
    nodes: 0,
    maxDepth: 0,
  };
}

/** Adds tree `t`; how many of its nodes its root leads to. */
function appendTree(builder: Builder, tree: TreeArrays, t: number): number {
  if (tree.left.length === 0) throw modelError(`tree ${t}`, "no nodes");
  const known = orderNodes(builder, tree, t);
  const { leafSize, featureCount, order, nodes: root } = builder;
  const { left, feature, threshold, defaultLeft, leaf } = builder;
  for (let i = 0; i < known; i++) {
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
  builder.nodes = root + known;
  return known;
}

/** Finds the nodes that the root leads to, breadth first, and their children's places. */
function orderNodes(builder: Builder, tree: TreeArrays, t: number): number {
  const { order, met, nodes: root } = builder;
  const size = tree.left.length;
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
    const left = tree.left[node] ?? -1;
    if (left === -1) {
      builder.left[root + i] = -1;
      continue;
    }
    const right = tree.right[node] ?? -1;
    if (left < 0 || left >= size || met[left]) {
      throw childError({ t, node, side: "left", child: left, size });
    }
    met[left] = 1;
    if (right < 0 || right >= size || met[right]) {
      throw childError({ t, node, side: "right", child: right, size });
    }
    met[right] = 1;
    order[known] = left;
    order[known + 1] = right;
    builder.left[root + i] = root + known;
    known += 2;
  }
  builder.maxDepth = Math.max(builder.maxDepth, depth);
  return known;
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
      `child ${child} is already another node's child or the root`,
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
  const start = builder.wordCount;
  const size = (largest >> 5) + 1;
  if (start + size > wordLimit) {
    throw nodeError({ t, node }, "category sets over 64 MiB");
  }
  const words = takeWords(builder, size);
  for (let i = 0; i < set.length; i++) {
    const category = set[i] ?? 0;
    const word = start + (category >> 5);
    words[word] = (words[word] ?? 0) | 1 << (category & 31);
  }
  builder.setStart[at] = start;
  builder.setSize[at] = size;
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
