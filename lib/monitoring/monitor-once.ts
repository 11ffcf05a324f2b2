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
  type LedgerRun,
  listResults,
  type MonitoringRun,
  readMonitoringRun,
  type StoredResult,
} from "./runs.ts";

/**
 * Returns the result for a run, its outcomes and the variant's settings: the
 * stored one, otherwise the run is monitored, and the result is logged to MLflow
 * and stored. Outcomes or settings that differ from those of the run's newest result
 * are judged again, also if they were judged before those.
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
  const settingsSha256 = settingsDigest(settings);
  const stored = await listResults(database, run);
  const current = findCurrent(stored, {
    outcomesSha256: outcomes?.sha256,
    settingsSha256,
    earlierId: earlier?.id ?? 0,
  });
  if (!current) {
    const options = { run, outcomes, earlier, challenger, before };
    const monitored = await monitorRun(services, settings, options);
    return await storeResult(services, monitored, {
      variant: settings.variant,
      settingsSha256,
      revision: Math.max(-1, ...stored.map(({ revision }) => revision)) + 1,
    });
  }
  const known = await readMonitoringRun(database, current);
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

/**
 * Returns the stored result that is still the answer; undefined if the run is to be
 * judged.
 *
 * Without outcomes, this is the latest result with a judged performance, so that
 * a monitoring run without outcomes does not hide it, also if other settings
 * judged it. A result without a judged performance is returned only if it is based
 * on the same earlier performance; otherwise its advice is out of date.
 *
 * @param stored Newest first.
 * @param key `outcomesSha256`: undefined for none.
 */
function findCurrent(
  stored: readonly StoredResult[],
  { outcomesSha256, settingsSha256, earlierId }: {
    outcomesSha256: string | undefined;
    settingsSha256: string;
    earlierId: number;
  },
): StoredResult | undefined {
  const [newest] = stored;
  const candidate = outcomesSha256 === undefined
    ? stored.find(({ isJudged }) => isJudged) ?? newest
    : stored.find((result) => result.outcomesSha256 !== "");
  if (!candidate) return undefined;
  if (outcomesSha256 === undefined && candidate.isJudged) return candidate;
  const isSame = newest?.settingsSha256 === settingsSha256 &&
    candidate.settingsSha256 === settingsSha256 &&
    candidate.outcomesSha256 === (outcomesSha256 ?? candidate.outcomesSha256) &&
    (candidate.isJudged || candidate.earlierId === earlierId);
  return isSame ? candidate : undefined;
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
