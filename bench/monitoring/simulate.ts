/** Simulates histories of weeks, with and without faults, and counts what the verdicts find. */
import type { Severity } from "../../lib/monitoring/verdict.ts";
import { type Fault, faultDraws, slowWeeks, type Verdict } from "./faults.ts";
import {
  type JudgedWeek,
  judgeWeek,
  logVersion,
  type Model,
  noPast,
  scoreWeek,
} from "./judge.ts";
import { Population, type Week, type World } from "./players.ts";

/** Rows of the labelled set that a model is logged with, as the shipped one. */
const referenceRows = 1500;

/** Weeks without a fault before it begins. */
export const weeksBefore = 4;

/** One delivered week of a history. */
export interface Delivery {
  readonly rows: Week["rows"];
  readonly week: Week;
}

/** A reference and weeks of the same population. */
export interface History {
  readonly labelled: Week;
  readonly deliveries: readonly Delivery[];
}

/** Draws a fault's history: quiet weeks, then weeks with the fault. */
export function drawFaulty(fault: Fault, { seed, rows }: Sized): History {
  const population = new Population(seed, { staying: 0 });
  const labelled = population.next({ rows: referenceRows });
  const draws = faultDraws(seed);
  const faulty = fault.within > 2 ? slowWeeks : 2;
  const deliveries = Array.from(
    { length: weeksBefore + faulty },
    (_, index) => {
      const since = index - weeksBefore;
      const world = since < 0 ? {} : fault.world?.(since) ?? {};
      const week = population.next({ rows, world });
      const changed = since < 0 ? undefined : fault.change?.(week.rows, draws);
      return { rows: changed ?? week.rows, week };
    },
  );
  return { labelled, deliveries };
}

interface Sized {
  readonly seed: number;
  readonly rows: number;
}

/** How quiet weeks differ from one another. */
export type Quiet = "independent" | "overlapping" | "seasonal";

/** Draws weeks without a fault. Seasonal weeks follow a sine of a year, from a random day on, and overlap. */
export function drawQuiet(
  kind: Quiet,
  { seed, rows, weeks }: Sized & { weeks: number },
): History {
  const population = new Population(seed, {
    staying: kind === "independent" ? 0 : 0.9,
  });
  const phase = faultDraws(seed).uniform() * 52;
  const worldOf = (week: number): World => {
    if (kind !== "seasonal") return {};
    const wave = Math.sin(2 * Math.PI * (phase + week) / 52);
    return { meanMonths: 9 * (1 - 0.1 * wave), handle: 1 + 0.1 * wave };
  };
  // The labelled set is of other players of a whole year.
  const labelled = new Population(seed + 500_000, { staying: 0 }).next({
    rows: referenceRows,
  });
  return {
    labelled,
    deliveries: Array.from({ length: weeks }, (_, index) => {
      const week = population.next({ rows, world: worldOf(index) });
      return { rows: week.rows, week };
    }),
  };
}

/** Judges each week of a history in its order. */
export async function judgeHistory(
  model: Model,
  { labelled, deliveries }: History,
): Promise<JudgedWeek[]> {
  const version = await logVersion(model, labelled);
  let past = noPast;
  return deliveries.map(({ rows, week }) => {
    const outcomes = new Map(
      week.rows.map(({ player_id }, index) =>
        [player_id, week.outcomes[index]!] as const
      ),
    );
    const step = judgeWeek(version, scoreWeek(version, rows), {
      past,
      outcomes,
    });
    past = step.past;
    return step.judged;
  });
}

/** What the verdicts made of a fault. */
export interface FaultFound {
  readonly fault: Fault;
  readonly seeds: number;
  /** Histories whose first week with the fault warned or failed, and failed, per verdict. */
  readonly first: Readonly<Record<Verdict, { warn: number; fail: number }>>;
  /** Week, counted from 1, in which the verdict that should find it first warned or failed, per history; undefined if it did not. */
  readonly weeks: readonly (number | undefined)[];
  /** Histories in which retraining was advised in a week with the fault, and those of them whose data failed in such a week. */
  readonly retrain: number;
  readonly retrainOnBroken: number;
}

