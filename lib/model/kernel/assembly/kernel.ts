/**
 * The tree kernel (AssemblyScript). It scores 128 rows at a time, one per bit
 * of a SIMD register:
 *
 * 1. `loadColumns` transposes the rows into columns of 128 floats.
 * 2. `evaluatePredicates` evaluates every distinct predicate of the model
 *    ("feature 3 < 0.25") for all 128 rows. The result is a *plane* of 128 bits.
 * 3. `addTree` finds the number of each row's leaf from the tree's predicate
 *    bits and adds the leaf's value. In a *perfect* tree, the planes of the
 *    upper levels select each row's bit among the nodes of the next level. In
 *    an *irregular* tree, the rows at each node are computed from the root down,
 *    `left = here & bits`, `right = here & ~bits`, and the rows at the leaves
 *    make up the bits of the leaf numbers.
 *
 * In a plane, row `16 i + l` is bit `i` of byte `l`. A block is two halves of
 * 128 rows, whose predicate bits are adjacent, so that both halves use the
 * predicate bits, programs and leaves while these are in the cache. `layout.ts`
 * builds the structures of `records.ts` from a model.
 */

import {
  BinSet, COLUMN, FeaturePredicates, HALVES, Method, Plan, PLANE, PREDICATE, ROWS, Tree,
} from "./records";

// --- 1. columns ---------------------------------------------------------

/** Transposes rows into columns, four adjacent features of four rows at a time. */
function loadColumns(plan: Plan, x: usize): void {
  const stride: usize = plan.stride, quads = plan.quads;
  const end = quads + (plan.quadCount << 2);
  for (let r: u32 = 0; r < ROWS; r += 4) {
    const x1 = x + stride, x2 = x1 + stride, x3 = x2 + stride;
    let to = plan.columns + (r << 2);
    for (let q = quads; q < end; q += 4) {
      const o: usize = load<u32>(q);
      const a = v128.load(x + o), b = v128.load(x1 + o);
      const c = v128.load(x2 + o), d = v128.load(x3 + o);
      const ab = i32x4.shuffle(a, b, 0, 4, 1, 5),
        cd = i32x4.shuffle(c, d, 0, 4, 1, 5);
      const AB = i32x4.shuffle(a, b, 2, 6, 3, 7),
        CD = i32x4.shuffle(c, d, 2, 6, 3, 7);
      v128.store(to, i64x2.shuffle(ab, cd, 0, 2));
      v128.store(to, i64x2.shuffle(ab, cd, 1, 3), COLUMN);
      v128.store(to, i64x2.shuffle(AB, CD, 0, 2), 2 * COLUMN);
      v128.store(to, i64x2.shuffle(AB, CD, 1, 3), 3 * COLUMN);
      to += 4 * COLUMN;
    }
    x = x3 + stride;
  }
}

// --- 2. predicates ------------------------------------------------------

/** Packs sixteen 32-bit results into sixteen bytes. */
function narrow(a: v128, b: v128, c: v128, d: v128): v128 {
  return i8x16.narrow_i16x8_s(
    i16x8.narrow_i32x4_s(a, b),
    i16x8.narrow_i32x4_s(c, d),
  );
}

/** Shifts each byte of a plane left by one bit and inserts sixteen new low bits. */
function shiftIn(plane: v128, results: v128): v128 {
  return i8x16.sub(i8x16.add(plane, plane), results);
}

function lessThan(at: usize, t: v128): v128 {
  return narrow(
    f32x4.lt(v128.load(at), t),
    f32x4.lt(v128.load(at, 16), t),
    f32x4.lt(v128.load(at, 32), t),
    f32x4.lt(v128.load(at, 48), t),
  );
}

function lessThanPlane(column: usize, t: v128): v128 {
  let p = shiftIn(i8x16.splat(0), lessThan(column + 448, t));
  p = shiftIn(p, lessThan(column + 384, t));
  p = shiftIn(p, lessThan(column + 320, t));
  p = shiftIn(p, lessThan(column + 256, t));
  p = shiftIn(p, lessThan(column + 192, t));
  p = shiftIn(p, lessThan(column + 128, t));
  p = shiftIn(p, lessThan(column + 64, t));
  return shiftIn(p, lessThan(column, t));
}

