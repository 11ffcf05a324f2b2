/** Opens the embedded store beside configured services, to read it. */
import type { Config } from "../config/environment.ts";
import type { EmbeddedDatabase } from "../database/pglite.ts";
import type { Table } from "../database/tables.ts";
import { readTables } from "../database/tables.ts";
import { InputError, UsageError } from "../base/errors.ts";
import { openLocal } from "../storage/local.ts";
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
 * Opens the embedded store in `CHURN_HOME` for reading; nothing in it changes.
 * Of a database up to 256 MiB, a copy in memory is read.
 *
 * @throws {InputError} If there is none.
 * @throws {UsageError} If its tables are not those of this release; names the command that upgrades them.
 * @throws {TransientError} If another process is using it.
 */
export async function openEmbeddedStore(
  { home }: Pick<Config, "home">,
): Promise<EmbeddedStore> {
  const folder = `${home}/database`;
  const exists = await Deno.stat(`${folder}/PG_VERSION`)
    .then(() => true, () => false);
  if (!exists) {
    throw new InputError(
      `Nothing to move: there is no embedded database in ${folder}; set CHURN_HOME to the folder of the embedded store`,
    );
  }
  const { openPglite } = await import("../database/pglite.ts");
  await using stack = new AsyncDisposableStack();
  const database = stack.use(
    await openPglite(folder, { readOnly: true, waitMs: 60_000 }),
  );
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

async function checkRelease(
  database: EmbeddedDatabase,
  folder: string,
): Promise<void> {
  const { missing, newer } = await readPredictionsSchema(database);
  if (newer.length > 0) {
    throw new UsageError(
      `Cannot move the embedded database in ${folder}: a newer release of this project made its prediction tables (${
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
