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
import { InputError, messageOf, TransientError } from "../base/errors.ts";
import { copyHeader, copyTrailer } from "./copy.ts";
import { archiveFolder, folderBytes } from "./folder-archive.ts";
import {
  isDatabase,
  lockFolder,
  readFolderState,
  syncChanges,
  versionFile,
} from "./folder.ts";
import { asText, describeType, type Parser, parsersOf } from "./values.ts";

/** The embedded database, which can also be served to other programs. */
export interface EmbeddedDatabase extends Database {
  /** True for a copy in memory, which does not keep other processes from the database. */
  readonly isCopy: boolean;
  /**
   * Serves the Postgres protocol on a port of 127.0.0.1 or a Unix socket until the
   * result is disposed. `clients`: how many at once, 1 by default; several share
   * one session and take turns, a transaction at a time.
   */
  serve(
    at: ({ readonly port: number } | { readonly path: string }) & {
      readonly clients?: number;
    },
  ): Promise<AsyncDisposable>;
  /**
   * Runs a select and returns its rows in Postgres's binary format, without header
   * and trailer, as {@linkcode Transaction.copyRows} takes them. All rows are in
   * memory.
   *
   * @throws {DatabaseError} If the statement is refused; `code` is its SQLSTATE.
   */
  readRows(select: string): Promise<Uint8Array<ArrayBuffer>>;
}

/** The largest database that is copied to memory to read it, in bytes. */
const mostCopiedBytes = 256 << 20;

/**
 * Opens the database in `folder`, creating it if necessary. One process at a time
 * may use it: PGlite itself takes no lock and loses commits if two processes open
 * one folder. So the folder is locked until disposal. On disposal, what changed is
 * synced to disk, because PGlite runs Postgres with fsync off.
 *
 * @param options `waitMs`: how long to wait for another process to release the folder; one second by default. `readOnly`: opens a copy in memory, so that no file of the folder changes and other processes may use it meanwhile; a database over 256 MiB is opened in place, where PGlite itself may change files, but no row.
 * @throws {TransientError} If another process holds the folder; the message names its process id.
 * @throws {InputError} If PGlite cannot start, because the disk is full or its files are damaged; with `readOnly`, also if there is no database.
 */
export async function openPglite(
  folder: string,
  { waitMs = 1_000, readOnly = false }: {
    waitMs?: number | undefined;
    readOnly?: boolean | undefined;
  } = {},
): Promise<EmbeddedDatabase> {
  await using opened = new AsyncDisposableStack();
  if (readOnly && !await isDatabase(folder)) {
    throw new InputError(
      `Cannot open the embedded database in ${folder}: it does not exist yet`,
    );
  }
  const lock = opened.use(
    await lockFolder(folder, { waitMs, files: [versionFile], readOnly }),
  );
  const before = readFolderState(lock.path);
  const isCopy = readOnly && folderBytes(lock.path) <= mostCopiedBytes;
  const parsers = parsersOf("value", arrayParser);
  const start = isCopy
    ? PGlite.create({ parsers, loadDataDir: archiveFolder(lock.path) })
    : PGlite.create(lock.path, { parsers });
  // The copy is complete: other processes need not wait until it is closed.
  if (isCopy) lock[Symbol.dispose]();
  const pglite = await start.catch((error) => {
    throw new InputError(
      `Cannot open the embedded database in ${folder}: ${
        messageOf(error)
      }; free space if its disk is full, otherwise its files are damaged`,
      { cause: error },
    );
  });
  if (!isCopy) await lock.lockAlso(versionFile);
  opened.move();
  let wrote = false;
  const description = `the embedded database in ${folder}`;

  const run =
    (target: Pick<PGlite, "query">): Queryable["query"] =>
    async <Row>(text: string, values: readonly unknown[] = []) => {
      wrote ||= !/^\s*select\b/i.test(text);
      try {
        const { rows, fields } = await target.query<Row>(text, [...values]);
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
    async describe(text) {
      const { resultFields } = await pglite.describeQuery(text).catch(rethrow);
      const parsers = { ...pglite.parsers, ...exactParsers };
      return resultFields.map(({ name, dataTypeID }) => {
        const parse = (value: string) =>
          types.parseType(value, dataTypeID, parsers);
        return { name, parse, ...describeType(dataTypeID, parse) };
      });
    },
    transaction: (work) =>
      pglite.transaction(async (tx) => {
        const result = await work({
          query: run(tx),
          copyRows: copyInto(tx),
          streamRows: undefined,
        });
        await tx.query("select 1").catch(() => {
          throw abortedTransaction();
        });
        return result;
      }).catch(rethrow),
    isCopy,
    async readRows(select) {
      const { blob } = await pglite.query(
        `copy (${select}) to '/dev/blob' with (format binary)`,
      ).catch(rethrow);
      if (!blob) throw new TypeError("Cannot read rows: PGlite returned none");
      return (await blob.bytes())
        .subarray(copyHeader.length, -copyTrailer.length);
    },
    async serve({ clients = 1, ...at }) {
      const server = new PGLiteSocketServer({
        db: pglite,
        maxConnections: clients,
        ..."path" in at ? at : { ...at, host: "127.0.0.1" },
      });
      wrote = true;
      await server.start();
      return { [Symbol.asyncDispose]: () => server.stop() };
    },
    async [Symbol.asyncDispose]() {
      try {
        const changed = wrote && !isCopy;
        if (changed) await pglite.exec("checkpoint").catch(rethrow);
        await pglite.close();
        if (changed) syncChanges(lock.path, before);
      } finally {
        lock[Symbol.dispose]();
      }
    },
  };
}

/** Returns the parser for an array, given the parser for one item. */
function arrayParser(parse: Parser, arrayOid: number): Parser {
  return (text) => types.arrayParser(text, parse, arrayOid);
}

const exactParsers = {
  ...parsersOf("exact", arrayParser),
  [types.BYTEA]: asText,
};

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
  if (code === "53100") {
    return new TransientError(
      `Cannot write the embedded database: its disk is full (${message}); free space and run the command again`,
      { cause: error },
    );
  }
  return new DatabaseError(message ?? code, { code, constraint, cause: error });
}
