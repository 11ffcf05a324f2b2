/** Postgres inside this process, stored in a folder: the only importer of `npm:@electric-sql/pglite` and its socket server. */
import { PGlite, types } from "@electric-sql/pglite";
import { PGLiteSocketServer } from "@electric-sql/pglite-socket";
import {
  abortedTransaction,
  type Database,
  DatabaseError,
  type Queryable,
  refuseSameNames,
  type Transaction,
} from "./database.ts";
import { abortable } from "../base/abortable.ts";
import { copyHeader, copyTrailer } from "./copy.ts";
import { type Parser, typeParsers } from "./values.ts";
import { TransientError } from "../base/errors.ts";

/** The embedded database, which can also be served to other programs. */
export interface EmbeddedDatabase extends Database {
  /** Serves the Postgres protocol on 127.0.0.1, one client at a time, until the result is disposed. */
  serve(port: number): Promise<AsyncDisposable>;
}

/** How to open the folder. */
export interface PgliteOptions {
  /** How long to wait for another process to release the folder, in milliseconds; 60 seconds by default. */
  readonly waitMs?: number | undefined;
  /** Called once if another process holds the folder and waiting begins. */
  readonly onWait?: ((message: string) => void) | undefined;
}

/**
 * Opens the database in `folder`, creating it if necessary. One process at a time
 * may use it: PGlite itself takes no lock and loses commits if two processes open
 * one folder. So a lock on `<folder>.lock` is held until disposal; the kernel
 * releases it even if the process is killed. On disposal every changed file is
 * synced to disk, because PGlite runs Postgres with fsync off.
 *
 * @throws {TransientError} If another process still holds the folder after `waitMs`; the message names its process id.
 */
export async function openPglite(
  folder: string,
  options: PgliteOptions = {},
): Promise<EmbeddedDatabase> {
  await Deno.mkdir(folder, { recursive: true });
  const lock = await lockFolder(folder, options);
  const openedMs = Date.now();
  const pglite = await PGlite.create(folder, {
    parsers: parsersOf("value"),
  })
    .catch((error) => {
      lock.close();
      throw error;
    });
  let wrote = false;
  const description = `the embedded database in ${folder}`;

  const run =
    (target: Pick<PGlite, "query">): Queryable["query"] =>
    async <Row>(
      text: string,
      values: readonly unknown[] = [],
      { exact = false } = {},
    ) => {
      wrote ||= !/^\s*select\b/i.test(text);
      try {
        const { rows, fields } = await target.query<Row>(
          text,
          [...values],
          exact ? { parsers: exactParsers } : {},
        );
        refuseSameNames(fields);
        return rows;
      } catch (error) {
        throw translate(error);
      }
    };

  const copyInto =
    (tx: Pick<PGlite, "query">): Transaction["copyRows"] =>
    async (target, chunks, { signal } = {}) => {
      wrote = true;
      const parts: Uint8Array<ArrayBuffer>[] = [copyHeader];
      for await (const chunk of abortable(chunks, signal)) {
        parts.push(new Uint8Array(chunk));
      }
      const { affectedRows = 0 } = await tx.query(
        `copy ${target} from '/dev/blob' with (format binary)`,
        [],
        { blob: new Blob([...parts, copyTrailer]) },
      ).catch(rethrow);
      return affectedRows;
    };

  return {
    description,
    embedded: true,
    query: run(pglite),
    transaction: (work) =>
      pglite.transaction(async (tx) => {
        const result = await work({ query: run(tx), copyRows: copyInto(tx) });
        await tx.query("select 1").catch(() => {
          throw abortedTransaction();
        });
        return result;
      }).catch(rethrow),
    async serve(port) {
      const server = new PGLiteSocketServer({
        db: pglite,
        host: "127.0.0.1",
        port,
      });
      wrote = true;
      await server.start();
      return { [Symbol.asyncDispose]: () => server.stop() };
    },
    async [Symbol.asyncDispose]() {
      try {
        if (wrote) await pglite.exec("checkpoint");
        await pglite.close();
        if (wrote) await syncChanged(folder, openedMs);
      } finally {
        lock.close();
      }
    },
  };
}

/** Returns the parsers by oid. */
function parsersOf(kind: "value" | "exact"): Record<number, Parser> {
  return Object.fromEntries(typeParsers.flatMap((type) => [
    [type.oid, type[kind]],
    [
      type.arrayOid,
      (text: string) => types.arrayParser(text, type[kind], type.arrayOid),
    ],
  ]));
}

const exactParsers = {
  ...parsersOf("exact"),
  [types.BYTEA]: (text: string) => text,
};

async function lockFolder(
  folder: string,
  options: PgliteOptions,
): Promise<Deno.FsFile> {
  const { waitMs = 60_000, onWait } = options;
  const path = `${folder}.lock`;
  const file = await Deno.open(path, { create: true, read: true, write: true });
  const deadlineMs = Date.now() + waitMs;
  let said = false;
  while (!await file.tryLock(true)) {
    const holder = (await Deno.readTextFile(path)).trim() ||
      "an unknown process";
    if (Date.now() >= deadlineMs) {
      file.close();
      throw new TransientError(
        `Cannot open the embedded database in ${folder}: ${holder} is using it; ` +
          `wait for it to finish or stop it (only one process at a time can use the embedded database)`,
      );
    }
    if (!said) {
      onWait?.(`Waiting for ${holder} to release the embedded database`);
    }
    said = true;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  await file.truncate();
  await file.write(new TextEncoder().encode(`process ${Deno.pid}\n`));
  return file;
}

/** Syncs the files written since `sinceMs`, so that a crash of the machine loses no acknowledged commit. */
async function syncChanged(folder: string, sinceMs: number): Promise<void> {
  for await (const entry of Deno.readDir(folder)) {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory) {
      await syncChanged(path, sinceMs);
      continue;
    }
    const { mtime } = await Deno.stat(path);
    // File systems round times down; syncing an extra second's files is cheap.
    if (mtime !== null && mtime.getTime() < sinceMs - 1000) continue;
    using file = await Deno.open(path, { read: true, write: true });
    await file.syncData();
  }
}

function rethrow(error: unknown): never {
  throw translate(error);
}

function translate(error: unknown): unknown {
  const { code, constraint, message } = error as {
    code?: string;
    constraint?: string;
    message?: string;
  };
  const isSqlState = typeof code === "string" && /^[0-9A-Z]{5}$/.test(code);
  if (!isSqlState || error instanceof DatabaseError) return error;
  return new DatabaseError(message ?? code, { code, constraint, cause: error });
}
