/** Converts flag values to variants, stages, aliases and retry policies. */
import { messageOf, UsageError } from "../base/errors.ts";
import { checkAlias, parseStage } from "../mlflow/validation.ts";
import type { Stage } from "../mlflow/store.ts";
import type { RetryPolicy } from "../base/retry.ts";
import { toCount } from "../base/flag-value.ts";
import { nearest } from "../base/nearest.ts";
import type { Variants, VariantSettings } from "../config/variants.ts";

/** The flags that select variants. */
export interface VariantFlags {
  readonly geography?: string | undefined;
  readonly company?: string | undefined;
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
  const { geography, company, all = false } = flags;
  if (!all) return [variants.settings({ geography, company })];
  if (geography === undefined && company === undefined) return variants.listed;
  throw new UsageError(
    "Cannot use --all together with --geography or --company: choose one",
  );
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

/** Returns the retry policy for the flags. @throws {UsageError} If a number is invalid. */
export function retryPolicyOf(
  flags: { readonly retries: string; readonly "retry-delay": string },
): Pick<RetryPolicy, "retries" | "delaySeconds"> {
  return {
    retries: toCount(flags.retries, { flag: "retries", integer: true }),
    delaySeconds: toCount(flags["retry-delay"], {
      flag: "retry-delay",
      most: 86_400,
    }),
  };
}
