/** Says in one sentence what state a variant is in, why, and what to do. */
import { listSome } from "../base/phrases.ts";
import { type ColumnDrift, largestChange } from "./column-drift.ts";
import { judgedColumns, sortedByConcern } from "./columns.ts";
import { type MonitoringResult, namesOf, periodOf } from "./result.ts";
import { thresholds } from "../config/monitoring.ts";
import { isJudged, type Severity } from "./verdict.ts";
import { shortPercent, significant } from "./numbers.ts";
import { columnTitle } from "./page/periods.ts";

/** The state of a variant, and the sentence that explains it. */
export interface Headline {
  /** The worst of the verdicts. Only verdicts that were given count: an unknown performance leaves the state of data and drift. */
  readonly state: Severity;
  /** One sentence: variant, period and model version, the state, its cause, and what to do. */
  readonly sentence: string;
}

/**
 * Returns the state of a monitored run in one sentence. Broken data comes first,
 * because it explains what follows from it; then performance, then drift;
 * failures before warnings. Without a performance of its own, the latest known
 * one of the model version counts.
 */
export function toHeadline(result: MonitoringResult): Headline {
  const { verdict } = result;
  const performance = performanceOf(result);
  const judged = [
    [verdict.data, explainData],
    [performance, explainPerformance],
    [verdict.drift, explainDrift],
  ] as const;
  for (const state of ["fail", "warn"] as const) {
    const [, explain] = judged.find(([severity]) => severity === state) ?? [];
    if (explain) return toSentence(result, state, explain(result, state));
  }
  const state =
    [verdict.data ?? "ok", verdict.drift].find((severity) =>
      severity !== "ok"
    ) ?? "ok";
  return toSentence(
    result,
    state,
    state === "ok"
      ? explainQuiet(result, performance)
      : explainUnknown(result, state),
  );
}

/** The parts of the sentence: what is judged, how it is, why, and what to do. */
interface Explanation {
  readonly subject?: string;
  readonly state: string;
  readonly causes: readonly string[];
  readonly action: string;
}

function toSentence(
  { title, scoring_run: run, verdict }: MonitoringResult,
  state: Severity,
  explanation: Explanation,
): Headline {
  const { subject, causes, action } = explanation;
  const period = periodOf(run);
  const most = 2;
  const cause = causes.length > most ? listSome(causes, most) : listed(causes);
  // Where nothing failed, such as for an old model, the reason is part of the sentence.
  const todo = !verdict.retrain
    ? action
    : state === "fail"
    ? "retrain the model"
    : `retrain the model, because ${verdict.reason}`;
  return {
    state,
    sentence: `${
      subject === undefined ? title : `${subject} of ${title}`
    } for ${period} (model version ${run.model_version}) ${explanation.state}${
      cause === "" ? "" : `: ${cause}`
    }; ${todo}.`,
  };
}

function performanceOf(
  { verdict, earlier_performance: earlier }: MonitoringResult,
): Severity {
  return !isJudged(verdict.performance) && earlier
    ? earlier.severity
    : verdict.performance;
}

function explainData(
  { data }: MonitoringResult,
  state: "fail" | "warn",
): Explanation {
  return {
    subject: "The data",
    state: state === "fail" ? "is broken" : "is unusual",
    causes: (data?.findings ?? []).filter(({ severity }) => severity === state)
      .map(({ column, reason }) => {
        const cause = withoutLimits(reason).replaceAll("; ", ", ");
        return column === undefined ? cause : `${column} (${cause})`;
      }),
    action: state === "fail"
      ? "repair it at its source and score the period again"
      : "ask whoever delivers it whether that is right",
  };
}

