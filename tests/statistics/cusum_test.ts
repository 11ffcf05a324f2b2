/** Cumulative sums over periods: quiet weeks, slow drift, and scipy's Mann-Whitney statistic. */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { thresholds } from "../../lib/config/monitoring.ts";
import { countColumn } from "../../lib/statistics/column-counts.ts";
import { cumulativeShift, rankShift } from "../../lib/statistics/cusum.ts";
import { toColumnProfile } from "../../lib/statistics/profile.ts";
import { runPython, testWithPython } from "../support/python.ts";
import { randomFrom } from "../support/random.ts";

const { cusum } = thresholds;
const labelledRows = 1500;

function normalFrom(random: () => number): () => number {
  return () =>
    Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/** Returns the sum after each week. */
function sumsOf(
  normal: () => number,
  weeks: readonly (readonly number[])[],
): number[] {
  const reference = Array.from({ length: labelledRows }, normal);
  const profile = toColumnProfile("x", reference);
  const counts = weeks.map((week) => countColumn(profile, week).counts);
  return counts.map((_, week) =>
    cumulativeShift(profile.counts, counts.slice(0, week + 1), cusum).sum
  );
}

testWithPython(
  "rankShift() is scipy's Mann-Whitney U over the number of pairs, less a half, on 240 generated cases",
  async () => {
    const random = randomFrom(1);
    const cases = Array.from({ length: 240 }, () => {
      const bins = 1 + Math.floor(random() * 12);
      const draw = () =>
        Array.from({ length: bins }, () => Math.floor(random() ** 2 * 40));
      return [draw().with(0, 1), draw().with(bins - 1, 2)] as const;
    });
    const { stdout } = await runPython(
      "xgboost",
      `import json, sys
import numpy as np
from scipy.stats import mannwhitneyu
def values(counts):
    return np.repeat(np.arange(len(counts)), counts)
json.dump([
    float(mannwhitneyu(values(now), values(before)).statistic) / (sum(now) * sum(before)) - 0.5
    for before, now in json.loads(sys.argv[1])
], sys.stdout)`,
      { args: [JSON.stringify(cases)] },
    );
    const expected: unknown = JSON.parse(stdout);
    const found = cases.map(([before, now]) => rankShift(before, now).shift);
    ok(Array.isArray(expected) && expected.length === cases.length);
    for (const [index, value] of found.entries()) {
      ok(Math.abs(value - Number(expected[index])) < 1e-9, `case ${index}`);
    }
  },
);

for (const rows of [300, 1000, 10_000]) {
  Deno.test(`cumulativeShift() raises no alarm in ${rows < 10_000 ? 2600 : 520} quiet weeks of ${rows} rows`, () => {
    const random = randomFrom(rows);
    const normal = normalFrom(random);
    const columns = rows < 10_000 ? 100 : 20;
    let alarms = 0;
    for (let column = 0; column < columns; column++) {
      const weeks = Array.from(
        { length: 26 },
        () => Array.from({ length: rows }, normal),
      );
      alarms += sumsOf(normal, weeks).filter((sum) => sum >= cusum.warn).length;
    }
    strictEqual(alarms, 0);
  });
}

Deno.test("cumulativeShift() raises at most one alarm per 1,000 weeks when nine of ten players come again", () => {
  const random = randomFrom(9);
  const normal = normalFrom(random);
  const columns = 100;
  let alarms = 0;
  for (let column = 0; column < columns; column++) {
    let players = Array.from({ length: 300 }, normal);
    const weeks = Array.from({ length: 26 }, () => {
      players = players.map((value) =>
        random() < 0.1
          ? normal()
          : 0.95 * value + Math.sqrt(1 - 0.95 ** 2) * normal()
      );
      return players;
    });
    alarms += sumsOf(normal, weeks).filter((sum) => sum >= cusum.warn).length;
  }
  ok(alarms <= 26 * columns / 1000, `${alarms} alarms`);
});

Deno.test("cumulativeShift() finds a slow drift in week 4, and 0.4 standard deviations in week 2, at 1,000 rows", () => {
  const random = randomFrom(3);
  const normal = normalFrom(random);
  const share = (shiftOf: (week: number) => number, until: number) => {
    const found = Array.from({ length: 100 }, () => {
      const weeks = Array.from(
        { length: until },
        (_, week) =>
          Array.from({ length: 1000 }, () => normal() + shiftOf(week + 1)),
      );
      return sumsOf(normal, weeks).some((sum) => sum >= cusum.warn);
    });
    return found.filter(Boolean).length / found.length;
  };
  const slow = share((week) => week / 12, 4);
  ok(slow >= 0.85, `slow drift: ${slow}`);
  const small = share(() => 0.4, 2);
  ok(small >= 0.8, `small drift: ${small}`);
});

Deno.test("cumulativeShift() needs two periods, falls after the shift has ended, and passes over periods without rows", () => {
  const reference = [250, 250, 250, 250];
  const all = [0, 0, 0, 1000];
  const quiet = [250, 250, 250, 250];
  const one = cumulativeShift(reference, [quiet, all], cusum);
  strictEqual(one.sum, cusum.most);
  const two = cumulativeShift(reference, [all, [0, 0, 0, 0], all], cusum);
  deepStrictEqual([two.sum, two.periods, two.isRising], [8, 2, true]);
  const ended = cumulativeShift(reference, [all, all, quiet], cusum);
  deepStrictEqual([ended.isRising, ended.sum < cusum.fail], [false, true]);
  strictEqual(cumulativeShift([5], [[7]], cusum).sum, 0);
});
