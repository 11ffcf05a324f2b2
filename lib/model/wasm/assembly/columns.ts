/**
 * The members of many objects that have the same keys, such as a model's
 * trees, gathered into columns.
 */
import { MOST_KEYS } from "./keys";
import { claim } from "./memory";
import { copyFloat32s, copyInt32s, numberAt } from "./numbers";
import { Kind, Node } from "./tape";

/** The member of an object, 0 for none. */
export function findMember(object: usize, key: u32): usize {
  for (let at = changetype<Node>(object).at; at != 0; at = changetype<Node>(at).next) {
    if (changetype<Node>(at).key == key) return at;
  }
  return 0;
}

/** The addresses of all values of a container, u32 each. */
export function listValues(container: usize): usize {
  const first = claim(<u64> changetype<Node>(container).count << 2);
  let to = first;
  for (let at = changetype<Node>(container).at; at != 0; at = changetype<Node>(at).next, to += 4) {
    store<u32>(to, at);
  }
  return first;
}

/**
 * The keys that occur in any of several objects: how many, then for each its
 * number and the first object that has it, u32 all.
 */
export function listKeys(objects: usize, count: u32): usize {
  const seen = claim(MOST_KEYS + 1);
  const found = claim(4 + (<u64> MOST_KEYS << 3));
  let to = found + 4;
  for (let row: u32 = 0; row < count; row++) {
    const object: usize = load<u32>(objects + (<usize> row << 2));
    for (let at = changetype<Node>(object).at; at != 0; at = changetype<Node>(at).next) {
      const key = changetype<Node>(at).key;
      if (load<u8>(seen + key)) continue;
      store<u8>(seen + key, 1);
      store<u32>(to, key);
      store<u32>(to, row, 4);
      to += 8;
    }
  }
  store<u32>(found, <u32> (to - found) >> 3);
  return found;
}

/** The first object of the last gathering that has not what was wanted, or the first such number of the last array. */
let wrong: u32 = 0;

export function wrongOne(): u32 {
  return wrong;
}

/** How many objects had a member in the last gathering that did not fail. */
let present: u32 = 0;

export function presentCount(): u32 {
  return present;
}

/** What {@link gather} gathers: integers of 32 bits, floats, or nothing; then it makes sure that all are numbers. */
enum Wanted {
  INTEGERS,
  FLOATS,
  NOTHING,
}

/** Bytes behind numbers that a copy of them may write to. */
const SPARE: u64 = 12;

/** The addresses of a member of several objects, which is an object in each, u32 each; 0 where it is not. */
export function gatherObjects(objects: usize, count: u32, key: u32): usize {
  const found = claim(<u64> count << 2);
  for (wrong = 0; wrong < count; wrong++) {
    const member = memberOf(objects, key);
    if (member == 0 || changetype<Node>(member).kind != Kind.OBJECT) return 0;
    store<u32>(found + (<usize> wrong << 2), member);
  }
  return found;
}

/**
 * All numbers of a member of several objects, which is an array in each; 0
 * where one has none, or one whose numbers are not what is wanted.
 *
 * @param objects Their addresses, u32 each.
 * @param optional Where there is no such member, there are no numbers.
 * @param sizes Gets how many each has, u32 each.
 */
export function gather(objects: usize, count: u32, key: u32, wanted: Wanted, optional: bool, sizes: usize): usize {
  let total: u64 = 0;
  present = 0;
  for (wrong = 0; wrong < count; wrong++) {
    const member = memberOf(objects, key);
    if (member == 0 && optional) continue;
    if (member == 0 || !isArray(member)) return 0;
    present++;
    const size = changetype<Node>(member).count;
    store<u32>(sizes + (<usize> wrong << 2), size);
    total += size;
  }
  const values = claim(wanted == Wanted.NOTHING ? 0 : (total << 2) + SPARE);
  let to: usize = wanted == Wanted.NOTHING ? 0 : values;
  for (wrong = 0; wrong < count; wrong++) {
    const member = memberOf(objects, key);
    if (member == 0) continue;
    const array = changetype<Node>(member);
    const first = wanted == Wanted.INTEGERS ? copyInt32s(array, to) : copyFloat32s(array, to);
    if (first >= 0) return 0;
    if (to) to += <usize> array.count << 2;
  }
  return values;
}

@inline
function memberOf(objects: usize, key: u32): usize {
  const object: usize = load<u32>(objects + (<usize> wrong << 2));
  return changetype<Node>(object).kind == Kind.OBJECT ? findMember(object, key) : 0;
}

@inline
function isArray(node: usize): bool {
  const kind = changetype<Node>(node).kind;
  return kind == Kind.ARRAY || kind == Kind.NUMBERS;
}

/** The numbers of an array, or 0; then the first wrong one is {@link wrongOne}. */
export function toNumbers(array: usize, floats: bool): usize {
  const node = changetype<Node>(array);
  const to = claim((<u64> node.count << 2) + SPARE);
  const first = floats ? copyFloat32s(node, to) : copyInt32s(node, to);
  wrong = <u32> first;
  return first < 0 ? to : 0;
}

/** The numbers of an array of NUMBERS as doubles. */
export function toDoubles(array: usize): usize {
  const node = changetype<Node>(array);
  const to = claim(<u64> node.count << 3);
  for (let n: u32 = 0; n < node.count; n++) f64.store(to + (<usize> n << 3), numberAt(node, n));
  return to;
}

/**
 * The whole number that a member of several objects is, also where it is
 * written as text, double each; NaN where there is none, infinite where it is
 * something else.
 */
export function gatherIntegers(objects: usize, count: u32, key: u32): usize {
  const values = claim(<u64> count << 3);
  for (wrong = 0; wrong < count; wrong++) {
    const member = memberOf(objects, key);
    const value: f64 = member == 0 ? NaN : toInteger(member);
    f64.store(values + (<usize> wrong << 3), value);
  }
  return values;
}

/** The whole number that a value is, also where it is written as text; infinite where it is none. */
export function toInteger(value: usize): f64 {
  const node = changetype<Node>(value);
  if (node.kind == Kind.NUMBER) return trunc(node.number) == node.number ? node.number : Infinity;
  if (node.kind != Kind.TEXT) return Infinity;
  const sign: u32 = node.count > 0 && load<u8>(node.at) == 0x2d ? 1 : 0;
  if (node.count == sign || node.count > sign + 15) return Infinity;
  let x: f64 = 0;
  for (let n = sign; n < node.count; n++) {
    const digit = <u32> load<u8>(node.at + n) - 0x30;
    if (digit > 9) return Infinity;
    x = x * 10 + digit;
  }
  return sign ? -x : x;
}
