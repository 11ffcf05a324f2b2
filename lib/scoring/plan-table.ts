/** Shows the batches of a plan as a table. */
import { countOf, groupDigits } from "../base/phrases.ts";
import { oneLine } from "../base/printable.ts";
import { toDay } from "../config/periods.ts";
import { type InputBatch, sizeOf } from "../services/input-batches.ts";
import type { PredictionPlan } from "./plan.ts";
import {
  actionOf,
  isUsable,
  type PlannedAction,
  type PlannedBatch,
} from "./planned-batch.ts";

/** Returns how a file is shown. */
export type Place = (uri: string) => string;

/** Returns bytes as people read them: `112 kB`. */
export function toSize(bytes: number): string {
  const units = ["bytes", "kB", "MB", "GB", "TB"];
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  const digits = unit === 0 || value >= 10 ? 0 : 1;
  return `${value.toFixed(digits)} ${units[unit]}`;
}

/** Scored periods that the table shows; earlier ones are counted. */
const shownSkipped = 3;

/** Returns the lines of the table of batches: those that were scored before, then those that would be. */
export function toTable(
  planned: readonly PlannedBatch[],
  { skipped, again, runs, place, width }: PredictionPlan & {
    place: Place;
    width: number;
  },
): string[] {
  const shown = skipped.slice(-shownSkipped);
  const hidden = skipped.length - shown.length;
  const rows = [
    ...shown.map(({ batch, run }) => ({
      batch,
      rows: groupDigits(run.rows),
      action: `scored ${toDay(run.finishedAt)}, version ${run.modelVersion}`,
    })),
    ...planned.map((each) => ({
      batch: each.batch,
      rows: each.rows ? groupDigits(each.rows.rows) : "?",
      action: actionWords[actionOf(each, { again, runs })],
    })),
  ];
  if (rows.length === 0) return [];
  const cells = rows.map(({ batch, rows, action }) => [
    periodOf(batch),
    String(batch.parts.length),
    rows,
    toSize(sizeOf(batch)),
    action,
    `${place(batch.uri)}${
      batch.source === "local-fallback" ? " (local fallback)" : ""
    }`,
  ]);
  const table = [["period", "files", "rows", "size", "action", "input"]]
    .concat(cells);
  const widths = table[0]!.map((_, index) =>
    Math.max(...table.map((row) => row[index]!.length))
  );
  const fits = widths.reduce((sum, width) => sum + width + 2, 0) <= width;
  const line = (row: readonly string[]) =>
    `  ${
      row.map((cell, index) =>
        index > 0 && index < 4
          ? cell.padStart(widths[index]!)
          : cell.padEnd(widths[index]!)
      ).join("  ")
    }`.trimEnd();
  const lines = fits ? table.map(line) : table.flatMap((row, index) => [
    line(row.slice(0, -1)),
    ...index === 0 ? [] : [`    ${row.at(-1)}`],
  ]);
  return [
    "",
    ...lines.slice(0, 1),
    ...hidden > 0
      ? [`  … ${countOf(hidden, "earlier period")} scored before`]
      : [],
    ...lines.slice(1),
    ...remarks(planned),
    "",
  ];
}

/** Returns what is to be said of single batches below the table. */
function remarks(planned: readonly PlannedBatch[]): string[] {
  const isUnknown = (each: PlannedBatch) => !each.rows && isUsable(each);
  return [
    ...planned.flatMap(({ batch, rows, incomplete, failure }) => [
      ...failure === undefined ? [] : [oneLine(`  ✗ ${failure}`)],
      ...incomplete === undefined ? [] : [oneLine(`  ! ${incomplete}`)],
      ...rows?.from === "promised"
        ? [`  ${periodOf(batch)}: row count taken from the side file`]
        : [],
    ]),
    ...planned.some(isUnknown) ? ["  ? rows: known once the file is read"] : [],
  ];
}

function periodOf({ period }: InputBatch): string {
  return period ?? "–";
}

const actionWords: Readonly<Record<PlannedAction, string>> = {
  score: "score",
  "score-again": "score again (--force)",
  fail: "fails",
  wait: "waits: incomplete",
};
