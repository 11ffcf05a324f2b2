/** Locks the folder of the embedded database for one process, and syncs what the process changed in it. */
import { TransientError } from "../base/errors.ts";

/** A locked folder. */
export interface LockedFolder extends Disposable {
  /** Its path without symbolic links. */
  readonly path: string;
  /** Locks a file that the database has created by now, unless it is locked, so that deleting the lock file lets no second process in. */
  lockAlso(name: string): Promise<void>;
}

/**
 * A file that exists in every database and that Postgres never replaces; it is
 * locked in addition to the lock file.
 */
export const versionFile = "PG_VERSION";

/** Tells whether there is an embedded database in a folder. */
export async function isDatabase(folder: string): Promise<boolean> {
  return await exists(`${folder}/${versionFile}`);
}

/** How often a lock is tried while another process holds it. */
const tryEveryMs = 50;

/**
 * Creates a folder and locks it: `FOLDER.lock` beside it, and those files in it
 * that an earlier process named. The kernel releases the locks on disposal and
 * when the process is killed. A symbolic link is the folder that it leads to.
 *
 * @param options `waitMs`: how long to wait for another process; `files`: files in the folder that are locked if they exist; `readOnly`: creates and writes nothing, so that the folder must exist, and only files that exist are locked.
 * @throws {TransientError} If another process holds the folder; the message names it.
 */
export async function lockFolder(
  folder: string,
  options: { waitMs: number; files: readonly string[]; readOnly?: boolean },
): Promise<LockedFolder> {
  const { readOnly = false } = options;
  if (!readOnly) await Deno.mkdir(folder, { recursive: true });
  const path = await Deno.realPath(folder);
  using stack = new DisposableStack();
  const deadlineMs = performance.now() + options.waitMs;
  const locked = new Set<string>();
  const lock = async (file: string) => {
    const handle = stack.use(
      await Deno.open(
        file,
        readOnly ? { read: true } : { create: true, read: true, write: true },
      ),
    );
    while (!await handle.tryLock(true)) {
      if (performance.now() >= deadlineMs) {
        throw busy(folder, await holderOf(path));
      }
      await new Promise((resolve) => setTimeout(resolve, tryEveryMs));
    }
    return handle;
  };
  const file = readOnly && !await exists(`${path}.lock`)
    ? undefined
    : await lock(`${path}.lock`);
  for (const name of options.files) {
    if (!await exists(`${path}/${name}`)) continue;
    await lock(`${path}/${name}`);
    locked.add(name);
  }
  if (file && !readOnly) {
    await file.truncate();
    await file.write(new TextEncoder().encode(`process ${Deno.pid}\n`));
  }
  const owned = stack.move();
  return {
    path,
    async lockAlso(name) {
      // A process's own second lock on a file would be refused.
      if (locked.has(name)) return;
      const handle = await Deno.open(`${path}/${name}`, { read: true });
      owned.use(handle);
      if (!await handle.tryLock(true)) {
        throw busy(folder, await holderOf(path));
      }
    },
    [Symbol.dispose]: () => owned.dispose(),
  };
}

/** Returns the process that the lock file names. */
async function holderOf(path: string): Promise<string> {
  const text = await Deno.readTextFile(`${path}.lock`).catch(() => "");
  return text.trim() || "another process";
}

function busy(folder: string, holder: string): TransientError {
  return new TransientError(
    `Cannot open the embedded database in ${folder}: ${holder} is using it; ` +
      `wait for it to finish or stop it (only one process at a time can use the embedded database)`,
  );
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

/** The state of every file and folder below a folder, by path: changes whenever one is written, created or removed. */
export type FolderState = ReadonlyMap<string, string>;

/** Returns the state of a folder. Synchronous, because a thousand calls take some milliseconds. */
export function readFolderState(folder: string): FolderState {
  const state = new Map<string, string>();
  const visit = (path: string) => {
    const { isDirectory, size, mtime, ctime, ino } = Deno.statSync(path);
    state.set(path, [ino, size, mtime?.getTime(), ctime?.getTime()].join());
    if (!isDirectory) return;
    for (const { name } of Deno.readDirSync(path)) visit(`${path}/${name}`);
  };
  visit(folder);
  return state;
}

/**
 * Syncs the files and folders that differ from an earlier state, so that a crash
 * of the machine loses no acknowledged commit. The clock of the machine does not
 * matter.
 */
export function syncChanges(folder: string, earlier: FolderState): void {
  for (const [path, state] of readFolderState(folder)) {
    if (earlier.get(path) === state) continue;
    // A folder can be opened for reading only, and is synced all the same.
    using file = Deno.openSync(path, { read: true });
    file.syncSync();
  }
}
