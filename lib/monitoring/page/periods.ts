/** The monitored periods of a variant in order of time, as the trends of the page need them. */
import {
  type MonitoringResult,
  type PastVerdict,
  periodOf,
} from "../result.ts";
import type { Severity } from "../verdict.ts";
import type { ColumnDrift } from "../column-drift.ts";
import { judgedColumns } from "../columns.ts";
import type { Mark } from "./charts.ts";

/** One monitored period, called as an axis shows it; what an earlier release did not store is undefined. */
export type PeriodPoint = ReturnType<typeof toPoint>;

function toPoint(period: PastVerdict) {
  const { data, auc, auc_interval, auc_reference, score_psi } = period;
  return {
    ...period,
    label: periodOf(period),
    data: data ?? undefined,
    auc: auc ?? undefined,
    auc_interval: auc_interval ?? undefined,
    auc_reference: auc_reference ?? undefined,
    score_psi: score_psi ?? undefined,
    columns: period.columns ?? {},
  };
}

/** Returns the earlier periods of a result and its own, oldest first. */
export function toPeriods(result: MonitoringResult): PeriodPoint[] {
  const { scoring_run: run, verdict, performance, comparisons } = result;
  const [main] = comparisons;
  const now: PastVerdict = {
    ...run,
    ...verdict,
    scoring_run_id: run.id,
    drifted_share: main?.drifted_share ?? null,
    score_psi: main?.score?.psi ?? null,
    auc: performance?.metrics["auc"] ?? null,
    auc_interval: performance?.auc_interval ?? null,
    auc_reference: performance?.auc_reference ?? null,
    columns: Object.fromEntries(
      judgedColumns(main).map((
        { name, severity, psi },
      ) => [name, { severity, psi: psi ?? null }]),
    ),
  };
  return [...result.history.toReversed(), now].map(toPoint);
}

/** Returns a mark at each period whose model version differs from the one before. */
export function versionMarks(periods: readonly PeriodPoint[]): Mark[] {
  return periods.flatMap(({ model_version }, at) =>
    at > 0 && periods[at - 1]?.model_version !== model_version
      ? [{ at, label: `v${model_version}` }]
      : []
  );
}

/** Returns the columns with the most failures and warnings over all periods, worst first. */
export function worstColumns(
  periods: readonly PeriodPoint[],
  options: { most: number },
): string[] {
  const weights: Readonly<Partial<Record<Severity, number>>> = {
    fail: 1000,
    warn: 1,
  };
  const found = new Map<string, number>();
  for (const { columns } of periods) {
    for (const [name, { severity }] of Object.entries(columns)) {
      const weight = weights[severity] ?? 0;
      if (weight > 0) found.set(name, (found.get(name) ?? 0) + weight);
    }
  }
  return [...found].sort(([, a], [, b]) => b - a).slice(0, options.most)
    .map(([name]) => name);
}

/** Returns the name of a column for a reader: `brand_id_*` as `brand_id`. */
export function columnTitle({ name, kind }: ColumnDrift): string {
  return kind === "group" ? name.replace(/_?\*$/, "") : name;
}
