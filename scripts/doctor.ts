/** Checks everything that the commands need, and says how to correct what is wrong. Changes nothing. */
import { commandTable } from "../lib/config/commands.ts";
import {
  chosenVariants,
  namesVariant,
  type VariantFlags,
} from "../lib/cli/flag-values.ts";
import { type Context, runScript } from "../lib/cli/program.ts";
import { version } from "../lib/cli/version.ts";
import { type Check, skip } from "../lib/checks/check.ts";
import { checkInstallation } from "../lib/checks/installation.ts";
import { describeChecks } from "../lib/checks/report.ts";
import { checkServices } from "../lib/checks/run.ts";
import { checkSettings } from "../lib/checks/settings.ts";
import { noLog } from "../lib/base/log.ts";
import {
  openServices,
  readEnvironment,
  readVariants,
} from "../lib/services/services.ts";
import type { Variants } from "../lib/config/variants.ts";

const unchecked: Check = skip(
  { group: "Databases", title: "Services" },
  "correct the settings first",
);

if (import.meta.main) {
  await runScript(
    commandTable.doctor,
    async (flags, context) => {
      const { checks, config, variants } = await checkSettings(
        readEnvironment(),
        readVariants,
      );
      const all = [
        ...await checkInstallation({ version, home: config?.home }),
        ...checks,
        ...config ? await checkAll(variants, flags, context) : [unchecked],
      ];
      return describeChecks(all, context);
    },
  );
}

/** Checks the services for the variant that the flags name, or for all listed ones. */
async function checkAll(
  variants: Variants,
  flags: VariantFlags,
  context: Context,
): Promise<Check[]> {
  const all = !namesVariant(flags);
  const chosen = chosenVariants(variants, { ...flags, all });
  // What the services would warn of is a finding.
  await using services = await openServices({
    ...context,
    log: { ...noLog, verbose: context.log.verbose },
    readOnly: true,
    variants,
  });
  return await checkServices(services, chosen);
}
