/** Looks into compressed files, only far enough to tell what they hold; nothing is unpacked as a whole. */
import { constants, inflateRawSync, unzipSync } from "node:zlib";

/** Bytes of a compressed file that are looked into: they expand to 16 MB at most. */
const headBytes = 16 * 1024;

/**
 * Returns the first bytes inside a gzip or zlib file; undefined if it is damaged.
 */
export function inflateHead(bytes: Uint8Array): Uint8Array | undefined {
  return attempt(() =>
    unzipSync(bytes.subarray(0, headBytes), {
      finishFlush: constants.Z_SYNC_FLUSH,
    })
  );
}

/** A file in a zip archive. */
export interface ZipEntry {
  readonly name: string;
  /** Its first bytes; undefined if its compression is not deflate, or it is damaged. */
  head(): Uint8Array | undefined;
}

const decoder = new TextDecoder();

/** Signatures of zip's structures, little-endian: end of the directory, entry of the directory. */
const endSignature = 0x06054b50;
const entrySignature = 0x02014b50;
/** The end of the directory, without and with the longest comment. */
const endBytes = 22;
const longestEnd = endBytes + 0xffff;

/**
 * Returns the files in a zip archive, in the order of its directory; undefined
 * if the directory is not there, as in a truncated archive.
 */
export function zipEntries(bytes: Uint8Array): ZipEntry[] | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const first = Math.max(0, bytes.length - longestEnd);
  for (let at = bytes.length - endBytes; at >= first; at--) {
    if (view.getUint32(at, true) !== endSignature) continue;
    return attempt(() =>
      readDirectory(bytes, {
        count: view.getUint16(at + 10, true),
        start: view.getUint32(at + 16, true),
      })
    );
  }
  return undefined;
}

function readDirectory(
  bytes: Uint8Array,
  { count, start }: { count: number; start: number },
): ZipEntry[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const entries: ZipEntry[] = [];
  let at = start;
  while (
    entries.length < count && view.getUint32(at, true) === entrySignature
  ) {
    const [nameBytes, extraBytes, commentBytes] = [28, 30, 32].map((offset) =>
      view.getUint16(at + offset, true)
    ) as [number, number, number];
    const method = view.getUint16(at + 10, true);
    const size = view.getUint32(at + 20, true);
    const local = view.getUint32(at + 42, true);
    entries.push({
      name: decoder.decode(bytes.subarray(at + 46, at + 46 + nameBytes)),
      head: () => attempt(() => headOf(bytes, { method, size, local })),
    });
    at += 46 + nameBytes + extraBytes + commentBytes;
  }
  return entries;
}

/** Returns the first bytes of a stored or deflated file. */
function headOf(
  bytes: Uint8Array,
  { method, size, local }: { method: number; size: number; local: number },
): Uint8Array | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const start = local + 30 + view.getUint16(local + 26, true) +
    view.getUint16(local + 28, true);
  const head = bytes.subarray(start, start + Math.min(size, headBytes));
  if (method === 0) return head;
  if (method !== 8) return undefined;
  return inflateRawSync(head, { finishFlush: constants.Z_SYNC_FLUSH });
}

/** Returns the result, or undefined if the bytes are damaged (zlib's errors, reads outside the file). */
function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
