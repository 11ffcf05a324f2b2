/** The verdict on data: injected faults in generated weeks, and quiet weeks. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import {
  describeFinding,
  judgeData,
  toJudgedColumns,
} from "../../lib/monitoring/data.ts";
import { countBatch, toBins } from "../../lib/statistics/batch-profile.ts";
import { toProfile } from "../../lib/statistics/profile.ts";
import { randomFrom } from "../support/random.ts";

const names = ["months", "handle", "deposit", "ngr", "flag", "brand_A"];

/** One player: handle is log-normal, nine in ten have no deposit, ngr has both signs. */
type Week = number[][];

function drawWeek(random: () => number, rows: number): Week {
  const normal = () =>
    Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  return Array.from({ length: rows }, () => [
    1 + Math.floor(random() * 60),
    Math.exp(4 + 1.5 * normal()),
    random() < 0.92 ? 0 : Math.exp(3 + normal()),
    20 * normal(),
    Number(random() < 0.3),
    Number(random() < 0.06),
  ]);
}

const recipe = {
  one_hot: [{ column: "brand", prefix: "brand_", categories: ["A"] }],
};

function judge(
  reference: Week,
  week: Week,
  { unseen = {}, earlierRows = [], importance, ...more }: {
    unseen?: Record<string, number>;
    earlierRows?: number[];
    importance?: number[];
    duplicatePlayers?: number;
    repeatedRows?: number;
    delay?: { days: number; maxDays: number };
  } = {},
) {
  const block = (rows: Week) => ({
    rows: rows.length,
    matrix: Float32Array.from(rows.flat()),
  });
  const profile = toProfile({ names, ...block(reference), scores: undefined });
  const counts = countBatch(toBins(profile, { sha256: "" }), {
    ...block(week),
    scores: [],
  });
  const columns = toJudgedColumns(profile.features, counts.features, {
    recipe,
    importance,
  });
  return judgeData({
    rows: week.length,
    columns,
    unseen,
    earlierRows,
    ...more,
  });
}

/** Returns the week with one column changed. */
function change(
  week: Week,
  column: number,
  to: (value: number) => number,
): Week {
  return week.map((row) => row.with(column, to(row[column]!)));
}

Deno.test("judgeData() finds each injected fault in every generated week of 1,000 rows", () => {
  const random = randomFrom(5);
  const reference = drawWeek(random, 1500);
  const faults: [string, (week: Week) => Week][] = [
    ["deposit fails: every value is 0", (week) => change(week, 2, () => 0)],
    ["ngr fails: every value is 0", (week) => change(week, 3, () => 0)],
    ["flag fails: every value is 0", (week) => change(week, 4, () => 0)],
    [
      "handle fails: 0.0 % zeros before, (4|5)",
      (week) => change(week, 1, (value) => random() < 0.5 ? 0 : value),
    ],
    [
      "deposit fails: values other than 0 are .* times",
      (week) => change(week, 2, (value) => 100 * value),
    ],
    [
      "deposit fails: values other than 0 are .* times",
      (week) => change(week, 2, (value) => 0.01 * value),
    ],
    [
      "handle fails: values other than 0 are .* times",
      (week) => change(week, 1, (value) => 100 * value),
    ],
    [
      "months warns: missing 0.0 % before, [3-8]",
      (week) => change(week, 0, (value) => random() < 0.05 ? NaN : value),
    ],
    [
      "months fails: missing 0.0 % before, 100.0 % now",
      (week) => change(week, 0, () => NaN),
    ],
  ];
  for (const [expected, inject] of faults) {
    for (let week = 0; week < 5; week++) {
      const found = judge(reference, inject(drawWeek(random, 1000)));
      const reasons = found.findings.map(({ column, severity, reason }) =>
        `${column} ${severity}s: ${reason}`
      );
      strictEqual(reasons.length, 1, reasons.join("; "));
      match(reasons[0]!, new RegExp(`^(${expected})`));
      strictEqual(found.severity, found.findings[0]!.severity);
    }
  }
});

Deno.test("judgeData() finds players with several rows and a late delivery", () => {
  const random = randomFrom(9);
  const reference = drawWeek(random, 1500);
  const week = drawWeek(random, 1000);
  const find = (more: Parameters<typeof judge>[2]) => {
    const { severity, findings } = judge(reference, week, more);
    return [severity, ...findings.map(describeFinding)];
  };
  deepStrictEqual(find({ duplicatePlayers: 19 }), ["ok"]);
  deepStrictEqual(find({ duplicatePlayers: 20 }), [
    "warn",
    "duplicate players warns: 20 rows repeat one of 20 players, 2.0 % of 1000 rows (warns at 2.0 %, fails at 10.0 %)",
  ]);
  // A join that multiplies the rows of few players.
  strictEqual(find({ duplicatePlayers: 3, repeatedRows: 19 })[0], "ok");
  deepStrictEqual(find({ duplicatePlayers: 3, repeatedRows: 270 }), [
    "fail",
    "duplicate players fails: 270 rows repeat one of 3 players, 27.0 % of 1000 rows (warns at 2.0 %, fails at 10.0 %)",
  ]);
  strictEqual(find({ duplicatePlayers: 100 })[0], "fail");
  deepStrictEqual(find({ delay: { days: 9, maxDays: 9 } }), ["ok"]);
  deepStrictEqual(find({ delay: { days: 10, maxDays: 9 } }), [
    "warn",
    "delivery warns: scored 10 days after the period began, at most 9 are expected (expect.max_age_days)",
  ]);
});

