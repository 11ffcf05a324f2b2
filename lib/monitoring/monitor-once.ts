/** Monitors a scoring run and stores the result, unless the same result is stored already. */
import { sha256 } from "../base/digest.ts";
import { toDay } from "../config/periods.ts";
import type { VariantSettings } from "../config/variants.ts";
import type { Services } from "../services/services.ts";
import { type Challenger, withChallenger } from "./challenger.ts";
import { storeResult } from "./log.ts";
import { monitorRun } from "./monitor.ts";
import type { RunOutcomes } from "./outcome-source.ts";
import type { PeriodSample } from "./pooled.ts";
import {
  findEarlierPerformance,
  findMonitoringRun,
  type LedgerRun,
  type MeasuredOutcomes,
  type MonitoringRun,
  readMeasured,
} from "./runs.ts";

/**
 * Returns the result for a run, its outcomes and the variant's settings: the
 * stored one, otherwise the run is monitored, and the result is logged to MLflow
 * and stored. Outcomes that differ from those of the run's newest result are
 * measured again, also if they were measured before those.
 *
 * Without outcomes, the latest stored result that has some is returned. If other
 * settings judged it, a note says so, for without its outcomes it cannot be judged
 * again. A challenger is compared anew each time.
 *
 * @param options `outcomes`, `challenger`: undefined for none; `before`: the outcomes of earlier periods that the same model version scored, oldest first, none by default.
 * @returns `saved`: whether this call stored the result.
 * @throws {InputError} If the outcomes cannot be used, or the model's reference is not the one that was logged.
 */
export async function monitorOnce(
  services: Services,
  settings: VariantSettings,
  { run, outcomes, challenger, before }: {
    run: LedgerRun;
    outcomes: RunOutcomes | undefined;
    challenger: Challenger | undefined;
    before?: readonly PeriodSample[] | undefined;
  },
): Promise<MonitoringRun & { saved: boolean }> {
  const database = await services.predictions();
  const earlier = await findEarlierPerformance(database, run);
  const measured = await readMeasured(database, [run.id]);
  const outcomesRevision = outcomes
    ? revisionOf(outcomes, measured.get(run.id))
    : 0;
  const settingsSha256 = settingsDigest(settings);
  const known = await findMonitoringRun(database, {
    run,
    outcomesSha256: outcomes?.sha256 ?? "",
    outcomesRevision,
    settingsSha256,
    earlier,
  });
  if (!known) {
    const options = { run, outcomes, earlier, challenger, before };
    const monitored = await monitorRun(services, settings, options);
    const { variant } = settings;
    const key = { outcomesRevision, settingsSha256 };
    return await storeResult(services, monitored, { variant, ...key });
  }
  const { result } = known;
  if (outcomes && challenger) {
    const compared = await withChallenger(services, settings, result, {
      run,
      outcomes: outcomes.byPlayer,
      challenger,
    });
    return { ...known, result: compared, saved: false };
  }
  if (known.settingsSha256 === settingsSha256) {
    return { ...known, saved: false };
  }
  const note =
    `the settings of ${
      toDay(new Date(result.monitored_at))
    } or the release of that day judged this run; ` +
    `name its outcomes again with --outcomes to judge it by today's`;
  return {
    ...known,
    result: { ...result, notes: [...result.notes, note] },
    saved: false,
  };
}

/** Returns how often a run's outcomes had changed before these, the newest measured ones or others. */
function revisionOf(
  { sha256 }: RunOutcomes,
  newest: MeasuredOutcomes | undefined,
): number {
  if (!newest) return 0;
  return newest.sha256 === sha256 ? newest.revision : newest.revision + 1;
}

/** Changes when the same rows and outcomes are judged differently by a new release. */
const judgement = 1;

/** Returns the digest of the settings that a monitoring result depends on. */
export function settingsDigest(
  { monitoring, expect, outcomes }: Pick<
    VariantSettings,
    "monitoring" | "expect" | "outcomes"
  >,
): string {
  return sha256(JSON.stringify([
    judgement,
    monitoring,
    expect.maxAgeDays ?? null,
    outcomes?.threshold ?? null,
  ]));
}
