/**
 * The feature recipe converts users' rows to the columns that a model was
 * trained on. `variants.yaml` declares it, `log-model` resolves it to exact
 * columns and records it with the version, and `predict` uses the recorded
 * recipe.
 */
import { digestOf } from "../base/digest.ts";
import { InputError } from "../base/errors.ts";
import * as v from "../base/schema.ts";
import { openCategories } from "./categories.ts";
import {
  inputsOf,
  outputsOf,
  recordedStep,
  type Step,
  type StepValue,
  toRecordedStep,
} from "./steps.ts";

/** One raw column of categories that `pandas.get_dummies` converted to one column per category. */
export interface OneHot {
  /** The raw column. */
  readonly column: string;
  /** Prefix of the model's column names; the category follows it. */
  readonly prefix: string;
  /**
   * The categories, as spelled in the model's column names. The first one may
   * have no column, as after `get_dummies(drop_first=True)`. Undefined until
   * {@linkcode resolveRecipe} has found them.
   */
  readonly categories: readonly string[] | undefined;
  /** Largest share of rows, 0 to 1, whose category may be unknown. */
  readonly unknownLimit: number;
}

/** All steps of a recipe; a column without a step is passed through. */
export interface Recipe {
  /** Applied to each row in this order, before `oneHot`. */
  readonly steps: readonly Step[];
  readonly oneHot: readonly OneHot[];
  /** The number that means "missing" in addition to null and NaN (XGBoost's `DMatrix(missing=…)`); undefined when there is none. */
  readonly missingValue: number | undefined;
}

/** A recipe without steps: every column is passed through. */
export const plainRecipe: Recipe = {
  steps: [],
  oneHot: [],
  missingValue: undefined,
};

/** The share of unknown categories above which a file is rejected, unless `unknown` overrides it. */
export const defaultUnknownLimit = 0.5;

const recordedRecipe = v.mapping({
  one_hot: v.array(
    v.mapping({
      column: v.string(),
      prefix: v.string(),
      categories: v.array(v.string()),
    }),
  ),
  missing_value: v.exactOptional(v.number()),
  steps: v.exactOptional(v.array(recordedStep)),
});

/** A recipe as JSON, without its limits: what is recorded with a model version. Without steps, the key is absent, as in the recipes of earlier releases. */
export type RecordedRecipe = v.InferOutput<typeof recordedRecipe>;

/** Returns the recorded form of a recipe. A step without categories is recorded with an empty list. */
export function toRecorded(
  { steps, oneHot, missingValue }: Recipe,
): RecordedRecipe {
  return {
    one_hot: oneHot.map(({ column, prefix, categories = [] }) => ({
      column,
      prefix,
      categories: [...categories],
    })),
    ...(missingValue === undefined ? {} : { missing_value: missingValue }),
    ...(steps.length === 0 ? {} : { steps: steps.map(toRecordedStep) }),
  };
}

/**
 * Reads a recorded recipe.
 *
 * @throws {InputError} If the value does not have the form that {@linkcode toRecorded} returns. A key or a step that this release does not know is an error, because rows would be encoded without it.
 */
export function parseRecorded(value: unknown): RecordedRecipe {
  const file = "the recipe recorded with the model";
  return v.validate(recordedRecipe, value, { file });
}

/** Returns the SHA-256 of a recipe's effect on rows; limits are not part of it. */
export function digestRecipe(recipe: Recipe): string {
  return digestOf(toRecorded(recipe));
}

/**
 * Returns a recorded recipe with the current limits, which `variants.yaml`
 * declares per raw column.
 */
export function fromRecorded(
  recorded: RecordedRecipe,
  declared: Recipe,
): Recipe {
  const limitOf = (column: string) =>
    declared.oneHot.find((step) => step.column === column)?.unknownLimit ??
      defaultUnknownLimit;
  const mapLimitOf = (column: string, to: string) =>
    declared.steps.filter((step) => step.kind === "map")
      .find((step) => step.column === column && step.to === to)
      ?.unknownLimit ?? defaultUnknownLimit;
  return {
    steps: (recorded.steps ?? []).map((step) =>
      step.kind === "map"
        ? { ...step, unknownLimit: mapLimitOf(step.column, step.to) }
        : step
    ),
    oneHot: recorded.one_hot.map((step) => ({
      ...step,
      unknownLimit: limitOf(step.column),
    })),
    missingValue: recorded.missing_value,
  };
}

/** Returns true if `variants.yaml` declares a different encoding from the recorded one; categories are compared only if they are declared. */
export function differsFrom(
  recorded: RecordedRecipe,
  declared: Recipe,
): boolean {
  const { steps, oneHot, missingValue } = declared;
  return recorded.missing_value !== missingValue ||
    digestOf(recorded.steps ?? []) !== digestOf(steps.map(toRecordedStep)) ||
    recorded.one_hot.length !== oneHot.length ||
    recorded.one_hot.some(({ column, prefix, categories }, index) => {
      const step = oneHot[index]!;
      return step.column !== column || step.prefix !== prefix ||
        (step.categories !== undefined &&
          step.categories.join("\0") !== categories.join("\0"));
    });
}

/** The data that shows which of a model's columns are categories. */
export interface RecipeEvidence {
  /** The model's columns with MLflow's type of each. */
  readonly columns: readonly { readonly name: string; readonly type: string }[];
  /** Rows after the recipe's steps, raw or encoded; may be empty. */
  readonly rows: readonly Readonly<Record<string, unknown>>[];
}

