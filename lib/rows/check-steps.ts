/** Finds steps of a recipe that have no effect or contradict its categories. */
import { InputError } from "../base/errors.ts";
import { isOneHotColumn } from "./apply-steps.ts";
import type { Recipe } from "./recipe.ts";
import { inputsOf, outputsOf } from "./steps.ts";

/**
 * Checks the steps of a resolved recipe.
 *
 * @param wanted The names of the model's columns, the player id and the outcome.
 * @throws {InputError} If a step sets a column that nothing uses, which is a misspelled name, or works on a column that `one_hot` makes.
 */
export function checkSteps(recipe: Recipe, wanted: readonly string[]): void {
  const { steps, oneHot } = recipe;
  const used = new Set([...wanted, ...oneHot.map(({ column }) => column)]);
  // From the last step to the first: a column is used if a later step reads it.
  steps.toReversed().forEach((step, back) => {
    const name = `recipe.steps[${steps.length - 1 - back}] (${step.kind})`;
    const outputs = outputsOf(step);
    const inputs = inputsOf(step);
    const unused = outputs.find((column) => !used.has(column));
    if (unused !== undefined) {
      throw new InputError(
        `Cannot use ${name} in variants.yaml: it sets "${unused}", which the model does not have and no later step reads; ` +
          `correct the name, or remove the step`,
      );
    }
    const made = [...inputs, ...outputs].find((column) =>
      isOneHotColumn(recipe, column)
    );
    if (made !== undefined && step.kind !== "default") {
      throw new InputError(
        `Cannot use ${name} in variants.yaml: it works on "${made}", which one_hot makes after all steps; ` +
          `only a default may name such a column`,
      );
    }
    if (step.kind !== "default") { for (const to of outputs) used.delete(to); }
    for (const column of inputs) used.add(column);
  });
}
