/** Tries critical steps again when a service was away, and says so each time. */
import { messageOf, TransientError } from "./errors.ts";

/** How often and how long apart a step is tried again. */
export interface RetryPolicy {
  /** Tries after the first one: 3 means four attempts in all. */
  readonly retries: number;
  /** Mean wait between two attempts, in seconds. */
  readonly delaySeconds: number;
  /** Told of each failed attempt. */
  readonly say: (message: string) => void;
  /** Waits; a test passes one that does not. */
  readonly sleep?: (milliseconds: number) => Promise<void>;
}

/**
 * What `step` gives back, at the latest after `retries` further attempts. Only
 * {@linkcode TransientError} is tried again: a defect or bad input fails at
 * once. Waits vary by half either way, so that many jobs that failed together
 * do not come back together.
 *
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { TransientError } from "./errors.ts";
 *
 * let attempts = 0;
 * const policy = { retries: 3, delaySeconds: 60, say() {}, sleep: () => Promise.resolve() };
 * const result = await retry("the step", policy, () => {
 *   attempts++;
 *   if (attempts < 3) throw new TransientError("away");
 *   return Promise.resolve(attempts);
 * });
 * strictEqual(result, 3);
 * ```
 *
 * @param what Names the step in messages: "read s3://bucket/key".
 * @throws {TransientError} If the last attempt failed too; the message counts the attempts.
 */
export async function retry<T>(
  what: string,
  policy: RetryPolicy,
  step: () => Promise<T>,
): Promise<T> {
  const { retries, delaySeconds, say, sleep = wait } = policy;
  for (let attempt = 1;; attempt++) {
    try {
      return await step();
    } catch (error) {
      if (!(error instanceof TransientError)) throw error;
      if (attempt > retries) throw exhausted(what, attempt, error);
      const seconds = delaySeconds * (0.5 + Math.random());
      say(
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

function wait(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
