/** Retries steps when a service is unavailable, and logs each failed attempt. */
import { setTimeout } from "node:timers/promises";
import { messageOf, TransientError } from "./errors.ts";
import type { Log } from "./log.ts";

/** How often a step is retried, and how long to wait between attempts. */
export interface RetryPolicy {
  /** Attempts after the first one: 3 means four attempts in total. */
  readonly retries: number;
  /** Mean wait between two attempts, in seconds. */
  readonly delaySeconds: number;
  /** Receives a warning for each failed attempt. */
  readonly log: Pick<Log, "warn">;
  /** Ends the attempts: after it aborts, no further one is made. */
  readonly signal?: AbortSignal | undefined;
  /** Waits; tests pass a function that returns at once. */
  readonly sleep?: (milliseconds: number) => Promise<void>;
}

/**
 * Returns the result of `step`, with up to `retries` further attempts. Only
 * {@linkcode TransientError} is retried: a defect or bad input fails at once.
 * Each wait varies randomly by up to half of the mean, so that jobs that failed
 * at the same time do not retry at the same time.
 *
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { TransientError } from "./errors.ts";
 *
 * let attempts = 0;
 * const policy = { retries: 3, delaySeconds: 60, log: { warn() {} }, sleep: () => Promise.resolve() };
 * const result = await retry("the step", policy, () => {
 *   attempts++;
 *   if (attempts < 3) throw new TransientError("away");
 *   return Promise.resolve(attempts);
 * });
 * strictEqual(result, 3);
 * ```
 *
 * @param what The step as messages name it: "read s3://bucket/key".
 * @throws {TransientError} If the last attempt also failed; the message states the number of attempts.
 * @throws The reason of `signal` if it aborts during a wait, and the error of the attempt if it aborts during one.
 */
export async function retry<T>(
  what: string,
  policy: RetryPolicy,
  step: () => Promise<T>,
): Promise<T> {
  const { retries, delaySeconds, log, signal } = policy;
  const {
    // An abort ends the wait with an error of its own; the signal's reason decides the exit code.
    sleep = (waitMs) =>
      setTimeout(waitMs, undefined, { signal })
        .catch(() => signal?.throwIfAborted()),
  } = policy;
  for (let attempt = 1;; attempt++) {
    try {
      return await step();
    } catch (error) {
      if (!(error instanceof TransientError) || signal?.aborted) throw error;
      if (attempt > retries) throw exhausted(what, attempt, error);
      const seconds = delaySeconds * (0.5 + Math.random());
      log.warn(
        `Attempt ${attempt} of ${retries + 1} to ${what} failed: ${
          messageOf(error)
        }. ` +
          `Trying again in ${seconds.toFixed(seconds < 10 ? 1 : 0)} s`,
      );
      await sleep(seconds * 1000);
    }
  }
}

function exhausted(
  what: string,
  attempts: number,
  error: TransientError,
): TransientError {
  if (attempts === 1) return error;
  return new TransientError(
    `Cannot ${what} after ${attempts} attempts: ${messageOf(error)}`,
    { cause: error.cause, outage: error.outage },
  );
}
