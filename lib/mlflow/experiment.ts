/** Finds the experiment of a variant. */
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
