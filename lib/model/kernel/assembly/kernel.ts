/**
 * The tree kernel (AssemblyScript). Work is done once for 128 rows, the bits
 * of a SIMD register:
 *
 * 1. `columns`: the rows' features are turned into columns of 128 floats.
 * 2. `evaluatePredicates`: every distinct predicate of the model ("feature 3 is
 *    under 0.25") is evaluated for all 128 rows: one *plane* of 128 bits.
 * 3. `trees`: a tree's planes say for each row which way it goes at each level,
 *    and so the number of its leaf, whose value is added. Trees that
 *    are nearly perfect are laid out as *perfect* ones: the plane of a level is
 *    chosen among the predicate bits of its nodes by the planes of the levels
 *    above. In *irregular* ones, the rows at each node are found from the top,
 *    `left = here & bits`, `right = here & ~bits`, and the planes of the leaves
 *    make up the bits of their numbers.
 *
 * In a plane, row `16 i + l` is bit `i` of byte `l`. A block is two such halves,
 * whose predicate bits stand side by side, so that the halves share what is
 * brought in from memory: predicate bits, programs, leaves. The structures are those of
 * `records.ts`, and `layout.ts` makes them of a model.
 */

import {
  BinSet, COLUMN, FeaturePredicates, HALVES, Method, Plan, PLANE, PREDICATE, ROWS, Tree,
} from "./records";

// --- 1. columns ---------------------------------------------------------

