/** Cuts a stream of bytes into blocks of whole records, so that threads can encode them independently. */
import type { StreamTarget } from "../base/stream-target.ts";
import type { Cutter } from "./cutter.ts";

/** Bytes per block: small enough for constant memory, large enough that a message between threads costs nothing. */
const blockBytes = 4 << 20;

/** Block buffers that are used again, because a new buffer per block would be freed late. */
export class BufferPool {
  readonly #free: Uint8Array<ArrayBuffer>[] = [];

  /** Returns a buffer of at least `size` bytes with any content. */
  take(size: number): Uint8Array<ArrayBuffer> {
    const at = this.#free.findIndex(({ length }) => length >= size);
    const found = at < 0 ? undefined : this.#free.splice(at, 1)[0];
    return found ?? new Uint8Array(size);
  }

  /** Takes a buffer back. A buffer of unusual size is left to the garbage collector. */
  give(buffer: Uint8Array<ArrayBuffer>): void {
    if (buffer.length === blockBytes) this.#free.push(buffer);
  }
}

/** The records of a block: the bytes of a buffer of the pool from `start` to `end`. */
export interface BytesBlock {
  readonly buffer: Uint8Array<ArrayBuffer>;
  readonly start: number;
  readonly end: number;
}

/** A block is cut when its buffer has less room than this, because small reads are slow. */
const leastRoom = 1 << 20;

/**
 * Yields the blocks of a stream. A block ends at the end of a record; a record
 * that is longer than a block makes a longer block.
 *
 * @param options `target`: where the stream writes its next piece, if it can. Pieces that are elsewhere are copied.
 * @throws {InputError} As the cutter does.
 */
export async function* cutBlocks(
  stream: AsyncIterable<Uint8Array>,
  { cutter, pool, target }: {
    cutter: Cutter;
    pool: BufferPool;
    target?: StreamTarget | undefined;
  },
): AsyncGenerator<BytesBlock> {
  let buffer = pool.take(blockBytes);
  let used = 0;
  /** Cuts a block and continues with the bytes after it in a buffer that has room for `more` bytes. */
  const cut = (more: number, last: boolean): BytesBlock | undefined => {
    const end = cutter.cut(buffer.subarray(0, used), { last });
    const { start, end: spanEnd } = cutter.span;
    const rest = used - end;
    const block = { buffer, start, end: spanEnd };
    const size = end > 0 ? rest + more : Math.max(rest + more, used * 2);
    const next = pool.take(Math.max(blockBytes, size));
    next.set(buffer.subarray(end, used));
    if (end === 0) pool.give(buffer);
    buffer = next;
    used = rest;
    return end > 0 ? block : undefined;
  };
  const pieces = stream[Symbol.asyncIterator]();
  try {
    for (;;) {
      if (buffer.length - used < leastRoom) {
        const block = cut(leastRoom, false);
        if (block) yield block;
      }
      if (target) target.next = buffer.subarray(used);
      const { done, value: piece } = await pieces.next();
      if (done) break;
      const isInPlace = piece.buffer === buffer.buffer &&
        piece.byteOffset === buffer.byteOffset + used;
      if (isInPlace) used += piece.length;
      for (let at = isInPlace ? piece.length : 0; at < piece.length;) {
        const part = piece.subarray(at, at + buffer.length - used);
        buffer.set(part, used);
        used += part.length;
        at += part.length;
        if (at < piece.length) {
          const block = cut(leastRoom, false);
          if (block) yield block;
        }
      }
    }
  } finally {
    if (target) target.next = undefined;
    await pieces.return?.();
  }
  while (used > 0) {
    const block = cut(0, true);
    if (block) yield block;
  }
  cutter.cut(buffer.subarray(0, 0), { last: true });
  pool.give(buffer);
}
