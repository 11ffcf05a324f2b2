/** Shows MLflow's UI on the configured database, or on a copy of the embedded one, until it is interrupted. */
import { once } from "node:events";
import { commandTable } from "../lib/config/commands.ts";
import { meetLauncher } from "../lib/cli/mlflow-request.ts";
import { toFreePort, untilListening } from "../lib/cli/port.ts";
import { runScript } from "../lib/cli/program.ts";
import { prepareMlflowUi } from "../lib/services/mlflow-ui.ts";
import { openServices } from "../lib/services/services.ts";

if (import.meta.main) {
  await runScript(commandTable.mlflow, async (flags, context) => {
    const { log, signal, stdout } = context;
    await using services = await openServices({ ...context, readOnly: true });
    const { tracking } = services.config;
    if (tracking.kind === "server") {
      return {
        report: { status: "done", url: tracking.uri },
        text:
          `MLflow's UI is at ${tracking.uri}, the configured server; nothing was started`,
      };
    }
    const port = toFreePort(flags.port);
    const runServer = await meetLauncher(stdout);
    await using ui = await prepareMlflowUi(services, { port });
    log.info(`Serving ${ui.source}`);
    if (ui.blocks) {
      log.warn(
        "The database is too large to copy; other commands must wait until this one has ended",
      );
    }
    const end = runServer(ui);
    const url = `http://127.0.0.1:${port}`;
    await Promise.race([untilListening(port, signal), end]);
    if (!signal.aborted) {
      log.info(`MLflow's UI is at ${url}; press Ctrl-C to stop`);
      await Promise.race([once(signal, "abort"), end]);
    }
    return {
      report: { status: "done", url, mlflow_version: ui.version },
      text: "Closed MLflow's UI",
    };
  });
}
