/** The results of `bench/rows.ts`, and their tables. */
import { median } from "./report.ts";

/** One process from start to end. */
export interface Run {
  readonly seconds: number;
  /** User and system time of the process and its children. */
  readonly cpuSeconds: number;
  /** Resident memory of the largest process at its peak. */
  readonly peakBytes: number;
}

/** One contender on one file. */
export interface Measured {
  readonly contender: string;
  /** One entry per round in which it took part; empty if it cannot do this. */
  readonly runs: readonly Run[];
  /** Why there are no runs. */
  readonly failure?: string;
}

/** One file with all that was measured on it. */
export interface CaseResult {
  /** As on the command line: `1M.csv`. */
  readonly name: string;
  readonly rows: number;
  readonly format: Format;
  readonly bytes: number;
  /** `predict` first. */
  readonly measured: readonly Measured[];
}

/** The format of a file, by the end of its name. */
export type Format = "jsonl" | "csv" | "parquet";

/** A whole run of the benchmark. */
export interface RowsReport {
  readonly date: string;
  readonly processors: number;
  readonly processor: string;
  /** Programs that were running or ready to run, on average over the minute before. */
  readonly loadBefore: number;
  readonly loadAfter: number;
  readonly rounds: number;
  readonly versions: Readonly<Record<string, string>>;
  readonly cases: readonly CaseResult[];
}

/** The contender that all others are compared with. */
export const ours = "predict";

const labels: Readonly<Record<string, string>> = {
  predict: "`deno task predict`",
  plain: "plain Python: MLflow, pandas, `to_sql`",
  duckdb: "DuckDB, XGBoost, COPY",
  polars: "polars, XGBoost, COPY",
  pyarrow: "pyarrow, XGBoost, COPY",
};

const formats: Readonly<Record<Format, string>> = {
  jsonl: "JSON Lines",
  csv: "CSV",
  parquet: "Parquet",
};

/** Returns the heading of a case, such as `1 M rows, CSV`. */
export function titleOf({ rows, format }: CaseResult): string {
  const count = rows >= 1e6
    ? `${rows / 1e6} M`
    : rows >= 1e3
    ? `${rows / 1e3} k`
    : `${rows}`;
  return `${count} rows, ${formats[format]}`;
}

/**
 * Returns how many times as long a contender takes as `predict`, one ratio per
 * round in which both took part.
 */
export function ratios(result: CaseResult, contender: string): number[] {
  const runsOf = (name: string) =>
    result.measured.find((one) => one.contender === name)?.runs ?? [];
  const own = runsOf(ours);
  return runsOf(contender).flatMap((run, round) => {
    const ownRun = own[round];
    return ownRun === undefined ? [] : [run.seconds / ownRun.seconds];
  });
}

/** Returns the tables as Markdown. */
export function toMarkdown(report: RowsReport): string {
  return report.cases.map(caseTable).join("\n\n");
}

/** Returns one sentence on the machine, the load and the versions. */
export function describeRun(report: RowsReport): string {
  const { date, processors, processor, loadBefore, loadAfter, rounds } = report;
  const versions = Object.entries(report.versions).map(([name, version]) =>
    `${name} ${version}`
  );
  return `Run of ${date}: ${processors} × ${processor}, ${
    loadBefore.toFixed(1)
  } programs ready to run before it and ${
    loadAfter.toFixed(1)
  } after it, ${rounds} round${rounds === 1 ? "" : "s"}; ${
    versions.join(", ")
  }.`;
}

function caseTable(result: CaseResult): string {
  const size = result.bytes < 1e6
    ? `${Math.round(result.bytes / 1e3)} kB`
    : `${toMegabytes(result.bytes)} MB`;
  const rows = result.measured.map(({ contender, runs, failure }) => {
    const label = labels[contender] ?? contender;
    if (runs.length === 0) {
      const why = failure === undefined ? "not measured" : "not supported";
      return [label, why, "", "", "", "0"];
    }
    const seconds = runs.map((run) => run.seconds);
    const found = contender === ours ? [] : ratios(result, contender);
    return [
      label,
      `${toSeconds(median(seconds))} (${toSeconds(Math.min(...seconds))}–${
        toSeconds(Math.max(...seconds))
      })`,
      toSeconds(median(runs.map((run) => run.cpuSeconds))),
      toMegabytes(median(runs.map((run) => run.peakBytes))),
      found.length === 0
        ? ""
        : `${median(found).toFixed(1)} × (${Math.min(...found).toFixed(1)}–${
          Math.max(...found).toFixed(1)
        })`,
      String(runs.length),
    ];
  });
  const head = [
    "whole process",
    "seconds",
    "CPU seconds",
    "peak MB",
    "time against `predict`",
    "rounds",
  ];
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  const rule = head.map((_, column) => column === 0 ? "---" : "---:");
  return [
    `### ${titleOf(result)} (${size})`,
    "",
    line(head),
    line(rule),
    ...rows.map(line),
  ].join("\n");
}

/** Returns seconds with two decimals below ten, and one above. */
export function toSeconds(seconds: number): string {
  return seconds.toFixed(seconds < 9.995 ? 2 : 1);
}

/** Returns whole megabytes of a million bytes. */
export function toMegabytes(bytes: number): string {
  return Math.round(bytes / 1e6).toLocaleString("en-US");
}
