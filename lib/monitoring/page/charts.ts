/**
 * Draws the charts of the monitoring pages as SVG text, without a DOM and
 * without scripts. Colours are classes of `style.ts`, so that a chart follows
 * light and dark. The owner of `d3-scale` and `d3-shape`.
 */
import { scaleBand, scaleLinear, scalePoint } from "d3-scale";
import {
  area,
  line,
  symbol,
  symbolCircle,
  symbolDiamond,
  symbolTriangle,
} from "d3-shape";
import { text } from "../html.ts";
import { isAlarm, type Severity } from "../verdict.ts";
import { count, shortPercent, significant } from "../numbers.ts";

/** What every chart has: its id on the page, which must be unique, and the texts that screen readers read. */
export interface ChartTexts {
  readonly id: string;
  readonly title: string;
  /** What the chart shows, in one or two sentences. */
  readonly description: string;
}

/** One period of a {@linkcode trendChart}. */
export interface TrendPoint {
  readonly label: string;
  /** Undefined: unknown in this period; the line has a gap. */
  readonly value: number | undefined;
  /** 95 % interval. */
  readonly interval?: readonly [number, number] | undefined;
  readonly severity?: Severity | undefined;
}

/** A horizontal line of a trend, with the zone behind it that warns or fails. */
export interface Limit {
  readonly value: number;
  readonly label: string;
  readonly kind: "reference" | "warn" | "fail";
  /** Index of the first period that it holds for; 0 by default. */
  readonly from?: number;
}

/** A vertical line before the period at this index, such as a change of the model version. */
export interface Mark {
  readonly at: number;
  readonly label: string;
}

const width = 360;
const left = 44;
const right = 348;
const top = 22;

/** Draws one value per period as a line, with its interval, limits, and marks of changes. */
export function trendChart(
  texts: ChartTexts,
  points: readonly TrendPoint[],
  options: {
    limits: readonly Limit[];
    marks: readonly Mark[];
    /** `below`: values under a limit are bad; `above`: those over it. */
    bad: "below" | "above";
    axis: string;
    height?: number;
  },
): string {
  const { limits, marks, bad, axis, height = 220 } = options;
  const bottom = height - 30;
  const known = points.flatMap(({ value, interval = [] }) =>
    value === undefined ? [] : [value, ...interval]
  );
  const ends = [...known, ...limits.map(({ value }) => value)];
  const low = bad === "above" ? 0 : Math.min(...ends);
  const high = Math.max(...ends);
  const space = (high - low) * 0.08 || 0.01;
  const y = scaleLinear(
    [bad === "above" ? 0 : low - space, high + space],
    [bottom, top],
  ).nice(4);
  const x = scalePoint(points.map((_, index) => index), [left, right])
    .padding(0.5);
  const xAt = (index: number) => x(index) ?? left;
  const start = (index = 0) =>
    round(index === 0 ? left : xAt(index) - x.step() / 2);
  const path = line<TrendPoint>()
    .defined(({ value }) => value !== undefined)
    .x((_, index) => xAt(index)).y(({ value = 0 }) => y(value));
  const band = area<TrendPoint>()
    .defined(({ interval }) => interval !== undefined)
    .x((_, index) => xAt(index))
    .y0(({ interval }) => y(interval?.[0] ?? 0))
    .y1(({ interval }) => y(interval?.[1] ?? 0));
  const body = [
    ...zones(limits, { bad, y, bottom, start }),
    verticalAxis(y, { format: significant, title: axis }),
    ...limits.map(({ value, kind, from }) =>
      `<path class="limit ${kind}" d="M${start(from)} ${
        round(y(value))
      }H${right}"/>`
    ),
    ...marks.map(({ at, label }) => markLine(start(at), bottom, label)),
    `<path class="band" d="${rounded(band([...points]) ?? "")}"/>`,
    ...points.map(({ interval }, index) =>
      interval ? whisker(xAt(index), interval.map(y)) : ""
    ),
    `<path class="line" d="${rounded(path([...points]) ?? "")}"/>`,
    ...points.map((point, index) => pointSymbol(point, xAt(index), y)),
    ...limitLabels(limits, y),
    periodAxis(points.map(({ label }) => label), xAt, bottom),
  ];
  return svg(texts, body, height);
}