function exceeds(at: usize, zero: v128): v128 {
  return narrow(
    f32x4.gt(f32x4.abs(v128.load(at)), zero),
    f32x4.gt(f32x4.abs(v128.load(at, 16)), zero),
    f32x4.gt(f32x4.abs(v128.load(at, 32)), zero),
    f32x4.gt(f32x4.abs(v128.load(at, 48)), zero),
  );
}

/** Returns the rows that have a value: comparing NaN gives false. */
function presentPlane(column: usize, zero: f32): v128 {
  const z = f32x4.splat(zero);
  let p = i8x16.splat(0);
  for (let i: i32 = 7; i >= 0; i--) {
    p = shiftIn(p, exceeds(column + (<usize> i << 6), z));
  }
  return p;
}

/** Sets a row's bit in the plane of its bin: the number of thresholds that are at most x. */
function setBinBit(fp: FeaturePredicates, bins: usize, bucket: u32, x: f32, bit: u32): void {
  const thresholds = fp.thresholds;
  let bin = load<u32>(fp.buckets + (bucket << 2));
  for (let step = fp.window >> 1; step > 0; step >>= 1) {
    bin += f32.load(thresholds + ((bin + step) << 2)) <= x ? step : 0;
  }
  const at = bins + <usize> bin * PLANE;
  store<u8>(at, load<u8>(at) | bit);
}

/**
 * Assigns every row its bin. One multiplication gives the bucket of a value,
 * and the bucket the few candidate bins. The multiplication rounds, but it is
 * monotonic, and `search.ts` built the table with the same one.
 */
function assignBins(fp: FeaturePredicates, column: usize, bins: usize): void {
  const low = f32x4.splat(fp.low), scale = f32x4.splat(fp.scale);
  const last = f32x4.splat(fp.lastBucket), zero = f32x4.splat(0);
  for (let i: u32 = 0; i < 8; i++) {
    const bit: u32 = 1 << i;
    for (let l: usize = 0; l < 16; l += 4) {
      const at = column + (i << 6) + (l << 2), to = bins + l;
      const u = f32x4.mul(f32x4.sub(v128.load(at), low), scale);
      const b = i32x4.trunc_sat_f32x4_s(f32x4.pmin(last, f32x4.pmax(zero, u)));
      setBinBit(fp, to, i32x4.extract_lane(b, 0), f32.load(at), bit);
      setBinBit(fp, to + 1, i32x4.extract_lane(b, 1), f32.load(at, 4), bit);
      setBinBit(fp, to + 2, i32x4.extract_lane(b, 2), f32.load(at, 8), bit);
      setBinBit(fp, to + 3, i32x4.extract_lane(b, 3), f32.load(at, 12), bit);
    }
  }
}

function compareEach(fp: FeaturePredicates, column: usize, planes: usize): void {
  const absent = v128.not(presentPlane(column, fp.zeroThreshold));
  const rightWanted = fp.defaultSides & 1, count = fp.count;
  const more: usize = fp.defaultSides == 3 ? <usize> count * PREDICATE : 0;
  let to = planes + fp.planes;
  for (let j: u32 = 1; j <= count; j++) {
    const p = lessThanPlane(column, v128.load32_splat(fp.thresholds + (j << 2)));
    v128.store(to + more, v128.or(p, absent));
    if (rightWanted) v128.store(to, v128.andnot(p, absent));
    to += PREDICATE;
  }
}

/** `x < threshold j` means that the bin is at most j: each plane is the union of the bins so far. Clears the bins for the next feature. */
function compareBins(
  fp: FeaturePredicates,
  column: usize,
  planes: usize,
  bins: usize,
): void {
  const absent = v128.not(presentPlane(column, fp.zeroThreshold));
  const rightWanted = fp.defaultSides & 1, count = fp.count;
  const more: usize = fp.defaultSides == 3 ? <usize> count * PREDICATE : 0;
  let to = planes + fp.planes, p = i8x16.splat(0);
  for (let j: u32 = 0; j < count; j++) {
    p = v128.or(p, v128.load(bins));
    v128.store(bins, i8x16.splat(0));
    v128.store(to + more, v128.or(p, absent));
    if (rightWanted) v128.store(to, v128.andnot(p, absent));
    to += PREDICATE;
    bins += PLANE;
  }
  v128.store(bins, i8x16.splat(0));
}

