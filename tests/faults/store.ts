/** A store with the shipped model in production, on Postgres or embedded, and what must hold in it. */
import type { Database } from "../../lib/database/database.ts";
import { openPglite } from "../../lib/database/pglite.ts";
import { runCommand } from "../support/commands.ts";
import { openDatabase } from "../support/mlflow_stores.ts";
import {
  type PostgresServer,
  startPostgres,
  tempFolder,
} from "../support/servers.ts";

/** Where `predict` stores scores. */
export interface Store extends AsyncDisposable {
  /** The environment of `predict`. */
  readonly env: Readonly<Record<string, string>>;
  /** `CHURN_HOME`. */
  readonly home: string;
  /** A folder for files. */
  readonly folder: string;
  /** Looks into the database of the scores; of an embedded one, while no command runs. */
  use<T>(look: (database: Database) => Promise<T>): Promise<T>;
  /** Looks into MLflow's database, in the same way. */
  useMlflow<T>(look: (database: Database) => Promise<T>): Promise<T>;
}

/** A store on a server of its own. */
export interface PostgresStore extends Store {
  readonly server: PostgresServer;
}

/** Starts Postgres and sets up, logs and promotes the shipped base model there. */
async function startPostgresStore(): Promise<PostgresStore> {
  await using stack = new AsyncDisposableStack();
  // Each of fifty commands at once may hold eight connections.
  const server = stack.use(
    await startPostgres({
      password: "of-the-tests",
      settings: { max_connections: "500" },
    }),
  );
  const { path: folder } = stack.use(await tempFolder());
  const home = `${folder}/home`;
  const env = {
    MLFLOW_TRACKING_URI: server.url("mlflow_db"),
    PREDICTIONS_DATABASE_URL: server.url("predictions"),
    MLFLOW_ARTIFACT_ROOT: `${folder}/artifacts`,
    CHURN_HOME: home,
    CHURN_FILES: folder,
    USER: "faults",
  };
  await runCommand("setup", [], { env });
  await runCommand("log-model", [
    ...["--model", "models/churn/xgb_churn_model_2.bin"],
    ...["--features", "data/churn/feature_names_3.json"],
    ...["--sample", "data/churn/X_test_sample_2.json"],
    ...["--alias", "champion", "--stage", "Production"],
  ], { env });
  const owned = stack.move();
  return {
    env,
    home,
    folder,
    server,
    async use(look) {
      await using database = await openDatabase(server, "predictions");
      return await look(database);
    },
    async useMlflow(look) {
      await using database = await openDatabase(server, "mlflow_db");
      return await look(database);
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

let shared: Promise<PostgresStore> | undefined;
let borrowers = 0;

/**
 * Returns the store on Postgres that all families of this process share, because
 * starting one takes seconds. Disposal returns it; the last one stops it.
 */
export async function borrowPostgresStore(): Promise<PostgresStore> {
  borrowers++;
  shared ??= startPostgresStore();
  const store = await shared;
  return {
    ...store,
    async [Symbol.asyncDispose]() {
      borrowers--;
      if (borrowers > 0) return;
      shared = undefined;
      await store[Symbol.asyncDispose]();
    },
  };
}

/** Opens an embedded store that has no database yet, in `home` or a folder of its own: the first `predict` sets it up. */
export async function openEmbeddedStore(
  options: { home?: string } = {},
): Promise<Store> {
  const folder = await tempFolder();
  const { home = `${folder.path}/home` } = options;
  const use: Store["use"] = async (look) => {
    await using database = await openPglite(`${home}/database`);
    return await look(database);
  };
  return {
    env: { CHURN_HOME: home, CHURN_FILES: folder.path, USER: "faults" },
    home,
    folder: folder.path,
    use,
    useMlflow: use,
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}
