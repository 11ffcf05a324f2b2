/** Periods, such as weeks, and the patterns that find their files. */
import { UsageError } from "../base/errors.ts";

/** The day that a period begins, as `2026-11-23`. An ISO week begins on its Monday. */
export type Period = string;

/** A day or an ISO week, each in both of its forms in ISO 8601. */
const periodForms = "\\d{4}-\\d{2}-\\d{2}|\\d{8}|\\d{4}-W\\d{2}|\\d{4}W\\d{2}";

/** Each spelling of a period, where a search begins. */
const periodExpressions = periodForms.split("|").map((form) =>
  new RegExp(form, "y")
);

/** A period between other characters. */
const periodInText = new RegExp(
  `(?<![0-9A-Za-z])(?:${periodForms})(?![0-9])`,
);

/** What messages call the accepted forms. */
const formsInWords =
  "a day such as 2026-11-23, or an ISO week such as 2026-W48";

/** Milliseconds of a day. */
export const dayMs = 86_400_000;

/**
 * Returns the period of a day or an ISO week (ISO 8601, with or without hyphens).
 *
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 *
 * strictEqual(toPeriod("2026-11-23"), "2026-11-23");
 * strictEqual(toPeriod("2026-W48"), "2026-11-23");
 * strictEqual(toPeriod("2026-02-30"), undefined);
 * ```
 *
 * @returns Undefined if it is neither, or does not exist.
 */
export function toPeriod(text: string): Period | undefined {
  const [, year, week] = /^(\d{4})-?W(\d{2})$/.exec(text) ?? [];
  if (year !== undefined) return mondayOf(Number(year), Number(week));
  const [, ...parts] = /^(\d{4})(-?)(\d{2})\2(\d{2})$/.exec(text) ?? [];
  if (parts.length === 0) return undefined;
  const day = [parts[0], parts[2], parts[3]].join("-");
  const date = new Date(`${day}T00:00:00Z`);
  return Number.isNaN(date.getTime()) || toDay(date) !== day ? undefined : day;
}

/**
 * Returns the period that a flag names.
 *
 * @throws {UsageError} If it is neither a day nor an ISO week that exists.
 */
export function parsePeriod(text: string, flag: string): Period {
  const period = toPeriod(text);
  if (period !== undefined) return period;
  throw new UsageError(
    `Cannot use --${flag} "${text}": expected ${formsInWords}`,
  );
}

/** Validates the value of a flag as a day such as 2026-11-16 and returns it. @throws {UsageError} If it is none. */
export function parseDay(text: string): Period {
  if (toPeriod(text) === text) return text;
  throw new UsageError(
    `Cannot use the day "${text}": expected a date such as 2026-11-16`,
  );
}

/** Returns the day of a date in UTC. */
export function toDay(date: Date): Period {
  return date.toISOString().slice(0, 10);
}

/** Returns the days from a period's first day to the day of `now` (UTC); negative for a period that has not begun. */
export function ageInDays(period: Period, now: Date): number {
  return Math.round(
    (Date.parse(toDay(now)) - Date.parse(period)) / dayMs,
  );
}

/** Returns the day that is `days` days after a day. */
export function addDays(day: Period, days: number): Period {
  return toDay(new Date(Date.parse(day) + days * dayMs));
}

/**
 * Returns the ISO week that begins on a day; undefined if the day is no Monday.
 *
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 *
 * deepStrictEqual(["2026-11-23", "2027-01-04", "2026-11-24"].map(isoWeekOf), ["2026-W48", "2027-W01", undefined]);
 * ```
 */
export function isoWeekOf(day: Period): string | undefined {
  const thursday = addDays(day, 3);
  const year = thursday.slice(0, 4);
  const days = (Date.parse(thursday) - Date.parse(`${year}-01-01`)) / dayMs;
  const week = String(Math.floor(days / 7) + 1).padStart(2, "0");
  const name = `${year}-W${week}`;
  return toPeriod(name) === day ? name : undefined;
}

