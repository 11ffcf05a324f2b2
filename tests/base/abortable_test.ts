import { ok, rejects, strictEqual } from "node:assert/strict";
import { abortable } from "../../lib/base/abortable.ts";

const itemBytes = 1 << 20;

async function* largeItems(count: number): AsyncGenerator<Uint8Array> {
  for (let item = 0; item < count; item++) {
    yield await Promise.resolve(new Uint8Array(itemBytes).fill(1));
  }
}

for (
  const [what, signal] of [["a", new AbortController().signal], [
    "no",
    undefined,
  ]] as const
) {
  Deno.test(`abortable() keeps no item that has been used, with ${what} signal`, async () => {
    const before = Deno.memoryUsage().external;
    let items = 0;
    let most = 0;
    for await (const _ of abortable(largeItems(2_000), signal)) {
      items++;
      most = Math.max(most, Deno.memoryUsage().external - before);
    }
    strictEqual(items, 2_000);
    // 2,000 MiB went through; the garbage collector lets some hundred wait.
    ok(most < 800 * itemBytes, `${most} bytes were held`);
  });
}

Deno.test("abortable() throws the reason at once, before and while it waits", async () => {
  const reason = new Error("the deadline passed");
  const drain = async (source: AsyncIterable<unknown>, signal: AbortSignal) => {
    for await (const _ of abortable(source, signal));
  };
  await rejects(drain(largeItems(1), AbortSignal.abort(reason)), reason);
  const controller = new AbortController();
  const hanging: AsyncIterable<never> = {
    [Symbol.asyncIterator]: () => ({ next: () => new Promise(() => {}) }),
  };
  const draining = drain(hanging, controller.signal);
  controller.abort(reason);
  await rejects(draining, reason);
});
