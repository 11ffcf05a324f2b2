/** Cells of rows: numbers, labels, players and outcomes, each checked by its type. */
import { InputError } from "../base/errors.ts";
import { type Label, toCode } from "../model/mod.ts";
import type { InputRow } from "./json.ts";

/** A column that the model was trained on. */
export interface Column {
  readonly name: string;
  /** MLflow's type of it: `double`, `float`, `long`, `integer`, `boolean`, `string`. */
  readonly type: string;
  /** Labels of the column's categories, index = code; undefined where the column has none. */
  readonly labels?: readonly Label[] | undefined;
  /** What a label that is not among them does; an error unless stated. */
  readonly unseen?: "missing" | "error";
}

/** The cell of a column; undefined when the row does not have it. "constructor" finds something on every object, which is not of the row. */
export function cellOf(value: InputRow["value"], name: string): unknown {
  const cell = value[name];
  const mayBeInherited = typeof cell === "function" || typeof cell === "object";
  return mayBeInherited && !Object.hasOwn(value, name) ? undefined : cell;
}

/** The code of a label; undefined for one that is not known and may be missing. */
export function toCategoryCode(
  cell: unknown,
  { name, labels, unseen }: Column & { labels: readonly Label[] },
  where: string,
): number | undefined {
  const isLabel = typeof cell === "string" || typeof cell === "number" ||
    typeof cell === "boolean";
  const isKind = labels.length === 0 ||
    labels.some((label) => typeof label === typeof cell);
  const code = isLabel ? toCode(labels, cell) : undefined;
  if (code !== undefined) return code;
  if (isLabel && isKind && unseen === "missing") return undefined;
  throw wrongType({
    where,
    column: name,
    wanted: `one of the ${labels.length} categories of the training data (${
      JSON.stringify(labels.slice(0, 8)).slice(1, -1)
    }${labels.length > 8 ? ", …" : ""}) or null`,
    found: cell,
  });
}

/** The float32 that XGBoost would see for a cell; NaN for null. Every lossless conversion is accepted. */
export function toFeature(
  cell: unknown,
  column: Column,
  where: string,
): number {
  if (cell === null) return NaN;
  if (typeof cell === "boolean") return cell ? 1 : 0;
  if (typeof cell !== "number") {
    throw wrongType({
      where,
      column: column.name,
      wanted: `a number (${column.type}) or null`,
      found: cell,
    });
  }
  const isWhole = Number.isInteger(cell);
  if ((column.type === "long" || column.type === "integer") && !isWhole) {
    throw wrongType({
      where,
      column: column.name,
      wanted: `a whole number (${column.type})`,
      found: cell,
    });
  }
  if (column.type === "boolean" && cell !== 0 && cell !== 1) {
    throw wrongType({
      where,
      column: column.name,
      wanted: "true, false, 0 or 1 (boolean)",
      found: cell,
    });
  }
  if (!Number.isFinite(Math.fround(cell))) {
    throw wrongType({
      where,
      column: column.name,
      wanted: "a number that float32 can hold",
      found: cell,
    });
  }
  return cell;
}

/**
 * Returns the player that a cell names, as text; null where it is null or absent.
 *
 * @param options `where`: file and row, for the error.
 * @throws {InputError} If the cell is no text or whole number, or a number that JSON could not hold exactly.
 */
export function toId(
  cell: unknown,
  { idColumn, where }: { idColumn: string; where: string },
): string | null {
  if (cell === undefined || cell === null) return null;
  if (typeof cell === "string" && !cell.includes("\0")) return cell;
  // JSON.parse has rounded larger numbers and long fractions already: they would name other players.
  if (typeof cell === "number" && Number.isSafeInteger(cell)) {
    return String(cell);
  }
  throw wrongType({
    where,
    column: idColumn,
    wanted: "a text without NUL, or a whole number of at most 15 digits",
    found: cell,
  });
}

/**
 * Returns the outcome of a labelled row, 0 or 1.
 *
 * @throws {InputError} If it is anything else; names row and column.
 */
export function toLabel(
  value: InputRow["value"],
  { labelColumn, where }: { labelColumn: string; where: string },
): number {
  const cell = cellOf(value, labelColumn);
  if (cell === 0 || cell === 1 || typeof cell === "boolean") {
    return Number(cell);
  }
  throw wrongType({
    where,
    column: labelColumn,
    wanted: "an outcome, 0 or 1",
    found: cell,
  });
}

/** Returns the error for a cell of the wrong type: file, row, column, what was expected and found. */
export function wrongType(
  { where, column, wanted, found }: {
    where: string;
    column: string;
    wanted: string;
    found: unknown;
  },
): InputError {
  return new InputError(
    `Cannot use ${where}, column "${column}": expected ${wanted}, found ${
      shown(found)
    }`,
  );
}

/** Returns a value as an error shows it: JSON, at most 60 characters. */
export function shown(value: unknown): string {
  return typeof value === "number"
    ? String(value) // JSON has no Infinity, which 1e999 is read as
    : JSON.stringify(value)?.slice(0, 60) ?? "nothing";
}