function compareSets(
  fp: FeaturePredicates,
  column: usize,
  planes: usize,
  bins: usize,
): void {
  const present = presentPlane(column, fp.zeroThreshold);
  let at = fp.sets;
  for (let k: u32 = 0; k < fp.setCount; k++) {
    const set = changetype<BinSet>(at);
    at += offsetof<BinSet>();
    let p = i8x16.splat(0);
    for (const end = at + (set.count << 2); at < end; at += 4) {
      p = v128.or(p, v128.load(bins + load<u32>(at)));
    }
    if (!set.inverted) p = v128.not(p);
    p = set.missingLeft ? v128.or(p, v128.not(present)) : v128.and(p, present);
    v128.store(planes + set.plane, p);
  }
  memory.fill(bins, 0, (fp.count + 1) * <u32> PLANE);
}

/** Computes the predicate bits of one half from its columns. */
function evaluatePredicates(plan: Plan, planes: usize): void {
  const bins = plan.bins;
  for (let k: u32 = 0; k < plan.featurePredicateCount; k++) {
    const fp = changetype<FeaturePredicates>(plan.featurePredicates + k * offsetof<FeaturePredicates>());
    const column = plan.columns + fp.column;
    if (fp.method == Method.EACH) {
      compareEach(fp, column, planes);
      continue;
    }
    assignBins(fp, column, bins);
    if (fp.method == Method.BINS) compareBins(fp, column, planes, bins);
    else compareSets(fp, column, planes, bins);
  }
}

// --- 3. trees -----------------------------------------------------------

@inline
function bitsAt(at: usize, planes: usize): v128 {
  return v128.load(planes + load<u32>(at));
}

// Each row's predicate bit among the 2, 4, 8 … nodes of one level, selected by
// the planes of the levels above; the last of these selects between siblings.

@inline
function select2(at: usize, planes: usize, a: v128): v128 {
  return v128.bitselect(bitsAt(at, planes), bitsAt(at + 4, planes), a);
}

@inline
function select4(at: usize, planes: usize, a: v128, b: v128): v128 {
  return v128.bitselect(select2(at, planes, b), select2(at + 8, planes, b), a);
}

@inline
function select8(at: usize, planes: usize, a: v128, b: v128, c: v128): v128 {
  return v128.bitselect(select4(at, planes, b, c), select4(at + 16, planes, b, c), a);
}

@inline
function select16(at: usize, planes: usize, a: v128, b: v128, c: v128, d: v128): v128 {
  return v128.bitselect(select8(at, planes, b, c, d), select8(at + 32, planes, b, c, d), a);
}

@inline
function select32(at: usize, planes: usize, a: v128, b: v128, c: v128, d: v128, e: v128): v128 {
  return v128.bitselect(select16(at, planes, b, c, d, e), select16(at + 64, planes, b, c, d, e), a);
}

/** Computes the planes of all levels of a perfect tree, stored from the last level to the first. */
function levelPlanes(at: usize, bits: u32, planes: usize, to: usize): void {
  const zero = i8x16.splat(0);
  v128.store(to, zero), v128.store(to, zero, 16), v128.store(to, zero, 32), v128.store(to, zero, 48);
  v128.store(to, zero, 64), v128.store(to, zero, 80), v128.store(to, zero, 96), v128.store(to, zero, 112);
  if (bits == 0) return;
  to += (bits - 1) << 4;
  const a = bitsAt(at, planes);
  v128.store(to, a);
  if (bits == 1) return;
  const b = select2(at + 4, planes, a);
  v128.store(to - 16, b);
  if (bits == 2) return;
  const c = select4(at + 12, planes, a, b);
  v128.store(to - 32, c);
  if (bits == 3) return;
  const d = select8(at + 28, planes, a, b, c);
  v128.store(to - 48, d);
  if (bits == 4) return;
  const e = select16(at + 60, planes, a, b, c, d);
  v128.store(to - 64, e);
  if (bits == 5) return;
  const f = select32(at + 124, planes, a, b, c, d, e);
  v128.store(to - 80, f);
  if (bits == 6) return;
  const g = v128.bitselect(
    select32(at + 252, planes, b, c, d, e, f),
    select32(at + 380, planes, b, c, d, e, f),
    a,
  );
  v128.store(to - 96, g);
  if (bits == 7) return;
  v128.store(
    to - 112,
    v128.bitselect(
      v128.bitselect(select32(at + 508, planes, c, d, e, f, g), select32(at + 636, planes, c, d, e, f, g), b),
      v128.bitselect(select32(at + 764, planes, c, d, e, f, g), select32(at + 892, planes, c, d, e, f, g), b),
      a,
    ),
  );
}

