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

/** A column or group that was measured, before its p-value is adjusted. */
export interface Measured {
  readonly profile: Omit<ColumnProfile, "kind"> & Pick<ColumnDrift, "kind">;
  readonly counts: Omit<ColumnCounts, "zeros">;
  /** Kolmogorov and Smirnov's; of a group, the chi-square test. */
  readonly test: TestResult | undefined;
  /** Set for a group only. */
  readonly categories?: readonly string[];
  /** The group of a one-hot column. */
  readonly group?: string | undefined;
  readonly importance?: number | undefined;
  /** Undefined without earlier periods; of a group, that of one of its categories. */
  readonly cusum?: SustainedShift | undefined;
}

/** Measures a column. */
export function measure(
  profile: ColumnProfile,
  counts: ColumnCounts,
): Measured {
  const hasValues = total(profile.counts) > 0 && total(counts.counts) > 0;
  return {
    profile,
    counts,
    test: hasValues
      ? kolmogorovSmirnov(profile.counts, counts.counts)
      : undefined,
  };
}

/** Measures the one-hot columns of a group as one column of categories. */
export function measureGroup(
  { name, labels, reference, current }: Group & GroupCounts,
): Measured {
  return {
    profile: { name, kind: "group", edges: [], counts: reference, missing: 0 },
    counts: { counts: current, missing: 0, outOfRange: 0, sum: NaN },
    test: chiSquareTest(
      ...mergeSmallBins(reference, current, { isOrdered: false }),
    ),
    categories: [...labels],
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

/** Returns the cumulative shift of the group's column that has the largest sum, with its category. */
export function largestOf(
  { members, categories }: Group,
  cusums: readonly (Cusum | undefined)[],
): Measured["cusum"] {
  const found = members.flatMap((member, index) => {
    const cusum = cusums[member];
    return cusum ? [{ ...cusum, category: categories[index] }] : [];
  });
  return found.toSorted((a, b) => b.sum - a.sum)[0];
}

/** Returns the drift of all columns of one comparison, whose p-values are adjusted together. */
export function judge(
  columns: readonly Measured[],
  limits: Thresholds,
): ColumnDrift[] {
  const tested = columns.filter(({ test, group }) =>
    test !== undefined && group === undefined
  );
  const adjusted = adjustPValues(tested.map(({ test }) => test!.pValue));
  return columns.map((column) =>
    toDrift(column, {
      limits,
      pAdjusted: adjusted[tested.indexOf(column)],
    })
  );
}

function toDrift(
  { profile, counts, test, categories, group, cusum, importance }: Measured,
  { pAdjusted, limits }: {
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
