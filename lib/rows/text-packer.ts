/** Collects many short texts, such as player ids, in one buffer, so that a block of rows costs no string per row. */

/** Texts of consecutive rows. */
export interface PackedTexts {
  /** UTF-8 of all texts, one after the other. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Bytes of each row's text; -1 for null. */
  readonly lengths: Int32Array<ArrayBuffer>;
}

const encoder = new TextEncoder();

/** Appends texts and returns them packed. */
export class TextPacker {
  #bytes = new Uint8Array(1024);
  #used = 0;
  #lengths = new Int32Array(256);
  #rows = 0;

  /** Appends a text, or null. */
  add(text: string | null): void {
    if (text === null) return this.addBytes(emptyBytes, 0, -1);
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

const emptyBytes = new Uint8Array(0);

/** Returns the texts as strings, null where a row has none. */
export function unpackTexts(
  { bytes, lengths }: PackedTexts,
): (string | null)[] {
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  let at = 0;
  return Array.from(lengths, (length) => {
    if (length < 0) return null;
    const text = decoder.decode(bytes.subarray(at, at + length));
    at += length;
    return text;
  });
}
