/** Counts the one-hot columns of one step of the recipe together, as one column of categories. */
import type { RecordedRecipe } from "../rows/recipe.ts";
import { type ColumnCounts, total } from "../statistics/column-counts.ts";
import type { ColumnProfile } from "../statistics/profile.ts";

/** The one-hot columns of one step. */
export interface Group {
  /** The prefix and an asterisk, such as `brand_id_*`: no feature has this name. */
  readonly name: string;
  /** The categories that have a column, in the order of the members. */
  readonly categories: readonly string[];
  /** Indices of the group's columns among the features. */
  readonly members: readonly number[];
}

/** Returns the name of the group of columns with a prefix. */
export function groupName(prefix: string): string {
  return `${prefix}*`;
}

/**
 * Returns the groups of a recipe's steps that have at least two columns among
 * the features. A first category that `drop_first` omitted counts as "none of them".
 *
 * @param names The features, in order.
 */
export function toGroups(
  oneHot: RecordedRecipe["one_hot"],
  names: readonly string[],
): Group[] {
  const positions = new Map(names.map((name, index) => [name, index]));
  return oneHot.flatMap(({ prefix, categories }) => {
    const found = categories.flatMap((category) => {
      const position = positions.get(prefix + category);
      return position === undefined ? [] : [{ category, position }];
    });
    if (found.length < 2) return [];
    return [{
      name: groupName(prefix),
      categories: found.map(({ category }) => category),
      members: found.map(({ position }) => position),
    }];
  });
}

/** The rows of each category of a group, in two samples. */
export interface GroupCounts {
  /** Those of the group, "none of them", and "missing" if any row has no value. */
  readonly labels: string[];
  readonly reference: number[];
  readonly current: number[];
}

/**
 * Returns the rows of each category of a group, of none of them, and of those
 * without a value, if there are any; undefined if a column of the group is not
 * one of zeros and ones, a row has two categories, or only some of its columns
 * have a value.
 */
export function countGroup(
  { members, categories }: Pick<Group, "members" | "categories">,
  columns: readonly { profile: ColumnProfile; counts: ColumnCounts }[],
): GroupCounts | undefined {
  const own = members.map((index) => columns[index]!);
  const isBinary = own.every(({ profile: { edges }, counts }) => {
    const { min = 0, max = 1, sum, counts: bins } = counts;
    return edges.length === 1 && edges[0] === 0 && min >= 0 && max <= 1 &&
      sum === bins[1];
  });
  if (!isBinary) return undefined;
  const reference = toRows(own.map(({ profile }) => profile));
  const current = toRows(own.map(({ counts }) => counts));
  if (!reference || !current) return undefined;
  const labels = [...categories, "none of them"];
  return reference.at(-1) === 0 && current.at(-1) === 0
    ? {
      labels,
      reference: reference.slice(0, -1),
      current: current.slice(0, -1),
    }
    : { labels: [...labels, "missing"], reference, current };
}

/** Returns the ones of each column, the rows that have none, and those without a value. */
function toRows(
  columns: readonly Pick<ColumnCounts, "counts" | "missing">[],
): number[] | undefined {
  const ones = columns.map(({ counts }) => counts[1]!);
  const { counts, missing } = columns[0]!;
  if (columns.some((column) => column.missing !== missing)) return undefined;
  const known = total(counts);
  const none = ones.reduce((rest, count) => rest - count, known);
  return none < 0 || known + missing === 0
    ? undefined
    : [...ones, none, missing];
}
