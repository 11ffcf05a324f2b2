/**
 * Computes the job matrix of the workflows: the variants that a GitHub Actions
 * run processes. It uses no services, so the planning job needs no secrets and
 * no login.
 */
import { UsageError } from "../base/errors.ts";
import { localPath } from "../config/variant.ts";
import {
  checkDeclared,
  type SelectingParts,
  type Variants,
  type VariantSettings,
} from "../config/variants.ts";

/** One job of the matrix; all fields are texts. */
export interface MatrixJob {
  /** Display name of the variant and the job: `base`, `geography EU, company ClientB`. */
  readonly title: string;
  /** The variant's identity: `geography-eu/company-clientb`. */
  readonly key: string;
  /** Key for the names of artifacts and concurrency groups: `geography-eu.company-clientb`. */
  readonly slug: string;
  /** The script flags that select the variant; empty for the base. */
  readonly flags: string;
  /** Path of the feature names below the variant's prefix, for `fetch`. */
  readonly features: string;
  /** The flags with which `log-model` reads the files in this repository instead of the bucket. */
  readonly files: string;
}

/**
 * The value of `strategy.matrix`. It is a list of objects, not a product of
 * vectors, so that splitting a variant into several jobs needs only more fields
 * and entries.
 */
export interface Matrix {
  readonly include: readonly MatrixJob[];
}

/**
 * Filters of a run: only variants with these parts, case-insensitive; `-` means
 * those without one, and an undefined or empty filter has no effect. With filters
 * by both geography and company, only variants that have no other dimensions, so
 * that one variant at most is selected, as a promotion needs.
 */
export interface Wanted extends SelectingParts {
  /** Only variants whose model file is one of these paths in the repository. */
  readonly changed?: readonly string[] | undefined;
}

/**
 * The maximum number of jobs in one matrix on GitHub
 * (https://docs.github.com/en/actions/reference/limits).
 */
export const mostJobs = 256;

/**
 * Returns the matrix of the listed variants that match the filters, in list
 * order. It is empty when no variant is listed or no model file changed.
 *
 * @throws {UsageError} If a dimension is not declared, no listed variant has the geography, company and dimensions, or there are more than {@linkcode mostJobs} jobs.
 */
export function toMatrix(variants: Variants, wanted: Wanted = {}): Matrix {
  checkDeclared(wanted.dimensions ?? {}, variants.dimensions);
  const named = variants.listed.filter(({ variant }) =>
    matches(wanted.geography, variant.geography) &&
    matches(wanted.company, variant.company) &&
    matchesDimensions(wanted, variant.dimensions)
  );
  if (named.length === 0 && narrows(wanted)) throw unknown(variants, wanted);
  const { changed } = wanted;
  const due = changed
    ? named.filter((settings) => changed.includes(modelPath(settings)))
    : named;
  if (due.length > mostJobs) {
    throw new UsageError(
      `Cannot plan ${due.length} jobs: GitHub allows at most ${mostJobs} jobs per matrix; restrict the run to a geography or a company`,
    );
  }
  return { include: due.map(toJob) };
}

function toJob(settings: VariantSettings): MatrixJob {
  const { variant, files } = settings;
  const { model, features, sample, evaluation } = files;
  const given = Object.entries({ model, features, sample, evaluation });
  return {
    title: variant.title,
    key: variant.key,
    slug: variant.key.replaceAll("/", "."), // parts of a variant contain no dots
    flags: variant.flags,
    features,
    files: given.flatMap(([flag, path]) =>
      path === undefined ? [] : [`--${flag} ${localPath(variant, path)}`]
    ).join(" "),
  };
}

function modelPath({ variant, files }: VariantSettings): string {
  return localPath(variant, files.model);
}

function matches(wanted: string | undefined, own: string | undefined): boolean {
  if (!wanted) return true;
  if (wanted === "-") return own === undefined;
  return wanted.toLowerCase() === own?.toLowerCase();
}

function matchesDimensions(
  { geography, company, dimensions = {} }: Wanted,
  own: Readonly<Record<string, string>>,
): boolean {
  const namesAll = Boolean(geography) && Boolean(company);
  return Object.entries(dimensions).every(([name, value]) =>
    matches(value, own[name])
  ) && (!namesAll ||
    Object.keys(own).every((name) => Object.hasOwn(dimensions, name)));
}

function narrows({ geography, company, dimensions = {} }: Wanted): boolean {
  return Boolean(geography) || Boolean(company) ||
    Object.keys(dimensions).length > 0;
}

function unknown({ listed }: Variants, wanted: Wanted): UsageError {
  const { geography, company, dimensions } = wanted;
  const asked = Object.entries({ geography, company, ...dimensions })
    .filter(([, value]) => value)
    .map(([name, value]) => `${name} ${value}`).join(", ");
  const known = listed.map(({ variant }) => variant.title).join("; ");
  return new UsageError(
    `Cannot find ${asked} in variants.yaml: it lists ${known || "no variant"}`,
  );
}
