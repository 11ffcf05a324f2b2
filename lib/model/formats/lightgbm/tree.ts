/** Reads one tree of a LightGBM text model and converts it to the conventions of `ensemble.ts`. */
import { zeroThreshold } from "../../ensemble.ts";
import { modelError } from "../document.ts";
import type { TreeArrays } from "../flatten.ts";
import { nextAbove } from "../float32.ts";

/** Bits of a node's `decision_type`. */
const categorical = 1;
const defaultLeft = 2;
/** `decision_type >> 2`: which values are missing. */
const missing = { none: 0, zero: 1, nan: 2 };

/** An upper bound, above that of any tree. */
const leafLimit = 50_000_000;

/**
 * Reads the tree in a block of lines. Inner nodes keep their indices; leaf `i`
 * becomes node `leaves - 1 + i`.
 *
 * @param options `zero`: per feature, 1 if zero is missing, 2 if it is not, 0 if unknown so far; updated from this tree.
 * @throws {InputError} If the block is not a tree, has linear leaves, or contradicts an earlier tree about zeros.
 */
export function readLightgbmTree(
  keys: ReadonlyMap<string, string>,
  options: { name: string; zero: Uint8Array },
): TreeArrays {
  const { name, zero } = options;
  const line = (key: string) => {
    const found = keys.get(key);
    if (found !== undefined) return found;
    throw modelError(name, `${key} is missing`);
  };
  const integers = (key: string, length: number) =>
    parseIntegers(line(key), { where: `${name} ${key}`, length });
  const doubles = (key: string, length: number) =>
    parseDoubles(line(key), { where: `${name} ${key}`, length });
  if ((keys.get("is_linear") ?? "0") !== "0") {
    throw modelError(name, "linear leaves (linear_tree) are not supported");
  }
  const [leaves = 0] = integers("num_leaves", 1);
  if (leaves < 1 || leaves > leafLimit) {
    throw modelError(name, `${leaves} leaves`);
  }
  const inner = leaves - 1;
  const values = doubles("leaf_value", leaves);
  const sets = new Map<number, readonly number[]>();
  if (inner === 0) {
    return emptyTree({ leaves, values, feature: new Int32Array(), sets });
  }
  const feature = integers("split_feature", inner);
  const thresholds = doubles("threshold", inner);
  const decisions = integers("decision_type", inner);
  const [setCount = 0] = integers("num_cat", 1);
  const tree = emptyTree({ leaves, values, feature, sets });
  const lefts = integers("left_child", inner);
  const rights = integers("right_child", inner);
  const all = setCount > 0 ? readSets({ integers, name, setCount }) : [];
  const taken = new Set<readonly number[]>();
  for (let node = 0; node < inner; node++) {
    const decision = decisions[node] ?? 0;
    const threshold = thresholds[node] ?? NaN;
    const left = child(lefts[node] ?? 0, inner);
    const right = child(rights[node] ?? 0, inner);
    // LightGBM ignores this bit if the tree has no category sets.
    if (decision & categorical && setCount > 0) {
      const set = all[threshold];
      if (set === undefined || taken.has(set)) {
        const problem = set === undefined
          ? `is outside 0..${all.length - 1}`
          : "already belongs to another node";
        throw modelError(
          `${name} node ${node}`,
          `category set ${threshold} ${problem}`,
        );
      }
      taken.add(set);
      // Members of the set go left in LightGBM and right in `ensemble.ts`; NaN is not a member.
      tree.left[node] = right;
      tree.right[node] = left;
      tree.defaultLeft[node] = 1;
      sets.set(node, set);
      continue;
    }
    tree.left[node] = left;
    tree.right[node] = right;
    // Every value but NaN goes left, including infinity. No `x < t` expresses that, but an empty set does.
    if (threshold === Infinity) sets.set(node, []);
    else tree.threshold[node] = toFloat32Less(threshold);
    const kind = decision >> 2;
    tree.defaultLeft[node] = kind === missing.none
      ? Number(0 <= threshold)
      : Number((decision & defaultLeft) !== 0);
    noteZero(zero, { name, node, kind, feature: feature[node] ?? 0 });
  }
  return tree;
}

