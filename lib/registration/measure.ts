/** Evaluates registered versions on a labelled set. */
import { openVersion } from "../scoring/version.ts";
import { InputError } from "../base/errors.ts";
import { readFeatures } from "../rows/read.ts";
import { asData, type InputFile } from "../services/variant-files.ts";
import { digestTags } from "../mlflow/tags.ts";
import {
  type EvaluationMetrics,
  evaluationMetrics,
} from "../statistics/classification.ts";
import type { ModelVersion } from "../mlflow/store.ts";
import { recipeOf } from "../scoring/scoring-run.ts";
import { isProbability } from "../scoring/model-output.ts";
import { type Services, temporaryFolder } from "../services/services.ts";
import type { VariantSettings } from "../config/variants.ts";

/** Returns true if both are the same version, or have the same model file and recipe. */
export function isSameModel(
  candidate: ModelVersion,
  champion: ModelVersion,
): boolean {
  const isSame = (tag: string) => candidate.tags[tag] === champion.tags[tag];
  return candidate.version === champion.version ||
    (candidate.tags[digestTags.model] !== undefined &&
      isSame(digestTags.model) && isSame(digestTags.recipe));
}

/**
 * Returns the metrics of one version on the labelled rows, scored as `predict`
 * scores them.
 *
 * @throws {InputError} If the model has no named columns, or does not return one probability per row.
 */
export async function measureVersion(
  services: Services,
  version: ModelVersion,
  { settings, labelled }: { settings: VariantSettings; labelled: InputFile },
): Promise<EvaluationMetrics> {
  await using scorer = await openVersion(services, version, {
    engine: "auto",
    settings,
  });
  const { columns } = scorer;
  if (!columns || !isProbability(scorer)) {
    throw new InputError(
      `Cannot measure ${version.name} version ${version.version}: it needs named columns and one probability per row`,
    );
  }
  const { idColumn, recipe: declared } = settings;
  const features = await readFeatures(asData(labelled).file, {
    columns,
    recipe: recipeOf(scorer, { declared, columns, log: services.log }),
    idColumn,
    labelColumn: settings.label,
    temporary: temporaryFolder(services.config),
  });
  return evaluationMetrics({
    probabilities: await scorer.predict(features.matrix, features.rows),
    outcomes: features.labels ?? [],
  });
}
