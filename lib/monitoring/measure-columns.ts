/** Measures the columns, groups and scores of two samples; p-values are adjusted over all of them. */
import type { Thresholds } from "../config/monitoring.ts";
import {
  type ColumnCounts,
  meanOf,
  rowsOf,
  total,
} from "../statistics/column-counts.ts";
import {
  cumulativeShift,
  type Cusum,
  type CusumOptions,
} from "../statistics/cusum.ts";
import {
  adjustPValues,
  chiSquareTest,
  kolmogorovSmirnov,
  mergeSmallBins,
  stabilityIndex,
  stabilityNoise,
  type TestResult,
} from "../statistics/drift.ts";
import type { ColumnProfile } from "../statistics/profile.ts";
import {
  addCusum,
  type ColumnDrift,
  type SustainedShift,
  toSeverity,
} from "./column-drift.ts";
import type { Group, GroupCounts } from "./groups.ts";

/** A column, a group or the score in both samples. */
export interface ColumnSamples {
  readonly profile: Omit<ColumnProfile, "kind"> & Pick<ColumnDrift, "kind">;
  readonly counts: Omit<ColumnCounts, "zeros">;
  /** Set for a group only. */
  readonly categories?: readonly string[];
  /** The group of a one-hot column. */
  readonly group?: string | undefined;
  readonly importance?: number | undefined;
  /** Undefined without earlier periods; of a group, that of one of its categories. */
  readonly cusum?: SustainedShift | undefined;
}

/** Returns the one-hot columns of a group as one column of categories: its importance is theirs together, its shift that of the category with the largest. */
export function toGroupSamples(
  { name, labels, reference, current, members, categories }:
    & Group
    & GroupCounts,
  columns: readonly ColumnSamples[],
): ColumnSamples {
  const own = members.map((index) => columns[index]!);
  const shifts = own.flatMap(({ cusum }, index) =>
    cusum ? [{ ...cusum, category: categories[index] }] : []
  );
  return {
    profile: { name, kind: "group", edges: [], counts: reference, missing: 0 },
    counts: { counts: current, missing: 0, outOfRange: 0, sum: NaN },
    categories: labels,
    importance: own[0]!.importance === undefined
      ? undefined
      : total(own.map(({ importance = 0 }) => importance)),
    cusum: shifts.toSorted((a, b) => b.sum - a.sum)[0],
  };
}

/** Returns a column's cumulative shift, that of all values or of those other than 0, whichever is larger; undefined without earlier periods. */
export function cusumOf(
  profile: ColumnProfile,
  periods: readonly (ColumnCounts | undefined)[],
  options: CusumOptions,
): Cusum | undefined {
  if (periods.length < 2) return undefined;
  const counts = periods.flatMap((each) => each ? [each.counts] : []);
  const all = cumulativeShift(profile.counts, counts, options);
  const zero = profile.edges.indexOf(0);
  if (profile.kind !== "numeric" || zero < 0) return all;
  const withoutZeros = (bins: readonly number[]) => bins.toSpliced(zero, 1);
  const others = cumulativeShift(
    withoutZeros(profile.counts),
    counts.map(withoutZeros),
    options,
  );
  return others.sum > all.sum ? others : all;
}

/** Returns the drift of all columns of the lists, whose p-values are adjusted together. */
export function judge(
  lists: readonly (readonly ColumnSamples[])[],
  limits: Thresholds,
): ColumnDrift[][] {
  const tests = lists.flat().map((column) => ({
    column,
    test: testOf(column),
  }));
  const tested = tests.filter(({ column, test }) =>
    test !== undefined && column.group === undefined
  );
  const adjusted = adjustPValues(tested.map(({ test }) => test!.pValue));
  const found = new Map(tests.map((each) => [each.column, {
    limits,
    test: each.test,
    pAdjusted: adjusted[tested.indexOf(each)],
  }]));
  return lists.map((columns) =>
    columns.map((column) => toDrift(column, found.get(column)!))
  );
}

