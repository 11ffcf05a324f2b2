/** Describes what happened to the matured periods of a call of `monitor`, as JSON and as text. */
import { describeChallenger } from "./performance-text.ts";
import type { Period } from "../config/periods.ts";
import { type MonitoringResult, namesOf } from "./result.ts";
import type { LedgerRun } from "./runs.ts";

/** What happened to one period; periods that were measured before are left out. */
export type PeriodOutcome =
  | {
    readonly status: "measured";
    readonly run: LedgerRun;
    readonly result: MonitoringResult;
    readonly mlflowRunId: string | null;
  }
  /** The outcomes have matured, but there are none. */
  | {
    readonly status: "missing";
    readonly run: LedgerRun;
    /** Where they are expected. */
    readonly expected: string;
  }
  /** The outcomes of the chosen period have not matured. */
  | {
    readonly status: "immature";
    readonly run: LedgerRun;
    /** The first day on which they are mature. */
    readonly from: Period;
  }
  /** The outcomes cannot be used. */
  | {
    readonly status: "failed";
    readonly run: LedgerRun;
    readonly error: string;
  };

/** What happened to a period, and the page and JSON on it if it was measured. */
export type ReportedPeriod = PeriodOutcome & {
  readonly files?: { readonly html: string; readonly json: string };
};

/** Returns the result and the page of a period that was measured; nothing for another. */
export function toMeasured(
  period: ReportedPeriod,
): { result: MonitoringResult; report: string }[] {
  return period.status === "measured" && period.files
    ? [{ result: period.result, report: period.files.html }]
    : [];
}

/** Returns the fields of the JSON line; those that do not apply are null. */
export function toPeriodFields(
  period: ReportedPeriod,
): Record<string, string | number | boolean | null> {
  const { status, run, files } = period;
  const result = period.status === "measured" ? period.result : undefined;
  const performance = result?.performance;
  return {
    period: run.period,
    status,
    scoring_run_id: run.id,
    model_version: Number(run.modelVersion),
    performance: result?.verdict.performance ?? null,
    auc: performance?.metrics["auc"] ?? null,
    coverage: performance?.coverage ?? null,
    matured: performance?.matured ?? null,
    retrain: result?.verdict.retrain ?? null,
    challenger_version: result?.challenger?.model_version ?? null,
    challenger_auc_difference: result?.challenger?.auc_difference ?? null,
    outcomes: period.status === "missing"
      ? period.expected
      : result?.outcomes?.uri ?? null,
    mature_from: period.status === "immature" ? period.from : null,
    error: period.status === "failed" ? period.error : null,
    run_id: period.status === "measured" ? period.mlflowRunId : null,
    report: files?.html ?? null,
    report_json: files?.json ?? null,
  };
}

/** The most periods that one line lists. */
const mostListed = 5;

/** Returns one line per measured period, and one per reason why others were not. */
export function describePeriods(
  periods: readonly ReportedPeriod[],
): string[] {
  const measured = periods.flatMap((each) =>
    each.status !== "measured" ? [] : [
      `    measured ${each.run.period} (scoring run ${each.run.id}): ${each.result.verdict.performance}, ${
        each.result.performance?.reasons.join("; ") ?? ""
      }`,
      ...(each.result.challenger
        ? [
          `      ${
            describeChallenger(each.result.challenger, namesOf(each.result))
          }`,
        ]
        : []),
    ]
  );
  return [...measured, ...notMeasured(periods).map((line) => `    ${line}`)];
}

/** Returns one line per reason why periods were not measured. */
export function notMeasured(periods: readonly PeriodOutcome[]): string[] {
  const others = Map.groupBy(periods, describeOther);
  return [...others].flatMap(([reason, those]) => {
    if (reason === undefined) return [];
    const days = those.map(({ run }) => run.period);
    const shown = days.slice(-mostListed).join(", ");
    const more = days.length - mostListed;
    return [
      `not measured: ${shown}${
        more > 0 ? ` and ${more} earlier periods` : ""
      }: ${reason}`,
    ];
  });
}

/** Returns why a period was not measured; undefined if it was. */
function describeOther(period: PeriodOutcome): string | undefined {
  switch (period.status) {
    case "measured":
      return undefined;
    case "missing":
      return `the outcomes have matured, but there are none in ${period.expected}`;
    case "immature":
      return `the outcomes are not mature before ${period.from}`;
    case "failed":
      return period.error;
  }
}
