/** Tells whether an ONNX graph's trees know what to do with missing values. */
import { fieldNumbers, readGraph } from "./nodes.ts";
import { scanIntegers } from "./protobuf.ts";

/** Operators with which a graph replaces missing values itself. */
const replacing = new Set(["Imputer", "IsNaN"]);

/**
 * Returns true if a graph has trees, and none of their nodes sends missing
 * values to its true branch, and nothing replaces them before. Some libraries
 * learn no other direction (CatBoost); skl2onnx 1.20 writes such a graph for a
 * forest that was trained with missing values, whatever its trees have learned.
 */
export function treesIgnoreMissing(bytes: Uint8Array): boolean {
  const nodes = readGraph(bytes)?.nodes ?? [];
  const trees = nodes.filter(({ op }) => op.startsWith("TreeEnsemble"));
  const knows = trees.some((node) =>
    scanIntegers(
      node.attributeBytes("nodes_missing_value_tracks_true") ??
        new Uint8Array(),
      fieldNumbers.attribute.integers,
    ).some((value) => value !== 0)
  );
  return trees.length > 0 && !knows &&
    !nodes.some(({ op }) => replacing.has(op));
}
