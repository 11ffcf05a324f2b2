/** Follows the frames of zstd (RFC 8878) without decompressing them, because `node:zlib` reports neither an incomplete frame nor what follows the last one. */

/** What the next bytes are. */
type Part = "magic" | "descriptor" | "header" | "size" | "block" | "skipped";

/** Reads where frames and their blocks end, in bytes that arrive in pieces. */
export class ZstdFrames {
  /** What is wrong with the bytes so far; undefined if nothing is. */
  fault: string | undefined;
  #part: Part = "magic";
  /** The bytes of a part that is looked at, as a little-endian number. */
  #value = 0;
  /** Bytes of the part that were read, of those it has. */
  #read = 0;
  #length = 4;
  #frames = 0;
  #hasChecksum = false;
  #isLast = false;

  /** True at the end of a frame, and before the first one. */
  get isBetween(): boolean {
    return this.#part === "magic" && this.#read === 0;
  }

  /** Adds the next bytes, at most to the end of a frame. Returns how many were taken. */
  add(bytes: Uint8Array): number {
    let at = 0;
    while (at < bytes.length && this.fault === undefined) {
      if (this.#part === "skipped" || this.#part === "header") {
        const count = Math.min(this.#length - this.#read, bytes.length - at);
        this.#read += count;
        at += count;
      } else {
        this.#value += bytes[at++]! * 2 ** (8 * this.#read++);
      }
      while (this.#read === this.#length && this.fault === undefined) {
        this.#finishPart();
      }
      if (this.isBetween) break;
    }
    return at;
  }

  #finishPart(): void {
    const value = this.#value;
    switch (this.#part) {
      case "magic":
        if (value === 0xfd2fb528) return this.#expect("descriptor", 1);
        if (Math.floor(value / 16) === 0x184d2a5) {
          return this.#expect("size", 4);
        }
        this.fault = this.#frames > 0
          ? "other bytes follow its end"
          : "it does not begin with a frame";
        return;
      case "descriptor": {
        const isSingle = (value & 0x20) !== 0;
        const sizeBytes = [isSingle ? 1 : 0, 2, 4, 8][value >> 6]!;
        const dictionaryBytes = [0, 1, 2, 4][value & 3]!;
        this.#hasChecksum = (value & 4) !== 0;
        this.#isLast = false;
        return this.#expect(
          "header",
          (isSingle ? 0 : 1) + dictionaryBytes + sizeBytes,
        );
      }
      case "size":
        this.#isLast = true;
        this.#hasChecksum = false;
        return this.#expect("skipped", value);
      case "block": {
        const type = value >> 1 & 3;
        if (type === 3) this.fault = "a block of an unknown type";
        this.#isLast = (value & 1) === 1;
        // A block of one repeated byte has only that byte.
        const length = type === 1 ? 1 : value >> 3;
        return this.#expect(
          "skipped",
          length + (this.#isLast && this.#hasChecksum ? 4 : 0),
        );
      }
      case "header":
        return this.#expect("block", 3);
      case "skipped":
        if (!this.#isLast) return this.#expect("block", 3);
        this.#frames++;
        return this.#expect("magic", 4);
    }
  }

  #expect(part: Part, length: number): void {
    this.#part = part;
    this.#length = length;
    this.#read = 0;
    this.#value = 0;
  }
}
