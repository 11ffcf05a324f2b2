/** All trees of a LightGBM model: read one by one, checked and flattened together. */
import { modelError } from "../document.ts";
import type { TreeEnsemble } from "../../ensemble.ts";
import { readLightgbmTree } from "./tree.ts";
import { flattenTrees, type FlatTrees } from "../trees.ts";

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
  const { reached, ...flat } = flattenTrees(trees, {
    featureCount,
    leafSize: 1,
    precision: "float64",
    rounding: "trunc",
  });
  trees.forEach(({ left }, t) => {
    if (reached[t] === left.length) return;
    throw modelError(
      `tree ${t}`,
      `${left.length - (reached[t] ?? 0)} nodes without a parent`,
    );
  });
  const zeroIsMissing = zero.map((state) => state === 1 ? 1 : 0);
  return zeroIsMissing.includes(1) ? { ...flat, zeroIsMissing } : flat;
}
