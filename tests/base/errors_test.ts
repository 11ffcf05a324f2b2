import { deepStrictEqual } from "node:assert/strict";
import {
  exitCode,
  InputError,
  messageOf,
  UsageError,
} from "../../lib/base/errors.ts";

Deno.test("messageOf() and exitCode() report the first error if closing a resource failed as well", async () => {
  const failing = {
    [Symbol.asyncDispose]: () => Promise.reject(new InputError("disk full")),
  };
  try {
    await using _first = failing;
    await using _second = failing;
    throw new UsageError("wrong setting");
  } catch (error) {
    deepStrictEqual([messageOf(error), exitCode(error)], ["wrong setting", 2]);
  }
});