/** Draws one column per period; the last one, the monitored period, is highlighted. */
export function columnChart(
  texts: ChartTexts,
  columns: readonly { readonly label: string; readonly value: number }[],
  options: {
    axis: string;
    line?: { value: number; label: string } | undefined;
    marks: readonly Mark[];
  },
): string {
  const { axis, line: level, marks } = options;
  const height = 220;
  const bottom = height - 30;
  const most = Math.max(
    ...columns.map(({ value }) => value),
    level?.value ?? 0,
  );
  const y = scaleLinear([0, most * 1.05 || 1], [bottom, top]).nice(4);
  const x = scaleBand(columns.map((_, index) => index), [left, right])
    .paddingInner(0.25).paddingOuter(0.15);
  const middle = (index: number) => (x(index) ?? left) + x.bandwidth() / 2;
  const body = [
    verticalAxis(y, { format: count, title: axis }),
    ...columns.map(({ label, value }, index) =>
      bar(
        index === columns.length - 1 ? "now" : "past",
        { x: x(index) ?? left, y: y(value), width: x.bandwidth(), bottom },
        `${label}: ${count(value)}`,
      )
    ),
    ...marks.map(({ at, label }) =>
      markLine(round(middle(at) - x.step() / 2), bottom, label)
    ),
    ...level
      ? [
        `<path class="limit reference" d="M${left} ${
          round(y(level.value))
        }H${right}"/>`,
        ...limitLabels([{ ...level, kind: "reference" }], y),
      ]
      : [],
    periodAxis(columns.map(({ label }) => label), middle, bottom),
  ];
  return svg(texts, body, height);
}

/** Shares of both samples, in the order of the chart. */
export interface SharePair {
  readonly label: string;
  readonly before: number;
  readonly now: number;
}

/** Draws the shares of both samples per score range as densities, so that a wide range does not look full. */
export function densityChart(
  texts: ChartTexts,
  bins: readonly (SharePair & { readonly from: number; readonly to: number })[],
  options: { axis: string; unit: number },
): string {
  const height = 220;
  const bottom = height - 42;
  const { unit } = options;
  const densities = bins.map(({ from, to, before, now }) => {
    const share = unit / (to - from || 1);
    return { from, to, before: before * share, now: now * share };
  });
  const most = Math.max(
    ...densities.flatMap(({ before, now }) => [before, now]),
  );
  const y = scaleLinear([0, most * 1.05 || 1], [bottom, top]).nice(4);
  const x = scaleLinear(
    [bins[0]?.from ?? 0, bins.at(-1)?.to ?? 1],
    [left, right],
  );
  const outline = (which: "before" | "now") => {
    const steps = densities.map((bin) =>
      `L${round(x(bin.from))} ${round(y(bin[which]))}H${round(x(bin.to))}`
    );
    return `M${left} ${bottom}${steps.join("")}V${bottom}`;
  };
  const body = [
    verticalAxis(y, { format: shortPercent, title: options.axis }),
    `<path class="before fill" d="${outline("before")}Z"/>`,
    `<path class="now fill" d="${outline("now")}Z"/>`,
    `<path class="now outline" d="${outline("now")}"/>`,
    ...bins.map(({ from, to, label, before, now }) =>
      bar(
        "hover",
        { x: x(from), y: top, width: x(to) - x(from), bottom },
        hoverText(label, before, now),
      )
    ),
    `<path class="axis" d="M${left} ${bottom}H${right}"/>`,
    ...x.ticks(6).map((tick) =>
      `<path class="axis" d="M${round(x(tick))} ${bottom}v4"/>${
        centred(x(tick), bottom + 15, `${tick}`)
      }`
    ),
    centred((left + right) / 2, height - 6, "score"),
  ];
  return svg(texts, body, height);
}

