/** Renders the report of `monitor` as one HTML page without scripts and external resources; it contains bins but no rows. */
import { describeFinding } from "./data.ts";
import type { MonitoringResult, PastVerdict } from "./result.ts";
import { badge, list, table, text } from "./html.ts";
import type { Performance } from "./performance.ts";
import {
  type ColumnDrift,
  describeP,
  type DriftComparison,
  toPsi,
} from "./columns.ts";

/** Limits that hold the page under 1 MB for any number of columns; the JSON contains all columns. */
const mostRows = 500;
const mostCharts = 150;

const style = `:root{color-scheme:light dark;font:15px/1.5 system-ui,sans-serif}
body{max-width:70rem;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse;width:100%;margin:.5rem 0 1.5rem}
th,td{padding:.25rem .6rem;text-align:left;border-bottom:1px solid #8884;vertical-align:top}
td.n{text-align:right;font-variant-numeric:tabular-nums}
b{padding:.1rem .5rem;border-radius:.3rem;background:#8883}
b.ok{background:#2a84}b.warn{background:#ea06}b.fail{background:#d336}
svg{display:block}rect.r{fill:#8888}rect.c{fill:#28c}
small{opacity:.75}summary{cursor:pointer}`;

/**
 * Returns the page, under 1 MB: the verdicts with their numbers, both
 * comparisons with the most severe columns first, scores, performance and
 * earlier runs.
 */
export function toHtmlReport(result: MonitoringResult): string {
  const { title, scoring_run: run, verdict, comparisons } = result;
  const { earlier_performance: earlier } = result;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width">
<title>Monitoring of ${text(title)}</title>
<style>${style}</style>
</head>
<body>
<h1>Monitoring of ${text(title)}</h1>
${
    table([], [
      ["data", badge(verdict.data ?? "unknown")],
      ["drift", badge(verdict.drift)],
      ["performance", badge(verdict.performance)],
      [
        "retrain",
        `${verdict.retrain ? "yes" : "no"}, ${text(verdict.reason)}`,
      ],
      ["model", text(`${run.model_name} version ${run.model_version}`)],
      ["scored", text(`${run.rows} rows of ${run.input_uri}`)],
      ["period", text(run.period ?? "–")],
      ["scored at", text(run.finished_at)],
      ["monitored at", text(result.monitored_at)],
      [
        "scoring run",
        text(`${run.id} (MLflow run ${run.mlflow_run_id ?? "–"})`),
      ],
      ["reference", text(describeReference(result))],
      ["outcomes", text(result.outcomes?.uri ?? "none")],
      ...(earlier
        ? [[
          "latest known performance",
          `${badge(earlier.severity)} ${
            text(
              `scoring run ${earlier.scoring_run_id}, monitored at ${earlier.monitored_at}`,
            )
          }`,
        ]]
        : []),
    ])
  }
${list((result.data?.findings ?? []).slice(0, 50).map(describeFinding))}
${list(result.notes)}
${comparisons.map((each) => comparisonPart(each, result)).join("\n")}
${result.performance ? performancePart(result.performance) : ""}
${unseenPart(result.unseen_categories)}
${historyPart(result.history)}
<p><small>PSI: population stability index over the bins of the reference, with a separate bin for missing values; it
counts as drift only above the noise limit, below which 999 of 1000 samples without drift stay. KS: Kolmogorov-Smirnov
distance at the bin edges, with p adjusted for all columns (Benjamini-Hochberg). Limits: ${
    text(JSON.stringify(result.thresholds).replaceAll(/["{}]/g, " "))
  }. Charts show the share of rows per bin: grey for the reference, blue for the scored rows; the last bar is missing values.</small></p>
</body>
</html>
`;
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

/** Returns the groups and the features that are not part of one. */
export function judgedColumns(
  { groups = [], features = [] }: DriftComparison,
): ColumnDrift[] {
  return [
    ...groups,
    ...features.filter(({ group }) => group === undefined),
  ];
}

/** Sorts columns by severity, worst first, then by stability index, largest first. */
export function sortedByConcern(
  columns: readonly ColumnDrift[],
): ColumnDrift[] {
  const order = ["fail", "warn", "unknown", "not-enough-data", "ok"];
  return [...columns].sort((a, b) =>
    order.indexOf(a.severity) - order.indexOf(b.severity) || toPsi(b) - toPsi(a)
  );
}

function describeReference({ reference }: MonitoringResult): string {
  return reference
    ? `${reference.rows} rows of ${reference.uri} (SHA-256 ${
      reference.sha256.slice(0, 12)
    }…)`
    : "none";
}

function comparisonPart(
  comparison: DriftComparison,
  result: MonitoringResult,
): string {
  const { score, above_half: above } = comparison;
  const judged = judgedColumns(comparison);
  const shown = sortedByConcern(judged).slice(0, mostRows);
  const rows = shown.map((column, index) =>
    columnRow(column, index < mostCharts)
  );
  const hidden = judged.length - shown.length;
  const share = above
    ? `<p>Scores over 0.5: ${percent(above.ref)} before, ${
      percent(above.cur)
    } now.</p>`
    : "";
  return `<h2>Drift ${text(describeOther(comparison, result))} ${
    badge(comparison.severity)
  }</h2>
<p>${text(comparison.reasons.join("; "))}</p>
${
    score
      ? `<h3>Score</h3>${table(columnHead, [columnRow(score, true)])}${share}${
        binTable(score)
      }`
      : ""
  }
${rows.length > 0 ? `<h3>Features</h3>${table(columnHead, rows)}` : ""}${
    hidden > 0 ? `<p>${hidden} more columns are in the JSON report.</p>` : ""
  }`;
}

const columnHead = [
  "column",
  "",
  "PSI (noise limit)",
  "KS (adjusted p)",
  "missing",
  "out of range",
  "mean",
  "bins",
];

function columnRow(column: ColumnDrift, withChart: boolean): string[] {
  const { ks, p_adjusted: p, out_of_range: outside } = column;
  const reasons = column.reasons.length > 0
    ? `<br><small>${text(column.reasons.join("; "))}</small>`
    : "";
  return [
    `${text(column.name)}${reasons}`,
    badge(column.severity),
    column.psi === undefined
      ? ""
      : `${number(column.psi)} (${number(column.psi_noise_limit)})`,
    ks === undefined ? "–" : `${number(ks)} (${text(describeP(p ?? 1))})`,
    `${percent(column.missing_ref)} → ${percent(column.missing_cur)}`,
    outside === undefined ? "–" : percent(outside),
    `${number(column.mean_ref)} → ${number(column.mean_cur)}`,
    withChart ? chart(column) : "",
  ];
}

/** Draws the shares per bin as two bars each, scaled to the largest share; missing values are last. */
function chart(column: ColumnDrift): string {
  const pairs = binShares(column);
  const most = Math.max(...pairs.flat());
  const height = 36;
  const bars = pairs.flatMap((pair, bin) =>
    pair.map((share, which) => {
      const tall = Math.round(share / most * height);
      return `<rect class="${which === 0 ? "r" : "c"}" x="${
        bin * 12 + which * 5
      }" y="${height - tall}" width="5" height="${tall}"/>`;
    })
  );
  return `<svg width="${
    pairs.length * 12
  }" height="${height}" role="img" aria-label="share of rows per bin">${
    bars.join("")
  }</svg>`;
}

