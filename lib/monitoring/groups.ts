/** Counts the one-hot columns of one step of the recipe together, as one column of categories. */
import type { RecordedRecipe } from "../rows/recipe.ts";
import type { ColumnCounts } from "../statistics/column-counts.ts";
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

/**
 * Returns the rows of each category of a group and, last, those of none of them;
 * undefined if a column of the group is not one of zeros and ones, or a row has
 * two categories.
 */
export function countGroup(
  { members }: Pick<Group, "members">,
  { profiles, counts }: {
    profiles: readonly ColumnProfile[];
    counts: readonly ColumnCounts[];
  },
): { reference: number[]; current: number[] } | undefined {
  const isBinary = members.every((index) => {
    const { edges } = profiles[index]!;
    const { min = 0, max = 1 } = counts[index]!;
    const { sum, counts: bins, missing } = counts[index]!;
    // A missing value is not "none of them": such columns are judged one by one.
    return edges.length === 1 && edges[0] === 0 && min >= 0 && max <= 1 &&
      sum === bins[1] && missing === 0 && profiles[index]!.missing === 0;
  });
  if (!isBinary) return undefined;
  const reference = withNone(members.map((index) => profiles[index]!));
  const current = withNone(members.map((index) => counts[index]!));
  return reference && current && { reference, current };
}

/** Returns the ones of each column, and the rows that have none. */
function withNone(
  columns: readonly Pick<ColumnCounts, "counts" | "missing">[],
): number[] | undefined {
  const ones = columns.map(({ counts }) => counts[1]!);
  const { counts, missing } = columns[0]!;
  const rows = counts.reduce((sum, count) => sum + count, missing);
  const none = ones.reduce((rest, count) => rest - count, rows);
  return none < 0 || rows === 0 ? undefined : [...ones, none];
}
