/** Renders the report of `monitor` as one HTML page without scripts and external resources; it contains bins but no rows. */
import {
  badge,
  facts,
  folded,
  list,
  name,
  symbolOf,
  table,
  text,
  unseen,
} from "./html.ts";
import { type ColumnDrift, describeP } from "./column-drift.ts";
import {
  type DriftComparison,
  judgedColumns,
  sortedByConcern,
} from "./columns.ts";
import { describeFinding } from "./data.ts";
import { toHeadline } from "./headline.ts";
import { shortPeriod } from "./page/charts.ts";
import { type Alarm, shownPerformance, toAlarms } from "./page/alarms.ts";
import {
  calibrationFigures,
  columnFigure,
  driftTrend,
  performanceFigure,
  type Samples,
  scoreFigure,
  volumeFigure,
} from "./page/figures.ts";
import { count, shortPercent, significant } from "./numbers.ts";
import {
  columnTitle,
  type PeriodPoint,
  toPeriods,
  versionMarks,
  worstColumns,
} from "./page/periods.ts";
import { style } from "./page/style.ts";
import {
  type MonitoringResult,
  namesOf,
  periodOf,
  type ResultNames,
} from "./result.ts";

/** Limits that hold the page under 500 KB for any number of columns; the JSON contains all columns. */
const most = { alarms: 12, rows: 200, trends: 12 };

/**
 * Returns the page, under 500 KB: a sentence that names state, cause and action;
 * performance, scores and volume; what failed or warned; all periods; and folded,
 * what is fine and the technical facts.
 */
export function toHtmlReport(result: MonitoringResult): string {
  const { title, notes, comparisons, previous, scoring_run: run } = result;
  const names = namesOf(result);
  const other = comparisons[0]?.comparison === "consecutive"
    ? previous?.period ?? `scoring run ${previous?.id}`
    : "reference";
  const view = {
    result,
    periods: toPeriods(result),
    alarms: toAlarms(result),
    names,
    samples: { other, now: periodOf(run), names },
  };
  return page(`Monitoring of ${title}`, {
    header: heroPart(view),
    main: [
      overviewPart(view),
      alarmPart(view),
      historyPart(view),
      performancePart(view),
      notes.length === 0
        ? ""
        : `<section><h2>Notes</h2>${list(notes.slice(0, 50))}</section>`,
      `<section><h2>Details</h2>${finePart(view)}${previousPart(result)}${
        unseenPart(result)
      }${technicalPart(result)}</section>`,
    ],
    footer: "PSI: population stability index over the bins of the reference, " +
      "without missing values. It counts only above its noise limit, " +
      "below which 9,999 of 10,000 samples without drift stay. " +
      "All numbers are in the JSON report beside this page.",
  });
}

/** What the parts of the page are drawn from. */
interface View {
  readonly result: MonitoringResult;
  readonly periods: readonly PeriodPoint[];
  readonly alarms: readonly Alarm[];
  readonly names: ResultNames;
  /** Both samples as the legends of the charts name them. */
  readonly samples: Samples;
}

