/** Which variants a command line means. */
import { messageOf, UsageError } from "./errors.ts";
import { checkAlias, parseStage } from "./mlflow/rules.ts";
import type { Stage } from "./mlflow/store.ts";
import type { RetryPolicy } from "./retry.ts";
import { toCount } from "./script.ts";
import type { Variants, VariantSettings } from "./variants.ts";

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

/** The alias that a flag names. @throws {UsageError} If MLflow allows no such alias. */
export function aliasOf(text: string): string {
  return asUsage(() => {
    checkAlias(text);
    return text;
  });
}

/** The day that a flag names, such as 2026-11-16. @throws {UsageError} If it is no day of the calendar. */
export function dayOf(text: string): string {
  const time = new Date(`${text}T00:00:00Z`);
  const isDay = /^\d{4}-\d{2}-\d{2}$/.test(text) &&
    !Number.isNaN(time.getTime()) &&
    time.toISOString().startsWith(text);
  if (isDay) return text;
  throw new UsageError(
    `Cannot use the day "${text}": expected one such as 2026-11-16`,
  );
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