/** Draws the shares of both samples per bin, side by side; `edges` are the limits between the bins, missing values are the last pair. */
export function binChart(
  texts: ChartTexts,
  pairs: readonly SharePair[],
  options: { edges: readonly string[]; axis: string },
): string {
  const { edges, axis } = options;
  const height = 190;
  const bottom = height - 30;
  const most = Math.max(...pairs.flatMap(({ before, now }) => [before, now]));
  const y = scaleLinear([0, most * 1.12 || 1], [bottom, top]);
  if (most < 0.8) y.nice(4); // above, the axis would go beyond 100 %
  const x = scaleBand(pairs.map((_, index) => index), [left, right])
    .paddingInner(0.28).paddingOuter(0.14);
  const half = x.bandwidth() / 2;
  const start = (index: number) => x(index) ?? left;
  const everyEdge = Math.ceil(edges.length / 6);
  const isNamed = edges.length === 0;
  // Room for the name of the bin of missing values, which is the last one.
  const end = pairs.at(-1)?.label === "missing"
    ? start(pairs.length - 1) - 22
    : right;
  const sizes = pairs.map(({ before, now }) => Math.abs(now - before));
  const large = sizes.toSorted((a, b) => b - a)[1] ?? 0;
  const body = [
    verticalAxis(y, { format: shortPercent, title: axis }),
    ...pairs.flatMap(({ label: name, before, now }, index) => {
      const place = { width: half, bottom };
      const tip = hoverText(name, before, now);
      const size = sizes[index] ?? 0;
      const isLarge = pairs.length <= 4 ||
        now > 0 && size >= Math.max(0.05, large);
      return [
        bar("before", { ...place, x: start(index), y: y(before) }, tip),
        bar("now", { ...place, x: start(index) + half, y: y(now) }, tip),
        isLarge
          ? centred(
            start(index) + half * 1.5,
            y(now) - 3,
            shortPercent(now),
            "value",
          )
          : "",
      ];
    }),
    `<path class="axis" d="M${left} ${bottom}H${right}"/>`,
    ...edges.map((edge, index) => {
      const place = start(index + 1) - x.step() * x.paddingInner() / 2;
      return `<path class="axis" d="M${round(place)} ${bottom}v4"/>${
        (edges.length - 1 - index) % everyEdge === 0 && place < end
          ? centred(place, bottom + 15, edge)
          : ""
      }`;
    }),
    ...pairs.map(({ label: name }, index) =>
      isNamed || name === "missing"
        ? centred(start(index) + half, bottom + 15, name)
        : ""
    ),
  ];
  return svg(texts, body, height);
}

/** Draws the shares of both samples per category, one below the other, with their values. */
export function categoryChart(
  texts: ChartTexts,
  pairs: readonly SharePair[],
): string {
  const step = 28;
  const from = 112;
  const height = 10 + pairs.length * step;
  const most = Math.max(...pairs.flatMap(({ before, now }) => [before, now]));
  const x = scaleLinear([0, most || 1], [from, right - 46]);
  const body = pairs.flatMap(({ label: name, before, now }, index) => {
    const y = 6 + index * step;
    const tip = hoverText(name, before, now);
    const one = (which: "before" | "now", share: number, at: number) =>
      bar(
        which,
        { x: from, y: at, width: x(share) - from, bottom: at + 10 },
        tip,
      ) +
      label({ x: x(share) + 4, y: at + 9, kind: "value" }, shortPercent(share));
    const short = name.length > 16 ? `${name.slice(0, 15)}…` : name;
    return [
      label({ x: from - 8, y: y + 15, anchor: "end", kind: "name" }, short),
      one("before", before, y),
      one("now", now, y + 11),
    ];
  });
  return svg(texts, [
    ...body,
    `<path class="axis" d="M${from} 2V${height - 4}"/>`,
  ], height);
}

