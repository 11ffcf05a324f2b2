/** Statistics of drift and performance against scipy 1.17.1, numpy 2.4.6 and scikit-learn 1.9.1 (`tests/peers/xgboost.txt`). */
import {
  deepStrictEqual,
  match,
  ok,
  strictEqual,
  throws,
} from "node:assert/strict";
import {
  adjustPValues,
  chiSquareTest,
  kolmogorovSmirnov,
  kolmogorovTail,
  mergeSmallBins,
  stabilityIndex,
  stabilityNoise,
} from "../../lib/statistics/drift.ts";
import { compareWith } from "../../lib/monitoring/columns.ts";
import { toGroups } from "../../lib/monitoring/groups.ts";
import {
  describeCoverage,
  joinOutcomes,
} from "../../lib/monitoring/coverage.ts";
import { toOutcomes } from "../../lib/monitoring/outcomes.ts";
import { measurePerformance } from "../../lib/monitoring/performance.ts";
import { pooledArea } from "../../lib/statistics/area-comparison.ts";
import { countBatch, toBins } from "../../lib/statistics/batch-profile.ts";
import { countColumn } from "../../lib/statistics/column-counts.ts";
import {
  parseReferenceProfile,
  type Profile,
  toColumnProfile,
  toProfile,
} from "../../lib/statistics/profile.ts";
import { decide, type Severity } from "../../lib/monitoring/verdict.ts";
import { parseJsonLines } from "../../lib/rows/json-lines.ts";
import { runPython, testWithPython } from "../support/python.ts";
import { randomFrom } from "../support/random.ts";

/** Bell-shaped, of unit variance: a sum of twelve uniform numbers. */
function drawValues(
  random: () => number,
  { rows, shift = 0 }: { rows: number; shift?: number },
): number[] {
  return Array.from({ length: rows }, () => {
    let sum = shift - 6;
    for (let term = 0; term < 12; term++) sum += random();
    return sum;
  });
}

async function python<T>(code: string, input: unknown): Promise<T> {
  const { stdout } = await runPython(
    "xgboost",
    `import json, sys\nimport numpy as np, scipy.stats, scipy.special\ngiven = json.loads(sys.argv[1])\n${code}`,
    { args: [JSON.stringify(input)] },
  );
  return JSON.parse(stdout) as T;
}

function assertClose(found: number, expected: number, tolerance = 1e-12): void {
  ok(
    Math.abs(found - expected) <= tolerance * Math.max(1, Math.abs(expected)),
    `found ${found}, expected ${expected}`,
  );
}

/** Counts of two samples, a bin a distinct value. */
function countDistinct(a: number[], b: number[]): [number[], number[]] {
  const values = [...new Set([...a, ...b])].sort((x, y) => x - y);
  const count = (sample: number[]) => {
    const seen = new Map<number, number>();
    for (const value of sample) seen.set(value, (seen.get(value) ?? 0) + 1);
    return values.map((value) => seen.get(value) ?? 0);
  };
  return [count(a), count(b)];
}

testWithPython(
  "stabilityIndex() equals the sum of both relative entropies of scipy",
  async () => {
    const cases = [[[10, 20, 30], [20, 20, 20]], [[1, 999], [500, 500]], [
      [7, 1, 1, 1],
      [100, 200, 300, 400],
    ]];
    const expected = await python<number[]>(
      "json.dump([scipy.stats.entropy(a, b) + scipy.stats.entropy(b, a) for a, b in given], sys.stdout)",
      cases,
    );
    for (const [index, [a, b]] of cases.entries()) {
      assertClose(stabilityIndex(a!, b!), expected[index]!);
    }
  },
);

Deno.test("stabilityIndex() counts an empty bin as the minimum share", () => {
  const found = stabilityIndex([50, 50], [100, 0]);
  // (1 - 0.5) ln(1 / 0.5) + (0.0001 - 0.5) ln(0.0001 / 0.5)
  assertClose(found, 0.5 * Math.log(2) + 0.4999 * Math.log(5000));
  throws(() => stabilityIndex([1, 2], [1]), /Cannot compare 2 bins with 1/);
  throws(() => stabilityIndex([0, 0], [1, 1]), /a sample of 0 rows/);
});

