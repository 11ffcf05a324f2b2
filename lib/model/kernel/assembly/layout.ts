/**
 * Lays a model out for the kernel (AssemblyScript): from the arrays of a
 * `TreeEnsemble` to a `Plan` and all that it leads to, in one piece that is
 * then copied to the beginning of a kernel's memory. It is compiled because it
 * runs once a process, before JavaScript has been made fast.
 */
import { predicateCount } from "./predicate-bits";
import { allow, claim, layoutBytes, moved, startLayout } from "./memory";
import { slotCount, startPrograms, writePrograms } from "./programs";
import { binCount, sortPredicates, writePredicates } from "./predicates";
import { COLUMN, Model, PLANE, Plan, PREDICATE, ROWS } from "./records";

export { layoutBytes, room } from "./memory";

/** As much of the matrix as stays in a processor's nearer caches. */
const CHUNK: u64 = 1 << 18;

/** The address of the plan, which the layout begins with; how many bytes follow is in `layoutBytes`. To be called once in a memory. */
export function layOut(address: usize): usize {
  const model = changetype<Model>(address);
  sortPredicates(model);
  startPrograms();
  startLayout();
  const at = claim(offsetof<Plan>());
  const plan = changetype<Plan>(at);
  plan.stride = model.features << 2;
  plan.treeCount = model.trees;
  plan.groups = model.groups;
  plan.wide = model.wide;
  plan.divisor = model.divisor;
  const base: u64 = <u64> model.groups << (model.wide ? 3 : 2);
  const to = claim(base);
  memory.copy(to, model.base, <usize> base);
  plan.base = moved(to);
  writePredicates(plan, model);
  plan.forest = moved(writePrograms(model));
  const planes = claim(PREDICATE);
  memory.fill(planes, 0xff, PREDICATE); // predicate 0: always true
  plan.planes = moved(planes);
  giveRoom(plan, model);
  return at;
}

/** Where an address that was given out last ends. */
let top: u64 = 0;

/** Gives out addresses behind the layout: all is zero there, and nothing is written. */
function next(bytes: u64): usize {
  const at = (top + 63) & ~63;
  top = at + bytes;
  return <usize> at;
}

function giveRoom(plan: Plan, model: Model): void {
  const stride: u64 = <u64> model.features << 2;
  const value: u32 = model.wide ? 3 : 2;
  const rows = ROWS * max<u64>(1, CHUNK / (stride * ROWS));
  top = layoutBytes() + <u64> (predicateCount - 1) * PREDICATE;
  plan.columns = next(<u64> plan.quadCount * 4 * COLUMN);
  plan.bins = next(<u64> binCount * PLANE);
  plan.slots = next(256 + <u64> slotCount * PLANE) + 256; // the kernel keeps two rows of numbers before them
  plan.sums = next((<u64> 2 * ROWS * model.groups) << value);
  plan.rows = <u32> rows;
  plan.matrix = next(rows * stride + 16); // the last quad may read past the last row
  plan.margins = next((rows * model.groups) << value);
  allow(top);
  plan.end = <usize> top;
}
