/** Measures a candidate and the champion on the same labelled set, and says whether promotion is worth asking for. */
import { openVersion } from "../lib/batch.ts";
import { retryPolicyOf } from "../lib/choice.ts";
import { compareMetrics } from "../lib/comparison.ts";
import { InputError, UsageError } from "../lib/errors.ts";
import { toFeatures } from "../lib/features.ts";
import { type InputFile, readVariantFile } from "../lib/inputs.ts";
import { digestTags } from "../lib/logging.ts";
import { type EvaluationMetrics, evaluationMetrics } from "../lib/metrics.ts";
import { resolveModel } from "../lib/mlflow/resolve.ts";
import type { ModelVersion } from "../lib/mlflow/store.ts";
import { parseRows } from "../lib/rows.ts";
import {
  commonOptions,
  commonUsage,
  type Outcome,
  retryOptions,
  runScript,
  variantOptions,
  variantUsage,
} from "../lib/script.ts";
import { openServices, type Services } from "../lib/services.ts";
import type { VariantSettings } from "../lib/variants.ts";

const command = {
  name: "compare",
  summary:
    "Measures a candidate and the champion on the labelled set, by the thresholds of variants.yaml.",
  usage: `${variantUsage}
  --candidate URI         the candidate (models:/NAME@challenger)
${commonUsage}`,
  options: {
    ...variantOptions,
    ...retryOptions,
    ...commonOptions,
    candidate: { type: "string" },
  },
} as const;

if (import.meta.main) {
  await runScript(command, async (flags, { say }) => {
    const retryPolicy = retryPolicyOf(flags);
    await using services = await openServices({ say, retryPolicy });
    return await compare(services, services.variants.settings(flags), flags);
  });
}

/**
 * Compares the candidate with what `predict` scores with now. Nothing is
 * promoted, whatever comes out.
 *
 * @throws {UsageError} If the variant has no labelled set.
 * @throws {InputError} If there is no such candidate or champion, or a model gives no probability.
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
    services.attempt(`resolve ${uri}`, () => resolveModel(mlflow, uri));
  const candidate = await resolve(uri);
  const champion = await resolve(modelUri);
  const labelled = await readVariantFile(
    services.places(variant),
    files.evaluation,
  );
  const measureOn = (version: ModelVersion) =>
    measure(services, version, { settings, labelled });
  const metrics = {
    candidate: await measureOn(candidate),
    champion: await measureOn(champion),
  };
  const { status, reasons } = sameModel(candidate, champion)
    ? { status: "unchanged", reasons: ["the candidate is the champion"] }
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
    text:
      `Version ${candidate.version} of ${candidate.name} is ${status}, champion version ${champion.version}:\n` +
      reasons.map((reason) => `  ${reason}`).join("\n"),
  };
}

/** One version, or two of the same bytes. */
function sameModel(candidate: ModelVersion, champion: ModelVersion): boolean {
  const digest = candidate.tags[digestTags.model];
  return candidate.version === champion.version ||
    (digest !== undefined && digest === champion.tags[digestTags.model]);
}

/** The metrics of one version on the labelled rows, scored as `predict` would score them. */
async function measure(
  services: Services,
  version: ModelVersion,
  { settings, labelled }: { settings: VariantSettings; labelled: InputFile },
): Promise<EvaluationMetrics> {
  await using scorer = await openVersion(services, version, { engine: "auto" });
  const { columns, predictionKind, outputs } = scorer;
  if (!columns || predictionKind !== "probability" || outputs !== 1) {
    throw new InputError(
      `Cannot measure ${version.name} version ${version.version}: it needs named columns and one probability a row`,
    );
  }
  const features = toFeatures(
    parseRows(labelled.bytes, { file: labelled.uri }),
    {
      ...settings,
      columns,
      labelColumn: settings.label,
      file: labelled.uri,
    },
  );
  return evaluationMetrics({
    probabilities: await scorer.predict(features.matrix, features.rows),
    outcomes: features.labels ?? [],
  });
}
