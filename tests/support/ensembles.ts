/**
 * Generates tree ensembles and rows from a seed: every shape that the readers
 * can return, and values at which the last bit decides a comparison.
 */
import type { CategorySets, TreeEnsemble } from "../../lib/model/ensemble.ts";

/** Returns a generator of numbers in [0, 1), determined by the seed (mulberry32). */
export function seededNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** The shape of an ensemble to generate; by default one group, float32 and no special features. */
export interface EnsembleShape {
  readonly seed: number;
  readonly features: number;
  readonly trees: number;
  /** Maximum inner nodes per tree. */
  readonly inner: number;
  /** Maximum depth; unlimited if absent. */
  readonly depth?: number;
  /** Probability of splitting the newest leaf instead of the oldest: 1 gives chains, 0 full trees. */
  readonly skew?: number;
  readonly groups?: number;
  /** Every leaf adds to all groups. */
  readonly vectorLeaves?: boolean;
  readonly precision?: "float32" | "float64";
  /** Number of distinct thresholds; by default each node has its own. */
  readonly thresholds?: number;
  /** Share of inner nodes that are categorical. */
  readonly categorical?: number;
  readonly rounding?: CategorySets["rounding"];
  /** For every second feature, 0 is missing. */
  readonly zeroIsMissing?: boolean;
  readonly divisor?: number;
  readonly library?: TreeEnsemble["library"];
  readonly transform?: TreeEnsemble["transform"];
}

/** Returns an ensemble of a shape; the same shape gives the same ensemble. */
export function makeEnsemble(shape: EnsembleShape): TreeEnsemble {
  const { features, trees, groups = 1, precision = "float32" } = shape;
  const random = seededNumbers(shape.seed);
  const pick = (n: number) => Math.floor(random() * n);
  const isDouble = precision === "float64";
  const leafSize = shape.vectorLeaves ? groups : 1;
  const pool = Array.from(
    { length: shape.thresholds ?? 0 },
    () => threshold(random),
  );
  const left: number[] = [];
  const feature: number[] = [];
  const thresholds: number[] = [];
  const defaultLeft: number[] = [];
  const leaf: number[] = [];
  const start: number[] = [];
  const size: number[] = [];
  const words: number[] = [];
  const roots: number[] = [];
  let maxDepth = 0;
  for (let t = 0; t < trees; t++) {
    const root = left.length;
    roots.push(root);
    const { children, depth } = makeTree(shape, random);
    maxDepth = Math.max(maxDepth, depth);
    for (const child of children) {
      const isLeaf = child < 0;
      const isCategorical = !isLeaf && random() < (shape.categorical ?? 0);
      left.push(isLeaf ? -1 : root + child);
      // No feature is both numeric and categorical: the upper half is categorical.
      const half = Math.ceil(features / 2);
      feature.push(
        isLeaf
          ? 0
          : isCategorical
          ? half + pick(features - half)
          : pick(shape.categorical ? half : features),
      );
      thresholds.push(
        isLeaf || isCategorical
          ? 0
          : pool.length > 0
          ? pool[pick(pool.length)] ?? 0
          : threshold(random),
      );
      defaultLeft.push(isLeaf ? 0 : pick(2));
      start.push(isCategorical ? words.length : -1);
      size.push(isCategorical ? 1 + pick(9) : 0);
      for (let w = 0; isCategorical && w < (size.at(-1) ?? 0); w++) {
        words.push(Math.floor(random() * 2 ** 32) >>> 0);
      }
      for (let k = 0; k < leafSize; k++) {
        const value = (random() - 0.5) * 2 ** (pick(20) - 15);
        leaf.push(isLeaf ? isDouble ? value : Math.fround(value) : 0);
      }
    }
  }
  const bases = Array.from({ length: groups }, () => random() - 0.5);
  return {
    kind: "trees",
    library: shape.library ?? "xgboost",
    libraryVersion: "",
    objective: "",
    transform: shape.transform ?? { kind: "identity" },
    predictionKind: "score",
    groups,
    outputs: shape.transform?.kind === "argmax" ? 1 : groups,
    baseMargins: isDouble ? Float64Array.from(bases) : Float32Array.from(bases),
    features: { count: features, names: [], types: [] },
    rounds: { total: trees, used: trees },
    parameters: {},
    precision,
    roots: Int32Array.from(roots),
    treeGroups: Int32Array.from(
      roots,
      (_, t) => shape.vectorLeaves ? -1 : t % groups,
    ),
    left: Int32Array.from(left),
    feature: Int32Array.from(feature),
    threshold: Float32Array.from(thresholds),
    defaultLeft: Uint8Array.from(defaultLeft),
    leafSize,
    leaf: isDouble ? Float64Array.from(leaf) : Float32Array.from(leaf),
    ...shape.categorical
      ? {
        categories: {
          start: Int32Array.from(start),
          size: Int32Array.from(size),
          words: Uint32Array.from(words),
          rounding: shape.rounding ?? "trunc",
        },
      }
      : {},
    ...shape.zeroIsMissing
      ? {
        zeroIsMissing: Uint8Array.from({ length: features }, (_, f) => f % 2),
      }
      : {},
    divisor: shape.divisor ?? 1,
    maxDepth,
  };
}

