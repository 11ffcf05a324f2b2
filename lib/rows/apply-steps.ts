/** Applies the steps of a recipe to rows, in float64. */
import { cellOf, shown } from "./cells.ts";
import { type CategoryFinder, openCategories } from "./categories.ts";
import { type DateTime, daysBetween, parseDateTime } from "./dates.ts";
import type { InputRow } from "./json.ts";
import { isOneHotColumn, type Recipe } from "./recipe.ts";
import { RowError, type RowPlace } from "./row-error.ts";
import type { Step, StepValue } from "./steps.ts";

/** A row after the steps of a recipe. */
export interface PreparedRow {
  /** The cells; a column that a step has moved away is undefined. */
  readonly value: InputRow["value"];
  /** Labels that a `map` step does not list. */
  readonly unknown: readonly UnknownLabel[];
}

/** A label that a `map` step does not list. */
export interface UnknownLabel {
  /** Index of the step among the recipe's `map` steps. */
  readonly map: number;
  readonly cell: unknown;
}

/**
 * Applies steps to one row.
 *
 * @throws {RowError} If a cell cannot be used; names row, column and step.
 */
export type RowPreparer = (
  value: InputRow["value"],
  where: RowPlace,
) => PreparedRow;

/** A row that steps write. */
type Cells = Record<string, unknown>;

/** Applies one step to a row. */
type Apply = (cells: Cells, where: RowPlace) => void;

/**
 * Returns a function that applies the steps of a recipe to a row; undefined if
 * there are none. A `default` of a one-hot column is not applied: whether the
 * column is missing depends on the raw column.
 *
 * A cell that is null or NaN is missing, and a step keeps it missing, as pandas
 * does; a result is absent if a cell that it needs is absent.
 */
export function openSteps(recipe: Recipe): RowPreparer | undefined {
  const { steps } = recipe;
  if (steps.length === 0) return undefined;
  let unknown: UnknownLabel[] = [];
  let maps = 0;
  const applies = steps.map((step, index): Apply => {
    const name = `recipe.steps[${index}] (${step.kind})`;
    switch (step.kind) {
      case "rename":
        return toRename(step.names, name);
      case "default":
        return toDefault(
          Object.entries(step.values)
            .filter(([column]) => !isOneHotColumn(recipe, column)),
        );
      case "map": {
        const map = maps++;
        const replace = toMap(step, {
          name,
          onUnknown: (cell) => unknown.push({ map, cell }),
        });
        return toCell(step, replace);
      }
      case "clip": {
        const { column, min = -Infinity, max = Infinity } = step;
        const clip = (x: number) => Math.min(Math.max(x, min), max);
        return toCell(step, toNumeric(clip, { name, column }));
      }
      case "log1p":
        return toCell(
          step,
          toNumeric(Math.log1p, { name, column: step.column }),
        );
      case "ratio":
        return toRatio(step, name);
      case "days_between":
        return toDays(step, name);
    }
  });
  return (value, where) => {
    unknown = [];
    const cells: Cells = { ...value };
    for (const apply of applies) apply(cells, where);
    return { value: cells, unknown };
  };
}

/** Returns the rows after the steps of a recipe. @throws {RowError} If a cell cannot be used. */
export function prepareRows(
  rows: readonly InputRow[],
  { recipe, file }: { recipe: Recipe; file: string },
): readonly InputRow[] {
  const prepare = openSteps(recipe);
  if (!prepare) return rows;
  return rows.map(({ number, line, value }) => ({
    number,
    line,
    value: prepare(value, { file, row: number, line }).value,
  }));
}

/** Tells whether a cell is missing or absent. */
export function isMissing(cell: unknown): cell is null | undefined {
  return cell === undefined || cell === null || Number.isNaN(cell);
}

function setCell(cells: Cells, column: string, cell: unknown): void {
  if (column !== "__proto__") cells[column] = cell;
  else {
    Object.defineProperty(cells, column, {
      value: cell,
      configurable: true,
      enumerable: true,
      writable: true,
    });
  }
}

/** The cell that a step works on, for errors. */
interface StepPlace {
  readonly where: RowPlace;
  readonly column: string;
  readonly step: string;
}

function refuse({ where, column, step }: StepPlace, reason: string): never {
  throw new RowError({
    place: where,
    verb: "use",
    reason: `, column "${column}", ${step}: ${reason}`,
  });
}

function toRename(
  names: Readonly<Record<string, string>>,
  step: string,
): Apply {
  const pairs = Object.entries(names);
  return (cells, where) => {
    const moved = pairs.map(([from]) => cellOf(cells, from));
    for (const [from] of pairs) {
      if (cellOf(cells, from) !== undefined) setCell(cells, from, undefined);
    }
    pairs.forEach(([from, to], index) => {
      if (moved[index] === undefined) return;
      if (cellOf(cells, to) !== undefined) {
        refuse(
          { where, column: from, step },
          `the row has "${to}", too; expected one of the two, because they would become one column`,
        );
      }
      setCell(cells, to, moved[index]);
    });
  };
}

