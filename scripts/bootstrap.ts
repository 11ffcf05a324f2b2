/** Prepares the first run on the embedded default: sets up the store, then logs and promotes the shipped model. It has no command: `predict` calls it first. */
import { setupDatabases } from "../lib/services/setup.ts";
import type { Outcome } from "../lib/base/outcome.ts";
import type { Services } from "../lib/services/services.ts";
import { localPath } from "../lib/config/variant.ts";
import type { VariantSettings } from "../lib/config/variants.ts";
import { logModel } from "./log-model.ts";
import { promote } from "./promote.ts";
import { refuseUnshipped } from "../lib/registration/rehearsal.ts";
import { setupExperiment } from "./setup.ts";

/**
 * Sets up the shipped model for a variant that has no model on the embedded
 * default, by running the bodies of setup, log-model and promote. The caller
 * must not use it with configured services.
 */
export async function bootstrap(
  services: Services,
  settings: VariantSettings,
): Promise<void> {
  const { log, config } = services;
  const { variant, files } = settings;
  // Nobody asked for these steps, so that only what they result in is said.
  const detailed: Services = {
    ...services,
    log: { ...log, info: log.verbose },
  };
  if (!await services.hasEmbeddedDatabase()) {
    log.info(`Creating the embedded store in ${config.home}`);
  }
  await setupDatabases(detailed, { onlyNews: true });
  const mlflow = await services.mlflow();
  const newest = await mlflow.findModelVersion(variant.modelName, {
    kind: "latest",
  });
  if (newest) return;
  await refuseUnshipped(services, settings);
  log.info(
    `Registering the model of ${variant.title}, ${
      localPath(variant, files.model)
    }`,
  );
  const logOutcome = ({ text }: Outcome) =>
    text.split("\n").forEach(log.verbose);
  logOutcome(await setupExperiment(detailed, settings));
  const logged = await logModel(detailed, settings);
  logOutcome(logged);
  const version = Number(logged.report["model_version"]);
  const promoted = await promote(detailed, variant, { version });
  log.info(promoted.text);
}
