/** The external services of a script, opened on first use and closed together. */
import { fileURLToPath } from "node:url";
import { type ArtifactSettings, openArtifacts } from "../storage/open.ts";
import { isDatabase } from "../database/folder.ts";
import type { ArtifactStore } from "../storage/store.ts";
import {
  type Config,
  type Environment,
  loadConfig,
} from "../config/environment.ts";
import {
  openOrCreate,
  predictionsSettings,
  trackingSettings,
} from "./connections.ts";
import type { Database } from "../database/database.ts";
import type { EmbeddedDatabase } from "../database/pglite.ts";
import { withTrace } from "../database/trace.ts";
import type { PostgresSettings } from "../database/postgres.ts";
import { InputError, TransientError } from "../base/errors.ts";
import type { VariantFiles } from "./variant-files.ts";
import { openHttp } from "../mlflow/http.ts";
import type { MlflowStore } from "../mlflow/store.ts";
import { openTables } from "../mlflow/tables.ts";
import type { Log } from "../base/log.ts";
import { retry, type RetryPolicy } from "../base/retry.ts";
import type { Variant } from "../config/variant.ts";
import { toVariants, type Variants } from "../config/variants.ts";
import { parseYaml } from "../base/yaml.ts";

/** Returns the folder for temporary files, which nothing but this project writes to. */
export function temporaryFolder({ home }: Pick<Config, "home">): string {
  return `${home}/tmp`;
}

/** The services of one run of a script. */
export interface Services extends AsyncDisposable {
  readonly config: Config;
  readonly variants: Variants;
  readonly log: Log;
  /** Aborts when the command must end; its reason is then the command's error. */
  readonly signal: AbortSignal | undefined;
  /**
   * Runs a step and retries it while a service is unavailable. After the signal
   * aborted, a step is not begun; with `always` it is, but not retried.
   */
  withRetry<T>(
    what: string,
    step: () => Promise<T>,
    options?: { always?: boolean },
  ): Promise<T>;
  /** Returns MLflow's own database; undefined if it is reached through an MLflow server. */
  trackingDatabase(): Promise<Database | undefined>;
  /** Returns MLflow's runs and registry, read directly or through a server. */
  mlflow(): Promise<MlflowStore>;
  /** Returns the database for the scores. */
  predictions(): Promise<Database>;
  /** Returns the embedded database. @throws {InputError} If services are configured. */
  embeddedDatabase(): Promise<EmbeddedDatabase>;
  /** Returns true if the embedded database was created before. */
  hasEmbeddedDatabase(): Promise<boolean>;
  /** Opens the files below any URI. */
  artifacts(uri: string): ArtifactStore;
  /** Returns the stores that a variant's model and data are read from. */
  variantFiles(variant: Variant): VariantFiles;
}

/** Options that a script sets for its services. */
export interface ServicesOptions {
  readonly log: Log;
  readonly retryPolicy: Pick<RetryPolicy, "retries" | "delaySeconds">;
  /** Ends waits and requests when it aborts. */
  readonly signal?: AbortSignal | undefined;
  /** Creates missing databases; only `setup` sets it. */
  readonly createDatabases?: boolean;
  /** Opens databases so that nothing in them can change: for a plan, a dry run or a check. */
  readonly readOnly?: boolean;
  /** Opens the embedded database only if there is one; for a command that only reads. */
  readonly existingOnly?: boolean;
  /** The variants, for a caller that has read them; by default they are read from `variants.yaml`. */
  readonly variants?: Variants;
}

const projectFolder = fileURLToPath(new URL("../../", import.meta.url)).replace(
  /\/$/,
  "",
);

/** Returns the environment, as far as the launcher lets a command see it. */
export function readEnvironment(): Environment {
  return Deno.env.toObject();
}

/** Returns the text of `variants.yaml`. */
export async function readVariantsText(): Promise<string> {
  return await Deno.readTextFile(`${projectFolder}/variants.yaml`);
}

/** Reads `variants.yaml`. @throws {UsageError} If it is invalid. */
export async function readVariants(): Promise<Variants> {
  return toVariants(
    parseYaml(await readVariantsText(), { file: "variants.yaml" }),
  );
}

/**
 * Opens the services that the environment and `variants.yaml` configure. Nothing
 * connects until its first use.
 *
 * @throws {UsageError} If the environment or `variants.yaml` is invalid.
 */
