/** Temporary files in a folder that several processes use. What a killed process left is deleted by a later one. */
import { explainDiskError } from "../base/disk-errors.ts";

/** A file that disposal deletes. */
export interface TemporaryFile extends AsyncDisposable {
  readonly path: string;
  /** Open for reading and writing; closed by disposal. */
  readonly file: Deno.FsFile;
  /**
   * Writes all bytes at the file's position.
   *
   * @throws {TransientError} If the disk is full.
   */
  write(bytes: Uint8Array): Promise<void>;
}

/** What a temporary file is for; its name begins so. */
const prefixes = ["rows-", "bad-rows-", "store-"] as const;

/**
 * Creates an empty file below `folder`, which is created too. Deletes files there
 * whose process has ended without doing so.
 *
 * @throws {TransientError} If the disk is full.
 * @throws {UsageError} If the file system is read-only.
 */
export async function createTemporary(
  folder: string,
  prefix: typeof prefixes[number],
): Promise<TemporaryFile> {
  const explain = (error: unknown) => {
    throw explainDiskError(error, folder);
  };
  await Deno.mkdir(folder, { recursive: true }).catch(explain);
  await deleteAbandoned(
    folder,
    (name) => prefixes.some((prefix) => name.startsWith(prefix)),
  );
  const path = await Deno.makeTempFile({ dir: folder, prefix }).catch(explain);
  const file = await Deno.open(path, { read: true, write: true });
  await markAlive(file);
  return {
    path,
    file,
    write: (bytes) => writeAll(file, bytes).catch(explain),
    async [Symbol.asyncDispose]() {
      file.close();
      await Deno.remove(path).catch(() => {});
    },
  };
}

/** Writes all bytes at a file's position. */
export async function writeAll(
  file: Deno.FsFile,
  bytes: Uint8Array,
): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    at += await file.write(bytes.subarray(at));
  }
}

/** Copies a stream to a temporary file, so that it can be read again or in any order. If the stream fails, no file is left. */
export async function copyToTemporary(
  stream: AsyncIterable<Uint8Array>,
  folder: string,
): Promise<TemporaryFile> {
  await using stack = new AsyncDisposableStack();
  const temporary = stack.use(await createTemporary(folder, "rows-"));
  for await (const bytes of stream) await temporary.write(bytes);
  stack.move();
  return temporary;
}

/** Age of a file, in milliseconds, from which on its process has certainly locked it if it is alive. */
const lockedMs = 60_000;

/** Marks a temporary file as in use until it is closed or the process ends, for {@linkcode deleteAbandoned}. */
export async function markAlive(file: Deno.FsFile): Promise<void> {
  // The kernel releases the lock when the process ends. Where a file system has no locks, nothing is deleted.
  await file.lock(true).catch(() => {});
}

/** Deletes those temporary files of a folder whose process has ended: files older than a minute that nobody has marked. */
export async function deleteAbandoned(
  folder: string,
  isTemporary: (name: string) => boolean,
): Promise<void> {
  const names = await Array.fromAsync(Deno.readDir(folder), ({ name }) => name);
  for (const name of names) {
    if (!isTemporary(name)) continue;
    // Another process may delete it at the same time, or it belongs to another user.
    await deleteIfAbandoned(`${folder}/${name}`).catch(() => {});
  }
}

async function deleteIfAbandoned(path: string): Promise<void> {
  using file = await Deno.open(path, { read: true, write: true });
  const { mtime } = await file.stat();
  if (Date.now() - (mtime?.getTime() ?? Infinity) < lockedMs) return;
  if (await file.tryLock(true)) await Deno.remove(path);
}
