/** Shows MLflow's UI on the configured database, or on a copy of the embedded one, until it is interrupted. */
import { once } from "node:events";
import { InputError, UsageError } from "../lib/base/errors.ts";
import { retryPolicyOf } from "../lib/cli/flag-values.ts";
import { mlflowCommand } from "../lib/cli/commands.ts";
import {
  greeting,
  linesOf,
  type MlflowEnd,
  readEnd,
  writeRequest,
} from "../lib/cli/mlflow-request.ts";
import { toFreePort } from "../lib/cli/port.ts";
import { runScript, type StandardOutput } from "../lib/cli/program.ts";
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
    const launcher = await greetLauncher(stdout);
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
    const end = readAnswer(launcher);
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

/**
 * Waits for the launcher's first line, for at most ten seconds, and returns those
 * that follow.
 *
 * @throws {UsageError} If the script was started without the launcher, which alone may start MLflow.
 */
async function greetLauncher(
  stdout: StandardOutput,
): Promise<AsyncIterator<string, void>> {
  if (!Deno.stdin.isTerminal() && !stdout.isTerminal) {
    const lines = linesOf(Deno.stdin.readable);
    const limit = AbortSignal.timeout(10_000);
    const first = await Promise.race([lines.next(), once(limit, "abort")]);
    if ("value" in first && first.value === greeting) return lines;
  }
  throw new UsageError(
    "Cannot start MLflow from this script; run `deno task mlflow`",
  );
}

/** Returns why the server, or the launcher itself, has ended. */
async function readAnswer(
  launcher: AsyncIterator<string, void>,
): Promise<MlflowEnd> {
  const { value } = await launcher.next();
  return value === undefined
    ? { exitCode: 1, message: "Stopped: the launcher has ended" }
    : readEnd(value);
}

function explain({ exitCode, message }: MlflowEnd): never {
  throw exitCode === 2 ? new UsageError(message) : new InputError(message);
}
