/** Ends a command early: when it is interrupted, or has reached its time limit. */
import { TransientError } from "../base/errors.ts";

/** What {@linkcode openStop} needs to know. */
export interface StopOptions {
  /** The longest time that the command may take, in minutes, up to {@linkcode longestLimitMinutes}; 0 for no limit. */
  readonly limitMinutes: number;
  /** How long the command may take to end after it was told to, in milliseconds; 10 seconds by default. */
  readonly graceMs?: number;
  /** Ends the process at once; receives the reason. */
  readonly exit: (reason: TransientError) => void;
}

/** The signals with which a terminal, GitHub's runner, systemd or a container asks a process to end. */
export const stopSignals = ["SIGINT", "SIGTERM"] as const;

/** Sends a signal to a process, unless it has already ended. */
export function signalChild(
  child: Deno.ChildProcess,
  signal: Deno.Signal,
): void {
  try {
    child.kill(signal);
  } catch {
    // The process has already ended.
  }
}

/** The highest time limit, in minutes: a timer with a longer delay than 2³¹ ms would fire at once. */
export const longestLimitMinutes = 35_000;

/**
 * Returns a signal that aborts when this process receives SIGINT or SIGTERM, or
 * the time limit is reached. What is not complete by then is rolled back. If that
 * takes longer than `graceMs`, the process is ended, which is safe as well:
 * nobody sees rows of a batch that is not published.
 *
 * The reason is a {@linkcode TransientError}, because the same command may be run
 * again. Disposal removes the listeners and timers.
 */
export function openStop(
  { limitMinutes, graceMs = 10_000, exit }: StopOptions,
): { readonly signal: AbortSignal } & Disposable {
  const controller = new AbortController();
  const timers: ReturnType<typeof setTimeout>[] = [];
  const later = (delayMs: number, act: () => void) => {
    const timer = setTimeout(act, delayMs);
    Deno.unrefTimer(timer);
    timers.push(timer);
  };
  const stop = (why: string) => {
    if (controller.signal.aborted) return;
    const reason = new TransientError(
      `Stopped ${why}; nothing incomplete was stored; run the command again`,
    );
    later(graceMs, () => exit(reason));
    controller.abort(reason);
  };
  if (limitMinutes > 0) {
    later(
      limitMinutes * 60_000,
      () => stop(`at the time limit of ${limitMinutes} minutes (--time-limit)`),
    );
  }
  const listeners = stopSignals.map((name) => {
    const listener = () => stop(`by ${name}`);
    Deno.addSignalListener(name, listener);
    return { name, listener };
  });
  return {
    signal: controller.signal,
    [Symbol.dispose]() {
      for (const timer of timers) clearTimeout(timer);
      for (const { name, listener } of listeners) {
        Deno.removeSignalListener(name, listener);
      }
    },
  };
}
