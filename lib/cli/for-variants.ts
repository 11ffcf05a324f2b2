/** Runs a script's body for the variants that its flags select; opens the services before and closes them afterwards. */
import { UsageError } from "../base/errors.ts";
import type { Outcome } from "../base/outcome.ts";
import { openServices, type Services } from "../services/services.ts";
import { commandFor, type Variant } from "../config/variant.ts";
import type { VariantSettings } from "../config/variants.ts";
import { chosenVariants, type VariantFlags } from "./flag-values.ts";
import type { Command, FlagTable, FlagValues } from "../config/flags.ts";
import { runEach, runScript } from "./program.ts";

/** A script that works on variants. */
export interface VariantScript<F> {
  /** Processes one variant. `columns`: the width for its text, in characters. */
  readonly body: (
    services: Services,
    settings: VariantSettings,
    flags: F,
    options: { columns: number },
  ) => Promise<Outcome>;
  /** Runs once, before the first of the chosen variants. */
  readonly before?: (
    services: Services,
    chosen: readonly VariantSettings[],
  ) => Promise<void>;
  /** Whether to create missing databases. */
  readonly createDatabases?: boolean;
  /** Returns whether a call changes nothing in the services; by default it may. */
  readonly readOnly?: (flags: F) => boolean;
  /** Flags that name files of one variant, and so cannot be combined with `--all`. */
  readonly ownFlags?: readonly (keyof F & string)[];
}

/**
 * Runs `script` as a program for one variant, or with `--all` for every listed
 * variant in turn, even if an earlier one failed. Ends the process.
 */
export async function runForVariants<const Table extends FlagTable>(
  command: Command<Table>,
  script: VariantScript<FlagValues<Table> & VariantFlags>,
): Promise<never> {
  return await runScript(command, async (parsed, context) => {
    const flags = parsed as FlagValues<Table> & VariantFlags;
    refuseOwnFlags(flags, script.ownFlags ?? []);
    const { createDatabases = false } = script;
    await using services = await openServices({
      ...context,
      createDatabases,
      readOnly: script.readOnly?.(flags) ?? false,
    });
    const chosen = chosenVariants(services.variants, flags);
    await script.before?.(services, chosen);
    const work = chosen.map((settings) => ({
      key: settings.variant.key,
      title: settings.variant.title,
      run: () =>
        namingVariant(
          settings.variant,
          () => script.body(services, settings, flags, context),
        ),
    }));
    return await runEach(work, { all: flags.all ?? false, ...context });
  });
}

/**
 * Runs `work`, and adds the variant's flags to the commands in its error
 * message, because databases and the registry do not know the variant.
 */
async function namingVariant<T>(
  variant: Variant,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof Error) {
      error.message = error.message.replace(
        /`deno task (setup|log-model)`/g,
        (_, task: string) => `\`${commandFor(task, variant)}\``,
      );
    }
    throw error;
  }
}

function refuseOwnFlags<F extends VariantFlags>(
  flags: F,
  names: readonly (keyof F & string)[],
): void {
  const own = names.find((name) => flags[name] !== undefined);
  if (!flags.all || own === undefined) return;
  throw new UsageError(
    `Cannot use --${own} with --all: it is about one variant; name that with --geography, --company or --dimension`,
  );
}
