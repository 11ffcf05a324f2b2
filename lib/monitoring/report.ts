/** Describes the result of `monitor` as JSON and as text; `page.ts` renders the HTML page. */
import { type MonitoringResult, namesOf, periodOf } from "./result.ts";
import { uriOf } from "../storage/store.ts";
import { UsageError } from "../base/errors.ts";
import { describeFinding } from "./data.ts";
import { toWords } from "../base/flag-value.ts";
import { toHeadline } from "./headline.ts";
import { describeOther, toHtmlReport } from "./page.ts";
import type { Services } from "../services/services.ts";
import type { Outcome } from "../base/outcome.ts";
import { alarmingColumns } from "./columns.ts";
import { describeChallenger, describeMetrics } from "./performance-text.ts";
import {
  describePeriods,
  type ReportedPeriod,
  toPeriodFields,
} from "./period-report.ts";
import { isJudged } from "./verdict.ts";

/** Returns the versioned JSON, indented. */
export function toJsonReport(result: MonitoringResult): string {
  return `${JSON.stringify(result, null, 1)}\n`;
}

/** A verdict that ends `monitor` with exit code 3 when it fails. */
export type FailOn = "data" | "drift" | "performance";

/**
 * Returns the verdicts in the value of `--fail-on`.
 *
 * @param options `measured`: whether a flag or `variants.yaml` names outcomes.
 * @throws {UsageError} If one is unknown, or the only one is a performance that nothing measures.
 */
export function parseFailOn(
  text: string,
  options: { measured: boolean },
): ReadonlySet<FailOn> {
  const words = toWords(text, {
    flag: "fail-on",
    words: ["data", "drift", "performance"],
  });
  const isPerformanceOnly = words.size === 1 && words.has("performance");
  if (isPerformanceOnly && !options.measured) {
    throw new UsageError(
      'Cannot use --fail-on performance without outcomes: performance cannot be measured; name them with --outcomes, or set "outcomes" in variants.yaml',
    );
  }
  return words;
}

/** Locations of the page and the JSON of a monitoring result. */
export interface ReportFiles {
  readonly html: string;
  readonly json: string;
}

/**
 * Writes the page and the JSON to a folder or an `s3://` prefix. The file names
 * contain the scoring run's number, so a second call overwrites the same files.
 */
export async function writeReport(
  { withRetry, artifacts }: Pick<Services, "withRetry" | "artifacts">,
  result: MonitoringResult,
  options: { folder: string },
): Promise<ReportFiles> {
  const { scoring_run: run, outcomes } = result;
  const name = `scoring-run-${run.id}${
    outcomes ? `-outcomes-${outcomes.sha256.slice(0, 8)}` : ""
  }`;
  const store = artifacts(options.folder);
  const write = async (path: string, text: string) => {
    const bytes = new TextEncoder().encode(text);
    await withRetry(`write ${path}`, () => store.write(path, bytes));
    return uriOf(store, path);
  };
  return {
    html: await write(`${name}.html`, toHtmlReport(result)),
    json: await write(`${name}.json`, toJsonReport(result)),
  };
}

/** The facts in the report of `monitor`, in addition to the result. */
export interface MonitoringFacts {
  readonly experiment: string;
  readonly mlflowRunId: string | null;
  /** False when the same scores and outcomes were monitored before. */
  readonly isNew: boolean;
  readonly failOn: ReadonlySet<FailOn>;
  readonly files: ReportFiles;
  /** What happened to the matured periods; undefined if a flag or nothing names outcomes. */
  readonly periods: readonly ReportedPeriod[] | undefined;
}

/**
 * Returns the outcome of `monitor` for one variant. Its exit code is 3 when a
 * verdict that `failOn` names is `fail`; for the performance of matured periods,
 * also when that of a period measured now, or the latest known one, is. It is 1
 * when the outcomes of a period cannot be used.
 */
