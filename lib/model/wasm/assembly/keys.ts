/**
 * The keys of a file, each once and by a number from 1 on, so that a member is
 * found by comparing numbers, and so that a key that stands twice is noticed.
 */
import { claim } from "./memory";
import { Problem, refuse } from "./problems";

/** More than any model has; far more would let a file make every look-up long. */
export const MOST_KEYS: u32 = 4096;

const SLOTS: u32 = 2 * MOST_KEYS;

@unmanaged
class Key {
  at: usize;
  length: u32;
  hash: u32;
  owner: usize; // the object that is open and has it
  follower: u32; // number of the key that stood after it last
}

/** Numbers of keys, u32 each, at their hash or the next free place. */
let slots: usize = 0;
let keys: usize = 0;
let count: u32 = 0;

/** Begins a file. */
export function startKeys(): void {
  slots = claim(SLOTS * 4);
  keys = claim((MOST_KEYS + 1) * offsetof<Key>());
  count = 0;
}

@inline
function keyOf(number: u32): Key {
  return changetype<Key>(keys + <usize> number * offsetof<Key>());
}

/**
 * The number of the key that stood after another one last, if it is next, else
 * 0: thousands of trees have the same keys in the same order.
 */
export function followerOf(before: u32, at: usize, length: u32): u32 {
  const number = keyOf(before).follower;
  if (number == 0) return 0;
  const key = keyOf(number);
  return key.length == length && memory.compare(key.at, at, length) == 0 ? number : 0;
}

export function setFollower(before: u32, number: u32): void {
  keyOf(before).follower = number;
}

/** The number of a key that begins at byte `offset` of the file. */
export function numberKey(at: usize, length: u32, offset: u32): u32 {
  const hash = hashOf(at, length);
  const slot = slotOf(at, length, hash);
  const known = load<u32>(slot);
  if (known) return known;
  if (count == MOST_KEYS) refuse(Problem.KEYS, offset, <f64> MOST_KEYS, 0);
  store<u32>(slot, ++count);
  const key = keyOf(count);
  key.at = at, key.length = length, key.hash = hash;
  return count;
}

/** The number of a key, 0 where the file has none such. */
export function findKey(at: usize, length: u32): u32 {
  return load<u32>(slotOf(at, length, hashOf(at, length)));
}

/** Where the bytes of a key stand, and how many they are. */
export function keyAddress(number: u32): usize {
  return keyOf(number).at;
}

export function keyLength(number: u32): u32 {
  return keyOf(number).length;
}

export function ownerOf(number: u32): usize {
  return keyOf(number).owner;
}

export function setOwner(number: u32, owner: usize): void {
  keyOf(number).owner = owner;
}

/** FNV-1a. */
function hashOf(at: usize, length: u32): u32 {
  let hash: u32 = 0x811c9dc5;
  for (const end = at + length; at < end; at++) hash = (hash ^ load<u8>(at)) * 0x01000193;
  return hash;
}

/** The slot of a key, or the free one where it would be. */
function slotOf(at: usize, length: u32, hash: u32): usize {
  let n = hash & (SLOTS - 1);
  let slot = slots + (<usize> n << 2);
  while (load<u32>(slot) != 0) {
    const key = keyOf(load<u32>(slot));
    if (key.hash == hash && key.length == length && memory.compare(key.at, at, length) == 0) break;
    n = (n + 1) & (SLOTS - 1);
    slot = slots + (<usize> n << 2);
  }
  return slot;
}
