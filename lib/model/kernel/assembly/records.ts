/**
 * What a model is to the kernel, and what the kernel lays it out as. All
 * addresses are bytes in the one linear memory.
 */

/** Rows of a half: the bits of one v128. */
export const ROWS: u32 = 128;
/** Halves of a block. */
export const HALVES: u32 = 2;
/** One column of a half, in bytes. */
export const COLUMN: usize = 512;
/** A plane of one half. */
export const PLANE: usize = 16;
/** A predicate's planes of both halves, in bytes. */
export const PREDICATE: usize = 32;

@unmanaged
export class Plan {
  stride: u32; // bytes of a row
  quads: usize; // u32 each: the offset in a row of four neighbouring features
  quadCount: u32;
  featurePredicates: usize; // FeaturePredicates records
  featurePredicateCount: u32;
  forest: usize; // Tree records, of different lengths
  treeCount: u32;
  groups: u32;
  wide: u32; // 1: leaves are summed in double
  base: usize; // per group, float or double
  divisor: f64;
  columns: usize; // from here on working memory
  planes: usize;
  bins: usize;
  slots: usize;
  sums: usize;
  rows: u32; // that are scored at once, a multiple of 128
  matrix: usize; // where they are put
  margins: usize; // and where their margins then stand
  end: usize; // of all that is used
}

/** How a feature's predicates are evaluated. */
export enum Method {
  EACH, // one comparison a threshold
  BINS, // a search for all
  SETS, // a search, then sets of bins
}

/** All predicates of a model on one feature. */
@unmanaged
export class FeaturePredicates {
  column: usize; // offset in Plan.columns
  method: Method;
  count: u32; // thresholds
  planes: usize; // offset in Plan.planes of the first predicate where missing goes right
  wanted: u32; // bit 0: missing goes right; bit 1: missing goes left, in planes behind the others
  zero: f32; // |x| up to this is missing; -1 for none
  thresholds: usize; // ascending, after one unused element, and followed by NaN
  buckets: usize; // u32 each: thresholds in lower buckets
  last: f32; // number of the last bucket
  low: f32;
  scale: f32; // buckets per unit
  window: u32; // a power of two above the largest number of thresholds in a bucket
  sets: usize; // Set records
  setCount: u32;
}

/** The bins that one categorical node sends right; `count` offsets (u32) follow. */
@unmanaged
export class BinSet {
  plane: usize; // offset in Plan.planes
  count: u32;
  inverted: u32; // 1: the bins of the list go left, the others right
  missingLeft: u32;
}

/**
 * If perfect: the offsets (u32) of the predicate bits follow, level by level.
 * Otherwise: `inner` pairs (offset of the predicate bits, offset of the slot:
 * u32), then for each bit of the exit's number one list (length, slots: u16).
 */
@unmanaged
export class Tree {
  perfect: u32;
  inner: u32;
  bits: u32; // of the exit's number
  group: u32;
  width: u32; // values per leaf
  leaves: usize; // value k of an exit stands apart * k behind its first; with a remainder, each record has values
  apart: u32;
  remainder: usize; // 0, or where each exit's record stands: u32 each
  records: usize; // first record of the remainder
  bytes: u32; // of this record with all that follows
}

/** Exits are numbered in a byte. */
export const EXITS: u32 = 256;

/** A `TreeEnsemble`, as `../../kernel/layout.ts` hands it over: its numbers, and the addresses of its arrays. */
@unmanaged
export class Model {
  features: u32;
  groups: u32;
  nodes: u32;
  trees: u32;
  leafSize: u32;
  wide: u32; // 1: leaves and base are doubles
  divisor: f64;
  left: usize;
  feature: usize;
  threshold: usize;
  defaultLeft: usize;
  leaf: usize;
  roots: usize;
  treeGroups: usize;
  base: usize;
  zeroIsMissing: usize; // 0: none is
  setStart: usize; // 0: no categories
  setSize: usize;
  setWords: usize;
  floor: u32; // 1: categories are rounded down, not towards zero
}
