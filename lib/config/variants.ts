/** Parses `variants.yaml`, which lists the variants and their settings. */
import { UsageError } from "../base/errors.ts";
import { nearest } from "../base/nearest.ts";
import * as v from "../base/schema.ts";
import type { Recipe } from "../rows/recipe.ts";
import { commands } from "./commands.ts";
import {
  monitoringSchema,
  type MonitoringSettings,
  toMonitoring,
} from "./monitoring.ts";
import { type Names, namesSchema, toNames } from "./names.ts";
import { finiteNumber, recipeSchema, text } from "./recipe.ts";
import {
  type OutcomeSettings,
  outcomesSchema,
  toOutcomeSettings,
} from "./outcomes.ts";
import { type PathPattern, toPathPattern } from "./periods.ts";
import {
  commandFor,
  toVariant,
  type Variant,
  type VariantParts,
} from "./variant.ts";

/** Paths of a variant's files, below its prefix in the bucket. */
export interface VariantPaths {
  readonly model: string;
  readonly features: string;
  readonly sample: string;
  /** The labelled set; undefined when there is none. */
  readonly evaluation: string | undefined;
}

/** Thresholds that a candidate must meet against the champion before promotion is requested. */
export interface PromotionThresholds {
  /** Smallest gain in AUC; negative allows a loss. */
  readonly minAucGain: number;
  /** Largest rise of log loss, in nats. */
  readonly maxLogLossIncrease: number;
}

/** What a whole delivery of a period is. */
export interface Expectations {
  /** Days from the newest period's first day until the next one is overdue; undefined: no limit. */
  readonly maxAgeDays: number | undefined;
  /** Fewest rows of a period. */
  readonly minRows: number;
  /** Largest relative change of the rows against the median of earlier periods, from 0 to 1, such as 0.5; undefined: no limit. */
  readonly rowsChange: number | undefined;
  /** The side file with a period's rows and SHA-256, which every period must have; undefined: it is read where it exists. */
  readonly manifest: PathPattern | undefined;
}

/** One variant with all its settings in `variants.yaml`. */
export interface VariantSettings {
  readonly variant: Variant;
  readonly files: VariantPaths;
  /** The files that `predict` scores, below the variant's prefix; undefined: weekly files where there are any, otherwise the sample. */
  readonly inputs: PathPattern | undefined;
  readonly expect: Expectations;
  /** Column of the labelled set that holds the outcome, 0 or 1. */
  readonly label: string;
  /** Column that identifies the player, or what else a row is about, and is stored with the score; undefined when the variant declares none. */
  readonly idColumn: string | undefined;
  /** What the variant calls its rows, its outcome and its scores. */
  readonly names: Names;
  /** Where matured outcomes are; undefined when only flags name them. */
  readonly outcomes: OutcomeSettings | undefined;
  readonly recipe: Recipe;
  /** The model that `predict` uses unless a flag overrides it. */
  readonly modelUri: string;
  /** Alias or version of the registered model that `monitor` measures beside the version that scored; undefined for none. */
  readonly challenger: string | undefined;
  readonly promotion: PromotionThresholds;
  readonly monitoring: MonitoringSettings;
  /** The class of an ONNX classifier whose probability is the score; undefined when the model's classes 0 and 1 determine it. */
  readonly positiveClass: string | undefined;
  /** `probability` when an ONNX graph returns one but its nodes do not show it. */
  readonly modelOutput: "probability" | undefined;
}

/** The contents of `variants.yaml`: the listed variants in order, and the defaults for all others. */
export interface Variants {
  readonly listed: readonly VariantSettings[];
  /** Returns the settings of any valid variant; a listed variant's spelling takes precedence over the flag's. */
  settings(parts: SelectingParts): VariantSettings;
  /** Names of the dimensions besides geography and company. */
  readonly dimensions: readonly string[];
}

/** The parts that select a variant. */
export type SelectingParts = Pick<
  VariantParts,
  "geography" | "company" | "dimensions"
>;

const file = "variants.yaml";

const label = "a string, a whole number, true or false";
const shareOfRows = "a share from 0 to 1, such as 0.5 for 50 %";

