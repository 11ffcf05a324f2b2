/** Parses and validates the list of a model's feature names. */
import { InputError } from "../base/errors.ts";
import * as v from "../base/schema.ts";

const name = "a feature name";
const list = "a JSON array of feature names";
const featureNames = v.pipe(
  v.array(v.pipe(v.string(name), v.minLength(1, name)), list),
  v.minLength(1, list),
);

/**
 * Validates that a list of feature names matches the model: the same names in
 * the same order.
 *
 * @param names The list in the features file.
 * @param options `modelNames`: the names in the model file, empty when it has none; `modelCount`: the number of features it was trained on.
 * @throws {InputError} If a name is repeated, or they differ in number, in a name or in order; names the first difference.
 */
export function checkFeatureNames(
  names: readonly string[],
  options: { modelNames: readonly string[]; modelCount: number; file: string },
): void {
  const { modelNames, modelCount, file } = options;
  const repeated = names.find((name, index) => names.indexOf(name) !== index);
  if (repeated !== undefined) {
    throw new InputError(`Cannot use ${file}: it names "${repeated}" twice`);
  }
  if (names.length !== modelCount) {
    throw new InputError(
      `Cannot use ${file}: it names ${names.length} features, the model was trained on ${modelCount}`,
    );
  }
  if (modelNames.length === 0) return;
  const at = names.findIndex((name, index) => name !== modelNames[index]);
  if (at >= 0) {
    throw new InputError(
      `Cannot use ${file}: feature ${at + 1} is "${
        names[at]
      }", the model has "${modelNames[at]}" there`,
    );
  }
}

/**
 * Parses a features file: a JSON array of texts.
 *
 * @throws {InputError} If it is anything else.
 */
export function parseFeatureNames(
  bytes: Uint8Array,
  options: { file: string },
): string[] {
  return v.parseJson(featureNames, bytes, options);
}
