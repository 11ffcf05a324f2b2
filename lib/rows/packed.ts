/** Many texts in two typed arrays, which workers can transfer without copying and a COPY can send as they are. */

/** Texts in row order; each may be null. */
export interface PackedTexts {
  /** The UTF-8 bytes of all texts, concatenated. */
  readonly bytes: Uint8Array;
  /** The number of bytes of each text; -1 for null. */
  readonly lengths: Int32Array;
}

/**
 * Packs texts.
 *
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 *
 * const packed = pack(["P-1", null, "", "é"]);
 * deepStrictEqual([...packed.lengths], [3, -1, 0, 2]);
 * deepStrictEqual(unpack(packed), ["P-1", null, "", "é"]);
 * ```
 *
 * A lone surrogate becomes U+FFFD, as in every UTF-8 encoder.
 */
export function pack(texts: readonly (string | null)[]): PackedTexts {
  const encoder = new TextEncoder();
  const lengths = new Int32Array(texts.length);
  let bytes = new Uint8Array(16 * texts.length + 16);
  let end = 0;
  for (const [row, text] of texts.entries()) {
    if (text === null) {
      lengths[row] = -1;
      continue;
    }
    // UTF-8 has at most three bytes per UTF-16 unit.
    const largest = end + 3 * text.length;
    if (largest > bytes.length) {
      const larger = new Uint8Array(Math.max(largest, 2 * bytes.length));
      larger.set(bytes.subarray(0, end));
      bytes = larger;
    }
    const { written } = encoder.encodeInto(text, bytes.subarray(end));
    lengths[row] = written;
    end += written;
  }
  return { bytes: bytes.slice(0, end), lengths };
}

/** Returns the texts that {@linkcode pack} packed. */
export function unpack({ bytes, lengths }: PackedTexts): (string | null)[] {
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  let start = 0;
  return Array.from(lengths, (length) => {
    if (length < 0) return null;
    const text = decoder.decode(bytes.subarray(start, start + length));
    start += length;
    return text;
  });
}