export async function openServices(
  options: ServicesOptions,
): Promise<Services> {
  const config = loadConfig(readEnvironment());
  const variants = options.variants ?? await readVariants();
  const { log, signal, readOnly = false } = options;
  for (const warning of config.warnings) log.warn(warning);
  const withRetry: Services["withRetry"] = async (what, step, more = {}) => {
    if (!more.always) signal?.throwIfAborted();
    const startMs = performance.now();
    const policy = { ...options.retryPolicy, log, signal };
    const result = await retry(what, policy, step);
    const seconds = (performance.now() - startMs) / 1000;
    log.verbose(`${what}: ${seconds.toFixed(2)} s`);
    return result;
  };
  const trace = log.verbose;
  const login = { ...config, trace };
  const stack = new AsyncDisposableStack();
  const { tracking } = config;
  const server = tracking.kind === "server"
    ? openHttp({ ...tracking, trace })
    : undefined;
  const artifactSettings: ArtifactSettings = {
    s3: {
      region: config.aws.region,
      endpoint: config.aws.s3Endpoint,
      signal,
      trace,
    },
    server,
  };
  const artifacts = (uri: string) => openArtifacts(uri, artifactSettings);

  const embeddedFolder = `${config.home}/database`;
  const embedded = once(async () => {
    if (!config.embedded) {
      throw new InputError(
        "Cannot open the embedded database: services are configured",
      );
    }
    const reads = readOnly || options.existingOnly;
    if (reads && !await isDatabase(embeddedFolder)) {
      throw new InputError(
        `Nothing is stored yet: there is no embedded database in ${embeddedFolder}. \`deno task predict\` creates it and scores the first data in about 10 seconds`,
      );
    }
    // Loaded only if used, because loading a database's client takes a tenth of a short run.
    const { openPglite } = await import("../database/pglite.ts");
    const open = (waitMs?: number) =>
      openPglite(embeddedFolder, { waitMs, readOnly });
    const opened = await open().catch((error) => {
      const mayWait = options.retryPolicy.retries > 0;
      if (!mayWait || !(error instanceof TransientError)) throw error;
      log.info(`${error.message}. Waiting for up to a minute`);
      return open(60_000);
    });
    return withTrace(stack.use(opened), trace);
  });
  const postgres = (what: string, settings: () => Promise<PostgresSettings>) =>
    once(async () => {
      const found = await withRetry(`read the login of ${what}`, settings);
      const { database, created } = await withRetry(
        `open ${what}`,
        () =>
          openOrCreate({ ...found, readOnly }, {
            create: options.createDatabases ?? false,
          }),
      );
      if (created) log.info(`Created the database ${database.description}`);
      return withTrace(stack.use(database), trace);
    });
  const inTables = (trackingDatabase: () => Promise<Database>) => ({
    trackingDatabase,
    mlflow: once(async () => {
      const database = await trackingDatabase();
      return await withRetry(
        "read the version of MLflow's tables",
        () => openTables(database, { log }),
      );
    }),
  });
  const tracked = tracking.kind === "server"
    ? {
      trackingDatabase: () => Promise.resolve(undefined),
      mlflow: once(() =>
        withRetry(
          `open the MLflow server ${tracking.uri}`,
          async () => {
            const { openRest } = await import("../mlflow/rest.ts");
            return await openRest({ ...tracking, log, trace });
          },
        )
      ),
    }
    : inTables(
      tracking.kind === "embedded" ? embedded : postgres(
        "MLflow's database",
        () => trackingSettings(tracking, login),
      ),
    );
  const stored = config.predictions;
  const predictions = stored.kind === "embedded" ? embedded : postgres(
    "the predictions database",
    () => predictionsSettings(stored, login),
  );

  return {
    config,
    variants,
    log,
    signal,
    withRetry,
    ...tracked,
    predictions,
    embeddedDatabase: embedded,
    hasEmbeddedDatabase: () => isDatabase(embeddedFolder),
    artifacts,
    variantFiles: (variant) => ({
      variant,
      bucket: config.bucket === undefined ? undefined : artifacts(
        `s3://${config.bucket}/${variant.prefix}`.replace(/\/$/, ""),
      ),
      project: artifacts(projectFolder),
      embedded: config.embedded,
      withRetry,
    }),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** Returns a function that returns the same promise on every call; a failure is not cached. */
function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () =>
    made ??= make().catch((error) => {
      made = undefined;
      throw error;
    });
}
