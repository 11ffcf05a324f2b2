/** Runs one SQL query on the predictions database, embedded or not, in a read-only transaction. */
import { retryPolicyOf } from "../lib/cli/flag-values.ts";
import { settledOrAborted } from "../lib/base/abortable.ts";
import { InputError, UsageError } from "../lib/base/errors.ts";
import { queryCommand } from "../lib/cli/commands.ts";
import { ReadOnlyDatabaseError } from "../lib/database/database.ts";
import { runScript } from "../lib/cli/program.ts";
import { queryReadOnly } from "../lib/database/read-only.ts";
import { openServices } from "../lib/services/services.ts";
import { formatRows, parseFormat } from "../lib/rows/table.ts";

/** @throws {InputError} If the query wants to write, which waiting does not help. */
function explainWrite(error: unknown): never {
  if (!(error instanceof ReadOnlyDatabaseError)) throw error;
  throw new InputError(`Cannot write with a query: ${error.message}`);
}

if (import.meta.main) {
  await runScript(queryCommand, async (flags, { log, signal, words }) => {
    const [sql, ...more] = words;
    if (!sql || /^[\s;]*$/.test(sql) || more.length > 0) {
      throw new UsageError(
        'Cannot query: expected one SQL text in quotes, such as "select count(*) from churn_predictions"',
      );
    }
    const format = parseFormat(flags.format);
    await using services = await openServices({
      log,
      retryPolicy: retryPolicyOf(flags),
      signal,
    });
    const database = await services.predictions();
    const running = queryReadOnly(database, sql).catch(explainWrite);
    const rows = await settledOrAborted(running, signal);
    return {
      report: { status: "done", rows: rows.length, result: rows },
      text: formatRows(rows, format),
      isData: format !== "table",
    };
  });
}
