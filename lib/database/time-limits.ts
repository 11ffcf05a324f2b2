/** Time limits of a session on Postgres, enforced by the server. */

/** Maximum run time of one statement, in milliseconds. */
export const usualStatementMs = 600_000;

/** Longest time in which the rows of one statement may be read, in milliseconds: a reader such as a pager may pause. */
export const longestReadMs = 7_200_000;

/**
 * Returns a statement that sets a time limit of the session, or, with `local`, of
 * the transaction. A limit from the connection's own options is kept.
 *
 * @param name A setting of the server, such as `statement_timeout`.
 * @param limit In the unit of that setting.
 */
export function limitSetting(
  name: string,
  limit: number,
  { local }: { local: boolean },
): string {
  return `select set_config('${name}', '${limit}', ${local}) from pg_settings where name = '${name}' and source <> 'client'`;
}
