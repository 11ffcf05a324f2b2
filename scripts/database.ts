/** Serves the embedded database to psql and other clients until it is interrupted. */
import { once } from "node:events";
import { UsageError } from "../lib/base/errors.ts";
import { commandTable } from "../lib/config/commands.ts";
import { runScript } from "../lib/cli/program.ts";
import { toFreePort } from "../lib/cli/port.ts";
import { openServices } from "../lib/services/services.ts";

if (import.meta.main) {
  await runScript(commandTable.database, async (flags, context) => {
    const { log, retryPolicy, signal } = context;
    const port = toFreePort(flags.port);
    await using services = await openServices({ log, retryPolicy });
    if (!services.config.embedded) {
      throw new UsageError(
        "Cannot serve the embedded database: services are configured; connect to them directly with psql",
      );
    }
    const database = await services.embeddedDatabase();
    await using _server = await database.serve({ port });
    log.info(
      `Serving ${database.description} until Ctrl-C; in another terminal:`,
    );
    log.info(
      `  psql "host=127.0.0.1 port=${port} user=postgres dbname=postgres sslmode=disable"`,
    );
    // The end that is wanted: SIGINT or SIGTERM.
    if (!signal.aborted) await once(signal, "abort");
    return {
      report: { status: "done", port },
      text: "Closed the database",
    };
  });
}
