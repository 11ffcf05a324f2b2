/** Adds a variant for a user's own model and data to `variants.yaml`, with the files that belong to it. */
import { commandTable } from "../lib/config/commands.ts";
import { namesVariant, partsOf } from "../lib/cli/flag-values.ts";
import type { FlagValues } from "../lib/config/flags.ts";
import { type Context, runScript } from "../lib/cli/program.ts";
import { UsageError } from "../lib/base/errors.ts";
import type { Outcome } from "../lib/base/outcome.ts";
import { readOwnFiles } from "../lib/registration/candidate-files.ts";
import { openOwnModel } from "../lib/registration/candidate-model.ts";
import {
  chooseVariant,
  describeScaffold,
  storeScaffold,
  tryScaffold,
  withVariant,
} from "../lib/registration/scaffold-files.ts";
import { toScaffold } from "../lib/registration/scaffold.ts";
import { isProbability } from "../lib/scoring/model-output.ts";
import { openServices, readVariantsText } from "../lib/services/services.ts";

type InitFlags = FlagValues<typeof commandTable.init.flags>;

if (import.meta.main) await runScript(commandTable.init, init);

/**
 * Adds the variant that the flags name, or changes it with `--replace`. Nothing is
 * written before the model has scored the sample as `log-model` does.
 *
 * @throws {UsageError} If a flag is missing, several columns fit equally well, or the variant exists.
 * @throws {InputError} If the files cannot be used.
 */
async function init(
  flags: InitFlags,
  context: Context,
): Promise<Outcome> {
  const { log, ask } = context;
  const { replace = false } = flags;
  const text = await readVariantsText();
  await using services = await openServices(context);
  const { settings: usual, isListed } = chooseVariant(services.variants, {
    parts: partsOf(flags),
    isNamed: namesVariant(flags),
    ask,
    replace,
  });
  const files = await readOwnFiles(services, flags);
  await using opened = await openOwnModel(files.model, {
    usual,
    positiveClass: flags["positive-class"],
    outcome: flags.outcome,
  });
  const scaffold = toScaffold(files, opened.model, {
    variant: usual.variant,
    keepsNames: isListed,
    idColumn: flags["id-column"],
    label: flags.label,
    inputs: flags.inputs,
    entity: flags.entity,
    outcome: flags.outcome,
    positiveClass: flags["positive-class"],
    log,
    ask,
    usual,
  });
  const changed = withVariant(text, scaffold.entry);
  const metrics = await tryScaffold(services, scaffold, {
    own: files,
    settings: changed.settings,
  });
  if (ask && !/^(y(es)?)?$/i.test(ask("Write this to variants.yaml? [Y/n]"))) {
    throw new UsageError("Nothing was written");
  }
  await storeScaffold(services, scaffold, {
    ...changed,
    before: text,
    replace,
  });
  return await describeScaffold(services, scaffold, {
    settings: changed.settings,
    sample: flags.sample ?? "",
    isProbability: isProbability(opened.model),
    metrics,
  });
}
