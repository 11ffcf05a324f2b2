/** Async iteration that ends as soon as a signal aborts, even if the source does not answer. */

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
  const aborted = Promise.withResolvers<never>();
  aborted.promise.catch(() => {});
  const onAbort = () => aborted.reject(signal?.reason);
  signal?.addEventListener("abort", onAbort, { once: true });
  if (signal?.aborted) onAbort();
  const items = toAsyncIterator(source);
  try {
    for (;;) {
      const next = await Promise.race([aborted.promise, items.next()]);
      if (next.done) return;
      yield next.value;
    }
  } finally {
    signal?.removeEventListener("abort", onAbort);
    items.return?.()?.catch(() => {});
  }
}

function toAsyncIterator<T>(
  items: AsyncIterable<T> | Iterable<T>,
): AsyncIterator<T> {
  return Symbol.asyncIterator in items
    ? items[Symbol.asyncIterator]()
    : toGenerator(items);
}

async function* toGenerator<T>(items: Iterable<T>): AsyncGenerator<T> {
  yield* items;
}
