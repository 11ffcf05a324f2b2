/** Converts cells of rows to numbers, category codes, player ids and outcomes, and validates their types. */
import { type Label, toCode } from "../model/mod.ts";
import type { InputRow } from "./json.ts";
import type { Recipe } from "./recipe.ts";
import { RowError, type RowPlace } from "./row-error.ts";

/** A column that the model was trained on. */
export interface Column {
  readonly name: string;
  /** MLflow's data type: `double`, `float`, `long`, `integer`, `boolean`, `string`. */
  readonly type: string;
  /** Labels of the column's categories, index = code; undefined when the column has none. */
  readonly labels?: readonly Label[] | undefined;
  /** Whether an unknown label counts as missing or is an error; an error by default. */
  readonly unseen?: "missing" | "error";
}

/** What the columns of a file are for. */
export interface ColumnRoles {
  /** The model's columns in the model's order. */
  readonly columns: readonly Column[];
  /** A resolved recipe: each step has its categories. */
  readonly recipe: Recipe;
  /** Column that identifies the player; not a feature. Undefined when the variant has none. */
  readonly idColumn?: string | undefined;
  /** Column of the outcome, 0 or 1, of a labelled set; not a feature. */
  readonly labelColumn?: string | undefined;
}

/** Returns the cell of a column; undefined when the row does not have it. Inherited members such as "constructor" are not cells. */
export function cellOf(value: InputRow["value"], name: string): unknown {
  const cell = value[name];
  const mayBeInherited = typeof cell === "function" || typeof cell === "object";
  return mayBeInherited && !Object.hasOwn(value, name) ? undefined : cell;
}

/** Returns the code of a label; undefined for an unknown label that counts as missing. */
export function toCategoryCode(
  cell: unknown,
  { name, labels, unseen }: Column & { labels: readonly Label[] },
  where: RowPlace,
): number | undefined {
  const isLabel = typeof cell === "string" || typeof cell === "number" ||
    typeof cell === "boolean";
  const isKind = labels.length === 0 ||
    labels.some((label) => typeof label === typeof cell);
  const code = isLabel ? toCode(labels, cell) : undefined;
  if (code !== undefined) return code;
  if (isLabel && isKind && unseen === "missing") return undefined;
  const wanted =
    `one of the ${labels.length} categories of the training data (${
      JSON.stringify(labels.slice(0, 8)).slice(1, -1)
    }${labels.length > 8 ? ", …" : ""}) or null`;
  throw wrongType({ where, column: name, wanted, found: cell });
}

/** Returns a cell as a number that float32 can hold; NaN for null. A boolean is 1 or 0, and the column's type restricts the other values. */
export function toFeature(
  cell: unknown,
  column: Column,
  where: RowPlace,
): number {
  if (cell === null || Number.isNaN(cell)) return NaN;
  if (typeof cell === "boolean") return cell ? 1 : 0;
  if (typeof cell === "bigint") return toFeature(Number(cell), column, where);
  const { name, type } = column;
  let wanted: string;
  if (typeof cell !== "number") wanted = `a number (${type}) or null`;
  else if (
    (type === "long" || type === "integer") && !Number.isInteger(cell)
  ) wanted = `a whole number (${type})`;
  else if (type === "boolean" && cell !== 0 && cell !== 1) {
    wanted = "true, false, 0 or 1 (boolean)";
  } else if (!Number.isFinite(Math.fround(cell))) {
    wanted = "a number that float32 can hold";
  } else return cell;
  throw wrongType({ where, column: name, wanted, found: cell });
}

/**
 * Returns the player id in a cell, as text; null when it is null or absent.
 *
 * @param options `where`: the row, for errors.
 * @throws {InputError} If the cell is not a text or a whole number, or is a number that JSON cannot represent exactly.
 */
export function toId(
  cell: unknown,
  { idColumn, where }: { idColumn: string; where: RowPlace },
): string | null {
  if (cell === undefined || cell === null) return null;
  if (typeof cell === "string" && !cell.includes("\0")) return cell;
  // JSON.parse has already rounded larger numbers and long fractions, so they could identify other players.
  if (typeof cell === "number" && Number.isSafeInteger(cell)) {
    return String(cell);
  }
  if (typeof cell === "bigint") return String(cell);
  const wanted = "a string without NUL, or a whole number of at most 15 digits";
  throw wrongType({ where, column: idColumn, wanted, found: cell });
}

/**
 * Returns the outcome of a labelled row, 0 or 1.
 *
 * @throws {InputError} If it is anything else; names row and column.
 */
export function toLabel(
  value: InputRow["value"],
  { labelColumn, where }: { labelColumn: string; where: RowPlace },
): number {
  const cell = cellOf(value, labelColumn);
  if (cell === 0 || cell === 1 || typeof cell === "boolean") {
    return Number(cell);
  }
  const wanted = "an outcome, 0 or 1";
  throw wrongType({ where, column: labelColumn, wanted, found: cell });
}

/** Returns the error for a cell of the wrong type; names file, row, column, and the expected and found values. */
export function wrongType(
  { where, column, wanted, found }: {
    where: RowPlace;
    column: string;
    wanted: string;
    found: unknown;
  },
): RowError {
  return new RowError({
    place: where,
    verb: "use",
    reason: `, column "${column}": expected ${wanted}, found ${shown(found)}`,
  });
}

/** Returns a value as an error shows it: JSON, at most 60 characters. */
export function shown(value: unknown): string {
  return typeof value === "number" || typeof value === "bigint"
    ? String(value) // JSON has no Infinity, but 1e999 is parsed as Infinity
    : JSON.stringify(value)?.slice(0, 60) ?? "nothing";
}
