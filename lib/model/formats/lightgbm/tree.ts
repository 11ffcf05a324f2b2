/** One tree of a LightGBM text model, its conventions made ours. */
import { zeroThreshold } from "../../ensemble.ts";
import { modelError } from "../document.ts";
import type { TreeArrays } from "../flatten.ts";
import { nextAbove } from "../float32.ts";

/** `decision_type` of a node, in bits. */
const categorical = 1;
const defaultLeft = 2;
/** What `decision_type >> 2` says is missing. */
const missing = { none: 0, zero: 1, nan: 2 };

/** More than any tree has. */
const leafLimit = 50_000_000;

/**
 * The tree that a block of lines describes. Inner nodes keep their numbers,
 * leaf `i` follows them as node `leaves - 1 + i`.
 *
 * @param options `zero`: per feature, 1 where zero is missing, 2 where it is not, 0 where no node has said; kept up to date.
 * @throws {InputError} If the block is no tree, or of linear leaves, or contradicts another about zeros.
 */
export function readLightgbmTree(
  keys: ReadonlyMap<string, string>,
  options: { name: string; zero: Uint8Array },
): TreeArrays {
  const { name, zero } = options;
  const text = (key: string) => {
    const found = keys.get(key);
    if (found !== undefined) return found;
    throw modelError(name, `${key} is missing`);
  };
  const integers = (key: string, length: number) =>
    integersOf(text(key), { where: `${name} ${key}`, length });
  const doubles = (key: string, length: number) =>
    doublesOf(text(key), { where: `${name} ${key}`, length });
  if ((keys.get("is_linear") ?? "0") !== "0") {
    throw modelError(name, "linear leaves (linear_tree) are not supported");
  }
  const [leaves = 0] = integers("num_leaves", 1);
  if (leaves < 1 || leaves > leafLimit) {
    throw modelError(name, `${leaves} leaves`);
  }
  const inner = leaves - 1;
  const values = doubles("leaf_value", leaves);
  if (inner === 0) return onlyLeaf(values[0] ?? NaN);
  const feature = integers("split_feature", inner);
  const thresholds = doubles("threshold", inner);
  const decisions = integers("decision_type", inner);
  const [setCount = 0] = integers("num_cat", 1);
  const sets = new Map<number, readonly number[]>();
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
    // Without categorical nodes in a tree, LightGBM does not look at that bit.
    if (decision & categorical && setCount > 0) {
      const set = all[threshold];
      if (set === undefined) {
        throw modelError(
          `${name} node ${node}`,
          `category set ${threshold} of ${all.length}`,
        );
      }
      if (taken.has(set)) {
        throw modelError(
          `${name} node ${node}`,
          `category set ${threshold} is already another node's`,
        );
      }
      taken.add(set);
      // In the set goes left there and right here; NaN goes with what is not in it.
      tree.left[node] = right;
      tree.right[node] = left;
      tree.defaultLeft[node] = 1;
      sets.set(node, set);
      continue;
    }
    tree.left[node] = left;
    tree.right[node] = right;
    // All but NaN goes left, also infinity: no `x < t` says that, but an empty set does.
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

function onlyLeaf(value: number): TreeArrays {
  return emptyTree({
    leaves: 1,
    values: Float64Array.of(value),
    feature: new Int32Array(0),
    sets: new Map(),
  });
}

/** A negative child is a leaf, written as its bits turned over. An impossible one stays impossible. */
function child(written: number, inner: number): number {
  return written >= 0 ? (written < inner ? written : -2) : inner + ~written;
}

/**
 * The float32 `t` for which `x < t` decides as LightGBM's `x <= threshold`
 * decides for every float32 `x`, also for those so small that it takes them for 0.
 *
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 *
 * strictEqual(toFloat32Less(1), 1.0000001192092896);
 * strictEqual(toFloat32Less(0.1), Math.fround(0.1));
 * ```
 *
 * @returns NaN for NaN and for infinity, which no float32 can stand for.
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

/** Whether zero is missing belongs to a feature, so all of its nodes must say the same. */
function noteZero(
  zero: Uint8Array,
  place: { name: string; node: number; kind: number; feature: number },
): void {
  const { name, node, kind, feature } = place;
  if (kind < 0 || kind > missing.nan) {
    throw modelError(`${name} node ${node}`, `missing type ${kind}`);
  }
  const state = kind === missing.zero ? 1 : 2;
  const before = zero[feature] ?? 0; // a feature out of range is refused later
  if (before !== 0 && before !== state) {
    throw modelError(
      `${name} node ${node}`,
      `zero is missing for feature ${feature} in one node and not in another`,
    );
  }
  zero[feature] = state;
}

/** The category sets of a tree: bits of 32-bit words, cut at `cat_boundaries`. */
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
 * Whole numbers of a line, divided by single spaces; those of 2^31 to 2^32 - 1
 * keep their bits.
 *
 * @throws {InputError} If one is none, or there are not `length`.
 */
export function integersOf(
  line: string,
  options: { where: string; length: number },
): Int32Array {
  const parts = split(line, options);
  return Int32Array.from(parts, (part) => {
    const number = /^-?\d{1,10}$/.test(part) ? Number(part) : NaN;
    if (number >= -(2 ** 31) && number < 2 ** 32) return number | 0;
    throw modelError(options.where, `${JSON.stringify(part)} is no integer`);
  });
}

function doublesOf(
  line: string,
  options: { where: string; length: number },
): Float64Array {
  const parts = split(line, options);
  return Float64Array.from(parts, (part) => {
    if (/^-?\d+(\.\d*)?([eE][-+]?\d+)?$/.test(part)) return Number(part);
    if (part === "inf") return Infinity;
    if (part === "-inf") return -Infinity;
    throw modelError(options.where, `${JSON.stringify(part)} is no number`);
  });
}

function split(
  line: string,
  options: { where: string; length: number },
): string[] {
  const parts = line === "" ? [] : line.split(" ");
  if (parts.length === options.length) return parts;
  throw modelError(
    options.where,
    `${parts.length} values, expected ${options.length}`,
  );
}
