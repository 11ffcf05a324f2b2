/**
 * A few tries of every fault in `docs/reliability.md`: no row is lost, doubled or
 * half visible, and the next run completes. `deno task test:faults` makes more.
 */
import { deepStrictEqual } from "node:assert/strict";
import { families } from "./families.ts";
import { failures, isClean } from "./result.ts";
import { borrowPostgresStore } from "./store.ts";

/** Of the week in which these tests were written. */
const seed = 20261123;

Deno.test("no fault loses, doubles or shows a part of a batch, and the next run completes", async (t) => {
  await using _store = await borrowPostgresStore();
  for (const { name, small, run } of families) {
    if (small === 0) continue;
    await t.step(name, async () => {
      const results = await run({ seed, tries: small });
      const failed = results.filter((result) =>
        result.subject === "churn" && !isClean(result)
      );
      deepStrictEqual(
        failed.map((result) => [
          result.fault,
          ...failures.map((failure) => `${failure} ${result[failure]}`),
          result.remark,
          result.repro,
        ]),
        [],
      );
    });
  }
});
