/** Scores a variant's new data with its production model and stores each row once. */
import { getExperiment } from "../lib/logging.ts";
import { parseModelUri, resolveModel } from "../lib/mlflow/resolve.ts";
import { parseEngine } from "../lib/scorer.ts";
import { predictCommand } from "../lib/commands.ts";
import { InputError } from "../lib/errors.ts";
import { findVariantFile } from "../lib/inputs.ts";
import { commandFor } from "../lib/variant.ts";
import { setupDatabases } from "../lib/databases.ts";
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
import { logModel } from "./log-model.ts";
import { promote } from "./promote.ts";
import { setupExperiment } from "./setup.ts";

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
  await using scorer = await openVersion(services, version, { engine });
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

/**
 * On the embedded default a variant without any model gets the shipped one, by
 * the very bodies of setup, log-model and promote. Configured services are
 * never bootstrapped.
 */
async function bootstrap(
  services: Services,
  settings: VariantSettings,
): Promise<void> {
  const { say, config } = services;
  const { variant } = settings;
  if (!await isThere(`${config.home}/database`)) {
    say(
      `The embedded store in ${config.home} is empty: it is made now, and kept for the next run`,
    );
  }
  await setupDatabases(services, { onlyNews: true });
  const mlflow = await services.mlflow();
  const [newest] = await mlflow.listModelVersions(variant.modelName);
  if (newest) return;
  const shipped = await findVariantFile(
    services.places(variant),
    settings.files.model,
  );
  if (!shipped) {
    const listed = services.variants.listed.map((known) => known.variant.title);
    throw new InputError(
      `Cannot predict for ${variant.title}: the embedded store has no model of it and the project ships none; ` +
        `variants.yaml lists ${listed.join("; ")}. For one of your own: ${
          commandFor("setup", variant)
        }, then log-model with --model, --features and --sample, and promote`,
    );
  }
  say(
    `The embedded store in ${config.home} has no model for ${variant.title} yet: setting it up with the shipped one`,
  );
  say((await setupExperiment(services, settings)).text);
  const logged = await logModel(services, settings);
  say(logged.text);
  const promoted = await promote(services, variant, {
    version: Number(logged.report["model_version"]),
  });
  say(promoted.text);
}

async function isThere(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}
