/** Creates what the other commands need: MLflow's database, the prediction tables, and one experiment per variant. */
import { setupCommand } from "../lib/cli/commands.ts";
import { InputError } from "../lib/base/errors.ts";
import { runForVariants } from "../lib/cli/for-variants.ts";
import { setupDatabases } from "../lib/services/setup.ts";
import type { Outcome } from "../lib/base/outcome.ts";
import type { Services } from "../lib/services/services.ts";
import type { VariantSettings } from "../lib/config/variants.ts";

/** With this tag, MLflow's UI shows the experiment as model training, not as GenAI. */
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
 * Creates the variant's experiment, with the artifact root as its location.
 *
 * @throws {InputError} If an experiment of that name was deleted: MLflow still reserves the name.
 */
export async function setupExperiment(
  services: Services,
  { variant }: VariantSettings,
): Promise<Outcome> {
  const { withRetry, config } = services;
  const mlflow = await services.mlflow();
  const { experiment: name, tags } = variant;
  const find = () =>
    withRetry(
      `find the experiment ${name}`,
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
    : await withRetry(`create the experiment ${name}`, make).catch(
      async (error) => {
        // Another setup that ran at the same time has created the experiment; use that one.
        if (error instanceof InputError && await find()) return undefined;
        throw error;
      },
    );
  const experiment = found ?? made ?? await find();
  if (!experiment) {
    throw new InputError(
      `Cannot find the experiment "${name}" that was just created`,
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
      made ? "created" : "already exists"
    }, artifacts in ${experiment.artifactLocation}`,
  };
}
