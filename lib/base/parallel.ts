/** Runs work for many items, some at a time. */

/** Items whose work runs at the same time: enough to hide the latency of a service, few enough for its limits. */
const atOnce = 8;

/**
 * Returns the results of `work` for each item, in the order of the items.
 *
 * @throws The error of a work, or the reason of `signal`; then no more work is started.
 */
export async function inParallel<T, R>(
  items: readonly T[],
  work: (item: T) => Promise<R>,
  { signal }: { signal?: AbortSignal | undefined } = {},
): Promise<R[]> {
  const results: R[] = [];
  for (let start = 0; start < items.length; start += atOnce) {
    signal?.throwIfAborted();
    const some = items.slice(start, start + atOnce);
    results.push(...await Promise.all(some.map(work)));
  }
  return results;
}