Deno.test("judgeData() only warns of a broken column that the model hardly uses", () => {
  const random = randomFrom(8);
  const reference = drawWeek(random, 1500);
  const week = change(drawWeek(random, 1000), 2, () => 0);
  const severityOf = (importance: number[]) => {
    const found = judge(reference, week, { importance });
    deepStrictEqual(found.findings.map(({ severity }) => severity), ["fail"]);
    return found.severity;
  };
  strictEqual(severityOf([0.5, 0.2, 0.1, 0.1, 0.1, 0]), "fail");
  strictEqual(severityOf([0.5, 0.3, 0, 0.1, 0.1, 0]), "warn");
});

Deno.test("judgeData() fails if many columns break of which the model uses each a little", () => {
  const random = randomFrom(10);
  const names = Array.from({ length: 200 }, (_, index) => `c${index}`);
  const data = (rows: number, isGone: (column: number) => boolean) => ({
    names,
    rows,
    matrix: Float32Array.from(
      { length: rows * names.length },
      (_, index) => isGone(index % names.length) ? NaN : random(),
    ),
    scores: undefined,
  });
  const profile = toProfile(data(300, () => false));
  const severityOf = (gone: number) => {
    const week = data(200, (column) => column < gone);
    const counts = countBatch(toBins(profile, { sha256: "" }), {
      ...week,
      scores: [],
    });
    const columns = toJudgedColumns(profile.features, counts.features, {
      recipe: undefined,
      importance: names.map(() => 1 / names.length),
    });
    return judgeData({ rows: 200, columns, unseen: {}, earlierRows: [] })
      .severity;
  };
  // One of 200 equal columns has 0.5 % of the scores' dependence, two have 1 %.
  deepStrictEqual([0, 1, 2, 200].map(severityOf), [
    "ok",
    "warn",
    "fail",
    "fail",
  ]);
});

Deno.test("judgeData() does not call columns in order that it could not judge", () => {
  const random = randomFrom(11);
  const reference = drawWeek(random, 60);
  const week = change(drawWeek(random, 1000), 0, () => NaN);
  deepStrictEqual(judge(reference, week), {
    severity: "not-enough-data",
    findings: [],
  });
});

Deno.test("judgeData() finds unknown categories and a changed number of rows", () => {
  const random = randomFrom(6);
  const reference = drawWeek(random, 1500);
  const week = drawWeek(random, 1000);
  const severityOf = (options: Parameters<typeof judge>[2]) =>
    judge(reference, week, options).severity;
  deepStrictEqual(
    [0.019, 0.03, 0.1, 0.967].map((brand) => severityOf({ unseen: { brand } })),
    ["ok", "warn", "fail", "fail"],
  );
  deepStrictEqual(
    [[], [1000], [1200, 900, 1100], [2000], [500], [6000], [150]].map((
      earlierRows,
    ) => severityOf({ earlierRows })),
    ["ok", "ok", "ok", "warn", "warn", "fail", "fail"],
  );
});

Deno.test("judgeData() leaves drift, vanished categories and few rows alone", () => {
  const random = randomFrom(7);
  const reference = drawWeek(random, 1500);
  const week = drawWeek(random, 1000);
  for (
    const moved of [
      change(week, 1, (value) => value * Math.exp(1.5)), // handle +1 sd of its logarithm
      change(week, 0, (value) => Math.ceil(value / 4)),
      change(week, 5, () => 0), // no player of brand A
    ]
  ) deepStrictEqual(judge(reference, moved), { severity: "ok", findings: [] });
  strictEqual(
    judge(reference, change(week.slice(0, 99), 2, () => 0)).severity,
    "not-enough-data",
  );
  strictEqual(
    judgeData({ rows: 500, columns: undefined, unseen: {}, earlierRows: [] })
      .severity,
    "unknown",
  );
});

Deno.test("judgeData() finds nothing in quiet weeks of 300 and 1,000 rows", () => {
  const random = randomFrom(8);
  for (const rows of [300, 1000]) {
    for (let week = 0; week < 50; week++) {
      const found = judge(drawWeek(random, 1500), drawWeek(random, rows), {
        earlierRows: [rows],
      });
      ok(found.severity === "ok", JSON.stringify(found.findings));
    }
  }
});
