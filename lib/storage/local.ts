/** Artifacts in a folder. */
import { resolve } from "node:path";
import { TransientError, UsageError } from "../base/errors.ts";
import { type ArtifactStore, checkedPath } from "./store.ts";

/** Opens the files below `folder`, which the first write creates. The store's URI is the plain absolute path, as MLflow writes it. */
export function openLocal(folder: string): ArtifactStore {
  const root = resolve(folder);
  const pathOf = (path: string) => `${root}/${checkedPath(path)}`;
  return {
    uri: root,
    find: (path, { settled = false } = {}) =>
      settled ? readSettled(pathOf(path)) : readIfThere(pathOf(path)),
    write: (path, bytes) => writeWhole(pathOf(path), bytes),
    async list(below) {
      const start = below === "" ? root : pathOf(below.replace(/\/$/, ""));
      const paths = await filesBelow(start);
      return paths.map((path) => path.slice(root.length + 1)).sort();
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
  try {
    return await Deno.readFile(path);
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
 * Returns the bytes of a local file that another process may still be writing,
 * or undefined if it does not exist. Reads the file once its size and modification
 * time have been unchanged for two seconds, and again if either differs
 * afterwards. An older file is read immediately. A writer that pauses for longer
 * goes unnoticed.
 *
 * @throws {TransientError} If the file is still changing after 15 seconds.
 * @throws {UsageError} If this process may not read there; says how to allow it.
 */
async function readSettled(
  path: string,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const deadlineMs = Date.now() + patienceMs;
  let before = await statIfThere(path);
  if (before && !before.isFile) return await readIfThere(path);
  while (before !== undefined) {
    await delay(settlingMs(before, Date.now()));
    const settled = await statIfThere(path);
    if (settled && isSame(before, settled)) {
      const bytes = await readIfThere(path);
      const after = await statIfThere(path);
      if (bytes === undefined || after === undefined) return undefined;
      if (bytes.length === after.size && isSame(settled, after)) return bytes;
      before = after;
    } else {
      before = settled;
    }
    if (Date.now() > deadlineMs) {
      throw new TransientError(
        `Cannot read ${path}: it is still being written (it changed within the last ${
          patienceMs / 1000
        } seconds, now ${
          before?.size ?? 0
        } bytes); write it under another name and rename it when it is whole`,
      );
    }
  }
  return undefined;
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

async function statIfThere(path: string): Promise<Deno.FileInfo | undefined> {
  try {
    return await Deno.stat(path);
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw explained(error, path);
  }
}

function delay(milliseconds: number): Promise<void> {
  if (milliseconds <= 0) return Promise.resolve();
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/**
 * Writes to a file in the folder `FILE.part` beside the target, syncs it, and
 * renames it: a reader sees the old file or the new one, never a part of it. The
 * process needs write permission only for the target and that folder.
 *
 * @throws {UsageError} If this process may not write there.
 */
export async function writeWhole(
  path: string,
  bytes: Uint8Array,
): Promise<void> {
  const folder = `${path}.part`;
  const temporary = `${folder}/${crypto.randomUUID()}`;
  try {
    using file = await createIn(folder, temporary);
    await writeSynced(file, bytes);
    await Deno.rename(temporary, path);
  } catch (error) {
    await Deno.remove(temporary).catch(() => {});
    throw isAbsent(error) || error instanceof Deno.errors.AlreadyExists
      ? new UsageError(`Cannot write ${path}: its folder cannot be created`, {
        cause: error,
      })
      : explained(error, path);
  } finally {
    // Another process may still write the same file there.
    await Deno.remove(folder).catch(() => {});
  }
}

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

async function writeSynced(
  file: Deno.FsFile,
  bytes: Uint8Array,
): Promise<void> {
  for (let written = 0; written < bytes.length;) {
    written += await file.write(bytes.subarray(written));
  }
  await file.sync();
}

async function filesBelow(folder: string): Promise<string[]> {
  const paths: string[] = [];
  try {
    for await (const entry of Deno.readDir(folder)) {
      const path = `${folder}/${entry.name}`;
      if (entry.name.endsWith(".part")) continue;
      if (entry.isDirectory) paths.push(...await filesBelow(path));
      else if (entry.isFile) paths.push(path);
    }
  } catch (error) {
    if (!isAbsent(error)) throw explained(error, folder);
  }
  return paths;
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
      `Cannot reach ${path}: the tasks may use files of this project and of CHURN_HOME only; ` +
        `name the folder in CHURN_FILES to allow it (several with commas between)`,
    );
  }
  if (error instanceof Deno.errors.PermissionDenied) {
    return new UsageError(
      `Cannot reach ${path}: the operating system refuses it to this user`,
    );
  }
  return error;
}

/** Returns true if a file or folder exists. */
export async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}
