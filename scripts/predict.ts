/** Scores a variant's new data with its production model and stores each row once. */
import { commandForModel } from "../lib/cli/flag-values.ts";
import { getExperiment } from "../lib/mlflow/experiment.ts";
import { resolveModel } from "../lib/mlflow/model-uri.ts";
import type { Experiment, ModelVersion } from "../lib/mlflow/store.ts";
import { predictCommand } from "../lib/cli/commands.ts";
import {
  type PredictFlags,
  type PredictOptions,
  toPredictOptions,
} from "../lib/cli/predict-flags.ts";
import { runForVariants } from "../lib/cli/for-variants.ts";
import type { Outcome } from "../lib/base/outcome.ts";
import type { Services } from "../lib/services/services.ts";
import type { VariantSettings } from "../lib/config/variants.ts";
import { asStored, openVersion, scoreInputs } from "../lib/scoring/batch.ts";
import { openInputs, sortInputs } from "../lib/scoring/inputs.ts";
import {
  describePrediction,
  warnOfSplitPromotion,
} from "../lib/scoring/report.ts";

if (import.meta.main) {
  await runForVariants(predictCommand, {
    body: predict,
    ownFlags: ["input", "model-uri", "output", "bad-rows"],
  });
}

/**
 * Scores a variant's new inputs, and with `--force` also those scored before.
 * A dry run changes nothing and does not create a store.
 */
export async function predict(
  services: Services,
  settings: VariantSettings,
  flags: PredictFlags,
): Promise<Outcome> {
  const { config, log } = services;
  const options = toPredictOptions(flags, settings);
  const { modelUri, engine, output, dryRun, badRows } = options;
  const rehearsal = config.embedded
    ? await prepareEmbedded(services, settings, options)
    : undefined;

  // Both databases are opened at once, and before anything is scored, so that a missing setting is reported first.
  if (output === "postgres" && !rehearsal) {
    services.mlflow().catch(() => {}); // reported when it is used
    await services.predictions();
  }
  const production = rehearsal ??
    await findProduction(services, settings, modelUri);
  const { version } = production;
  await using open = await openInputs(services, settings, {
    named: flags.input,
    fallback: !flags["no-fallback"],
    replaced: badRows?.file,
  });
  const again = options.force || output !== "postgres" ||
    rehearsal !== undefined;
  const { fresh, skipped } = await sortInputs(services, open.inputs, {
    settings,
    again,
  });
  const known = skipped.filter(({ sameAs }) => !sameAs).map(asStored);
  const copies = skipped.filter(({ sameAs }) => sameAs).map(asStored);
  const facts = { ...options, ...production };
  if (fresh.length === 0) {
    const inputs = [...known, ...copies];
    return describePrediction(config, { ...facts, engine: undefined, inputs });
  }
  log.info(
    `Scoring ${
      fresh.map(({ file }) => file.uri).join(", ")
    } with ${version.name} version ${version.version}`,
  );
  await using scorer = rehearsal?.scorer ??
    await openVersion(services, version, { engine, settings, dryRun });
  const scored = await scoreInputs(services, scorer, {
    ...facts,
    inputs: fresh,
  });
  return describePrediction(config, {
    ...facts,
    engine: scorer.engine,
    inputs: [...known, ...scored, ...copies],
  });
}

/** Sets up the embedded store if it has no model, or for a dry run rehearses that. The modules are loaded only here, because configured services do not need them. */
async function prepareEmbedded(
  services: Services,
  settings: VariantSettings,
  { modelUri, engine, dryRun }: PredictOptions,
) {
  if (dryRun) {
    const { rehearseBootstrap } = await import(
      "../lib/registration/rehearsal.ts"
    );
    return await rehearseBootstrap(services, settings, { modelUri, engine });
  }
  const { bootstrap } = await import("./bootstrap.ts");
  await bootstrap(services, settings);
  return undefined;
}

/** Returns the variant's experiment and the version that the URI resolves to. */
async function findProduction(
  services: Services,
  { variant }: VariantSettings,
  modelUri: string,
): Promise<{ experiment: Experiment; version: ModelVersion }> {
  const { withRetry, log, variants } = services;
  const mlflow = await services.mlflow();
  const commandFor = (task: string, model: string) =>
    commandForModel(variants, variant, { task, model });
  const experiment = await withRetry(
    "find the experiment",
    () => getExperiment(mlflow, variant),
  );
  const version = await withRetry(
    `resolve ${modelUri}`,
    () => resolveModel(mlflow, modelUri, { commandFor }),
  );
  const promote = commandFor("promote", version.name);
  warnOfSplitPromotion(version, { modelUri, promote, log });
  return { experiment, version };
}
