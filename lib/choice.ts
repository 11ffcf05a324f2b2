/** Which variants a command line means. */
import { messageOf, UsageError } from "./errors.ts";
import { checkAlias, parseStage } from "./mlflow/rules.ts";
import type { Stage } from "./mlflow/store.ts";
import type { RetryPolicy } from "./retry.ts";
import { toCount } from "./script.ts";
import { commandFor, type Variant } from "./variant.ts";
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

/**
 * The alias that a flag names.
 *
 * @throws {UsageError} If MLflow allows no such alias, or it is `champion` with a slip of one or two letters.
 */
export function aliasOf(text: string): string {
  const champion = "champion";
  if (text !== champion && editDistance(text.toLowerCase(), champion) <= 2) {
    throw new UsageError(
      `Cannot use --alias ${text}: did you mean --alias ${champion}?`,
    );
  }
  return asUsage(() => {
    checkAlias(text);
    return text;
  });
}

/** How many letters to insert, delete or replace (Levenshtein). */
function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, at) => at);
  for (const [index, letter] of [...from].entries()) {
    const next = [index + 1];
    for (let at = 1; at <= to.length; at++) {
      next.push(Math.min(
        row[at]! + 1,
        next[at - 1]! + 1,
        row[at - 1]! + (letter === to[at - 1] ? 0 : 1),
      ));
    }
    row = next;
  }
  return row[to.length]!;
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
