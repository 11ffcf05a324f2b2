/** Opens the embedded store beside configured services, to read it. */
import type { Config } from "../config/environment.ts";
import type { EmbeddedDatabase } from "../database/pglite.ts";
import type { Table } from "../database/tables.ts";
import { readTables } from "../database/tables.ts";
import { InputError, UsageError } from "../base/errors.ts";
import { explainDiskError } from "../base/disk-errors.ts";
import { isDatabase, lockFolder, versionFile } from "../database/folder.ts";
import { createTemporary } from "../rows/temporary-file.ts";
import { openLocal } from "../storage/local.ts";
import { temporaryFolder } from "./services.ts";
import type { ArtifactStore } from "../storage/store.ts";
import {
  isPredictionsTable,
  mlflowRevisions,
  readMlflowHead,
  readPredictionsSchema,
} from "./schema.ts";

/** The embedded store, open for reading. */
export interface EmbeddedStore extends AsyncDisposable {
  /** `CHURN_HOME`. */
  readonly home: string;
  readonly database: EmbeddedDatabase;
  readonly artifacts: ArtifactStore;
  /** MLflow's tables, each after the tables that it refers to. */
  readonly mlflowTables: readonly Table[];
  /** The prediction tables, each after the tables that it refers to. */
  readonly predictionTables: readonly Table[];
}

/**
 * Opens the embedded store in `CHURN_HOME` for reading. What is read of the
 * database is a copy on disk, as it is now, because Postgres changes files even if
 * it only reads. Disposal deletes the copy; what a killed process left, a later
 * call deletes.
 *
 * @throws {InputError} If there is none.
 * @throws {UsageError} If its tables are not those of this release; names the command that upgrades them.
 * @throws {TransientError} If another process is using it, or the disk is full.
 */
export async function openEmbeddedStore(
  { home }: Pick<Config, "home">,
): Promise<EmbeddedStore> {
  const folder = `${home}/database`;
  if (!await isDatabase(folder)) {
    throw new InputError(
      `Nothing to move: there is no embedded database in ${folder}; set CHURN_HOME to the folder of the embedded store`,
    );
  }
  const { openPglite } = await import("../database/pglite.ts");
  await using stack = new AsyncDisposableStack();
  const copy = stack.use(await copyDatabase(folder, temporaryFolder({ home })));
  const database = stack.use(await openPglite(copy.path));
  await checkRelease(database, folder);
  const tables = await readTables(database);
  const owned = stack.move();
  return {
    home,
    database,
    artifacts: openLocal(`${home}/artifacts`),
    mlflowTables: tables.filter(({ name }) => !isPredictionsTable(name)),
    predictionTables: tables.filter(({ name }) => isPredictionsTable(name)),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Copies a database's folder into a temporary one, while no other process can use it. */
async function copyDatabase(
  folder: string,
  temporary: string,
): Promise<{ path: string } & AsyncDisposable> {
  await using stack = new AsyncDisposableStack();
  // It stands for the copy: as long as this process has it locked, the copy is in use.
  const mark = stack.use(await createTemporary(temporary, "store-"));
  await deleteAbandonedCopies(temporary);
  const path = `${mark.path}${copySuffix}`;
  stack.defer(async () => {
    await Deno.remove(path, { recursive: true }).catch(() => {});
  });
  using _lock = await lockFolder(folder, {
    waitMs: 60_000,
    files: [versionFile],
    readOnly: true,
  });
  await copyFolder(folder, `${path}/database`).catch((error) => {
    throw explainDiskError(error, path);
  });
  const owned = stack.move();
  return {
    // Beside it, openPglite() creates its lock file.
    path: `${path}/database`,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Ends the name of a copy; before it stands the name of the file that stands for the copy. */
const copySuffix = ".copy";

/** Deletes the copies whose process was killed: nobody has a lock on the file that stands for them. */
async function deleteAbandonedCopies(temporary: string): Promise<void> {
  const entries = await Array.fromAsync(Deno.readDir(temporary));
  for (const { name, isDirectory } of entries) {
    if (!isDirectory || !name.endsWith(copySuffix)) continue;
    const path = `${temporary}/${name}`;
    const owner = path.slice(0, -copySuffix.length);
    using mark = await Deno.open(owner, { read: true }).catch(() => null);
    // A copy is begun after its file is locked, and deleted before its file.
    if (mark && !await mark.tryLock(true)) continue;
    await Deno.remove(path, { recursive: true }).catch(() => {});
    if (mark) await Deno.remove(owner).catch(() => {});
  }
}

async function copyFolder(from: string, to: string): Promise<void> {
  await Deno.mkdir(to, { recursive: true });
  for await (const { name, isDirectory } of Deno.readDir(from)) {
    const [source, copy] = [`${from}/${name}`, `${to}/${name}`];
    if (isDirectory) await copyFolder(source, copy);
    else await Deno.copyFile(source, copy);
  }
}

async function checkRelease(
  database: EmbeddedDatabase,
  folder: string,
): Promise<void> {
  const { missing, newer } = await readPredictionsSchema(database);
  if (newer.length > 0) {
    throw new UsageError(
      `Cannot move the embedded database in ${folder}: a newer release of this project created its prediction tables (${
        newer.join(", ")
      }); use that release`,
    );
  }
  const head = await readMlflowHead(database);
  const known = await mlflowRevisions();
  if (missing.length > 0 || head === undefined) {
    throw new UsageError(
      `Cannot move the embedded database in ${folder}: it lacks ${
        head === undefined ? "MLflow's tables" : missing.join(", ")
      }; run \`deno task setup\` once without the settings of services, which completes it`,
    );
  }
  if (head !== known.at(-1)) {
    throw new UsageError(
      `Cannot move the embedded database in ${folder}: MLflow's tables in it have the head ${head}, those of this release ${
        known.at(-1)
      }; move it with the release that made it`,
    );
  }
}
