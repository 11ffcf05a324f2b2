/** Converts the JSON results of commands to Markdown for GitHub's step summaries. */
import { groupDigits } from "../base/phrases.ts";
import { escapeControls, escapeMarkdown } from "../base/printable.ts";
import { isObject } from "../base/objects.ts";

/** The JSON object of one command; every field is optional. */
export type Result = Readonly<Record<string, unknown>>;

/**
 * Returns one command's result as Markdown: a table with one row per plain
 * field, two small tables for a score distribution, the objects in `comparison`
 * side by side, one row per batch and per problem, and a separate table for each
 * other object.
 */
export function toJobSummary(result: Result): string {
  const {
    status,
    variant,
    score_distribution,
    comparison,
    problems,
    inputs,
    periods,
    ...rest
  } = result;
  const plain = Object.entries(rest).filter(([, value]) => isPlain(value));
  const nested = Object.entries(rest).filter(([, value]) => isObject(value));
  return [
    `### ${[variant, status].filter(isPlain).map(toCell).join(": ")}`,
    fieldTable("", plain),
    listTable("problems", problems),
    listTable("batches", inputs),
    listTable("periods", periods),
    ...(isObject(score_distribution)
      ? distributionTables(score_distribution)
      : []),
    ...(isObject(comparison) ? [comparisonTable(comparison)] : []),
    ...nested.map(([name, value]) => fieldTable(name, flatten(value))),
  ].filter((part) => part !== "").join("\n\n") + "\n";
}

/**
 * Returns the results of many commands as one table, one row per result, in the
 * order given.
 */
export function toRunSummary(results: readonly Result[]): string {
  const head = [
    "variant",
    "status",
    "period",
    "version",
    "rows",
    "set aside",
    "median score",
    "s",
  ];
  const rows = results.map((result) => [
    result.variant,
    result.error === undefined
      ? result.status
      : `${result.status}: ${result.error}`,
    result.period,
    result.model_version,
    result.rows,
    result.rows_set_aside,
    isObject(result.score_distribution) ? result.score_distribution.p50 : "",
    result.seconds,
  ]);
  return `### ${results.length} variant(s)\n\n${toTable(head, rows)}\n`;
}

const quantiles = ["min", "p10", "p25", "p50", "p75", "p90", "max", "mean"];

function distributionTables(scores: Result): string[] {
  const known = quantiles.filter((name) => isPlain(scores[name]));
  const { histogram } = scores;
  return [
    known.length === 0
      ? ""
      : toTable(known, [known.map((name) => scores[name])]),
    Array.isArray(histogram) ? histogramTable(histogram.map(Number)) : "",
  ];
}

const barLength = 20;

/** Returns a table of bins of equal width from 0 to 1, with bars proportional to the counts. */
function histogramTable(counts: readonly number[]): string {
  const most = Math.max(...counts, 1);
  const edge = (bin: number) => (bin / counts.length).toFixed(1);
  const rows = counts.map((count, bin) => [
    `${edge(bin)} – ${edge(bin + 1)}`,
    count,
    "█".repeat(Math.ceil(count / most * barLength)),
  ]);
  return toTable(["score", "rows", ""], rows);
}

/** Returns a table that shows objects with the same fields side by side, such as the metrics of candidate and champion. */
function comparisonTable(comparison: Result): string {
  const columns = Object.values(comparison).filter(isObject);
  const names = [...new Set(columns.flatMap((each) => Object.keys(each)))];
  return toTable(
    ["", ...Object.keys(comparison).map(toTitle)],
    names.map((name) => [
      toTitle(name),
      ...columns.map((column) => column[name]),
    ]),
  );
}

/** Returns a table with one row per object and the fields that are plain in any of them; empty without objects. */
function listTable(title: string, list: unknown): string {
  if (!Array.isArray(list)) return "";
  const objects = list.filter(isObject);
  const names = [...new Set(objects.flatMap((each) => Object.keys(each)))]
    .filter((name) => objects.some((each) => isPlain(each[name])));
  const table = toTable(
    names.map(toTitle),
    objects.map((each) =>
      names.map((name) => isPlain(each[name]) ? each[name] : "")
    ),
  );
  return table === "" ? "" : `#### ${title}\n\n${table}`;
}

function fieldTable(
  name: string,
  fields: readonly (readonly [string, unknown])[],
): string {
  const rows = fields.map(([field, value]) => [toTitle(field), value]);
  return toTable([toTitle(name), ""], rows);
}

/** Returns the fields of an object and of its nested objects, with joined names. */
function flatten(value: unknown): [string, unknown][] {
  if (!isObject(value)) return [];
  return Object.entries(value).flatMap(([name, each]): [string, unknown][] =>
    isObject(each)
      ? flatten(each).map(([inner, plain]) => [`${name} ${inner}`, plain])
      : [[name, each]]
  );
}

function toTable(
  head: readonly string[],
  rows: readonly (readonly unknown[])[],
): string {
  if (rows.length === 0) return "";
  const line = (cells: readonly unknown[]) =>
    `| ${cells.map(toCell).join(" | ")} |`;
  return [line(head), `|${"---|".repeat(head.length)}`, ...rows.map(line)]
    .join("\n");
}

function toTitle(name: string): string {
  return name.replaceAll("_", " ");
}

/** Returns a table cell: formatted numbers, and texts escaped so that Markdown and HTML find no link, image, code, tag or cell border. */
function toCell(value: unknown): string {
  if (value === undefined || value === null) return "";
  if (typeof value === "number") {
    return Number.isInteger(value)
      ? groupDigits(value)
      : String(Number(value.toPrecision(5)));
  }
  return escapeMarkdown(
    escapeControls(String(value).replaceAll(/\s+/g, " ")),
  );
}

function isPlain(value: unknown): boolean {
  return ["string", "number", "boolean"].includes(typeof value);
}
