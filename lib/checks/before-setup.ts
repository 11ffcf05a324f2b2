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
import {
  needsMlflowSchema,
  needsPredictionsSchema,
} from "../services/schema.ts";
import type { Services } from "../services/services.ts";
import { checkListing } from "./files.ts";

/**
 * Checks what `setup` needs: that the bucket and an artifact root in S3 exist,
 * both secrets are complete, the databases can be opened or created, and the
 * logins may create the tables that are missing. All checks run, each with the
 * retries of the command; then one error names everything that failed. Changes
 * nothing. On the embedded default there is nothing to check.
 *
 * If the credentials may not list a bucket, that is a warning only, because setup
 * itself needs no access to it.
 *
 * @throws {UsageError} If a setting is wrong or a privilege is missing.
 * @throws {InputError} If a database has tables of another program.
 * @throws {TransientError} If only services that cannot be reached fail.
 */
export async function checkBeforeSetup(services: Services): Promise<void> {
  if (services.config.embedded) return;
  const results = await Promise.allSettled([
    ...storesOf(services).map((uri) => checkStore(services, uri)),
    checkTracking(services),
    checkPredictions(services),
  ]);
  const errors = results.flatMap((result) =>
    result.status === "rejected" ? [result.reason] : []
  );
  const [first] = errors;
  if (errors.length === 0) return;
  if (errors.length === 1) throw first;
  const defect = errors.find((error) => !isExpected(error));
  if (defect) throw defect;
  const reasons = errors.map((error, index) =>
    `(${index + 1}) ${messageOf(error)}`
  );
  const message =
    `Cannot set up, and nothing was changed: ${errors.length} checks failed: ${
      reasons.join("; ")
    }`;
  switch (worstExitCode(errors.map(exitCode))) {
    case 2:
      throw new UsageError(message);
    case 75:
      throw new TransientError(message);
    default:
      throw new InputError(message);
  }
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

async function checkTracking(services: Services): Promise<void> {
  const { withRetry, config } = services;
  const { tracking } = config;
  switch (tracking.kind) {
    case "embedded":
      return;
    case "server":
      await services.mlflow();
      return;
    case "secret":
    case "login": {
      const settings = await withRetry(
        "read the login of MLflow's database",
        () => trackingSettings(tracking, config),
      );
      await withRetry(
        "open MLflow's database",
        () => checkOpenOrCreate(settings, needsMlflowSchema),
      );
    }
  }
}

async function checkPredictions(services: Services): Promise<void> {
  const { withRetry, config } = services;
  const { predictions } = config;
  if (predictions.kind === "embedded") return;
  const settings = await withRetry(
    "read the login of the predictions database",
    () => predictionsSettings(predictions, config),
  );
  await withRetry(
    "open the predictions database",
    () => checkOpenOrCreate(settings, needsPredictionsSchema),
  );
}