function binShares(
  { counts_ref, counts_cur, n_ref, n_cur, missing_ref, missing_cur }:
    ColumnDrift,
): [number, number][] {
  const bins = counts_ref.map((
    count,
    bin,
  ): [number, number] => [count / n_ref, counts_cur[bin]! / n_cur]);
  return [...bins, [missing_ref, missing_cur]];
}

function binTable(score: ColumnDrift): string {
  const { edges } = score;
  const rows = score.counts_ref.map((count, bin) => {
    const from = bin === 0 ? "" : number(edges[bin - 1]);
    const to = bin === edges.length ? "" : number(edges[bin]);
    return [
      `${from} – ${to}`,
      percent(count / score.n_ref),
      percent(score.counts_cur[bin]! / score.n_cur),
    ];
  });
  return `<details><summary>Scores by tenths of the reference</summary>${
    table(["score", "before", "now"], rows)
  }</details>`;
}

function performancePart(performance: Performance): string {
  const { metrics, auc_interval: interval, auc_reference } = performance;
  return `<h2>Performance ${badge(performance.severity)}</h2>
<p>${text(performance.reasons.join("; "))}. ${performance.matured} of ${
    performance.players ?? performance.rows
  } scored players have an outcome (${percent(performance.coverage)}).</p>
${
    table(["metric", ""], [
      ...Object.entries(metrics).map((
        [name, value],
      ) => [text(name), number(value)]),
      [
        "AUC, 95 % interval",
        interval ? interval.map(number).join(" to ") : "–",
      ],
      ["AUC when the model was logged", number(auc_reference)],
    ])
  }${reliabilityTable(performance)}`;
}

function reliabilityTable({ reliability = [] }: Performance): string {
  if (reliability.length === 0) return "";
  const rows = reliability.map(({ rows, expected, observed }) => [
    String(rows),
    percent(expected),
    percent(observed),
  ]);
  return `<details><summary>Expected and observed rate by tenths of the scores</summary>${
    table(["players", "expected", "observed"], rows)
  }</details>`;
}

function unseenPart(shares: MonitoringResult["unseen_categories"]): string {
  const rows = Object.entries(shares).map((
    [column, share],
  ) => [text(column), percent(share)]);
  if (rows.length === 0) return "";
  return `<h2>Categories unknown to the model</h2>${
    table(["column", "rows"], rows)
  }`;
}

function historyPart(history: readonly PastVerdict[]): string {
  if (history.length === 0) return "";
  const rows = history.map((past) => [
    text(past.finished_at),
    text(past.model_version),
    String(past.rows),
    badge(past.drift),
    past.drifted_share === null ? "–" : percent(past.drifted_share),
    number(past.score_psi ?? undefined),
    badge(past.performance),
    number(past.auc ?? undefined),
  ]);
  const head = [
    "scored at",
    "version",
    "rows",
    "drift",
    "drifted features",
    "score PSI",
    "performance",
    "AUC",
  ];
  return `<h2>Earlier runs</h2>${table(head, rows)}`;
}

/** Formats a number with three significant digits; an unknown number as a dash. */
function number(value: number | undefined): string {
  if (value === undefined) return "–";
  return Number.isInteger(value)
    ? String(value)
    : String(Number(value.toPrecision(3)));
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
