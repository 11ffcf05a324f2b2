/** Decides which monitoring results raise an alert: those that change a verdict, and a reminder while it lasts. */
import { dayMs } from "../config/periods.ts";
import { type MonitoringResult, periodOf } from "./result.ts";
import {
  isJudged,
  type JudgedSeverity,
  type Severity,
  worstSeverity,
} from "./verdict.ts";

/** What has a state of its own; `retrain` is the advice, which warns when it is yes. */
export const alertVerdicts = [
  "data",
  "drift",
  "performance",
  "retrain",
] as const;

/** One of {@linkcode alertVerdicts}. */
export type AlertVerdict = typeof alertVerdicts[number];

/** The result that a state is based on. Times are in ISO 8601, UTC. */
export interface StateSource {
  /** First day of the period. */
  readonly period: string;
  readonly scoringRunId: number;
  readonly monitoredAt: string;
}

/** The last known severity of one verdict of a variant. */
export interface VerdictState {
  readonly verdict: AlertVerdict;
  readonly severity: JudgedSeverity;
  /** When the severity began; undefined if the verdict was never judged. */
  readonly since: string | undefined;
  readonly source: StateSource | undefined;
}

/** A verdict that changed. */
export interface StateChange {
  readonly verdict: AlertVerdict;
  readonly from: JudgedSeverity;
  readonly to: JudgedSeverity;
}

/** The decision to raise an alert. */
export interface AlertDecision {
  /** `reminder`: nothing changed, but the last alert is long ago. */
  readonly kind: "change" | "reminder";
  /** The worst severity of the variant; `ok` means that it has recovered. */
  readonly status: JudgedSeverity;
  /** Empty for a reminder. */
  readonly changes: readonly StateChange[];
  /** When the newest result was made that raised it. */
  readonly raisedAt: string;
}

/**
 * Returns the states after monitoring results, and the alert that they raise;
 * undefined if they raise none. A result changes the state of a verdict only if
 * it judged it: `unknown` and `not-enough-data` are neither a failure nor a
 * recovery. A result of an earlier period than the one that the state is based on
 * changes nothing, and neither does a result that was considered before. Several
 * results raise at most one alert, for the difference between the states before
 * and after all of them.
 *
 * A reminder is raised by a new result if a verdict is still not `ok` and the
 * last alert of the variant is `reminderDays` or more before it.
 *
 * @param states One per verdict that was ever judged.
 * @param options `reminderDays`: 0 for no reminders; `alertedAt`: when the variant's last alert was raised, undefined for none.
 */
export function decideAlert(
  states: readonly VerdictState[],
  results: readonly MonitoringResult[],
  options: { reminderDays: number; alertedAt: string | undefined },
): { states: VerdictState[]; alert: AlertDecision | undefined } {
  const before = alertVerdicts.map((verdict) =>
    states.find((state) => state.verdict === verdict) ??
      {
        verdict,
        severity: "ok" as const,
        since: undefined,
        source: undefined,
      }
  );
  const ordered = results.toSorted((a, b) =>
    compareSources(toSource(a), toSource(b))
  );
  let after: VerdictState[] = before;
  let raisedAt: string | undefined;
  for (const result of ordered) {
    const next = after.map((state) => nextState(state, result));
    const isNew = next.some((state, index) => state !== after[index]);
    if (isNew && (raisedAt === undefined || result.monitored_at > raisedAt)) {
      raisedAt = result.monitored_at;
    }
    after = next;
  }
  const changes = before.flatMap(({ verdict, severity: from }, index) => {
    const to = after[index]!.severity;
    return from === to ? [] : [{ verdict, from, to }];
  });
  const status = worstSeverity(after.map(({ severity }) => severity));
  const kind = changes.length > 0
    ? "change"
    : status !== "ok" && isDue(raisedAt, options)
    ? "reminder"
    : undefined;
  return {
    states: after,
    alert: kind && raisedAt !== undefined
      ? { kind, status, changes, raisedAt }
      : undefined,
  };
}

/** Returns the result that a state was derived from. */
export function toSource(
  { scoring_run: run, monitored_at }: MonitoringResult,
): StateSource {
  return {
    period: periodOf(run),
    scoringRunId: run.id,
    monitoredAt: monitored_at,
  };
}

/** Returns the same object if the result changes nothing, not even what the state is based on. */
function nextState(
  state: VerdictState,
  result: MonitoringResult,
): VerdictState {
  const severity = severityOf(result, state.verdict);
  const source = toSource(result);
  const isLater = !state.source || compareSources(source, state.source) > 0;
  if (!isLater || !isJudged(severity)) return state;
  const isSame = severity === state.severity && state.since !== undefined;
  return {
    verdict: state.verdict,
    severity,
    since: isSame ? state.since : result.monitored_at,
    source,
  };
}

function severityOf(
  { verdict }: MonitoringResult,
  name: AlertVerdict,
): Severity {
  const { data = "unknown", drift, performance, retrain, held_back: heldBack } =
    verdict;
  if (name !== "retrain") return { data, drift, performance }[name];
  if (retrain) return "warn";
  // Broken data, a cool-down, and a run that could not be judged say nothing about an earlier advice.
  const isKnown = data !== "fail" && !heldBack &&
    (isJudged(drift) || isJudged(performance));
  return isKnown ? "ok" : "unknown";
}

/** Orders by period, then by attempt, then by the time of the result. */
export function compareSources(a: StateSource, b: StateSource): number {
  if (a.period !== b.period) return a.period < b.period ? -1 : 1;
  return a.scoringRunId - b.scoringRunId ||
    Date.parse(a.monitoredAt) - Date.parse(b.monitoredAt);
}

function isDue(
  raisedAt: string | undefined,
  { reminderDays, alertedAt }: {
    reminderDays: number;
    alertedAt: string | undefined;
  },
): boolean {
  if (raisedAt === undefined || reminderDays === 0) return false;
  return alertedAt === undefined ||
    Date.parse(raisedAt) - Date.parse(alertedAt) >= reminderDays * dayMs;
}
