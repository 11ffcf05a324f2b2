/** Compares a variant's scores with the model's reference profile, with the previous run, and with matured outcomes. */
import { commandTable } from "../lib/config/commands.ts";
import { readOutcomes } from "../lib/monitoring/outcome-source.ts";
import { monitorOnce } from "../lib/monitoring/monitor.ts";
import { raiseAlerts, withAlerts } from "../lib/monitoring/alerts.ts";
import { parseAlerting } from "../lib/config/environment.ts";
import {
  findChallenger,
  refuseChallenger,
} from "../lib/monitoring/challenger.ts";
import { measureMatured, writePeriods } from "../lib/monitoring/matured.ts";
import { toMeasured } from "../lib/monitoring/period-report.ts";
import {
  chooseRun,
  parseRunChoice,
  readLedger,
} from "../lib/monitoring/selection.ts";
import {
  describeMonitoring,
  parseFailOn,
  writeReport,
} from "../lib/monitoring/report.ts";
import { runForVariants } from "../lib/cli/for-variants.ts";
import type { FlagValues } from "../lib/config/flags.ts";
import type { Outcome } from "../lib/base/outcome.ts";
import type { Services } from "../lib/services/services.ts";
import type { VariantSettings } from "../lib/config/variants.ts";

type MonitorFlags = FlagValues<typeof commandTable.monitor.flags>;

if (import.meta.main) {
  await runForVariants(commandTable.monitor, {
    body: monitor,
    ownFlags: ["outcomes", "run"],
  });
}

/**
 * Measures the periods whose outcomes have matured, where `variants.yaml` says
 * where they are, and monitors a scoring run of a variant: the one that flags or
 * outcomes select, otherwise the newest. If the run was already monitored with
 * the same outcomes, the stored result is reported again; without outcomes, the
 * latest result that has some is reported. A verdict that changed raises an alert.
 */
export async function monitor(
  services: Services,
  settings: VariantSettings,
  flags: MonitorFlags,
): Promise<Outcome> {
  const { variant } = settings;
  const measured = (flags.outcomes ?? settings.outcomes) !== undefined;
  const failOn = parseFailOn(flags["fail-on"], { measured });
  if (!measured) refuseChallenger(flags.challenger);
  const choice = parseRunChoice(flags);
  parseAlerting(services.config.alerts); // a mistake is found before any work
  const outcomes = flags.outcomes === undefined
    ? undefined
    : await readOutcomes(services, settings, { uri: flags.outcomes });
  const declared = outcomes ? undefined : settings.outcomes;
  const runs = await readLedger(services, variant);
  const challenger = (outcomes ?? declared) &&
    await findChallenger(services, settings, flags.challenger);
  const run = await chooseRun(services, settings, { runs, choice, outcomes });
  const matured = declared &&
    await measureMatured(services, { ...settings, outcomes: declared }, {
      runs,
      chosen: choice.by === "newest" ? undefined : run,
      challenger,
      now: new Date(),
    });

  const found = await monitorOnce(services, settings, {
    run,
    outcomes,
    challenger,
  });
  for (const warning of found.result.performance?.warnings ?? []) {
    services.log.warn(warning);
  }

  const folder = flags.report ??
    `${services.config.home}/reports/${variant.key}`;
  const options = {
    folder: flags.all && flags.report ? `${folder}/${variant.key}` : folder,
  };
  const files = await writeReport(services, found.result, options);
  const periods = matured && await writePeriods(services, matured, options);
  const alerts = await raiseAlerts(services, settings, [
    ...periods?.flatMap(toMeasured) ?? [],
    { result: found.result, report: files.html },
  ]);
  const outcome = describeMonitoring(found.result, {
    experiment: variant.experiment,
    mlflowRunId: found.mlflowRunId,
    isNew: found.saved,
    failOn,
    files,
    periods,
  });
  return withAlerts(outcome, alerts);
}
