/** Moves the embedded store to configured services: what is checked before, and what is done in which order. */
import { UsageError } from "../base/errors.ts";
import type { Config } from "../config/environment.ts";
import { type Database, MissingDatabaseError } from "../database/database.ts";
import type { EmbeddedStore } from "./embedded-store.ts";
import {
  isSameFolder,
  moveArtifacts,
  type MovedArtifacts,
} from "./move-artifacts.ts";
import { checkLocations, type MovedRows, moveTables } from "./move-tables.ts";
import {
  checkColumns,
  checkHeads,
  hasContent,
  isMoved,
  mlflowGroup,
  predictionsGroup,
  type TableGroup,
  tablesByName,
} from "./move-target.ts";
import { readMlflowHead } from "./schema.ts";
import type { Services } from "./services.ts";

/**
 * Returns the artifact root to move to.
 *
 * @throws {UsageError} If no services are configured, or MLflow is reached through a server.
 */
export function checkMayMove(config: Config): string {
  const { embedded, tracking, artifactRoot } = config;
  if (embedded) {
    throw new UsageError(
      "Cannot move: no services are configured; set MLFLOW_SECRET_NAME and MLFLOW_S3_BUCKET, or MLFLOW_TRACKING_URI, MLFLOW_ARTIFACT_ROOT and PREDICTIONS_DATABASE_URL, for the new place",
    );
  }
  if (tracking.kind === "server" || artifactRoot === undefined) {
    throw new UsageError(
      "Cannot move to an MLflow server: its interface cannot import runs with their ids and times; " +
        "for this command, set MLFLOW_TRACKING_URI to the postgresql:// URI of the server's own database, or MLFLOW_SECRET_NAME to its secret, and MLFLOW_S3_BUCKET or MLFLOW_ARTIFACT_ROOT to the server's artifact store",
    );
  }
  return artifactRoot;
}

/** What of the store is at the services already, and what is not to be moved. */
export interface MoveState {
  readonly mlflow: boolean;
  readonly predictions: boolean;
  /** True if the new artifact root is the store's own folder, which then has to stay. */
  readonly keepsFolder: boolean;
}

/**
 * Checks the services before anything is written.
 *
 * @param services Opened for reading.
 * @param root The new artifact root.
 * @throws {InputError} If they have runs or scores of somebody else, or other versions of the tables.
 * @throws {UsageError} If the new artifact root is inside the store.
 */
export async function checkTargets(
  store: EmbeddedStore,
  services: Services,
  root: string,
): Promise<MoveState> {
  const keepsFolder = await isSameFolder(
    store.artifacts,
    services.artifacts(root),
  );
  await checkLocations(store.database, store.artifacts.uri);
  const own = await readMlflowHead(store.database);
  const check = async (database: Database, group: TableGroup) => {
    const { description } = database;
    const present = await tablesByName(database);
    return await isMoved(store.database, database, {
      group,
      description,
      present,
    });
  };
  const mlflow = await orMissing(services.trackingDatabase, async (target) => {
    checkHeads({ own, other: await readMlflowHead(target) }, target);
    return await check(target, mlflowGroup(store.mlflowTables));
  });
  const group = predictionsGroup(store.predictionTables);
  // Scores that are there then came after the move.
  const isDone = mlflow && !await hasContent(store.database, group);
  const predictions = isDone ||
    await orMissing(services.predictions, (target) => check(target, group));
  return { mlflow, predictions, keepsFolder };
}

/** Returns what `look` finds in a database; false if the database does not exist yet. */
async function orMissing(
  open: () => Promise<Database | undefined>,
  look: (database: Database) => Promise<boolean>,
): Promise<boolean> {
  try {
    const database = await open();
    return database !== undefined && await look(database);
  } catch (error) {
    if (error instanceof MissingDatabaseError) return false;
    throw error;
  }
}

/** What {@linkcode moveStore} did. */
export interface Moved {
  /** Undefined if they stay where they are, or were moved before, with MLflow's tables. */
  readonly artifacts: MovedArtifacts | undefined;
  /** Undefined if they were moved before. */
  readonly mlflow: MovedRows | undefined;
  /** Undefined if they were moved before. */
  readonly predictions: MovedRows | undefined;
}

/**
 * Copies artifacts, then MLflow's tables, then the prediction tables; each of
 * the two in one transaction, so that a run is never there without its artifacts,
 * nor a score without its run. What was moved before is left as it is. The tables
 * must exist.
 *
 * @throws The errors of {@linkcode moveArtifacts} and {@linkcode moveTables}.
 */
export async function moveStore(
  store: EmbeddedStore,
  services: Services,
  options: { root: string; state: MoveState },
): Promise<Moved> {
  const { state } = options;
  const { withRetry, log, signal } = services;
  const target = services.artifacts(options.root);
  const database = await services.trackingDatabase();
  if (!database) {
    throw new TypeError("unreachable: checkMayMove refuses servers");
  }
  const mlflow = { database, group: mlflowGroup(store.mlflowTables) };
  const predictions = {
    database: await services.predictions(),
    group: predictionsGroup(store.predictionTables),
  };
  for (const { database, group } of [mlflow, predictions]) {
    await withRetry(
      `compare the columns of ${group.title}`,
      () => checkColumns(store.database, database, group),
    );
  }
  const artifacts = state.mlflow || state.keepsFolder
    ? undefined
    : await moveArtifacts(store.artifacts, target, services);
  const from = store.artifacts.uri;
  const root = { from, to: target.uri.replace(/\/+$/, "") };
  const moveGroup = ({ database, group }: typeof mlflow) =>
    withRetry(
      `copy ${group.title}`,
      () => moveTables(store.database, database, { group, root, log, signal }),
    );
  return {
    artifacts,
    mlflow: state.mlflow ? undefined : await moveGroup(mlflow),
    predictions: state.predictions ? undefined : await moveGroup(predictions),
  };
}
