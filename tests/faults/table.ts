/** Prints the results of a run, and writes them into `docs/reliability.md`. */
import { failures, type FaultResult, isClean } from "./result.ts";

/** Where and when the results were measured. */
export interface Measured {
  /** Day, as `2026-11-26`. */
  readonly date: string;
  /** Short name of the commit. */
  readonly commit: string;
  /** The names of all families, in the order of the table. */
  readonly order: readonly string[];
}

const begin = "<!-- faults: written by deno task test:faults --write -->";
const end = "<!-- faults: end -->";

const columns = [
  "fault",
  "subject",
  "tries",
  "lost",
  "doubled",
  "half visible",
  "wrong",
  "unfinished",
  "failures below",
] as const;

/**
 * Returns the upper bound of the failure rate at 95 % confidence after `tries`
 * without a failure: 3/n, the rule of three (Hanley and Lippman-Hand, JAMA 249,
 * 1983). A dash after a failure, or where the bound says nothing.
 */
export function toBound(result: FaultResult): string {
  if (!isClean(result) || result.tries <= 3) return "–";
  return `${Number((300 / result.tries).toPrecision(2))} %`;
}

/** Returns the results as text for a terminal. */
export function toText(results: readonly FaultResult[]): string {
  const rows = [[...columns], ...results.map(cellsOf)];
  const widths = columns.map((_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0))
  );
  const lines = rows.map((row) =>
    row.map((cell, column) =>
      column < 2
        ? cell.padEnd(widths[column] ?? 0)
        : cell.padStart(widths[column] ?? 0)
    ).join("  ")
  );
  const notes = results.flatMap(({ fault, subject, repro, remark }) => [
    `${subject}, ${fault}: ${repro}`,
    ...remark === undefined ? [] : [`  ${remark}`],
  ]);
  return [...lines, "", ...notes].join("\n");
}

/**
 * Returns the document with the results in its table. Rows of families that this
 * run did not repeat stay.
 *
 * @throws {Error} If the document has no table.
 */
export function writeTable(
  document: string,
  results: readonly FaultResult[],
  measured: Measured,
): string {
  const [, head, table, rest] =
    new RegExp(`^([^]*${begin}\n)([^]*)(${end}[^]*)$`).exec(document) ?? [];
  if (head === undefined || table === undefined || rest === undefined) {
    throw new Error(`Cannot find "${begin}" and "${end}" in the document`);
  }
  const names = new Set(results.map(({ repro }) => familyOf(repro)));
  const isRow = (line: string) => familyOf(line) !== undefined;
  const kept = table.split("\n").filter((line) =>
    isRow(line) && !names.has(familyOf(line))
  );
  const added = results.map((result) => toRow(result, measured));
  const place = (line: string) => measured.order.indexOf(familyOf(line) ?? "");
  const header = [...columns, "measured", "repeat with", "remark"];
  const lines = [
    `| ${header.join(" | ")} |`,
    `|${
      header.map((_, column) => column > 1 && column < 9 ? "--:|" : "---|")
        .join("")
    }`,
    ...[...kept, ...added].sort((a, b) => place(a) - place(b)),
  ];
  return `${head}\n${lines.join("\n")}\n\n${rest}`;
}

/** The number of tries and of faults, as README states them; a line may end between the words. */
const headline = /([\d,]+)\s+tries\s+of\s+(\d+)\s+faults/;

/** Returns README with the sums of the document's table for this project. */
export function writeHeadline(readme: string, document: string): string {
  if (!headline.test(readme)) {
    throw new Error('Cannot find "… tries of … faults" in README');
  }
  const { tries, faults } = sumTries(document);
  return readme.replace(
    headline,
    `${thousands(tries)} tries of ${faults} faults`,
  );
}

/** Returns the sums of the document's table for this project; peers and faults that were not tried do not count. */
export function sumTries(document: string): { tries: number; faults: number } {
  const counts = [...document.matchAll(/^\|[^|]+\| churn +\| +([\d,]+) \|/gm)]
    .map(([, count = ""]) => Number(count.replaceAll(",", "")))
    .filter((count) => count > 0);
  return {
    tries: counts.reduce((sum, count) => sum + count, 0),
    faults: counts.length,
  };
}

function toRow(result: FaultResult, { date, commit }: Measured): string {
  const cells = [
    ...cellsOf(result),
    `${date} ${commit}`,
    `\`${result.repro}\``,
    result.remark ?? "",
  ].map((cell) => cell.replaceAll("|", "\\|").replaceAll("\n", " "));
  return `| ${cells.join(" | ")} |`;
}

function cellsOf(result: FaultResult): string[] {
  return [
    result.fault,
    result.subject,
    thousands(result.tries),
    ...failures.map((name) => thousands(result[name])),
    toBound(result),
  ];
}

function thousands(count: number): string {
  return count.toLocaleString("en-US");
}

/** Returns the family that a repro, or a line with one, names. */
function familyOf(text: string): string | undefined {
  return /--only ([\w-]+)/.exec(text)?.[1];
}
