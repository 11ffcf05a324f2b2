/** The error for one row, with its place apart from its message, so that a block of rows can be read before its position in the file is known. */
import { InputError } from "../base/errors.ts";

/** Where a row is: in a file, by row and line, both counted from 1. */
export interface RowPlace {
  readonly file: string;
  /** Undefined for text that is not a row. */
  readonly row?: number | undefined;
  /** Undefined in formats without lines. */
  readonly line?: number | undefined;
}

/** Returns a place as errors name it: `FILE, row 2 (line 3)`. */
function describePlace({ file, row, line }: RowPlace): string {
  if (row === undefined) {
    return line === undefined ? file : `${file}, line ${line}`;
  }
  return `${file}, row ${row}${line === undefined ? "" : ` (line ${line})`}`;
}

/** The parts of a {@linkcode RowError} that a message between threads can carry. */
export interface RowProblem {
  readonly place: RowPlace;
  /** What could not be done: `use`, `read` or `parse`. */
  readonly verb: "use" | "read" | "parse";
  /** The rest of the message, after the place: `: expected …` or `, column "spend": expected …`. */
  readonly reason: string;
}

/** A row that cannot be used. Exit code 1. */
export class RowError extends InputError {
  readonly problem: RowProblem;

  constructor(problem: RowProblem) {
    const { place, verb, reason } = problem;
    super(`Cannot ${verb} ${describePlace(place)}${reason}`);
    this.problem = problem;
  }
}

/** Returns the problem with its place moved down, for a block whose rows and lines were counted from 1. */
export function moveDown(
  problem: RowProblem,
  { rows, lines }: { rows: number; lines: number },
): RowProblem {
  const { file, row, line } = problem.place;
  return {
    ...problem,
    place: {
      file,
      row: row === undefined ? undefined : row + rows,
      line: line === undefined ? undefined : line + lines,
    },
  };
}

/** A row that cannot be used, set aside with its reason. */
export interface BadRow {
  readonly error: RowError;
  /** Number of the row; text that is not a row counts, too. */
  readonly row: number;
  /** The row as it stands in the file; undefined in formats that are not text. */
  readonly text: string | undefined;
}
