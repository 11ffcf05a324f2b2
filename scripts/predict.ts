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
import { openAndScore } from "../lib/scoring/batch.ts";
import {
  findProblems,
  inOrder,
  readRuns,
  warnOfHidden,
  worthSaying,
} from "../lib/scoring/deliveries.ts";
import { openInputs, sortInputs, toAgain } from "../lib/scoring/inputs.ts";
import { endInterruptedRuns } from "../lib/scoring/interrupted.ts";
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
 * Scores every period of a variant's inputs that was not scored, oldest first, and
 * with `--force` also the chosen or newest one that was. A dry run changes nothing
 * and does not create a store.
 */
export async function predict(
  services: Services,
  settings: VariantSettings,
  flags: PredictFlags,
): Promise<Outcome> {
  const { config } = services;
  const options = toPredictOptions(flags, settings);
  const { modelUri, output } = options;
  const rehearsal = config.embedded
    ? await prepareEmbedded(services, settings, options)
    : undefined;

  // Both databases are opened at once, and before anything is scored, so that a missing setting is reported first.
  const stores = output === "postgres" && !rehearsal;
  if (stores) {
    services.mlflow().catch(() => {}); // reported when it is used
    await services.predictions();
  }
  const production = rehearsal ??
    await findProduction(services, settings, modelUri);
  await using open = await openInputs(services, settings, options.choice);
  if (stores) await endInterruptedRuns(services, production.experiment);
  const runs = stores ? await readRuns(services, settings) : [];
  const again = toAgain(open.batches, { ...options, runs });
  const { fresh, skipped, copies } = await sortInputs(services, open.batches, {
    runs,
    again,
    named: options.choice.named !== undefined,
  });
  const facts = { ...options, ...production, again, copies };
  const scored = await openAndScore(services, {
    ...facts,
    batches: fresh,
    scorer: rehearsal?.scorer,
  });
  const stored = inOrder([
    ...await worthSaying(services, skipped, options),
    ...scored.stored,
  ]);
  const problems = findProblems({
    stored,
    settings,
    choice: options.choice,
    runs,
  });
  warnOfHidden(services, { stored: scored.stored, runs });
  return describePrediction(config, {
    ...facts,
    engine: scored.engine,
    stored,
    problems,
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
