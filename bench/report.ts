/** The results of `bench/score.ts`, and their tables. */

/** One engine on one model, with one thread. */
export interface Measured {
  readonly engine: string;
  /** Of each round. */
  readonly rowsPerSecond: readonly number[];
  readonly openMs: number;
  /** Largest difference to XGBoost's scores of the first rows. */
  readonly difference: number;
}

/** Milliseconds from a model's bytes to its first score, in one process. */
export interface Ready {
  /** The first time, when no code has run yet. */
  readonly fresh: number;
  /** The median of the times after that. */
  readonly running: number;
}

/** One model with all that was measured on it. */
export interface ShapeResult {
  readonly name: string;
  readonly trees: number;
  readonly leaves: number;
  readonly bytes: number;
  /** One entry a process. */
  readonly ready: readonly Ready[];
  readonly engines: readonly Measured[];
}

/** A whole run. */
export interface Report {
  readonly date: string;
  readonly processors: number;
  /** Programs that were running or ready to run, on average over the minute before. */
  readonly loadBefore: number;
  readonly rounds: number;
  readonly versions: Readonly<Record<string, string>>;
  readonly shapes: readonly ShapeResult[];
}

/**
 * The middle of some numbers.
 *
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 *
 * strictEqual(median([3, 1, 2]), 2);
 * ```
 */
export function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  const upper = sorted.length >> 1;
  const lower = (sorted.length - 1) >> 1;
  return ((sorted[upper] ?? NaN) + (sorted[lower] ?? NaN)) / 2;
}

/**
 * How many times as fast the kernel is as another engine; NaN where one was
 * not measured.
 *
 * @param of What stands for the rounds of an engine, such as {@linkcode median}.
 */
export function ratioTo(
  shape: ShapeResult,
  peer: string,
  of: (rounds: readonly number[]) => number,
): number {
  const speed = (engine: string) =>
    of(
      shape.engines.find((measured) => measured.engine === engine)
        ?.rowsPerSecond ?? [],
    );
  return speed("kernel") / speed(peer);
}

/** The tables as Markdown. */
export function toMarkdown(report: Report): string {
  return [
    ...report.shapes.map((shape) => shapeTable(shape)),
    readyTable(report.shapes),
  ].join("\n\n");
}

function shapeTable(shape: ShapeResult): string {
  const rows = shape.engines.map(({ engine, rowsPerSecond, difference }) => {
    const middle = ratioTo(shape, engine, median);
    const best = ratioTo(shape, engine, largest);
    return [
      engine,
      rate(median(rowsPerSecond)),
      engine === "kernel"
        ? ""
        : `${middle.toFixed(1)} × (${best.toFixed(1)} ×)`,
      difference.toExponential(0),
    ];
  });
  return [
    `### ${shape.name}: ${shape.trees} trees, ${shape.leaves} leaves`,
    "",
    table([
      "engine",
      "rows/s",
      "kernel against it",
      "largest difference to XGBoost",
    ], rows),
  ].join("\n");
}

function readyTable(shapes: readonly ShapeResult[]): string {
  const rows = shapes.map((shape) => {
    const xgboost = shape.engines.find(({ engine }) => engine === "XGBoost");
    return [
      shape.name,
      `${(shape.bytes / 1e6).toFixed(2)} MB`,
      `${median(shape.ready.map(({ fresh }) => fresh)).toFixed(0)} ms`,
      `${Math.min(...shape.ready.map(({ fresh }) => fresh)).toFixed(0)} ms`,
      `${median(shape.ready.map(({ running }) => running)).toFixed(0)} ms`,
      `${(xgboost?.openMs ?? NaN).toFixed(0)} ms`,
    ];
  });
  return [
    "### From a model's bytes to its first score",
    "",
    table([
      "model",
      "UBJSON",
      "kernel, fresh process: median",
      "best",
      "kernel, running process",
      "XGBoost, running process",
    ], rows),
  ].join("\n");
}

function table(
  head: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  const rule = head.map((_, column) => column === 0 ? "---" : "---:");
  return [line(head), line(rule), ...rows.map(line)].join("\n");
}

function largest(numbers: readonly number[]): number {
  return Math.max(...numbers);
}

/** Three significant digits, in thousands or millions. */
function rate(rowsPerSecond: number): string {
  const [unit, sign] = rowsPerSecond >= 1e6 ? [1e6, "M"] : [1e3, "k"];
  return `${Number((rowsPerSecond / unit).toPrecision(3))} ${sign}`;
}
