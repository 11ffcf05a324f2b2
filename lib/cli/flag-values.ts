/** Converts flag values to variants, stages and aliases. */
import { messageOf, UsageError } from "../base/errors.ts";
import { checkAlias, parseStage } from "../mlflow/validation.ts";
import type { Stage } from "../mlflow/store.ts";
import { nearest } from "../base/nearest.ts";
import type {
  SelectingParts,
  Variants,
  VariantSettings,
} from "../config/variants.ts";

/** The flags that select variants. */
export interface VariantFlags {
  readonly geography?: string | undefined;
  readonly company?: string | undefined;
  readonly dimension?: readonly string[] | undefined;
  readonly all?: boolean | undefined;
}

/**
 * Returns the variants that the flags select: all listed ones with `--all`,
 * otherwise exactly one, by default the base.
 *
 * @throws {UsageError} If `--all` is combined with a name, or a name is invalid.
 */
export function chosenVariants(
  variants: Variants,
  flags: VariantFlags,
): readonly VariantSettings[] {
  const { all = false } = flags;
  if (!all) return [variants.settings(partsOf(flags))];
  if (!namesVariant(flags)) return variants.listed;
  throw new UsageError(
    "Cannot use --all together with --geography, --company or --dimension: choose one",
  );
}

/** Returns whether flags name a part of a variant. */
export function namesVariant(
  { geography, company, dimension = [] }: VariantFlags,
): boolean {
  return geography !== undefined || company !== undefined ||
    dimension.length > 0;
}

/**
 * Returns the parts of a variant that flags name.
 *
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 *
 * const { dimensions } = partsOf({ dimension: ["brand=NJ"] });
 * deepStrictEqual(dimensions, { brand: "NJ" });
 * ```
 *
 * @throws {UsageError} If a dimension has no value, or two.
 */
export function partsOf(
  { geography, company, dimension = [] }: VariantFlags,
): SelectingParts {
  const dimensions = new Map<string, string>();
  for (const text of dimension) {
    const [, name, value] = /^([^=]+)=([^]+)$/.exec(text) ?? [];
    if (name === undefined || value === undefined || dimensions.has(name)) {
      throw new UsageError(
        `Cannot use --dimension ${text}: expected NAME=VALUE, once per name`,
      );
    }
    dimensions.set(name, value);
  }
  return { geography, company, dimensions: Object.fromEntries(dimensions) };
}

/** Returns the stage that a flag names, in MLflow's spelling; undefined without the flag. @throws {UsageError} If there is no such stage. */
export function stageOf(text: string | undefined): Stage | undefined {
  if (text === undefined) return undefined;
  return asUsage(() => parseStage(text));
}

/**
 * Validates the alias that a flag names and returns it; undefined without the flag.
 *
 * @throws {UsageError} If MLflow does not allow the alias, or it is a misspelling of `champion`.
 */
export function aliasOf(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const near = nearest(text.toLowerCase(), ["champion"]);
  if (near !== undefined && text !== near) {
    throw new UsageError(
      `Cannot use --alias ${text}: did you mean --alias ${near}?`,
    );
  }
  return asUsage(() => {
    checkAlias(text);
    return text;
  });
}

/** Converts errors to {@linkcode UsageError}, because an invalid value in a flag is wrong usage. */
function asUsage<T>(check: () => T): T {
  try {
    return check();
  } catch (error) {
    throw new UsageError(messageOf(error));
  }
}
