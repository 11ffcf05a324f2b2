/** Packs a folder as a tar archive in memory, from which PGlite starts a copy of a database. */

/** Bytes of a block; headers are one block, and files are padded to whole blocks. */
const blockBytes = 512;

/** Returns the bytes of all files below a folder. */
export function folderBytes(folder: string): number {
  return [...entriesBelow(folder)].reduce((sum, { size }) => sum + size, 0);
}

/**
 * Returns the files and folders below a folder as an archive in the format ustar
 * of POSIX.1-1988, with paths relative to the folder. A path has at most 100 bytes
 * there, which those of Postgres do not exceed.
 *
 * @throws {RangeError} If a path is longer.
 */
export function archiveFolder(folder: string): Blob {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  for (const { path, name, isDirectory } of entriesBelow(folder)) {
    if (isDirectory) {
      parts.push(header(`${name}/`, { size: 0, type: "5", mode: 0o700 }));
      continue;
    }
    const bytes = Deno.readFileSync(path);
    parts.push(
      header(name, { size: bytes.length, type: "0", mode: 0o600 }),
      bytes,
      new Uint8Array(-bytes.length & (blockBytes - 1)),
    );
  }
  // Two empty blocks end an archive.
  return new Blob([...parts, new Uint8Array(2 * blockBytes)], {
    type: "application/x-tar",
  });
}

interface Entry {
  readonly path: string;
  /** Path below the folder. */
  readonly name: string;
  readonly isDirectory: boolean;
  /** Bytes; 0 for a folder. */
  readonly size: number;
}

function* entriesBelow(folder: string, below = ""): Generator<Entry> {
  for (const { name: last, isDirectory } of Deno.readDirSync(folder)) {
    const path = `${folder}/${last}`;
    const name = `${below}${last}`;
    const size = isDirectory ? 0 : Deno.statSync(path).size;
    yield { path, name, isDirectory, size };
    if (isDirectory) yield* entriesBelow(path, `${name}/`);
  }
}

function header(
  name: string,
  { size, type, mode }: { size: number; type: string; mode: number },
): Uint8Array<ArrayBuffer> {
  const encoder = new TextEncoder();
  const path = encoder.encode(name);
  if (path.length > 100) {
    throw new RangeError(`Cannot archive ${name}: its path has over 100 bytes`);
  }
  const block = new Uint8Array(blockBytes);
  const put = (text: string, at: number) => block.set(encoder.encode(text), at);
  const octal = (value: number, digits: number) =>
    value.toString(8).padStart(digits, "0");
  block.set(path);
  put(octal(mode, 7), 100);
  put(octal(0, 7), 108); // user
  put(octal(0, 7), 116); // group
  put(octal(size, 11), 124);
  put(octal(0, 11), 136); // time of modification
  put(" ".repeat(8), 148); // counts as spaces in its own sum
  put(type, 156);
  put("ustar\u000000", 257);
  const sum = block.reduce((total, byte) => total + byte, 0);
  put(`${octal(sum, 6)}\0 `, 148);
  return block;
}
