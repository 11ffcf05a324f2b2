/** Creates the tables and roles that the commands expect, in MLflow's database and the predictions database. */
import { ensureRoles } from "../database/roles.ts";
import { ensureMlflowSchema, ensurePredictionsSchema } from "./schema.ts";
import { settleScores } from "./settled-scores.ts";
import type { Services } from "./services.ts";

/**
 * Creates the missing tables and roles in both databases, and reports what it
 * created and what already existed; with `onlyNews`, only what it created. Settles
 * the scores of superseded runs, which takes a while once after an upgrade.
 */
export async function setupDatabases(
  services: Services,
  options: { onlyNews?: boolean } = {},
): Promise<void> {
  const { withRetry, config, log } = services;
  const logWith = (isNew: boolean) =>
    isNew || !options.onlyNews ? log.info : log.verbose;
  const tracking = await services.trackingDatabase();
  if (tracking) {
    const root = config.artifactRoot === undefined
      ? {}
      : { artifactRoot: config.artifactRoot };
    const { status, head, note } = await withRetry(
      "create MLflow's tables",
      () => ensureMlflowSchema(tracking, root),
    );
    const isNew = status === "created";
    logWith(isNew)(
      `MLflow's tables in ${tracking.description}: ${
        isNew ? "created" : "already exist"
      } (${head})`,
    );
    if (note !== undefined) log.info(note);
  }
  const predictions = await services.predictions();
  const { status } = await withRetry(
    "create the prediction tables",
    () => ensurePredictionsSchema(predictions),
  );
  const isNew = status !== "unchanged";
  logWith(isNew)(
    `Prediction tables in ${predictions.description}: ${
      isNew ? status : "already exist"
    }`,
  );
  for (const database of new Set([tracking, predictions])) {
    if (!database) continue;
    const { notes } = await withRetry(
      "create the database roles",
      () => ensureRoles(database),
    );
    for (const note of notes) log.warn(note);
  }
  const warning = await settleScores(predictions, { log });
  if (warning !== undefined) log.warn(warning);
}
