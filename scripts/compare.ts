/** Evaluates a candidate and the champion on the same labelled set, and reports whether the candidate qualifies for promotion. */
import { commandForModel } from "../lib/config/variants.ts";
import { commandTable } from "../lib/config/commands.ts";
import { compareMetrics, sameModel } from "../lib/registration/compare.ts";
import { UsageError } from "../lib/base/errors.ts";
import { readVariantFile } from "../lib/services/variant-files.ts";
import { isSameModel, measureVersion } from "../lib/registration/measure.ts";
import { describeComparison } from "../lib/registration/report.ts";
import { resolveModel } from "../lib/mlflow/model-uri.ts";
import type { ModelVersion } from "../lib/mlflow/store.ts";
import { runForVariants } from "../lib/cli/for-variants.ts";
import type { Outcome } from "../lib/base/outcome.ts";
import type { Services } from "../lib/services/services.ts";
import type { VariantSettings } from "../lib/config/variants.ts";

if (import.meta.main) {
  await runForVariants(commandTable.compare, { body: compare });
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
  const comparison = isSameModel(candidate, champion)
    ? sameModel
    : compareMetrics(metrics.candidate, {
      champion: metrics.champion,
      thresholds: promotion,
    });
  return describeComparison(variant, {
    candidate,
    champion,
    labelledUri: labelled.uri,
    metrics,
    comparison,
  });
}
