/** Compares a variant's newest scores with what its model was logged with, with the run before, and with matured outcomes. */
import { monitorCommand } from "../lib/commands.ts";
import { sha256 } from "../lib/digest.ts";
import { UsageError } from "../lib/errors.ts";
import {
  getNewestRun,
  lookAt,
  readOutcomes,
} from "../lib/monitoring/monitor.ts";
import { keepEvidence } from "../lib/monitoring/log.ts";
import { findMonitoringRun } from "../lib/monitoring/runs.ts";
import {
  describeMonitoring,
  parseFailOn,
  writeReport,
} from "../lib/monitoring/report.ts";
import { runForVariants } from "../lib/runner.ts";
import type { Flags, Outcome } from "../lib/script.ts";
import type { Services } from "../lib/services.ts";
import type { VariantSettings } from "../lib/variants.ts";

type MonitorFlags = Flags<typeof monitorCommand.options>;

if (import.meta.main) {
  await runForVariants(monitorCommand, {
    body: monitor,
    ownFlags: ["outcomes"],
  });
}

/**
 * Looks at the newest scoring run of a variant. What was looked at before, with
 * the same outcomes, is reported again from what was kept then.
 */
export async function monitor(
  services: Services,
  settings: VariantSettings,
  flags: MonitorFlags,
): Promise<Outcome> {
  const { variant } = settings;
  const failOn = parseFailOn(flags["fail-on"]);
  if (failOn === "performance" && flags.outcomes === undefined) {
    throw new UsageError(
      "Cannot use --fail-on performance without --outcomes: performance is then unknown",
    );
  }
  const run = await getNewestRun(services, variant);
  const outcomes = flags.outcomes === undefined
    ? undefined
    : await readOutcomes(services, flags.outcomes);

  const known = await findMonitoringRun(await services.predictions(), {
    run,
    outcomesSha256: outcomes ? sha256(outcomes.bytes) : "",
  });
  const found = known ? { ...known, saved: false } : await keepEvidence(
    services,
    await lookAt(services, settings, { run, outcomes }),
    variant,
  );

  const folder = flags.report ??
    `${services.config.home}/reports/${variant.key}`;
  const files = await writeReport(services, found.evidence, {
    folder: flags.all && flags.report ? `${folder}/${variant.key}` : folder,
  });
  return describeMonitoring(found.evidence, {
    experiment: variant.experiment,
    mlflowRunId: found.mlflowRunId,
    isNew: found.saved,
    failOn,
    files,
  });
}
