/** Gives the texts of a CSV file their types. The rules are those of `pandas.read_csv`; what pandas would leave as text in a column of numbers is an error. */
import type { Label } from "../model/mod.ts";
import { type Column, type ColumnRoles, shown } from "./cells.ts";
import { openLabels } from "./apply-steps.ts";
import { isExactNumber } from "./categories.ts";
import { plainRecipe, type Recipe } from "./recipe.ts";
import { traceSteps } from "./steps.ts";

import { RowError, type RowPlace } from "./row-error.ts";

/** The texts that mean "missing", as in `pandas.read_csv` 3.1.1 (`keep_default_na`). */
export const missingTexts: readonly string[] = [
  "",
  "#N/A",
  "#N/A N/A",
  "#NA",
  "-1.#IND",
  "-1.#QNAN",
  "-NaN",
  "-nan",
  "1.#IND",
  "1.#QNAN",
  "<NA>",
  "N/A",
  "NA",
  "NULL",
  "NaN",
  "None",
  "n/a",
  "nan",
  "null",
];

const missing = new Set(missingTexts);

/** Returns true for a text that means "missing". */
export function isMissingText(text: string): boolean {
  return missing.has(text);
}

/** Returns the value of `true` or `false`, in lower or upper case; undefined for any other text. */
export function readBoolean(text: string): boolean | undefined {
  if (/^true$/i.test(text)) return true;
  return /^false$/i.test(text) ? false : undefined;
}

