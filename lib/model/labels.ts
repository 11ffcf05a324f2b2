/**
 * Labels of categories. A model's trees hold codes; a pandas frame, and a row
 * of JSON, hold labels. Files of XGBoost since 3.1 and of LightGBM carry the
 * labels that the training frame had, a code being a label's index.
 *
 * The rules below were found by scoring pandas frames with XGBoost 3.1.3,
 * 3.2.0, 3.3.0 and 3.4.1 and LightGBM 4.7.0 on pandas 3.1.1.
 */

/** What a pandas category may be called: text, number or boolean. */
export type Label = string | number | boolean;

/** Codes by label, made once per list of labels. */
const codesOf = new WeakMap<readonly Label[], ReadonlyMap<Label, number>>();

/**
 * The code of a category: the index of its label, or undefined where no label
 * is equal ({@linkcode unseenCategory} says what the libraries do then).
 *
 * Numbers are equal by value, so 1 is 1.0; texts equal texts only, letter by
 * letter, so "1" is not 1 and "a" is not "A"; booleans equal booleans only.
 *
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 *
 * strictEqual(toCode([10, -3, 7], -3.0), 1);
 * strictEqual(toCode([10, -3, 7], "10"), undefined);
 * strictEqual(toCode([false, true], 1), undefined);
 * ```
 *
 * @param value One cell. A missing value is no category: NaN has no code.
 */
export function toCode(
  labels: readonly Label[],
  value: Label,
): number | undefined {
  let codes = codesOf.get(labels);
  if (codes === undefined) {
    codes = new Map(labels.map((label, code) => [label, code]));
    codesOf.set(labels, codes);
  }
  return codes.get(value);
}

/**
 * What a library does with a category that the training frame did not have.
 * LightGBM's `set_categories` makes it a missing value. XGBoost refuses the
 * frame ("Found a category not in the training set"); its releases 3.1 and 3.2
 * miss some of these and score them as another category, which is a defect
 * that 3.3 has mended.
 */
export function unseenCategory(
  library: "xgboost" | "lightgbm",
): "missing" | "error" {
  return library === "xgboost" ? "error" : "missing";
}

/** The kind of values that a column of categories holds: `mixed` where labels are of several kinds, `text` where there are none. */
export type LabelKind = "text" | "number" | "boolean" | "mixed";

/**
 * The kind of a column's labels.
 *
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 *
 * strictEqual(kindOfLabels([1.5, 2]), "number");
 * strictEqual(kindOfLabels([1, "a"]), "mixed");
 * ```
 */
export function kindOfLabels(labels: readonly Label[]): LabelKind {
  const kinds = new Set(labels.map((label) => typeof label));
  if (kinds.size > 1) return "mixed";
  if (kinds.has("number")) return "number";
  return kinds.has("boolean") ? "boolean" : "text";
}

/**
 * What is wrong with a list of labels; undefined where nothing is. Two equal
 * labels have no single code, and a whole number above 2^53 was rounded when
 * it was read.
 */
export function findLabelProblem(
  labels: readonly Label[],
): string | undefined {
  if (new Set(labels).size !== labels.length) return "a label stands twice";
  const wrong = labels.find((label) =>
    typeof label === "number" &&
    (!Number.isFinite(label) ||
      Number.isInteger(label) && !Number.isSafeInteger(label))
  );
  if (wrong === undefined) return undefined;
  return `label ${wrong} is no number of at most 15 digits; use texts for such categories`;
}
