/** What `setup` checks before it changes anything, so that it does all of its work or none. */
import { AwsAccessError } from "../aws/client.ts";
import {
  exitCode,
  InputError,
  messageOf,
  TransientError,
  UsageError,
  worstExitCode,
} from "../base/errors.ts";
import {
  checkOpenOrCreate,
  predictionsSettings,
  trackingSettings,
} from "../services/connections.ts";
import type { VariantSettings } from "../config/variants.ts";
import type { Database } from "../database/database.ts";
import type { PostgresSettings } from "../database/postgres.ts";
import {
  checkMayCreateExperiments,
  checkMayExtend,
  checkPredictionsSchema,
  needsMlflowSchema,
} from "../services/schema.ts";
import type { Services } from "../services/services.ts";
import { checkListing } from "./files.ts";

/**
 * Checks what `setup` needs: that the bucket and an artifact root in S3 exist,
 * both secrets are complete, the databases can be opened or created and are two,
 * and the logins may create and extend the tables and create the experiments that
 * are missing. All checks run, each with the
 * retries of the command; then one error names everything that failed. Changes
 * nothing. On the embedded default there is nothing to check.
 *
 * If the credentials may not list a bucket, that is a warning only, because setup
 * itself needs no access to it.
 *
 * @param chosen The variants whose experiments are created.
 * @throws {UsageError} If a setting is wrong or a privilege is missing.
 * @throws {InputError} If a database has tables of another program.
 * @throws {TransientError} If only services that cannot be reached fail.
 */
export async function checkBeforeSetup(
  services: Services,
  chosen: readonly VariantSettings[],
): Promise<void> {
  if (services.config.embedded) return;
  const names = chosen.map(({ variant }) => variant.experiment);
  const tracking = checkTracking(services, names);
  const predictions = checkPredictions(services);
  const results = await Promise.allSettled([
    ...storesOf(services).map((uri) => checkStore(services, uri)),
    tracking,
    predictions,
    checkDifferent(tracking, predictions),
  ]);
  const errors = results.flatMap((result) =>
    result.status === "rejected" ? [result.reason] : []
  );
  if (errors.length === 0) return;
  if (errors.length === 1) throw errors[0];
  const defect = errors.find((error) => !isExpected(error));
  if (defect) throw defect;
  const reasons = errors.map((error, index) =>
    `(${index + 1}) ${messageOf(error)}`
  );
  const code = worstExitCode(errors.map(exitCode));
  const OneError = code === 2
    ? UsageError
    : code === 75
    ? TransientError
    : InputError;
  throw new OneError(
    `Cannot set up, and nothing was changed: ${errors.length} checks failed: ${
      reasons.join("; ")
    }`,
  );
}

function isExpected(error: unknown): boolean {
  return error instanceof UsageError || error instanceof InputError ||
    error instanceof TransientError;
}

/** Returns the roots in S3 that runs are stored in and files are read from; one of them if both are in one bucket. */
function storesOf({ config }: Services): string[] {
  const { bucket, artifactRoot } = config;
  const roots = [
    ...bucket === undefined ? [] : [`s3://${bucket}`],
    ...artifactRoot && /^s3a?:/i.test(artifactRoot) ? [artifactRoot] : [],
  ];
  const bucketOf = (uri: string) => uri.split("/")[2];
  return roots.filter((uri, index) =>
    roots.findIndex((other) => bucketOf(other) === bucketOf(uri)) === index
  );
}

async function checkStore(services: Services, uri: string): Promise<void> {
  const { withRetry, log, artifacts } = services;
  try {
    await withRetry(`list ${uri}`, () => checkListing(artifacts(uri)));
  } catch (error) {
    if (!(error instanceof AwsAccessError)) throw error;
    log.warn(`Cannot check whether ${uri} exists: ${messageOf(error)}`);
  }
}

/** Refuses one schema of one database for both: MLflow's tables and ours are migrated each by its own program. Passes if another check fails. */
async function checkDifferent(
  tracking: Promise<Place>,
  predictions: Promise<Place>,
): Promise<void> {
  const both = await Promise.all([tracking, predictions]).catch(() =>
    undefined
  );
  const [mlflow, ours] = both ?? [];
  if (!mlflow || !ours || mlflow.place !== ours.place) return;
  throw new UsageError(
    `Cannot store predictions in ${ours.database}: it is also MLflow's database; use another database for predictions`,
  );
}

/** A database, and a text that is equal for the same one. */
type Place = { readonly database: string; readonly place: string } | undefined;

/** Checks MLflow's database or server, and returns the database. */
async function checkTracking(
  services: Services,
  experiments: readonly string[],
): Promise<Place> {
  const { config } = services;
  const { tracking } = config;
  if (tracking.kind === "server") await services.mlflow();
  if (tracking.kind === "server" || tracking.kind === "embedded") {
    return undefined;
  }
  return await checkDatabase(services, "MLflow's database", {
    login: () => trackingSettings(tracking, config),
    needsTables: async (database) => {
      if (await needsMlflowSchema(database)) return true;
      await checkMayCreateExperiments(database, experiments);
      return false;
    },
  });
}

/** Checks the predictions database, and returns it. */
async function checkPredictions(services: Services): Promise<Place> {
  const { config } = services;
  const { predictions } = config;
  if (predictions.kind === "embedded") return undefined;
  return await checkDatabase(services, "the predictions database", {
    login: () => predictionsSettings(predictions, config),
    needsTables: async (database) => {
      const { exists, missing } = await checkPredictionsSchema(database);
      if (missing.length === 0) return false;
      if (exists) await checkMayExtend(database);
      return true;
    },
  });
}

/** Checks that a database can be opened or created, and that tables can be if it needs them. */
async function checkDatabase(
  { withRetry }: Services,
  what: string,
  { login, needsTables }: {
    login: () => Promise<PostgresSettings>;
    needsTables: (database: Database) => Promise<boolean>;
  },
): Promise<Place> {
  const settings = await withRetry(`read the login of ${what}`, login);
  const place = await withRetry(
    `open ${what}`,
    () => checkOpenOrCreate(settings, needsTables),
  );
  return { database: settings.database, place };
}
