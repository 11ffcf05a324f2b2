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
import { UsageError } from "../lib/base/errors.ts";
import { type InputData, namedUri } from "../lib/services/variant-files.ts";
import { parseBadRowLimit } from "../lib/scoring/bad-rows.ts";
import {
  asStored,
  type BadRowOptions,
  openVersion,
  scoreInputs,
} from "../lib/scoring/batch.ts";
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
  const engine = parseEngine(flags.engine);
  const modelUri = flags["model-uri"] ?? settings.modelUri;
  parseModelUri(modelUri);
  const { output = "postgres", "dry-run": dryRun = false } = flags;
  if (output !== "postgres") outputFormat(output);
  const badRows = parseBadRows(flags);
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
    badRows,
    command: (input?: string) => commandOf(settings.variant, flags, input),
  };
  await using open = await openInputs(services, settings, {
    named: flags.input,
    fallback: !flags["no-fallback"],
  });
  if (badRows) refuseInput(services, badRows, open.inputs);
  const again = options.force || output !== "postgres" ||
    rehearsal !== undefined;
  const { fresh, skipped } = await sortInputs(services, open.inputs, {
    settings,
    again,
  });
  const known = skipped.filter(({ sameAs }) => !sameAs).map(asStored);
  const copies = skipped.filter(({ sameAs }) => sameAs).map(asStored);
  if (fresh.length === 0) {
    return describePrediction(config, {
      ...options,
      engine: undefined,
      inputs: [...known, ...copies],
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
    inputs: [...known, ...scored, ...copies],
  });
}

/** Returns what to do with rows that cannot be used; undefined if they are an error. */
function parseBadRows(
  { output, "bad-rows": file, "max-bad-rows": most }: PredictFlags,
): BadRowOptions | undefined {
  const limit = most === undefined ? undefined : parseBadRowLimit(most);
  if (file === undefined) {
    if (limit === undefined) return undefined;
    throw new UsageError(
      `Cannot use --max-bad-rows without --bad-rows: name the file for the bad rows, or leave both out to refuse an input with a bad row`,
    );
  }
  if (file !== output) return { file, limit };
  throw new UsageError(
    `Cannot use --bad-rows ${file}: the scores go there (--output)`,
  );
}

/** Rejects an input that the file of the bad rows would replace, such as last week's file under a pattern. */
function refuseInput(
  { artifacts }: Services,
  { file }: BadRowOptions,
  inputs: readonly InputData[],
): void {
  const uri = namedUri(file, artifacts);
  if (!inputs.some((input) => input.file.uri === uri)) return;
  throw new UsageError(
    `Cannot use --bad-rows ${file}: it is also an input, and would be replaced`,
  );
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
    ...(["model-uri", "output", "bad-rows", "max-bad-rows"] as const).flatMap((
      name,
    ) => {
      const value = flags[name];
      return value === undefined ? [] : [`--${name}`, value];
    }),
  ];
  return [commandFor("predict", variant), ...words.map(shellWord)].join(" ");
}