/** One tenth of the scores of a {@linkcode reliabilityChart}: the expected rate, the observed one and its 95 % interval. */
export interface ReliabilityPoint {
  readonly expected: number;
  readonly observed: number;
  readonly interval: readonly [number, number];
}

/** Draws the observed rate against the expected one; calibrated scores are on the diagonal. */
export function reliabilityChart(
  texts: ChartTexts,
  points: readonly ReliabilityPoint[],
  { outcome }: { outcome: string },
): string {
  const height = 260;
  const bottom = height - 42;
  const most = Math.min(
    1,
    1.04 * Math.max(
      ...points.flatMap(({ expected, interval }) => [expected, interval[1]]),
    ),
  );
  const y = scaleLinear([0, most], [bottom, top]).nice(4);
  const x = scaleLinear(y.domain(), [left, right]);
  const path = line<ReliabilityPoint>()
    .x(({ expected }) => x(expected)).y(({ observed }) => y(observed));
  const [, end = 1] = y.domain();
  const body = [
    verticalAxis(y, {
      format: shortPercent,
      title: `observed ${outcome} rate`,
      ticks: 5,
    }),
    `<path class="limit reference" d="M${left} ${bottom}L${right} ${
      round(y(end))
    }"/>`,
    `<path class="line" d="${rounded(path([...points]) ?? "")}"/>`,
    ...points.map(({ expected, observed, interval }) =>
      `${whisker(x(expected), interval.map(y))}<circle class="dot" cx="${
        round(x(expected))
      }" cy="${round(y(observed))}" r="3.5"><title>expected ${
        shortPercent(expected)
      }, observed ${shortPercent(observed)}</title></circle>`
    ),
    ...x.ticks(5).map((tick) =>
      x(tick) > right - 16
        ? label(
          { x: right + 8, y: bottom + 15, anchor: "end" },
          shortPercent(tick),
        )
        : centred(x(tick), bottom + 15, shortPercent(tick))
    ),
    centred(
      (left + right) / 2,
      height - 6,
      `expected ${outcome} rate (score)`,
    ),
  ];
  return svg(texts, body, height);
}

/** Draws values with names as columns, and a line for the average. */
export function liftChart(
  texts: ChartTexts,
  columns: readonly { readonly label: string; readonly value: number }[],
  options: { axis: string; bottomAxis: string; average: number },
): string {
  const height = 260;
  const bottom = height - 42;
  const most = Math.max(...columns.map(({ value }) => value), options.average);
  const y = scaleLinear([0, most * 1.1], [bottom, top]).nice(4);
  const x = scaleBand(columns.map((_, index) => index), [left, right])
    .paddingInner(0.25).paddingOuter(0.15);
  const body = [
    verticalAxis(y, { format: significant, title: options.axis }),
    ...columns.flatMap(({ label: name, value }, index) => {
      const place = x(index) ?? left;
      const middle = place + x.bandwidth() / 2;
      return [
        bar(
          "now",
          { x: place, y: y(value), width: x.bandwidth(), bottom },
          `${name}: ${significant(value)}`,
        ),
        centred(middle, y(value) - 3, value.toFixed(1), "value"),
        centred(middle, bottom + 15, name),
      ];
    }),
    `<path class="limit reference" d="M${left} ${
      round(y(options.average))
    }H${right}"/>`,
    centred((left + right) / 2, height - 6, options.bottomAxis),
  ];
  return svg(texts, body, height);
}

