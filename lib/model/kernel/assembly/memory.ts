/** A bump allocator for the linear memory: nothing is freed. */

/** Aborts: memory limit exceeded. */
@external("env", "tooLarge")
declare function tooLarge(bytes: f64): void;

const PAGE: u64 = 65_536;
/** 2 GiB: JavaScript sees higher addresses as negative numbers. */
const MEMORY_LIMIT: u64 = PAGE * 32_767;

let end: usize = __heap_base; // after the static data
let origin: usize = 0;

/** Returns the address of zeroed bytes, a multiple of 16. */
export function allocate(bytes: u64): usize {
  const at = (<u64> end + 15) & ~15;
  ensureMemory(at + bytes);
  end = <usize> (at + bytes);
  return <usize> at;
}

/** {@link allocate} for JavaScript, which passes 32-bit numbers. */
export function allocate32(bytes: u32): usize {
  return allocate(bytes);
}

/** Grows the memory up to an address, by at least half so that it grows rarely. */
export function ensureMemory(address: u64): void {
  const size = <u64> memory.size() * PAGE;
  if (address <= size) return;
  checkLimit(address);
  const wanted = max(address, min(size + (size >> 1), MEMORY_LIMIT));
  const pages = <i32> ((wanted - size + PAGE - 1) / PAGE);
  if (memory.grow(pages) < 0) tooLarge(<f64> address);
}

/** Aborts if an address is beyond the memory limit. */
export function checkLimit(address: u64): void {
  if (address > MEMORY_LIMIT) tooLarge(<f64> address);
}

/** Starts the layout: everything allocated from here on is copied to address 0 of the kernel's memory. */
export function startLayout(): void {
  allocate(48);
  origin = end & ~63;
  end = origin;
}

/** Returns where an address of the layout will be in the kernel's memory. */
@inline
export function relocate(at: usize): usize {
  return at - origin;
}

/** Returns the size of the layout. */
export function layoutBytes(): usize {
  return end - origin;
}

/** Returns the smallest power of two that is at least x; x is not 0. */
export function powerOfTwo(x: u32): u32 {
  return x == 1 ? 1 : 1 << (32 - clz(x - 1));
}
