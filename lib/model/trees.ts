/**
 * From the trees of a file to the parallel arrays of a `TreeEnsemble`, with
 * every claim of the file checked on the way: after this, a walk through any
 * tree ends at a leaf, whatever the row. The work is done by
 * `wasm/assembly/trees.ts`.
 */
import { modelError } from "./document.ts";
import type { CategorySets, TreeEnsemble } from "./ensemble.ts";
import { copyIn, instantiate } from "./wasm/module.ts";

/** Trees as a file has them, after its library's conventions are made ours: arrays with the nodes of one tree behind those of the other. */
export interface RawTrees {
  /** Nodes of each tree. */
  readonly sizes: Int32Array;
  /** Numbers of nodes within their tree; -1 at a leaf. */
  readonly left: Int32Array;
  readonly right: Int32Array;
  /** Where the file tells them, they have to be right, and right children follow left ones. */
  readonly parents?: Int32Array;
  readonly feature: Int32Array;
  readonly threshold: Float32Array;
  /** 1 where NaN goes left. */
  readonly defaultLeft: Int32Array;
  /** 1 at categorical nodes, where the file tells. */
  readonly types?: Int32Array | undefined;
  /** Nodes × values of a leaf. */
  readonly leaf: Float32Array | Float64Array;
  /** Absent where no node is categorical. */
  readonly sets?: RawSets | undefined;
}

/** Categories that go right. */
export interface RawSets {
  /** Per node, the number of its set; -1 where it is not categorical. */
  readonly ofNode: Int32Array;
  /** Where each set ends in {@linkcode RawSets.categories}, and the next one begins. */
  readonly ends: Int32Array;
  readonly categories: Int32Array;
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

/** Where the results begin in a `class Forest`, in numbers of 32 bits. */
const results = 18;

/**
 * The trees, breadth first.
 *
 * @throws {InputError} If a child is out of range, or belongs to two parents, or a threshold, feature, leaf, flag or category is not possible.
 */
export function flattenTrees(
  trees: RawTrees,
  options: {
    featureCount: number;
    leafSize: number;
    rounding: CategorySets["rounding"];
  },
): FlatTrees {
  const { featureCount, leafSize, rounding } = options;
  const { sizes, left, leaf, sets } = trees;
  const empty = sizes.indexOf(0);
  if (empty !== -1) throw modelError(`tree ${empty}`, "no nodes");
  const nodes = left.length;
  const isWide = leaf instanceof Float64Array;
  const place = instantiate(1 << 18, {
    imports: {
      refuseNode(problem, tree, node, a, b) {
        const words = problems[problem];
        if (words === undefined) throw modelError(`tree ${tree}`, "broken");
        const size = sizes[tree] ?? 0;
        throw words(`tree ${tree}`, { node, size, featureCount, a, b });
      },
    },
  });
  const { code, memory } = place;
  const arrays = copyIn(place, [
    sizes,
    left,
    trees.right,
    trees.parents,
    trees.feature,
    trees.threshold,
    trees.defaultLeft,
    trees.types,
    leaf,
    sets?.ofNode,
    sets?.ends,
    sets?.categories,
  ]);
  const [forest = 0] = copyIn(place, [Uint32Array.from([
    sizes.length,
    nodes,
    featureCount,
    leafSize,
    Number(isWide),
    sets?.ends.length ?? 0,
    ...arrays,
    ...new Array<number>(13).fill(0),
  ])]);
  code.flatten(forest);
  const { buffer } = memory;
  const [
    used = 0,
    maxDepth = 0,
    wordCount = 0,
    roots,
    reached,
    newLeft,
    feature,
    threshold,
    defaultLeft,
    newLeaf,
    start,
    size,
    words,
  ] = new Uint32Array(buffer, forest + 4 * results, 13);
  const categories = sets && {
    start: new Int32Array(buffer, start, used).slice(),
    size: new Int32Array(buffer, size, used).slice(),
    words: new Uint32Array(buffer, words, wordCount).slice(),
    rounding,
  };
  const isUsed = categories?.start.some((first) => first >= 0);
  return {
    roots: new Int32Array(buffer, roots, sizes.length).slice(),
    reached: new Int32Array(buffer, reached, sizes.length).slice(),
    left: new Int32Array(buffer, newLeft, used).slice(),
    feature: new Int32Array(buffer, feature, used).slice(),
    threshold: new Float32Array(buffer, threshold, used).slice(),
    defaultLeft: new Uint8Array(buffer, defaultLeft, used).slice(),
    leafSize,
    leaf: isWide
      ? new Float64Array(buffer, newLeaf, used * leafSize).slice()
      : new Float32Array(buffer, newLeaf, used * leafSize).slice(),
    maxDepth,
    ...(categories && isUsed ? { categories } : {}),
  };
}

type Words = (
  tree: string,
  found: {
    node: number;
    size: number;
    featureCount: number;
    a: number;
    b: number;
  },
) => Error;

/** Words about a node. */
function ofNode(words: (a: number, b: number) => string): Words {
  return (tree, { node, a, b }) =>
    modelError(`${tree} node ${node}`, words(a, b));
}

function outside(side: string): Words {
  return (tree, { node, size, a }) =>
    modelError(
      `${tree} node ${node}`,
      `${side} child ${a} is outside 0..${size - 1}`,
    );
}

/** What `NodeProblem` of `wasm/assembly/trees.ts` means, in its order. */
const problems: readonly Words[] = [
  outside("left"),
  outside("right"),
  ofNode((a) => `child ${a} is already another node's child or the root`),
  ofNode((a, b) => `right child ${a} does not follow left child ${b}`),
  ofNode((a, b) => `its children name ${a} and ${b} as parents`),
  (tree, { node, a }) =>
    modelError(`${tree}.default_left[${node}]`, `${a} is neither 0 nor 1`),
  ofNode((a, b) => `split type ${a}, ${b ? "with" : "without"} categories`),
  (tree, { node, featureCount, a }) =>
    modelError(
      `${tree} node ${node}`,
      `feature ${a} is outside 0..${featureCount - 1}`,
    ),
  ofNode(() => "threshold is NaN"),
  ofNode((a) => `leaf value is ${a}`),
  ofNode((a) => `category ${a} is outside 0..16777215`),
  ofNode(() => "category sets over 64 MiB"),
];
