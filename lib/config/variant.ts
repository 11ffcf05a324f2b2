/**
 * A variant is the population that one model serves: a geography, a company,
 * both, or neither (the base). Dashboards and buckets depend on its names, so
 * only this module creates them.
 */
import { UsageError } from "../base/errors.ts";

/** One variant and all names derived from it. */
export interface Variant {
  /** In its original spelling; undefined when the variant has no geography. */
  readonly geography: string | undefined;
  readonly company: string | undefined;
  /** The values of the dimensions that `variants.yaml` declares, by name in their order; empty if the variant has none. */
  readonly dimensions: Readonly<Record<string, string>>;
  /** Case-folded identity: `base`, `geography-us`, `geography-eu/company-clientb`. */
  readonly key: string;
  /** Display name: `base`, `geography US`, `geography EU, company ClientB`. */
  readonly title: string;
  /** Folder in the bucket or repository, with a trailing slash; empty for the base. */
  readonly prefix: string;
  /** Name of the MLflow experiment. */
  readonly experiment: string;
  /** Name of the registered model. */
  readonly modelName: string;
  /** Name of the run that logs a model. */
  readonly runName: string;
  /** The variant as MLflow tags: `geography`, `company_id`; none for the base. */
  readonly tags: Readonly<Record<string, string>>;
  /** The command-line flags that select this variant; empty for the base. */
  readonly flags: string;
}

/** The parts that identify a variant, and existing names that override the derived ones. */
export interface VariantParts {
  readonly geography?: string | undefined;
  readonly company?: string | undefined;
  /** Values of further dimensions by name, in the order of their declaration. */
  readonly dimensions?: Readonly<Record<string, string>> | undefined;
  readonly experiment?: string | undefined;
  readonly modelName?: string | undefined;
}

/** With at most 48 characters, the longest artifact URI fits the 200 characters of MLflow's `runs.artifact_uri`. */
const longestPart = 48;
const partPattern = /^[A-Za-z0-9][A-Za-z0-9_-]*$/;

/**
 * Returns the variant for a geography, a company and further dimensions, each of
 * which may be absent. Names are lower case; tags preserve the spelling.
 *
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 *
 * const variant = toVariant({ geography: "EU", company: "ClientB" });
 * strictEqual(variant.experiment, "churn_prediction-geography-eu-company-clientb");
 * strictEqual(variant.modelName, "churn-prediction-model-eu-clientb");
 * strictEqual(variant.prefix, "geography-eu/company-clientb/");
 * strictEqual(toVariant({}).key, "base");
 * const { key, flags } = toVariant({ company: "Acme", dimensions: { brand: "NJ" } });
 * strictEqual(`${key} ${flags}`, "company-acme/brand-nj --company Acme --brand NJ");
 * ```
 *
 * @throws {UsageError} If a part contains anything except letters, digits, `_` and `-`, does not begin with a letter or digit, or is over 48 characters.
 */
export function toVariant(parts: VariantParts): Variant {
  const named = toNamedParts(parts);
  const folders = named.map(({ name, value }) =>
    `${name}-${value.toLowerCase()}`
  );
  const labels = named.map(({ name, value }) =>
    `${labelOf[name] ?? capitalized(name)}: ${value}`
  );
  return {
    geography: parts.geography,
    company: parts.company,
    dimensions: parts.dimensions ?? {},
    key: folders.join("/") || "base",
    title: named.map(({ name, value }) => `${name} ${value}`).join(", ") ||
      "base",
    prefix: folders.map((folder) => `${folder}/`).join(""),
    experiment: parts.experiment ?? ["churn_prediction", ...folders].join("-"),
    modelName: parts.modelName ?? [
      "churn-prediction-model",
      ...named.map(({ value }) => value.toLowerCase()),
    ].join("-"),
    runName: ["Model Logging", ...labels].join(" - "),
    tags: Object.fromEntries(
      named.map(({ name, value }) => [tagOf[name] ?? name, value]),
    ),
    flags: named.map(({ name, value }) => `--${name} ${value}`).join(" "),
  };
}

/** How the name of a run has the names of the documented parts. */
const labelOf: Readonly<Record<string, string>> = { geography: "Geo" };

/** The tags of the documented parts. */
const tagOf: Readonly<Record<string, string>> = { company: "company_id" };

/** Returns the parts that a variant has, in the order of its names. @throws {UsageError} If a value cannot be part of a name. */
function toNamedParts(
  { geography, company, dimensions = {} }: VariantParts,
): { name: string; value: string }[] {
  return Object.entries({ geography, company, ...dimensions }).flatMap(
    ([name, part]) => {
      const value = checkedPart(name, part);
      return value === undefined ? [] : [{ name, value }];
    },
  );
}

function capitalized(name: string): string {
  return name.charAt(0).toUpperCase() + name.slice(1);
}

/**
 * Returns a variant's values of dimensions as the workflows' input `dimensions` has
 * them, such as `brand=NJ tier=Gold`; empty if it has none.
 */
export function dimensionInput({ dimensions }: Variant): string {
  return Object.entries(dimensions).map(([name, value]) => `${name}=${value}`)
    .join(" ");
}

/**
 * Returns the command line of a task for one variant, ready to paste.
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
 * Returns a command-line argument, in single quotes if a shell would interpret
 * it.
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
 * Returns the path of a variant's file in the repository, where the prefix
 * follows the top folder; in a bucket the prefix comes first.
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
        `expected at most ${longestPart} letters, digits, "_" and "-", beginning with a letter or digit`,
    );
  }
  return value;
}