/** The keys of an entry of `variants`, which are also the keys of the top level. */
const entryKeys = {
  geography: v.optionalKey(
    text,
    "The variant's geography, such as US. Tags and tables use this spelling.",
  ),
  company: v.optionalKey(
    text,
    "The variant's company, such as ClientB. Tags and tables use this spelling.",
  ),
  experiment: v.optionalKey(
    text,
    "Name of an existing experiment. By default derived from geography and company.",
  ),
  model_name: v.optionalKey(
    text,
    "Name of an existing registered model. By default derived from geography and company.",
  ),
  model_uri: v.optionalKey(
    text,
    "The model that predict uses, such as models:/NAME@challenger. By default the registered model's version in Production.",
  ),
  challenger: v.optionalKey(
    text,
    "Alias or version of the registered model that monitor measures on the same outcomes beside the version that scored, such as challenger. By default none.",
  ),
  files: v.optionalKey(
    v.mapping({
      model: v.optionalKey(text, "The model file."),
      features: v.optionalKey(
        text,
        "A JSON array of the model's feature names, in its order.",
      ),
      sample: v.optionalKey(
        text,
        "Rows as users send them; log-model takes the types and the input example from them.",
      ),
      evaluation: v.optionalKey(
        text,
        "Labelled rows; without them there are no metrics.",
      ),
    }),
    "Paths below the variant's prefix: geography-us/models/churn/… in a bucket, models/geography-us/churn/… in this repository.",
  ),
  inputs: v.optionalKey(
    text,
    "The files that predict scores: a key, prefix or pattern below the variant's prefix, with {period} in it, such as data/churn/weekly/{period}/*.parquet. All files of a period are one batch; a period is a day (2026-11-23) or an ISO week (2026-W48). By default data/churn/weekly/{period}.jsonl, and where there is no such file, the sample.",
  ),
  expect: v.optionalKey(
    v.mapping({
      max_age_days: v.optionalKey(
        v.pipe(v.number(), v.minValue(0, "0 or more days")),
        "The newest period is overdue when its first day is more days ago. By default there is no limit.",
      ),
      min_rows: v.optionalKey(
        v.pipe(
          v.number(),
          v.safeInteger("a whole number of rows"),
          v.minValue(0, "0 or more rows"),
        ),
        "Fewest rows of a period; one with fewer is incomplete. By default 1.",
      ),
      rows_change: v.optionalKey(
        v.pipe(
          v.number(),
          v.minValue(0, shareOfRows),
          v.maxValue(1, shareOfRows),
        ),
        "Largest relative change of a period's rows against the median of the earlier periods, such as 0.5; a period that shrank more is incomplete. By default there is no limit.",
      ),
      manifest: v.optionalKey(
        text,
        'The side file that every period must have, with {period} in it: JSON such as {"rows": 400, "sha256": "…"}. By default PERIOD.manifest.json beside the period is read if it exists.',
      ),
    }),
    "What a whole period is. predict reports a period that is not as overdue or incomplete.",
  ),
  label: v.optionalKey(
    text,
    "Column of the evaluation set: 1 if the outcome happened (the player churned), otherwise 0. By default churned.",
  ),
  id_column: v.optionalKey(
    text,
    "Column with the player's id, stored with the score and never used as a feature. By default player_id; none means that the rows have no id.",
  ),
  names: v.optionalKey(
    namesSchema,
    "What messages, pages and output files call the rows, the outcome and the scores. By default players, churn and churn probability.",
  ),
  outcomes: v.optionalKey(
    outcomesSchema,
    "Where matured outcomes are; monitor then measures every period whose outcomes are known.",
  ),
  missing_value: v.optionalKey(
    finiteNumber,
    "A number that means missing in the model's columns, in addition to null, as in XGBoost's DMatrix(missing=-999).",
  ),
  recipe: v.optionalKey(
    recipeSchema,
    "How raw columns are converted to the model's columns, as pandas did for training.",
  ),
  promotion: v.optionalKey(
    v.mapping({
      min_auc_gain: v.optionalKey(
        finiteNumber,
        "Smallest gain in AUC; negative allows a loss. By default 0.",
      ),
      max_log_loss_increase: v.optionalKey(
        finiteNumber,
        "Largest rise of log loss, in nats. By default 0.",
      ),
    }),
    "What a retrained candidate must reach against the champion on the evaluation set to be proposed for promotion.",
  ),
  monitoring: v.optionalKey(
    monitoringSchema,
    "How monitor judges a period, and when it advises retraining.",
  ),
  positive_class: v.optionalKey(
    v.union(
      [v.boolean(), v.pipe(v.number(), v.safeInteger(label)), text],
      label,
    ),
    "For ONNX models: the class whose probability is the score, if the classes are not 0 and 1 or false and true.",
  ),
  model_output: v.optionalKey(
    v.literal("probability", '"probability", or left out'),
    "For ONNX models: probability, if the graph returns one but does not show it.",
  ),
};

