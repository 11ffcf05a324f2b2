/** Feeds a cutter the way a reader of a file does. */
import { ok } from "node:assert/strict";
import type { Cutter } from "../../lib/rows/cutter.ts";

/** The rows of each block of a file that arrives `size` bytes at a time; empty for a block without rows. */
export function* blocksOf(
  bytes: Uint8Array,
  cutter: Cutter,
  size: number,
): Generator<Uint8Array> {
  let start = 0;
  let end = 0;
  for (;;) {
    end = Math.min(end + size, bytes.length);
    const last = end === bytes.length;
    for (;;) {
      // A copy: what a cutter remembers may not point into an old block.
      const block = bytes.slice(start, end);
      const length = cutter.cut(block, { last });
      ok(length >= 0 && length <= block.length);
      if (block.length === 0 && last) return;
      ok(length > 0 || !last, "the last bytes are cut");
      if (length === 0) break;
      yield block.subarray(cutter.span.start, cutter.span.end);
      start += length;
      if (!last) break;
    }
  }
}