/** Draws a small line without axes beside its text; unknown values are gaps. */
export function sparkline(
  texts: ChartTexts,
  values: readonly (number | undefined)[],
  options: { limits: readonly Pick<Limit, "value" | "kind">[] },
): string {
  const [wide, high] = [160, 36];
  const known = values.filter((value) => value !== undefined);
  const ends = [...known, ...options.limits.map(({ value }) => value)];
  const [low, most] = [Math.min(...ends), Math.max(...ends)];
  const y = scaleLinear([low, most === low ? low + 1 : most], [high - 4, 4]);
  const x = scalePoint(values.map((_, index) => index), [4, wide - 4]);
  const path = line<number | undefined>()
    .defined((value) => value !== undefined)
    .x((_, index) => x(index) ?? 4).y((value) => y(value ?? 0));
  const last = values.findLastIndex((value) => value !== undefined);
  const body = [
    ...options.limits.map(({ value, kind }) =>
      `<path class="limit ${kind}" d="M4 ${round(y(value))}H${wide - 4}"/>`
    ),
    `<path class="line" d="${rounded(path([...values]) ?? "")}"/>`,
    last < 0
      ? ""
      : `<circle class="dot" cx="${round(x(last) ?? 4)}" cy="${
        round(y(values[last] ?? 0))
      }" r="3"/>`,
  ];
  return svg(texts, body, high, wide);
}

/** Draws one cell per period, coloured by its verdict; a failure fills its cell, a warning its lower half. */
export function verdictStrip(
  texts: ChartTexts,
  cells: readonly { readonly label: string; readonly severity: Severity }[],
): string {
  const [wide, high] = [width, 20];
  const x = scaleBand(cells.map((_, index) => index), [0, wide])
    .paddingInner(0.12);
  const body = cells.map(({ label: name, severity }, index) => {
    const top = severity === "fail"
      ? 0
      : severity === "warn"
      ? high / 2
      : high - 4;
    return bar(
      `cell ${severity}`,
      { x: x(index) ?? 0, y: top, width: x.bandwidth(), bottom: high },
      `${name}: ${severity}`,
    );
  });
  return svg(texts, body, high, wide);
}

type Linear = ReturnType<typeof scaleLinear<number, number>>;

function svg(
  { id, title, description }: ChartTexts,
  body: readonly string[],
  height: number,
  wide = width,
): string {
  return `<svg viewBox="0 0 ${wide} ${height}" role="img" aria-labelledby="${id}-title ${id}-text"><title id="${id}-title">${
    text(title)
  }</title><desc id="${id}-text">${text(description)}</desc>${
    body.join("")
  }</svg>`;
}

/** Draws a vertical axis: its grid, its ticks, of which there are 4 by default, and its title. */
function verticalAxis(
  y: Linear,
  { format, title, ticks = 4 }: {
    format: (value: number) => string;
    title: string;
    ticks?: number;
  },
): string {
  const grid = y.ticks(ticks).map((tick) => {
    const place = round(y(tick));
    return `<path class="grid" d="M${left} ${place}H${right}"/>${
      label({ x: left - 6, y: place + 4, anchor: "end" }, format(tick))
    }`;
  });
  return grid.join("") + label({ x: 4, y: 11, kind: "axisname" }, title);
}

function zones(
  limits: readonly Limit[],
  { bad, y, bottom, start }: {
    bad: "below" | "above";
    y: Linear;
    bottom: number;
    start: (index?: number) => number;
  },
): string[] {
  return limits.filter(({ kind }) => kind !== "reference").map((
    { value, kind, from: first },
  ) => {
    const next = limits.find((other) =>
      other.kind === "fail" && kind === "warn"
    );
    const far = next ? y(next.value) : bad === "above" ? top : bottom;
    const [from, to] = [y(value), far].sort((a, b) => a - b);
    return `<rect class="zone ${kind}" x="${start(first)}" y="${
      round(from ?? 0)
    }" width="${round(right - start(first))}" height="${
      round(Math.max(0, (to ?? 0) - (from ?? 0)))
    }"/>`;
  });
}

/** Writes the names of limits at the right, moved apart where they would overlap. */
function limitLabels(limits: readonly Limit[], y: Linear): string[] {
  const sorted = limits.map((limit) => ({ ...limit, at: y(limit.value) - 3 }))
    .sort((a, b) => a.at - b.at);
  let least = -Infinity;
  return sorted.map(({ at, label: name, kind }) => {
    const place = Math.max(at, least);
    least = place + 11;
    return label(
      { x: right - 2, y: place, anchor: "end", kind: `limitname ${kind}` },
      name,
    );
  });
}

