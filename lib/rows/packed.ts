/** Many texts in two typed arrays, which workers can transfer without copying and a COPY can send as they are. */

/** Texts in row order; each may be null. */
export interface PackedTexts {
  /** The UTF-8 bytes of all texts, concatenated. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The number of bytes of each text; -1 for null. */
  readonly lengths: Int32Array<ArrayBuffer>;
}

const encoder = new TextEncoder();

/** Packs texts one at a time. A lone surrogate becomes U+FFFD, as in every UTF-8 encoder. */
export class TextPacker {
  #bytes = new Uint8Array(1024);
  #used = 0;
  #lengths = new Int32Array(256);
  #rows = 0;

  /** Appends a text, or null. */
  add(text: string | null): void {
    if (text === null) return this.addBytes(scratch, 0, -1);
    const { length } = text;
    if (length <= scratch.length) {
      let at = 0;
      for (; at < length; at++) {
        const unit = text.charCodeAt(at);
        if (unit > 127) break;
        scratch[at] = unit;
      }
      if (at === length) return this.addBytes(scratch, 0, length);
    }
    const bytes = encoder.encode(text);
    this.addBytes(bytes, 0, bytes.length);
  }

  /** Appends the UTF-8 text from `start` to `end`; null if `end` is -1. */
  addBytes(source: Uint8Array, start: number, end: number): void {
    if (this.#rows === this.#lengths.length) {
      const larger = new Int32Array(this.#rows * 2);
      larger.set(this.#lengths);
      this.#lengths = larger;
    }
    const length = end < 0 ? 0 : end - start;
    if (this.#used + length > this.#bytes.length) {
      const larger = new Uint8Array((this.#used + length) * 2);
      larger.set(this.#bytes);
      this.#bytes = larger;
    }
    for (let at = 0; at < length; at++) {
      this.#bytes[this.#used + at] = source[start + at]!;
    }
    this.#used += length;
    this.#lengths[this.#rows++] = end < 0 ? -1 : length;
  }

  /** Returns what was added, in order. */
  finish(): PackedTexts {
    return {
      bytes: this.#bytes.slice(0, this.#used),
      lengths: this.#lengths.slice(0, this.#rows),
    };
  }
}

/** The characters of a short text, for which a call of the encoder takes longer than a loop. */
const scratch = new Uint8Array(64);

/**
 * Returns packed texts as strings.
 *
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 *
 * const packer = new TextPacker();
 * for (const text of ["P-1", null, "", "é"]) packer.add(text);
 * const packed = packer.finish();
 * deepStrictEqual([...packed.lengths], [3, -1, 0, 2]);
 * deepStrictEqual(unpack(packed), ["P-1", null, "", "é"]);
 * ```
 */
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
