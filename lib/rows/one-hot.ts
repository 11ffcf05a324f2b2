/** Encodes one raw column of categories as the model's one-hot columns, and counts what the model does not know. */
import { InputError } from "../base/errors.ts";
import { type Column, shown, toFeature, wrongType } from "./cells.ts";
import { type CategoryFinder, openCategories } from "./categories.ts";
import { defaultOf, type OneHot, type Recipe } from "./recipe.ts";
import type { RowPlace } from "./row-error.ts";

/** A recipe step and its columns in the model. */
export interface Group {
  readonly step: OneHot;
  readonly find: CategoryFinder;
  /** The model column of each category; undefined for a first category that `drop_first` omitted. */
  readonly positions: readonly (number | undefined)[];
  /** The `default` of each category's column, for rows without the raw column; undefined where there is none. */
  readonly defaults: readonly (number | undefined)[];
  /** Number of rows whose category is not one of the model's. */
  unknown: number;
  /** A few of those categories, for errors. */
  readonly unknownTexts: Set<string>;
  /** Whether any row so far has the raw column. */
  anyRaw: boolean;
  /** Indices of rows with neither the raw column nor any encoded column. */
  readonly absentRows: number[];
}

/**
 * Returns the groups of a resolved recipe.
 *
 * @throws {InputError} If a category other than the first has no column in the model.
 */
export function toGroups(
  { columns, recipe }: { columns: readonly Column[]; recipe: Recipe },
): Group[] {
  const positions = new Map(columns.map(({ name }, index) => [name, index]));
  return recipe.oneHot.map((step) => {
    const { column, prefix, categories = [] } = step;
    const own = categories.map((category) => positions.get(prefix + category));
    const lost = own.findIndex((position, index) =>
      position === undefined && index > 0
    );
    if (lost > 0) {
      throw new InputError(
        `Cannot use the recipe: the category "${
          categories[lost]
        }" of "${column}" has no column ` +
          `"${prefix}${
            categories[lost]
          }" in the model; correct "categories" in variants.yaml`,
      );
    }
    return {
      step,
      find: openCategories(categories),
      positions: own,
      defaults: own.map((position) => {
        const column = columns[position ?? -1];
        const value = column && defaultOf(recipe, column.name);
        return value === undefined
          ? undefined
          : toFeature(value, column!, { file: "the recipe's default" });
      }),
      unknown: 0,
      unknownTexts: new Set<string>(),
      anyRaw: false,
      absentRows: [],
    };
  });
}

/**
 * Returns the index of a raw cell's category; -1 when it is not one of the
 * model's.
 *
 * @throws {RowError} If the cell cannot be a category.
 */
export function findCategory(
  group: Group,
  raw: unknown,
  where: RowPlace,
): number {
  const found = group.find(raw);
  if (found === undefined) {
    throw wrongType({
      where,
      column: group.step.column,
      wanted:
        "a category: a string, a boolean, null, or a number that JSON holds exactly and that only one category spells",
      found: raw,
    });
  }
  return found;
}

/** Counts a row with a raw cell and the category that {@linkcode findCategory} returned for it. */
export function countCategory(group: Group, raw: unknown, found: number): void {
  group.anyRaw = true;
  if (found >= 0 || raw === null) return;
  group.unknown++;
  if (group.unknownTexts.size < 3) group.unknownTexts.add(shown(raw));
}
