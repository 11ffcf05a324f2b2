/**
 * A variant is one model's audience: a geography, a company, both, or neither
 * (the base). Its names are an interface that dashboards and buckets depend
 * on, so they are made here and nowhere else.
 */
import { UsageError } from "../base/errors.ts";

/** One variant and every name that follows from it. */
export interface Variant {
  /** As it was spelled; undefined where the variant has no geography. */
  readonly geography: string | undefined;
  readonly company: string | undefined;
  /** Case-folded identity: `base`, `geography-us`, `geography-eu/company-clientb`. */
  readonly key: string;
  /** For people: `base`, `geography US`, `geography EU, company ClientB`. */
  readonly title: string;
  /** Folder in bucket or repository, with its slash; empty for the base. */
  readonly prefix: string;
  /** Name of the MLflow experiment. */
  readonly experiment: string;
  /** Name of the registered model. */
  readonly modelName: string;
  /** Name of the run that logs a model. */
  readonly runName: string;
  /** The variant as MLflow tags: `geography`, `company_id`; none for the base. */
  readonly tags: Readonly<Record<string, string>>;
  /** The flags that name this variant on a command line; empty for the base. */
  readonly flags: string;
}

/** The parts a variant is named by, and names that were there before this project. */
export interface VariantParts {
  readonly geography?: string | undefined;
  readonly company?: string | undefined;
  readonly experiment?: string | undefined;
  readonly modelName?: string | undefined;
}

/** 48 keeps the longest artifact URI within the 200 characters of MLflow's `runs.artifact_uri`. */
const longestPart = 48;
const partPattern = /^[A-Za-z0-9][A-Za-z0-9_-]*$/;

/**
 * The variant that a geography and a company name, either of them or both
 * absent. Names are lower case, tags keep the spelling.
 *
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 *
 * const variant = toVariant({ geography: "EU", company: "ClientB" });
 * strictEqual(variant.experiment, "churn_prediction-geography-eu-company-clientb");
 * strictEqual(variant.modelName, "churn-prediction-model-eu-clientb");
 * strictEqual(variant.prefix, "geography-eu/company-clientb/");
 * strictEqual(toVariant({}).key, "base");
 * ```
 *
 * @throws {UsageError} If a part is not letters, digits, `_` and `-`, or is over 48 characters.
 */
export function toVariant(parts: VariantParts): Variant {
  const geography = checkedPart("geography", parts.geography);
  const company = checkedPart("company", parts.company);
  const folders = [
    ...(geography === undefined
      ? []
      : [`geography-${geography.toLowerCase()}`]),
    ...(company === undefined ? [] : [`company-${company.toLowerCase()}`]),
  ];
  const suffixes = [geography, company].filter((part) => part !== undefined);
  const runParts = [
    ...(geography === undefined ? [] : [`Geo: ${geography}`]),
    ...(company === undefined ? [] : [`Company: ${company}`]),
  ];
  return {
    geography,
    company,
    key: folders.join("/") || "base",
    title: titleOf(geography, company),
    prefix: folders.map((folder) => `${folder}/`).join(""),
    experiment: parts.experiment ?? ["churn_prediction", ...folders].join("-"),
    modelName: parts.modelName ??
      ["churn-prediction-model", ...suffixes.map((part) => part.toLowerCase())]
        .join("-"),
    runName: ["Model Logging", ...runParts].join(" - "),
    tags: {
      ...(geography === undefined ? {} : { geography }),
      ...(company === undefined ? {} : { company_id: company }),
    },
    flags: [
      ...(geography === undefined ? [] : [`--geography ${geography}`]),
      ...(company === undefined ? [] : [`--company ${company}`]),
    ].join(" "),
  };
}

/**
 * The same command for one variant, fit to be pasted.
 *
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 *
 * strictEqual(commandFor("setup", toVariant({ geography: "US" })), "deno task setup --geography US");
 * ```
 */
export function commandFor(task: string, variant: Variant): string {
  return ["deno task", task, variant.flags].filter((part) => part !== "").join(
    " ",
  );
}

/**
 * A word of a command line, in single quotes where a shell would read it
 * otherwise.
 *
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 *
 * strictEqual(shellWord("s3://bucket/week-1.jsonl"), "s3://bucket/week-1.jsonl");
 * strictEqual(shellWord("it's *.jsonl"), "'it'\\''s *.jsonl'");
 * ```
 */
export function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text)
    ? text
    : `'${text.replaceAll("'", "'\\''")}'`;
}

/**
 * Where a variant's file stands in the repository: there the prefix is inside
 * the two top folders, in a bucket it comes first.
 *
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 *
 * const path = localPath(toVariant({ geography: "US" }), "data/churn/sample.json");
 * strictEqual(path, "data/geography-us/churn/sample.json");
 * ```
 */
export function localPath(variant: Variant, path: string): string {
  const [top, ...rest] = path.split("/");
  return rest.length === 0
    ? `${variant.prefix}${top}`
    : `${top}/${variant.prefix}${rest.join("/")}`;
}

function checkedPart(
  name: string,
  value: string | undefined,
): string | undefined {
  if (value === undefined) return undefined;
  if (value.length > longestPart || !partPattern.test(value)) {
    throw new UsageError(
      `Cannot use ${name} ${JSON.stringify(value)}: ` +
        `it needs letters, digits, "_" and "-", a letter or digit first, at most ${longestPart} characters`,
    );
  }
  return value;
}

function titleOf(
  geography: string | undefined,
  company: string | undefined,
): string {
  const parts = [
    ...(geography === undefined ? [] : [`geography ${geography}`]),
    ...(company === undefined ? [] : [`company ${company}`]),
  ];
  return parts.join(", ") || "base";
}
