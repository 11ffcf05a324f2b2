/** Measures each period whose outcomes have matured, from where `variants.yaml` says they are. */
import { InputError, messageOf } from "../base/errors.ts";
import type { OutcomeSettings } from "../config/outcomes.ts";
import { addDays, ageInDays, type Period, toDay } from "../config/periods.ts";
import type { Thresholds } from "../config/monitoring.ts";
import type { VariantSettings } from "../config/variants.ts";
import type { Services } from "../services/services.ts";
import type { Challenger } from "./challenger.ts";
import { monitorOnce, type MonitorOptions, settingsDigest } from "./monitor.ts";
import { coverageFault, joinOutcomes } from "./coverage.ts";
import type { PeriodSample } from "./judge-performance.ts";
import {
  type FoundOutcomes,
  openOutcomeSource,
  type OutcomeSource,
  type RunOutcomes,
} from "./outcome-source.ts";
import type { PeriodWindow } from "./outcome-table.ts";
import {
  notMeasured,
  type PeriodOutcome,
  type ReportedPeriod,
} from "./period-report.ts";
import { writeReport } from "./report.ts";
import {
  type LedgerRun,
  type MeasuredOutcomes,
  readBroken,
  readMeasured,
  readScores,
} from "./runs.ts";

/** The newest measured periods, which are read again in case their outcomes were corrected. */
const correctedPeriods = 13;

/** The most scored rows whose outcomes are held in memory at a time. */
const rowsAtOnce = 2_000_000;

/**
 * Measures the newest run of each period whose outcomes have matured and were not
 * measured before, oldest first. If the outcomes of a measured period have
 * changed, it is measured again; files whose version is unchanged are not read,
 * and of sources without a version only the newest {@linkcode correctedPeriods}
 * measured periods are. The newest of these periods is also measured again when
 * the settings that judge it, or the challenger, have changed; the verdicts on the
 * others are those of their time.
 *
 * @param options `runs`: all completed runs, newest first; `chosen`: the only run to measure, undefined for all; `challenger`: the version to measure beside the runs'; `now`: the time that decides what is mature.
 * @throws {UsageError} If the setting does not fit the variant or the database.
 * @throws {TransientError} If S3 or the database is unreachable.
 */
export async function measureMatured(
  services: Services,
  settings: VariantSettings & { readonly outcomes: OutcomeSettings },
  options: {
    runs: readonly LedgerRun[];
    chosen: LedgerRun | undefined;
    challenger: Challenger | undefined;
    now: Date;
  },
): Promise<PeriodOutcome[]> {
  const { outcomes } = settings;
  const { runs, chosen, challenger, now } = options;
  const periods = toPeriodRuns(runs, outcomes);
  const wanted = chosen
    ? periods.filter(({ period }) => period === chosen.period)
      .map((each) => ({ ...each, run: chosen }))
    : periods;
  const today = toDay(now);
  const matured = wanted.filter(({ from }) => from <= today);
  const immature = chosen ? wanted.filter(({ from }) => from > today) : [];
  const done: PeriodOutcome[] = immature.map(({ run, from }) => ({
    status: "immature",
    run,
    from,
  }));
  if (matured.length === 0) return done;

  const source = await openOutcomeSource(services, settings, outcomes);
  const database = await services.predictions();
  const measured = await services.withRetry(
    "read the measured periods",
    () => readMeasured(database, matured.map(({ run }) => run.id)),
  );
  const settingsSha256 = settingsDigest(settings);
  const [newest] = matured.toReversed();
  /** Whether a measured period is judged or compared again although its outcomes are the same. */
  const isWanted = ({ run }: PeriodRun, known: MeasuredOutcomes): boolean => {
    if (run !== newest?.run) return false;
    const version = challenger && String(challenger.version.version);
    return known.settingsSha256 !== settingsSha256 ||
      version !== undefined && version !== run.modelVersion &&
        version !== known.challenger;
  };
  const candidates = matured.filter((each, index) => {
    const known = measured.get(each.run.id);
    if (!known || chosen || isWanted(each, known)) return true;
    const version = source.versionOf(each.period);
    return version === undefined
      ? index >= matured.length - correctedPeriods
      : known.version !== version;
  });
  const pool = openPool(services, source, {
    periods,
    limits: settings.monitoring.thresholds,
    broken: await services.withRetry(
      "read the runs whose data failed",
      () => readBroken(database, periods.map(({ run }) => run.id)),
    ),
  });
  for (const group of groupByRows(candidates)) {
    const found = await source.read(group);
    for (const each of group) {
      const { period, run } = each;
      const known = measured.get(run.id);
      const own = found.get(period);
      if (own instanceof InputError) {
        done.push({ status: "failed", run, error: messageOf(own) });
      } else if (!own) {
        if (!known) done.push({ status: "missing", run, expected: source.uri });
      } else if (known?.sha256 !== own.sha256 || isWanted(each, known)) {
        const before = await pool.before(each);
        const found = await measure(services, settings, {
          run,
          outcomes: own,
          before,
          challenger,
        });
        done.push(found);
        if (
          found.status === "measured" && found.result.verdict.data === "fail"
        ) pool.leaveOut(run);
      }
      if (own && !(own instanceof InputError)) pool.add(period, own);
    }
  }
  return done;
}

/** Measures and stores one run's performance. */
async function measure(
  services: Services,
  settings: VariantSettings,
  options: MonitorOptions,
): Promise<PeriodOutcome> {
  const { run } = options;
  try {
    const found = await monitorOnce(services, settings, options);
    return { status: "measured", run, ...found };
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    return { status: "failed", run, error: messageOf(error) };
  }
}

