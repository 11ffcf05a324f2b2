/** What failed or warned in a monitoring result: one entry per column, group or verdict, worst first. */
import type { ColumnDrift } from "../column-drift.ts";
import { subjectOf } from "../data.ts";
import { judgedColumns, sortedByConcern } from "../columns.ts";
import type { Performance } from "../performance.ts";
import type { MonitoringResult } from "../result.ts";
import { isAlarm, isJudged } from "../verdict.ts";

/** One thing that failed or warned. */
export interface Alarm {
  /** A column, a group, two columns whose correlation changed, `score`, `performance` or `number of rows`. */
  readonly name: string;
  readonly severity: "warn" | "fail";
  /** Which verdicts it belongs to. */
  readonly verdicts: readonly ("data" | "drift" | "performance")[];
  readonly reasons: readonly string[];
  /** Its counts in both samples; absent for what is not a column. */
  readonly column?: ColumnDrift | undefined;
}

/**
 * Returns what failed or warned: performance first, then failures before
 * warnings, broken data before drift. What the data and the drift verdict say of
 * one column is one entry.
 */
export function toAlarms(result: MonitoringResult): Alarm[] {
  const { data, comparisons } = result;
  const shown = shownPerformance(result);
  const [main] = comparisons;
  const columns = [
    ...main?.score ? [main.score] : [],
    ...sortedByConcern(judgedColumns(main)),
  ];
  const entries = new Map<string, Alarm>();
  const add = (alarm: Alarm) => {
    const known = entries.get(alarm.name);
    entries.set(
      alarm.name,
      known
        ? {
          ...known,
          severity: known.severity === "fail" ? "fail" : alarm.severity,
          verdicts: [...new Set([...known.verdicts, ...alarm.verdicts])],
          // Both verdicts may give the same numbers; the first also has the limits.
          reasons: [
            ...known.reasons,
            ...alarm.reasons.filter((reason) =>
              !known.reasons.some((other) => other.startsWith(reason))
            ),
          ],
        }
        : alarm,
    );
  };
  const severity = shown?.performance.severity ?? "unknown";
  if (shown && isAlarm(severity)) {
    const { performance, period } = shown;
    add({
      name: "performance",
      severity,
      verdicts: ["performance"],
      reasons: [
        ...performance.reasons,
        ...period === undefined ? [] : [`outcomes of ${period}, the latest`],
      ],
    });
  }
  for (const finding of data?.findings ?? []) {
    const { column: of, severity, reason } = finding;
    const column = columns.find(({ name }) =>
      name === of || name === `${of}_*`
    );
    add({
      name: column?.name ?? subjectOf(finding),
      severity,
      verdicts: ["data"],
      reasons: [reason],
      column,
    });
  }
  for (const column of columns) {
    const { severity } = column;
    if (!isAlarm(severity)) continue;
    const { name, reasons } = column;
    add({ name, severity, verdicts: ["drift"], reasons, column });
  }
  for (const { columns, severity, reason } of main?.associations ?? []) {
    add({
      name: columns.join(" with "),
      severity,
      verdicts: ["drift"],
      reasons: [reason],
    });
  }
  const rank = ({ severity, verdicts }: Alarm) =>
    (severity === "fail" ? 0 : 10) +
    (verdicts.includes("performance") ? 0 : verdicts.includes("data") ? 1 : 2);
  return [...entries.values()].sort((a, b) => rank(a) - rank(b));
}

/** Returns the performance that the page shows: that of the run if it was judged, otherwise the latest known one of its model version, with its period; undefined if there is none. */
export function shownPerformance(
  { performance, earlier_performance: earlier }: MonitoringResult,
): { performance: Performance; period: string | undefined } | undefined {
  const isOwn = performance && isJudged(performance.severity);
  if (!isOwn && earlier?.performance) {
    const when = earlier.period ?? `scoring run ${earlier.scoring_run_id}`;
    return { performance: earlier.performance, period: when };
  }
  return performance && { performance, period: undefined };
}
