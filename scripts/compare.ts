/** Evaluates a candidate and the champion on the same labelled set, and reports whether the candidate qualifies for promotion. */
import { commandForModel, retryPolicyOf } from "../lib/cli/flag-values.ts";
import { compareCommand } from "../lib/cli/commands.ts";
import { compareMetrics } from "../lib/registration/compare.ts";
import { UsageError } from "../lib/base/errors.ts";
import { readVariantFile } from "../lib/services/variant-files.ts";
import { isSameModel, measureVersion } from "../lib/registration/measure.ts";
import { resolveModel } from "../lib/mlflow/model-uri.ts";
import type { ModelVersion } from "../lib/mlflow/store.ts";
import { namingVariant } from "../lib/cli/for-variants.ts";
import { runScript } from "../lib/cli/program.ts";
import type { Outcome } from "../lib/base/outcome.ts";
import { openServices, type Services } from "../lib/services/services.ts";
import type { VariantSettings } from "../lib/config/variants.ts";

if (import.meta.main) {
  await runScript(compareCommand, async (flags, { log }) => {
    const retryPolicy = retryPolicyOf(flags);
    await using services = await openServices({ log, retryPolicy });
    const settings = services.variants.settings(flags);
    return await namingVariant(
      settings.variant,
      () => compare(services, settings, flags),
    );
  });
}

/**
 * Compares the candidate with the version that `predict` currently uses. It
 * never promotes a version.
 *
 * @throws {UsageError} If the variant has no labelled set.
 * @throws {InputError} If the candidate or champion does not exist, or a model does not return probabilities.
 */
export async function compare(
  services: Services,
  settings: VariantSettings,
  flags: { candidate?: string | undefined },
): Promise<Outcome> {
  const { variant, files, promotion, modelUri } = settings;
  if (files.evaluation === undefined) {
    throw new UsageError(
      `Cannot compare models of ${variant.title}: variants.yaml names no evaluation file for it`,
    );
  }
  const uri = flags.candidate ?? `models:/${variant.modelName}@challenger`;
  const mlflow = await services.mlflow();
  const resolve = (uri: string) =>
    services.withRetry(
      `resolve ${uri}`,
      () =>
        resolveModel(mlflow, uri, {
          commandFor: (task, model) =>
            commandForModel(services.variants, variant, { task, model }),
        }),
    );
  const candidate = await resolve(uri);
  const champion = await resolve(modelUri);
  const labelled = await readVariantFile(
    services.variantFiles(variant),
    files.evaluation,
  );
  const measureOn = (version: ModelVersion) =>
    measureVersion(services, version, { settings, labelled });
  const metrics = {
    candidate: await measureOn(candidate),
    champion: await measureOn(champion),
  };
  const { status, reasons } = isSameModel(candidate, champion)
    ? {
      status: "unchanged",
      reasons: ["candidate and champion are identical; nothing to compare"],
    }
    : compareMetrics(metrics.candidate, {
      champion: metrics.champion,
      thresholds: promotion,
    });
  return {
    report: {
      status,
      variant: variant.key,
      model_name: candidate.name,
      model_version: candidate.version,
      champion_version: champion.version,
      labelled_set: labelled.uri,
      reasons: reasons.join("; "),
      comparison: metrics,
    },
    text: [
      status === "unchanged"
        ? `${candidate.name} version ${candidate.version} is identical to champion version ${champion.version}; nothing to compare`
        : `${candidate.name} version ${candidate.version} is ${status} than champion version ${champion.version}:`,
      ...reasons.map((reason) => `  ${reason}`),
    ].join("\n"),
  };
}