/** Writes the report on each measured period, and warns of what was not measured or does not represent the scored players. */
export async function writePeriods(
  services: Services,
  periods: readonly PeriodOutcome[],
  options: { folder: string },
): Promise<ReportedPeriod[]> {
  const reported: ReportedPeriod[] = [];
  for (const period of periods) {
    if (period.status !== "measured") {
      reported.push(period);
      continue;
    }
    for (const warning of period.result.performance?.warnings ?? []) {
      services.log.warn(`period ${period.run.period}: ${warning}`);
    }
    const files = await writeReport(services, period.result, options);
    reported.push({ ...period, files });
  }
  for (const line of notMeasured(periods)) services.log.warn(line);
  return reported;
}

/**
 * Returns the newest run of each period, oldest period first, with the days on
 * which its outcomes become known: from `maturityDays` after the period's first
 * day until those of the next scored period do. For the newest period, the next one
 * is as far away as the previous one, or a week.
 *
 * Where inputs name periods, runs of other inputs, which have only the day of
 * scoring, are none.
 */
export function toPeriodRuns(
  runs: readonly LedgerRun[],
  { maturityDays }: Pick<OutcomeSettings, "maturityDays">,
): PeriodRun[] {
  const newest = new Map<Period, LedgerRun>();
  const named = runs.filter(({ hasPeriod }) => hasPeriod);
  for (const run of named.length > 0 ? named : runs) {
    if (!newest.has(run.period)) newest.set(run.period, run);
  }
  const days = [...newest.keys()].sort();
  const [last, previous] = [days.at(-1), days.at(-2)];
  const step = last === undefined || previous === undefined
    ? 7
    : ageInDays(previous, new Date(last));
  return days.map((period, index) => ({
    period,
    run: newest.get(period)!,
    from: addDays(period, maturityDays),
    before: addDays(days[index + 1] ?? addDays(period, step), maturityDays),
  }));
}

/** Splits periods into groups, in order, with at most {@linkcode rowsAtOnce} scored rows each, or a single period. */
function groupByRows(periods: readonly PeriodRun[]): PeriodRun[][] {
  const groups: PeriodRun[][] = [];
  let rows = Infinity;
  for (const each of periods) {
    if (rows + each.run.rows > rowsAtOnce) {
      groups.push([]);
      rows = 0;
    }
    groups.at(-1)!.push(each);
    rows += each.run.rows;
  }
  return groups;
}

/** A period's newest run, and when its outcomes are known. */
export interface PeriodRun extends PeriodWindow {
  readonly run: LedgerRun;
}

/**
 * Opens the pool of a variant's outcomes, from which the samples of earlier periods
 * are taken. Periods must be asked for in their order.
 *
 * @param options `periods`: all of the variant, oldest first; `limits`: the variant's thresholds; `broken`: ids of the runs whose data failed.
 */
function openPool(
  { predictions, withRetry }: Services,
  source: OutcomeSource,
  { periods, limits, broken }: {
    periods: readonly PeriodRun[];
    limits: Thresholds;
    broken: Iterable<number>;
  },
) {
  const leftOut = new Set(broken);
  const outcomes = new Map<Period, RunOutcomes>();
  const samples = new Map<Period, PeriodSample | undefined>();
  const readSample = async (
    { period, run }: PeriodRun,
    own: RunOutcomes | InputError | undefined,
  ): Promise<PeriodSample | undefined> => {
    if (!own || own instanceof InputError) return undefined;
    const database = await predictions();
    const scored = await withRetry(
      `read the scores of ${period}`,
      () => readScores(database, run),
    );
    const joined = joinOutcomes(scored, own.byPlayer);
    const isUsable = joined.outcomes.length > 0 &&
      coverageFault(joined, { limits }) === undefined;
    return isUsable ? { ...joined, period } : undefined;
  };
  return {
    /** Keeps outcomes that were read, so that they are not read again. */
    add: (period: Period, own: RunOutcomes) => void outcomes.set(period, own),
    /** Leaves out a run whose data failed: its scores say nothing about the model. */
    leaveOut: ({ id }: LedgerRun) => void leftOut.add(id),
    /**
     * Returns the samples of the periods that are judged together with one: the
     * newest ones before it that the same model version scored, oldest first.
     * Periods without usable outcomes, or whose outcomes do not represent the scored
     * players, are left out.
     */
    async before({ period, run }: PeriodRun): Promise<PeriodSample[]> {
      const wanted = periods.filter((each) =>
        each.period < period && each.run.modelName === run.modelName &&
        each.run.modelVersion === run.modelVersion &&
        !leftOut.has(each.run.id)
      );
      wanted.splice(0, wanted.length - (limits.pooled_periods - 1));
      const missing = wanted.filter((each) =>
        !samples.has(each.period) && !outcomes.has(each.period)
      );
      const read: FoundOutcomes = missing.length > 0
        ? await source.read(missing)
        : new Map();
      for (const each of wanted) {
        if (samples.has(each.period)) continue;
        const own = outcomes.get(each.period) ?? read.get(each.period);
        samples.set(each.period, await readSample(each, own));
      }
      // Later periods need none of these.
      for (const known of [outcomes, samples]) {
        for (const day of known.keys()) {
          if (day < (wanted[0]?.period ?? period)) known.delete(day);
        }
      }
      return wanted.flatMap((each) => samples.get(each.period) ?? []);
    },
  };
}
