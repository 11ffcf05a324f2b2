/**
 * The structures in the kernel's memory: the model as it arrives (`Model`) and
 * its layout for scoring (`Plan` and what it points to). Addresses and offsets
 * are in bytes of one linear memory.
 */

/** Rows in half a block: one per bit of a v128. */
export const ROWS: u32 = 128;
/** Halves in a block. */
export const HALVES: u32 = 2;
/** Bytes of one column of a half: 128 floats. */
export const COLUMN: usize = 512;
/** Bytes of one plane of a half: 128 bits. */
export const PLANE: usize = 16;
/** Bytes of one predicate's planes for both halves. */
export const PREDICATE: usize = 32;

/** The root of a layout: the constants of a model, then its working memory. */
@unmanaged
export class Plan {
  stride: u32; // bytes per row
  quads: usize; // u32 each: offset in a row of four adjacent features
  quadCount: u32;
  featurePredicates: usize; // FeaturePredicates records
  featurePredicateCount: u32;
  forest: usize; // Tree records, of varying length
  treeCount: u32;
  groups: u32;
  isDouble: u32; // 1: leaves are summed in double
  base: usize; // per group, float or double
  divisor: f64;
  columns: usize; // working memory starts here
  planes: usize;
  bins: usize;
  slots: usize;
  sums: usize;
  rows: u32; // rows scored per call, a multiple of 128
  matrix: usize; // input rows
  margins: usize; // output margins
  end: usize; // end of all memory used
}

/** How a feature's predicates are evaluated. */
export enum Method {
  EACH, // one comparison per threshold
  BINS, // one search for all thresholds
  SETS, // one search, then sets of bins
}

/** All predicates on one feature that compare with thresholds, or all that test category sets. */
@unmanaged
export class FeaturePredicates {
  column: usize; // offset in Plan.columns
  method: Method;
  count: u32; // number of thresholds
  planes: usize; // offset in Plan.planes of the first predicate
  defaultSides: u32; // bit 0: some predicates send missing right; bit 1: some send it left; with both, the planes of the latter follow
  zeroThreshold: f32; // |x| up to this is missing; -1: zero is a value
  thresholds: usize; // one unused element, the thresholds ascending, then NaN
  buckets: usize; // u32 each: number of thresholds in lower buckets
  lastBucket: f32; // index of the last bucket
  low: f32; // lowest threshold
  scale: f32; // buckets per unit
  window: u32; // the power of two above the largest number of thresholds in a bucket
  sets: usize; // BinSet records
  setCount: u32;
}

/** The bins that one categorical node sends right; `count` offsets in Plan.bins (u32) follow. */
@unmanaged
export class BinSet {
  plane: usize; // offset in Plan.planes
  count: u32;
  inverted: u32; // 1: the listed bins go left, all others right
  missingLeft: u32; // 1: missing goes left
}

/**
 * One tree. A perfect tree is followed by the offsets of its predicate bits
 * (u32), level by level. An irregular tree is followed by `innerCount` pairs
 * (offset of predicate bits, offset of slot: u32), then by one list per bit of
 * the exit number (length, slots: u16).
 */
@unmanaged
export class Tree {
  perfect: u32;
  innerCount: u32; // inner nodes of the prefix
  bits: u32; // bits of an exit number
  group: u32;
  leafSize: u32; // values per leaf
  leaves: usize; // per value of a leaf: the values of all exits, or of all records if there is a remainder
  leafStride: u32; // values from one value of a leaf to its next
  remainder: usize; // u32 each: address of an exit's record; 0 without a remainder
  records: usize; // records of the remainder
  bytes: u32; // this record and all that follows it
}

/** Largest number of exits: an exit number is one byte. */
export const EXITS: u32 = 256;

/** A `TreeEnsemble` as `../layout.ts` passes it in: its counts and the addresses of its arrays. */
@unmanaged
export class Model {
  features: u32;
  groups: u32;
  nodes: u32;
  trees: u32;
  leafSize: u32;
  isDouble: u32; // 1: leaves and base margins are doubles
  divisor: f64;
  left: usize;
  feature: usize;
  threshold: usize;
  defaultLeft: usize;
  leaf: usize;
  roots: usize;
  treeGroups: usize;
  base: usize;
  zeroIsMissing: usize; // 0: zero is a value in every feature
  setStart: usize; // 0: no categories
  setSize: usize;
  setWords: usize;
  roundsDown: u32; // 1: categories are rounded down; 0: toward zero
}
