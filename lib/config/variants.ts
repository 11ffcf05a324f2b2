/** Parses `variants.yaml`, which lists the variants and their settings. */
import { UsageError } from "../base/errors.ts";
import {
  defaultUnknownLimit,
  type OneHot,
  type Recipe,
} from "../rows/recipe.ts";
import { toVariant, type Variant } from "./variant.ts";

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

/** One variant with all its settings in `variants.yaml`. */
export interface VariantSettings {
  readonly variant: Variant;
  readonly files: VariantPaths;
  /** Column of the labelled set that holds the outcome, 0 or 1. */
  readonly label: string;
  /** Column that identifies the player and is stored with the score; undefined when the variant declares none. */
  readonly idColumn: string | undefined;
  readonly recipe: Recipe;
  /** The model that `predict` uses unless a flag overrides it. */
  readonly modelUri: string;
  readonly promotion: PromotionThresholds;
  /** The class of an ONNX classifier whose probability is the score; undefined when the model's classes 0 and 1 determine it. */
  readonly positiveClass: string | undefined;
  /** `probability` when an ONNX graph returns one but its nodes do not show it. */
  readonly modelOutput: "probability" | undefined;
}

/** The contents of `variants.yaml`: the listed variants in order, and the defaults for all others. */
export interface Variants {
  readonly listed: readonly VariantSettings[];
  /** Returns the settings of any valid variant; a listed variant's spelling takes precedence over the flag's. */
  settings(
    parts: { geography?: string | undefined; company?: string | undefined },
  ): VariantSettings;
}

type Json = Record<string, unknown>;
const file = "variants.yaml";

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
  const { variants, ...defaults } = asObject(value, file);
  if (!Array.isArray(variants)) throw wrong("variants", "a list", variants);
  const listed = variants.map((entry, index) => {
    const at = `variants[${index}]`;
    return toSettings({ ...defaults, ...asObject(entry, at) }, at);
  });
  for (const name of ["key", "experiment", "modelName"] as const) {
    refuseShared(listed, name);
  }
  return {
    listed,
    settings(parts) {
      const asked = toVariant(parts);
      const known = listed.find(({ variant }) => variant.key === asked.key);
      const { geography, company } = parts;
      const settings = known ??
        toSettings({ ...defaults, geography, company }, "defaults");
      if (!known) {
        for (const name of ["experiment", "modelName"] as const) {
          refuseShared([...listed, settings], name);
        }
      }
      return settings;
    },
  };
}

/** The valid keys of an entry and of its mappings. Unknown keys are rejected. */
const knownKeys = {
  entry: [
    "geography",
    "company",
    "experiment",
    "model_name",
    "model_uri",
    "files",
    "label",
    "id_column",
    "missing_value",
    "recipe",
    "promotion",
    "positive_class",
    "model_output",
  ],
  files: ["model", "features", "sample", "evaluation"],
  recipe: ["one_hot"],
  oneHot: ["column", "prefix", "categories", "unknown"],
  promotion: ["min_auc_gain", "max_log_loss_increase"],
} as const;

function toSettings(entry: Json, at: string): VariantSettings {
  refuseUnknown(entry, { kind: "entry", at });
  const modelName = asText(entry.model_name, `${at}.model_name`);
  const variant = toVariant({
    geography: asText(entry.geography, `${at}.geography`),
    company: asText(entry.company, `${at}.company`),
    experiment: asText(entry.experiment, `${at}.experiment`),
    modelName,
  });
  const promotion = asObject(entry.promotion ?? {}, `${at}.promotion`);
  refuseUnknown(promotion, { kind: "promotion", at: `${at}.promotion` });
  return {
    variant,
    files: toFiles(asObject(entry.files ?? {}, `${at}.files`), at),
    label: asText(entry.label, `${at}.label`) ?? "churned",
    idColumn: toIdColumn(entry.id_column, at),
    recipe: {
      ...toRecipe(entry.recipe, at),
      missingValue: asNumber(entry.missing_value, `${at}.missing_value`),
    },
    modelUri: asText(entry.model_uri, `${at}.model_uri`) ??
      `models:/${variant.modelName}/Production`,
    promotion: {
      minAucGain:
        asNumber(promotion.min_auc_gain, `${at}.promotion.min_auc_gain`) ?? 0,
      maxLogLossIncrease: asNumber(
        promotion.max_log_loss_increase,
        `${at}.promotion.max_log_loss_increase`,
      ) ?? 0,
    },
    positiveClass: asClass(entry.positive_class, `${at}.positive_class`),
    modelOutput: asOutput(entry.model_output, `${at}.model_output`),
  };
}

