/** What a fast reader does with each column of a file, so that it can write cells into an encoder's matrix without an object per row. */
import type { Label } from "../model/mod.ts";
import type { RowEncoder } from "./encode.ts";
import { countCategory, type Group } from "./one-hot.ts";

/** What a reader does with the cells of one column. */
export type Action =
  /** A number or a boolean of a column of the model. */
  | {
    readonly kind: "number";
    readonly position: number;
    readonly type: string;
  }
  /** A label of a column of the model that has categories of its own. */
  | {
    readonly kind: "label";
    readonly position: number;
    readonly labels: readonly Label[];
  }
  /** A raw column of the recipe. */
  | { readonly kind: "raw"; readonly group: Group }
  | { readonly kind: "id" }
  | { readonly kind: "outcome" }
  /** A column that the steps of the recipe work on. */
  | { readonly kind: "step"; readonly name: string }
  /** A column that the model does not know. */
  | { readonly kind: "extra"; readonly name: string };

/** The columns of rows in their order. */
export interface Layout {
  /** One per column. */
  readonly actions: readonly Action[];
  /** Names of the columns that the model does not know. */
  readonly extra: readonly string[];
  /** Positions of the model's columns that such rows lack. */
  readonly absent: readonly number[];
  /** Groups of the recipe of which such rows have neither the raw column nor an encoded one. */
  readonly without: readonly Group[];
  /** Groups whose raw column such rows have, and the index of its action. */
  readonly raw: readonly { readonly index: number; readonly group: Group }[];
  /** Whether such rows have the id column. */
  readonly hasId: boolean;
}

/**
 * Returns the layout of rows with these columns; undefined if a column occurs
 * twice, has two meanings or contradicts another, the outcome is absent, or a
 * step makes the id or the outcome: such rows are read as objects.
 */
export function toLayout(
  names: readonly string[],
  encoder: RowEncoder,
): Layout | undefined {
  const { options: { columns, idColumn, labelColumn }, stepColumns } = encoder;
  const isStep = (name: string | undefined) =>
    name !== undefined && stepColumns?.names.has(name) === true;
  if ([idColumn, labelColumn, "__proto__"].some(isStep)) return undefined;
  const groups = encoder.groups.filter((group) =>
    !stepColumns?.groups.includes(group)
  );
  const isThere = new Set(names);
  if (isThere.size < names.length) return undefined;
  const positions = new Map(columns.map(({ name }, index) => [name, index]));
  const found = names.map((name): Action | undefined => {
    if (isStep(name)) {
      return { kind: encoder.known.has(name) ? "step" : "extra", name };
    }
    const meanings: Action[] = [];
    const position = positions.get(name);
    if (position !== undefined) {
      const { labels, type } = columns[position]!;
      meanings.push(
        labels === undefined
          ? { kind: "number", position, type }
          : { kind: "label", position, labels },
      );
    }
    for (const group of groups) {
      if (group.step.column === name) meanings.push({ kind: "raw", group });
    }
    if (name === idColumn) meanings.push({ kind: "id" });
    if (name === labelColumn) meanings.push({ kind: "outcome" });
    if (meanings.length > 1) return undefined;
    return meanings[0] ?? { kind: "extra", name };
  });
  const actions = found.filter((action) => action !== undefined);
  if (actions.length < names.length) return undefined;
  if (labelColumn !== undefined && !isThere.has(labelColumn)) return undefined;
  const encoded = groups.map(({ positions }) =>
    positions.some((position) =>
      position !== undefined && isThere.has(columns[position]!.name)
    )
  );
  const isRaw = groups.map(({ step }) => isThere.has(step.column));
  if (groups.some((_, index) => encoded[index] && isRaw[index])) {
    return undefined;
  }
  // The steps count what their own columns lack.
  const made = new Set([
    ...groups.flatMap(({ positions }, index) => isRaw[index] ? positions : []),
    ...stepColumns?.plain ?? [],
    ...stepColumns?.groups.flatMap(({ positions }) => positions) ?? [],
  ]);
  return {
    actions,
    extra: names.filter((_, index) => actions[index]!.kind === "extra"),
    absent: columns.flatMap(({ name }, index) =>
      isThere.has(name) || made.has(index) ? [] : [index]
    ),
    without: groups.filter((_, index) => !encoded[index] && !isRaw[index]),
    raw: actions.flatMap((action, index) =>
      action.kind === "raw" ? [{ index, group: action.group }] : []
    ),
    hasId: idColumn !== undefined && isThere.has(idColumn),
  };
}

/**
 * Counts what a row of a layout lacks, and its categories.
 *
 * @param place `row`: position of the row in the encoder's matrix; `cells` and `categories`: the raw cells and what the recipe found for them, by index of the action.
 */
export function countRow(
  layout: Layout,
  encoder: RowEncoder,
  place: {
    row: number;
    cells: readonly unknown[];
    categories: readonly number[];
  },
): void {
  if (encoder.rows === 0) {
    for (const name of layout.extra) encoder.extra.add(name);
  }
  for (const position of layout.absent) {
    encoder.absent[position]!++;
    encoder.matrix[place.row + position] = NaN;
  }
  for (const group of layout.without) group.absentRows.push(encoder.rows);
  for (const { index, group } of layout.raw) {
    countCategory(group, place.cells[index], place.categories[index]!);
  }
}

/** Tells whether a number fits the column's type; false for one that is not exact, which the slow way then decides. */
export function fits(value: number, type: string, isExact: boolean): boolean {
  if (type === "boolean") return isExact && (value === 0 || value === 1);
  if (type === "long" || type === "integer") {
    return isExact && Number.isInteger(value);
  }
  return true;
}