/** Returns one tree in breadth-first order: per node its left child, or -1. */
function makeTree(
  shape: EnsembleShape,
  random: () => number,
): { children: number[]; depth: number } {
  const { inner, depth: limit = Infinity, skew = 0.3 } = shape;
  interface Node {
    depth: number;
    children?: [Node, Node];
  }
  const root: Node = { depth: 0 };
  const open = [root];
  const wanted = Math.floor(random() * (inner + 1));
  for (let n = 0; n < wanted && open.length > 0; n++) {
    const index = random() < skew ? open.length - 1 : 0;
    const [node] = open.splice(index, 1);
    if (node === undefined || node.depth >= limit) continue;
    const depth = node.depth + 1;
    node.children = [{ depth }, { depth }];
    open.push(...node.children);
  }
  const order = [root];
  const children: number[] = [];
  for (let n = 0; n < order.length; n++) {
    const node = order[n];
    children.push(node?.children ? order.length : -1);
    order.push(...node?.children ?? []);
  }
  return { children, depth: order.reduce((d, n) => Math.max(d, n.depth), 0) };
}

/** Returns a threshold of any magnitude: integer, tiny, denormal, huge, infinite, or zero of either sign. */
function threshold(random: () => number): number {
  const kind = Math.floor(random() * 12);
  const x = random() - 0.5;
  if (kind === 0) {
    return [0, -0, Infinity, -Infinity][Math.floor(random() * 4)] ?? 0;
  }
  if (kind === 1) return Math.fround(x * 1e-44);
  if (kind === 2) return Math.fround(x * 6e38);
  if (kind < 5) return Math.floor(x * 20);
  return Math.fround(x * 10 ** Math.floor(random() * 4));
}

/**
 * Returns rows for a model, with values at its thresholds and one float32 below
 * and above them, NaN, infinities, zeros, denormals, integer and fractional
 * categories, and ordinary numbers.
 */
export function makeRows(
  model: TreeEnsemble,
  options: { rows: number; seed: number },
): Float32Array {
  const random = seededNumbers(options.seed);
  const { count } = model.features;
  const thresholds: number[][] = Array.from({ length: count }, () => []);
  model.left.forEach((child, node) => {
    if (child >= 0) {
      thresholds[model.feature[node] ?? 0]?.push(model.threshold[node] ?? 0);
    }
  });
  const matrix = new Float32Array(options.rows * count);
  for (let i = 0; i < matrix.length; i++) {
    const candidates = thresholds[i % count] ?? [];
    const kind = Math.floor(random() * 16);
    const at = candidates[Math.floor(random() * candidates.length)] ?? 0;
    if (kind < 2) matrix[i] = NaN;
    else if (kind === 2) {
      matrix[i] = special[Math.floor(random() * special.length)] ?? 0;
    } else if (kind < 6) matrix[i] = at;
    else if (kind < 8) matrix[i] = neighbor(at, random() < 0.5 ? -1 : 1);
    else if (kind < 11) matrix[i] = Math.floor(random() * 310) - 5;
    else if (kind < 13) matrix[i] = random() * 300 - 2;
    else matrix[i] = (random() - 0.5) * 10 ** Math.floor(random() * 4);
  }
  return matrix;
}

const special = [
  0,
  -0,
  Infinity,
  -Infinity,
  1e-45,
  -1e-45,
  1e-35,
  -1e-35,
  1.0000001e-35,
  3.4028235e38,
  -3.4028235e38,
  -0.5,
  -0.99999994,
  -1,
  16_777_216,
  4e9,
];

/** Returns the next float32 above (1) or below (-1). */
export function neighbor(x: number, direction: 1 | -1): number {
  if (!Number.isFinite(x)) return x;
  if (x === 0) return direction * 1.401298464324817e-45;
  const bits = new Int32Array(Float32Array.of(x).buffer);
  bits[0] = (bits[0] ?? 0) + (x > 0 ? direction : -direction);
  return new Float32Array(bits.buffer)[0] ?? x;
}