function explainPerformance(
  {
    performance,
    earlier_performance: earlier,
    thresholds: stored,
    ...result
  }: MonitoringResult,
  state: "fail" | "warn",
): Explanation {
  const isOwn = performance?.severity === state;
  const found = isOwn ? performance : earlier?.performance;
  const verb = state === "fail" ? "failed" : "weakened";
  const when = earlier?.period ?? `scoring run ${earlier?.scoring_run_id}`;
  const parts = {
    subject: "The performance",
    state: isOwn ? verb : `${verb} on the latest outcomes, those of ${when}`,
    action: state === "fail"
      ? "do not retrain yet"
      : "run monitor again when the next outcomes are known",
  };
  if (!found) {
    const { auc = null } = earlier ?? {};
    return {
      ...parts,
      causes: auc === null ? [] : [`AUC is ${auc.toFixed(3)}`],
    };
  }
  const { metrics, auc_reference: before } = found;
  const { auc, calibration_shift: shift, calibration_difference: difference } =
    metrics;
  const limits = { ...thresholds, ...stored };
  const isLower = auc !== undefined && before !== undefined &&
    before - auc >= limits.auc_drop.warn;
  const isShifted = shift !== undefined && difference !== undefined &&
    Math.abs(shift) >= limits.calibration_shift.warn;
  const causes = [
    ...isLower
      ? [
        `AUC is ${auc.toFixed(3)}, ${
          before.toFixed(3)
        } when the model was logged`,
      ]
      : [],
    ...isShifted
      ? [
        `the ${namesOf(result).outcome} rate is ${
          significant(100 * Math.abs(difference))
        } points ${difference > 0 ? "above" : "below"} the expected one`,
      ]
      : [],
  ];
  return {
    ...parts,
    causes: causes.length > 0 ? causes : found.reasons,
  };
}

function explainDrift(
  { comparisons, ...result }: MonitoringResult,
  state: "fail" | "warn",
): Explanation {
  const [main] = comparisons;
  const columns = [
    ...sortedByConcern(judgedColumns(main)),
    ...main?.score ? [main.score] : [],
  ];
  const other = main?.comparison === "consecutive"
    ? "those of the previous run"
    : "the model's reference";
  return {
    subject: `The ${namesOf(result).entities}`,
    state: state === "fail"
      ? `differ from ${other}`
      : `have moved away from ${other}`,
    causes: [
      ...columns.filter(({ severity }) => severity === state)
        .map(describeChange),
      ...(main?.associations ?? []).filter(({ severity }) => severity === state)
        .map(({ columns, correlation_ref: before, correlation_cur: now }) =>
          `${columns.join(" with ")} (correlation from ${
            before.toFixed(2)
          } to ${now.toFixed(2)})`
        ),
    ],
    action: state === "fail"
      ? "do not retrain yet"
      : "nothing to do unless it grows",
  };
}

function explainQuiet(
  { verdict }: MonitoringResult,
  performance: Severity,
): Explanation {
  const fine = [
    ...verdict.data === undefined ? [] : ["data"],
    "drift",
    ...performance === "ok" ? ["performance"] : [],
  ];
  const open = performance === "ok" ? "" : ", performance is not known yet";
  return {
    state: "is fine",
    causes: [
      `${listed(fine)} ${
        fine.length === 1 ? "is" : "are"
      } within the limits${open}`,
    ],
    action: "nothing to do",
  };
}

function explainUnknown(
  { comparisons, notes, scoring_run: run, thresholds }: MonitoringResult,
  state: Severity,
): Explanation {
  if (state === "not-enough-data") {
    return {
      state: "has too few rows for a verdict",
      causes: [`${run.rows} rows, at least ${thresholds.min_rows} are needed`],
      action: "monitor a larger run",
    };
  }
  return {
    state: "cannot be judged",
    causes: [
      notes[0] ?? comparisons[0]?.reasons.join(", ") ??
        "there is nothing to compare it with",
    ],
    action: "the notes say what is missing",
  };
}

/**
 * Returns the change of a column that a person understands without statistics:
 * of a group, the category that changed most; of a number, its missing share or
 * its mean; otherwise the stability index.
 */
function describeChange(column: ColumnDrift): string {
  const { kind, missing_ref, missing_cur, mean_ref, mean_cur, psi } = column;
  const title = columnTitle(column);
  if (kind === "group") {
    const { category, before, now } = largestChange(column);
    return `${title} (${category} from ${shortPercent(before)} to ${
      shortPercent(now)
    })`;
  }
  if (Math.abs(missing_cur - missing_ref) >= 0.02) {
    return `${title} (missing from ${shortPercent(missing_ref)} to ${
      shortPercent(missing_cur)
    })`;
  }
  if (mean_ref !== undefined && mean_cur !== undefined) {
    const [what, form] = kind === "category"
      ? ["share" as const, shortPercent]
      : ["mean" as const, significant];
    return `${title} (${what} from ${form(mean_ref)} to ${form(mean_cur)})`;
  }
  return `${title} (PSI ${significant(psi)})`;
}

function listed(items: readonly string[]): string {
  return items.length < 2
    ? items.join("")
    : `${items.slice(0, -1).join(", ")} and ${items.at(-1)}`;
}

/** Removes the limits in parentheses at the end of a reason. */
function withoutLimits(reason: string): string {
  return reason.replace(/ \((warns|fails) at [^()]*\)$/, "");
}