/** Computes which rows are at which node: slot 0 is the root, and each node's children take the next two slots. */
function partitionRows(node: usize, end: usize, planes: usize, slots: usize): void {
  v128.store(slots, i8x16.splat(-1));
  let to = slots + PLANE;
  for (; node < end; node += 8) {
    const bits = v128.load(planes + load<u32>(node));
    const here = v128.load(slots + load<u32>(node, 4));
    v128.store(to, v128.and(here, bits));
    v128.store(to, v128.andnot(here, bits), PLANE);
    to += 2 * PLANE;
  }
}

/** Computes the eight planes of the exit numbers: bit b is set for the rows of the slots in list b. */
function numberExits(list: usize, bits: u32, slots: usize, to: usize): void {
  for (let b: u32 = 0; b < bits; b++) {
    const end = list + 2 + (<usize> load<u16>(list) << 1);
    let p = i8x16.splat(0);
    for (list += 2; list < end; list += 2) {
      p = v128.or(p, v128.load(slots + (<usize> load<u16>(list) << 4)));
    }
    v128.store(to, p);
    to += PLANE;
  }
  for (let b = bits; b < 8; b++) {
    v128.store(to, i8x16.splat(0));
    to += PLANE;
  }
}

/** Returns the bits to swap between the upper bits of a and the lower bits of b. */
function swapDifference(a: v128, b: v128, shift: i32, mask: u8): v128 {
  return v128.and(v128.xor(i16x8.shr_u(a, shift), b), i8x16.splat(mask));
}

/** Turns eight planes into 128 bytes, one number per row, by an 8 × 8 bit transposition in each byte lane. */
function transpose(p: usize, to: usize): void {
  let a = v128.load(p),
    b = v128.load(p, 16),
    c = v128.load(p, 32),
    d = v128.load(p, 48);
  let e = v128.load(p, 64),
    f = v128.load(p, 80),
    g = v128.load(p, 96),
    h = v128.load(p, 112);
  let t = swapDifference(a, b, 1, 0x55);
  b = v128.xor(b, t), a = v128.xor(a, i16x8.shl(t, 1));
  t = swapDifference(c, d, 1, 0x55);
  d = v128.xor(d, t), c = v128.xor(c, i16x8.shl(t, 1));
  t = swapDifference(e, f, 1, 0x55);
  f = v128.xor(f, t), e = v128.xor(e, i16x8.shl(t, 1));
  t = swapDifference(g, h, 1, 0x55);
  h = v128.xor(h, t), g = v128.xor(g, i16x8.shl(t, 1));
  t = swapDifference(a, c, 2, 0x33);
  c = v128.xor(c, t), a = v128.xor(a, i16x8.shl(t, 2));
  t = swapDifference(b, d, 2, 0x33);
  d = v128.xor(d, t), b = v128.xor(b, i16x8.shl(t, 2));
  t = swapDifference(e, g, 2, 0x33);
  g = v128.xor(g, t), e = v128.xor(e, i16x8.shl(t, 2));
  t = swapDifference(f, h, 2, 0x33);
  h = v128.xor(h, t), f = v128.xor(f, i16x8.shl(t, 2));
  t = swapDifference(a, e, 4, 0x0f);
  e = v128.xor(e, t), a = v128.xor(a, i16x8.shl(t, 4));
  t = swapDifference(b, f, 4, 0x0f);
  f = v128.xor(f, t), b = v128.xor(b, i16x8.shl(t, 4));
  t = swapDifference(c, g, 4, 0x0f);
  g = v128.xor(g, t), c = v128.xor(c, i16x8.shl(t, 4));
  t = swapDifference(d, h, 4, 0x0f);
  h = v128.xor(h, t), d = v128.xor(d, i16x8.shl(t, 4));
  v128.store(to, a);
  v128.store(to, b, 16);
  v128.store(to, c, 32);
  v128.store(to, d, 48);
  v128.store(to, e, 64);
  v128.store(to, f, 80);
  v128.store(to, g, 96);
  v128.store(to, h, 112);
}

