/**
 * What the rest of the code sees of a database, wherever it runs: one way to
 * ask, one way to be atomic, and the rules that make PGlite and Postgres
 * answer alike. Values are JavaScript's: `int8` comes back as a number where
 * that is exact (else an error), `numeric` as the nearest number, `timestamptz`
 * as `Date`, `date`, `timestamp` and `interval` as Postgres prints them, `json`
 * parsed, `bytea` as `Uint8Array`, arrays as arrays of these.
 */

import { UsageError } from "../base/errors.ts";

/** How an answer is read. */
export interface QueryOptions {
  /**
   * True for people's own questions: a number over 2^53, NaN, an infinity and a
   * `timestamptz` (all its digits, in ISO 8601 and UTC) come back as text.
   */
  readonly exact?: boolean;
}

/** One statement at a time, inside or outside a transaction. */
export interface Queryable {
  /**
   * Runs one statement and gives back its rows. Values travel apart from the
   * text, as `$1`, `$2`; arrays become Postgres arrays.
   *
   * @throws {DatabaseError} If the server refuses the statement; `code` is its SQLSTATE.
   * @throws {TransientError} If the connection broke or the server is away; the outcome is then unknown.
   */
  query<Row = Record<string, unknown>>(
    text: string,
    values?: readonly unknown[],
    options?: QueryOptions,
  ): Promise<Row[]>;
}

/** A connection that is closed when it goes out of scope. */
export interface Database extends Queryable, AsyncDisposable {
  /** Where it is, fit to be printed: never holds a password. */
  readonly description: string;
  /** True for PGlite, where one process at a time may have the database. */
  readonly embedded: boolean;
  /**
   * Commits what `work` did, or rolls all of it back if `work` throws. Not to be nested.
   *
   * @throws {DatabaseError} If a statement was refused and `work` went on as if it had not been.
   */
  transaction<T>(work: (tx: Queryable) => Promise<T>): Promise<T>;
  /** Runs a file of many statements (no values), as one implicit transaction when called inside none. */
  runScript(sql: string): Promise<void>;
}

/** The server answers and lets us in, but has no database of that name. Exit code 2. */
export class MissingDatabaseError extends UsageError {}

/** A statement that the server refused; `code` is the SQLSTATE of Postgres (appendix A of its manual). */
export class DatabaseError extends Error {
  override readonly name = "DatabaseError";
  /** SQLSTATE, five characters; `23505` is a unique violation. */
  readonly code: string;
  /** The constraint that refused, where the server names one. */
  readonly constraint: string | undefined;
  /** @param message The server's own words. */
  constructor(
    message: string,
    options: { code: string; constraint?: string | undefined; cause?: unknown },
  ) {
    super(message, { cause: options.cause });
    this.code = options.code;
    this.constraint = options.constraint;
  }
}

/**
 * The error of a transaction whose work went on after a refused statement:
 * Postgres answers its commit with a rollback and calls that no error. SQLSTATE
 * 25P02.
 */
export function abortedTransaction(): DatabaseError {
  return new DatabaseError(
    "Cannot commit: a statement of the transaction was refused, so all of it was rolled back",
    { code: "25P02" },
  );
}

/** A name as it stands in SQL text, quoted so that any character is safe: `a"b` becomes `"a""b"`. */
export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/**
 * Refuses an answer with two columns of one name, or one named `__proto__`: an
 * object would keep only the last of them, and nothing.
 *
 * @throws {DatabaseError} With Postgres's own code for a duplicate column, 42701.
 */
export function refuseSameNames(
  fields: readonly { readonly name: string }[],
): void {
  const names = fields.map(({ name }) => name);
  if (names.includes("__proto__")) {
    throw new DatabaseError(
      'the answer has a column named "__proto__"; rename it with "as"',
      { code: "42602" },
    );
  }
  const same = names.find((name, index) => names.indexOf(name) !== index);
  if (same === undefined) return;
  throw new DatabaseError(
    `the answer has two columns named "${same}"; tell them apart with "as"`,
    { code: "42701" },
  );
}