/** One entry of `variants`: its own settings, which replace those of the top level. */
const variantEntry = v.mapping({
  ...entryKeys,
  dimensions: v.optionalKey(
    v.record(text),
    "The variant's values of the declared dimensions, such as { brand: NJ }. Tags use this spelling.",
  ),
});

/** The flags of all commands, which a dimension's flag would hide. */
const flagNames = [
  ...commands.flatMap(({ flags }) => Object.keys(flags)),
  ...["help", "version"],
];

/** Tags, columns and names of a variant, for which a dimension would be taken. */
const tagNames = [
  "company_id",
  "experiment",
  "geography_id",
  "training_date",
  "training_date_source",
];

const dimensionName =
  'a name such as brand: lowercase letters, digits, "_" and "-", and not the name of a flag or tag';

/** The schema of the names of dimensions. */
const dimensionNames = v.pipe(
  v.array(
    v.pipe(
      v.string(dimensionName),
      v.regex(/^[a-z][a-z0-9_-]{0,31}$/, dimensionName),
      v.check(
        (name) => ![...flagNames, ...tagNames].includes(name),
        dimensionName,
      ),
    ),
  ),
  v.checkItems(
    (item, index, all) => all.indexOf(item) === index,
    "part of a list without repeats",
  ),
);

/** The schema of the whole file; `variants.schema.json` is generated from it. */
export const variantsFile = v.mapping({
  ...entryKeys,
  dimensions: v.optionalKey(
    dimensionNames,
    "Names of parts of a variant besides geography and company, in the order in which its names have them, such as [brand]. A variant has its values in dimensions, and commands get the flag --brand.",
  ),
  variants: v.pipe(
    v.array(variantEntry),
    v.description(
      "The variants that the schedule, the matrix and --all run, in this order. An entry's settings replace those of the top level.",
    ),
  ),
});

/**
 * Returns the variants of a parsed `variants.yaml`. Each entry inherits the
 * top-level settings and may override any of them.
 *
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 *
 * const { listed } = toVariants({ variants: [{}, { geography: "US" }] });
 * deepStrictEqual(listed.map(({ variant }) => variant.key), ["base", "geography-us"]);
 * ```
 *
 * @throws {UsageError} If a key is unknown, a value has the wrong type, or two variants share a name.
 */
export function toVariants(value: unknown): Variants {
  const { variants, dimensions: names = [], ...defaults } = v.validate(
    variantsFile,
    value,
    { file, error: UsageError },
  );
  const listed = variants.map((entry) =>
    toSettings({
      ...defaults,
      ...entry,
      dimensions: inOrder(entry.dimensions, names),
    })
  );
  for (const name of ["key", "experiment", "modelName"] as const) {
    rejectShared(listed, name);
  }
  return {
    listed,
    dimensions: names,
    settings({ geography, company, ...parts }) {
      const dimensions = inOrder(parts.dimensions, names);
      const wanted = toVariant({ geography, company, dimensions });
      const known = listed.find(({ variant }) => variant.key === wanted.key);
      if (known) return known;
      const settings = toSettings({
        ...defaults,
        geography,
        company,
        dimensions,
      });
      for (const name of ["experiment", "modelName"] as const) {
        rejectShared([...listed, settings], name);
      }
      return settings;
    },
  };
}

/**
 * Returns the command line of a task for a registered model, with the flags of
 * the given variant or of the listed variant that the model belongs to.
 * Undefined when no known variant has a model of that name.
 */
export function commandForModel(
  variants: Variants,
  own: Variant,
  { task, model }: { task: string; model: string },
): string | undefined {
  const owner = [own, ...variants.listed.map(({ variant }) => variant)].find(
    ({ modelName }) => modelName === model,
  );
  return owner && commandFor(task, owner);
}

