/** The monitored periods of a variant in order of time, as the trends of the page need them. */
import { type MonitoringResult, type PastColumn, periodOf } from "../result.ts";
import type { Severity } from "../verdict.ts";
import type { ColumnDrift } from "../column-drift.ts";
import { judgedColumns } from "../columns.ts";
import type { Mark } from "./charts.ts";

/** One monitored period; what an earlier release did not store is undefined. */
export interface PeriodPoint {
  readonly label: string;
  readonly modelVersion: string;
  readonly rows: number;
  readonly data: Severity | undefined;
  readonly drift: Severity;
  readonly performance: Severity;
  readonly auc: number | undefined;
  readonly aucInterval: readonly [number, number] | undefined;
  /** AUC when the model version was logged. */
  readonly aucReference: number | undefined;
  readonly scorePsi: number | undefined;
  /** What was found in the columns of the trend, by name. */
  readonly columns: Readonly<Record<string, PastColumn>>;
}

/** Returns the earlier periods of a result and its own, oldest first. */
export function toPeriods(result: MonitoringResult): PeriodPoint[] {
  const { scoring_run: run, verdict, performance, comparisons } = result;
  const [main] = comparisons;
  const past = result.history.map((each): PeriodPoint => ({
    label: periodOf(each),
    modelVersion: each.model_version,
    rows: each.rows,
    data: each.data ?? undefined,
    drift: each.drift,
    performance: each.performance,
    auc: each.auc ?? undefined,
    aucInterval: each.auc_interval ?? undefined,
    aucReference: each.auc_reference ?? undefined,
    scorePsi: each.score_psi ?? undefined,
    columns: each.columns ?? {},
  }));
  const now: PeriodPoint = {
    label: periodOf(run),
    modelVersion: run.model_version,
    rows: run.rows,
    data: verdict.data,
    drift: verdict.drift,
    performance: verdict.performance,
    auc: performance?.metrics["auc"],
    aucInterval: performance?.auc_interval,
    aucReference: performance?.auc_reference,
    scorePsi: main?.score?.psi,
    columns: Object.fromEntries(
      judgedColumns(main).map((
        { name, severity, psi },
      ) => [name, { severity, psi: psi ?? null }]),
    ),
  };
  return [...past.reverse(), now];
}

/** Returns a mark at each period whose model version differs from the one before. */
export function versionMarks(periods: readonly PeriodPoint[]): Mark[] {
  return periods.flatMap(({ modelVersion }, at) =>
    at > 0 && periods[at - 1]?.modelVersion !== modelVersion
      ? [{ at, label: `v${modelVersion}` }]
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
