/** The schema of `recipe` in `variants.yaml`: a closed list of steps, without expressions. */
import * as v from "../base/schema.ts";
import { defaultUnknownLimit, type OneHot } from "../rows/recipe.ts";
import { type Step, stepKinds } from "../rows/steps.ts";

const quoted = 'a string (put quotes around words like NO, "007" and numbers)';
/** The schema of a text that is not empty. */
export const text = v.pipe(v.string(quoted), v.minLength(1, quoted));
const column = "the name of a column";
/** The schema of a number. */
export const finiteNumber = v.pipe(v.number(), v.finite("a number"));
const share = "error, none, or a share from 0 to 1";

/** The schema of the name of a column. */
export const columnName = v.pipe(v.string(column), v.minLength(1, column));

/** Returns the schema of the name of a column. */
function columnKey(words: string) {
  return v.pipe(columnName, v.description(words));
}

const limit = v.pipe(
  v.union([
    v.literal("error"),
    v.literal("none"),
    v.pipe(v.number(), v.minValue(0, share), v.maxValue(1, share)),
  ], share),
  v.transform((limit) => limit === "error" ? 0 : limit === "none" ? 1 : limit),
);

const oneHot = v.pipe(
  v.mapping({
    column: columnKey("The raw column."),
    prefix: v.optionalKey(
      text,
      "How the names of the model's columns begin; the category follows. By default the raw column and an underscore.",
    ),
    categories: v.optionalKey(
      v.pipe(
        v.array(text),
        v.minLength(1, "a list of categories"),
        v.checkItems(
          (item, index, all) => all.indexOf(item) === index,
          "part of a list without repeats",
        ),
      ),
      "Exactly these categories, spelled as in the names of the model's columns; the first may have no column (get_dummies with drop_first=True). By default log-model finds them.",
    ),
    unknown: v.optionalKey(
      limit,
      `Maximum share of rows with a category that has no column in the model: 0 to 1, error (0) or none (no limit). By default ${defaultUnknownLimit}.`,
    ),
  }),
  v.transform(({ column, prefix, categories, unknown }): OneHot => ({
    column,
    prefix: prefix ?? `${column}_`,
    categories,
    unknownLimit: unknown ?? defaultUnknownLimit,
  })),
);

/** Returns the schema of a mapping by name with at least one entry. */
function byName<Value extends v.GenericSchema>(value: Value, noun: string) {
  return v.pipe(v.record(value, noun), v.minEntries(1, noun));
}

const stepValue = v.union(
  [v.pipe(v.number(), v.finite("a number")), v.boolean(), v.string()],
  "a number, a string, true or false",
);

const number = columnKey("The column of numbers.");
const target = v.optionalKey(
  columnName,
  "The column that receives the result. By default the column itself.",
);

/** Returns the schema of a step that is written as its value below its name. */
function stepKey<Schema extends v.GenericSchema>(
  schema: Schema,
  toStep: (value: v.InferOutput<Schema>) => Step,
  words: string,
) {
  return v.optionalKey(v.pipe(schema, v.transform(toStep)), words);
}

const stepEntries = v.mapping({
  rename: stepKey(
    byName(columnName, "a mapping of old names to new ones"),
    (names) => ({ kind: "rename", names }),
    "Renames columns, as DataFrame.rename(columns=…): the new name by the old one.",
  ),
  default: stepKey(
    byName(stepValue, "a mapping of columns to values"),
    (values) => ({ kind: "default", values }),
    "The value of a column where it is missing or the file lacks it, as Series.fillna and DataFrame.reindex. For a one-hot column: in rows that are already encoded.",
  ),
  map: stepKey(
    v.mapping({
      column: columnKey("The column of labels."),
      to: target,
      values: v.pipe(
        byName(stepValue, "a mapping of labels to values"),
        v.description("The number or text for each label."),
      ),
      unknown: v.optionalKey(
        limit,
        `Maximum share of rows with a label that is not listed, which is then missing: 0 to 1, error (0) or none (no limit). By default ${defaultUnknownLimit}.`,
      ),
    }),
    ({ column, to = column, values, unknown = defaultUnknownLimit }) => (
      { kind: "map", column, to, values, unknownLimit: unknown }
    ),
    "Replaces labels, as Series.map with a dict: a label that is not listed becomes missing.",
  ),
  clip: stepKey(
    v.pipe(
      v.mapping({
        column: number,
        to: target,
        min: v.optionalKey(finiteNumber, "Smaller numbers become this one."),
        max: v.optionalKey(finiteNumber, "Larger numbers become this one."),
      }),
      v.check(
        ({ min, max }) =>
          (min !== undefined || max !== undefined) &&
          (min ?? -Infinity) <= (max ?? Infinity),
        "a mapping with min, max or both, min not above max",
      ),
    ),
    ({ column, to = column, min, max }) => ({
      kind: "clip",
      column,
      to,
      ...min === undefined ? {} : { min },
      ...max === undefined ? {} : { max },
    }),
    "Limits numbers, as Series.clip.",
  ),
  log1p: stepKey(
    v.mapping({ column: number, to: target }),
    ({ column, to = column }) => ({ kind: "log1p", column, to }),
    "The natural logarithm of 1 + x, as numpy.log1p.",
  ),
  ratio: stepKey(
    v.mapping({
      numerator: columnKey("The column that is divided."),
      denominator: columnKey(
        "The column by which it is divided; 0 makes the result missing.",
      ),
      to: columnKey("The column that receives the quotient."),
    }),
    (ratio) => ({ kind: "ratio", ...ratio }),
    "The quotient of two columns, as a / b.where(b != 0).",
  ),
  days_between: stepKey(
    v.mapping({
      start: columnKey("The column of the earlier dates."),
      end: columnKey("The column of the later dates."),
      to: columnKey("The column that receives the number of days."),
    }),
    (days) => ({ kind: "days_between", ...days }),
    "Whole days between two ISO dates or times, rounded down, as (end - start).dt.days.",
  ),
});

const oneStep = `a mapping with exactly one step (${stepKinds.join(", ")})`;

const step = v.pipe(
  stepEntries,
  v.minEntries(1, oneStep),
  v.maxEntries(1, oneStep),
  v.check(
    (entries) => Object.values(entries).every((own) => own !== undefined),
    oneStep,
  ),
  v.transform((entries) =>
    Object.values(entries).filter((own) => own !== undefined)
  ),
);

/** The schema of `recipe`. */
export const recipeSchema = v.mapping({
  steps: v.optionalKey(
    v.pipe(v.array(step), v.transform((steps) => steps.flat())),
    "What happens to each row, in this order, before the categories of one_hot become columns.",
  ),
  one_hot: v.optionalKey(
    v.array(oneHot),
    "The raw columns that become one column per category, as by pandas.get_dummies.",
  ),
});
