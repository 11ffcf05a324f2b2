/** Turns parts of a monitoring result into figures: a chart, its caption, and the same numbers as a folded table. */
import { usualNames } from "../../config/names.ts";
import { name, type Table, table, text, unseen } from "../html.ts";
import type { ColumnDrift } from "../column-drift.ts";
import type { Performance } from "../performance.ts";
import type { MonitoringResult, ResultNames } from "../result.ts";
import { isAlarm, type Severity } from "../verdict.ts";
import { proportionInterval } from "../../statistics/intervals.ts";
import {
  binChart,
  categoryChart,
  type ChartTexts,
  columnChart,
  densityChart,
  liftChart,
  type Limit,
  reliabilityChart,
  type SharePair,
  trendChart,
} from "./charts.ts";
import { compact, count, shortPercent, significant } from "../numbers.ts";
import { columnTitle, type PeriodPoint, versionMarks } from "./periods.ts";

/** The limits that the result was judged by. */
type Limits = MonitoringResult["thresholds"];

/** A chart with the texts around it; `legend` is HTML. */
interface Figure extends ChartTexts {
  readonly chart: (texts: ChartTexts) => string;
  /** The heading, if it is shorter than the chart's title because it belongs to a part of the page with a heading of its own. */
  readonly subheading?: string;
  readonly note?: string;
  readonly legend?: string;
  readonly numbers: Table;
}

/** Draws AUC per period; undefined if it was never measured. */
export function performanceFigure(
  periods: readonly PeriodPoint[],
  options: { limits: Limits },
): string | undefined {
  const measured = periods.filter(({ auc }) => auc !== undefined);
  if (measured.length === 0) return undefined;
  const { warn, fail } = options.limits.auc_drop;
  // The limits belong to the model version of the monitored period.
  const version = periods.at(-1)?.model_version;
  const reference = measured.findLast(({ model_version }) =>
    model_version === version
  )?.auc_reference;
  const from = 1 +
    periods.findLastIndex(({ model_version }) => model_version !== version);
  const limits: Limit[] = reference === undefined ? [] : [
    { value: reference, label: "when logged", kind: "reference", from },
    { value: reference - warn, label: "may warn", kind: "warn", from },
    { value: reference - fail, label: "may fail", kind: "fail", from },
  ];
  const last = measured.at(-1);
  return figure({
    id: "auc",
    title: "Performance over time",
    description:
      `AUC of ${measured.length} of ${periods.length} periods; the latest, ${last?.label}, is ${
        significant(last?.auc)
      }${
        reference === undefined
          ? ""
          : `, ${significant(reference)} when the model was logged`
      }.`,
    note: "AUC on matured outcomes, with its 95 % interval",
    chart: (texts) =>
      trendChart(
        texts,
        periods.map(({ label, auc, auc_interval, performance }) => ({
          label,
          value: auc,
          interval: auc_interval,
          severity: performance,
        })),
        { limits, marks: versionMarks(periods), bad: "below", axis: "AUC" },
      ),
    numbers: {
      caption: "AUC per period",
      head: ["period", "AUC", "95 % interval", "verdict"],
      rows: measured.map(({ label, auc, auc_interval, performance }) => [
        text(label),
        significant(auc),
        auc_interval ? auc_interval.map(significant).join(" to ") : "–",
        text(performance),
      ]),
    },
  });
}

/** How both samples are called: `other` is the one that the monitored run is compared with. */
export interface Samples {
  readonly other: string;
  readonly now: string;
  readonly names: ResultNames;
}

/** Draws the distribution of the scores in the reference and now. */
export function scoreFigure(score: ColumnDrift, options: Samples): string {
  const { other, now, names: { entities } } = options;
  const bins = toScoreBins(score);
  const means = [score.mean_ref, score.mean_cur].map(significant);
  const [psi, limit] = [score.psi, score.psi_noise_limit].map(significant);
  return figure({
    id: "scores",
    title: "Score distribution",
    description: `Mean score ${means[0]} in ${other}, ${
      means[1]
    } in ${now}; PSI ${psi}, noise limit ${limit}.`,
    note: `mean ${means.join(" → ")}, PSI ${psi} (noise limit ${limit})`,
    legend: legend(options),
    chart: (texts) =>
      densityChart(texts, bins, {
        axis: `${entities} per 0.1 of score`,
        unit: 0.1,
      }),
    numbers: shareTable(
      `${capitalized(entities)} per score range`,
      "score",
      bins,
    ),
  });
}