const decimal = /^[ \t]*[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?[ \t]*$/;
const infinity = /^([+-]?)inf(?:inity)?$/i;

/**
 * Returns the double nearest to a decimal number, as Python's `float()` does:
 * with a sign, a decimal point, an exponent, and spaces around it. Undefined for
 * any other text. Infinity is a number here; it is no value of a feature.
 */
export function readDecimal(text: string): number | undefined {
  if (decimal.test(text)) return Number(text);
  const sign = infinity.exec(text)?.[1];
  if (sign === undefined) return undefined;
  return sign === "-" ? -Infinity : Infinity;
}

/**
 * Gives one cell its type.
 *
 * @throws {RowError} If the text cannot be a value of the column.
 */
export type CellReader = (text: string, place: RowPlace) => unknown;

/** The roles of a file whose model is not known yet: every cell is typed by its text, except player ids, and labels and dates of a recipe's steps. */
export interface UnknownRoles {
  readonly idColumn: string | undefined;
  readonly recipe?: Recipe;
}

/**
 * Returns a reader for each column of a file:
 *
 * - A column of the model is a number, a boolean or missing.
 * - A category is the text itself if the model knows it, even `NA`. Otherwise it
 *   is missing, a number or boolean that equals one of the model's categories, or
 *   a text.
 * - A player id is the text exactly as written, or missing.
 * - The outcome is a number, a boolean, missing or a text.
 * - Any other column is a text or missing.
 *
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 *
 * const recipe = { steps: [], oneHot: [{ column: "tier", prefix: "tier_", categories: ["1.0", "NA"], unknownLimit: 1 }], missingValue: undefined };
 * const readers = toCellReaders(["spend", "tier", "id"], { columns: [{ name: "spend", type: "double" }], recipe, idColumn: "id" });
 * const read = (texts: string[]) => texts.map((text, at) => readers[at]!(text, { file: "x" }));
 * deepStrictEqual(read(["+1e1", "1", "007"]), [10, 1, "007"]);
 * deepStrictEqual(read(["NA", "NA", "NA"]), [null, "NA", null]);
 * ```
 */
export function toCellReaders(
  names: readonly string[],
  roles: ColumnRoles | UnknownRoles,
): CellReader[] {
  if (!("columns" in roles)) {
    const { idColumn, recipe = plainRecipe } = roles;
    const flow = traceSteps(recipe.steps);
    const ids = idColumn === undefined ? [] : flow.originsOf(idColumn);
    const categories = recipe.oneHot.flatMap(({ column }) =>
      flow.originsOf(column)
    );
    return names.map((name) => {
      const uses = flow.usesOf(name);
      const labels = uses.flatMap((use) =>
        use.kind === "label" ? use.labels : []
      );
      if (ids.includes(name)) return readText;
      if (labels.length > 0 && !categories.includes(name)) {
        return toCategoryReader(labels);
      }
      return uses.some(({ kind }) => kind === "date") ? readText : readAny;
    });
  }
  const { columns, recipe, idColumn, labelColumn } = roles;
  const flow = traceSteps(recipe.steps);
  return names.map((name) => {
    const isOrigin = (of: string | undefined) =>
      of !== undefined && flow.originsOf(of).includes(name);
    const readers: CellReader[] = [];
    for (const column of columns.filter((column) => isOrigin(column.name))) {
      readers.push(
        column.labels ? toLabelReader(column.labels) : toNumberReader(column),
      );
    }
    const uses = flow.usesOf(name);
    const labels = [
      ...recipe.oneHot.filter((step) => isOrigin(step.column)).map((
        { prefix, categories },
      ) =>
        categories ??
          columns.filter((column) => column.name.startsWith(prefix))
            .map((column) => column.name.slice(prefix.length))
      ),
      ...uses.flatMap((use) => use.kind === "label" ? [use.labels] : []),
    ];
    if (labels.length > 0) readers.push(toCategoryReader(labels.flat()));
    // The step refuses a cell that it cannot use, and names itself.
    if (uses.some(({ kind }) => kind === "number")) readers.push(readAny);
    if (uses.some(({ kind }) => kind === "date")) readers.push(readText);
    if (isOrigin(idColumn)) readers.push(readText);
    if (isOrigin(labelColumn)) readers.push(readAny);
    const [reader = readText, another] = readers;
    if (another === undefined) return reader;
    return isOrigin(idColumn) ? readExact : readAny;
  });
}

const readText: CellReader = (text) => missing.has(text) ? null : text;

const readAny: CellReader = (text) =>
  missing.has(text) ? null : readBoolean(text) ?? readDecimal(text) ?? text;

/** Reads a column that is an id and something else, too: a number only if its spelling is not lost. */
const readExact: CellReader = (text, place) => {
  const cell = readAny(text, place);
  return typeof cell === "number" && String(cell) !== text ? text : cell;
};

function toNumberReader(column: Column): CellReader {
  return (text, place) => {
    const cell = readAny(text, place);
    if (typeof cell !== "string") return cell;
    const advice = /^[\s+-]*\d[\d.,' \u00a0\u202f]*$/.test(text)
      ? ": write numbers with a decimal point and without thousands separators"
      : "";
    throw new RowError({
      place,
      verb: "use",
      reason:
        `, column "${column.name}": expected a number (${column.type}) or an empty cell, found ${
          shown(cell)
        }${advice}`,
    });
  };
}

function toCategoryReader(categories: readonly string[]): CellReader {
  const spellings = new Set(categories);
  const find = openLabels(categories);
  return (text, place) => {
    if (spellings.has(text)) return text;
    const cell = readAny(text, place);
    if (cell === null || typeof cell === "string") return cell;
    if (typeof cell === "boolean") return find(cell) === -1 ? text : cell;
    // A number that two categories spell is passed on, and the recipe rejects it.
    return isExactNumber(cell) && find(cell) !== -1 ? cell : text;
  };
}

function toLabelReader(
  labels: readonly Label[],
): CellReader {
  const spellings = new Set(labels);
  const kinds = new Set(labels.map((label) => typeof label));
  return (text, place) => {
    if (spellings.has(text)) return text;
    const cell = readAny(text, place);
    if (cell === null || typeof cell === "string") return cell;
    return typeof cell === "number" && kinds.has("number") ||
        typeof cell === "boolean" && kinds.has("boolean")
      ? cell
      : text;
  };
}
