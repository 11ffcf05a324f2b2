/** Waits that end as soon as a signal aborts or a time is over, even if the source does not answer. */
import { TransientError } from "./errors.ts";

/**
 * Yields the items of `source`. When `signal` aborts, the iteration throws its
 * reason at once; the source is told to return, but not waited for.
 *
 * ```ts
 * import { rejects } from "node:assert/strict";
 *
 * async function* hanging() {
 *   yield 1;
 *   await new Promise(() => {});
 * }
 * const controller = new AbortController();
 * await rejects(async () => {
 *   for await (const _ of abortable(hanging(), controller.signal)) {
 *     controller.abort(new Error("the deadline passed"));
 *   }
 * }, /the deadline passed/);
 * ```
 */
export async function* abortable<T>(
  source: AsyncIterable<T> | Iterable<T>,
  signal: AbortSignal | undefined,
): AsyncGenerator<T, undefined> {
  const items = Symbol.asyncIterator in source
    ? source[Symbol.asyncIterator]()
    : source[Symbol.iterator]();
  try {
    for (;;) {
      const next = await settledOrAborted(
        Promise.resolve(items.next()),
        signal,
      );
      if (next.done) return;
      yield next.value;
    }
  } finally {
    Promise.try(() => items.return?.()).catch(() => {});
  }
}

/**
 * Returns what a promise resolves with; when the signal aborts first, throws its
 * reason at once. The promise is then not waited for, and its error is dropped.
 */
export async function settledOrAborted<T>(
  promise: Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T> {
  if (!signal) return await promise;
  // Not `Promise.race` with one promise for the signal: as long as that one is pending, it would keep every result in memory.
  promise.catch(() => {}); // nobody else waits for it after an abort
  signal.throwIfAborted();
  const aborted = Promise.withResolvers<never>();
  const onAbort = () => aborted.reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([aborted.promise, promise]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

/** Settles as `work` does. @throws {TransientError} If it takes longer than `ms`. */
export async function withinTime<T>(ms: number, work: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => late.reject(new TransientError(`no answer within ${ms / 1000} s`)),
    ms,
  );
  try {
    return await Promise.race([work, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
