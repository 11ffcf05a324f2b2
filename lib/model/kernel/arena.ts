/**
 * Bytes under construction: what `layout.ts` writes and the kernel then reads
 * at the same addresses. Views are replaced when the bytes grow, so they are
 * read from the arena each time and never kept.
 */
export interface Arena {
  /** Bytes in use; what is reserved next starts here or just behind. */
  end: number;
  u16: Uint16Array;
  u32: Uint32Array;
  f32: Float32Array;
  f64: Float64Array;
}

/** An empty arena. Address 0 stays unused, so that 0 can say "none". */
export function startArena(): Arena {
  return { end: 64, ...viewsOf(new ArrayBuffer(1 << 18)) };
}

/**
 * The address of fresh zero bytes.
 *
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 *
 * const arena = startArena();
 * const first = reserve(arena, 3);
 * strictEqual(reserve(arena, 8) - first, 16);
 * ```
 *
 * @param bytes How many; the address is a multiple of 16.
 */
export function reserve(arena: Arena, bytes: number): number {
  const address = Math.ceil(arena.end / 16) * 16;
  arena.end = address + bytes;
  const size = arena.u32.byteLength;
  if (arena.end > size) {
    const larger = new Uint8Array(
      size * 2 ** Math.ceil(Math.log2(arena.end / size)),
    );
    larger.set(new Uint8Array(arena.u32.buffer));
    Object.assign(arena, viewsOf(larger.buffer));
  }
  return address;
}

/** The address of a copy of numbers. */
export function place(
  arena: Arena,
  numbers: Uint32Array | Float32Array | Float64Array,
): number {
  const address = reserve(arena, numbers.byteLength);
  if (numbers instanceof Float64Array) arena.f64.set(numbers, address / 8);
  else if (numbers instanceof Float32Array) arena.f32.set(numbers, address / 4);
  else arena.u32.set(numbers, address / 4);
  return address;
}

function viewsOf(buffer: ArrayBuffer): Omit<Arena, "end"> {
  return {
    u16: new Uint16Array(buffer),
    u32: new Uint32Array(buffer),
    f32: new Float32Array(buffer),
    f64: new Float64Array(buffer),
  };
}
