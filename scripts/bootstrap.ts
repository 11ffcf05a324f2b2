/** Prepares the first run on the embedded default: sets up the store, then logs and promotes the shipped model. It has no command: `predict` calls it first. */
import { setupDatabases } from "../lib/services/setup.ts";
import type { Outcome } from "../lib/base/outcome.ts";
import type { Services } from "../lib/services/services.ts";
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
  const { variant } = settings;
  if (!await services.hasEmbeddedDatabase()) {
    log.info(
      `Creating the embedded store in ${config.home}`,
    );
  }
  await setupDatabases(services, { onlyNews: true });
  const mlflow = await services.mlflow();
  const newest = await mlflow.findModelVersion(variant.modelName, {
    kind: "latest",
  });
  if (newest) return;
  await refuseUnshipped(services, settings);
  log.info(
    `The embedded store in ${config.home} has no model for ${variant.title} yet; setting up the shipped one`,
  );
  const logOutcome = ({ text }: Outcome) => text.split("\n").forEach(log.info);
  logOutcome(await setupExperiment(services, settings));
  const logged = await logModel(services, settings);
  logOutcome(logged);
  logOutcome(
    await promote(services, variant, {
      version: Number(logged.report["model_version"]),
    }),
  );
}
