/** Frees memory that the garbage collector would keep for long. */

/** Smaller buffers of Node are parts of a shared one. */
const smallBytes = 2 ** 14;

/**
 * Frees the memory of arrays at once. Collecting it later takes much more memory,
 * because the collector hardly notices buffers outside of its heap. The arrays
 * are empty afterwards; small ones are left to the collector.
 */
export function free(
  ...arrays: readonly (ArrayBufferView | undefined)[]
): void {
  for (const array of arrays) {
    const buffer = array?.buffer;
    if (buffer instanceof ArrayBuffer && buffer.byteLength > smallBytes) {
      buffer.transfer(0);
    }
  }
}
