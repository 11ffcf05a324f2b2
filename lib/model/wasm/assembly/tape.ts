/**
 * What a file says, as nodes in memory: the same for UBJSON and JSON. The
 * members of an object and the values of an array are a linked list. Who reads
 * a file calls {@link add} for each value; those between {@link open} and
 * {@link close} are in a container. Texts, and the numbers of typed arrays,
 * stay where the file has them.
 */
import { ownerOf, setOwner, startKeys } from "./keys";
import { claim } from "./memory";
import { Problem, refuse } from "./problems";

/** What a value is, by the letter that UBJSON has for it. */
export enum Kind {
  NULL = 0x5a, // Z
  TRUE = 0x54, // T
  FALSE = 0x46, // F
  NUMBER = 0x44, // D: a double, in `number`
  TEXT = 0x53, // S: `count` bytes at `at`
  LETTER = 0x43, // C: one byte of Latin-1 at `at`
  ARRAY = 0x5b, // [: `count` values, the first at `at`
  NUMBERS = 0x24, // $: `count` numbers of type `type` at `at`
  OBJECT = 0x7b, // {
}

/** Types of numbers, by their letters in UBJSON, which stand in the file big-endian. */
export enum NumberType {
  INT8 = 0x69, // i
  UINT8 = 0x55, // U
  INT16 = 0x49, // I
  INT32 = 0x6c, // l
  INT64 = 0x4c, // L
  FLOAT32 = 0x64, // d
  FLOAT64 = 0x44, // D
  DOUBLES = 0x6e, // n: not of UBJSON, doubles as this machine has them
}

@unmanaged
export class Node {
  kind: u8; // Kind
  type: u8; // NumberType, of NUMBERS
  key: u32; // number of the member's key; 0 in an array
  next: usize; // sibling; 0 for none
  owner: usize; // who had the key before
  at: usize;
  count: u32;

  @inline
  get number(): f64 {
    return load<f64>(changetype<usize>(this), 16);
  }

  @inline
  set number(x: f64) {
    store<f64>(changetype<usize>(this), x, 16);
  }
}

let depthLeft: u32 = 0, containersLeft: u32 = 0;

/** The container that is being read, and its last value. */
let parent: usize = 0, last: usize = 0;

/** Begins a file; how deep containers may be nested, and how many there may be. */
export function startTape(depth: u32, containers: u32): void {
  depthLeft = depth, containersLeft = containers;
  parent = 0, last = 0;
  startKeys();
}

/** A new value, behind the last one of the container that is open. */
export function add(kind: Kind, key: u32, at: usize, count: u32): Node {
  const address = claim(offsetof<Node>());
  const node = changetype<Node>(address);
  node.kind = <u8> kind, node.key = key, node.at = at, node.count = count;
  if (parent) {
    const container = changetype<Node>(parent);
    if (last) changetype<Node>(last).next = address;
    else container.at = address;
    container.count++;
    if (key) {
      node.owner = ownerOf(key);
      setOwner(key, parent);
    }
  }
  last = address;
  return node;
}

/** Whether the container that is open has a member of this key. */
export function hasMember(key: u32): bool {
  return ownerOf(key) == parent;
}

/** A new container. What is added from here on is in it, until {@link close} with what this gives back, and the one that was open. */
export function open(kind: Kind, key: u32, offset: u32): Node {
  if (depthLeft == 0) refuse(Problem.DEEP, offset, 0, 0);
  if (containersLeft == 0) refuse(Problem.CONTAINERS, offset, 0, 0);
  depthLeft--, containersLeft--;
  const node = add(kind, key, 0, 0);
  parent = changetype<usize>(node);
  last = 0;
  return node;
}

/** The container that is open; 0 for none. */
export function opened(): usize {
  return parent;
}

/** Ends a container. Its keys are again those of the containers around it. */
export function close(node: Node, outer: usize): void {
  for (let at = node.at; node.kind == Kind.OBJECT && at != 0; at = changetype<Node>(at).next) {
    setOwner(changetype<Node>(at).key, changetype<Node>(at).owner);
  }
  depthLeft++;
  parent = outer;
  last = changetype<usize>(node);
}