function emptyTree(
  parts: {
    leaves: number;
    values: Float64Array;
    feature: Int32Array;
    sets: TreeArrays["sets"];
  },
): TreeArrays & { readonly defaultLeft: Int32Array } {
  const { leaves, values, feature, sets } = parts;
  const size = 2 * leaves - 1;
  const allFeatures = new Int32Array(size);
  allFeatures.set(feature);
  const leaf = new Float64Array(size);
  leaf.set(values, leaves - 1);
  return {
    left: new Int32Array(size).fill(-1),
    right: new Int32Array(size).fill(-1),
    feature: allFeatures,
    threshold: new Float32Array(size),
    defaultLeft: new Int32Array(size),
    sets,
    leaf,
  };
}

/** Converts a child: a negative one is the bitwise complement of a leaf's index. An invalid child stays invalid. */
function child(written: number, inner: number): number {
  return written >= 0 ? (written < inner ? written : -2) : inner + ~written;
}

/**
 * Returns the float32 `t` for which `x < t` is LightGBM's `x <= threshold` for
 * every float32 `x`, including those that it treats as 0.
 *
 * @returns NaN for NaN and infinity, for which there is no such float32.
 */
export function toFloat32Less(threshold: number): number {
  if (Number.isNaN(threshold) || threshold === Infinity) return NaN;
  if (threshold >= 0 && threshold < zeroThreshold) {
    return nextAbove(zeroThreshold);
  }
  if (threshold < 0 && threshold >= -zeroThreshold) return -zeroThreshold;
  const nearest = Math.fround(threshold);
  return nearest > threshold ? nearest : nextAbove(nearest);
}

/** Records whether zero is missing for a feature; all nodes of the feature must agree. */
function noteZero(
  zero: Uint8Array,
  split: { name: string; node: number; kind: number; feature: number },
): void {
  const { name, node, kind, feature } = split;
  if (kind < 0 || kind > missing.nan) {
    throw modelError(`${name} node ${node}`, `missing type ${kind}`);
  }
  const state = kind === missing.zero ? 1 : 2;
  const before = zero[feature] ?? 0; // a feature out of range is rejected later
  if (before !== 0 && before !== state) {
    throw modelError(
      `${name} node ${node}`,
      `zero is missing for feature ${feature} in some nodes but not in others`,
    );
  }
  zero[feature] = state;
}

/** Reads the category sets of a tree: bits of 32-bit words, split at `cat_boundaries`. */
function readSets(
  options: {
    integers: (key: string, length: number) => Int32Array;
    name: string;
    setCount: number;
  },
): number[][] {
  const { integers, name, setCount } = options;
  const bounds = integers("cat_boundaries", setCount + 1);
  const words = integers("cat_threshold", bounds[setCount] ?? 0);
  return Array.from({ length: setCount }, (_, i) => {
    const start = bounds[i] ?? -1;
    const end = bounds[i + 1] ?? -1;
    if (start < 0 || end < start || end > words.length) {
      throw modelError(`${name} cat_boundaries`, `${start}..${end}`);
    }
    const set: number[] = [];
    for (let w = start; w < end; w++) {
      for (let bit = 0; bit < 32; bit++) {
        if ((words[w] ?? 0) >>> bit & 1) set.push((w - start) * 32 + bit);
      }
    }
    return set;
  });
}

/**
 * Parses a line of integers separated by single spaces; 2^31 to 2^32 - 1 keep
 * their bits.
 *
 * @throws {InputError} If a part is not an integer, or there are not `length` parts.
 */
export function parseIntegers(
  line: string,
  options: ListOptions,
): Int32Array {
  const parts = split(line, options);
  return Int32Array.from(parts, (part) => {
    const number = /^-?\d{1,10}$/.test(part) ? Number(part) : NaN;
    if (number >= -(2 ** 31) && number < 2 ** 32) return number | 0;
    throw modelError(
      options.where,
      `${JSON.stringify(part)} is not an integer`,
    );
  });
}

/** Where a line is, for messages, and how many numbers it should have. */
interface ListOptions {
  readonly where: string;
  readonly length: number;
}

function parseDoubles(line: string, options: ListOptions): Float64Array {
  const parts = split(line, options);
  return Float64Array.from(parts, (part) => {
    if (/^-?\d+(\.\d*)?([eE][-+]?\d+)?$/.test(part)) return Number(part);
    if (part === "inf") return Infinity;
    if (part === "-inf") return -Infinity;
    throw modelError(options.where, `${JSON.stringify(part)} is not a number`);
  });
}

function split(line: string, { where, length }: ListOptions): string[] {
  const parts = line === "" ? [] : line.split(" ");
  if (parts.length === length) return parts;
  throw modelError(where, `${parts.length} values, expected ${length}`);
}
