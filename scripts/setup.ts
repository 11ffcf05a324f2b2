/** Makes what the other commands need: MLflow's database, the predictions' tables, and an experiment a variant. */
import { ensureRoles } from "../lib/roles.ts";
import { ensureMlflowSchema, ensurePredictionsSchema } from "../lib/schema.ts";
import {
  commonOptions,
  commonUsage,
  type Flags,
  retryOptions,
  runEach,
  runScript,
  variantOptions,
  variantUsage,
} from "../lib/script.ts";
import type { Outcome } from "../lib/script.ts";
import { InputError } from "../lib/errors.ts";
import { openServices, type Services } from "../lib/services.ts";
import type { Variant } from "../lib/variant.ts";
import { chosenVariants, retryPolicyOf } from "../lib/choice.ts";

const command = {
  name: "setup",
  summary:
    "Makes MLflow's database, the predictions' tables, and a variant's experiment. A second run changes nothing.",
  usage: `${variantUsage}
  --all                   every variant of variants.yaml
${commonUsage}`,
  options: {
    ...variantOptions,
    ...retryOptions,
    ...commonOptions,
    all: { type: "boolean" },
  },
} as const;

if (import.meta.main) {
  await runScript(
    command,
    async (flags: Flags<typeof command.options>, { say }) => {
      await using services = await openServices({
        say,
        retryPolicy: retryPolicyOf(flags),
        createDatabases: true,
      });
      await setupDatabases(services);
      const work = chosenVariants(services.variants, flags).map((
        { variant },
      ) => ({
        name: variant.title,
        run: () => setupExperiment(services, variant),
      }));
      return await runEach(work, { all: flags.all ?? false, say });
    },
  );
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
  variant: Variant,
): Promise<Outcome> {
  const { attempt, config } = services;
  const mlflow = await services.mlflow();
  const found = await attempt(
    `look for the experiment ${variant.experiment}`,
    () => mlflow.findExperiment(variant.experiment),
  );
  if (found?.lifecycleStage === "deleted") {
    throw new InputError(
      `Cannot use the experiment "${variant.experiment}": it was deleted in MLflow; restore it there (\`mlflow experiments restore --experiment-id ${found.experimentId}\`)`,
    );
  }
  const experiment = found ??
    await attempt(
      `make the experiment ${variant.experiment}`,
      () =>
        mlflow.createExperiment(variant.experiment, {
          ...(config.artifactRoot === undefined ? {} : {
            artifactLocation: config.artifactRoot,
          }),
          tags: { ...variant.tags },
        }),
    );
  const status = found ? "unchanged" : "created";
  return {
    report: {
      status,
      variant: variant.key,
      experiment: experiment.name,
      experiment_id: experiment.experimentId,
      artifact_location: experiment.artifactLocation,
    },
    text: `Experiment ${experiment.name}: ${
      found ? "already there" : "created"
    }, artifacts in ${experiment.artifactLocation}`,
  };
}
