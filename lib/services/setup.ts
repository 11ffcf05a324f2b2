/** Creates the tables and roles that the commands expect, in MLflow's database and the predictions database. */
import { ensureRoles } from "../database/roles.ts";
import { ensureMlflowSchema, ensurePredictionsSchema } from "./schema.ts";
import type { Services } from "./services.ts";

/**
 * Creates the missing tables and roles in both databases, and reports what it
 * created and what already existed; with `onlyNews`, only what it created.
 */
export async function setupDatabases(
  services: Services,
  options: { onlyNews?: boolean } = {},
): Promise<void> {
  const { attempt, config } = services;
  const tell = (text: string, isNews: boolean) =>
    isNews || !options.onlyNews ? services.say(text) : undefined;
  const tracking = await services.trackingDatabase();
  if (tracking) {
    const root = config.artifactRoot === undefined
      ? {}
      : { artifactRoot: config.artifactRoot };
    const { status, head, note } = await attempt(
      "make MLflow's tables",
      () => ensureMlflowSchema(tracking, root),
    );
    const isNew = status === "created";
    tell(
      `MLflow's tables in ${tracking.description}: ${
        isNew ? "created" : "already there"
      } (${head})`,
      isNew,
    );
    if (note !== undefined) tell(note, true);
  }
  const predictions = await services.predictions();
  const { status } = await attempt(
    "make the predictions' tables",
    () => ensurePredictionsSchema(predictions),
  );
  const isNew = status !== "unchanged";
  tell(
    `The predictions' tables in ${predictions.description}: ${
      isNew ? status : "already there"
    }`,
    isNew,
  );
  for (const database of new Set([tracking, predictions])) {
    if (!database) continue;
    const { notes } = await attempt(
      "make the database roles",
      () => ensureRoles(database),
    );
    for (const note of notes) tell(note, true);
  }
}
