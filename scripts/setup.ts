/** Creates what the other commands need: MLflow's database, the prediction tables, and one experiment per variant. */
import { commandTable } from "../lib/config/commands.ts";
import { runForVariants } from "../lib/cli/for-variants.ts";
import { checkBeforeSetup } from "../lib/checks/before-setup.ts";
import { ensureExperiment } from "../lib/mlflow/experiment.ts";
import { setupDatabases } from "../lib/services/setup.ts";
import type { Outcome } from "../lib/base/outcome.ts";
import type { Services } from "../lib/services/services.ts";
import type { VariantSettings } from "../lib/config/variants.ts";

if (import.meta.main) {
  await runForVariants(commandTable.setup, {
    body: setupExperiment,
    before: checkAndSetup,
    createDatabases: true,
  });
}

/** Creates databases, tables and roles, after everything that this needs has been checked. */
async function checkAndSetup(
  services: Services,
  chosen: readonly VariantSettings[],
): Promise<void> {
  await checkBeforeSetup(services, chosen);
  await setupDatabases(services);
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
  const { experiment, isNew } = await withRetry(
    `create the experiment ${variant.experiment}`,
    () => ensureExperiment(mlflow, variant, config.artifactRoot),
  );
  return {
    report: {
      status: isNew ? "created" : "unchanged",
      variant: variant.key,
      experiment: experiment.name,
      experiment_id: experiment.experimentId,
      artifact_location: experiment.artifactLocation,
    },
    text: `Experiment ${experiment.name}: ${
      isNew ? "created" : "already exists"
    }, artifacts in ${experiment.artifactLocation}`,
  };
}