testWithPython(
  "kolmogorovSmirnov() on distinct values is scipy's ks_2samp, with Kolmogorov's limiting p-value",
  async () => {
    const random = randomFrom(1);
    const cases = [0, 0.1, 0.5, 2].map((shift) => [
      drawValues(random, { rows: 300 }),
      drawValues(random, { rows: 200, shift }).map((value) =>
        Number(value.toFixed(2))
      ),
    ]);
    const expected = await python<[number, number][]>(
      `found = []
for a, b in given:
    d = scipy.stats.ks_2samp(a, b).statistic
    found.append([float(d), float(scipy.special.kolmogorov(d * np.sqrt(len(a) * len(b) / (len(a) + len(b)))))])
json.dump(found, sys.stdout)`,
      cases,
    );
    for (const [index, [a, b]] of cases.entries()) {
      const [before, after] = countDistinct(a!, b!);
      const { statistic, pValue } = kolmogorovSmirnov(before, after);
      assertClose(statistic, expected[index]![0]);
      assertClose(pValue, expected[index]![1], 1e-10);
    }
  },
);

Deno.test("kolmogorovSmirnov() on coarse bins never exceeds the distance of the values", () => {
  const random = randomFrom(2);
  for (const shift of [0, 0.2, 1]) {
    const a = drawValues(random, { rows: 400 });
    const b = drawValues(random, { rows: 250, shift });
    const exact = kolmogorovSmirnov(...countDistinct(a, b));
    const profile = toColumnProfile("x", a);
    const binned = kolmogorovSmirnov(
      profile.counts,
      countColumn(profile, b).counts,
    );
    ok(binned.statistic <= exact.statistic);
    ok(binned.pValue >= exact.pValue);
    ok(exact.statistic - binned.statistic < 0.1); // no more than a bin of the reference holds
  }
});

testWithPython(
  "chiSquareTest() is scipy's chi2_contingency without correction, on 240 generated cases",
  async () => {
    const random = randomFrom(21);
    const cases = Array.from({ length: 240 }, (_, index) => {
      const draw = (rows: number, tilt: number) =>
        Array.from(
          { length: 2 + index % 25 },
          (_, at) => 1 + Math.floor(random() * rows * (1 + tilt * at)),
        );
      return [draw(10 ** (1 + index % 4), 0), draw(50, (index % 7) / 10)];
    });
    const expected = await python<[number, number][]>(
      `found = [scipy.stats.chi2_contingency(case, correction=False) for case in given]
json.dump([[float(each.statistic), float(each.pvalue)] for each in found], sys.stdout)`,
      cases,
    );
    for (const [index, [before, after]] of cases.entries()) {
      const { statistic, pValue } = chiSquareTest(before!, after!);
      const [wanted, p] = expected[index]!;
      assertClose(statistic, wanted, 1e-11);
      ok(
        Math.abs(pValue - p) <= 1e-9 * p + 1e-300,
        `case ${index}: p ${pValue}, scipy ${p}`,
      );
    }
    deepStrictEqual(chiSquareTest([5, 0], [7, 0]), { statistic: 0, pValue: 1 });
    throws(() => chiSquareTest([1, 2], [1]), /Cannot compare 2 bins with 1/);
  },
);

testWithPython("kolmogorovTail() is scipy.special.kolmogorov", async () => {
  const points = Array.from({ length: 60 }, (_, index) => 0.02 + index * 0.07);
  const expected = await python<number[]>(
    "json.dump([float(scipy.special.kolmogorov(x)) for x in given], sys.stdout)",
    points,
  );
  for (const [index, x] of points.entries()) {
    assertClose(kolmogorovTail(x), expected[index]!, 1e-13);
  }
});

testWithPython(
  "adjustPValues() is scipy's false_discovery_control, ties and all",
  async () => {
    const random = randomFrom(3);
    const cases = [
      [0.5],
      [0.01, 0.01, 0.01, 0.9],
      [0, 1, 0.5, 0.049, 0.051],
      Array.from({ length: 46 }, () => random() ** 3),
    ];
    const expected = await python<number[][]>(
      "json.dump([scipy.stats.false_discovery_control(p).tolist() for p in given], sys.stdout)",
      cases,
    );
    for (const [index, pValues] of cases.entries()) {
      for (const [at, found] of adjustPValues(pValues).entries()) {
        assertClose(found, expected[index]![at]!);
      }
    }
    deepStrictEqual(adjustPValues([]), []);
  },
);