/** Returns the Monday of an ISO week: week 1 has the year's first Thursday, so it has January 4. */
function mondayOf(year: number, week: number): Period | undefined {
  const january4 = new Date(Date.UTC(year, 0, 4));
  const weekday = (january4.getUTCDay() + 6) % 7; // Monday is 0
  const monday = new Date(
    january4.getTime() + ((week - 1) * 7 - weekday) * dayMs,
  );
  const thursday = new Date(monday.getTime() + 3 * dayMs);
  return week >= 1 && thursday.getUTCFullYear() === year
    ? toDay(monday)
    : undefined;
}

/** A pattern of paths below a variant's prefix. */
export interface PathPattern {
  /** As it was written. */
  readonly text: string;
  /** Whether the pattern has `{period}`. */
  readonly hasPeriod: boolean;
  /** The folder that has all matching files; "" for the whole prefix. */
  readonly folder: string;
}

/** A path that matches a pattern. */
export interface PathMatch {
  /** The period in the path; undefined for a pattern without `{period}`. */
  readonly period: Period | undefined;
  /** The period as the path spells it. */
  readonly spelling: string | undefined;
}

/**
 * Returns the pattern of a path: `{period}` is a day or an ISO week, `*` anything
 * within a folder, `**` anything; a pattern that ends with `/` matches every file
 * below. If `{period}` occurs more than once, all occurrences must be equal.
 *
 * @throws {UsageError} If it has other braces, is empty or absolute, or leaves its folder; names `setting`.
 */
export function toPathPattern(text: string, setting: string): PathPattern {
  const plain = text.replaceAll("{period}", "");
  const parts = plain.replace(/\/$/, "").split("/");
  const isUsable = text !== "" && !text.startsWith("/") &&
    !/[{}\\\0]/.test(plain) && !text.startsWith("s3:") &&
    parts.every((part) => part !== "." && part !== "..");
  if (!isUsable) {
    throw new UsageError(
      `Cannot use ${setting} ${
        JSON.stringify(text)
      } in variants.yaml: expected a path below the variant's prefix with {period} in it, such as data/churn/weekly/{period}.jsonl or data/churn/weekly/{period}/*.parquet`,
    );
  }
  const fixed = text.slice(0, (text + "*").search(/\{period\}|\*/));
  return {
    text,
    hasPeriod: text.includes("{period}"),
    folder: fixed.slice(0, Math.max(fixed.lastIndexOf("/"), 0)),
  };
}

/**
 * Tells whether a path matches a pattern. Files whose name, or folder below a
 * `*`, begins with `_` or `.` do not match, unless the pattern says so: these are
 * markers and unfinished files of Spark and Hive.
 *
 * ```ts
 * import { deepStrictEqual, strictEqual } from "node:assert/strict";
 *
 * const pattern = toPathPattern("weekly/{period}/*.jsonl", "inputs");
 * deepStrictEqual(matchPath(pattern, "weekly/2026-W48/part-1.jsonl"), { period: "2026-11-23", spelling: "2026-W48" });
 * strictEqual(matchPath(pattern, "weekly/latest/part-1.jsonl"), undefined);
 * strictEqual(matchPath(pattern, "weekly/2026-W48/_part-1.jsonl"), undefined);
 * ```
 *
 * @returns Undefined if it does not match.
 */
export function matchPath(
  { text }: Pick<PathPattern, "text">,
  path: string,
): PathMatch | undefined {
  const found = match(toSteps(text), path);
  if (!found) return undefined;
  const { spelling } = found;
  if (spelling === undefined) return { period: undefined, spelling };
  const period = toPeriod(spelling);
  return period === undefined ? undefined : { period, spelling };
}

/**
 * Returns the day of the first period in a path, also of a day such as
 * `2026_11_23`; a day or week that does not exist is returned as it is spelled.
 *
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 *
 * deepStrictEqual(
 *   ["2026-W48/a.csv", "x_20261123.csv", "2026_11_31.csv", "part-12345678"].map(dayIn),
 *   ["2026-11-23", "2026-11-23", "2026-11-31", undefined],
 * );
 * ```
 *
 * @returns Undefined if the path has none.
 */
