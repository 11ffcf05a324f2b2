/** Postgres inside this process, in a folder: the owner of `npm:@electric-sql/pglite` and its socket server. */
import { PGlite, types } from "@electric-sql/pglite";
import { PGLiteSocketServer } from "@electric-sql/pglite-socket";
import {
  abortedTransaction,
  type Database,
  DatabaseError,
  type Queryable,
  refuseSameNames,
} from "./database.ts";
import { type Parser, typeParsers } from "./values.ts";
import { TransientError } from "../base/errors.ts";

/** The embedded database, which can also be served to other programs. */
export interface EmbeddedDatabase extends Database {
  /** Speaks Postgres's protocol on 127.0.0.1, one client at a time, until the result is disposed. */
  serve(port: number): Promise<AsyncDisposable>;
}

/** How to open the folder. */
export interface PgliteOptions {
  /** How long to wait for another process to let go of the folder, in milliseconds; 60 seconds by default. */
  readonly waitMs?: number | undefined;
  /** Told once, when another process has the folder and waiting begins. */
  readonly onWait?: ((message: string) => void) | undefined;
}

/**
 * The database in `folder`, made when it is not there. One process at a time
 * may have it: PGlite itself takes no lock and loses commits when two open one
 * folder, so a lock on `<folder>.lock` is held until disposal, which the kernel
 * frees even after a kill. On disposal every changed file is synced to disk,
 * because PGlite runs Postgres with fsync off.
 *
 * @throws {TransientError} If another process still has the folder after `waitMs`; names its process id.
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

  return {
    description,
    embedded: true,
    query: run(pglite),
    transaction: (work) =>
      pglite.transaction(async (tx) => {
        const result = await work({ query: run(tx) });
        await tx.query("select 1").catch(() => {
          throw abortedTransaction();
        });
        return result;
      }).catch(rethrow),
    async runScript(sql) {
      wrote = true;
      await pglite.exec(sql).catch(rethrow);
    },
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

/** The parsers by oid; `null` reaches those of PGlite too. */
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
        `Cannot open the embedded database in ${folder}: ${holder} has it; ` +
          `wait for it or stop it (one process at a time may use the embedded database)`,
      );
    }
    if (!said) {
      onWait?.(`Waiting for ${holder} to let go of the embedded database`);
    }
    said = true;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  await file.truncate();
  await file.write(new TextEncoder().encode(`process ${Deno.pid}\n`));
  return file;
}

/** Syncs what was written since `sinceMs`; a crash of the machine then loses nothing that was acknowledged. */
async function syncChanged(folder: string, sinceMs: number): Promise<void> {
  for await (const entry of Deno.readDir(folder)) {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory) {
      await syncChanged(path, sinceMs);
      continue;
    }
    const { mtime } = await Deno.stat(path);
    // File systems round times down; a second too many files is cheap.
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
