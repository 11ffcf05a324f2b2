/** Looks at a scoring run: reports what is stored of it, or monitors it and stores the result. */
import type { VariantSettings } from "../config/variants.ts";
import type { Services } from "../services/services.ts";
import { type Challenger, withChallenger } from "./challenger.ts";
import { storeResult } from "./log.ts";
import { monitorRun } from "./monitor.ts";
import type { RunOutcomes } from "./outcome-source.ts";
import {
  findEarlierPerformance,
  findMonitoringRun,
  type LedgerRun,
  type MonitoringRun,
} from "./runs.ts";

/**
 * Returns the stored result for a run and outcomes; without outcomes, the latest
 * that has some. If there is none, the run is monitored, and the result is logged
 * to MLflow and stored. A challenger is compared anew each time.
 *
 * @param options `outcomes`, `challenger`: undefined for none.
 * @returns `saved`: whether this call stored the result.
 * @throws {InputError} If the outcomes cannot be used, or the model's reference is not the one that was logged.
 */
export async function lookAt(
  services: Services,
  settings: VariantSettings,
  { run, outcomes, challenger }: {
    run: LedgerRun;
    outcomes: RunOutcomes | undefined;
    challenger: Challenger | undefined;
  },
): Promise<MonitoringRun & { saved: boolean }> {
  const database = await services.predictions();
  const earlier = await findEarlierPerformance(database, run);
  const known = await findMonitoringRun(database, {
    run,
    outcomesSha256: outcomes?.sha256 ?? "",
    earlier,
  });
  if (!known) {
    const options = { run, outcomes, earlier, challenger };
    const monitored = await monitorRun(services, settings, options);
    return await storeResult(services, monitored, settings.variant);
  }
  if (!outcomes || !challenger) return { ...known, saved: false };
  const result = await withChallenger(services, settings, known.result, {
    run,
    outcomes: outcomes.byPlayer,
    challenger,
  });
  return { ...known, result, saved: false };
}