export function describeMonitoring(
  result: MonitoringResult,
  facts: MonitoringFacts,
): Outcome {
  const { scoring_run: run, verdict, performance, comparisons } = result;
  const main = comparisons[0];
  const { failOn, periods } = facts;
  const tripped = [...failOn].some((each) => verdict[each] === "fail") ||
    (failOn.has("performance") && periods !== undefined &&
      didPerformanceFail(result, periods));
  const isNew = facts.isNew ||
    periods?.some(({ status }) => status === "measured");
  return {
    report: {
      status: isNew ? "created" : "nothing-new",
      variant: result.variant,
      experiment: facts.experiment,
      run_id: facts.mlflowRunId,
      model_name: run.model_name,
      model_version: Number(run.model_version),
      rows: run.rows,
      scoring_run_id: run.id,
      period: run.period ?? null,
      scored_at: run.finished_at,
      monitored_at: result.monitored_at,
      sentence: toHeadline(result).sentence,
      data: verdict.data ?? null,
      data_reasons: (result.data?.findings ?? []).slice(0, 10)
        .map(describeFinding),
      drift: verdict.drift,
      performance: verdict.performance,
      retrain: verdict.retrain,
      reason: verdict.reason,
      drifted_share: main?.drifted_share ?? null,
      score_psi: main?.score?.psi ?? null,
      auc: performance?.metrics["auc"] ?? null,
      outcomes: result.outcomes?.uri ?? null,
      coverage: performance?.coverage ?? null,
      matured: performance?.matured ?? null,
      scored_players: performance?.players ?? null,
      outcome_players: performance?.outcomes ?? null,
      // The line of --json is not for metrics.
      earlier_performance: result.earlier_performance
        ? { ...result.earlier_performance, performance: undefined }
        : null,
      challenger: result.challenger ?? null,
      report: facts.files.html,
      report_json: facts.files.json,
      periods: periods?.map(toPeriodFields),
      notes: result.notes,
      drifted_psi: Object.fromEntries(
        alarmingColumns(main).slice(0, 10).map(({ name, psi }) => [name, psi]),
      ),
    },
    text: toText(result, facts),
    exitCode: periods?.some(({ status }) => status === "failed")
      ? 1
      : tripped
      ? 3
      : 0,
  };
}

/** Tells whether the performance of a period measured now, or the latest known one, failed. */
function didPerformanceFail(
  { verdict, earlier_performance: earlier }: MonitoringResult,
  periods: readonly ReportedPeriod[],
): boolean {
  const isOld = !isJudged(verdict.performance) && earlier?.severity === "fail";
  return isOld || periods.some((period) =>
    period.status === "measured" &&
    period.result.verdict.performance === "fail"
  );
}

function toText(result: MonitoringResult, facts: MonitoringFacts): string {
  const { scoring_run: run, verdict, comparisons } = result;
  const players = `the ${run.rows} ${
    namesOf(result).entities
  } of ${result.title}, scored with ${run.model_name} version ${run.model_version}`;
  const period = periodOf(run);
  return [
    facts.isNew
      ? `Monitored ${players}`
      : `Nothing new: ${players}, were monitored before`,
    `  scoring run: ${run.id} of ${period}, ${run.input_uri}`,
    `  data: ${verdict.data ?? "unknown"}`,
    ...(result.data?.findings ?? []).slice(0, 3).map((finding) =>
      `    ${describeFinding(finding)}`
    ),
    `  drift: ${verdict.drift}`,
    ...comparisons.map((each) =>
      `    ${describeOther(each, result)}: ${each.severity}, ${
        each.reasons.join("; ")
      }`
    ),
    ...alarmingColumns(comparisons[0]).slice(0, 3).map(({ name, reasons }) =>
      `    ${name}: ${reasons.join("; ")}`
    ),
    ...performanceLines(result, facts.periods),
    ...(result.challenger
      ? [`    ${describeChallenger(result.challenger, namesOf(result))}`]
      : []),
    ...result.notes.map((note) => `  note: ${note}`),
    `  retrain: ${verdict.retrain ? "yes" : "no"}, ${verdict.reason}`,
    `The report is in ${facts.files.html}`,
  ].join("\n");
}

/** Describes the performance, the outcomes it was measured on and when; also the latest known performance of an earlier run, if there is one. */
function performanceLines(
  {
    verdict,
    performance,
    outcomes,
    monitored_at,
    earlier_performance: earlier,
    ...result
  }: MonitoringResult,
  periods: readonly ReportedPeriod[] | undefined,
): string[] {
  const own = performance
    ? [
      `  performance: ${verdict.performance}, ${
        performance.reasons.join("; ")
      }`,
      `    ${performance.matured} of ${
        performance.players ?? performance.rows
      } scored ${namesOf(result).entities} have one of the ${
        performance.outcomes ?? "–"
      } outcomes of ${outcomes?.uri}, monitored on ${
        monitored_at.slice(0, 10)
      }`,
      ...describeMetrics(performance, namesOf(result)).map((line) =>
        `    ${line}`
      ),
    ]
    : periods
    ? ["  performance: unknown, the outcomes have not been measured"]
    : ["  performance: unknown, no outcomes were given (--outcomes)"];
  own.push(...describePeriods(periods ?? []));
  if (!earlier) return own;
  const auc = earlier.auc === null ? "" : `, AUC ${earlier.auc.toFixed(4)}`;
  return [
    ...own,
    `    latest known (scoring run ${earlier.scoring_run_id}): ${earlier.severity}${auc}, outcomes of ${earlier.outcomes_uri}, monitored on ${
      earlier.monitored_at.slice(0, 10)
    }`,
  ];
}