/** Returns a complete page without scripts; `header` and `main` are HTML, `footer` is plain text. */
export function page(
  title: string,
  parts: { header: string; main: readonly string[]; footer: string },
): string {
  const html = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${text(title)}</title>
<style>${style}</style>
</head>
<body>
<div class="wrap">
<header>${parts.header}</header>
<main>
${parts.main.filter((part) => part !== "").join("\n")}
</main>
<footer><p>${text(parts.footer)}</p></footer>
</div>
</body>
</html>
`;
  // A line must not break between a number and its percent sign.
  return html.replaceAll(/(\d) %/g, "$1\u00a0%");
}

/** Describes the sample that the rows are compared with. */
export function describeOther(
  { comparison }: DriftComparison,
  { reference, previous }: MonitoringResult,
): string {
  if (comparison === "consecutive") {
    return `against the ${previous?.rows} rows of scoring run ${previous?.id}`;
  }
  const kind = reference?.kind === "evaluation"
    ? "labelled rows"
    : "sample rows";
  return `against the ${reference?.rows} ${kind} that the model was logged with`;
}

function heroPart({ result, periods, names }: View): string {
  const { title, scoring_run: run, verdict, comparisons, performance } = result;
  const { earlier_performance: earlier } = result;
  const { state, sentence } = toHeadline(result);
  const findings = result.data?.findings ?? [];
  const cell = (what: string, severity: string, why: string) =>
    `<li><strong>${what}</strong>${badge(severity)}<br>${text(why, 160)}</li>`;
  const auc = performance?.metrics["auc"];
  const latest = periods.findLast((period) => period.auc !== undefined);
  const performanceFacts = performance
    ? `${auc === undefined ? "" : `AUC ${auc.toFixed(3)} on `}${
      count(performance.matured)
    } outcomes, ${shortPercent(performance.coverage)} of the ${names.entities}`
    : latest?.auc !== undefined
    ? `latest known: ${latest.performance}, AUC ${
      latest.auc.toFixed(3)
    } for ${latest.label}`
    : earlier
    ? `latest known: ${earlier.severity}, scoring run ${earlier.scoring_run_id}`
    : "no outcomes are known yet";
  const [finding] = findings;
  const more = findings.length > 1 ? `; ${findings.length - 1} more` : "";
  const dataFacts = finding
    ? describeFinding(finding) + more
    : "every column is as it should be";
  const driftFacts = comparisons[0]?.reasons.join("; ") ?? "";
  const cells = [
    verdict.data === undefined ? "" : cell("Data", verdict.data, dataFacts),
    cell("Drift", verdict.drift, driftFacts),
    cell("Performance", verdict.performance, performanceFacts),
  ];
  return `<div class="hero ${state}">
<p class="kicker">Monitoring of ${name(title)} · ${
    text(periodOf(result.scoring_run))
  } · ${count(run.rows)} ${text(names.entities)} · ${
    name(run.model_name)
  } version ${name(run.model_version)}</p>
<h1>${text(sentence)}</h1>
<ul class="verdicts">${
    cells.join("")
  }<li><strong>Retrain</strong><b class="badge">${
    verdict.retrain ? "yes" : "no"
  }</b><br>${text(verdict.reason, 160)}</li></ul>
</div>`;
}

function overviewPart({ result, periods, names, samples }: View): string {
  const { comparisons, thresholds: limits } = result;
  const score = comparisons[0]?.score;
  const empty = (title: string, why: string) =>
    `<h3>${title}</h3><p class="soft">${text(why)}</p>`;
  const figures = [
    performanceFigure(periods, { limits }) ?? empty(
      "Performance over time",
      "No outcomes have been measured yet. monitor --outcomes FILE measures AUC, calibration and lift once they are known.",
    ),
    score
      ? scoreFigure(score, samples)
      : empty("Score distribution", "There are no scores to compare with."),
    volumeFigure(periods, names),
  ];
  return `<section class="top"><h2 class="unseen">Overview</h2><div class="grid">${
    figures.map(card).join("")
  }</div></section>`;
}

function alarmPart(view: View): string {
  const { alarms } = view;
  if (alarms.length === 0) return "";
  const shown = alarms.slice(0, most.alarms);
  const rest = alarms.slice(most.alarms);
  const cards = shown.map((alarm, index) =>
    alarmCard(alarm, `alarm-${index + 1}`, view)
  );
  const more = rest.length === 0 ? "" : folded(
    `${rest.length} more ${
      rest.length === 1 ? "column fails or warns" : "columns fail or warn"
    }`,
    table({
      caption: "More columns that fail or warn",
      head: ["column", "verdict", "why"],
      texts: 3,
      rows: rest.slice(0, most.rows).map((alarm) => [
        name(titleOf(alarm)),
        badge(alarm.severity),
        text(alarm.reasons.join("; "), 300),
      ]),
    }) + hiddenRows(rest.length),
  );
  return `<section><h2>What failed or warned</h2>${
    cards.join("")
  }${more}</section>`;
}

function alarmCard(
  alarm: Alarm,
  id: string,
  { result, periods, names, samples }: View,
): string {
  const { column, severity, verdicts } = alarm;
  const title = titleOf(alarm);
  const isScore = alarm.name === "score";
  const chart = column && !isScore
    ? columnFigure(column, { id, ...samples })
    : "";
  const trend = column
    ? driftTrend(
      title,
      periods.map(({ label, score_psi, columns }) => {
        const { psi, severity } = columns[column.name] ?? {};
        return isScore
          ? { label, psi: score_psi, severity: undefined }
          : { label, psi: psi ?? undefined, severity };
      }),
      { id: `${id}-trend`, periods, limits: result.thresholds },
    ) ?? ""
    : "";
  const measured = alarm.name === "performance"
    ? shownPerformance(result)
    : undefined;
  const figures = measured
    ? calibrationFigures(measured.performance, names).join("")
    : "";
  const where = alarm.name === "number of rows"
    ? "see the chart of the volume"
    : isScore
    ? "see the chart of the score distribution"
    : undefined;
  const lines = [
    ...alarm.reasons,
    column && sincePrevious(result, column),
    where,
  ].filter((line) => line !== undefined);
  return `<article class="card alarm ${severity}"><div><h3>${name(title)} ${
    badge(severity)
  }<span class="soft">${text(verdicts.join(", "))}</span></h3>${
    list(lines)
  }</div>${figures}${chart}${trend}</article>`;
}

/** Says whether a column also changed since the previous run. */
function sincePrevious(
  { comparisons, previous }: MonitoringResult,
  column: ColumnDrift,
): string | undefined {
  const comparison = comparisons.slice(1).find((each) =>
    each.comparison === "consecutive"
  );
  if (!comparison || !previous) return undefined;
  const found = column.name === "score"
    ? comparison.score
    : judgedColumns(comparison).find(({ name }) => name === column.name);
  if (!found) return undefined;
  const since = previous.period ?? `scoring run ${previous.id}`;
  return found.severity === "ok"
    ? `no change since ${since} (PSI ${significant(found.psi)})`
    : `since ${since}: ${found.severity}${
      found.psi === undefined ? "" : `, PSI ${significant(found.psi)}`
    }`;
}

/** One row per verdict and per worst column, one cell per period. */
function historyPart({ result, periods }: View): string {
  if (periods.length < 2) return "";
  const marks = new Set(versionMarks(periods).map(({ at }) => at));
  const markOf = (index: number) => marks.has(index) ? " mark" : "";
  const every = Math.ceil(periods.length / 6);
  const last = periods.length - 1;
  const heads = periods.map(({ label, model_version }, index) =>
    `<th scope="col" class="${markOf(index).trim()}">${
      unseen(
        `${label}${
          index === 0 || marks.has(index)
            ? `, model version ${model_version}`
            : ""
        }`,
      )
    }${
      (last - index) % every === 0
        ? `<span aria-hidden="true">${text(shortPeriod(label))}</span>`
        : ""
    }</th>`
  );
  const row = (
    title: string,
    cells: readonly ({ severity: string; psi?: number | null } | undefined)[],
    kind = "",
  ) =>
    `<tr${kind}><th scope="row" title="${name(title)}">${name(title)}</th>${
      cells.map((cell, index) => {
        if (!cell) {
          return `<td class="none${markOf(index)}">${unseen("–")}</td>`;
        }
        const { severity, psi } = cell;
        const value = psi === undefined || psi === null
          ? severity
          : `${severity}, PSI ${significant(psi)}`;
        return `<td class="${text(severity)}${markOf(index)}" title="${
          text(`${title}, ${periods[index]?.label}: ${value}`)
        }"><i aria-hidden="true">${
          severity === "ok" ? "" : symbolOf(severity)
        }</i>${unseen(value)}</td>`;
      }).join("")
    }</tr>`;
  const verdict = (kind: "data" | "drift" | "performance") =>
    periods.map((period) => {
      const severity = period[kind];
      return severity === undefined || severity === "unknown"
        ? undefined
        : { severity };
    });
  const columns = worstColumns(periods, { most: most.trends });
  const titles = new Map(
    judgedColumns(result.comparisons[0])
      .map((column) => [column.name, columnTitle(column)]),
  );
  return `<section><h2>All periods</h2><div class="card"><p class="soft">${periods.length} monitored runs, from ${
    text(periods[0]?.label ?? "")
  } to ${
    text(periods[last]?.label ?? "")
  }; verdicts first, then the columns that failed or warned most often. ✕ failed, ! warned, no sign: within the limits, no colour: not judged.${
    marks.size === 0 ? "" : " Dotted line: another model version."
  }</p><table class="heat"><caption class="unseen">Verdicts per period</caption><thead><tr><th scope="row">${
    unseen("verdict or column")
  }</th>${heads.join("")}</tr></thead><tbody>${row("data", verdict("data"))}${
    row("drift", verdict("drift"))
  }${row("performance", verdict("performance"))}${
    columns.map((column, index) =>
      row(
        titles.get(column) ?? column.replace(/_?\*$/, ""),
        periods.map(({ columns }) => columns[column]),
        index === 0 ? ' class="gap"' : "",
      )
    ).join("")
  }</tbody></table></div></section>`;
}

/** The measured performance; its charts are here unless it is among the alarms. */
function performancePart({ result, alarms, names }: View): string {
  const shown = shownPerformance(result);
  if (!shown) return "";
  const { performance, period } = shown;
  const { metrics, auc_interval: interval, auc_reference: before } =
    performance;
  const rows = [
    [
      "AUC, 95 % interval",
      interval ? interval.map(significant).join(" to ") : "–",
    ],
    ["AUC when the model was logged", significant(before)],
    ...Object.entries(metrics).map(([key, value]) => [
      text(key.replaceAll("_", " ")),
      significant(value),
    ]),
  ];
  const isAlarming = alarms.some(({ name }) => name === "performance");
  return `<section><h2>Performance ${badge(performance.severity)}</h2><p>${
    period === undefined
      ? ""
      : `The latest outcomes are those of ${text(period)}. `
  }${isAlarming ? "" : `${text(performance.reasons.join("; "))}. `}${
    count(performance.matured)
  } of ${count(performance.players ?? performance.rows)} scored ${
    text(names.entities)
  } have an outcome (${shortPercent(performance.coverage)}).</p>${
    isAlarming
      ? ""
      : `<div class="grid">${
        calibrationFigures(performance, names).map(card).join("")
      }</div>`
  }${
    folded(
      "All metrics",
      table({
        caption: "Metrics on matured outcomes",
        head: ["metric", "value"],
        rows,
      }),
    )
  }</section>`;
}

function finePart({ result, alarms }: View): string {
  const [main] = result.comparisons;
  const alarming = new Set(alarms.map(({ name }) => name));
  const fine = sortedByConcern([
    ...main?.score ? [main.score] : [],
    ...judgedColumns(main),
  ]).filter(({ name }) => !alarming.has(name));
  if (fine.length === 0) return "";
  const encoded = main?.features?.filter(({ group }) => group !== undefined)
    .length ?? 0;
  const isFine = fine.every(({ severity }) => severity === "ok");
  const what = fine.length === 1 ? "column" : "columns and groups";
  const how = isFine ? "within the limits" : "without an alarm";
  return folded(
    `${fine.length} ${what} ${how}`,
    driftTable("Columns without an alarm", fine) +
      (encoded === 0
        ? ""
        : `<p class="soft">${encoded} one-hot columns are judged as the groups that they belong to.</p>`),
  );
}

function previousPart(result: MonitoringResult): string {
  return result.comparisons.slice(1).map((comparison) => {
    const columns = sortedByConcern([
      ...comparison.score ? [comparison.score] : [],
      ...judgedColumns(comparison),
    ]);
    return folded(
      `Drift ${text(describeOther(comparison, result))} ${
        badge(comparison.severity)
      }`,
      `<p>${text(comparison.reasons.join("; "))}</p>${
        columns.length === 0
          ? ""
          : driftTable("Columns against the previous run", columns)
      }`,
    );
  }).join("");
}

function driftTable(caption: string, columns: readonly ColumnDrift[]): string {
  const rows = columns.slice(0, most.rows).map((column) => [
    `${name(columnTitle(column))}${
      column.severity === "ok" ? "" : ` ${badge(column.severity)}`
    }`,
    significant(column.psi),
    significant(column.psi_noise_limit),
    column.p_adjusted === undefined ? "–" : text(describeP(column.p_adjusted)),
    arrow(column.missing_ref, column.missing_cur, shortPercent),
    column.mean_ref === undefined || column.mean_cur === undefined
      ? "–"
      : arrow(column.mean_ref, column.mean_cur, significant),
  ]);
  return table({
    caption,
    head: ["column", "PSI", "noise limit", "adjusted p", "missing", "mean"],
    rows,
  }) + hiddenRows(columns.length);
}

function arrow(
  before: number,
  now: number,
  format: (value: number) => string,
): string {
  const [from, to] = [format(before), format(now)];
  return from === to ? from : `${from} → ${to}`;
}

function hiddenRows(length: number): string {
  return length <= most.rows
    ? ""
    : `<p>${length - most.rows} more columns are in the JSON report.</p>`;
}

function unseenPart({ unseen_categories: shares }: MonitoringResult): string {
  const rows = Object.entries(shares).sort(([, a], [, b]) => b - a)
    .slice(0, most.rows).map((
      [column, share],
    ) => [name(column), shortPercent(share)]);
  if (rows.length === 0) return "";
  return folded(
    "Categories that the model does not know",
    table({
      caption: "Share of rows whose category the model does not know",
      head: ["column", "rows"],
      rows,
    }),
  );
}

function technicalPart(result: MonitoringResult): string {
  const { scoring_run: run, previous, reference, outcomes, thresholds } =
    result;
  return folded(
    "Technical facts: ids, files, limits",
    facts([
      ["model", text(`${run.model_name} version ${run.model_version}`)],
      [
        "scoring run",
        text(`${run.id}, MLflow run ${run.mlflow_run_id ?? "–"}`),
      ],
      ["input", text(run.input_uri)],
      ["content SHA-256", text(run.content_sha256)],
      ["scored at", text(run.finished_at)],
      ["monitored at", text(result.monitored_at)],
      [
        "previous run",
        previous
          ? text(
            `${previous.id}, ${
              previous.period ?? previous.finished_at
            }, ${previous.input_uri}`,
          )
          : "none",
      ],
      [
        "reference",
        reference
          ? text(
            `${reference.rows} rows of ${reference.uri}, SHA-256 ${reference.sha256}`,
          )
          : "none",
      ],
      [
        "outcomes",
        outcomes ? text(`${outcomes.uri}, SHA-256 ${outcomes.sha256}`) : "none",
      ],
      ...Object.entries(thresholds).map(([key, value]) =>
        [
          `limit: ${key.replaceAll("_", " ")}`,
          text(
            JSON.stringify(value).replaceAll(/["{}]/g, "").replaceAll(",", ", ")
              .replaceAll(":", " "),
          ),
        ] as const
      ),
    ]),
  );
}

function card(content: string): string {
  return `<div class="card">${content}</div>`;
}

function titleOf({ column, name }: Alarm): string {
  return column ? columnTitle(column) : name;
}
