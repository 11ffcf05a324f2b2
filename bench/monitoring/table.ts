/** Prints what monitoring found in simulated weeks, and writes it into `docs/monitoring.md`. */
import type { FalseAlarms, FaultFound } from "./simulate.ts";
import type { PeerFound } from "./peers.ts";

/** The results of a run. */
export interface MonitoringReport {
  /** Day, as `2026-11-26`. */
  readonly date: string;
  /** Short name of the commit. */
  readonly commit: string;
  /** How to repeat it. */
  readonly command: string;
  /** Rows of each week with a fault. */
  readonly rows: number;
  readonly faults: readonly FaultFound[];
  readonly quiet: readonly FalseAlarms[];
  readonly peers: readonly PeerFound[];
}

const begin =
  "<!-- monitoring: written by deno task bench-monitoring --write -->";
const end = "<!-- monitoring: end -->";

/** What the release before the three verdicts found, by fault: weeks in which a feature warned, and in which the dataset failed. */
const before: Readonly<Record<string, string>> = {
  "months-0.1": "100 %, 0 %",
  "months-0.5": "100 %, 100 %",
  "handle-0.25": "1 %, 0 %",
  "handle-0.5": "98 %, 0 %",
  "handle-1": "100 %, 0 %",
  "zero-total_deposit": "100 %, 78 %",
  "zero-total_handle": "100 %, 100 %",
  "zero-total_ngr": "100 %, 0 %",
  "new-brand-0.03": "0 %, 0 %",
  "new-brand-0.1": "0 %, 0 %",
  "deposit-100": "100 %, 41 %",
  "deposit-0.01": "100 %, 75 %",
  "brand-mix": "51 %, 0 %",
  "zero-in-brand": "0 %, 0 %",
  "handle-shuffled": "0 %, 0 %",
  "slow-months": "week 5, week 6",
  "slow-handle": "week 5, never",
  "intercept-0.5": "6 %, –",
  "intercept-1": "11 %, –",
  "months-effect-gone": "100 %, –",
  "months-effect-halved": "86 %, –",
};

/** Returns the tables and their legend as Markdown. */
export function toMarkdown(report: MonitoringReport): string {
  const { date, commit, command } = report;
  return [
    `Measured ${date} on ${commit} with \`${command}\`.`,
    "",
    table(faultColumns, report.faults.map((found) => faultRow(found, report))),
    "",
    table(quietColumns, [
      ...report.quiet.map(quietRow),
      ...report.peers.flatMap(peerRow),
    ]),
  ].join("\n");
}

/**
 * Returns the document with the results between its markers.
 *
 * @throws {Error} If the document has no markers.
 */
export function writeTables(
  document: string,
  report: MonitoringReport,
): string {
  const [, head, rest] =
    new RegExp(`^([^]*${begin}\n)[^]*(${end}[^]*)$`).exec(document) ?? [];
  if (head === undefined || rest === undefined) {
    throw new Error(`Cannot find "${begin}" and "${end}" in the document`);
  }
  return `${head}\n${toMarkdown(report)}\n\n${rest}`;
}

const faultColumns = [
  "fault",
  "verdict",
  "before: warned, dataset failed",
  "now: first week warned, failed",
  "found in time",
  "retrain",
  "Evidently",
  "NannyML",
];

function faultRow(
  found: FaultFound,
  { peers }: MonitoringReport,
): string[] {
  const { fault, first, weeks, seeds, retrain } = found;
  const inTime =
    weeks.filter((week) => week !== undefined && week <= fault.within).length;
  const { warn, fail } = first[fault.by];
  const isSlow = fault.within > 2;
  return [
    fault.title,
    fault.by,
    before[fault.name] ?? "–",
    isSlow
      ? `week ${describeWeeks(weeks)}`
      : `${percent(warn / seeds)}, ${percent(fail / seeds)}`,
    `${inTime} of ${seeds}`,
    percent(retrain / seeds),
    ...(["evidently", "nannyml"] as const).map((name) => {
      const result = peers.find((peer) => peer.name === name)
        ?.faults[fault.name];
      if (result === undefined) return "–";
      return isSlow
        ? `week ${describeWeeks(result.weeks)}`
        : `${percent(result.found / result.of)}`;
    }),
  ];
}

/** Returns the median and the last of the weeks in which a fault was found. */
function describeWeeks(weeks: readonly (number | undefined)[]): string {
  const sorted = weeks.map((week) => week ?? Infinity).sort((a, b) => a - b);
  const shown = (week: number | undefined) =>
    week === undefined || week === Infinity ? "never" : String(week);
  return `${shown(sorted[sorted.length >> 1])}, at most ${
    shown(sorted.at(-1))
  }`;
}

const quietColumns = [
  "quiet weeks",
  "rows",
  "weeks",
  "alarms per 1,000 feature-weeks",
  "data failed, of 200 weeks",
  "drift failed",
  "performance failed",
  "weeks with a warning",
  "retrain",
];

function quietRow(found: FalseAlarms): string[] {
  const { weeks, verdicts } = found;
  const of200 = (count: number) => decimals(200 * count / weeks);
  return [
    found.kind,
    found.rows.toLocaleString("en-US"),
    String(weeks),
    decimals(1000 * found.featureAlarms / found.features),
    of200(verdicts.data.fail),
    of200(verdicts.drift.fail),
    of200(verdicts.performance.fail),
    percent(found.warned / weeks),
    String(found.retrain),
  ];
}

function peerRow({ title, quiet }: PeerFound): string[][] {
  if (quiet === undefined) return [];
  const { rows, weeks, columnWeeks, columnAlarms, datasetAlarms } = quiet;
  return [[
    `independent, ${title}`,
    rows.toLocaleString("en-US"),
    String(weeks),
    decimals(1000 * columnAlarms / columnWeeks),
    "–",
    datasetAlarms === undefined ? "–" : decimals(200 * datasetAlarms / weeks),
    "–",
    percent(quiet.warned / weeks),
    "–",
  ]];
}

function table(
  head: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  const rule = head.map((_, column) => column === 0 ? "---" : "---:");
  return [line(head), line(rule), ...rows.map(line)].join("\n");
}

function percent(share: number): string {
  return `${Math.round(100 * share)} %`;
}

function decimals(value: number): string {
  return value.toFixed(1);
}
