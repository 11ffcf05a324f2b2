import { deepStrictEqual, ok, throws } from "node:assert/strict";
import {
  matchPath,
  toPathPattern,
  toPeriod,
} from "../../lib/config/periods.ts";
import { seededNumbers } from "../support/ensembles.ts";

Deno.test("toPeriod() returns the Monday of an ISO week, as Python's date.fromisocalendar", () => {
  // Python 3.11: date.fromisocalendar(year, week, 1); week 53 of 2025 is an error there.
  const weeks = {
    "2026-W01": "2025-12-29",
    "2026W48": "2026-11-23",
    "2026-W53": "2026-12-28",
    "2027-W01": "2027-01-04",
    "2025-W53": undefined,
    "2026-W00": undefined,
  };
  for (const [text, period] of Object.entries(weeks)) {
    deepStrictEqual([text, toPeriod(text)], [text, period]);
  }
  deepStrictEqual(
    ["20261123", "2026-1123", "2026-02-29", "2028-02-29"].map(toPeriod),
    ["2026-11-23", undefined, undefined, "2028-02-29"],
  );
});

/** Pattern, path, and the period or undefined. */
const cases: [string, string, string | undefined][] = [
  ["w/{period}*.jsonl", "w/2026-11-23.jsonl", "2026-11-23"],
  ["w/{period}*.jsonl", "w/2026-11-23_part1.jsonl", "2026-11-23"],
  ["w/{period}*.jsonl", "w/2026-11-23-late.jsonl", "2026-11-23"],
  ["w/{period}*", "w/2026-11-23.jsonl.gz", "2026-11-23"],
  ["w/{period}/*", "w/2026-W48/_SUCCESS", undefined],
  ["w/{period}/*", "w/2026-W48/.a.crc", undefined],
  ["w/{period}/**/*.csv", "w/2026-W48/a/b/c.csv", "2026-11-23"],
  ["w/{period}/**/*.csv", "w/2026-W48/c.csv", "2026-11-23"],
  ["w/{period}/**/*.csv", "w/2026-W48/_tmp/c.csv", undefined],
  ["w/{period}/**/*.csv", "w/2026-W48/a/_c.csv", undefined],
  ["w/{period}/", "w/2026-W48/a/b.csv", "2026-11-23"],
  ["w/{period}/", "w/2026-W48/a/_b.csv", undefined],
  ["w/{period}/_in/*", "w/2026-W48/_in/a", "2026-11-23"],
  ["w/{period}/x-{period}.csv", "w/2026-W48/x-2026-W48.csv", "2026-11-23"],
  ["w/{period}/x-{period}.csv", "w/2026-W48/x-2026-W49.csv", undefined],
  ["w/{period}.a+b", "w/2026-11-23.a+b", "2026-11-23"],
  ["w/{period}.a+b", "w/2026-11-23xaab", undefined],
  ["*/{period}", "_w/2026-11-23", undefined],
  ["{period}", "2026-13-01", undefined],
];

for (const [text, path, period] of cases) {
  Deno.test(`the pattern ${text} ${period ? "matches" : "does not match"} ${path}`, () => {
    deepStrictEqual(
      matchPath(toPathPattern(text, "inputs"), path)?.period,
      period,
    );
  });
}

Deno.test("toPathPattern() rejects what is no path below the prefix", () => {
  for (
    const text of ["", "/a", "../a", "a/../b", "s3://b/a", "{week}.csv", "a\\b"]
  ) {
    throws(
      () => toPathPattern(text, "inputs"),
      /Cannot use inputs .*expected a path below/,
    );
  }
});

/** The pattern as a regular expression: the definition of what it matches, in exponential time. */
function toExpression(text: string): RegExp {
  const forms = "\\d{4}-\\d{2}-\\d{2}|\\d{8}|\\d{4}-W\\d{2}|\\d{4}W\\d{2}";
  const whole = text.endsWith("/") ? `${text}**` : text;
  let periods = 0;
  const parts = whole.split(/(\{period\}|\*\*\/?|\*)/).map(
    (part, index, all) => {
      const before = all.slice(0, index).join("");
      const visible = before === "" || before.endsWith("/") ? "(?![_.])" : "";
      if (part === "{period}") {
        return periods++ === 0 ? `(?<period>${forms})` : "\\k<period>";
      }
      if (part === "**/") return `${visible}(?:[^/]+/(?![_.]))*`;
      if (part === "**") return `${visible}[^/]*(?:/(?![_.])[^/]*)*`;
      if (part === "*") return `${visible}[^/]*`;
      return part.replace(/[.+?^${}()|[\]\\]/g, "\\$&");
    },
  );
  return new RegExp(`^${parts.join("")}$`);
}

Deno.test("matchPath() matches what a regular expression matches, 60,000 patterns and paths", () => {
  const random = seededNumbers(20261123);
  const pick = (from: readonly string[], most: number) =>
    Array.from(
      { length: 1 + Math.floor(random() * most) },
      () => from[Math.floor(random() * from.length)],
    ).join("");
  const inPattern = ["{period}", "*", "**", "**/", "/", "a", "b.", "_", "-"];
  const inPath = ["2026-11-23", "2026-W48", "20261123", "2026", "/", "/", "a"];
  let matched = 0;
  for (let index = 0; index < 60_000; index++) {
    const text = pick(inPattern, 6);
    const path = pick([...inPath, "b", ".", "_", "-"], 7);
    const found = toExpression(text).exec(path);
    const spelling = found?.groups?.["period"];
    const isMatch = found !== null &&
      (spelling === undefined || toPeriod(spelling) !== undefined);
    if (isMatch) matched++;
    deepStrictEqual(
      [text, path, matchPath({ text }, path)],
      [
        text,
        path,
        isMatch
          ? { period: spelling && toPeriod(spelling), spelling }
          : undefined,
      ],
    );
  }
  ok(matched > 1_000, `only ${matched} match`);
});

Deno.test("matchPath() takes no longer for many wildcards", () => {
  const startMs = performance.now();
  const path = "a".repeat(1_000);
  deepStrictEqual(matchPath({ text: "**a**a**a**a**a**ab" }, path), undefined);
  ok(performance.now() - startMs < 5_000);
});
