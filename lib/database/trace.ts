/** Reports each statement that a database runs. */
import { countOf } from "../base/phrases.ts";
import type { Database, Queryable, Transaction } from "./database.ts";

/** Receives a message, as a function that makes it: most often nobody reads it. */
type Trace = (message: () => string) => void;

/** The longest statement that is shown whole, in characters. */
const shownCharacters = 200;

/**
 * Returns the same database, which reports each statement with its time and the
 * number of rows: `SQL 3 ms, 1 row: select …`. Parameters are never reported,
 * because they are data or secrets.
 *
 * @param trace Receives one line per statement.
 */
export function withTrace<Traced extends Database>(
  database: Traced,
  trace: Trace,
): Traced {
  return {
    ...database,
    query: tracedQuery(database, trace),
    transaction: (work) =>
      database.transaction((tx) => work(tracedTransaction(tx, trace))),
  };
}

function tracedTransaction(
  tx: Transaction,
  trace: Trace,
): Transaction {
  const { streamRows } = tx;
  return {
    query: tracedQuery(tx, trace),
    streamRows: streamRows && (async function* (text) {
      const startMs = performance.now();
      let rows = 0;
      try {
        for await (const some of streamRows(text)) {
          rows += some.length;
          yield some;
        }
      } finally {
        trace(() => describe(text, { startMs, rows }));
      }
    }),
    async copyRows(target, chunks, options) {
      const startMs = performance.now();
      let rows: number | undefined;
      try {
        return rows = await tx.copyRows(target, chunks, options);
      } finally {
        trace(() => describe(`copy ${target}`, { startMs, rows }));
      }
    },
  };
}

function tracedQuery(
  queryable: Queryable,
  trace: Trace,
): Queryable["query"] {
  return async <Row>(...args: Parameters<Queryable["query"]>) => {
    const startMs = performance.now();
    let found: Row[] | undefined;
    try {
      return found = await queryable.query<Row>(...args);
    } finally {
      trace(() => describe(args[0], { startMs, rows: found?.length }));
    }
  };
}

/** Returns the line on one statement. `rows`: how many it returned; undefined if it failed. */
function describe(
  statement: string,
  { startMs, rows }: { startMs: number; rows: number | undefined },
): string {
  const time = `${Math.round(performance.now() - startMs)} ms`;
  const what = rows === undefined ? "failed" : countOf(rows, "row");
  return `SQL ${time}, ${what}: ${shorten(statement)}`;
}

/** Returns a statement as one line, without what a long one says after its beginning. */
function shorten(statement: string): string {
  const line = statement.replace(/\s+/g, " ").trim();
  return line.length > shownCharacters
    ? `${line.slice(0, shownCharacters)}…`
    : line;
}
