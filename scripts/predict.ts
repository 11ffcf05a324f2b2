/** Scores a variant's new data with its production model and stores each row once. */
import { getExperiment } from "../lib/logging.ts";
import { parseModelUri, resolveModel } from "../lib/mlflow/resolve.ts";
import { parseEngine } from "../lib/scorer.ts";
import { predictCommand } from "../lib/commands.ts";
import { runForVariants } from "../lib/runner.ts";
import type { Flags, Outcome } from "../lib/script.ts";
import type { Services } from "../lib/services.ts";
import type { VariantSettings } from "../lib/variants.ts";
import {
  openVersion,
  readInputs,
  scoreInputs,
  sortInputs,
} from "../lib/batch.ts";
import { outputFormat } from "../lib/output.ts";
import { describePrediction, warnOfSplitPromotion } from "../lib/report.ts";
import { bootstrap } from "./bootstrap.ts";

type PredictFlags = Flags<typeof predictCommand.options>;

if (import.meta.main) {
  await runForVariants(predictCommand, {
    body: predict,
    ownFlags: ["input", "model-uri", "output"],
  });
}

/** Scores what is new of a variant; with `--force` also what was scored before. */
export async function predict(
  services: Services,
  settings: VariantSettings,
  flags: PredictFlags,
): Promise<Outcome> {
  const { attempt, config, say } = services;
  const { variant } = settings;
  const engine = parseEngine(flags.engine);
  const modelUri = flags["model-uri"] ?? settings.modelUri;
  parseModelUri(modelUri);
  const { output = "postgres" } = flags;
  if (output !== "postgres") outputFormat(output);
  if (config.embedded) await bootstrap(services, settings);

  // First of all, so that a missing setting is found before anything is scored.
  if (output === "postgres") await services.predictions();
  const mlflow = await services.mlflow();
  const experiment = await attempt(
    "find the experiment",
    () => getExperiment(mlflow, variant),
  );
  const version = await attempt(
    `resolve ${modelUri}`,
    () => resolveModel(mlflow, modelUri),
  );
  warnOfSplitPromotion(version, { modelUri, say });

  const options = {
    settings,
    experiment,
    version,
    modelUri,
    force: flags.force ?? false,
    dryRun: flags["dry-run"] ?? false,
    output,
  };
  const inputs = await readInputs(services, settings, {
    named: flags.input,
    fallback: !flags["no-fallback"],
  });
  const { fresh, known } = await sortInputs(services, inputs, options);
  if (fresh.length === 0) {
    return describePrediction(config, {
      ...options,
      engine: undefined,
      kept: known,
    });
  }
  say(
    `Scoring ${
      fresh.map(({ uri }) => uri).join(", ")
    } with ${version.name} version ${version.version}`,
  );
  await using scorer = await openVersion(services, version, {
    engine,
    settings,
  });
  const kept = await scoreInputs(services, scorer, {
    ...options,
    inputs: fresh,
  });
  return describePrediction(config, {
    ...options,
    engine: scorer.engine,
    kept: [...known, ...kept],
  });
}