function leafAt(index: usize, leaves: usize): usize {
  return leaves + (<usize> load<u8>(index) << 2);
}

function addFour(index: usize, leaves: usize, sum: usize): void {
  let v = v128.load32_zero(leafAt(index, leaves));
  v = v128.load_lane<f32>(leafAt(index + 1, leaves), v, 1);
  v = v128.load_lane<f32>(leafAt(index + 2, leaves), v, 2);
  v = v128.load_lane<f32>(leafAt(index + 3, leaves), v, 3);
  v128.store(sum, f32x4.add(v128.load(sum), v));
}

function addLeaves(index: usize, leaves: usize, sum: usize): void {
  for (const end = index + ROWS; index < end; index += 8) {
    addFour(index, leaves, sum);
    addFour(index + 4, leaves, sum + 16);
    sum += 32;
  }
}

function addDoubleLeaves(index: usize, leaves: usize, sum: usize): void {
  for (const end = index + ROWS; index < end; index++) {
    f64.store(
      sum,
      f64.load(sum) + f64.load(leaves + (<usize> load<u8>(index) << 3)),
    );
    sum += 8;
  }
}

/** Advances row `16 i + l` by one node of a tree's remainder: the right child's record follows the left child's, and a leaf's record points to itself. */
function nextRecord(record: usize, planes: usize, l: u32, i: u32): usize {
  const right = (~<u32> load<u8>(planes + load<u32>(record) + l) >> i) & 1;
  return load<u32>(record, 4) + (right << 3);
}

/** Adds the leaves of a tree with a remainder: from the exits on, eight rows at a time walk through records of eight bytes. */
function addRemainder(plan: Plan, tree: Tree, planes: usize, index: usize, sum: usize): void {
  const exits = tree.remainder, first = tree.records;
  for (let r: u32 = 0; r < ROWS; r += 8) {
    const i = r >> 4, l = r & 8;
    let a: usize = load<u32>(exits + (<usize> load<u8>(index + r) << 2));
    let b: usize = load<u32>(exits + (<usize> load<u8>(index + r, 1) << 2));
    let c: usize = load<u32>(exits + (<usize> load<u8>(index + r, 2) << 2));
    let d: usize = load<u32>(exits + (<usize> load<u8>(index + r, 3) << 2));
    let e: usize = load<u32>(exits + (<usize> load<u8>(index + r, 4) << 2));
    let f: usize = load<u32>(exits + (<usize> load<u8>(index + r, 5) << 2));
    let g: usize = load<u32>(exits + (<usize> load<u8>(index + r, 6) << 2));
    let h: usize = load<u32>(exits + (<usize> load<u8>(index + r, 7) << 2));
    for (;;) {
      const before = a + b + c + d + e + f + g + h; // records only point to later ones, so an equal sum means that all rows have arrived
      a = nextRecord(a, planes, l, i);
      b = nextRecord(b, planes, l + 1, i);
      c = nextRecord(c, planes, l + 2, i);
      d = nextRecord(d, planes, l + 3, i);
      e = nextRecord(e, planes, l + 4, i);
      f = nextRecord(f, planes, l + 5, i);
      g = nextRecord(g, planes, l + 6, i);
      h = nextRecord(h, planes, l + 7, i);
      if (a + b + c + d + e + f + g + h == before) break;
    }
    addLeafValues(plan, tree, (a - first) >> 3, sum, r);
    addLeafValues(plan, tree, (b - first) >> 3, sum, r + 1);
    addLeafValues(plan, tree, (c - first) >> 3, sum, r + 2);
    addLeafValues(plan, tree, (d - first) >> 3, sum, r + 3);
    addLeafValues(plan, tree, (e - first) >> 3, sum, r + 4);
    addLeafValues(plan, tree, (f - first) >> 3, sum, r + 5);
    addLeafValues(plan, tree, (g - first) >> 3, sum, r + 6);
    addLeafValues(plan, tree, (h - first) >> 3, sum, r + 7);
  }
}

