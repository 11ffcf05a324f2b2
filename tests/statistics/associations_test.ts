/** Rank correlations: scipy's Spearman, any cut of the rows, and faults that leave every column as it was. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { thresholds } from "../../lib/config/monitoring.ts";
import { judgeAssociations } from "../../lib/monitoring/columns.ts";
import {
  addAssociations,
  associationChanges,
  chooseRanked,
} from "../../lib/statistics/associations.ts";
import {
  countBatch,
  mergeBatches,
  toBins,
} from "../../lib/statistics/batch-profile.ts";
import { toAssociations, toProfile } from "../../lib/statistics/profile.ts";
import { runPython, testWithPython } from "../support/python.ts";
import { randomFrom } from "../support/random.ts";

type Row = readonly number[];

function toData(rows: readonly Row[]) {
  const width = rows[0]!.length;
  return {
    names: Array.from({ length: width }, (_, index) => `c${index}`),
    matrix: Float32Array.from(rows.flat()),
    rows: rows.length,
    scores: undefined,
  };
}

/** Returns the profile of labelled rows, all of whose columns are equally important. */
function toReference(rows: readonly Row[]) {
  const data = toData(rows);
  const profile = toProfile(data);
  const importance = data.names.map(() => 1 / data.names.length);
  return {
    ...profile,
    associations: toAssociations(profile, { ...data, importance }),
  };
}

function countWeek(
  reference: ReturnType<typeof toReference>,
  rows: readonly Row[],
) {
  const bins = toBins(reference, { sha256: "" });
  return countBatch(bins, { ...toData(rows), scores: [] });
}

testWithPython(
  "associationChanges() is scipy's spearmanr of the bins, on 200 generated cases",
  async () => {
    const random = randomFrom(1);
    const cases = Array.from({ length: 200 }, () => {
      const rows = 5 + Math.floor(random() * 60);
      const mix = random();
      return Array.from({ length: rows }, () => {
        const first = 1 + Math.floor(random() * 6);
        const other = 1 + Math.floor(random() * 9);
        return [first, random() < mix ? first : other];
      });
    });
    const binned = cases.map((rows) => {
      const { features } = toReference(rows);
      return rows.map((row) =>
        row.map((value, column) =>
          features[column]!.edges.filter((edge) => edge < value).length
        )
      );
    });
    const { stdout } = await runPython(
      "xgboost",
      `import json, sys
import numpy as np
from scipy.stats import spearmanr
print(json.dumps([float(np.nan_to_num(spearmanr(np.array(case)).statistic, nan=9)) for case in json.loads(sys.argv[1])]))`,
      { args: [JSON.stringify(binned)] },
    );
    const expected: unknown = JSON.parse(stdout);
    ok(Array.isArray(expected) && expected.length === cases.length);
    for (const [index, rows] of cases.entries()) {
      const { associations } = toReference(rows);
      const [change] = associationChanges(associations, associations);
      // A column of a single value has no correlation.
      const found = change?.before ?? 9;
      ok(
        Math.abs(found - Number(expected[index])) < 1e-9,
        `case ${index}: ${found}, ${expected[index]}`,
      );
    }
  },
);

Deno.test("sumAssociations() gives the same sums however the rows are cut, and counts a missing value as the mean rank", () => {
  const random = randomFrom(2);
  const draw = (): Row => [
    random() < 0.1 ? NaN : random(),
    Math.floor(random() * 3),
    random(),
  ];
  const reference = toReference(Array.from({ length: 300 }, draw));
  const rows = Array.from({ length: 500 }, draw);
  const whole = countWeek(reference, rows);
  const parts = mergeBatches(
    mergeBatches(
      countWeek(reference, rows.slice(0, 7)),
      countWeek(reference, rows.slice(7, 8)),
    ),
    countWeek(reference, rows.slice(8)),
  );
  const [a, b] = [whole.associations!, parts.associations!];
  strictEqual(b.rows, 500);
  for (const [index, sum] of a.products.entries()) {
    ok(Math.abs(sum - b.products[index]!) < 1e-9);
  }
  const missing = countWeek(reference, [[NaN, NaN, NaN]]).associations;
  deepStrictEqual(missing?.sums, [0, 0, 0]);
  strictEqual(addAssociations(a, missing!).rows, 501);
});

Deno.test("chooseRanked() takes the ten most important features, and none that the model hardly uses or that is constant", () => {
  const features = Array.from({ length: 14 }, (_, index) => ({
    edges: index === 3 ? [] : [0],
  }));
  const importance = features.map((_, index) =>
    index === 13 ? 0.005 : 0.01 * (14 - index)
  );
  deepStrictEqual(chooseRanked(features, importance), [
    0,
    1,
    2,
    4,
    5,
    6,
    7,
    8,
    9,
    10,
  ]);
});

/** A player: months, and a handle that grows with them; half have no deposit; a tenth are of brand A. */
function drawPlayer(random: () => number): [number, number, number, number] {
  const months = 1 + Math.floor(50 * random() ** 2);
  const noise = random() + random() + random() - 1.5;
  return [
    months,
    Math.exp(3 + months / 20 + noise),
    random() < 0.5 ? 0 : Math.exp(2 + 2 * random()),
    Number(random() < 0.1),
  ];
}

Deno.test("judgeAssociations() finds a shuffled column and a column zeroed for one brand in 20 of 20 weeks of 1,000 rows, and nothing in 400 quiet weeks", () => {
  const random = randomFrom(3);
  const draw = (rows: number) =>
    Array.from({ length: rows }, () => drawPlayer(random));
  const judge = (
    reference: ReturnType<typeof toReference>,
    rows: readonly Row[],
  ) =>
    judgeAssociations(
      {
        ...reference.associations,
        names: ["months", "handle", "deposit", "brand_A"],
      },
      countWeek(reference, rows).associations!,
      thresholds,
    );
  for (let week = 0; week < 20; week++) {
    const reference = toReference(draw(1500));
    const rows = draw(1000);
    const shuffled = rows.map(([months, , ...rest], index) => [
      months,
      rows[(index + 500) % 1000]![1],
      ...rest,
    ]);
    const [first] = judge(reference, shuffled);
    match(
      first?.reason ?? "",
      /^months with handle fails: rank correlation 0\.\d+ before, -?0\.\d+ now/,
    );
    const zeroed = rows.map((row) => row[3] === 1 ? row.with(2, 0) : row);
    const found = judge(reference, zeroed);
    deepStrictEqual(found.map(({ columns }) => columns), [[
      "deposit",
      "brand_A",
    ]]);
  }
  let alarms = 0;
  for (const size of [300, 1000]) {
    for (let week = 0; week < 200; week++) {
      if (judge(toReference(draw(1500)), draw(size)).length > 0) alarms++;
    }
  }
  strictEqual(alarms, 0);
});
