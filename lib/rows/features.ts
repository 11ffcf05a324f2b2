/** The features of a whole file, and what its rows lack, over the blocks of {@linkcode RowEncoder}. */
import { InputError } from "../base/errors.ts";
import { listSome } from "../base/phrases.ts";
import { isMissing } from "./apply-steps.ts";
import { cellOf, type Column } from "./cells.ts";
import {
  type FeatureOptions,
  type RowCounts,
  RowEncoder,
  type StepCounts,
  type UnknownCounts,
} from "./encode.ts";
import { toGroups } from "./one-hot.ts";
import type { InputRow } from "./json.ts";
import type { Recipe } from "./recipe.ts";
import { traceSteps } from "./steps.ts";
import { unpack } from "./packed.ts";

/** Findings over all rows of a file. */
export interface RowFindings {
  /** Input columns that the model does not know, sorted; they were ignored. */
  readonly extraColumns: readonly string[];
  /** Number of rows whose category the model does not know, by raw column; columns without such rows are absent. */
  readonly unknownCategories: Readonly<Record<string, number>>;
  /** Number of rows that lack a column which other rows have, by column; the value counts as missing. */
  readonly absentCells: Readonly<Record<string, number>>;
  /** The model's columns that are missing in every row, in the model's order. */
  readonly emptyColumns: readonly string[];
}

/** The input matrix for a model, and findings about the rows. */
export interface Features extends RowFindings {
  /** Rows × columns in row-major order and the model's column order; NaN means missing. */
  readonly matrix: Float32Array;
  readonly rows: number;
  /** The player id of each row, null when the row has none; undefined when no row has the id column. */
  readonly ids: readonly (string | null)[] | undefined;
  /** The outcome of each row; undefined without a label column. */
  readonly labels: Uint8Array | undefined;
}

/**
 * Returns the features of all rows. Cells are bound by column name, in any
 * order. The columns of a recipe step are derived from its raw column, as by
 * `pandas.get_dummies` followed by a reindex, or used unchanged if the row has
 * them already encoded; if a row has both, they must agree. A cell that is null
 * or absent counts as missing, and so does the recipe's missing value.
 *
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 *
 * const columns = [{ name: "spend", type: "double" }, { name: "brand_US", type: "boolean" }];
 * const step = { column: "brand", prefix: "brand_", categories: ["US"], unknownLimit: 0.5 };
 * const recipe = { steps: [], oneHot: [step], missingValue: -999 };
 * const rows = [
 *   { number: 1, line: 1, value: { brand: "US", spend: null } },
 *   { number: 2, line: 2, value: { brand_US: false, spend: -999 } },
 * ];
 * const { matrix } = toFeatures(rows, { columns, recipe, idColumn: "player_id", file: "x" });
 * deepStrictEqual(matrix, new Float32Array([NaN, 1, NaN, 0]));
 * ```
 *
 * @throws {InputError} If a value has the wrong type (names row, line and column), no row has a column of the model, a raw column contradicts its encoded columns, or too many categories are unknown.
 */
export function toFeatures(
  rows: Iterable<InputRow>,
  options: FeatureOptions,
): Features {
  const encoder = new RowEncoder(options);
  const { file } = options;
  for (const { number, line, value } of rows) {
    encoder.add(value, { file, row: number, line });
  }
  const { matrix, rows: count, ids, labels, counts } = encoder.finish();
  return {
    matrix,
    rows: count,
    ids: ids && counts.withId > 0 ? unpack(ids) : undefined,
    labels,
    ...conclude(counts, options),
  };
}

/** Returns the counts of two blocks of a file together. */
export function mergeCounts(a: RowCounts, b: RowCounts): RowCounts {
  const unseen = { ...a.unseen };
  for (const [column, count] of Object.entries(b.unseen)) {
    unseen[column] = (unseen[column] ?? 0) + count;
  }
  return {
    rows: a.rows + b.rows,
    absent: a.absent.map((count, index) => count + b.absent[index]!),
    filled: a.filled.map((filled, index) => filled || b.filled[index]!),
    unseen,
    steps: a.steps.map((step, index) => mergeSteps(step, b.steps[index]!)),
    maps: a.maps.map((map, index) => mergeUnknown(map, b.maps[index]!)),
    extra: [...new Set([...a.extra, ...b.extra])],
    withId: a.withId + b.withId,
    named: a.named + b.named,
  };
}

