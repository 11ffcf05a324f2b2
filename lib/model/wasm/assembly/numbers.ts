/** The numbers of an array, whichever types the file has them in. */
import { Kind, Node, NumberType } from "./tape";

/** Bytes of a number of one of UBJSON's types; 0 for what is no number. */
export function widthOf(type: u32): u32 {
  switch (type) {
    case NumberType.INT8:
    case NumberType.UINT8:
      return 1;
    case NumberType.INT16:
      return 2;
    case NumberType.INT32:
    case NumberType.FLOAT32:
      return 4;
    case NumberType.INT64:
    case NumberType.FLOAT64:
      return 8;
    default:
      return 0;
  }
}

/** The number of one of UBJSON's types at an address, big-endian; of 64 bits, the nearest double. */
export function loadBig(at: usize, type: u32): f64 {
  switch (type) {
    case NumberType.INT8:
      return <f64> load<i8>(at);
    case NumberType.UINT8:
      return <f64> load<u8>(at);
    case NumberType.INT16:
      return <f64> bswap<i16>(load<i16>(at));
    case NumberType.INT32:
      return <f64> bswap<i32>(load<i32>(at));
    case NumberType.INT64:
      return <f64> bswap<i64>(load<i64>(at));
    case NumberType.FLOAT32:
      return <f64> reinterpret<f32>(bswap<u32>(load<u32>(at)));
    default:
      return reinterpret<f64>(bswap<u64>(load<u64>(at)));
  }
}

/** Numbers of 32 bits turned round, four at a time; behind `count` of them is room for three more. */
function copyBig32s(from: usize, to: usize, count: u32): void {
  for (const end = to + (<usize> count << 2); to < end; from += 16, to += 16) {
    const v = v128.load(from);
    v128.store(to, i8x16.shuffle(v, v, 3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12));
  }
}

/**
 * The array's first number that is no whole number of 32 bits, or -1: then all
 * are at `to`, behind which is room for three more. True and false count as 1
 * and 0.
 */
export function copyInt32s(array: Node, to: usize): i32 {
  const count = array.count;
  const from = array.at;
  if (array.kind == Kind.ARRAY) return copyListed(array, to, 0);
  switch (<u32> array.type) {
    case NumberType.INT32: {
      copyBig32s(from, to, count);
      return -1;
    }
    case NumberType.UINT8: {
      for (let n: u32 = 0; n < count; n += 4) {
        const v = i16x8.extend_low_i8x16_u(v128.load32_zero(from + n));
        v128.store(to + (<usize> n << 2), i32x4.extend_low_i16x8_u(v));
      }
      return -1;
    }
  }
  for (let n: u32 = 0; n < count; n++) {
    const x = numberAt(array, n);
    if (!isInt32(x)) return n;
    store<i32>(to + (<usize> n << 2), <i32> x);
  }
  return -1;
}

/** As {@link copyInt32s}, rounded to float; true and false are no numbers here. Without `to`, they are only looked at. */
export function copyFloat32s(array: Node, to: usize): i32 {
  const count = array.count;
  const from = array.at;
  if (array.kind == Kind.ARRAY) return copyListed(array, to, 1);
  if (to == 0) return -1;
  if (array.type == NumberType.FLOAT32) {
    copyBig32s(from, to, count);
    return -1;
  }
  for (let n: u32 = 0; n < count; n++) f32.store(to + (<usize> n << 2), <f32> numberAt(array, n));
  return -1;
}

function copyListed(array: Node, to: usize, floats: bool): i32 {
  const isWanted = to != 0;
  let n: i32 = 0;
  for (let at = array.at; at != 0; n++, to += 4) {
    const node = changetype<Node>(at);
    at = node.next;
    const isNumber = node.kind == Kind.NUMBER;
    if (floats) {
      if (!isNumber) return n;
      if (isWanted) f32.store(to, <f32> node.number);
      continue;
    }
    if (!isNumber && node.kind != Kind.TRUE && node.kind != Kind.FALSE) return n;
    const x: f64 = isNumber ? node.number : node.kind == Kind.TRUE ? 1 : 0;
    if (!isInt32(x)) return n;
    store<i32>(to, <i32> x);
  }
  return -1;
}

@inline
function isInt32(x: f64): bool {
  return <f64> <i32> x == x; // false for NaN; what is too large is cut off
}

/** A number of an array of NUMBERS. */
export function numberAt(array: Node, n: u32): f64 {
  const type: u32 = array.type;
  if (type == NumberType.DOUBLES) return f64.load(array.at + (<usize> n << 3));
  return loadBig(array.at + <usize> n * widthOf(type), type);
}