/**
 * Returns the recipe with the categories of each step. Declared categories are
 * used unchanged. Otherwise a model column that begins with the prefix is a
 * category if
 *
 * - its type is `boolean`, or the raw column contains its category in some row,
 *   and
 * - no row contradicts it: it agrees with the raw column, and in a row without
 *   the raw column at most one column of the step is true.
 *
 * Any other column that begins with the prefix is an ordinary column, which
 * files must contain themselves.
 *
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 *
 * const step = { column: "brand", prefix: "brand_", categories: undefined, unknownLimit: 0.5 };
 * const columns = [{ name: "brand_US", type: "boolean" }, { name: "brand_count", type: "double" }];
 * const recipe = resolveRecipe({ ...plainRecipe, oneHot: [step] }, { columns, rows: [] });
 * deepStrictEqual(recipe.oneHot[0]?.categories, ["US"]);
 * ```
 */
export function resolveRecipe(
  recipe: Recipe,
  evidence: RecipeEvidence,
): Recipe {
  const { oneHot } = recipe;
  return {
    ...recipe,
    oneHot: oneHot.map((step) => ({
      ...step,
      categories: step.categories ?? findCategories(step, {
        ...evidence,
        isOwn: (name) => longestPrefix(oneHot, name) === step.prefix,
      }),
    })),
  };
}

/** Returns the longest prefix that a column's name begins with: of `brand_` and `brand_id_`, the second for `brand_id_NJ`. */
function longestPrefix(steps: readonly OneHot[], name: string): string {
  return steps.map(({ prefix }) => prefix)
    .filter((prefix) => name.startsWith(prefix))
    .reduce(
      (longest, prefix) => prefix.length > longest.length ? prefix : longest,
      "",
    );
}

function findCategories(
  step: OneHot,
  { columns, rows, isOwn }: RecipeEvidence & {
    isOwn: (name: string) => boolean;
  },
): string[] {
  const candidates = columns.filter(({ name }) => isOwn(name)).map((
    { name, type },
  ) => ({ type, name, category: name.slice(step.prefix.length) }));
  const find = openCategories(candidates.map(({ category }) => category));
  const proven = new Set<number>();
  const refuted = new Set<number>();
  candidates.forEach(({ type }, index) => {
    if (type === "boolean") proven.add(index);
  });
  const isTrue = (cell: unknown) => cell === true || cell === 1;
  for (const row of rows) {
    const raw = Object.hasOwn(row, step.column) ? row[step.column] : undefined;
    if (raw !== undefined) {
      const found = find(raw) ?? -1;
      if (found >= 0) proven.add(found);
      candidates.forEach(({ name }, index) => {
        const cell = Object.hasOwn(row, name)
          ? row[name] ?? undefined
          : undefined;
        if (cell !== undefined && isTrue(cell) !== (index === found)) {
          refuted.add(index);
        }
      });
      continue;
    }
    const set = candidates.flatMap(({ name }, index) =>
      Object.hasOwn(row, name) && isTrue(row[name]) ? [index] : []
    );
    if (set.length > 1) set.forEach((index) => refuted.add(index));
  }
  return candidates.filter((_, index) =>
    proven.has(index) && !refuted.has(index)
  ).map(({ category }) => category);
}

/** Tells whether a column is a category's; before the categories are known, whether it may be one. */
export function isOneHotColumn({ oneHot }: Recipe, name: string): boolean {
  return oneHot.some(({ prefix, categories }) =>
    name.startsWith(prefix) &&
    (categories?.includes(name.slice(prefix.length)) ?? true)
  );
}

/** Returns the default of a column; undefined if it has none. */
export function defaultOf(
  { steps }: Recipe,
  column: string,
): StepValue | undefined {
  for (const step of steps) {
    if (step.kind === "default" && Object.hasOwn(step.values, column)) {
      return step.values[column];
    }
  }
  return undefined;
}

/**
 * Checks the steps of a resolved recipe.
 *
 * @param wanted The names of the model's columns, the player id and the outcome.
 * @throws {InputError} If a step sets a column that nothing uses, which is a misspelled name, or works on a column that `one_hot` makes.
 */
export function checkSteps(recipe: Recipe, wanted: readonly string[]): void {
  const { steps, oneHot } = recipe;
  const used = new Set([...wanted, ...oneHot.map(({ column }) => column)]);
  // From the last step to the first: a column is used if a later step reads it.
  steps.toReversed().forEach((step, back) => {
    const name = `recipe.steps[${steps.length - 1 - back}] (${step.kind})`;
    const outputs = outputsOf(step);
    const inputs = inputsOf(step);
    const unused = outputs.find((column) => !used.has(column));
    if (unused !== undefined) {
      throw new InputError(
        `Cannot use ${name} in variants.yaml: it sets "${unused}", which the model does not have and no later step reads; ` +
          `correct the name, or remove the step`,
      );
    }
    const made = [...inputs, ...outputs].find((column) =>
      isOneHotColumn(recipe, column)
    );
    if (made !== undefined && step.kind !== "default") {
      throw new InputError(
        `Cannot use ${name} in variants.yaml: it works on "${made}", which one_hot makes after all steps; ` +
          `only a default may name such a column`,
      );
    }
    if (step.kind !== "default") outputs.forEach((to) => used.delete(to));
    for (const column of inputs) used.add(column);
  });
}
