/** The artifact store in a local folder. */
import { dirname, resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { explainDiskError } from "../base/disk-errors.ts";
import { InputError, TransientError, UsageError } from "../base/errors.ts";
import {
  deleteAbandoned,
  markAlive,
  writeAll,
} from "../rows/temporary-file.ts";
import {
  type ArtifactStore,
  bytesAsFile,
  checkedPath,
  type FileWriter,
  type ListedFile,
  sortedByPath,
  type StoredFile,
} from "./store.ts";

/** Opens the files below `folder`, which the first write creates. The store's URI is the plain absolute path, as MLflow writes it. */
export function openLocal(folder: string): ArtifactStore {
  const root = resolve(folder);
  const pathOf = (path: string) => `${root}/${checkedPath(path)}`;
  return {
    uri: root,
    async find(path, { settled = false } = {}) {
      if (!settled) return await readIfThere(pathOf(path));
      await using file = await openSettled(pathOf(path));
      return file && await file.read(0, file.size);
    },
    open: (path, { settled = false } = {}) =>
      settled ? openSettled(pathOf(path)) : openFile(pathOf(path)),
    write: (path, bytes) => writeWhole(pathOf(path), bytes),
    create: (path) => createWhole(pathOf(path)),
    checkCreate: (path) => checkCreate(pathOf(path)),
    async list(below) {
      const start = below === "" ? root : pathOf(below.replace(/\/$/, ""));
      const files = await filesBelow(start);
      return sortedByPath(
        files.map((file) => ({
          ...file,
          path: file.path.slice(root.length + 1),
        })),
      );
    },
  };
}

/**
 * Returns the bytes of a local file, or undefined if it does not exist.
 *
 * @throws {UsageError} If this process may not read there; says how to allow it.
 */
export async function readIfThere(
  path: string,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  return await ifThere(Deno.readFile(path), path);
}

/** Waits for a call on a file; returns undefined if there is no such file. */
async function ifThere<T>(
  call: Promise<T>,
  path: string,
): Promise<T | undefined> {
  try {
    return await call;
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw explained(error, path);
  }
}

/** A file that has not changed for this long counts as complete. */
const settleMs = 2_000;

/** How long to wait for a file that keeps changing. */
const patienceMs = 15_000;

/**
 * Opens a local file that another process may still be writing, or returns
 * undefined if it does not exist. Opens the file once its size and modification
 * time have been unchanged for two seconds; an older file is opened immediately.
 * A writer that pauses for longer goes unnoticed until the file is read to its
 * end.
 *
 * @throws {TransientError} If the file is still changing after 15 seconds.
 * @throws {UsageError} If this process may not read there; says how to allow it.
 */
async function openSettled(path: string): Promise<StoredFile | undefined> {
  const deadlineMs = Date.now() + patienceMs;
  let before = await statIfThere(path);
  if (before && !before.isFile) return await openFile(path);
  while (before !== undefined) {
    const waitMs = settlingMs(before, Date.now());
    if (waitMs > 0) await delay(waitMs); // a wait of 0 ms takes 2
    const settled = await statIfThere(path);
    if (settled && isSame(before, settled)) return await openFile(path);
    before = settled;
    if (Date.now() > deadlineMs) {
      throw new TransientError(
        `Cannot read ${path}: it is still being written (it changed within the last ${
          patienceMs / 1000
        } seconds, now ${
          before?.size ?? 0
        } bytes); write it under another name and rename it when it is complete`,
      );
    }
  }
  return undefined;
}

/** Bytes per read of a stream: large enough that calls cost nothing, small enough for constant memory use. */
const streamBytes = 1 << 20;

async function openFile(path: string): Promise<StoredFile | undefined> {
  // By path: the opened file may be asked only if the target of a symbolic link is allowed, too.
  const opened = await statIfThere(path);
  if (opened === undefined || opened.isDirectory) return undefined;
  const file = await ifThere(Deno.open(path), path);
  if (!file) return undefined;
  if (!opened.isFile) return await readPipe(file, path);
  const changed = () =>
    new TransientError(
      `Cannot read ${path}: it changed while it was being read; write it under another name and rename it when it is complete`,
    );
  const checkUnchanged = async () => {
    const now = await statIfThere(path);
    if (!now || !isSame(opened, now)) throw changed();
  };
  /** Where the next read begins; undefined if unknown. */
  let position: number | undefined = 0;
  const fill = async (bytes: Uint8Array<ArrayBuffer>, start: number) => {
    if (position !== start) await file.seek(start, Deno.SeekMode.Start);
    position = undefined;
    for (let at = 0; at < bytes.length;) {
      const count = await file.read(bytes.subarray(at));
      if (count === null) throw changed();
      at += count;
    }
    position = start + bytes.length;
  };
  try {
    await checkUnchanged(); // replaced between the look and the opening
  } catch (error) {
    file.close();
    throw error;
  }
  return {
    uri: path,
    path,
    size: opened.size,
    async read(start, end) {
      const length = Math.max(0, Math.min(end, opened.size) - start);
      const bytes = new Uint8Array(length);
      await fill(bytes, start);
      await checkUnchanged();
      return bytes;
    },
    async *stream(target) {
      let own: Uint8Array<ArrayBuffer> | undefined;
      for (let start = 0; start < opened.size;) {
        const room = target?.next ??
          (own ??= new Uint8Array(Math.min(streamBytes, opened.size)));
        const bytes = room.subarray(0, opened.size - start);
        await fill(bytes, start);
        start += bytes.length;
        if (start >= opened.size) await checkUnchanged();
        yield bytes;
      }
    },
    [Symbol.asyncDispose]() {
      file.close();
      return Promise.resolve();
    },
  };
}

/** The most that is read from a pipe or a device, which cannot be read twice. */
const pipeBytes = 64 << 20;

/**
 * Returns what a pipe or a device holds.
 *
 * @throws {InputError} If it is more than 64 MiB.
 */
async function readPipe(
  file: Deno.FsFile,
  path: string,
): Promise<StoredFile> {
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let size = 0;
  for await (const chunk of file.readable) {
    chunks.push(new Uint8Array(chunk));
    size += chunk.length;
    if (size > pipeBytes) {
      throw new InputError(
        `Cannot read ${path}: it is not a regular file and holds more than ${
          pipeBytes >> 20
        } MiB; write its content to a file, or pipe it to \`--input -\``,
      );
    }
  }
  return bytesAsFile(path, await new Blob(chunks).bytes());
}

/** Returns the remaining settling time in milliseconds; the full time if the modification time is in the future. */
function settlingMs({ mtime }: Deno.FileInfo, nowMs: number): number {
  const ageMs = mtime === null ? settleMs : nowMs - mtime.getTime();
  return Math.min(settleMs, Math.max(0, settleMs - ageMs));
}

function isSame(a: Deno.FileInfo, b: Deno.FileInfo): boolean {
  return a.size === b.size && a.ino === b.ino &&
    a.mtime?.getTime() === b.mtime?.getTime();
}

function statIfThere(path: string): Promise<Deno.FileInfo | undefined> {
  return ifThere(Deno.stat(path), path);
}

/** Writes a whole file; see {@linkcode createWhole}. */
export async function writeWhole(
  path: string,
  bytes: Uint8Array,
): Promise<void> {
  await using writer = await createWhole(path);
  await writer.write(bytes);
  await writer.finish();
}

/**
 * Starts a file in the folder `FILE.part` beside the target. When it is finished,
 * it is synced and renamed: a reader sees the old file or the new one, never a
 * part of it. The process needs write permission only for the target and that
 * folder. What killed processes left there is deleted.
 *
 * @throws {UsageError} If this process may not write there.
 */
async function createWhole(path: string): Promise<FileWriter> {
  const folder = partFolder(path);
  const temporary = `${folder}/${crypto.randomUUID()}`;
  const run = async <T>(step: Promise<T>): Promise<T> => {
    try {
      return await step;
    } catch (error) {
      throw unwritable(error, path);
    }
  };
  await refuseSpecial(path);
  const file = await run(createIn(folder, temporary));
  await markAlive(file);
  // What killed processes left.
  await deleteAbandoned(folder, (name) => uuid.test(name)).catch(() => {});
  return {
    write: (bytes) => run(writeAll(file, bytes)),
    finish: () => run(file.sync().then(() => Deno.rename(temporary, path))),
    async [Symbol.asyncDispose]() {
      file.close();
      await Deno.remove(temporary).catch(() => {});
      // Another process may still write the same file there.
      await Deno.remove(folder).catch(() => {});
    },
  };
}

/** Returns the folder beside a file in which it is written. */
function partFolder(path: string): string {
  return `${path}.part`;
}

/** Refuses a path that is a folder, which a file cannot replace, or a socket, pipe or device, which it must not. */
async function refuseSpecial(path: string): Promise<void> {
  // What may not be read cannot be looked at; the write then tells.
  const found = await statIfThere(path).catch(() => undefined);
  if (!found || found.isFile) return;
  const what = found.isDirectory ? "folder" : "socket, pipe or device";
  throw new UsageError(`Cannot write ${path}: it is a ${what}; name a file`);
}

function unwritable(error: unknown, path: string): unknown {
  return isAbsent(error) || error instanceof Deno.errors.AlreadyExists
    ? new UsageError(`Cannot write ${path}: its folder cannot be created`, {
      cause: error,
    })
    : explained(error, path);
}

/** Checks that {@linkcode createWhole} can begin: creates its folder and the missing ones above it, and removes them again. */
async function checkCreate(path: string): Promise<void> {
  await refuseSpecial(path);
  const made: string[] = [];
  try {
    await makeFolder(partFolder(path), made);
  } catch (error) {
    throw unwritable(error, path);
  } finally {
    for (const folder of made.reverse()) {
      // Another process may already write there.
      await Deno.remove(folder).catch(() => {});
    }
  }
}

/** Creates a folder and the missing ones above it, and adds them to `made`, the highest first. Other processes may create and remove them meanwhile. */
async function makeFolder(folder: string, made: string[]): Promise<void> {
  for (let attempt = 1;; attempt++) {
    try {
      await Deno.mkdir(folder);
      made.push(folder);
      return;
    } catch (error) {
      if (error instanceof Deno.errors.AlreadyExists) {
        const found = await Deno.stat(folder).catch(() => undefined);
        if (found?.isDirectory) return;
      }
      const above = dirname(folder);
      const isMissing = error instanceof Deno.errors.NotFound;
      if (attempt === 3 || above === folder) throw error;
      if (isMissing) await makeFolder(above, made);
      else if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    }
  }
}

/** The names of the files in `FILE.part`. */
const uuid = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/;

/** Creates a file in a folder that another process may remove concurrently, after it has written the same target. */
async function createIn(folder: string, path: string): Promise<Deno.FsFile> {
  for (let attempt = 1;; attempt++) {
    await Deno.mkdir(folder, { recursive: true });
    try {
      return await Deno.open(path, { createNew: true, write: true });
    } catch (error) {
      const isGone = error instanceof Deno.errors.NotFound;
      if (!isGone || attempt === 100) throw error;
    }
  }
}

async function filesBelow(folder: string): Promise<ListedFile[]> {
  const files: ListedFile[] = [];
  try {
    for await (const entry of Deno.readDir(folder)) {
      const path = `${folder}/${entry.name}`;
      if (entry.name.endsWith(".part")) continue;
      if (entry.isDirectory) files.push(...await filesBelow(path));
      else files.push(...await listedFile(path));
    }
  } catch (error) {
    if (!isAbsent(error)) throw explained(error, folder);
  }
  return files;
}

/** Returns a file, also one that a symbolic link names; nothing if it is not a file or was deleted meanwhile. */
async function listedFile(path: string): Promise<ListedFile[]> {
  const found = await Deno.stat(path).catch((error) => {
    if (isAbsent(error)) return undefined;
    throw error;
  });
  if (!found?.isFile) return [];
  // ctime, too: a copy may keep the modification time, and an inode is used again.
  const times = [found.mtime, found.ctime].map((time) => time?.getTime());
  const version = [...times, found.ino].join("-");
  return [{ path, size: found.size, version }];
}

/** Tells whether an error means that there is no such file. A folder counts as no file, as in stores that have no folders. */
function isAbsent(error: unknown): boolean {
  return error instanceof Deno.errors.NotFound ||
    error instanceof Deno.errors.NotADirectory ||
    error instanceof Deno.errors.IsADirectory;
}

function explained(error: unknown, path: string): unknown {
  if (error instanceof Deno.errors.NotCapable) {
    return new UsageError(
      `Cannot reach ${path}: commands may only use files in this project and in CHURN_HOME; ` +
        `add its folder to CHURN_FILES (comma-separated) to allow it`,
    );
  }
  if (error instanceof Deno.errors.PermissionDenied) {
    return new UsageError(
      `Cannot reach ${path}: the operating system denies this user access`,
    );
  }
  return explainDiskError(error, path);
}
