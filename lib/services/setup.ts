/** Brings the databases to the shape that every command expects: MLflow's, the predictions', and the roles in both. */
import { ensureRoles } from "../database/roles.ts";
import { ensureMlflowSchema, ensurePredictionsSchema } from "./schema.ts";
import type { Services } from "./services.ts";

/**
 * Brings both databases to the shape that the other commands expect, and says
 * what it made and what was there; with `onlyNews` only what it made.
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