/** Draws the number of rows per period. */
export function volumeFigure(
  periods: readonly PeriodPoint[],
  { entities }: ResultNames,
): string {
  const earlier = periods.slice(0, -1).map(({ rows }) => rows);
  const usual = earlier.toSorted((a, b) => a - b)[
    Math.floor((earlier.length - 1) / 2)
  ];
  const last = periods.at(-1);
  return figure({
    id: "volume",
    title: "Volume",
    description: `${count(last?.rows ?? 0)} ${entities} in ${last?.label}${
      usual === undefined
        ? ""
        : `; the median of earlier periods is ${count(usual)}`
    }.`,
    note: `scored ${entities} per period, ${count(last?.rows ?? 0)} now${
      usual === undefined ? "" : `, usually ${count(usual)}`
    }`,
    chart: (texts) =>
      columnChart(
        texts,
        periods.map(({ label, rows }) => ({ label, value: rows })),
        {
          axis: entities,
          line: usual === undefined
            ? undefined
            : { value: usual, label: "median" },
          marks: versionMarks(periods),
        },
      ),
    numbers: {
      caption: `Scored ${entities} per period`,
      head: ["period", "model version", text(entities)],
      rows: periods.map(({ label, rows, model_version }) => [
        text(label),
        text(model_version),
        count(rows),
      ]),
    },
  });
}

/** Draws one column or group in both samples, on the same bins. */
export function columnFigure(
  column: ColumnDrift,
  options: Samples & { id: string },
): string {
  const { entities } = options.names;
  const title = columnTitle(column);
  const pairs = toPairs(column);
  const edges = column.kind === "numeric" ? column.edges.map(compact) : [];
  return figure({
    id: options.id,
    title: `${title} before and now`,
    description: `${options.other} and ${options.now}: ${
      pairs.slice(0, 6).map(({ label, before, now }) =>
        `${label} ${shortPercent(before)} and ${shortPercent(now)}`
      ).join(", ")
    }${pairs.length > 6 ? ", …" : ""}.`,
    subheading: column.kind === "group" ? `share of ${entities}` : "values",
    legend: legend(options),
    chart: (texts) =>
      column.kind === "group"
        ? categoryChart(texts, pairs)
        : binChart(texts, pairs, { edges, axis: `share of ${entities}` }),
    numbers: shareTable(`${title}: share of ${entities}`, "value", pairs),
  });
}

/** Draws the stability index of a column or the score per period; undefined if fewer than two periods have one. */
export function driftTrend(
  title: string,
  points: readonly {
    label: string;
    psi: number | undefined;
    severity: Severity | undefined;
  }[],
  options: { id: string; periods: readonly PeriodPoint[]; limits: Limits },
): string | undefined {
  const { warn, fail } = options.limits.psi;
  const known = points.filter(({ psi }) => psi !== undefined);
  if (known.length < 2) return undefined;
  return figure({
    id: options.id,
    title: `PSI of ${title} per period`,
    description: `PSI of ${known.length} periods; the latest is ${
      significant(known.at(-1)?.psi)
    }. ${warn} may warn, ${fail} may fail.`,
    subheading: "PSI per period",
    chart: (texts) =>
      trendChart(
        texts,
        points.map(({ label, psi, severity }) => ({
          label,
          value: psi,
          severity: severity && isAlarm(severity) ? severity : undefined,
        })),
        {
          limits: [
            { value: warn, label: "may warn", kind: "warn" },
            { value: fail, label: "may fail", kind: "fail" },
          ],
          marks: versionMarks(options.periods),
          bad: "above",
          axis: "PSI",
          height: 170,
        },
      ),
    numbers: {
      caption: `PSI of ${title} per period`,
      head: ["period", "PSI", "verdict"],
      rows: known.map(({ label, psi, severity }) => [
        text(label),
        significant(psi),
        text(severity ?? "–"),
      ]),
    },
  });
}

/** Draws calibration and lift of a measured performance; empty if an earlier release measured it. */
export function calibrationFigures(
  { reliability = [] }: Performance,
  { entities, outcome }: ResultNames,
): string[] {
  if (reliability.length < 2) return [];
  const rows = reliability.reduce((sum, bin) => sum + bin.rows, 0);
  const churned = reliability.reduce(
    (sum, bin) => sum + bin.rows * bin.observed,
    0,
  );
  const base = churned / rows;
  const points = reliability.map((bin) => ({
    ...bin,
    interval: proportionInterval(bin.observed * bin.rows, bin.rows)!,
  }));
  const calibration = figure({
    id: "calibration",
    title: "Calibration",
    description:
      `Observed ${outcome} rates of ${points.length} tenths of the scores against the expected ones, from ${
        shortPercent(points[0]?.expected ?? 0)
      } expected and ${shortPercent(points[0]?.observed ?? 0)} observed to ${
        shortPercent(points.at(-1)?.expected ?? 0)
      } expected and ${shortPercent(points.at(-1)?.observed ?? 0)} observed.`,
    note:
      "observed against expected rate per tenth of the scores, with 95 % intervals; right scores are on the dashed line",
    chart: (texts) => reliabilityChart(texts, points, { outcome }),
    numbers: {
      caption: `Expected and observed ${outcome} rate per tenth of the scores`,
      head: ["tenth", text(entities), "expected", "observed", "95 % interval"],
      rows: points.map(({ rows, expected, observed, interval }, index) => [
        String(index + 1),
        count(rows),
        shortPercent(expected),
        shortPercent(observed),
        interval.map(shortPercent).join(" to "),
      ]),
    },
  });
  if (!(base > 0)) return [calibration];
  const lifts = points.toReversed().map(({ observed }, index) => ({
    label: String(index + 1),
    value: observed / base,
  }));
  const happened = outcome === usualNames.outcome
    ? "churned"
    : "had the outcome";
  const lift = figure({
    id: "lift",
    title: "Lift",
    description:
      `The tenth of ${entities} with the highest scores ${happened} ${
        significant(lifts[0]?.value)
      } times as often as all ${entities}, the tenth with the lowest scores ${
        significant(lifts.at(-1)?.value)
      } times.`,
    note:
      `${outcome} rate per tenth of the scores, divided by the rate of all ${entities} (${
        shortPercent(base)
      })`,
    chart: (texts) =>
      liftChart(texts, lifts, {
        axis: "lift",
        bottomAxis: "tenth of the scores, highest first",
        average: 1,
      }),
    numbers: {
      caption: "Lift per tenth of the scores",
      head: ["tenth, highest scores first", "lift"],
      rows: lifts.map(({ label, value }) => [label, value.toFixed(2)]),
    },
  });
  return [calibration, lift];
}