function toFiles(files: Json, at: string): VariantPaths {
  refuseUnknown(files, { kind: "files", at: `${at}.files` });
  const path = (name: string) => asText(files[name], `${at}.files.${name}`);
  return {
    model: path("model") ?? "models/churn/xgb_churn_model_2.bin",
    features: path("features") ?? "data/churn/feature_names_3.json",
    sample: path("sample") ?? "data/churn/X_test_sample_2.json",
    evaluation: path("evaluation"),
  };
}

/** Parses `id_column`; `none` means that the variant's rows do not identify players. */
function toIdColumn(value: unknown, at: string): string | undefined {
  const text = asText(value, `${at}.id_column`) ?? "player_id";
  return text === "none" ? undefined : text;
}

function toRecipe(value: unknown, at: string): Pick<Recipe, "oneHot"> {
  const recipe = asObject(value ?? {}, `${at}.recipe`);
  refuseUnknown(recipe, { kind: "recipe", at: `${at}.recipe` });
  const { one_hot: oneHot = [] } = recipe;
  if (!Array.isArray(oneHot)) {
    throw wrong(`${at}.recipe.one_hot`, "a list", oneHot);
  }
  return {
    oneHot: oneHot.map((item, index) =>
      toOneHot(item, `${at}.recipe.one_hot[${index}]`)
    ),
  };
}

function toOneHot(item: unknown, at: string): OneHot {
  const entry = asObject(item, at);
  refuseUnknown(entry, { kind: "oneHot", at });
  const column = asText(entry.column, `${at}.column`);
  if (column === undefined) {
    throw wrong(`${at}.column`, "the name of a column", undefined);
  }
  return {
    column,
    prefix: asText(entry.prefix, `${at}.prefix`) ?? `${column}_`,
    categories: toCategories(entry.categories, `${at}.categories`),
    unknownLimit: toUnknownLimit(entry.unknown, `${at}.unknown`),
  };
}

function toCategories(value: unknown, at: string): string[] | undefined {
  if (value === undefined || value === null) return undefined;
  if (!Array.isArray(value) || value.length === 0) {
    throw wrong(at, "a list of categories", value);
  }
  const texts = value.map((item, index) => {
    const text = asText(item, `${at}[${index}]`);
    if (text !== undefined) return text;
    throw wrong(`${at}[${index}]`, "a category", item);
  });
  const twice = texts.find((text, index) => texts.indexOf(text) !== index);
  if (twice !== undefined) throw wrong(at, "a list without repeats", twice);
  return texts;
}

/** Parses `unknown`: `error` allows no unknown category, `none` allows any share, and a number from 0 to 1 is the largest share allowed. */
function toUnknownLimit(value: unknown, at: string): number {
  if (value === undefined || value === null) return defaultUnknownLimit;
  if (value === "error") return 0;
  if (value === "none") return 1;
  if (typeof value === "number" && value >= 0 && value <= 1) return value;
  throw wrong(at, "error, none, or a share from 0 to 1", value);
}

function refuseShared(
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

function refuseUnknown(
  mapping: Json,
  { kind, at }: { kind: keyof typeof knownKeys; at: string },
): void {
  const known: readonly string[] = knownKeys[kind];
  const unknown = Object.keys(mapping).find((key) => !known.includes(key));
  if (unknown === undefined) return;
  throw wrong(`${at}.${unknown}`, `one of ${known.join(", ")}`, unknown);
}

function asObject(value: unknown, at: string): Json {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return value as Json;
  }
  throw wrong(at, "a mapping", value);
}

function asText(value: unknown, at: string): string | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === "string" && value !== "") return value;
  throw wrong(
    at,
    'a text (put quotes around words like NO, "007" and numbers)',
    value,
  );
}

/** Returns a class label as text; labels may be texts, whole numbers or booleans. */
function asClass(value: unknown, at: string): string | undefined {
  if (typeof value === "boolean" || Number.isSafeInteger(value)) {
    return String(value);
  }
  return asText(value, at);
}

function asOutput(value: unknown, at: string): "probability" | undefined {
  if (value === undefined || value === null) return undefined;
  if (value === "probability") return value;
  throw wrong(at, '"probability", or left out', value);
}

function asNumber(value: unknown, at: string): number | undefined {
  if (
    value === undefined || (typeof value === "number" && Number.isFinite(value))
  ) return value;
  throw wrong(at, "a number", value);
}

function wrong(at: string, wanted: string, found: unknown): UsageError {
  return new UsageError(
    `Cannot use ${file}: ${at} should be ${wanted}, found ${
      JSON.stringify(found) ?? "nothing"
    }`,
  );
}
