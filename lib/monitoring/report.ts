/** What `monitor` found, for a program and for a person; the page is in `monitorpage.ts`. */
import { uriOf } from "../storage/store.ts";
import { UsageError } from "../base/errors.ts";
import type { MonitoringResult } from "./result.ts";
import { describeOther, sortedByConcern, toHtmlReport } from "./page.ts";
import type { Services } from "../services/services.ts";
import type { Outcome } from "../base/outcome.ts";
import type { ColumnDrift, DriftComparison } from "./columns.ts";

/** The versioned JSON, indented for people. */
export function toJsonReport(evidence: MonitoringResult): string {
  return `${JSON.stringify(evidence, null, 1)}\n`;
}

/** Which verdict ends `monitor` with exit code 3. */
export type FailOn = "drift" | "performance" | "never";

/** The verdict that a flag names. @throws {UsageError} If it names none. */
export function parseFailOn(text: string): FailOn {
  if (text === "drift" || text === "performance" || text === "never") {
    return text;
  }
  throw new UsageError(
    `Cannot use --fail-on "${text}": expected drift, performance or never`,
  );
}

/** Where the page and the JSON of a look are. */
export interface ReportFiles {
  readonly html: string;
  readonly json: string;
}

/**
 * Writes the page and the JSON into a folder, or below an `s3://` prefix, under
 * the scoring run's number; a second call writes the same files again.
 */
export async function writeReport(
  { attempt, artifacts }: Pick<Services, "attempt" | "artifacts">,
  evidence: MonitoringResult,
  options: { folder: string },
): Promise<ReportFiles> {
  const { scoring_run: run, outcomes } = evidence;
  const name = `scoring-run-${run.id}${
    outcomes ? `-outcomes-${outcomes.sha256.slice(0, 8)}` : ""
  }`;
  const store = artifacts(options.folder);
  const write = async (path: string, text: string) => {
    const bytes = new TextEncoder().encode(text);
    await attempt(`write ${path}`, () => store.write(path, bytes));
    return uriOf(store, path);
  };
  return {
    html: await write(`${name}.html`, toHtmlReport(evidence)),
    json: await write(`${name}.json`, toJsonReport(evidence)),
  };
}

/** What is reported of a look beside its evidence. */
export interface MonitoringFacts {
  readonly experiment: string;
  readonly mlflowRunId: string | null;
  /** False when the same scores and outcomes were looked at before. */
  readonly isNew: boolean;
  readonly failOn: FailOn;
  readonly files: ReportFiles;
}

/** The outcome of `monitor` for one variant; exit code 3 when the verdict that `failOn` names is `fail`. */
export function describeMonitoring(
  evidence: MonitoringResult,
  facts: MonitoringFacts,
): Outcome {
  const { scoring_run: run, verdict, performance, comparisons } = evidence;
  const main = comparisons[0];
  const tripped = facts.failOn !== "never" && verdict[facts.failOn] === "fail";
  return {
    report: {
      status: facts.isNew ? "created" : "nothing-new",
      variant: evidence.variant,
      experiment: facts.experiment,
      run_id: facts.mlflowRunId,
      model_name: run.model_name,
      model_version: Number(run.model_version),
      rows: run.rows,
      scoring_run_id: run.id,
      scored_at: run.finished_at,
      monitored_at: evidence.monitored_at,
      drift: verdict.drift,
      performance: verdict.performance,
      retrain: verdict.retrain,
      reason: verdict.reason,
      drifted_share: main?.drifted_share ?? null,
      score_psi: main?.score?.psi ?? null,
      auc: performance?.metrics["auc"] ?? null,
      outcomes: evidence.outcomes?.uri ?? null,
      coverage: performance?.coverage ?? null,
      matured: performance?.matured ?? null,
      scored_players: performance?.players ?? null,
      outcome_players: performance?.outcomes ?? null,
      earlier_performance: evidence.earlier_performance ?? null,
      report: facts.files.html,
      report_json: facts.files.json,
      notes: evidence.notes,
      drifted_psi: Object.fromEntries(
        drifted(main).slice(0, 10).map(({ name, psi }) => [name, psi]),
      ),
    },
    text: toText(evidence, facts),
    exitCode: tripped ? 3 : 0,
  };
}

function toText(evidence: MonitoringResult, facts: MonitoringFacts): string {
  const { scoring_run: run, verdict, comparisons } = evidence;
  const players =
    `the ${run.rows} players of ${evidence.title}, scored with ${run.model_name} version ${run.model_version}`;
  const day = run.finished_at.slice(0, 10);
  return [
    facts.isNew
      ? `Monitored ${players}`
      : `Nothing new: ${players}, were looked at before`,
    `  scoring run: ${run.id} of ${day}, ${run.input_uri}`,
    `  drift: ${verdict.drift}`,
    ...comparisons.map((each) =>
      `    ${describeOther(each, evidence)}: ${each.severity}, ${
        each.reasons.join("; ")
      }`
    ),
    ...drifted(comparisons[0]).slice(0, 3).map(({ name, reasons }) =>
      `    ${name}: ${reasons.join("; ")}`
    ),
    ...performanceLines(evidence),
    ...evidence.notes.map((note) => `  note: ${note}`),
    `  retrain: ${verdict.retrain ? "yes" : "no"}, ${verdict.reason}`,
    `The report is in ${facts.files.html}`,
  ].join("\n");
}

/** How the scores met outcomes, with which and when; without any, what an earlier run's said. */
function performanceLines(
  {
    verdict,
    performance,
    outcomes,
    monitored_at,
    earlier_performance: earlier,
  }: MonitoringResult,
): string[] {
  const own = performance
    ? [
      `  performance: ${verdict.performance}, ${
        performance.reasons.join("; ")
      }`,
      `    ${performance.matured} of ${
        performance.players ?? performance.rows
      } scored players have one of the ${
        performance.outcomes ?? "–"
      } outcomes of ${outcomes?.uri}, looked at ${monitored_at.slice(0, 10)}`,
    ]
    : ["  performance: unknown, no outcomes were named (--outcomes)"];
  if (!earlier) return own;
  const auc = earlier.auc === null ? "" : `, AUC ${earlier.auc.toFixed(4)}`;
  return [
    ...own,
    `    latest known, of scoring run ${earlier.scoring_run_id}: ${earlier.severity}${auc}, outcomes of ${earlier.outcomes_uri}, looked at ${
      earlier.monitored_at.slice(0, 10)
    }`,
  ];
}

/** Columns that warn or fail, worst first. */
function drifted(
  comparison: DriftComparison | undefined,
): ColumnDrift[] {
  return sortedByConcern(comparison?.features ?? [])
    .filter(({ severity }) => severity === "warn" || severity === "fail");
}
