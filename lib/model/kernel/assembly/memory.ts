/** Memory of a model that is laid out: pieces are taken one behind the other, and never freed. */

/** Aborts: memory limit exceeded. */
@external("env", "tooLarge")
declare function tooLarge(bytes: f64): void;

const PAGE: u64 = 65_536;
/** 2 GiB: JavaScript takes higher addresses for negative numbers. */
const MOST: u64 = PAGE * 32_767;

let end: usize = __heap_base; // behind the constants of the code
let origin: usize = 0;

/** The address of fresh zero bytes, a multiple of 16. */
export function claim(bytes: u64): usize {
  const at = (<u64> end + 15) & ~15;
  reach(at + bytes);
  end = <usize> (at + bytes);
  return <usize> at;
}

/** As {@link claim}, for who has no numbers of 64 bits. */
export function room(bytes: u32): usize {
  return claim(bytes);
}

/** Makes the memory reach to an address; by half at least, so that it seldom grows. */
export function reach(address: u64): void {
  const size = <u64> memory.size() * PAGE;
  if (address <= size) return;
  allow(address);
  const wanted = max(address, min(size + (size >> 1), MOST));
  const pages = <i32> ((wanted - size + PAGE - 1) / PAGE);
  if (memory.grow(pages) < 0) tooLarge(<f64> address);
}

/** Aborts if no memory reaches to an address. */
export function allow(address: u64): void {
  if (address > MOST) tooLarge(<f64> address);
}

/** From here on, what is claimed is the layout: it will stand at the beginning of its kernel's memory. */
export function startLayout(): void {
  claim(48);
  origin = end & ~63;
  end = origin;
}

/** Where an address of the layout will be in its kernel's memory. */
@inline
export function moved(at: usize): usize {
  return at - origin;
}

/** How much of the kernel's memory the layout takes. */
export function layoutBytes(): usize {
  return end - origin;
}

/** The smallest power of two that is not below x, which is not 0. */
export function powerOfTwo(x: u32): u32 {
  return x == 1 ? 1 : 1 << (32 - clz(x - 1));
}
