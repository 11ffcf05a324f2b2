/** Finds or creates the experiment of a variant. */
import { InputError } from "../base/errors.ts";
import { commandFor, type Variant } from "../config/variant.ts";
import type { Experiment, MlflowStore } from "./store.ts";

/**
 * Returns the experiment that a variant's runs belong to.
 *
 * @throws {InputError} If it does not exist; the message contains the command that creates it.
 */
export async function getExperiment(
  mlflow: MlflowStore,
  variant: Variant,
): Promise<Experiment> {
  const experiment = await mlflow.findExperiment(variant.experiment);
  if (experiment?.lifecycleStage === "active") return experiment;
  throw new InputError(
    `Cannot find the experiment "${variant.experiment}"${
      experiment ? " (it was deleted)" : ""
    }: ` +
      `create it with \`${commandFor("setup", variant)}\``,
  );
}

/** With this tag, MLflow's UI shows the experiment as model training, not as GenAI. */
const experimentKind = {
  "mlflow.experimentKind": "custom_model_development",
};

/**
 * Returns the variant's experiment, creating it if it does not exist. A
 * concurrent call may create it first; then `isNew` is false for one of them.
 *
 * @param artifactLocation Undefined if the MLflow server chooses it.
 * @throws {InputError} If an experiment of that name was deleted: MLflow still reserves the name.
 */
export async function ensureExperiment(
  mlflow: MlflowStore,
  variant: Variant,
  artifactLocation: string | undefined,
): Promise<{ experiment: Experiment; isNew: boolean }> {
  const { experiment: name, tags } = variant;
  const found = await mlflow.findExperiment(name);
  if (found?.lifecycleStage === "active") {
    return { experiment: found, isNew: false };
  }
  if (found) {
    throw new InputError(
      `Cannot use the experiment "${name}": it was deleted in MLflow; ` +
        `restore it there (\`mlflow experiments restore --experiment-id ${found.experimentId}\`)`,
    );
  }
  try {
    const experiment = await mlflow.createExperiment(name, {
      ...artifactLocation === undefined ? {} : { artifactLocation },
      tags: { ...tags, ...experimentKind },
    });
    return { experiment, isNew: true };
  } catch (error) {
    const made = error instanceof InputError
      ? await mlflow.findExperiment(name)
      : undefined;
    if (!made) throw error;
    return { experiment: made, isNew: false };
  }
}