function pointSymbol(
  { label: name, value, interval, severity }: TrendPoint,
  x: number,
  y: Linear,
): string {
  if (value === undefined) return "";
  const kind = severity && isAlarm(severity) ? severity : "calm";
  const shape = kind === "fail"
    ? symbol(symbolDiamond, 60)
    : kind === "warn"
    ? symbol(symbolTriangle, 46)
    : symbol(symbolCircle, 22);
  const range = interval
    ? ` (${significant(interval[0])} to ${significant(interval[1])})`
    : "";
  return `<path class="point ${kind}" transform="translate(${round(x)},${
    round(y(value))
  })" d="${rounded(shape() ?? "")}"><title>${text(name)}: ${
    significant(value)
  }${range}${
    severity === undefined ? "" : `, ${text(severity)}`
  }</title></path>`;
}

/** Writes up to five of the periods, always the last one. */
function periodAxis(
  names: readonly string[],
  xAt: (index: number) => number,
  bottom: number,
): string {
  const every = Math.max(1, Math.ceil(names.length / 5));
  const last = names.length - 1;
  const shown = names.map((name, index) => {
    if ((last - index) % every !== 0) return "";
    const x = xAt(index);
    const anchor = x > right - 22 ? "end" : x < left + 12 ? "start" : "middle";
    const place = anchor === "end" ? right + 8 : x;
    return `<path class="axis" d="M${round(x)} ${bottom}v4"/>${
      label({ x: place, y: bottom + 16, anchor }, shortPeriod(name))
    }`;
  });
  return `<path class="axis" d="M${left} ${bottom}H${right}"/>${
    shown.join("")
  }`;
}

const months = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");

/**
 * Returns a period as short as an axis needs it.
 *
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 *
 * deepStrictEqual(["2026-11-23", "2026-W48"].map(shortPeriod), ["23 Nov", "W48"]);
 * ```
 */
export function shortPeriod(period: string): string {
  const [, , month = "", day = ""] = /^(\d{4})-(\d{2})-(\d{2})/.exec(period) ??
    [];
  const name = months[Number(month) - 1];
  if (name !== undefined) return `${Number(day)} ${name}`;
  return /^\d{4}-(W\d+)$/.exec(period)?.[1] ?? period;
}

function markLine(x: number, bottom: number, name: string): string {
  return `<path class="mark" d="M${x} ${top}V${bottom}"/><text class="markname" x="${
    x + 3
  }" y="${top + 9}">${text(name)}</text>`;
}

function whisker(x: number, ends: readonly number[]): string {
  return `<path class="whisker" d="M${round(x)} ${
    ends.map(round).join("V")
  }"/>`;
}

function bar(
  kind: string,
  { x, y, width, bottom }: {
    x: number;
    y: number;
    width: number;
    bottom: number;
  },
  tip: string,
): string {
  return `<rect class="${kind}" x="${round(x)}" y="${round(y)}" width="${
    round(width)
  }" height="${round(Math.max(0, bottom - y))}"><title>${
    text(tip)
  }</title></rect>`;
}

function centred(x: number, y: number, name: string, kind = ""): string {
  return label({ x, y, anchor: "middle", kind }, name);
}

function label(
  { x, y, anchor = "start", kind = "" }: {
    x: number;
    y: number;
    anchor?: string;
    kind?: string;
  },
  name: string,
): string {
  return `<text${kind === "" ? "" : ` class="${kind}"`} x="${round(x)}" y="${
    round(y)
  }"${anchor === "start" ? "" : ` text-anchor="${anchor}"`}>${
    text(name)
  }</text>`;
}

function hoverText(name: string, before: number, now: number): string {
  return `${name}: ${shortPercent(before)} before, ${shortPercent(now)} now`;
}

/** Rounds coordinates to tenths of a pixel, which halves the size of the page. */
function round(value: number): number {
  return Math.round(10 * value) / 10;
}

function rounded(path: string): string {
  return path.replace(/\d+\.\d+/g, (digits) => String(round(Number(digits))));
}
