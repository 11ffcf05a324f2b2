/** Decides how a call of `predict` or `plan` ends, and what makes it fail although nothing is wrong with its data. */
import { toWords } from "../base/flag-value.ts";
import type { DeliveryProblem } from "./expectations.ts";

/** A state of the delivered periods. */
export type FailOn = DeliveryProblem["kind"];

/** Returns the states in the value of `--fail-on`. @throws {UsageError} If one is unknown. */
export function parseFailOn(text: string): ReadonlySet<FailOn> {
  return toWords(text, { flag: "fail-on", words: ["overdue", "incomplete"] });
}

/** How a call ended. */
export interface End {
  readonly status: string;
  readonly exitCode: 0 | 1 | 3;
}

/**
 * Returns the status and the exit code of a call: of a batch that cannot be used,
 * otherwise of the worst problem of a period, otherwise `status`.
 *
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 *
 * const problems = [{ kind: "overdue", period: "2026-11-16", reason: "" }] as const;
 * const call = { failed: false, problems, failOn: new Set(["incomplete"] as const) };
 * deepStrictEqual(endOf("scored", call), { status: "overdue", exitCode: 0 });
 * ```
 *
 * @param call `failed`: whether a batch cannot be used; `failOn`: the problems that set exit code 3.
 */
export function endOf(
  status: string,
  { failed, problems, failOn }: {
    failed: boolean;
    problems: readonly DeliveryProblem[];
    failOn: ReadonlySet<FailOn>;
  },
): End {
  if (failed) return { status: "failed", exitCode: 1 };
  const kinds = new Set(problems.map(({ kind }) => kind));
  const worst = (["incomplete", "overdue"] as const).find((kind) =>
    kinds.has(kind)
  );
  return {
    status: worst ?? status,
    exitCode: kinds.isDisjointFrom(failOn) ? 0 : 3,
  };
}
