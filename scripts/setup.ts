/** Makes what the other commands need: MLflow's database, the predictions' tables, and an experiment a variant. */
import { setupCommand } from "../lib/commands.ts";
import { InputError } from "../lib/errors.ts";
import { ensureRoles } from "../lib/roles.ts";
import { runForVariants } from "../lib/runner.ts";
import { ensureMlflowSchema, ensurePredictionsSchema } from "../lib/schema.ts";
import type { Outcome } from "../lib/script.ts";
import type { Services } from "../lib/services.ts";
import type { VariantSettings } from "../lib/variants.ts";

/** By this tag MLflow's UI opens the experiment among the models, not among the language models. */
const experimentKind = {
  "mlflow.experimentKind": "custom_model_development",
};

if (import.meta.main) {
  await runForVariants(setupCommand, {
    body: setupExperiment,
    before: setupDatabases,
    createDatabases: true,
  });
}

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

/**
 * Makes the variant's experiment, with the artifact root as its location.
 *
 * @throws {InputError} If an experiment of that name was deleted: MLflow keeps the name taken.
 */
export async function setupExperiment(
  services: Services,
  { variant }: VariantSettings,
): Promise<Outcome> {
  const { attempt, config } = services;
  const mlflow = await services.mlflow();
  const { experiment: name, tags } = variant;
  const find = () =>
    attempt(
      `look for the experiment ${name}`,
      () => mlflow.findExperiment(name),
    );
  const location = config.artifactRoot === undefined
    ? {}
    : { artifactLocation: config.artifactRoot };
  const found = await find();
  if (found?.lifecycleStage === "deleted") {
    throw new InputError(
      `Cannot use the experiment "${name}": it was deleted in MLflow; ` +
        `restore it there (\`mlflow experiments restore --experiment-id ${found.experimentId}\`)`,
    );
  }
  const make = () =>
    mlflow.createExperiment(name, {
      ...location,
      tags: { ...tags, ...experimentKind },
    });
  const made = found
    ? undefined
    : await attempt(`make the experiment ${name}`, make).catch(
      async (error) => {
        // Two set-ups at once: the other one was first, and its experiment is as good.
        if (error instanceof InputError && await find()) return undefined;
        throw error;
      },
    );
  const experiment = found ?? made ?? await find();
  if (!experiment) {
    throw new InputError(
      `Cannot find the experiment "${name}" that was just made`,
    );
  }
  return {
    report: {
      status: made ? "created" : "unchanged",
      variant: variant.key,
      experiment: name,
      experiment_id: experiment.experimentId,
      artifact_location: experiment.artifactLocation,
    },
    text: `Experiment ${name}: ${
      made ? "created" : "already there"
    }, artifacts in ${experiment.artifactLocation}`,
  };
}