function addLeafValues(
  plan: Plan,
  tree: Tree,
  record: usize,
  sum: usize,
  row: u32,
): void {
  for (let k: u32 = 0; k < tree.leafSize; k++) {
    const leaf = record + <usize> k * tree.leafStride;
    if (plan.isDouble) {
      const at = sum + ((k * ROWS + row) << 3);
      f64.store(at, f64.load(at) + f64.load(tree.leaves + (leaf << 3)));
    } else {
      const at = sum + ((k * ROWS + row) << 2);
      f32.store(at, f32.load(at) + f32.load(tree.leaves + (leaf << 2)));
    }
  }
}

/** Adds one tree's leaf values to the sums of one half. */
function addTree(plan: Plan, tree: Tree, planes: usize, sums: usize): void {
  const slots = plan.slots, bitPlanes = slots - 128, index = slots - 256;
  const nodes = changetype<usize>(tree) + offsetof<Tree>();
  if (tree.perfect) levelPlanes(nodes, tree.bits, planes, bitPlanes);
  else {
    const lists = nodes + (tree.innerCount << 3);
    partitionRows(nodes, lists, planes, slots);
    numberExits(lists, tree.bits, slots, bitPlanes);
  }
  transpose(bitPlanes, index);
  const isDouble = plan.isDouble;
  const shift: usize = isDouble ? 3 : 2;
  let sum = sums + (<usize> (tree.group * ROWS) << shift);
  if (tree.remainder) return addRemainder(plan, tree, planes, index, sum);
  let leaves = tree.leaves;
  for (let k: u32 = 0; k < tree.leafSize; k++) {
    if (isDouble) addDoubleLeaves(index, leaves, sum);
    else addLeaves(index, leaves, sum);
    leaves += <usize> tree.leafStride << shift;
    sum += <usize> ROWS << shift;
  }
}

/** Returns the bytes of the sums of one half. */
function sumBytes(plan: Plan): usize {
  return <usize> (ROWS * plan.groups) << (plan.isDouble ? 3 : 2);
}

function initializeSums(plan: Plan, to: usize): void {
  const bytes: usize = <usize> ROWS << (plan.isDouble ? 3 : 2);
  for (let g: u32 = 0; g < plan.groups; g++) {
    const b = plan.isDouble
      ? v128.load64_splat(plan.base + (g << 3))
      : v128.load32_splat(plan.base + (g << 2));
    for (const end = to + bytes; to < end; to += 16) v128.store(to, b);
  }
}

/** Stores sums, which are group by group, as margins, which are row by row. */
function storeMargins(plan: Plan, sums: usize, to: usize): void {
  const groups = plan.groups;
  if (plan.isDouble) {
    for (let r: u32 = 0; r < ROWS; r++) {
      for (let g: u32 = 0; g < groups; g++) {
        f64.store(to, f64.load(sums + ((g * ROWS + r) << 3)) / plan.divisor);
        to += 8;
      }
    }
  } else if (groups == 1 && plan.divisor == 1) {
    memory.copy(to, sums, ROWS << 2);
  } else {
    for (let r: u32 = 0; r < ROWS; r++) {
      for (let g: u32 = 0; g < groups; g++) {
        f32.store(
          to,
          <f32> (<f64> f32.load(sums + ((g * ROWS + r) << 2)) / plan.divisor),
        );
        to += 4;
      }
    }
  }
}

/** Computes the margins of one block of one or two halves. */
function scoreBlock(plan: Plan, x: usize, halves: u32, to: usize): void {
  const planes = plan.planes, sums = plan.sums, bytes = sumBytes(plan);
  for (let h: usize = 0; h < halves; h++) {
    loadColumns(plan, x + h * ROWS * plan.stride);
    evaluatePredicates(plan, planes + h * PLANE);
    initializeSums(plan, sums + h * bytes);
  }
  let at = plan.forest;
  for (let k: u32 = 0; k < plan.treeCount; k++) {
    const tree = changetype<Tree>(at);
    for (let h: usize = 0; h < halves; h++) {
      addTree(plan, tree, planes + h * PLANE, sums + h * bytes);
    }
    at += tree.bytes;
  }
  for (let h: usize = 0; h < halves; h++) {
    storeMargins(plan, sums + h * bytes, to + h * bytes);
  }
}

