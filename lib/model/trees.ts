/**
 * From the trees of a file to the parallel arrays of a `TreeEnsemble`, with
 * every claim of the file checked on the way: after this, a walk through any
 * tree ends at a leaf, whatever the row. The work is done by
 * `wasm/assembly/trees.ts`.
 */
import type { CategorySets, TreeEnsemble } from "./ensemble.ts";
import { type Compiled, copyIn } from "./wasm/module.ts";

/**
 * Trees as a file has them, after its library's conventions are made ours:
 * addresses of arrays in the memory of compiled code, of 32-bit numbers where
 * nothing else is said, with the nodes of one tree behind those of the other;
 * 0 where the file does not tell.
 */
export interface RawTrees {
  readonly count: number;
  readonly nodes: number;
  /** Leaves are doubles. */
  readonly isWide: boolean;
  readonly setCount: number;
  /** Per tree, how many nodes it has: none has no node. */
  readonly sizes: number;
  /** Numbers of nodes within their tree; -1 at a leaf. */
  readonly left: number;
  readonly right: number;
  /** Where the file tells them, they have to be right, and right children follow left ones. */
  readonly parents: number;
  readonly feature: number;
  /** Floats. */
  readonly threshold: number;
  /** 1 where NaN goes left, else 0. */
  readonly defaultLeft: number;
  /** 1 at categorical nodes. */
  readonly types: number;
  /** Nodes × values of a leaf, floats or doubles. */
  readonly leaf: number;
  /** Per node, the number of its set of categories, which go right; -1 where it is not categorical. */
  readonly setOfNode: number;
  /** Per set, where it ends in {@linkcode RawTrees.categories}, and the next one begins. */
  readonly setEnds: number;
  readonly categories: number;
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

/** Numbers of 32 bits in the results of a `class Forest`. */
const results = 13;

/**
 * The trees, breadth first.
 *
 * @param place Where the arrays of the trees are.
 * @throws {InputError} If a child is out of range, or belongs to two parents, or a threshold, feature, leaf, flag or category is not possible.
 */
export function flattenTrees(
  place: Compiled,
  trees: RawTrees,
  options: {
    featureCount: number;
    leafSize: number;
    rounding: CategorySets["rounding"];
  },
): FlatTrees {
  const { featureCount, leafSize, rounding } = options;
  const record = [
    trees.count,
    trees.nodes,
    featureCount,
    leafSize,
    Number(trees.isWide),
    trees.setCount,
    trees.sizes,
    trees.left,
    trees.right,
    trees.parents,
    trees.feature,
    trees.threshold,
    trees.defaultLeft,
    trees.types,
    trees.leaf,
    trees.setOfNode,
    trees.setEnds,
    trees.categories,
  ];
  const forest = copyIn(
    place,
    Uint32Array.from([...record, ...new Array<number>(results).fill(0)]),
  );
  place.code.flatten(forest);
  const { buffer } = place.memory;
  const [
    used = 0,
    maxDepth = 0,
    wordCount = 0,
    roots,
    reached,
    left,
    feature,
    threshold,
    defaultLeft,
    leaf,
    setStart = 0,
    setSize,
    words,
  ] = new Uint32Array(buffer, forest + 4 * record.length, results);
  const categories = setStart === 0 ? undefined : {
    start: new Int32Array(buffer, setStart, used).slice(),
    size: new Int32Array(buffer, setSize, used).slice(),
    words: new Uint32Array(buffer, words, wordCount).slice(),
    rounding,
  };
  const isUsed = categories?.start.some((first) => first >= 0);
  return {
    roots: new Int32Array(buffer, roots, trees.count).slice(),
    reached: new Int32Array(buffer, reached, trees.count).slice(),
    left: new Int32Array(buffer, left, used).slice(),
    feature: new Int32Array(buffer, feature, used).slice(),
    threshold: new Float32Array(buffer, threshold, used).slice(),
    defaultLeft: new Uint8Array(buffer, defaultLeft, used).slice(),
    leafSize,
    leaf: trees.isWide
      ? new Float64Array(buffer, leaf, used * leafSize).slice()
      : new Float32Array(buffer, leaf, used * leafSize).slice(),
    maxDepth,
    ...(categories && isUsed ? { categories } : {}),
  };
}