function mergeUnknown(a: UnknownCounts, b: UnknownCounts): UnknownCounts {
  const texts = new Set([...a.unknownTexts, ...b.unknownTexts]);
  return {
    unknown: a.unknown + b.unknown,
    unknownTexts: [...texts].slice(0, 3),
  };
}

function mergeSteps(a: StepCounts, b: StepCounts): StepCounts {
  return {
    ...mergeUnknown(a, b),
    anyRaw: a.anyRaw || b.anyRaw,
    absentRows: a.absentRows + b.absentRows,
    lacksRaw: a.lacksRaw || b.lacksRaw,
  };
}

/**
 * Returns the raw columns because of which a file must be encoded again: some
 * block lacked them and took its rows for encoded ones, but another block has
 * them. Empty in the usual case.
 */
export function rawColumnsMissed(
  counts: RowCounts,
  { recipe }: Pick<FeatureOptions, "recipe">,
): string[] {
  return recipe.oneHot.filter((_, index) => {
    const { anyRaw, lacksRaw } = counts.steps[index]!;
    return anyRaw && lacksRaw;
  }).map(({ column }) => column);
}

/**
 * Returns the findings over all rows of a file.
 *
 * @throws {InputError} If no row has a column of the model, or too many categories are unknown.
 */
export function conclude(
  counts: RowCounts,
  options: FeatureOptions,
): RowFindings {
  const { columns, recipe } = options;
  const steps = recipe.oneHot.map((step, index) => ({
    ...step,
    ...counts.steps[index]!,
  }));
  const maps = recipe.steps.filter((step) => step.kind === "map")
    .map(({ column, unknownLimit }, index) => ({
      column,
      unknownLimit,
      ...counts.maps[index]!,
    }));
  const excess = [
    ...maps.map((map) => ({ ...map, lack: "that its map step does not list" })),
    ...steps.map((step) => ({
      ...step,
      lack: "that the model was not trained on",
    })),
  ].find(({ unknown, unknownLimit }) => unknown > counts.rows * unknownLimit);
  if (excess) throw unknownCategories(excess, counts, options);
  const unknown = new Map(Object.entries(counts.unseen));
  for (const step of [...maps, ...steps]) {
    if (step.unknown === 0) continue;
    unknown.set(step.column, (unknown.get(step.column) ?? 0) + step.unknown);
  }
  const lost = columns.filter((_, index) =>
    counts.absent[index] === counts.rows
  );
  if (lost.length > 0) throw missingColumns(lost, counts, options);
  return {
    extraColumns: counts.extra.toSorted(),
    unknownCategories: Object.fromEntries(unknown),
    absentCells: Object.fromEntries([
      ...steps.filter(({ anyRaw, absentRows }) => anyRaw && absentRows > 0)
        .map(({ column, absentRows }): [string, number] => [
          column,
          absentRows,
        ]),
      ...columns.flatMap(({ name }, index): [string, number][] => {
        const count = counts.absent[index]!;
        return count > 0 ? [[name, count]] : [];
      }),
    ]),
    emptyColumns: columns.filter((_, index) => !counts.filled[index]).map((
      { name },
    ) => name),
  };
}

/**
 * Returns the rows as plain objects with the model's column names, in the
 * model's order, for an input example. The rows are those after the recipe's
 * steps (`prepareRows`). The columns of a recipe step are encoded
 * from its raw column, and booleans and numbers are converted to the type of
 * their column. A missing cell is null.
 *
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 *
 * const step = { column: "brand", prefix: "brand_", categories: ["US"], unknownLimit: 0.5 };
 * const columns = [{ name: "vip", type: "boolean" }, { name: "brand_US", type: "boolean" }];
 * const rows = [{ number: 1, line: 1, value: { brand: "US", vip: 1 } }];
 * const recipe = { steps: [], oneHot: [step], missingValue: undefined };
 * deepStrictEqual(toModelRows(rows, { columns, recipe }), [{ vip: true, brand_US: true }]);
 * ```
 */
