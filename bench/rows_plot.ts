/** Draws the results of `bench/rows.ts` as an SVG. */
import { median } from "./report.ts";
import {
  type CaseResult,
  type Measured,
  ours,
  ratios,
  type RowsReport,
  titleOf,
  toMegabytes,
  toSeconds,
} from "./rows_report.ts";

const names: Readonly<Record<string, string>> = {
  predict: "deno task predict",
  duckdb: "DuckDB + XGBoost",
  polars: "polars + XGBoost",
  pyarrow: "pyarrow + XGBoost",
  plain: "MLflow + pandas",
};

// Lengths in pixels.
const width = 880;
const margin = 24;
const gap = 32;
const headHeight = 84;
const titleHeight = 34;
const barStep = 25;
const barHeight = 15;
const panelGap = 22;
const footHeight = 34;
const panelWidth = (width - 2 * margin - gap) / 2;
const labelWidth = 122;
const valueWidth = 112;
const longestBar = panelWidth - labelWidth - valueWidth;

/** A bar this many times as long as the longest other one is cut. */
const cutFactor = 2;

const style = `
  text { font: 12px -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #1f2328; }
  .card { fill: #ffffff; stroke: #d1d9e0; }
  .heading { font-size: 16px; font-weight: 600; }
  .title { font-size: 13px; font-weight: 600; }
  .quiet { fill: #59636e; }
  .ours { fill: #0f766e; }
  .peer { fill: #a9b4c0; }
  .cut { stroke: #ffffff; stroke-width: 3; fill: none; }
  .strong { font-weight: 600; }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc; }
    .card { fill: #0d1117; stroke: #3d444d; }
    .quiet { fill: #9198a1; }
    .ours { fill: #2dd4bf; }
    .peer { fill: #5d6772; }
    .cut { stroke: #0d1117; }
  }`;

/**
 * Returns an SVG with one panel per case that has peers: seconds as bars, with
 * the peak of memory beside them. It needs no script, and follows the reader's
 * light or dark colours.
 */
export function toPlot(report: RowsReport): string {
  const panels = report.cases.filter(({ measured }) =>
    measured.some(({ contender, runs }) =>
      contender !== ours && runs.length > 0
    )
  );
  const bars = Math.max(0, ...panels.map(({ measured }) => measured.length));
  const panelHeight = titleHeight + bars * barStep;
  const lines = Math.ceil(panels.length / 2);
  const height = headHeight + lines * panelHeight +
    Math.max(0, lines - 1) * panelGap + footHeight;
  const drawn = panels.map((panel, index) => {
    const x = margin + (index % 2) * (panelWidth + gap);
    const y = headHeight +
      Math.floor(index / 2) * (panelHeight + panelGap);
    return `<g transform="translate(${x} ${y})">\n${drawPanel(panel)}\n</g>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-labelledby="heading">
<style>${style}
</style>
<rect class="card" x="0.5" y="0.5" width="${width - 1}" height="${
    height - 1
  }" rx="8"/>
<text class="heading" id="heading" x="${margin}" y="30">From a file to scores in Postgres</text>
<text class="quiet" x="${margin}" y="50">Whole process, seconds (shorter is better) and peak memory; 45 features, 150 trees of depth 6</text>
${drawn.join("\n")}
<text class="quiet" x="${margin}" y="${height - 16}">${
    escapeText(
      `${report.processors} cores; medians of ${report.rounds} rounds, ${report.date}; load ${
        report.loadBefore.toFixed(1)
      } before and ${report.loadAfter.toFixed(1)} after`,
    )
  }</text>
</svg>
`;
}

function drawPanel(result: CaseResult): string {
  const times = result.measured.map((one) => secondsOf(one));
  const known = times.filter((seconds) => seconds !== undefined)
    .sort((a, b) => b - a);
  const [longest = 1, second = longest] = known;
  const isCut = longest > cutFactor * second && known.length > 2;
  const scale = longestBar / (isCut ? second * 1.35 : longest);
  const bars = result.measured.map((one, index) => {
    const seconds = times[index];
    const y = titleHeight + index * barStep;
    const label = `<text x="0" y="${y - 3}"${
      one.contender === ours ? ' class="strong"' : ""
    }>${escapeText(names[one.contender] ?? one.contender)}</text>`;
    if (seconds === undefined) {
      return `${label}\n<text class="quiet" x="${labelWidth}" y="${
        y - 3
      }">not supported</text>`;
    }
    const length = Math.max(1, Math.min(longestBar, seconds * scale));
    const cut = seconds * scale > longestBar + 1
      ? `\n<path class="cut" d="M${round(labelWidth + length - 22)} ${
        y + 2
      }l7 -${barHeight + 4}"/>`
      : "";
    return `${label}
<rect class="${
      one.contender === ours ? "ours" : "peer"
    }" x="${labelWidth}" y="${y - barHeight}" width="${
      round(length)
    }" height="${barHeight}" rx="2"/>${cut}
<text x="${round(labelWidth + length + 6)}" y="${
      y - 3
    }"><tspan class="strong">${
      toSeconds(seconds)
    } s</tspan><tspan class="quiet" dx="6">${
      toMegabytes(median(one.runs.map(({ peakBytes }) => peakBytes)))
    } MB</tspan></text>`;
  });
  return [
    `<text class="title" x="0" y="4">${
      escapeText(titleOf(result))
    }<tspan class="quiet" dx="8" font-weight="400">${
      escapeText(headlineOf(result))
    }</tspan></text>`,
    ...bars,
  ].join("\n");
}

/** Returns how much faster `predict` is than the fastest peer; empty where it was not measured. */
function headlineOf(result: CaseResult): string {
  const found = result.measured
    .filter(({ contender }) => contender !== ours)
    .map(({ contender }) => median(ratios(result, contender)))
    .filter((ratio) => !Number.isNaN(ratio));
  if (found.length === 0) return "";
  return `${Math.min(...found).toFixed(1)} × as fast as the fastest other`;
}

function secondsOf({ runs }: Measured): number | undefined {
  if (runs.length === 0) return undefined;
  return median(runs.map(({ seconds }) => seconds));
}

function round(pixels: number): number {
  return Math.round(pixels * 10) / 10;
}

function escapeText(text: string): string {
  return text.replace(/&/g, "&amp;").replace(/</g, "&lt;");
}
