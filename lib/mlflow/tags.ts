/** Tags and inputs of runs and versions: the origin of a run, and the files that a version was built from. */
import type { Config } from "../config/environment.ts";
import type { DatasetInput } from "./store.ts";

/**
 * Returns the tags of every run that we create: user, script and, in GitHub
 * Actions, the commit and the URL of the workflow run. MLflow's are named in its
 * `mlflow/utils/mlflow_tags.py`.
 *
 * @param script Name of the script, without its extension.
 */
export function sourceTags(
  script: string,
  config: Pick<Config, "user" | "job">,
): Record<string, string> {
  const { user, job } = config;
  return {
    "mlflow.user": user,
    "mlflow.source.name": `scripts/${script}.ts`,
    "mlflow.source.type": job ? "JOB" : "LOCAL",
    ...job && {
      "mlflow.source.git.commit": job.commit,
      "churn.job": job.url,
    },
  };
}

/**
 * Returns the tags for a model's training date and its source: a flag, the
 * training script's manifest, or today's date if there is neither.
 *
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 *
 * deepStrictEqual(trainingDateTags(undefined, "2026-11-16"), {
 *   training_date: "2026-11-16",
 *   training_date_source: "manifest",
 * });
 * ```
 */
export function trainingDateTags(
  flag: string | undefined,
  manifest: string | undefined,
): { training_date: string; training_date_source: string } {
  if (flag !== undefined) {
    return { training_date: flag, training_date_source: "flag" };
  }
  if (manifest !== undefined) {
    return { training_date: manifest, training_date_source: "manifest" };
  }
  return {
    training_date: new Date().toISOString().slice(0, 10),
    training_date_source: "date of logging",
  };
}

/** Tags with the digests of the files that a version was built from. */
export const digestTags = {
  model: "churn.model_sha256",
  features: "churn.features_sha256",
  evaluation: "churn.evaluation_sha256",
  recipe: "churn.recipe_sha256",
  sample: "churn.sample_sha256",
  mlmodel: "churn.mlmodel_sha256",
} as const;

/** Tag of a run and a version whose recipe was compared with pandas: SHA-256 of the encoded sample. */
export const encodedTag = "churn.encoded_sha256";

/**
 * Returns a set of rows as an MLflow dataset input.
 *
 * @param options `digest`: SHA-256 of its bytes, of which MLflow stores 36 characters; `context`: what it was used for.
 */
export function toDataset(
  uri: string,
  options: { digest: string; rows: number; context: string },
): DatasetInput {
  return {
    name: uri.slice(uri.lastIndexOf("/") + 1),
    digest: options.digest.slice(0, 36),
    sourceType: uri.startsWith("s3://") ? "s3" : "local",
    source: JSON.stringify({ uri }),
    profile: JSON.stringify({ num_rows: options.rows }),
    context: options.context,
  };
}
