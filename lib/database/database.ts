/**
 * The database interface for the rest of the code: one way to query, one way to
 * run a transaction, and the rules that make PGlite and Postgres return the same
 * values. `int8` is returned as a number if that is exact (an error otherwise),
 * `numeric` as the nearest number, `timestamptz` as `Date`, `date`, `timestamp`
 * and `interval` as Postgres prints them, `json` parsed, `bytea` as `Uint8Array`,
 * and arrays as arrays of these.
 */

import type { ResultColumn, TextRow } from "../rows/output.ts";
import { TransientError, UsageError } from "../base/errors.ts";

/** Runs one statement at a time, inside or outside a transaction. */
export interface Queryable {
  /**
   * Runs one statement and returns its rows. Values are passed as parameters
   * `$1`, `$2`, …; arrays become Postgres arrays.
   *
   * @throws {DatabaseError} If the server refuses the statement; `code` is its SQLSTATE.
   * @throws {TransientError} If the connection broke or the server is unavailable; the outcome is then unknown.
   */
  query<Row = Record<string, unknown>>(
    text: string,
    values?: readonly unknown[],
  ): Promise<Row[]>;
}

/** One transaction. */
export interface Transaction extends Queryable {
  /**
   * Appends rows with a binary COPY and returns how many the server stored. On
   * Postgres they are streamed at the speed of the connection; the embedded
   * database holds all chunks of one call in memory.
   *
   * @param target Table and columns, such as `scores (scoring_run_id, row_number)`.
   * @param chunks Whole rows in Postgres's binary format, without header and trailer. A chunk must not be changed after it was yielded.
   * @throws {DatabaseError} If the server refuses the rows; `code` is its SQLSTATE.
   * @throws {TransientError} If the connection broke or the server is unavailable.
   * @throws The error of `chunks`, or the reason of `signal`; the rows are then not stored.
   */
  copyRows(
    target: string,
    chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    options?: { signal?: AbortSignal | undefined },
  ): Promise<number>;
  /**
   * Runs one statement and yields its rows as they arrive; the server waits while
   * nobody reads, for at most two hours in all. If the iteration ends early, the
   * connection is closed. Undefined for PGlite.
   *
   * @throws {DatabaseError} If the server refuses the statement; `code` is its SQLSTATE.
   * @throws {TransientError} If the connection broke or the server is unavailable.
   */
  readonly streamRows:
    | ((text: string) => AsyncIterable<readonly TextRow[]>)
    | undefined;
}

/** A connection that is closed on disposal. */
export interface Database extends Queryable, AsyncDisposable {
  /** Where the database is, safe to print: never contains a password. */
  readonly description: string;
  /**
   * Returns the columns of one statement without running it; none if it returns
   * no rows. They parse values for ad-hoc queries: a number over 2^53, NaN, an
   * infinity and a `timestamptz` (with all its digits, in ISO 8601 and UTC) remain
   * text.
   *
   * @throws {DatabaseError} If there is more than one statement, or it is invalid.
   */
  describe(text: string): Promise<readonly ResultColumn[]>;
  /** True for PGlite, where only one process at a time can use the database. */
  readonly embedded: boolean;
  /**
   * Runs `work` in a transaction: commits it, or rolls it back if `work` throws. Transactions cannot be nested.
   *
   * @throws {DatabaseError} If a statement was refused and `work` did not throw.
   */
  transaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T>;
}

/** The server accepts the login but has no database of that name. Exit code 2. */
export class MissingDatabaseError extends UsageError {}

/** The session or the server accepts no writes; a server is a replica until a failover is complete. Exit code 75. */
export class ReadOnlyDatabaseError extends TransientError {
  /** SQLSTATE. */
  readonly code = "25006";
}

/** The server refused a statement; `code` is its SQLSTATE (appendix A of the Postgres manual). */
export class DatabaseError extends Error {
  override readonly name = "DatabaseError";
  /** SQLSTATE, five characters; `23505` is a unique violation. */
  readonly code: string;
  /** The violated constraint, if the server names one. */
  readonly constraint: string | undefined;
  /** @param message The server's message. */
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
 * Returns the error for a transaction that continued after a refused statement:
 * Postgres then answers the commit with a rollback and reports no error. SQLSTATE
 * 25P02.
 */
export function abortedTransaction(): DatabaseError {
  return new DatabaseError(
    "Cannot commit: a statement failed, so the transaction was rolled back",
    { code: "25P02" },
  );
}

/** Quotes a name for SQL text so that any character is safe: `a"b` becomes `"a""b"`. */
export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** Quotes a text for SQL text so that any character is safe: `it's` becomes `'it''s'`. */
export function quoteLiteral(text: string): string {
  const quoted = `'${text.replaceAll("'", "''")}'`;
  // Whether a backslash is one in a plain literal depends on a setting of the session.
  return text.includes("\\") ? ` E${quoted.replaceAll("\\", "\\\\")}` : quoted;
}

/**
 * Refuses a result with two columns of the same name, of which an object would
 * keep only the last, or a column named `__proto__`, which an object would drop.
 *
 * @throws {DatabaseError} With Postgres's code for a duplicate column, 42701, or an invalid name, 42602.
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
    `the result has two columns named "${same}"; rename one with "as"`,
    { code: "42701" },
  );
}
