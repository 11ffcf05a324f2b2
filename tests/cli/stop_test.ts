import { match, ok, strictEqual } from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { exitCode, TransientError } from "../../lib/base/errors.ts";
import { openStop } from "../../lib/cli/stop.ts";

const neverExit = () => {
  throw new Error("the process would have ended");
};

/** Waits until the signal aborts and returns its reason. */
async function reasonOf(signal: AbortSignal): Promise<TransientError> {
  // A listener and an unreferenced timer do not keep the event loop alive.
  while (!signal.aborted) await sleep(5);
  ok(signal.reason instanceof TransientError);
  return signal.reason;
}

// SIGINT would end the test runner: tests/scripts/stop_test.ts sends it to a command.
Deno.test("openStop() aborts when the process receives SIGTERM, with exit code 75", async () => {
  using stop = openStop({ limitMinutes: 0, exit: neverExit });
  strictEqual(stop.signal.aborted, false);
  Deno.kill(Deno.pid, "SIGTERM");
  const reason = await reasonOf(stop.signal);
  match(reason.message, /^Stopped by SIGTERM; .*run the command again$/);
  strictEqual(exitCode(reason), 75);
});

Deno.test("openStop() aborts at the time limit and names the flag", async () => {
  using stop = openStop({ limitMinutes: 0.05 / 60, exit: neverExit });
  const reason = await reasonOf(stop.signal);
  match(
    reason.message,
    /^Stopped at the time limit of .* minutes \(--time-limit\)/,
  );
});

Deno.test("openStop() ends a process that does not end by itself, once, with the first reason", async () => {
  const reasons: TransientError[] = [];
  using stop = openStop({
    limitMinutes: 0,
    graceMs: 50,
    exit: (reason) => reasons.push(reason),
  });
  Deno.kill(Deno.pid, "SIGTERM");
  await reasonOf(stop.signal);
  Deno.kill(Deno.pid, "SIGTERM");
  await sleep(300);
  strictEqual(reasons.length, 1);
  match(reasons[0]!.message, /SIGTERM/);
});

Deno.test("openStop() does nothing after its disposal", async () => {
  let ended = false;
  {
    using stop = openStop({
      limitMinutes: 0.05 / 60,
      graceMs: 10,
      exit: () => void (ended = true),
    });
    Deno.kill(Deno.pid, "SIGTERM");
    await reasonOf(stop.signal);
  }
  await sleep(200);
  strictEqual(ended, false);
});
