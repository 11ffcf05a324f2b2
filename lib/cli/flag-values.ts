/** What the values of flags stand for: variants, stages, aliases, retries. */
import { messageOf, UsageError } from "../base/errors.ts";
import { checkAlias, parseStage } from "../mlflow/validation.ts";
import type { Stage } from "../mlflow/store.ts";
import type { RetryPolicy } from "../base/retry.ts";
import { toCount } from "../base/flag-value.ts";
import { nearest } from "./flags.ts";
import { commandFor, type Variant } from "../config/variant.ts";
import type { Variants, VariantSettings } from "../config/variants.ts";

/** The flags that choose variants. */
export interface VariantFlags {
  readonly geography?: string | undefined;
  readonly company?: string | undefined;
  readonly all?: boolean | undefined;
}

/**
 * The variants that the flags name: all that are listed with `--all`, else
 * exactly one, the base when nothing names another.
 *
 * @throws {UsageError} If `--all` stands beside a name, or a name cannot be used.
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

/** The stage that a flag names, in MLflow's spelling. @throws {UsageError} If there is no such stage. */
export function stageOf(text: string): Stage {
  return asUsage(() => parseStage(text));
}

/**
 * The alias that a flag names.
 *
 * @throws {UsageError} If MLflow allows no such alias, or it is `champion` with a slip of one or two letters.
 */
export function aliasOf(text: string): string {
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

/**
 * The command of a task that acts on a registered model: with the flags of the
 * variant at hand, or of the listed one that the model belongs to. Undefined
 * when no variant is known to have a model of that name.
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

/** What is bad input in a database is wrong usage in a flag. */
function asUsage<T>(check: () => T): T {
  try {
    return check();
  } catch (error) {
    throw new UsageError(messageOf(error));
  }
}

/** The retries that the flags ask for. @throws {UsageError} If a number cannot be used. */
export function retryPolicyOf(
  flags: { readonly retries: string; readonly "retry-delay": string },
): Pick<RetryPolicy, "retries" | "delaySeconds"> {
  return {
    retries: toCount(flags.retries, { flag: "retries", integer: true }),
    delaySeconds: toCount(flags["retry-delay"], { flag: "retry-delay" }),
  };
}
