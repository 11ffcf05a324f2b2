import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import {
  InputError,
  TransientError,
  UsageError,
} from "../../lib/base/errors.ts";
import { retry } from "../../lib/base/retry.ts";

/** A policy that waits for nothing and keeps what it was told, and for how long. */
function recorded(retries: number, delaySeconds = 60) {
  const warnings: string[] = [];
  const waitsMs: number[] = [];
  const policy = {
    retries,
    delaySeconds,
    log: { warn: (message: string) => void warnings.push(message) },
    sleep: (milliseconds: number) => {
      waitsMs.push(milliseconds);
      return Promise.resolve();
    },
  };
  return { policy, warnings, waitsMs };
}

/** A step that is away `failures` times and then gives 42. */
function awayFor(failures: number): () => Promise<number> {
  return () => {
    if (failures-- > 0) return Promise.reject(new TransientError("away"));
    return Promise.resolve(42);
  };
}

Deno.test("retry() returns the step's result, and warns of each failed attempt", async () => {
  const { policy, warnings, waitsMs } = recorded(3);
  strictEqual(await retry("read the secret", policy, awayFor(3)), 42);
  strictEqual(waitsMs.length, 3);
  deepStrictEqual(
    warnings.map((message) => message.replace(/in \d+ s$/, "in N s")),
    [1, 2, 3].map((attempt) =>
      `Attempt ${attempt} of 4 to read the secret failed: away. Trying again in N s`
    ),
  );
});

Deno.test("retry() reports the number of attempts when none is left", async () => {
  const { policy, warnings } = recorded(3);
  await rejects(retry("read the secret", policy, awayFor(4)), {
    name: "TransientError",
    message: "Cannot read the secret after 4 attempts: away",
  });
  strictEqual(warnings.length, 3);
});

Deno.test("retry() without retries throws the first error unchanged", async () => {
  const { policy, warnings } = recorded(0);
  await rejects(retry("read the secret", policy, awayFor(1)), {
    message: "away",
  });
  deepStrictEqual(warnings, []);
});

Deno.test("retry() retries only transient errors", async () => {
  for (
    const error of [
      new UsageError("wrong password"),
      new InputError("bad row"),
      new TypeError("a defect"),
    ]
  ) {
    const { policy, warnings } = recorded(3);
    let attempts = 0;
    const step = () => {
      attempts++;
      return Promise.reject(error);
    };
    await rejects(retry("work", policy, step), error);
    strictEqual(attempts, 1);
    deepStrictEqual(warnings, []);
  }
});

Deno.test("retry() waits a random time from 0.5 to 1.5 times the delay", async () => {
  const { policy, waitsMs } = recorded(200);
  await retry("work", policy, awayFor(200));
  for (const milliseconds of waitsMs) {
    ok(milliseconds >= 30_000 && milliseconds < 90_000, `${milliseconds} ms`);
  }
  ok(new Set(waitsMs).size > 100);
});

Deno.test("retry() ends a wait when the signal aborts, and makes no further attempt", async () => {
  const controller = new AbortController();
  let attempts = 0;
  const warnings: string[] = [];
  const policy = {
    retries: 3,
    delaySeconds: 3_600,
    log: {
      warn(message: string) {
        warnings.push(message);
        setTimeout(() => controller.abort(new TransientError("stopped")), 10);
      },
    },
    signal: controller.signal,
  };
  await rejects(
    retry("read the secret", policy, () => {
      attempts++;
      return Promise.reject(new TransientError("away"));
    }),
    { message: "stopped" },
  );
  strictEqual(attempts, 1);
  strictEqual(warnings.length, 1);
});

Deno.test("retry() does not repeat a step that fails after the signal aborted", async () => {
  const controller = new AbortController();
  const { policy, warnings } = recorded(3);
  let attempts = 0;
  const step = () => {
    attempts++;
    controller.abort(new TransientError("stopped"));
    return Promise.reject(new TransientError("away"));
  };
  await rejects(
    retry("read the secret", { ...policy, signal: controller.signal }, step),
    { message: "away" },
  );
  strictEqual(attempts, 1);
  deepStrictEqual(warnings, []);
});
