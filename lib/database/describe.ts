/** Asks Postgres for the columns of a statement's result without running it, by the extended protocol of a client of `pg`. */

/** One column of a result, as the server describes it. */
export interface DescribedColumn {
  readonly name: string;
  /** The type's oid in `pg_type`. */
  readonly dataTypeID: number;
}

/** A connection of `pg`. */
interface Connection {
  parse(statement: { text: string; name: string; types: number[] }): void;
  describe(target: { type: "S"; name: string }): void;
  sync(): void;
}

/** What a client of `pg` calls while it is the active query. */
interface Submitted {
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
  const query: Submitted & Record<string, unknown> = {
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