export function dayIn(path: string): string | undefined {
  const withHyphens = path.replaceAll(
    /(\d{4})[_.](\d{2})[_.](\d{2})/g,
    "$1-$2-$3",
  );
  const [spelling] = periodInText.exec(withHyphens) ?? [];
  if (spelling === undefined) return undefined;
  const exists = toPeriod(spelling);
  return exists ?? (spelling.includes("-") ? spelling : undefined);
}

/** Returns a path pattern with the period filled in, as a path spells it. */
export function fillPeriod(text: string, spelling: string): string {
  return text.replaceAll("{period}", spelling);
}

/** What a part of a pattern matches: itself, or one of these, always as much as possible first. */
type Step =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "period" }
  /** Nothing, where a name begins that is not hidden. */
  | { readonly kind: "visible" }
  /** Anything within a folder. */
  | { readonly kind: "name" }
  /** Any folders with the slash after each, or nothing. */
  | { readonly kind: "folders" }
  /** Any files and folders with the slash before each, or nothing. */
  | { readonly kind: "below" };

function toSteps(text: string): Step[] {
  const whole = text.endsWith("/") ? `${text}**` : text;
  let before = "";
  return whole.split(/(\{period\}|\*\*\/?|\*)/).flatMap((part): Step[] => {
    const begins = before === "" || before.endsWith("/");
    before += part;
    const visible: Step[] = begins ? [{ kind: "visible" }] : [];
    switch (part) {
      case "":
        return [];
      case "{period}":
        return [{ kind: "period" }];
      case "**/":
        return [...visible, { kind: "folders" }];
      case "**":
        return [...visible, { kind: "name" }, { kind: "below" }];
      case "*":
        return [...visible, { kind: "name" }];
      default:
        return [{ kind: "text", text: part }];
    }
  });
}

/**
 * Matches a whole path as a regular expression of these steps would, but tries no
 * step twice at one place, so that many wildcards do not take exponential time.
 * Returns undefined if it does not match.
 */
function match(
  steps: readonly Step[],
  path: string,
): { spelling: string | undefined } | undefined {
  const failed = new Set<string>();
  const from = (
    index: number,
    start: number,
    spelling: string | undefined,
  ): { spelling: string | undefined } | undefined => {
    const step = steps[index];
    if (!step) return start === path.length ? { spelling } : undefined;
    const place = `${index} ${start} ${spelling}`;
    if (failed.has(place)) return undefined;
    for (const end of endsOf(step, { path, start, spelling })) {
      const found = from(
        index + 1,
        end,
        step.kind === "period" ? path.slice(start, end) : spelling,
      );
      if (found) return found;
    }
    failed.add(place);
    return undefined;
  };
  return from(0, 0, undefined);
}

/** Returns where a step that begins at `start` may end, in the order in which a regular expression tries it. */
function endsOf(
  step: Step,
  { path, start, spelling }: {
    path: string;
    start: number;
    spelling: string | undefined;
  },
): number[] {
  const isHidden = (at: number) => path[at] === "_" || path[at] === ".";
  const ends = [start];
  switch (step.kind) {
    case "text":
      return path.startsWith(step.text, start)
        ? [start + step.text.length]
        : [];
    case "visible":
      return isHidden(start) ? [] : ends;
    case "period":
      if (spelling !== undefined) {
        return path.startsWith(spelling, start)
          ? [start + spelling.length]
          : [];
      }
      return periodExpressions.flatMap((expression) => {
        expression.lastIndex = start;
        return expression.test(path) ? [expression.lastIndex] : [];
      });
    case "name":
      for (let at = start; at < path.length && path[at] !== "/"; at++) {
        ends.push(at + 1);
      }
      return ends.reverse();
    case "below":
      if (path[start] !== "/") return ends;
      for (let at = start; at < path.length; at++) {
        if (path[at] === "/" && isHidden(at + 1)) break;
        ends.push(at + 1);
      }
      return ends.reverse();
    case "folders":
      for (let at = start; at < path.length; at++) {
        if (path[at] !== "/") continue;
        const isEmpty = at === (ends.at(-1) ?? start);
        if (isEmpty || isHidden(at + 1)) break;
        ends.push(at + 1);
      }
      return ends.reverse();
  }
}
