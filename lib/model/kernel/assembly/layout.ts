/**
 * Lays out a model for the kernel (AssemblyScript): turns the arrays of a
 * `TreeEnsemble` into a `Plan` and all that it points to, in one piece that is
 * then copied to the start of a kernel's memory. It is compiled because it runs
 * once per process, before the JavaScript engine has optimized anything.
 */
import { predicateCount } from "./predicate-bits";
import { allocate, checkLimit, layoutBytes, relocate, startLayout } from "./memory";
import { preparePrograms, slotCount, writePrograms } from "./programs";
import { binCount, sortPredicates, writePredicates } from "./predicates";
import { COLUMN, Model, PLANE, Plan, PREDICATE, ROWS } from "./records";

export { layoutBytes, allocate32 as allocate } from "./memory";

/** Bytes of input rows per call: they stay in a processor's L2 cache. */
const MATRIX_BYTES: u64 = 1 << 18;

/** Returns the address of the plan, where the layout starts; its size is `layoutBytes()`. Call once per memory. */
export function layOut(address: usize): usize {
  const model = changetype<Model>(address);
  sortPredicates(model);
  preparePrograms();
  startLayout();
  const at = allocate(offsetof<Plan>());
  const plan = changetype<Plan>(at);
  plan.stride = model.features << 2;
  plan.treeCount = model.trees;
  plan.groups = model.groups;
  plan.isDouble = model.isDouble;
  plan.divisor = model.divisor;
  const base: u64 = <u64> model.groups << (model.isDouble ? 3 : 2);
  const to = allocate(base);
  memory.copy(to, model.base, <usize> base);
  plan.base = relocate(to);
  writePredicates(plan, model);
  plan.forest = relocate(writePrograms(model));
  const planes = allocate(PREDICATE);
  memory.fill(planes, 0xff, PREDICATE); // predicate 0: always true
  plan.planes = relocate(planes);
  placeWorkingMemory(plan, model);
  return at;
}

/** End of the working memory reserved so far. */
let top: u64 = 0;

/** Reserves working memory after the layout; it is zero, and only the kernel writes to it. */
function reserve(bytes: u64): usize {
  const at = (top + 63) & ~63;
  top = at + bytes;
  return <usize> at;
}

function placeWorkingMemory(plan: Plan, model: Model): void {
  const stride: u64 = <u64> model.features << 2;
  const value: u32 = model.isDouble ? 3 : 2;
  const rows = ROWS * max<u64>(1, MATRIX_BYTES / (stride * ROWS));
  top = layoutBytes() + <u64> (predicateCount - 1) * PREDICATE;
  plan.columns = reserve(<u64> plan.quadCount * 4 * COLUMN);
  plan.bins = reserve(<u64> binCount * PLANE);
  plan.slots = reserve(256 + <u64> slotCount * PLANE) + 256; // the kernel stores bit planes and exit numbers before the slots
  plan.sums = reserve((<u64> 2 * ROWS * model.groups) << value);
  plan.rows = <u32> rows;
  plan.matrix = reserve(rows * stride + 16); // the last quad may extend past the last row
  plan.margins = reserve((rows * model.groups) << value);
  checkLimit(top);
  plan.end = <usize> top;
}
