/** Categorical splits, which XGBoost has since 1.3. */
import {
  type Column,
  int32Column,
  int32sOfColumn,
  type Rows,
} from "./columns.ts";
import { modelError } from "./document.ts";
import type { RawTrees } from "./trees.ts";
import { copyIn } from "./wasm/module.ts";

/**
 * Which nodes are categorical, and the sets of categories that go right at them.
 *
 * @param left The trees' left children, which say how many nodes each tree has.
 * @throws {InputError} If a set belongs to no node, or to two, or is not among the tree's categories.
 */
export function readSets(
  trees: Rows,
  left: Column,
): Pick<
  RawTrees,
  "types" | "setCount" | "setOfNode" | "setEnds" | "categories"
> {
  const { sizes, count } = left;
  const none = {
    types: 0,
    setCount: 0,
    setOfNode: 0,
    setEnds: 0,
    categories: 0,
  };
  const isOptional = true;
  const split = int32Column(trees, "split_type", { sizes, isOptional });
  if (split.present === 0) return none;
  const types = split.at;
  const nodes = int32Column(trees, "categories_nodes");
  const starts = int32Column(trees, "categories_segments", nodes);
  const counts = int32Column(trees, "categories_sizes", nodes);
  const all = int32Column(trees, "categories");
  if (nodes.count === 0) return { ...none, types };
  const sets = joinSets({ sizes, count, nodes, starts, counts, all });
  return {
    types,
    setCount: nodes.count,
    setOfNode: copyIn(trees.document, sets.ofNode),
    setEnds: copyIn(trees.document, sets.ends),
    categories: copyIn(trees.document, Int32Array.from(sets.categories)),
  };
}

/** The sets of all trees, one behind the other. */
function joinSets(
  columns: {
    sizes: Int32Array;
    count: number;
    nodes: Column;
    starts: Column;
    counts: Column;
    all: Column;
  },
): { ofNode: Int32Array; ends: Int32Array; categories: number[] } {
  const { sizes, count, nodes } = columns;
  const nodeOfSet = int32sOfColumn(nodes);
  const starts = int32sOfColumn(columns.starts);
  const counts = int32sOfColumn(columns.counts);
  const all = int32sOfColumn(columns.all);
  const ofNode = new Int32Array(count).fill(-1);
  const ends = new Int32Array(nodes.count);
  const categories: number[] = [];
  let set = 0;
  let firstNode = 0;
  let firstCategory = 0;
  nodes.sizes.forEach((setCount, t) => {
    const size = sizes[t] ?? 0;
    const most = columns.all.sizes[t] ?? 0;
    let left = most;
    for (const last = set + setCount; set < last; set++) {
      const node = nodeOfSet[set] ?? -1;
      const start = starts[set] ?? -1;
      const end = start + (counts[set] ?? 0);
      const isNew = node >= 0 && node < size &&
        ofNode[firstNode + node] === -1;
      left -= end - start; // sets share nothing, so they are no more than the file has
      if (!isNew || start < 0 || end <= start || end > most || left < 0) {
        throw modelError(
          `tree ${t} node ${node}`,
          `categories ${start}..${end} of ${most}`,
        );
      }
      ofNode[firstNode + node] = set;
      for (let c = start; c < end; c++) {
        categories.push(all[firstCategory + c] ?? -1);
      }
      ends[set] = categories.length;
    }
    firstNode += size;
    firstCategory += most;
  });
  return { ofNode, ends, categories };
}