/** Four neighbouring features of four rows at a time. */
function columns(plan: Plan, x: usize): void {
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

/** Sixteen results of 32 bits as sixteen bytes. */

function narrow(a: v128, b: v128, c: v128, d: v128): v128 {
  return i8x16.narrow_i16x8_s(
    i16x8.narrow_i32x4_s(a, b),
    i16x8.narrow_i32x4_s(c, d),
  );
}

/** A plane moved up by one bit a byte, with sixteen new bits below. */

function push(plane: v128, results: v128): v128 {
  return i8x16.sub(i8x16.add(plane, plane), results);
}

function below(at: usize, t: v128): v128 {
  return narrow(
    f32x4.lt(v128.load(at), t),
    f32x4.lt(v128.load(at, 16), t),
    f32x4.lt(v128.load(at, 32), t),
    f32x4.lt(v128.load(at, 48), t),
  );
}

function belowPlane(column: usize, t: v128): v128 {
  let p = push(i8x16.splat(0), below(column + 448, t));
  p = push(p, below(column + 384, t));
  p = push(p, below(column + 320, t));
  p = push(p, below(column + 256, t));
  p = push(p, below(column + 192, t));
  p = push(p, below(column + 128, t));
  p = push(p, below(column + 64, t));
  return push(p, below(column, t));
}

function beyond(at: usize, zero: v128): v128 {
  return narrow(
    f32x4.gt(f32x4.abs(v128.load(at)), zero),
    f32x4.gt(f32x4.abs(v128.load(at, 16)), zero),
    f32x4.gt(f32x4.abs(v128.load(at, 32)), zero),
    f32x4.gt(f32x4.abs(v128.load(at, 48)), zero),
  );
}

/** The rows that have a value: a comparison with NaN is false. */
function presentPlane(column: usize, zero: f32): v128 {
  const z = f32x4.splat(zero);
  let p = i8x16.splat(0);
  for (let i: i32 = 7; i >= 0; i--) {
    p = push(p, beyond(column + (<usize> i << 6), z));
  }
  return p;
}

/** Sets the row's bit in the plane of its bin, the number of thresholds that are not above x. */

function mark(q: FeaturePredicates, bins: usize, bucket: u32, x: f32, bit: u32): void {
  const thresholds = q.thresholds;
  let bin = load<u32>(q.buckets + (bucket << 2));
  for (let step = q.window >> 1; step > 0; step >>= 1) {
    bin += f32.load(thresholds + ((bin + step) << 2)) <= x ? step : 0;
  }
  const at = bins + <usize> bin * PLANE;
  store<u8>(at, load<u8>(at) | bit);
}

/**
 * The bin of every row. The bucket of a value, by one multiplication, says
 * where its few candidates begin: the multiplication is rounded, but never
 * decreasing, and the table was made by the same one.
 */
function search(q: FeaturePredicates, column: usize, bins: usize): void {
  const low = f32x4.splat(q.low), scale = f32x4.splat(q.scale);
  const last = f32x4.splat(q.last), zero = f32x4.splat(0);
  for (let i: u32 = 0; i < 8; i++) {
    const bit: u32 = 1 << i;
    for (let l: usize = 0; l < 16; l += 4) {
      const at = column + (i << 6) + (l << 2), to = bins + l;
      const u = f32x4.mul(f32x4.sub(v128.load(at), low), scale);
      const b = i32x4.trunc_sat_f32x4_s(f32x4.pmin(last, f32x4.pmax(zero, u)));
      mark(q, to, i32x4.extract_lane(b, 0), f32.load(at), bit);
      mark(q, to + 1, i32x4.extract_lane(b, 1), f32.load(at, 4), bit);
      mark(q, to + 2, i32x4.extract_lane(b, 2), f32.load(at, 8), bit);
      mark(q, to + 3, i32x4.extract_lane(b, 3), f32.load(at, 12), bit);
    }
  }
}

function compareEach(q: FeaturePredicates, column: usize, planes: usize): void {
  const absent = v128.not(presentPlane(column, q.zero));
  const rightWanted = q.wanted & 1, count = q.count;
  const more: usize = q.wanted == 3 ? <usize> count * PREDICATE : 0;
  let to = planes + q.planes;
  for (let j: u32 = 1; j <= count; j++) {
    const p = belowPlane(column, v128.load32_splat(q.thresholds + (j << 2)));
    v128.store(to + more, v128.or(p, absent));
    if (rightWanted) v128.store(to, v128.andnot(p, absent));
    to += PREDICATE;
  }
}

/** "Under threshold j" is "in one of the bins up to j": planes by a running union, which also empties the bins. */
function compareBins(
  q: FeaturePredicates,
  column: usize,
  planes: usize,
  bins: usize,
): void {
  const absent = v128.not(presentPlane(column, q.zero));
  const rightWanted = q.wanted & 1, count = q.count;
  const more: usize = q.wanted == 3 ? <usize> count * PREDICATE : 0;
  let to = planes + q.planes, p = i8x16.splat(0);
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
  q: FeaturePredicates,
  column: usize,
  planes: usize,
  bins: usize,
): void {
  const present = presentPlane(column, q.zero);
  let at = q.sets;
  for (let k: u32 = 0; k < q.setCount; k++) {
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
  memory.fill(bins, 0, (q.count + 1) * <u32> PLANE);
}

/** The predicate bits of one half, whose columns are there. */
function evaluatePredicates(plan: Plan, planes: usize): void {
  const bins = plan.bins;
  for (let k: u32 = 0; k < plan.featurePredicateCount; k++) {
    const q = changetype<FeaturePredicates>(plan.featurePredicates + k * offsetof<FeaturePredicates>());
    const column = plan.columns + q.column;
    if (q.method == Method.EACH) {
      compareEach(q, column, planes);
      continue;
    }
    search(q, column, bins);
    if (q.method == Method.BINS) compareBins(q, column, planes, bins);
    else compareSets(q, column, planes, bins);
  }
}

// --- 3. trees -----------------------------------------------------------

@inline
function bitsAt(at: usize, planes: usize): v128 {
  return v128.load(planes + load<u32>(at));
}

// The predicate bits of 2, 4, 8 … nodes of one level, chosen by the planes of the
// levels above: the last of them chooses between neighbours.

@inline
function of2(at: usize, planes: usize, a: v128): v128 {
  return v128.bitselect(bitsAt(at, planes), bitsAt(at + 4, planes), a);
}

@inline
function of4(at: usize, planes: usize, a: v128, b: v128): v128 {
  return v128.bitselect(of2(at, planes, b), of2(at + 8, planes, b), a);
}

@inline
function of8(at: usize, planes: usize, a: v128, b: v128, c: v128): v128 {
  return v128.bitselect(of4(at, planes, b, c), of4(at + 16, planes, b, c), a);
}

@inline
function of16(at: usize, planes: usize, a: v128, b: v128, c: v128, d: v128): v128 {
  return v128.bitselect(of8(at, planes, b, c, d), of8(at + 32, planes, b, c, d), a);
}

@inline
function of32(at: usize, planes: usize, a: v128, b: v128, c: v128, d: v128, e: v128): v128 {
  return v128.bitselect(of16(at, planes, b, c, d, e), of16(at + 64, planes, b, c, d, e), a);
}

/** The planes of the levels of a perfect tree, the last level's first. */
function descend(at: usize, bits: u32, planes: usize, to: usize): void {
  const zero = i8x16.splat(0);
  v128.store(to, zero), v128.store(to, zero, 16), v128.store(to, zero, 32), v128.store(to, zero, 48);
  v128.store(to, zero, 64), v128.store(to, zero, 80), v128.store(to, zero, 96), v128.store(to, zero, 112);
  if (bits == 0) return;
  to += (bits - 1) << 4;
  const a = bitsAt(at, planes);
  v128.store(to, a);
  if (bits == 1) return;
  const b = of2(at + 4, planes, a);
  v128.store(to - 16, b);
  if (bits == 2) return;
  const c = of4(at + 12, planes, a, b);
  v128.store(to - 32, c);
  if (bits == 3) return;
  const d = of8(at + 28, planes, a, b, c);
  v128.store(to - 48, d);
  if (bits == 4) return;
  const e = of16(at + 60, planes, a, b, c, d);
  v128.store(to - 64, e);
  if (bits == 5) return;
  const f = of32(at + 124, planes, a, b, c, d, e);
  v128.store(to - 80, f);
  if (bits == 6) return;
  const g = v128.bitselect(
    of32(at + 252, planes, b, c, d, e, f),
    of32(at + 380, planes, b, c, d, e, f),
    a,
  );
  v128.store(to - 96, g);
  if (bits == 7) return;
  v128.store(
    to - 112,
    v128.bitselect(
      v128.bitselect(of32(at + 508, planes, c, d, e, f, g), of32(at + 636, planes, c, d, e, f, g), b),
      v128.bitselect(of32(at + 764, planes, c, d, e, f, g), of32(at + 892, planes, c, d, e, f, g), b),
      a,
    ),
  );
}

/** Which rows stand at which node: slot 0 is the root, and each node's children take the next two. */
function reach(node: usize, end: usize, planes: usize, slots: usize): void {
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

/** The eight planes of the exits' numbers: bit b is set at the rows of the slots in list b. */
function number(list: usize, bits: u32, slots: usize, to: usize): void {
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

/** What has to be exchanged between the upper bits of a and the lower bits of b. */

function difference(a: v128, b: v128, shift: i32, mask: u8): v128 {
  return v128.and(v128.xor(i16x8.shr_u(a, shift), b), i8x16.splat(mask));
}

/** Eight planes become 128 bytes, one number a row: an 8 × 8 transposition of bits in each byte lane. */
function transpose(p: usize, to: usize): void {
  let a = v128.load(p),
    b = v128.load(p, 16),
    c = v128.load(p, 32),
    d = v128.load(p, 48);
  let e = v128.load(p, 64),
    f = v128.load(p, 80),
    g = v128.load(p, 96),
    h = v128.load(p, 112);
  let t = difference(a, b, 1, 0x55);
  b = v128.xor(b, t), a = v128.xor(a, i16x8.shl(t, 1));
  t = difference(c, d, 1, 0x55);
  d = v128.xor(d, t), c = v128.xor(c, i16x8.shl(t, 1));
  t = difference(e, f, 1, 0x55);
  f = v128.xor(f, t), e = v128.xor(e, i16x8.shl(t, 1));
  t = difference(g, h, 1, 0x55);
  h = v128.xor(h, t), g = v128.xor(g, i16x8.shl(t, 1));
  t = difference(a, c, 2, 0x33);
  c = v128.xor(c, t), a = v128.xor(a, i16x8.shl(t, 2));
  t = difference(b, d, 2, 0x33);
  d = v128.xor(d, t), b = v128.xor(b, i16x8.shl(t, 2));
  t = difference(e, g, 2, 0x33);
  g = v128.xor(g, t), e = v128.xor(e, i16x8.shl(t, 2));
  t = difference(f, h, 2, 0x33);
  h = v128.xor(h, t), f = v128.xor(f, i16x8.shl(t, 2));
  t = difference(a, e, 4, 0x0f);
  e = v128.xor(e, t), a = v128.xor(a, i16x8.shl(t, 4));
  t = difference(b, f, 4, 0x0f);
  f = v128.xor(f, t), b = v128.xor(b, i16x8.shl(t, 4));
  t = difference(c, g, 4, 0x0f);
  g = v128.xor(g, t), c = v128.xor(c, i16x8.shl(t, 4));
  t = difference(d, h, 4, 0x0f);
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

function addWideLeaves(index: usize, leaves: usize, sum: usize): void {
  for (const end = index + ROWS; index < end; index++) {
    f64.store(
      sum,
      f64.load(sum) + f64.load(leaves + (<usize> load<u8>(index) << 3)),
    );
    sum += 8;
  }
}

/** One step of row `16 i + l` in a tree's remainder: the right child's record is behind the left one's, a leaf's leads to itself. */
function step(record: usize, planes: usize, l: u32, i: u32): usize {
  const right = (~<u32> load<u8>(planes + load<u32>(record) + l) >> i) & 1;
  return load<u32>(record, 4) + (right << 3);
}

/** Trees of more than 256 leaves: below the exits, eight rows at a time walk on through records of eight bytes. */
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
      const before = a + b + c + d + e + f + g + h; // records only lead to later ones
      a = step(a, planes, l, i);
      b = step(b, planes, l + 1, i);
      c = step(c, planes, l + 2, i);
      d = step(d, planes, l + 3, i);
      e = step(e, planes, l + 4, i);
      f = step(f, planes, l + 5, i);
      g = step(g, planes, l + 6, i);
      h = step(h, planes, l + 7, i);
      if (a + b + c + d + e + f + g + h == before) break;
    }
    addAt(plan, tree, (a - first) >> 3, sum, r);
    addAt(plan, tree, (b - first) >> 3, sum, r + 1);
    addAt(plan, tree, (c - first) >> 3, sum, r + 2);
    addAt(plan, tree, (d - first) >> 3, sum, r + 3);
    addAt(plan, tree, (e - first) >> 3, sum, r + 4);
    addAt(plan, tree, (f - first) >> 3, sum, r + 5);
    addAt(plan, tree, (g - first) >> 3, sum, r + 6);
    addAt(plan, tree, (h - first) >> 3, sum, r + 7);
  }
}

function addAt(
  plan: Plan,
  tree: Tree,
  record: usize,
  sum: usize,
  row: u32,
): void {
  for (let k: u32 = 0; k < tree.width; k++) {
    const leaf = record + <usize> k * tree.apart;
    if (plan.wide) {
      const at = sum + ((k * ROWS + row) << 3);
      f64.store(at, f64.load(at) + f64.load(tree.leaves + (leaf << 3)));
    } else {
      const at = sum + ((k * ROWS + row) << 2);
      f32.store(at, f32.load(at) + f32.load(tree.leaves + (leaf << 2)));
    }
  }
}

/** Adds one tree's leaves to the sums of one half. */
function addTree(plan: Plan, tree: Tree, planes: usize, sums: usize): void {
  const slots = plan.slots, bitPlanes = slots - 128, index = slots - 256;
  const nodes = changetype<usize>(tree) + offsetof<Tree>();
  if (tree.perfect) descend(nodes, tree.bits, planes, bitPlanes);
  else {
    const lists = nodes + (tree.inner << 3);
    reach(nodes, lists, planes, slots);
    number(lists, tree.bits, slots, bitPlanes);
  }
  transpose(bitPlanes, index);
  const wide = plan.wide;
  const shift: usize = wide ? 3 : 2;
  let sum = sums + (<usize> (tree.group * ROWS) << shift);
  if (tree.remainder) return addRemainder(plan, tree, planes, index, sum);
  let leaves = tree.leaves;
  for (let k: u32 = 0; k < tree.width; k++) {
    if (wide) addWideLeaves(index, leaves, sum);
    else addLeaves(index, leaves, sum);
    leaves += <usize> tree.apart << shift;
    sum += <usize> ROWS << shift;
  }
}

/** Bytes of the sums of one half. */
function sumBytes(plan: Plan): usize {
  return <usize> (ROWS * plan.groups) << (plan.wide ? 3 : 2);
}

function startSums(plan: Plan, to: usize): void {
  const bytes: usize = <usize> ROWS << (plan.wide ? 3 : 2);
  for (let g: u32 = 0; g < plan.groups; g++) {
    const b = plan.wide
      ? v128.load64_splat(plan.base + (g << 3))
      : v128.load32_splat(plan.base + (g << 2));
    for (const end = to + bytes; to < end; to += 16) v128.store(to, b);
  }
}

/** Sums stand group by group; margins row by row. */
function storeMargins(plan: Plan, sums: usize, to: usize): void {
  const groups = plan.groups;
  if (plan.wide) {
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

/** Margins of one block, of one or two halves. */
function block(plan: Plan, x: usize, halves: u32, to: usize): void {
  const planes = plan.planes, sums = plan.sums, bytes = sumBytes(plan);
  for (let h: usize = 0; h < halves; h++) {
    columns(plan, x + h * ROWS * plan.stride);
    evaluatePredicates(plan, planes + h * PLANE);
    startSums(plan, sums + h * bytes);
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

/** Margins of `rows` rows, a multiple of 128, row by row. */
export function margins(plan: usize, x: usize, rows: u32, to: usize): void {
  const p = changetype<Plan>(plan);
  const halves = rows / ROWS;
  for (let h: u32 = 0; h < halves; h += HALVES) {
    block(p, x, min(HALVES, halves - h), to);
    x += <usize> p.stride * ROWS * HALVES;
    to += sumBytes(p) * HALVES;
  }
}

// --- transformations ----------------------------------------------------

/** exp of two doubles within 1e-12 of the value, so that rounding to float gives what `Math.exp` gives. Arguments in [-700, 700]. */

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
  // Adding 1.5 * 2^52 leaves n in the lowest bits, to be moved into the exponent.
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
