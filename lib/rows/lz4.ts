/** Decompresses LZ4, which no module of Node does: blocks (Parquet) and frames (Arrow), as https://github.com/lz4/lz4/tree/dev/doc defines them. */

/**
 * Decompresses one block into `output`, from position `at` on. A block may refer
 * to what stands before `at`. Returns the position after it.
 *
 * @throws {RangeError} If the block is damaged or does not fit.
 */
export function decodeLz4Block(
  input: Uint8Array,
  output: Uint8Array,
  at: number,
): number {
  let from = 0;
  let to = at;
  /** Adds the bytes of a length that does not fit its four bits. */
  const rest = (): number => {
    let sum = 0;
    for (;;) {
      const byte = input[from++];
      if (byte === undefined) throw new RangeError("LZ4 block ends early");
      sum += byte;
      if (byte !== 255) return sum;
    }
  };
  while (from < input.length) {
    const token = input[from++]!;
    let literals = token >> 4;
    if (literals === 15) literals += rest();
    if (literals > 0) {
      if (from + literals > input.length || to + literals > output.length) {
        throw new RangeError("LZ4 literals exceed the block");
      }
      if (literals > 32) {
        output.set(input.subarray(from, from + literals), to);
        from += literals;
        to += literals;
      } else {for (const end = from + literals; from < end;) {
          output[to++] = input[from++]!;
        }}
    }
    // The last sequence has no match.
    if (from === input.length) return to;
    if (from + 2 > input.length) throw new RangeError("LZ4 block ends early");
    const distance = input[from]! | input[from + 1]! << 8;
    from += 2;
    let length = (token & 15) + 4;
    if (length === 19) length += rest();
    if (distance === 0 || distance > to || to + length > output.length) {
      throw new RangeError("LZ4 match is out of range");
    }
    if (distance >= length && length > 32) {
      output.copyWithin(to, to - distance, to - distance + length);
      to += length;
    } else {for (const end = to + length; to < end; to++) {
        output[to] = output[to - distance]!;
      }}
  }
  return to;
}

/**
 * Decompresses one frame. Its checksums are skipped.
 *
 * @param size Bytes of the result.
 * @throws {RangeError} If the frame is damaged or has another size.
 */
export function decodeLz4Frame(
  input: Uint8Array,
  size: number,
): Uint8Array<ArrayBuffer> {
  const view = new DataView(input.buffer, input.byteOffset, input.byteLength);
  if (view.getUint32(0, true) !== 0x184d2204) {
    throw new RangeError("not an LZ4 frame");
  }
  const flags = view.getUint8(4);
  if (flags >> 6 !== 1) throw new RangeError("LZ4 frame of another version");
  const hasBlockChecksums = (flags & 16) !== 0;
  // Magic, flags, block size, checksum of these; then sizes that may be left out.
  let at = 7 + (flags & 8 ? 8 : 0) + (flags & 1 ? 4 : 0);
  // No block becomes larger, so a wrong size takes no memory.
  if (size > 256 * input.length) throw new RangeError("a wrong size");
  const output = new Uint8Array(size);
  let length = 0;
  for (;;) {
    const word = view.getUint32(at, true);
    at += 4;
    if (word === 0) break;
    const bytes = word & 0x7fffffff;
    if (at + bytes > input.length) throw new RangeError("LZ4 frame ends early");
    const block = input.subarray(at, at + bytes);
    if (word === bytes) length = decodeLz4Block(block, output, length);
    else {
      output.set(block, length);
      length += bytes;
    }
    at += bytes + (hasBlockChecksums ? 4 : 0);
  }
  if (length !== size) throw new RangeError("LZ4 frame has another size");
  return output;
}