function figure(
  { note, legend = "", chart, numbers, subheading, ...texts }: Figure,
): string {
  const heading = subheading === undefined
    ? `<h3>${text(texts.title)}</h3>`
    : `<h4>${text(subheading)}</h4>`;
  return `<figure><figcaption>${heading}${
    note === undefined ? "" : `<p>${text(note)}</p>`
  }${legend}</figcaption>${chart(texts)}<details class="data"><summary>Numbers${
    unseen(`: ${numbers.caption}`)
  }</summary>${table(numbers)}</details></figure>`;
}

function legend({ other, now }: Samples): string {
  return `<p class="legend"><span><i class="before"></i>${
    text(other)
  }</span><span><i class="now"></i>${text(now)}</span></p>`;
}

function shareTable(
  caption: string,
  first: string,
  pairs: readonly SharePair[],
): Table {
  return {
    caption,
    head: [first, "before", "now"],
    rows: pairs.map(({ label, before, now }) => [
      name(label),
      shortPercent(before),
      shortPercent(now),
    ]),
  };
}

/** Most categories that a chart shows one by one. */
const mostCategories = 8;

/** Returns the shares of both samples per bin or category; missing values are last, if there are any. */
function toPairs(column: ColumnDrift): SharePair[] {
  const { counts_ref, counts_cur, n_ref, n_cur, missing_ref, missing_cur } =
    column;
  const pairs = counts_ref.map((before, index) => ({
    label: binName(column, index),
    before: before / n_ref,
    now: (counts_cur[index] ?? 0) / n_cur,
  }));
  if (column.kind === "group") return toCategories(pairs);
  return missing_ref + missing_cur > 0
    ? [...pairs, { label: "missing", before: missing_ref, now: missing_cur }]
    : pairs;
}

/** Returns the categories with the largest shares and changes, and the others as one. */
function toCategories(pairs: readonly SharePair[]): SharePair[] {
  const used = pairs.filter(({ before, now }) => before + now > 0);
  if (used.length <= mostCategories) return used;
  const size = ({ before, now }: SharePair) =>
    Math.abs(now - before) * 3 + Math.max(before, now);
  const shown = new Set(
    used.toSorted((a, b) => size(b) - size(a)).slice(0, mostCategories - 1),
  );
  const rest = used.filter((pair) => !shown.has(pair));
  const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
  return [...used.filter((pair) => shown.has(pair)), {
    label: `${rest.length} others`,
    before: sum(rest.map(({ before }) => before)),
    now: sum(rest.map(({ now }) => now)),
  }];
}

function binName(
  { kind, categories, edges }: ColumnDrift,
  index: number,
): string {
  if (kind === "group") return categories?.[index] ?? "none of them";
  if (kind === "category" && edges.length === 1) return String(index);
  return rangeName(edges, index);
}

function rangeName(edges: readonly number[], index: number): string {
  const from = edges[index - 1];
  const to = edges[index];
  if (from === undefined && to === undefined) return "all values";
  if (from === undefined) return `up to ${significant(to)}`;
  if (to === undefined) return `over ${significant(from)}`;
  return `${significant(from)} to ${significant(to)}`;
}

/** Returns the bins of the scores with limits at both ends: the extremes of both samples, otherwise 0 and 1. */
function toScoreBins(
  score: ColumnDrift,
): (SharePair & { from: number; to: number })[] {
  const { edges, min = 0, max = 1 } = score;
  const limits = [
    Math.min(min, edges[0] ?? min),
    ...edges,
    Math.max(max, edges.at(-1) ?? max),
  ];
  return score.counts_ref.map((before, index) => ({
    label: rangeName(edges, index),
    before: before / score.n_ref,
    now: (score.counts_cur[index] ?? 0) / score.n_cur,
    from: limits[index] ?? 0,
    to: limits[index + 1] ?? 1,
  }));
}

/** Returns words with a capital first letter. */
function capitalized(words: string): string {
  return words.charAt(0).toUpperCase() + words.slice(1);
}
