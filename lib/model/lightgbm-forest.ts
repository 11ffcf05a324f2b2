/** All trees of a LightGBM model: read one by one, checked and flattened together. */
import { modelError } from "./document.ts";
import type { TreeEnsemble } from "./ensemble.ts";
import { type LightgbmTree, readLightgbmTree } from "./lightgbm-tree.ts";
import { flattenTrees, type FlatTrees, type RawTrees } from "./trees.ts";
import { type Compiled, copyIn, instantiate } from "./wasm/module.ts";

/**
 * The trees that blocks of lines describe, in their order.
 *
 * @throws {InputError} As `readLightgbmTree` and `flattenTrees`, or if no walk reaches a node.
 */
export function buildTrees(
  blocks: readonly ReadonlyMap<string, string>[],
  featureCount: number,
): Omit<FlatTrees, "reached"> & Pick<TreeEnsemble, "zeroIsMissing"> {
  const zero = new Uint8Array(featureCount); // 1: zero is missing, 2: it is not
  const trees = blocks.map((keys, t) =>
    readLightgbmTree(keys, { name: `tree ${t}`, zero })
  );
  const sizes = Int32Array.from(trees, ({ left }) => left.length);
  const place = instantiate(1 << 18);
  const { reached, ...flat } = flattenTrees(
    place,
    placeTrees(place, { trees, sizes }),
    { featureCount, leafSize: 1, rounding: "trunc" },
  );
  sizes.forEach((size, t) => {
    if (reached[t] === size) return;
    throw modelError(
      `tree ${t}`,
      `${size - (reached[t] ?? 0)} nodes without a parent`,
    );
  });
  const zeroIsMissing = zero.map((state) => state === 1 ? 1 : 0);
  return zeroIsMissing.includes(1) ? { ...flat, zeroIsMissing } : flat;
}

/** Copies trees into a memory. */
function placeTrees(
  place: Compiled,
  { trees, sizes }: { trees: readonly LightgbmTree[]; sizes: Int32Array },
): RawTrees {
  const nodes = sizes.reduce((sum, size) => sum + size, 0);
  const int32s = (key: "left" | "right" | "feature" | "defaultLeft") =>
    joined(trees.map((tree) => tree[key]), new Int32Array(nodes));
  const thresholds = trees.map(({ threshold }) => threshold);
  const leaves = trees.map(({ leaf }) => leaf);
  const sets = joinedSets(trees, nodes);
  const at = (array: ArrayBufferView | undefined) => copyIn(place, array);
  return {
    count: trees.length,
    nodes,
    isWide: true,
    sizes: at(sizes),
    left: at(int32s("left")),
    right: at(int32s("right")),
    parents: 0,
    feature: at(int32s("feature")),
    threshold: at(joined(thresholds, new Float32Array(nodes))),
    defaultLeft: at(int32s("defaultLeft")),
    types: 0,
    leaf: at(joined(leaves, new Float64Array(nodes))),
    setCount: sets?.ends.length ?? 0,
    setOfNode: at(sets?.ofNode),
    setEnds: at(sets?.ends),
    categories: at(sets?.categories),
  };
}

/** Copies parts behind each other. */
function joined<Numbers extends Int32Array | Float32Array | Float64Array>(
  parts: readonly Numbers[],
  into: Numbers,
): Numbers {
  let at = 0;
  for (const part of parts) {
    into.set(part, at);
    at += part.length;
  }
  return into;
}

/** The sets of categories of all trees: which a node has, where each ends, and their categories. */
function joinedSets(
  trees: readonly LightgbmTree[],
  nodes: number,
):
  | { ofNode: Int32Array; ends: Int32Array; categories: Int32Array }
  | undefined {
  const ofNode = new Int32Array(nodes).fill(-1);
  const all: (readonly number[])[] = [];
  let first = 0;
  for (const { sets, left } of trees) {
    for (const [node, set] of sets) ofNode[first + node] = all.push(set) - 1;
    first += left.length;
  }
  if (all.length === 0) return undefined;
  const ends = new Int32Array(all.length);
  let end = 0;
  all.forEach((set, s) => ends[s] = end += set.length);
  return { ofNode, ends, categories: Int32Array.from(all.flat()) };
}