/** Simulates a fault once per seed. */
export async function simulateFault(
  model: Model,
  fault: Fault,
  { seeds, rows }: { seeds: readonly number[]; rows: number },
): Promise<FaultFound> {
  const verdicts: JudgedWeek[][] = [];
  for (const seed of seeds) {
    const history = drawFaulty(fault, { seed, rows });
    verdicts.push((await judgeHistory(model, history)).slice(weeksBefore));
  }
  const count = (verdict: Verdict, severities: readonly Severity[]) =>
    verdicts.filter(([week]) => severities.includes(week![verdict].severity))
      .length;
  const firstOf = (verdict: Verdict) => ({
    warn: count(verdict, ["warn", "fail"]),
    fail: count(verdict, ["fail"]),
  });
  return {
    fault,
    seeds: seeds.length,
    first: {
      data: firstOf("data"),
      drift: firstOf("drift"),
      performance: firstOf("performance"),
    },
    weeks: verdicts.map((weeks) => {
      const found = weeks.findIndex((week) => isAlarm(week[fault.by].severity));
      return found < 0 ? undefined : found + 1;
    }),
    retrain:
      verdicts.filter((weeks) => weeks.some(({ decision }) => decision.retrain))
        .length,
    retrainOnBroken:
      verdicts.filter((weeks) =>
        weeks.some(({ decision, data }) =>
          decision.retrain && data.severity === "fail"
        )
      ).length,
  };
}

function isAlarm(severity: Severity): boolean {
  return severity === "warn" || severity === "fail";
}

/** The alarms of weeks without a fault. */
export interface FalseAlarms {
  readonly kind: Quiet;
  readonly rows: number;
  readonly weeks: number;
  /** Judged features, groups and scores, over all weeks; and those that warned or failed. */
  readonly features: number;
  readonly featureAlarms: number;
  readonly featureFailures: number;
  /** Weeks that warned or failed, and failed, per verdict. */
  readonly verdicts: Readonly<Record<Verdict, { warn: number; fail: number }>>;
  /** Weeks in which any verdict warned or failed. */
  readonly warned: number;
  readonly retrain: number;
  /** What alarmed, with its number of weeks. */
  readonly causes: ReadonlyMap<string, number>;
}

/** Simulates quiet weeks, in histories of half a year. */
export async function simulateQuiet(
  model: Model,
  kind: Quiet,
  { seed, rows, weeks }: Sized & { weeks: number },
): Promise<FalseAlarms> {
  const perHistory = 26;
  const judged: JudgedWeek[] = [];
  for (let index = 0; judged.length < weeks; index++) {
    const history = drawQuiet(kind, {
      seed: seed + index,
      rows,
      weeks: perHistory,
    });
    judged.push(...await judgeHistory(model, history));
  }
  const causes = new Map<string, number>();
  const note = (cause: string) =>
    causes.set(cause, (causes.get(cause) ?? 0) + 1);
  let features = 0;
  let featureAlarms = 0;
  let featureFailures = 0;
  for (const { drift, data, performance } of judged) {
    const columns = [
      ...drift.features ?? [],
      ...drift.groups ?? [],
      ...drift.score ? [drift.score] : [],
    ].filter(({ severity }) => severity !== "unknown");
    features += columns.length;
    for (const { name, severity, reasons } of columns) {
      if (!isAlarm(severity)) continue;
      featureAlarms++;
      if (severity === "fail") featureFailures++;
      note(`${name} ${severity}: ${measuresOf(reasons)}`);
    }
    for (const { check, column, severity } of data.findings) {
      note(`data ${severity}: ${check} ${column ?? ""}`);
    }
    if (isAlarm(performance.severity)) {
      note(`performance ${performance.severity}`);
    }
  }
  const countOf = (verdict: Verdict) => ({
    warn: judged.filter((week) => isAlarm(week[verdict].severity)).length,
    fail: judged.filter((week) => week[verdict].severity === "fail").length,
  });
  return {
    kind,
    rows,
    weeks: judged.length,
    features,
    featureAlarms,
    featureFailures,
    verdicts: {
      data: countOf("data"),
      drift: countOf("drift"),
      performance: countOf("performance"),
    },
    warned:
      judged.filter((week) =>
        (["data", "drift", "performance"] as const).some((verdict) =>
          isAlarm(week[verdict].severity)
        )
      ).length,
    retrain: judged.filter(({ decision }) => decision.retrain).length,
    causes,
  };
}

/** Returns the first words of reasons, without their numbers. */
function measuresOf(reasons: readonly string[]): string {
  return reasons.map((reason) => reason.split(/[\s(:]/, 1)[0]).join(", ");
}
