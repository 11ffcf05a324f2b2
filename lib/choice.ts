/** Which variants a command line means. */
import { UsageError } from "./errors.ts";
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

/** The retries that the flags ask for. @throws {UsageError} If a number cannot be used. */
export function retryPolicyOf(
  flags: { readonly retries: string; readonly "retry-delay": string },
): Pick<RetryPolicy, "retries" | "delaySeconds"> {
  return {
    retries: toCount(flags.retries, { flag: "retries", integer: true }),
    delaySeconds: toCount(flags["retry-delay"], { flag: "retry-delay" }),
  };
}
