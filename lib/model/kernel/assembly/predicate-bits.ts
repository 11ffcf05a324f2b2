/**
 * Where each node's predicate bits stand: the planes that say which rows go
 * left. Nodes with the same predicate share them.
 */
import { claim } from "./memory";
import { Model, PREDICATE } from "./records";

/** Per node, the offset of its predicate among the planes; 0 at leaves, the predicate that is always true. */
let offsets: usize = 0;

/** Predicates so far; the first one is always true. */
export let predicateCount: u32 = 1;

/** To be called before the layout is started. */
export function startPredicates(model: Model): void {
  offsets = claim(<u64> model.nodes << 2);
}

/** Adds so many predicates; the number of the first. */
export function addPredicates(count: u32): u32 {
  const first = predicateCount;
  predicateCount += count;
  return first;
}

/** Assigns a predicate to a node. */
export function setPredicate(node: u32, predicate: u32): void {
  store<u32>(offsets + (<usize> node << 2), predicate * <u32> PREDICATE);
}

/** The offset of a node's predicate bits. */
@inline
export function predicateOf(node: u32): u32 {
  return load<u32>(offsets + (<usize> node << 2));
}
