/** Describes and runs statements by the extended protocol of a client of `pg`. */
import type { TextRow } from "../rows/output.ts";

/** One column of a result, as the server describes it. */
export interface DescribedColumn {
  readonly name: string;
  /** The type's oid in `pg_type`. */
  readonly dataTypeID: number;
}

/** A connection of `pg`. */
interface Connection {
  readonly stream: { pause(): void; resume(): void; destroy(): void };
  parse(statement: { text: string; name: string; types: number[] }): void;
  describe(target: { type: "S"; name: string }): void;
  bind(portal: { portal: string; statement: string; values: [] }): void;
  execute(portal: { portal: string; rows: number }): void;
  sync(): void;
}

/** What a client of `pg` calls while it is the active query. */
interface Submitted extends Record<string, unknown> {
  submit(connection: Connection): void;
  /** Set by the client if a query has a time limit; a call ends it. */
  callback?: () => void;
}

/** A client of `pg`. */
interface Client {
  query<Query extends Submitted>(query: Query): Query;
}

/**
 * Returns the columns of one statement; none if it returns no rows. The server
 * parses the statement and looks up its names, but neither plans nor runs it.
 *
 * @throws The server's error if there is more than one statement, or it is invalid.
 */
export async function describeStatement(
  client: Client,
  text: string,
): Promise<readonly DescribedColumn[]> {
  const { promise, resolve, reject } = Promise.withResolvers<
    readonly DescribedColumn[]
  >();
  let columns: readonly DescribedColumn[] = [];
  const query: Submitted = {
    submit(connection) {
      connection.parse({ text, name: "", types: [] });
      connection.describe({ type: "S", name: "" });
      connection.sync();
    },
    handleRowDescription({ fields }: { fields: readonly DescribedColumn[] }) {
      columns = fields;
    },
    handleReadyForQuery() {
      query.callback?.();
      resolve(columns);
    },
    handleError(error: Error) {
      query.callback?.();
      reject(error);
    },
  };
  client.query(query);
  return await promise;
}

/** Rows that wait to be read; with more, nothing is received until they are. */
const mostWaiting = 2_000;

/**
 * Runs one statement and yields its rows in text form. While nobody reads them,
 * nothing is received, so the server waits too. If the iteration ends before the
 * statement has ended, the connection is closed, which ends the statement.
 *
 * Not a portal with a row limit (`pg-cursor`) and not `declare cursor`: for those,
 * Postgres makes no parallel plans.
 *
 * @param options `timeoutMs`: longest time until the last row is read; undefined for the time limit of the client.
 * @throws The server's error.
 */
export async function* streamRows(
  client: Client,
  text: string,
  { timeoutMs }: { timeoutMs: number | undefined },
): AsyncGenerator<readonly TextRow[], void, undefined> {
  let waiting: TextRow[] = [];
  let wake = () => {};
  let ended = false;
  let failure: { readonly error: Error } | undefined;
  let connection: Connection | undefined;
  const query: Submitted = {
    query_timeout: timeoutMs,
    submit(active) {
      connection = active;
      active.parse({ text, name: "", types: [] });
      active.bind({ portal: "", statement: "", values: [] });
      active.execute({ portal: "", rows: 0 });
      active.sync();
    },
    handleDataRow({ fields }: { fields: TextRow }) {
      waiting.push(fields);
      if (waiting.length >= mostWaiting) connection?.stream.pause();
      wake();
    },
    handleCommandComplete() {},
    handleReadyForQuery() {
      query.callback?.();
      ended = true;
      wake();
    },
    handleError(error: Error) {
      query.callback?.();
      failure = { error };
      wake();
    },
  };
  client.query(query);
  try {
    for (;;) {
      if (waiting.length > 0) {
        const rows = waiting;
        waiting = [];
        yield rows;
      } else if (failure) throw failure.error;
      else if (ended) return;
      else {
        const { promise, resolve } = Promise.withResolvers<void>();
        wake = resolve;
        connection?.stream.resume();
        await promise;
      }
    }
  } finally {
    // The rows that stopped the receiving may have come together with the end.
    if (ended || failure) connection?.stream.resume();
    else connection?.stream.destroy();
  }
}
