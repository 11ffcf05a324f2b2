/** The programs of all trees of a model, one behind the other in the order of summation. */
import { reserve } from "./arena.ts";
import { fitsFull, startFullTree, writeEven } from "./even.ts";
import type { TreeContext } from "./program.ts";
import { startCrown, writeUneven } from "./uneven.ts";

/**
 * Writes the programs.
 *
 * @returns Their address, and how many slots the kernel needs for the largest uneven tree.
 */
export function writePrograms(
  context: TreeContext,
): { forest: number; slotCount: number } {
  const { left, roots, treeGroups } = context.model;
  const full = startFullTree();
  const crown = startCrown();
  const forest = reserve(context.arena, 0);
  let slotCount = 1;
  for (let t = 0; t < roots.length; t++) {
    const root = roots[t] ?? 0;
    const tree = { root, group: Math.max(0, treeGroups[t] ?? 0) };
    if (fitsFull(full, left, root)) writeEven(context, tree, full);
    else slotCount = Math.max(slotCount, writeUneven(context, tree, crown));
  }
  return { forest, slotCount };
}
