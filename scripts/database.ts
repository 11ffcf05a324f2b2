/** Serves the embedded database to psql and other clients until it is interrupted. */
import { retryPolicyOf } from "../lib/cli/flag-values.ts";
import { UsageError } from "../lib/base/errors.ts";
import { databaseCommand } from "../lib/cli/commands.ts";
import { runScript } from "../lib/cli/program.ts";
import { toCount } from "../lib/base/flag-value.ts";
import { openServices } from "../lib/services/services.ts";

if (import.meta.main) {
  await runScript(databaseCommand, async (flags, { log }) => {
    const port = toCount(flags.port, { flag: "port", integer: true });
    if (port < 1 || port > 65535) {
      throw new UsageError(`Cannot use --port ${port}: expected 1 to 65535`);
    }
    await using services = await openServices({
      log,
      retryPolicy: retryPolicyOf(flags),
    });
    if (!services.config.embedded) {
      throw new UsageError(
        "Cannot serve the embedded database: services are configured; connect to them directly with psql",
      );
    }
    const database = await services.embeddedDatabase();
    await using _server = await database.serve(port);
    log.info(
      `Serving ${database.description}; in another terminal:\n  psql "host=127.0.0.1 port=${port} user=postgres dbname=postgres sslmode=disable"\nPress Ctrl-C to stop`,
    );
    const signal = await interrupted();
    return {
      report: { status: "done", port, signal },
      text: `Closed the database after ${signal}`,
    };
  });
}

/** Resolves with the signal that asks this process to stop; the caller then closes the database cleanly. */
function interrupted(): Promise<Deno.Signal> {
  return new Promise((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      Deno.addSignalListener(signal, () => resolve(signal));
    }
  });
}