function toDefault(values: readonly (readonly [string, StepValue])[]): Apply {
  return (cells) => {
    for (const [column, value] of values) {
      if (isMissing(cellOf(cells, column))) setCell(cells, column, value);
    }
  };
}

/** Returns a step on one column. An absent cell stays absent. */
function toCell(
  { column, to }: { column: string; to: string },
  convert: (cell: unknown, where: RowPlace) => unknown,
): Apply {
  return (cells, where) => {
    const cell = cellOf(cells, column);
    setCell(
      cells,
      to,
      cell === undefined
        ? undefined
        : isMissing(cell)
        ? null
        : convert(cell, where),
    );
  };
}

function toMap(
  { column, values }: Extract<Step, { kind: "map" }>,
  { name: step, onUnknown }: {
    name: string;
    onUnknown: (cell: unknown) => void;
  },
): (cell: unknown, where: RowPlace) => unknown {
  const find = openLabels(Object.keys(values));
  const results = Object.values(values);
  return (cell, where) => {
    const found = find(cell);
    if (found === undefined) {
      refuse(
        { where, column, step },
        `expected a label: a string, a boolean, null, or a number that JSON holds exactly and that only one label spells; found ${
          shown(cell)
        }`,
      );
    }
    if (found >= 0) return results[found];
    onUnknown(cell);
    return null;
  };
}

/** Returns a function that finds a label as {@linkcode openCategories} does; a boolean also as YAML spells it. */
export function openLabels(labels: readonly string[]): CategoryFinder {
  const find = openCategories(labels);
  return (cell) => {
    const found = find(cell);
    return found === -1 && typeof cell === "boolean"
      ? labels.indexOf(String(cell))
      : found;
  };
}

/** Returns a function on a number. */
function toNumeric(
  compute: (x: number) => number,
  { name: step, column }: { name: string; column: string },
): (cell: unknown, where: RowPlace) => number | null {
  return (cell, where) => {
    const result = compute(toNumber(cell, { where, column, step }));
    if (Number.isNaN(result)) return null;
    if (Number.isFinite(result)) return result;
    refuse(
      { where, column, step },
      `expected a number with a finite result, found ${
        shown(cell)
      } (${result})`,
    );
  };
}

/** Returns a cell that is not missing as a number; true and false are 1 and 0. */
function toNumber(cell: unknown, place: StepPlace): number {
  if (typeof cell === "boolean" || typeof cell === "bigint") {
    return Number(cell);
  }
  if (typeof cell === "number" && Number.isFinite(cell)) return cell;
  refuse(place, `expected a number or null, found ${shown(cell)}`);
}

function toRatio(
  { numerator, denominator, to }: Extract<Step, { kind: "ratio" }>,
  step: string,
): Apply {
  return (cells, where) => {
    const above = cellOf(cells, numerator);
    const below = cellOf(cells, denominator);
    const isAbsent = above === undefined || below === undefined;
    const x = isMissing(above)
      ? NaN
      : toNumber(above, { where, column: numerator, step });
    const y = isMissing(below)
      ? NaN
      : toNumber(below, { where, column: denominator, step });
    const quotient = y === 0 ? NaN : x / y;
    if (!Number.isFinite(quotient) && !Number.isNaN(quotient)) {
      refuse(
        { where, column: denominator, step },
        `expected a finite quotient, found ${x} / ${y} (${quotient})`,
      );
    }
    const result = Number.isNaN(quotient) ? null : quotient;
    setCell(cells, to, isAbsent ? undefined : result);
  };
}

function toDays(
  { start, end, to }: Extract<Step, { kind: "days_between" }>,
  step: string,
): Apply {
  return (cells, where) => {
    const first = cellOf(cells, start);
    const last = cellOf(cells, end);
    const from = toDateTime(first, { where, column: start, step });
    const until = toDateTime(last, { where, column: end, step });
    if (from && until && from.hasZone !== until.hasZone) {
      refuse(
        { where, column: end, step },
        `expected a time ${
          from.hasZone ? "with" : "without"
        } a time zone, as in "${start}" (${shown(first)}), found ${
          shown(last)
        }`,
      );
    }
    const result = from && until ? daysBetween(from, until) : null;
    const isAbsent = first === undefined || last === undefined;
    setCell(cells, to, isAbsent ? undefined : result);
  };
}

/** Returns the point in time in a cell; undefined for a missing one. */
function toDateTime(cell: unknown, place: StepPlace): DateTime | undefined {
  if (isMissing(cell)) return undefined;
  const found = typeof cell === "string" ? parseDateTime(cell) : undefined;
  if (found) return found;
  const advice = typeof cell === "number"
    ? '; pandas writes dates as such texts with to_json(date_format="iso")'
    : "";
  refuse(
    place,
    `expected a date or time such as 2026-11-25 or 2026-11-25T08:30:00Z, or null, found ${
      shown(cell)
    }${advice}`,
  );
}
