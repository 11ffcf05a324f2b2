/** What must not outlive this process when a signal ends it: no `await using` runs then. */

const cleanups = new Set<() => void>();

/**
 * Registers what ends a server or deletes a folder at once, without waiting.
 * Returns the function that takes it back, for the disposal of the same thing.
 */
export function onEnd(cleanup: () => void): () => void {
  cleanups.add(cleanup);
  return () => void cleanups.delete(cleanup);
}

/** Runs all that is registered, the newest first, and forgets it. */
export function cleanUp(): void {
  for (const cleanup of [...cleanups].reverse()) {
    cleanups.delete(cleanup);
    try {
      cleanup();
    } catch {
      // It is gone already.
    }
  }
}

/** Cleans up and ends this process when it is interrupted, with 128 and the signal's number. */
export function cleanUpOnSignals(): void {
  for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143]] as const) {
    Deno.addSignalListener(signal, () => {
      cleanUp();
      Deno.exit(code);
    });
  }
}