/** Returns the test of Kolmogorov and Smirnov, or of a group the chi-square test; undefined if either sample has no values. */
function testOf(
  { profile, counts: { counts }, categories }: ColumnSamples,
): TestResult | undefined {
  if (categories) {
    return chiSquareTest(
      ...mergeSmallBins(profile.counts, counts, { isOrdered: false }),
    );
  }
  return total(profile.counts) > 0 && total(counts) > 0
    ? kolmogorovSmirnov(profile.counts, counts)
    : undefined;
}

function toDrift(
  { profile, counts, categories, group, cusum, importance }: ColumnSamples,
  { test, pAdjusted, limits }: {
    test: TestResult | undefined;
    pAdjusted: number | undefined;
    limits: Thresholds;
  },
): ColumnDrift {
  const [expectedRows, actualRows] = [rowsOf(profile), rowsOf(counts)];
  const known = total(counts.counts);
  const drift = {
    name: profile.name,
    kind: profile.kind,
    importance,
    n_ref: expectedRows,
    n_cur: actualRows,
    ...toStability(profile.counts, counts.counts, { isOrdered: !categories }),
    p_value: test?.pValue,
    ...(categories
      ? {
        categories,
        chi_square: test?.statistic,
        distance: distanceOf(profile.counts, counts.counts),
        distance_noise: distanceNoise(profile.counts, counts.counts),
      }
      : { ks: test?.statistic }),
    p_adjusted: pAdjusted,
    cusum: cusum?.sum,
    cusum_periods: cusum?.periods,
    rank_shift: cusum?.shift,
    missing_ref: profile.missing / expectedRows,
    missing_cur: counts.missing / actualRows,
    out_of_range: known > 0 && profile.min !== undefined
      ? counts.outOfRange / known
      : undefined,
    mean_ref: profile.mean,
    mean_cur: categories ? undefined : meanOf(counts),
    min: extreme(Math.min, profile.min, counts.min),
    max: extreme(Math.max, profile.max, counts.max),
    edges: profile.edges,
    counts_ref: profile.counts,
    counts_cur: counts.counts,
  };
  if (group !== undefined) {
    const reasons = [`judged as part of ${group}`];
    return { ...drift, group, severity: "unknown", reasons };
  }
  return {
    ...drift,
    ...addCusum(toSeverity(drift, limits), { cusum, limits }),
  };
}

/** Returns the stability index of two samples' values and its noise; nothing if either has no values. */
function toStability(
  before: readonly number[],
  after: readonly number[],
  options: { isOrdered: boolean },
): Pick<ColumnDrift, "psi" | "psi_noise" | "psi_noise_limit"> {
  const rows = { expectedRows: total(before), actualRows: total(after) };
  if (Math.min(rows.expectedRows, rows.actualRows) === 0) return {};
  const [expected, actual] = mergeSmallBins(before, after, options);
  const noise = stabilityNoise(expected.length, rows);
  return {
    psi: stabilityIndex(expected, actual),
    psi_noise: noise.expected,
    psi_noise_limit: noise.limit,
  };
}

/** Returns the smaller or the larger of two values, of which either may be unknown. */
function extreme(
  choose: (...values: number[]) => number,
  ...values: readonly (number | undefined)[]
): number | undefined {
  const known = values.filter((value) => value !== undefined);
  return known.length === 0 ? undefined : choose(...known);
}

/** Returns the total variation distance: half the sum of the differences of the shares. */
function distanceOf(
  before: readonly number[],
  after: readonly number[],
): number {
  const [n1, n2] = [total(before), total(after)];
  return total(
    before.map((count, index) => Math.abs(count / n1 - after[index]! / n2)),
  ) / 2;
}

/** Returns the mean of the total variation distance without drift: of each category the mean absolute difference of two shares of normal error. */
function distanceNoise(
  before: readonly number[],
  after: readonly number[],
): number {
  const [n1, n2] = [total(before), total(after)];
  const errors = before.map((count, index) => {
    const share = (count + after[index]!) / (n1 + n2);
    return Math.sqrt(share * (1 - share) * (1 / n1 + 1 / n2));
  });
  return Math.sqrt(2 / Math.PI) * total(errors) / 2;
}
