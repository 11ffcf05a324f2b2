/** The port of a command that serves something on this machine. */
import { UsageError } from "../base/errors.ts";

/** Returns the port that a text names; undefined if it is none. */
export function toPort(text: string): number | undefined {
  const port = /^\d+$/.test(text) ? Number(text) : 0;
  return port >= 1 && port <= 65535 ? port : undefined;
}

/**
 * Returns the port that `--port` names.
 *
 * @throws {UsageError} If it is no port, or another program listens on it.
 */
export function toFreePort(text: string): number {
  const port = toPort(text);
  if (port === undefined) {
    throw new UsageError(`Cannot use --port ${text}: expected 1 to 65535`);
  }
  try {
    Deno.listen({ hostname: "127.0.0.1", port }).close();
  } catch (error) {
    if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    throw new UsageError(
      `Cannot use port ${port}: another program listens on it; add --port ${
        port < 65535 ? port + 1 : port - 1
      }`,
    );
  }
  return port;
}

/** Waits until a program listens on the port, or the signal aborts. */
export async function untilListening(
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