testWithPython(
  "stabilityNoise() returns mean and 99.99 % quantile of scipy's chi-square",
  async () => {
    const bins = [2, 3, 5, 10, 11, 21];
    const expected = await python<number[]>(
      "json.dump([float(scipy.stats.chi2.isf(1e-4, b - 1)) for b in given], sys.stdout)",
      bins,
    );
    for (const [index, count] of bins.entries()) {
      const rows = { expectedRows: 400, actualRows: 100 };
      const noise = stabilityNoise(count, rows);
      assertClose(noise.expected, (count - 1) * 0.0125);
      const off = noise.limit / (expected[index]! * 0.0125) - 1;
      ok(Math.abs(off) < 1e-9, `${count} bins: off by ${off}`);
    }
  },
);

Deno.test("stabilityNoise() is exceeded by about 1 of 10,000 samples without drift, once small bins are merged", () => {
  const random = randomFrom(4);
  const trials = 4000;
  const rows = { expectedRows: 600, actualRows: 300 };
  const found = Array.from({ length: trials }, () => {
    const before = drawValues(random, { rows: rows.expectedRows });
    const profile = toColumnProfile("x", before);
    const after = drawValues(random, { rows: rows.actualRows });
    const [expected, actual] = mergeSmallBins(
      profile.counts,
      countColumn(profile, after).counts,
      { isOrdered: true },
    );
    const noise = stabilityNoise(expected.length, rows);
    return { ...noise, index: stabilityIndex(expected, actual) };
  });
  const mean = found.reduce(
    (sum, { index, expected }) => sum + index / expected,
    0,
  ) / trials;
  const over = found.filter(({ index, limit }) => index > limit).length /
    trials;
  assertClose(mean, 1, 0.05);
  // 0.4 of 4000 are expected if the index followed chi-square exactly.
  ok(over <= 4 / trials, `${over} are over the limit`);
});

testWithPython(
  "toColumnProfile() bins by numpy's quantiles of the values that occur, with zeros apart",
  async () => {
    const random = randomFrom(5);
    const values = drawValues(random, { rows: 997 }).map((value, row) =>
      row % 3 === 0 ? 0 : Math.fround(value)
    );
    const expected = await python<{ edges: number[]; counts: number[] }>(
      `v = np.array(given)
other = v[v != 0]
shares = np.concatenate([[0.01, 0.05], np.arange(1, 10) / 10, [0.95, 0.99]])
edges = np.quantile(other, shares, method="inverted_cdf")
edges = np.unique(np.concatenate([edges, [0, other[other < 0].max()]]))
# numpy's bins are closed on the left, ours on the right: mirrored, they are the same.
counts = np.histogram(-v, np.concatenate([[-np.inf], -edges[::-1], [np.inf]]))[0][::-1]
json.dump({"edges": edges.tolist(), "counts": counts.tolist()}, sys.stdout)`,
      values,
    );
    const { edges, counts } = toColumnProfile("x", values);
    deepStrictEqual({ edges, counts }, expected);
  },
);

Deno.test("toColumnProfile() uses one bin for constant values, two for zeros and ones, and omits undefined numbers", () => {
  const shared = toColumnProfile("x", [0, 0, 0, 0, 0, 0, 0, 1, 2, 3]);
  deepStrictEqual([shared.edges, shared.counts], [[0, 1, 2], [7, 1, 1, 1]]);
  const flags = toColumnProfile("x", [1, 1, 0, NaN]);
  deepStrictEqual([flags.kind, flags.edges, flags.counts, flags.missing], [
    "category",
    [0],
    [1, 2],
    1,
  ]);
  const constant = toColumnProfile("x", [5, 5, 5]);
  deepStrictEqual([constant.edges, constant.counts], [[], [3]]);
  const none = toColumnProfile("x", [NaN, NaN]);
  deepStrictEqual(Object.keys(none).sort(), [
    "counts",
    "edges",
    "kind",
    "missing",
    "name",
    "zeros",
  ]);
});

Deno.test("parseReferenceProfile() reads what toProfile() returns, and rejects anything else by file and path", () => {
  const source = { uri: "a.jsonl", sha256: "0", kind: "sample" } as const;
  const profile = {
    version: 1,
    source,
    ...toProfile({
      names: ["a", "empty"],
      matrix: Float32Array.of(1, NaN, 2, NaN),
      rows: 2,
      scores: [0.25, 0.75],
    }),
    labels: [null, ["x", 1, true]],
  };
  const parse = (value: unknown) =>
    parseReferenceProfile(new TextEncoder().encode(JSON.stringify(value)), {
      file: "reference_profile.json",
    });
  deepStrictEqual(parse(profile), profile);
  throws(
    () => parse({ version: 2, features: [] }),
    /Cannot use reference_profile.json: version should be 1, found 2/,
  );
  throws(
    () => parse({ ...profile, features: [{ name: "a", kind: "text" }] }),
    /features\[0\]\.kind should be "numeric" or "category", found "text"/,
  );
  throws(
    () => parseReferenceProfile(new Uint8Array(), { file: "profile.json" }),
    /^InputError: Cannot parse profile.json: /,
  );
});