export function toModelRows(
  rows: readonly InputRow[],
  options: Pick<FeatureOptions, "columns" | "recipe">,
): Record<string, unknown>[] {
  const groups = toGroups(options);
  return rows.map(({ value }) => {
    const cells = options.columns.map((column, index): [string, unknown] => {
      const cell = cellOf(value, column.name);
      const group = groups.find(({ positions }) => positions.includes(index));
      const raw = group && cellOf(value, group.step.column);
      const fill = group?.defaults[group.positions.indexOf(index)];
      if (fill !== undefined && raw === undefined && isMissing(cell)) {
        return [column.name, toTyped(fill, column)];
      }
      if (cell !== undefined || group === undefined) {
        return [column.name, toTyped(cell ?? null, column)];
      }
      const found = group.find(raw ?? null);
      const isSet = group.positions[found ?? -1] === index;
      return [column.name, toTyped(isSet, column)];
    });
    return Object.fromEntries(cells);
  });
}

const numberTypes = ["double", "float", "long", "integer"];

/** Converts booleans in a numeric column to 1 and 0, and 1 and 0 in a boolean column to booleans, so that a frame has the model's types. Labels are unchanged. */
function toTyped(cell: unknown, { type, labels }: Column): unknown {
  if (labels !== undefined) return cell;
  if (type === "boolean") return cell === 1 || cell === 0 ? cell === 1 : cell;
  return typeof cell === "boolean" && numberTypes.includes(type)
    ? Number(cell)
    : cell;
}

/** Returns the error for columns of the model that all rows lack, at least one; names what the recipe makes them from. */
export function missingColumns(
  lost: readonly Column[],
  { rows }: Pick<RowCounts, "rows">,
  { file, recipe }: Pick<FeatureOptions, "file" | "recipe">,
): InputError {
  const [first] = lost;
  const names = listSome(lost.map(({ name }) => `"${name}"`), 5);
  const step = recipe.oneHot.find(({ prefix }) =>
    first!.name.startsWith(prefix)
  );
  return new InputError(
    `Cannot use ${file}: ${lost.length === 1 ? "column" : "columns"} ${names} ${
      lost.length === 1 ? "is" : "are"
    } missing in all ${rows} rows ` +
      `(a value that is not known is null, but the column must be there)` +
      (step === undefined
        ? describeSources(first!.name, recipe)
        : `; if ${
          lost.length === 1 ? "it is a category" : "they are categories"
        } of "${step.column}", bring that column, or list it under "categories" of its recipe step or under a default step in variants.yaml and log the model again`),
  );
}

/** Returns which columns of the file the recipe's steps make a column from; nothing if it is the file's own. */
function describeSources(name: string, { steps }: Recipe): string {
  const { sourcesOf } = traceSteps(steps);
  const own = sourcesOf(name);
  // A rename also leaves a column alone that has the new name already.
  const sources = own.length > 1 ? own.filter((each) => each !== name) : own;
  if (sources.length === 1 && sources[0] === name) return "";
  return `; the recipe makes "${name}" from ${
    sources.map((source) => `"${source}"`).join(" and ")
  }, so bring ${
    sources.length === 1 ? "that column" : "these columns"
  }, or declare a default step in variants.yaml and log the model again`;
}

function unknownCategories(
  step: UnknownCounts & { column: string; unknownLimit: number; lack: string },
  { rows }: RowCounts,
  { file }: FeatureOptions,
): InputError {
  const { unknown, unknownTexts } = step;
  const share = (part: number) => `${Math.round(part * 1000) / 10} %`;
  return new InputError(
    `Cannot use ${file}: ${unknown} of ${rows} rows (${
      share(unknown / rows)
    }) have a value in "${step.column}" ${step.lack} (${
      [...unknownTexts].join(", ")
    }), the limit is ${share(step.unknownLimit)}; correct the data, ` +
      `or raise "unknown" of that recipe step in variants.yaml (none: no limit)`,
  );
}
