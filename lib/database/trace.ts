/** Reports each statement that a database runs. */
import { countOf } from "../base/phrases.ts";
import type { TextRow } from "../rows/output.ts";
import type { Database, Queryable, Transaction } from "./database.ts";

/** The longest statement that is shown whole, in characters. */
const shownCharacters = 200;

/**
 * Returns the same database, which reports each statement with its time and the
 * number of rows: `SQL 3 ms, 1 row: select …`. Parameters are never reported,
 * because they are data or secrets.
 *
 * @param trace Receives one line per statement; undefined if nobody listens.
 */
export function withTrace<Traced extends Database>(
  database: Traced,
  trace: ((message: string) => void) | undefined,
): Traced {
  if (!trace) return database;
  return {
    ...database,
    query: tracedQuery(database, trace),
    transaction: (work) =>
      database.transaction((tx) => work(tracedTransaction(tx, trace))),
  };
}

function tracedTransaction(
  tx: Transaction,
  trace: (message: string) => void,
): Transaction {
  const { streamRows } = tx;
  return {
    query: tracedQuery(tx, trace),
    streamRows: streamRows && ((text) => tracedRows(text, streamRows, trace)),
    copyRows: (target, chunks, options) =>
      timed(
        `copy ${target}`,
        { trace, rowsOf: (rows) => rows },
        () => tx.copyRows(target, chunks, options),
      ),
  };
}

async function* tracedRows(
  text: string,
  streamRows: NonNullable<Transaction["streamRows"]>,
  trace: (message: string) => void,
): AsyncGenerator<readonly TextRow[], void, undefined> {
  const startMs = performance.now();
  let rows = 0;
  try {
    for await (const some of streamRows(text)) {
      rows += some.length;
      yield some;
    }
  } finally {
    report({ trace, startMs, rows }, text);
  }
}

function tracedQuery(
  queryable: Queryable,
  trace: (message: string) => void,
): Queryable["query"] {
  return (text, values, options) =>
    timed(
      text,
      { trace, rowsOf: (rows) => rows.length },
      () => queryable.query(text, values, options),
    );
}

async function timed<T>(
  statement: string,
  { trace, rowsOf }: {
    trace: (message: string) => void;
    rowsOf: (result: T) => number;
  },
  run: () => Promise<T>,
): Promise<T> {
  const startMs = performance.now();
  try {
    const result = await run();
    report({ trace, startMs, rows: rowsOf(result) }, statement);
    return result;
  } catch (error) {
    report({ trace, startMs, rows: undefined }, statement);
    throw error;
  }
}

/** Reports one statement. `rows`: how many it returned; undefined if it failed. */
function report(
  { trace, startMs, rows }: {
    trace: (message: string) => void;
    startMs: number;
    rows: number | undefined;
  },
  statement: string,
): void {
  const time = `${Math.round(performance.now() - startMs)} ms`;
  const what = rows === undefined ? "failed" : countOf(rows, "row");
  trace(`SQL ${time}, ${what}: ${shorten(statement)}`);
}

/** Returns a statement as one line, without what a long one says after its beginning. */
function shorten(statement: string): string {
  const line = statement.replace(/\s+/g, " ").trim();
  return line.length > shownCharacters
    ? `${line.slice(0, shownCharacters)}…`
    : line;
}