const names = ["steady", "shifted", "gone", "constant", "flag"];

/** Rows of five columns; `moved` shifts, removes, changes and flips four of them. */
function makeRows(
  random: () => number,
  { rows, moved }: { rows: number; moved: boolean },
): {
  names: string[];
  matrix: Float32Array;
  rows: number;
  scores: Float64Array;
} {
  const cells = Array.from({ length: rows }, () => [
    random(),
    random() + (moved ? 0.5 : 0),
    moved && random() < 0.3 ? NaN : random(),
    moved ? 7 : 5,
    Number(random() < (moved ? 0.6 : 0.3)),
  ]).flat();
  const scores = Float64Array.from(
    { length: rows },
    () => moved ? random() ** 3 : random(),
  );
  return { names, matrix: Float32Array.from(cells), rows, scores };
}

/** Rows, counted in the bins of a profile. */
function counted(
  profile: Profile,
  rows: { matrix: Float32Array; rows: number; scores: Float64Array },
) {
  return countBatch(toBins(profile, { sha256: "" }), rows);
}

Deno.test("compareWith() reports the drifted columns, the measure, and the share of drifted columns", () => {
  const random = randomFrom(6);
  const reference = toProfile(makeRows(random, { rows: 1000, moved: false }));
  const same = makeRows(random, { rows: 800, moved: false });
  const quiet = compareWith(reference, counted(reference, same), {
    comparison: "baseline",
  });
  strictEqual(quiet.severity, "ok");
  strictEqual(quiet.drifted_share, 0);

  const moved = makeRows(random, { rows: 800, moved: true });
  const found = compareWith(reference, counted(reference, moved), {
    comparison: "baseline",
  });
  strictEqual(found.severity, "fail");
  strictEqual(found.drifted_share, 0.8);
  deepStrictEqual(found.features?.map(({ severity }) => severity), [
    "ok",
    "fail",
    "fail",
    "fail",
    "fail",
  ]);
  const [, shifted, gone, constant, flag] = found.features!;
  match(shifted!.reasons.join(), /PSI .*KS distance/);
  match(gone!.reasons.join(), /missing 0.0 % before, 3\d\.\d % now/);
  match(constant!.reasons.join(), /100.0 % outside the reference's range/);
  match(flag!.reasons.join(), /KS distance 0\.[23]/);
  strictEqual(found.score?.severity, "fail");
});

Deno.test("compareWith() fails the dataset for an important column only", () => {
  const random = randomFrom(6);
  const before = makeRows(random, { rows: 1000, moved: false });
  const reference = toProfile(before);
  const now = makeRows(random, { rows: 800, moved: true });
  const moved = counted(reference, now);
  const quiet = counted(reference, before);
  // One of three columns moved, and the score did not.
  const columns = [0, 0, 1];
  const severityOf = (importance: number[] | undefined) => {
    const found = compareWith(
      {
        ...reference,
        features: columns.map((index) => reference.features[index]!),
      },
      { ...quiet, features: columns.map((index) => moved.features[index]!) },
      { comparison: "baseline", importance },
    );
    deepStrictEqual(found.features?.map(({ severity }) => severity), [
      "ok",
      "ok",
      "fail",
    ]);
    return found.severity;
  };
  strictEqual(severityOf([0.5, 0.4, 0.1]), "fail");
  strictEqual(severityOf([0.5, 0.495, 0.005]), "warn");
  strictEqual(severityOf(undefined), "fail");
});

Deno.test("compareWith() finds in 20 of 20 weeks what changes inside a decile, and only warns of 5 % missing values", () => {
  const random = randomFrom(12);
  const names = ["sparse", "money", "result"];
  const normal = () => drawValues(random, { rows: 1 })[0]!;
  type Row = [number, number, number];
  const draw = (rows: number) =>
    Array.from({ length: rows }, (): Row => [
      random() < 0.92 ? 0 : Math.exp(3 + normal()),
      Math.exp(4 + normal()),
      5 + 5 * normal(),
    ]);
  const toData = (rows: Row[]) => ({
    names,
    matrix: Float32Array.from(rows.flat()),
    rows: rows.length,
    scores: undefined,
  });
  const reference = draw(1500);
  const profile = toProfile(toData(reference));
  const top = reference.map(([, money]) => money).sort((a, b) => a - b)[1350]!;
  const faults: [string, string, (row: Row) => Row][] = [
    ["sparse", "fail|warn", ([x, y, z]) => [10 * x, y, z]],
    ["money", "fail|warn", ([x, y, z]) => [x, y > top ? 3 * y : y, z]],
    ["result", "fail|warn", ([x, y, z]) => [x, y, Math.max(0, z)]],
    ["money", "warn", ([x, y, z]) => [x, random() < 0.05 ? NaN : y, z]],
  ];
  for (const [name, severities, inject] of faults) {
    for (let week = 0; week < 20; week++) {
      const rows = toData(draw(1000).map(inject));
      const bins = toBins(profile, { sha256: "" });
      const counts = countBatch(bins, { ...rows, scores: [] });
      const { features = [] } = compareWith(profile, counts, {
        comparison: "baseline",
      });
      const column = features.find((each) => each.name === name)!;
      match(
        column.severity,
        new RegExp(`^(${severities})$`),
        `${name}, week ${week}: ${column.reasons.join("; ")}`,
      );
    }
  }
});

Deno.test("compareWith() rarely raises a false alarm on samples without drift", () => {
  const random = randomFrom(11);
  const draw = (rows: number) => {
    const cells = Array.from({ length: rows }, () => [
      ...Array.from(
        { length: 5 },
        () => random() < 0.05 ? NaN : Math.log(random()),
      ),
      ...Array.from({ length: 3 }, () => Math.floor(random() * 12)),
      ...Array.from({ length: 12 }, (_, flag) => Number(random() < flag / 40)),
    ]).flat();
    const names = Array.from({ length: 20 }, (_, index) => `c${index}`);
    const scores = Float64Array.from({ length: rows }, () => random() ** 2);
    return { names, matrix: Float32Array.from(cells), rows, scores };
  };
  const trials = 200;
  const share = (before: number, now: number) => {
    const found = Array.from({ length: trials }, () => {
      const profile = toProfile(draw(before));
      return compareWith(profile, counted(profile, draw(now)), {
        comparison: "baseline",
      })
        .severity;
    });
    return (severity: string) =>
      found.filter((each) => each === severity).length / trials;
  };
  // Seen with 300 trials: 0.3 % fail and 9 % warn at 100 and 100 rows, none and 3 % at 700 and 300.
  const small = share(100, 100);
  ok(small("fail") <= 0.03, `${small("fail")} of the small samples fail`);
  const usual = share(700, 300);
  ok(usual("fail") <= 0.01, `${usual("fail")} fail`);
  ok(usual("ok") >= 0.9, `only ${usual("ok")} are ok`);
});

const brands = ["AZ", "CA", "GM", "NJ", "NY", "PA", "MI", "CO", "IL"];
const shares = [0.22, 0.18, 0.04, 0.05, 0.06, 0.15, 0.12, 0.1, 0.08];

/** A week of one-hot brands and three numbers; the rows beyond the sum of the weights have no brand. */
function makeWeek(
  random: () => number,
  { rows, weights = shares }: { rows: number; weights?: readonly number[] },
) {
  const cells = Array.from({ length: rows }, () => {
    let left = random();
    const brand = weights.findIndex((weight) => (left -= weight) < 0);
    return [
      ...brands.map((_, index) => Number(index === brand)),
      random(),
      Math.log(random()),
      Math.floor(random() * 12),
    ];
  }).flat();
  return {
    names: [...brands.map((brand) => `brand_${brand}`), "a", "b", "c"],
    matrix: Float32Array.from(cells),
    rows,
    scores: Float64Array.from({ length: rows }, () => random() ** 2),
  };
}

const brandSteps = [{ column: "brand", prefix: "brand_", categories: brands }];

function compareWeek(
  random: () => number,
  week: { rows: number; weights?: readonly number[] },
) {
  const reference = makeWeek(random, { rows: 1500 });
  const profile = toProfile(reference);
  return compareWith(profile, counted(profile, makeWeek(random, week)), {
    comparison: "baseline",
    groups: toGroups(brandSteps, reference.names),
  });
}

Deno.test("compareWith() judges one-hot columns as one group, including rows of none of them; the group alone fails the dataset", () => {
  // GM, NJ and NY three times as frequent: 0.45 of the rows.
  const mixed = shares.map((share, at) =>
    at >= 2 && at <= 4 ? share * 3 : share * 0.55 / 0.85
  );
  const faults = [
    {
      weights: shares.map((share) => share * 0.9),
      reason: /none of them: 0.0 % before/,
    },
    {
      weights: shares.map(() => 0),
      reason: /none of them: 0.0 % before, 100.0 % now/,
    },
    { weights: mixed, reason: /adjusted p < 0.0001/ },
  ];
  for (let seed = 0; seed < 20; seed++) {
    for (const { weights, reason } of faults) {
      const found = compareWeek(randomFrom(100 + seed), {
        rows: 1000,
        weights,
      });
      strictEqual(found.severity, "fail");
      const [group] = found.groups!;
      deepStrictEqual([group!.name, group!.severity], ["brand_*", "fail"]);
      match(group!.reasons.join("; "), reason);
      match(found.reasons.join(), /^1 of 4 features drifted \(brand_\*\)/);
      const single = found.features!.find(({ name }) => name === "brand_AZ")!;
      deepStrictEqual([single.severity, single.group], ["unknown", "brand_*"]);
    }
  }
});

Deno.test("compareWith() fails no quiet week of 300 or 1,000 rows, although one column or group is enough", () => {
  const random = randomFrom(31);
  for (const rows of [300, 1000]) {
    const failed = Array.from(
      { length: 50 },
      () => compareWeek(random, { rows }),
    )
      .filter(({ severity }) => severity === "fail");
    deepStrictEqual(failed.map(({ reasons }) => reasons), []);
  }
});

Deno.test("compareWith() judges columns one by one that are not one-hot in the rows", () => {
  const random = randomFrom(32);
  const reference = makeWeek(random, { rows: 1500 });
  const profile = toProfile(reference);
  const groups = toGroups(brandSteps, reference.names);
  for (const cell of [NaN, 0.5, 2]) {
    const week = makeWeek(random, { rows: 1000 });
    week.matrix[0] = cell;
    const found = compareWith(profile, counted(profile, week), {
      comparison: "baseline",
      groups,
    });
    deepStrictEqual(found.groups, []);
    strictEqual(found.features![0]!.severity, "ok");
  }
});

Deno.test("compareWith() counts rows without a category as one more category of their group", () => {
  const random = randomFrom(33);
  const reference = makeWeek(random, { rows: 1500 });
  const profile = toProfile(reference);
  const groups = toGroups(brandSteps, reference.names);
  for (const [share, severity] of [[0.02, "ok"], [0.3, "fail"]] as const) {
    const week = makeWeek(random, { rows: 1000 });
    const width = week.names.length;
    for (let row = 0; row < 1000 * share; row++) {
      week.matrix.fill(NaN, row * width, row * width + brands.length);
    }
    const found = compareWith(profile, counted(profile, week), {
      comparison: "baseline",
      groups,
    });
    const [group] = found.groups!;
    strictEqual(group!.categories!.at(-1), "missing");
    strictEqual(group!.counts_ref.at(-1), 0);
    strictEqual(group!.counts_cur.at(-1), 1000 * share);
    deepStrictEqual([group!.severity, found.severity], [severity, severity]);
  }
});

Deno.test("compareWith() does not judge few rows, or features whose rows are missing", () => {
  const random = randomFrom(7);
  const reference = toProfile(makeRows(random, { rows: 1000, moved: false }));
  const few = makeRows(random, { rows: 99, moved: true });
  const little = compareWith(reference, counted(reference, few), {
    comparison: "baseline",
  });
  strictEqual(little.severity, "not-enough-data");
  strictEqual(little.drifted_share, undefined);

  const same = makeRows(random, { rows: 500, moved: false });
  const gone = compareWith(
    reference,
    { ...counted(reference, same), features: undefined },
    { comparison: "baseline" },
  );
  strictEqual(gone.severity, "unknown");
  strictEqual(gone.features, undefined);
  strictEqual(gone.score?.severity, "ok");
  const worse = compareWith(
    reference,
    {
      ...counted(reference, {
        ...same,
        scores: same.scores.map((score) => score / 3),
      }),
      features: undefined,
    },
    { comparison: "baseline" },
  );
  strictEqual(worse.severity, "fail"); // the scores alone suffice for bad news
});

const intervalOf = (scored: { probabilities: number[]; outcomes: number[] }) =>
  pooledArea([{
    ...scored,
    players: scored.outcomes.map((_, row) => `${row}`),
  }])
    ?.interval;

testWithPython(
  "pooledArea() of one period has DeLong's interval, from the placements as numpy counts them",
  async () => {
    const random = randomFrom(8);
    const cases = [40, 300].map((rows) => {
      const outcomes = Array.from(
        { length: rows },
        () => Number(random() < 0.4),
      );
      const probabilities = outcomes.map((outcome) =>
        Number((random() * 0.7 + outcome * 0.2).toFixed(2)) // two digits: many ties
      );
      return { probabilities, outcomes };
    });
    const expected = await python<[number, number, number][]>(
      `import sklearn.metrics
found = []
for case in given:
    p, y = np.array(case["probabilities"]), np.array(case["outcomes"])
    wins = (p[y == 1][:, None] > p[y == 0][None, :]) + 0.5 * (p[y == 1][:, None] == p[y == 0][None, :])
    error = np.sqrt(wins.mean(1).var(ddof=1) / len(wins) + wins.mean(0).var(ddof=1) / wins.shape[1])
    half = scipy.stats.norm.ppf(0.975) * error
    found.append([sklearn.metrics.roc_auc_score(y, p), wins.mean() - half, wins.mean() + half])
json.dump(found, sys.stdout)`,
      cases,
    );
    for (const [index, scored] of cases.entries()) {
      const [auc, low, high] = expected[index]!;
      const interval = intervalOf(scored)!;
      assertClose(interval[0], low, 1e-10);
      assertClose(interval[1], high, 1e-10);
      assertClose((interval[0] + interval[1]) / 2, auc, 1e-10);
    }
    strictEqual(
      intervalOf({ probabilities: [0.1, 0.2, 0.3], outcomes: [1, 0, 0] }),
      undefined,
    );
  },
);

Deno.test("measurePerformance() counts a player once, with the player's last row", () => {
  const ids = ["a", "b", "a", "c", "d", null];
  const scores = [0.99, 0.2, 0.1, 0.8, 0.9, 0.5];
  const outcomes = new Map([["a", 0], ["b", 0], ["c", 1], ["d", 1], ["z", 1]]);
  const found = measurePerformance({ ids, scores }, {
    outcomes,
    reference: undefined,
    file: "o.jsonl",
  });
  // With the first row of "a", 0.99, half of the four pairs would be in the wrong order.
  strictEqual(found.metrics["auc"], 1);
  deepStrictEqual(
    [found.rows, found.players, found.matured, found.coverage, found.outcomes],
    [6, 5, 4, 0.8, 5],
  );
  deepStrictEqual(found.warnings, [
    "scored rows that repeat a player: 1; each player counts once, with the score of the last row",
    "scored rows without a player id: 1",
  ]);
});

Deno.test("describeCoverage() warns of low coverage, other players, and selection by score", () => {
  const rows = 1000;
  const ids = Array.from({ length: rows }, (_, row) => `P-${row}`);
  const random = randomFrom(3);
  const scores = ids.map(() => random());
  const warningsOf = (isCovered: (score: number) => boolean, others = 0) => {
    const covered = ids.filter((_, row) => isCovered(scores[row]!));
    const outcomes = new Map(covered.map((id) => [id, 1]));
    for (let other = 0; other < others; other++) outcomes.set(`X-${other}`, 0);
    const joined = joinOutcomes({ ids, scores }, outcomes);
    return describeCoverage(joined);
  };
  deepStrictEqual(warningsOf(() => true), []);
  deepStrictEqual(warningsOf(() => random() < 0.9), []);
  match(
    warningsOf(() => random() < 0.3).join(),
    /^only \d+ of 1000 scored [^;]*; the metrics cover only those$/,
  );
  deepStrictEqual(warningsOf(() => true, 3000), [
    "only 1000 of 4000 outcomes (25.0 %) belong to a player of this scoring run",
  ]);
  // All churners and 15 % of the others, where the score is the chance of churn.
  match(
    warningsOf((score) => random() < score + 0.15 * (1 - score)).at(-1)!,
    /depends on the score: [12]\d\.\d % to (9\d\.\d|100\.0) % across tenths/,
  );
  // One score for all: the first rows are no selection by score.
  const same = joinOutcomes(
    { ids, scores: scores.map(() => 0.5) },
    new Map(ids.slice(0, 850).map((id) => [id, 1])),
  );
  deepStrictEqual(describeCoverage(same), []);
});

Deno.test("describeCoverage() reports a random selection as biased in at most 2 of 300 weeks", () => {
  const random = randomFrom(11);
  let false_ = 0;
  for (let week = 0; week < 300; week++) {
    const ids = Array.from({ length: 300 }, (_, row) => `P-${row}`);
    const scores = ids.map(() => random());
    const outcomes = new Map(
      ids.filter(() => random() < 0.5).map((id) => [id, 1]),
    );
    const joined = joinOutcomes({ ids, scores }, outcomes);
    const warnings = describeCoverage(joined);
    if (warnings.some((each) => each.includes("depends"))) false_++;
  }
  ok(false_ <= 2, `${false_}`);
});

Deno.test("toOutcomes() omits outcomes that have not matured and rejects contradictions", () => {
  const read = (...values: Record<string, unknown>[]) =>
    toOutcomes(
      values.map((value, index) => ({
        number: index + 1,
        line: index + 1,
        value,
      })),
      { idColumn: "player_id", label: "churned", file: "o.jsonl" },
    );
  const { byPlayer, unnamed } = read(
    { player_id: "a", churned: 1 },
    { player_id: 7, churned: false },
    { player_id: "b", churned: null },
    { player_id: "a", churned: true },
    { player_id: "007", churned: 1 },
    { player_id: null, churned: 1 },
    { churned: 0 },
  );
  deepStrictEqual([...byPlayer], [["a", 1], ["7", 0], ["007", 1]]);
  strictEqual(unnamed, 2);
  throws(
    () => read({ player_id: "a", churned: 1 }, { player_id: "a", churned: 0 }),
    /o.jsonl, row 2 \(line 2\): the player "a" has another outcome in an earlier row/,
  );
  throws(
    () => read({ player_id: "a", churned: 0.5 }),
    /row 1 \(line 1\), column "churned": expected the outcome 0, 1 or null, found 0.5/,
  );
  throws(() => read({ player_id: "a" }), /column "churned".*found nothing/);
  throws(
    () => read({ churned: 1 }, { player_id: null, churned: 0 }),
    /o.jsonl: none of its 2 rows has a player id in the column "player_id"/,
  );
  throws(
    () => read({ player_id: "a", churned: null }),
    /no outcome has matured: "churned" is null in all 1 rows/,
  );
});

Deno.test("toOutcomes() reads ids as predict does and rejects inexact ones", () => {
  const text = (id: string) =>
    `{"player_id":"P","churned":1}\n{"player_id":${id},"churned":1}`;
  const read = (id: string) => {
    const rows = parseJsonLines(new TextEncoder().encode(text(id)), {
      file: "o.jsonl",
    });
    const options = {
      idColumn: "player_id",
      label: "churned",
      file: "o.jsonl",
    };
    return [...toOutcomes(rows, options).byPlayer.keys()][1];
  };
  strictEqual(read("9007199254740991"), "9007199254740991");
  strictEqual(read('"9007199254740993"'), "9007199254740993");
  strictEqual(read("7.0"), "7");
  for (
    const id of [
      "9007199254740993",
      "-9007199254740993",
      "1e300",
      "1e999",
      "7.5",
      "true",
      "[7]",
      "{}",
      '"P\\u0000"',
    ]
  ) {
    throws(
      () => read(id),
      /o\.jsonl, row 2 \(line 2\), column "player_id": expected a string without NUL, or a whole number of at most 15 digits, found/,
      id,
    );
  }
});

Deno.test("decide() advises retraining if performance fell or the same drift failed in two adjacent periods, never on broken data", () => {
  const drift = { data: "ok", drift: "fail", lasting: [] } as const;
  strictEqual(decide({ ...drift, performance: "fail" }).retrain, true);
  strictEqual(decide({ ...drift, performance: "unknown" }).retrain, false);
  const twice = { ...drift, lasting: ["a", "b", "c", "d"] } as const;
  const lasting = decide({ ...twice, performance: "ok" });
  deepStrictEqual([lasting.retrain, lasting.reason], [
    true,
    "drift of a, b, c and 1 more failed in two adjacent periods",
  ]);
  for (const performance of ["ok", "fail"] as const) {
    const broken = decide({ ...twice, data: "fail", performance });
    strictEqual(broken.retrain, false);
    match(broken.reason, /the data failed/);
  }
  strictEqual(
    decide({ ...twice, drift: "warn", performance: "warn" }).retrain,
    false,
  );
  // An earlier run's performance counts until this run has its own.
  const earlier = { severity: "fail", scoring_run_id: 4 } as const;
  const advice = (performance: Severity) =>
    decide({ ...drift, drift: "ok", performance, earlier });
  match(advice("unknown").reason, /of scoring run 4,/);
  deepStrictEqual(
    (["unknown", "not-enough-data", "ok", "warn", "fail"] as const).map((
      each,
    ) => advice(each).retrain),
    [true, true, false, false, true],
  );
});
