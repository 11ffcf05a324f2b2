/**
 * Assigns each node the offset of its predicate bits: the planes that say which
 * rows go left. Nodes with the same predicate share them.
 */
import { allocate } from "./memory";
import { Model, PREDICATE } from "./records";

/** Per node, the offset of its predicate bits in Plan.planes; leaves have 0, the predicate that is always true. */
let offsets: usize = 0;

/** Number of predicates so far; predicate 0 is always true. */
export let predicateCount: u32 = 1;

/** Allocates the offsets. Call before `startLayout`. */
export function preparePredicates(model: Model): void {
  offsets = allocate(<u64> model.nodes << 2);
}

/** Adds predicates and returns the index of the first. */
export function addPredicates(count: u32): u32 {
  const first = predicateCount;
  predicateCount += count;
  return first;
}

/** Assigns a predicate to a node. */
export function setPredicate(node: u32, predicate: u32): void {
  store<u32>(offsets + (<usize> node << 2), predicate * <u32> PREDICATE);
}

/** Returns the offset of a node's predicate bits. */
@inline
export function predicateOffset(node: u32): u32 {
  return load<u32>(offsets + (<usize> node << 2));
}
