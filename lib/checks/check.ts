/** One check of `doctor`: what it found, and how to correct it. */
import { withinTime } from "../base/abortable.ts";
import { type ExitCode, messageOf, TransientError } from "../base/errors.ts";
import { redact, withoutUriSecrets } from "../base/redact.ts";

/** The groups, in the order in which they are shown. */
export const groups = [
  "Installation",
  "Settings",
  "Secrets",
  "Files",
  "Databases",
  "MLflow",
  "Models",
  "Data",
] as const;

/** What a check is about. */
export type Group = typeof groups[number];

/**
 * What a check found: `ok`; `warning`, commands work, but something is incomplete or
 * insecure; `wrong`, something has to be corrected; `unreachable`, a service does not
 * answer; `skipped`, because an earlier check found why it cannot be made.
 */
export type State = "ok" | "warning" | "wrong" | "unreachable" | "skipped";

/** One finding. */
export interface Finding {
  readonly state: State;
  /** One sentence or a value; never a secret. */
  readonly detail: string;
  /** A command to paste. */
  readonly remedy?: string | undefined;
  /** What else to do, in words. */
  readonly hint?: string | undefined;
}

/** The finding of one check. */
export interface Check extends Finding {
  readonly group: Group;
  readonly title: string;
}

/** Longest time of one check, in milliseconds: more than the connection timeouts of the clients. */
const limitMs = 20_000;

/**
 * Runs one check within 20 seconds and returns its finding. An error is one, too:
 * a {@linkcode TransientError} and a check without an end are `unreachable`, any
 * other is `wrong`.
 *
 * @param options `remedy`, `hint`: what to do about an error; `limitMs`: another time limit.
 */
export async function runCheck(
  subject: Pick<Check, "group" | "title">,
  check: () => Promise<Finding>,
  options: Pick<Finding, "remedy" | "hint"> & { limitMs?: number } = {},
): Promise<Check> {
  const { remedy, hint } = options;
  try {
    return {
      ...subject,
      ...await withinTime(options.limitMs ?? limitMs, check()),
    };
  } catch (error) {
    return {
      ...subject,
      state: error instanceof TransientError ? "unreachable" : "wrong",
      detail: withoutUriSecrets(redact(messageOf(error))),
      remedy,
      hint,
    };
  }
}

/** Returns a check that cannot be made. */
export function skip(
  subject: Pick<Check, "group" | "title">,
  why: string,
): Check {
  return { ...subject, state: "skipped", detail: `not checked: ${why}` };
}

/** Returns the one check in place of those of several variants, none of which can be made. */
export function skipVariants(
  group: Group,
  variants: readonly { readonly variant: { readonly title: string } }[],
  why: string,
): Check[] {
  const [first, ...more] = variants;
  if (!first) return [];
  const title = more.length === 0
    ? first.variant.title
    : `${variants.length} variants`;
  return [skip({ group, title }, why)];
}

/** Returns the exit code of checks: 2 if something is wrong, otherwise 75 if a service cannot be reached, otherwise 0. */
export function exitCodeOf(checks: readonly Pick<Check, "state">[]): ExitCode {
  if (checks.some(({ state }) => state === "wrong")) return 2;
  return checks.some(({ state }) => state === "unreachable") ? 75 : 0;
}
