/** Opens MLflow stores of every kind for the tests: PGlite, Postgres tables and servers of each MLflow release. */
import { openPglite } from "../../lib/database/pglite.ts";
import { openPostgres } from "../../lib/database/postgres.ts";
import { ensureDatabase } from "../../lib/database/admin.ts";
import type { Database } from "../../lib/database/database.ts";
import { openRest } from "../../lib/mlflow/rest.ts";
import type { MlflowStore } from "../../lib/mlflow/store.ts";
import { openTables } from "../../lib/mlflow/tables.ts";
import { ensureMlflowSchema } from "../../lib/services/schema.ts";
import { makeMlflowDatabase, startMlflowServer } from "./mlflow.ts";
import type { PeerName } from "./python.ts";
import { type PostgresServer, startPostgres, tempFolder } from "./servers.ts";

/** A store, its database, and the tracking URI under which MLflow for Python opens the same database. */
export interface StoreFixture extends AsyncDisposable {
  readonly store: MlflowStore;
  readonly database: Database;
  /** Tracking URI for Python; undefined for PGlite, which Python cannot open. */
  readonly uri: string | undefined;
  readonly warnings: readonly string[];
}

/** A database of one of the server's, opened. */
export async function openDatabase(
  server: PostgresServer,
  database: string,
): Promise<Database> {
  const { host, port, user, password } = server;
  return await openPostgres({ host, port, user, password, database });
}

/** Makes an empty database. */
export async function addDatabase(
  server: PostgresServer,
  database: string,
): Promise<void> {
  await using admin = await openDatabase(server, "postgres");
  await ensureDatabase(admin, database);
}

/** A Postgres where each release has made a database named after it, to be copied by {@linkcode copyDatabase}. */
export async function startPostgresWith(
  releases: readonly PeerName[],
): Promise<PostgresServer> {
  await using stack = new AsyncDisposableStack();
  const server = stack.use(await startPostgres());
  for (const release of releases) await addDatabase(server, release);
  await Promise.all(
    releases.map((release) => makeMlflowDatabase(release, server.url(release))),
  );
  stack.move();
  return server;
}

/** Makes a copy of a release's fresh database. */
export async function copyDatabase(
  server: PostgresServer,
  release: PeerName,
  database: string,
): Promise<void> {
  await using admin = await openDatabase(server, "postgres");
  await admin.query(`create database "${database}" template "${release}"`);
}

/** The embedded database with the pinned MLflow's tables. */
export async function openEmbeddedFixture(): Promise<StoreFixture> {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await tempFolder());
  const database = stack.use(await openPglite(`${folder.path}/database`));
  await ensureMlflowSchema(database, { artifactRoot: "s3://mlflow" });
  return await toFixture(stack.move(), { database, uri: undefined });
}

/** A release's own tables in Postgres. */
export async function openTablesFixture(
  server: PostgresServer,
  release: PeerName,
): Promise<StoreFixture> {
  await using stack = new AsyncDisposableStack();
  const name = `tables-${release}`;
  await copyDatabase(server, release, name);
  const database = stack.use(await openDatabase(server, name));
  return await toFixture(stack.move(), { database, uri: server.url(name) });
}

/** A release's server over its own tables. */
export async function openServerFixture(
  server: PostgresServer,
  release: PeerName,
): Promise<StoreFixture> {
  await using stack = new AsyncDisposableStack();
  const name = `server-${release}`;
  await copyDatabase(server, release, name);
  const folder = stack.use(await tempFolder());
  const { url } = stack.use(
    await startMlflowServer(release, server.url(name), {
      artifacts: folder.path,
    }),
  );
  const database = stack.use(await openDatabase(server, name));
  return await toFixture(stack.move(), { database, uri: url, server: url });
}

async function toFixture(
  stack: AsyncDisposableStack,
  options: {
    database: Database;
    uri: string | undefined;
    server?: string;
  },
): Promise<StoreFixture> {
  const { database, uri, server } = options;
  const warnings: string[] = [];
  const log = { warn: (warning: string) => void warnings.push(warning) };
  const store = server === undefined
    ? await openTables(database, { log })
    : await openRest({ uri: server, log });
  return {
    store,
    database,
    uri,
    warnings,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}
