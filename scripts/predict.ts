/** Scores a variant's new data with its production model and stores each row once. */
import { commandForModel } from "../lib/cli/flag-values.ts";
import { getExperiment } from "../lib/mlflow/experiment.ts";
import { parseModelUri, resolveModel } from "../lib/mlflow/model-uri.ts";
import type { Experiment, ModelVersion } from "../lib/mlflow/store.ts";
import { parseEngine } from "../lib/scoring/scorer.ts";
import { predictCommand } from "../lib/cli/commands.ts";
import { runForVariants } from "../lib/cli/for-variants.ts";
import type { FlagValues } from "../lib/cli/flags.ts";
import type { Outcome } from "../lib/base/outcome.ts";
import type { Services } from "../lib/services/services.ts";
import type { VariantSettings } from "../lib/config/variants.ts";
import { asStored, openVersion, scoreInputs } from "../lib/scoring/batch.ts";
import { openInputs, sortInputs } from "../lib/scoring/inputs.ts";
import { outputFormat } from "../lib/rows/write.ts";
import {
  describePrediction,
  warnOfSplitPromotion,
} from "../lib/scoring/report.ts";
import { commandFor, shellWord, type Variant } from "../lib/config/variant.ts";
import { bootstrap } from "./bootstrap.ts";
import { rehearseBootstrap } from "../lib/registration/rehearsal.ts";

type PredictFlags = FlagValues<typeof predictCommand.flags>;

if (import.meta.main) {
  await runForVariants(predictCommand, {
    body: predict,
    ownFlags: ["input", "model-uri", "output"],
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
  const engine = parseEngine(flags.engine);
  const modelUri = flags["model-uri"] ?? settings.modelUri;
  parseModelUri(modelUri);
  const { output = "postgres", "dry-run": dryRun = false } = flags;
  if (output !== "postgres") outputFormat(output);
  const rehearsal = config.embedded && dryRun
    ? await rehearseBootstrap(services, settings, { modelUri, engine })
    : undefined;
  if (config.embedded && !dryRun) await bootstrap(services, settings);

  // The database is opened first, so that a missing setting is reported before anything is scored.
  if (output === "postgres" && !rehearsal) await services.predictions();
  const { experiment, version } = rehearsal ??
    await findProduction(services, settings, modelUri);
  const options = {
    settings,
    experiment,
    version,
    modelUri,
    force: flags.force ?? false,
    dryRun,
    output,
    command: (input?: string) => commandOf(settings.variant, flags, input),
  };
  await using open = await openInputs(services, settings, {
    named: flags.input,
    fallback: !flags["no-fallback"],
  });
  const again = options.force || output !== "postgres" ||
    rehearsal !== undefined;
  const { fresh, skipped } = await sortInputs(services, open.inputs, {
    settings,
    again,
  });
  const known = skipped.map(asStored);
  if (fresh.length === 0) {
    return describePrediction(config, {
      ...options,
      engine: undefined,
      inputs: known,
    });
  }
  log.info(
    `Scoring ${
      fresh.map(({ file }) => file.uri).join(", ")
    } with ${version.name} version ${version.version}`,
  );
  await using scorer = rehearsal?.scorer ??
    await openVersion(services, version, { engine, settings, dryRun });
  const scored = await scoreInputs(services, scorer, {
    ...options,
    inputs: fresh,
  });
  return describePrediction(config, {
    ...options,
    engine: scorer.engine,
    inputs: [...known, ...scored],
  });
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

/** Returns the command line of this call, ready to paste; with `input`, for that input only. */
function commandOf(
  variant: Variant,
  flags: PredictFlags,
  input?: string,
): string {
  const inputs = flags.input === undefined
    ? []
    : input === undefined
    ? flags.input
    : [input];
  const words = [
    ...inputs.flatMap((uri) => ["--input", uri]),
    ...(["model-uri", "output"] as const).flatMap((name) => {
      const value = flags[name];
      return value === undefined ? [] : [`--${name}`, value];
    }),
  ];
  return [commandFor("predict", variant), ...words.map(shellWord)].join(" ");
}