/**
 * Checks that the dimensions of a variant or a filter are declared.
 *
 * @param values By name.
 * @param names What `variants.yaml` declares.
 * @throws {UsageError} If one is not; names the nearest one that is.
 */
export function checkDeclared(
  values: Readonly<Record<string, string>>,
  names: readonly string[],
): void {
  const unknown = Object.keys(values).find((name) => !names.includes(name));
  if (unknown === undefined) return;
  const near = nearest(unknown, names);
  throw new UsageError(
    `Cannot use the dimension ${JSON.stringify(unknown)}${
      near === undefined ? ":" : `; did you mean ${JSON.stringify(near)}?`
    } "dimensions" in ${file} declares ${names.join(", ") || "none"}`,
  );
}

/** Returns values of dimensions in the order of their declaration. @throws {UsageError} If one is not declared. */
function inOrder(
  values: Readonly<Record<string, string>> = {},
  names: readonly string[],
): Record<string, string> {
  checkDeclared(values, names);
  return Object.fromEntries(
    names.flatMap((name) =>
      Object.hasOwn(values, name) ? [[name, values[name]!]] : []
    ),
  );
}

function toSettings(
  entry: v.InferOutput<typeof variantEntry>,
): VariantSettings {
  const { files, recipe, promotion, id_column: idColumn = "player_id" } = entry;
  const variant = toVariant({
    geography: entry.geography,
    company: entry.company,
    dimensions: entry.dimensions,
    experiment: entry.experiment,
    modelName: entry.model_name,
  });
  const columns = {
    label: entry.label ?? "churned",
    idColumn: idColumn === "none" ? undefined : idColumn,
  };
  const names = toNames(entry.names, columns.idColumn);
  const own = Object.values(names.columns);
  const taken = Object.keys(variant.dimensions).find((name) =>
    own.includes(`${name}_id`)
  );
  if (taken !== undefined) {
    throw new UsageError(
      `Cannot use the dimension "${taken}" in ${file}: output files would have two columns "${taken}_id"; choose another name`,
    );
  }
  return {
    variant,
    files: {
      model: files?.model ?? "models/churn/xgb_churn_model_2.bin",
      features: files?.features ?? "data/churn/feature_names_3.json",
      sample: files?.sample ?? "data/churn/X_test_sample_2.json",
      evaluation: files?.evaluation,
    },
    inputs: entry.inputs === undefined
      ? undefined
      : toPathPattern(entry.inputs, "inputs"),
    expect: toExpectations(entry),
    ...columns,
    names,
    outcomes: toOutcomeSettings(entry.outcomes, columns),
    recipe: {
      steps: recipe?.steps ?? [],
      oneHot: recipe?.one_hot ?? [],
      missingValue: entry.missing_value,
    },
    challenger: entry.challenger,
    modelUri: entry.model_uri ?? `models:/${variant.modelName}/Production`,
    promotion: {
      minAucGain: promotion?.min_auc_gain ?? 0,
      maxLogLossIncrease: promotion?.max_log_loss_increase ?? 0,
    },
    monitoring: toMonitoring(entry.monitoring),
    positiveClass: entry.positive_class?.toString(),
    modelOutput: entry.model_output,
  };
}

function toExpectations(
  { expect, inputs }: v.InferOutput<typeof variantEntry>,
): Expectations {
  const manifest = expect?.manifest === undefined
    ? undefined
    : toPathPattern(expect.manifest, "expect.manifest");
  if (manifest && !(manifest.hasPeriod && inputs?.includes("{period}"))) {
    throw new UsageError(
      `Cannot use expect.manifest ${
        JSON.stringify(manifest.text)
      } in ${file}: it and "inputs" must have {period} in them`,
    );
  }
  return {
    maxAgeDays: expect?.max_age_days,
    minRows: expect?.min_rows ?? 1,
    rowsChange: expect?.rows_change,
    manifest,
  };
}

function rejectShared(
  all: readonly VariantSettings[],
  name: "key" | "experiment" | "modelName",
): void {
  const seen = new Map<string, Variant>();
  for (const { variant } of all) {
    const other = seen.get(variant[name]);
    if (other) {
      throw new UsageError(
        `Cannot tell variants apart: ${other.title} and ${variant.title} share the ${name} ` +
          `"${
            variant[name]
          }"; set "model_name" and "experiment" of one of them in ${file}`,
      );
    }
    seen.set(variant[name], variant);
  }
}
