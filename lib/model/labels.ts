/**
 * Maps category labels to codes. Trees test codes, while pandas frames and JSON
 * rows hold labels. Model files of LightGBM, and of XGBoost since 3.1, contain
 * the labels of the training frame; a label's code is its index.
 *
 * The rules below were determined by scoring pandas frames with XGBoost 3.1.3,
 * 3.2.0, 3.3.0 and 3.4.1 and LightGBM 4.7.0 on pandas 3.1.1.
 */

/** The value of a pandas category. */
export type Label = string | number | boolean;

/** Codes by label, cached per list of labels. */
const codesOf = new WeakMap<readonly Label[], ReadonlyMap<Label, number>>();

/**
 * Returns the code of a category: the index of its label, or undefined if there
 * is no such label (see {@linkcode unseenCategory}).
 *
 * Labels of different types are never equal: "1" is not 1, and true is not 1.
 * Strings are case-sensitive.
 *
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 *
 * strictEqual(toCode([10, -3, 7], -3.0), 1);
 * strictEqual(toCode([10, -3, 7], "10"), undefined);
 * strictEqual(toCode([false, true], 1), undefined);
 * ```
 *
 * @param value One cell; not missing.
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

/** The libraries whose models are read. */
export type Library = "xgboost" | "lightgbm";

/**
 * Returns what a library does with a category that is not in the training frame.
 * LightGBM's `set_categories` makes it a missing value. XGBoost rejects the
 * frame ("Found a category not in the training set"); due to a bug fixed in
 * 3.3, its releases 3.1 and 3.2 score some such categories as another category.
 */
export function unseenCategory(library: Library): "missing" | "error" {
  return library === "xgboost" ? "error" : "missing";
}

/**
 * Returns the type of a column's labels: `mixed` if there are several types,
 * `string` if there are no labels.
 */
export function typeOfLabels(
  labels: readonly Label[],
): "string" | "number" | "boolean" | "mixed" {
  const types = new Set(labels.map((label) => typeof label));
  if (types.size > 1) return "mixed";
  if (types.has("number")) return "number";
  return types.has("boolean") ? "boolean" : "string";
}

/**
 * Returns what is wrong with a list of labels, or undefined if it is valid. Two
 * equal labels would have no unique code, and an integer above 2^53 may have
 * been rounded by the reader.
 */
export function findLabelProblem(
  labels: readonly Label[],
): string | undefined {
  if (new Set(labels).size !== labels.length) return "duplicate label";
  const wrong = labels.find((label) =>
    typeof label === "number" &&
    (!Number.isFinite(label) ||
      Number.isInteger(label) && !Number.isSafeInteger(label))
  );
  if (wrong === undefined) return undefined;
  return `label ${wrong} is not a number of at most 15 digits; use strings for such categories`;
}
