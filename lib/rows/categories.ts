/** Finds the category of a cell among the names that `pandas.get_dummies` gives to columns. */

/** Returns the index of a cell's category; -1 when it is none of the categories, undefined when it cannot be a category. */
export type CategoryFinder = (cell: unknown) => number | undefined;

/**
 * Returns a function that finds the category of a cell as `pandas.get_dummies`
 * names it: a text by its spelling, a boolean as `True` or `False`, a number by
 * its value (1 and 1.0 are the same category, however Python spelled it during
 * training), and null as `nan` if the model has that column (`dummy_na=True`).
 *
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 *
 * const find = openCategories(["US", "1.0", "True", "nan"]);
 * deepStrictEqual(["US", 1, true, null, "1", {}].map(find), [0, 1, 2, 3, -1, undefined]);
 * ```
 *
 * The function returns undefined for a number that matches two categories (`1`
 * and `1.0`) and for a number that JSON cannot represent exactly.
 */
export function openCategories(
  categories: readonly string[],
): CategoryFinder {
  const texts = new Map(categories.map((text, index) => [text, index]));
  const numbers = new Map<number, number | undefined>();
  categories.forEach((text, index) => {
    const value = readPythonNumber(text);
    if (value === undefined) return;
    numbers.set(value, numbers.has(value) ? undefined : index);
  });
  return (cell) => {
    if (typeof cell === "string") return texts.get(cell) ?? -1;
    if (cell === null) return texts.get("nan") ?? -1;
    if (typeof cell === "boolean") {
      return texts.get(cell ? "True" : "False") ?? -1;
    }
    if (!isExactNumber(cell)) return undefined;
    return numbers.has(cell) ? numbers.get(cell) : -1;
  };
}

/** Tells whether a cell is a number that JSON represents exactly. */
export function isExactNumber(cell: unknown): cell is number {
  return Number.isSafeInteger(cell) ||
    Number.isFinite(cell) && !Number.isInteger(cell);
}

/** Matches the `repr` of a Python int or float; `01` and `1.50` are texts. */
const pythonNumber =
  /^-?(0|[1-9]\d*)(\.(0|\d*[1-9]))?$|^-?[1-9](\.\d*[1-9])?e[+-]\d{2,3}$/;

function readPythonNumber(text: string): number | undefined {
  return pythonNumber.test(text) ? Number(text) : undefined;
}
