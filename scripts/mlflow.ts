/** Shows MLflow's UI on the configured database, or on a copy of the embedded one, until it is interrupted. */
import { once } from "node:events";
import { InputError, UsageError } from "../lib/base/errors.ts";
import { retryPolicyOf } from "../lib/cli/flag-values.ts";
import { mlflowCommand } from "../lib/cli/commands.ts";
import {
  type MlflowEnd,
  readEnd,
  writeRequest,
} from "../lib/cli/mlflow-request.ts";
import { toFreePort } from "../lib/cli/port.ts";
import { runScript } from "../lib/cli/program.ts";
import { prepareMlflowUi } from "../lib/services/mlflow-ui.ts";
import { openServices } from "../lib/services/services.ts";

if (import.meta.main) {
  await runScript(mlflowCommand, async (flags, { log, signal, stdout }) => {
    await using services = await openServices({
      log,
      retryPolicy: retryPolicyOf(flags),
      signal,
      readOnly: true,
    });
    const { tracking } = services.config;
    if (tracking.kind === "server") {
      return {
        report: { status: "done", url: tracking.uri },
        text:
          `MLflow's UI is at ${tracking.uri}, the configured server; nothing was started`,
      };
    }
    const port = toFreePort(flags.port);
    await using ui = await prepareMlflowUi(services, { port });
    log.info(`Serving ${ui.source}`);
    if (ui.blocks) {
      log.warn(
        "The database is too large to copy; other commands must wait until this one has ended",
      );
    }
    // As bytes: it may contain a password, which would be removed from a text.
    const { version, environment } = ui;
    await stdout.write(
      new TextEncoder().encode(writeRequest({ version, environment })),
    );
    const end = readLauncher();
    const url = `http://127.0.0.1:${port}`;
    await Promise.race([untilListening(port, signal), end.then(explain)]);
    if (!signal.aborted) {
      log.info(`MLflow's UI is at ${url}; press Ctrl-C to stop`);
      await Promise.race([once(signal, "abort"), end.then(explain)]);
    }
    return {
      report: { status: "done", url, mlflow_version: version },
      text: "Closed MLflow's UI",
    };
  });
}

/** Waits until a program listens on the port, or the signal aborts. */
async function untilListening(
  port: number,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    try {
      (await Deno.connect({ hostname: "127.0.0.1", port })).close();
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
}

/** Returns why the server has ended; undefined if the launcher itself has. */
async function readLauncher(): Promise<MlflowEnd | undefined> {
  let said = "";
  for await (
    const text of Deno.stdin.readable.pipeThrough(new TextDecoderStream())
  ) {
    said += text;
    if (said.includes("\n")) break;
  }
  return said === "" ? undefined : readEnd(said);
}

function explain(end: MlflowEnd | undefined): void {
  if (end === undefined) return;
  const { exitCode, message } = end;
  throw exitCode === 2 ? new UsageError(message) : new InputError(message);
}