/** Computes the margins of `rows` rows, a multiple of 128, row by row. */
export function margins(plan: usize, x: usize, rows: u32, to: usize): void {
  const p = changetype<Plan>(plan);
  const halves = rows / ROWS;
  for (let h: u32 = 0; h < halves; h += HALVES) {
    scoreBlock(p, x, min(HALVES, halves - h), to);
    x += <usize> p.stride * ROWS * HALVES;
    to += sumBytes(p) * HALVES;
  }
}

// --- transformations ----------------------------------------------------

/** exp of two doubles within 1e-12 of the value, so that rounding to float almost always gives the float of `Math.exp`. Arguments in [-700, 700]. */
function exp(x: v128): v128 {
  const n = f64x2.nearest(f64x2.mul(x, f64x2.splat(1.4426950408889634)));
  let r = f64x2.sub(x, f64x2.mul(n, f64x2.splat(0.693145751953125)));
  r = f64x2.sub(r, f64x2.mul(n, f64x2.splat(1.42860682030941723212e-6)));
  let p = f64x2.splat(1.0 / 3628800.0);
  p = f64x2.add(f64x2.mul(p, r), f64x2.splat(1.0 / 362880.0));
  p = f64x2.add(f64x2.mul(p, r), f64x2.splat(1.0 / 40320.0));
  p = f64x2.add(f64x2.mul(p, r), f64x2.splat(1.0 / 5040.0));
  p = f64x2.add(f64x2.mul(p, r), f64x2.splat(1.0 / 720.0));
  p = f64x2.add(f64x2.mul(p, r), f64x2.splat(1.0 / 120.0));
  p = f64x2.add(f64x2.mul(p, r), f64x2.splat(1.0 / 24.0));
  p = f64x2.add(f64x2.mul(p, r), f64x2.splat(1.0 / 6.0));
  p = f64x2.add(f64x2.mul(p, r), f64x2.splat(0.5));
  p = f64x2.add(f64x2.mul(p, r), f64x2.splat(1.0));
  p = f64x2.add(f64x2.mul(p, r), f64x2.splat(1.0));
  // Adding 1.5 * 2^52 leaves n in the lowest bits, from where it is added to the exponent.
  const bits = f64x2.add(n, f64x2.splat(6755399441055744.0));
  return i64x2.add(p, i64x2.shl(bits, 52));
}

/** exp of four floats, rounded to float. */
function exp4(x: v128): v128 {
  const lower = f64x2.promote_low_f32x4(x);
  const upper = f64x2.promote_low_f32x4(i64x2.shuffle(x, x, 1, 1));
  return i64x2.shuffle(
    f32x4.demote_f64x2_zero(exp(lower)),
    f32x4.demote_f64x2_zero(exp(upper)),
    0,
    2,
  );
}

/** XGBoost's `Sigmoid` in place; `count` is a multiple of four. */
export function logistic(at: usize, count: u32): void {
  const one = f32x4.splat(1),
    clip = f32x4.splat(88.7),
    floor = f32x4.splat(-700);
  for (const end = at + (<usize> count << 2); at < end; at += 16) {
    const e = f32x4.pmax(floor, f32x4.pmin(clip, f32x4.neg(v128.load(at))));
    v128.store(at, f32x4.div(one, f32x4.add(exp4(e), one)));
  }
}

/** XGBoost's `Softmax` in place, row by row; `rows * groups` is a multiple of four. */
export function softmax(at: usize, rows: u32, groups: u32): void {
  const bytes: usize = <usize> groups << 2, end = at + <usize> rows * bytes;
  for (let row = at; row < end; row += bytes) {
    let largest = f32.load(row);
    for (let k = row + 4; k < row + bytes; k += 4) {
      largest = f32.load(k) > largest ? f32.load(k) : largest;
    }
    for (let k = row; k < row + bytes; k += 4) {
      f32.store(k, f32.load(k) - largest);
    }
  }
  const floor = f32x4.splat(-700);
  for (let k = at; k < end; k += 16) {
    v128.store(k, exp4(f32x4.pmax(floor, v128.load(k))));
  }
  for (let row = at; row < end; row += bytes) {
    let sum: f64 = 0;
    for (let k = row; k < row + bytes; k += 4) sum += <f64> f32.load(k);
    const divisor = <f32> sum;
    for (let k = row; k < row + bytes; k += 4) {
      f32.store(k, f32.load(k) / divisor);
    }
  }
}
