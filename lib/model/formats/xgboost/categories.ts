/** Reads categorical splits, which XGBoost supports since 1.3. */
import {
  flagsOf,
  int32sOf,
  type JsonValue,
  member,
  modelError,
} from "../document.ts";

/**
 * Returns the categories that go right, per categorical node of a tree.
 *
 * @param size The number of nodes of the tree.
 * @throws {InputError} If a set belongs to no node or to two, is out of range, or contradicts the node's type.
 */
export function readSets(
  tree: JsonValue,
  size: number,
): ReadonlyMap<number, Int32Array> {
  const types = flagsOf(member(tree, "split_type"), size);
  const nodes = int32sOf(member(tree, "categories_nodes"));
  const starts = int32sOf(member(tree, "categories_segments"), nodes.length);
  const counts = int32sOf(member(tree, "categories_sizes"), nodes.length);
  const categories = int32sOf(member(tree, "categories"));
  const sets = new Map<number, Int32Array>();
  let left = categories.length; // sets do not overlap, so together they are at most all categories
  nodes.forEach((node, s) => {
    const start = starts[s] ?? -1;
    const end = start + (counts[s] ?? 0);
    const isNew = node >= 0 && node < size && !sets.has(node);
    left -= end - start;
    if (
      !isNew || start < 0 || end <= start || end > categories.length || left < 0
    ) {
      throw modelError(
        `${tree.path} node ${node}`,
        `category set ${start}..${end} is invalid for ${categories.length} categories`,
      );
    }
    sets.set(node, categories.subarray(start, end));
  });
  const isCategorical = sets.size > 0;
  for (let node = 0; node < size; node++) {
    const type = types[node];
    const hasSet = isCategorical && sets.has(node);
    if (type === (hasSet ? 1 : 0)) continue;
    throw modelError(
      `${tree.path} node ${node}`,
      `split type ${type}, ${hasSet ? "with" : "without"} categories`,
    );
  }
  return sets;
}
