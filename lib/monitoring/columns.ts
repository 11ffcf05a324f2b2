/** Measures the drift of every column between two samples and derives the verdict on the comparison; every verdict includes its numbers. */
import {
  adjustPValues,
  chiSquareTest,
  kolmogorovSmirnov,
  mergeSmallBins,
  rangeNoise,
  shareNoise,
  stabilityIndex,
  stabilityNoise,
  type TestResult,
} from "../statistics/drift.ts";
import {
  cumulativeShift,
  type Cusum,
  type CusumOptions,
} from "../statistics/cusum.ts";
import {
  type ColumnCounts,
  meanOf,
  rowsOf,
} from "../statistics/column-counts.ts";
import type { AssociationSums } from "../statistics/associations.ts";
import type {
  ColumnProfile,
  Profile,
  ReferenceProfile,
} from "../statistics/profile.ts";
import { countGroup, type Group } from "./groups.ts";
import { type Thresholds, thresholds } from "../config/monitoring.ts";
import { type AssociationDrift, judgeAssociations } from "./associations.ts";
import { band, type Severity } from "./verdict.ts";

/** One column, or one group of one-hot columns, in both samples, with the fields of the JSON report; unknown numbers are absent. */
export interface ColumnDrift {
  readonly name: string;
  /** `group`: the one-hot columns of a step of the recipe, as one column of categories. */
  readonly kind: "numeric" | "category" | "group";
  /** Name of the group that is judged in place of this one-hot column, whose severity is then `unknown`. */
  readonly group?: string;
  /** The categories of a group, in the order of the counts. */
  readonly categories?: readonly string[];
  /** Share of the model's scores that depends on it; absent for the score, and if the model was logged without. */
  readonly importance?: number;
  readonly severity: Severity;
  /** One sentence per exceeded threshold, with its numbers. */
  readonly reasons: readonly string[];
  readonly n_ref: number;
  readonly n_cur: number;
  /** Of the values that are not missing, without too small bins; absent, like its mean and 99.99 % quantile without drift, when either sample has no values. */
  readonly psi?: number;
  readonly psi_noise?: number;
  readonly psi_noise_limit?: number;
  readonly ks?: number;
  /** Of a group: Pearson's statistic, the share of rows that changed category (total variation), and its mean without drift. */
  readonly chi_square?: number;
  readonly distance?: number;
  readonly distance_noise?: number;
  readonly p_value?: number;
  readonly p_adjusted?: number;
  /** Cumulative sum of the shifts of the mean rank against the reference over periods, and the shift in this one; of a group, those of the category with the largest sum. */
  readonly cusum?: number;
  readonly cusum_periods?: number;
  readonly rank_shift?: number;
  readonly missing_ref: number;
  readonly missing_cur: number;
  /** Share of the current values below the smallest or above the largest of the reference. */
  readonly out_of_range?: number;
  readonly mean_ref?: number;
  readonly mean_cur?: number;
  /** Smallest and largest value of both samples; absent in a result of an earlier release. */
  readonly min?: number;
  readonly max?: number;
  readonly edges: readonly number[];
  readonly counts_ref: readonly number[];
  readonly counts_cur: readonly number[];
}

/** The comparison of all columns with one other sample. */
export interface DriftComparison {
  /** `baseline`: the model's reference. `consecutive`: the previous scoring run. */
  readonly comparison: "baseline" | "consecutive";
  readonly severity: Severity;
  readonly reasons: readonly string[];
  /** Share of failed features and groups among those that could be judged; absent when there are none. */
  readonly drifted_share?: number;
  /** Absent when the rows of either sample are not available. */
  readonly features?: readonly ColumnDrift[];
  /** Absent like the features, and in a result of an earlier release. */
  readonly groups?: readonly ColumnDrift[];
  /** Pairs of columns whose rank correlation changed; absent when it was not measured. */
  readonly associations?: readonly AssociationDrift[];
  /** Absent when the reference has no scores. */
  readonly score?: ColumnDrift;
  /** Share of scores above 0.5, which predict churn, in the reference and now. */
  readonly above_half?: { readonly ref: number; readonly cur: number };
}

/** The monitored scoring run, counted in the bins of the profile that it is compared with. */
export interface CurrentRows {
  readonly rows: number;
  /** In the order of the profile's features; undefined when the run has no profile and its rows cannot be read again. */
  readonly features: readonly ColumnCounts[] | undefined;
  /** Undefined if the profile has no scores. */
  readonly score: ColumnCounts | undefined;
  /** Scores above 0.5. */
  readonly aboveHalf: number;
  /** Absent if none were summed. */
  readonly associations?: AssociationSums;
}

/** The counts of an earlier period. */
export type PastRows = Pick<CurrentRows, "features" | "score">;

/**
 * Compares the current rows with another sample's profile. P-values are adjusted
 * over all columns and groups, including the score. The columns of a group are
 * not judged themselves.
 *
 * @param reference The profile; it must have the features of `current`, in the same order.
 * @param options `groups`: the one-hot groups of the recipe, none by default; `past`: earlier periods in the same bins, oldest first, of which a sustained shift is found;
 * `importance`: that of each feature, see {@linkcode isImportant}; by default all are important;
 * `limits`: the variant's thresholds.
 */
export function compareWith(
  reference: Omit<Profile, "features"> & {
    readonly features?: Profile["features"] | undefined;
    readonly associations?: ReferenceProfile["associations"];
  },
  current: CurrentRows,
  { comparison, groups = [], past = [], importance, limits = thresholds }: {
    comparison: DriftComparison["comparison"];
    groups?: readonly Group[];
    past?: readonly PastRows[];
    importance?: readonly number[] | undefined;
    limits?: Thresholds;
  },
): DriftComparison {
  const profiles = reference.features;
  const counts = current.features;
  const hasFeatures = profiles !== undefined && counts !== undefined;
  const grouped = hasFeatures
    ? groups.flatMap((group) => {
      const found = countGroup(group, { profiles, counts });
      return found ? [{ ...found, ...group }] : [];
    })
    : [];
  const groupOf = new Map(
    grouped.flatMap(({ name, members }) =>
      members.map((index) => [index, name] as const)
    ),
  );
  const cusums = hasFeatures && past.length > 0
    ? profiles.map((profile, index) =>
      cusumOf(
        profile,
        [...past, current].map(({ features }) => features?.[index]),
        limits.cusum,
      )
    )
    : [];
  const judged = judge([
    ...(hasFeatures
      ? profiles.map((profile, index) => ({
        ...measure(profile, counts[index]!),
        cusum: cusums[index],
        importance: importance?.[index],
        group: groupOf.get(index),
      }))
      : []),
    ...grouped.map((group) => ({
      ...measureGroup(group),
      cusum: largestOf(group, cusums),
      importance: importance &&
        total(group.members.map((index) => importance[index] ?? 0)),
    })),
    ...(reference.score && current.score
      ? [{
        ...measure(reference.score, current.score),
        cusum: cusumOf(
          reference.score,
          [...past, current].map(scoreOf),
          limits.cusum,
        ),
      }]
      : []),
  ], limits);
  const width = hasFeatures ? profiles.length : 0;
  const score = judged[width + grouped.length];
  const found = hasFeatures
    ? {
      features: judged.slice(0, width),
      groups: judged.slice(width, width + grouped.length),
    }
    : {};
  const associations = reference.associations && current.associations &&
    judgeAssociations(
      {
        ...reference.associations,
        names: (profiles ?? []).map(({ name }) => name),
      },
      current.associations,
      limits,
    );
  return {
    comparison,
    ...conclude({ ...found, score, associations }, limits),
    ...found,
    ...(associations ? { associations } : {}),
    ...(score ? { score } : {}),
    ...(reference.score
      ? {
        above_half: {
          ref: reference.score.aboveHalf / reference.rows,
          cur: current.aboveHalf / current.rows,
        },
      }
      : {}),
  };
}

/** Returns the groups and the features that are not part of one. */
export function judgedColumns(
  { groups = [], features = [] }: Pick<DriftComparison, "groups" | "features">,
): ColumnDrift[] {
  return [
    ...groups,
    ...features.filter(({ group }) => group === undefined),
  ];
}

/** Sorts columns by severity, worst first, then by stability index, largest first. */
export function sortedByConcern(
  columns: readonly ColumnDrift[],
): ColumnDrift[] {
  const order = ["fail", "warn", "unknown", "not-enough-data", "ok"];
  return [...columns].sort((a, b) =>
    order.indexOf(a.severity) - order.indexOf(b.severity) || toPsi(b) - toPsi(a)
  );
}

/** Returns the names of the columns and groups that failed, and "the score" first if it did. */
export function failedColumns(
  comparison: DriftComparison | undefined,
): string[] {
  const { features = [], groups = [], score } = comparison ?? {};
  const failed = [...groups, ...features]
    .filter(({ severity }) => severity === "fail").map(({ name }) => name);
  return score?.severity === "fail" ? ["the score", ...failed] : failed;
}

function scoreOf({ score }: PastRows): ColumnCounts | undefined {
  return score;
}

/** Returns a column's cumulative shift; undefined without earlier periods. */
function cusumOf(
  profile: ColumnProfile,
  periods: readonly (ColumnCounts | undefined)[],
  options: CusumOptions,
): Cusum | undefined {
  if (periods.length < 2) return undefined;
  const counts = periods.flatMap((each) => each ? [each.counts] : []);
  return cumulativeShift(profile.counts, counts, options);
}

/** Returns the cumulative shift of the group's column that has the largest sum, with its category. */
function largestOf(
  { members, categories }: Group,
  cusums: readonly (Cusum | undefined)[],
): Measured["cusum"] {
  const found = members.flatMap((member, index) => {
    const cusum = cusums[member];
    return cusum ? [{ ...cusum, category: categories[index] }] : [];
  });
  return found.toSorted((a, b) => b.sum - a.sum)[0];
}

interface Measured {
  readonly profile: Omit<ColumnProfile, "kind"> & Pick<ColumnDrift, "kind">;
  readonly counts: Omit<ColumnCounts, "zeros">;
  readonly rows: { readonly expectedRows: number; readonly actualRows: number };
  /** Kolmogorov and Smirnov's; of a group, the chi-square test. */
  readonly test: TestResult | undefined;
  /** Set for a group only. */
  readonly categories?: readonly string[];
  /** The group of a one-hot column. */
  readonly group?: string | undefined;
  readonly importance?: number | undefined;
  /** Undefined without earlier periods; of a group, that of one of its categories. */
  readonly cusum?:
    | Cusum & { readonly category?: string | undefined }
    | undefined;
}

function measure(profile: ColumnProfile, counts: ColumnCounts): Measured {
  const actualRows = rowsOf(counts);
  const known = actualRows - counts.missing;
  const expectedRows = total(profile.counts) + profile.missing;
  return {
    profile,
    counts,
    rows: { expectedRows, actualRows },
    test: known > 0 && expectedRows > profile.missing
      ? kolmogorovSmirnov(profile.counts, counts.counts)
      : undefined,
  };
}

function measureGroup(
  { name, categories, reference, current }: Group & {
    readonly reference: readonly number[];
    readonly current: readonly number[];
  },
): Measured {
  return {
    profile: { name, kind: "group", edges: [], counts: reference, missing: 0 },
    counts: { counts: current, missing: 0, outOfRange: 0, sum: NaN },
    rows: { expectedRows: total(reference), actualRows: total(current) },
    test: chiSquareTest(
      ...mergeSmallBins(reference, current, { isOrdered: false }),
    ),
    categories: [...categories, "none of them"],
  };
}

/** Returns the drift of all columns of one comparison, whose p-values are adjusted together. */
function judge(
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
  { profile, counts, rows, test, categories, group, cusum, importance }:
    Measured,
  { pAdjusted, limits }: {
    pAdjusted: number | undefined;
    limits: Thresholds;
  },
): ColumnDrift {
  const { expectedRows, actualRows } = rows;
  const known = actualRows - counts.missing;
  const mean = categories ? undefined : meanOf(counts);
  const drift = {
    name: profile.name,
    kind: profile.kind,
    ...(importance === undefined ? {} : { importance }),
    n_ref: expectedRows,
    n_cur: actualRows,
    ...toStability(profile.counts, counts.counts, { isOrdered: !categories }),
    ...(test ? { p_value: test.pValue } : {}),
    ...(test && !categories ? { ks: test.statistic } : {}),
    ...(test && categories
      ? {
        categories,
        chi_square: test.statistic,
        distance: distanceOf(profile.counts, counts.counts),
        distance_noise: distanceNoise(profile.counts, counts.counts),
      }
      : {}),
    ...(pAdjusted === undefined ? {} : { p_adjusted: pAdjusted }),
    ...(cusum
      ? {
        cusum: cusum.sum,
        cusum_periods: cusum.periods,
        rank_shift: cusum.shift,
      }
      : {}),
    missing_ref: profile.missing / expectedRows,
    missing_cur: counts.missing / actualRows,
    ...(known > 0 && profile.min !== undefined
      ? { out_of_range: counts.outOfRange / known }
      : {}),
    ...(profile.mean === undefined ? {} : { mean_ref: profile.mean }),
    ...(mean === undefined ? {} : { mean_cur: mean }),
    ...rangeOf(profile, counts),
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

/** Returns the verdict of one period with that of all periods, whichever is worse. */
function addCusum(
  judged: Pick<ColumnDrift, "severity" | "reasons">,
  { cusum, limits: { cusum: limits } }: Pick<Measured, "cusum"> & {
    limits: Thresholds;
  },
): Pick<ColumnDrift, "severity" | "reasons"> {
  const { severity, reasons } = judged;
  if (!cusum?.isRising || severity === "not-enough-data") return judged;
  const sustained = band(cusum.sum, limits);
  if (sustained === "ok") return judged;
  const subject = cusum.category === undefined ? "" : `${cusum.category}: `;
  const reason = `${subject}shifted for ${cusum.periods} periods, mean rank ${
    cusum.shift < 0 ? "" : "+"
  }${(100 * cusum.shift).toFixed(1)} pp, cumulative sum ${
    cusum.sum.toFixed(1)
  } (warns at ${limits.warn}, fails at ${limits.fail})`;
  return {
    severity: severity === "fail" ? severity : sustained,
    reasons: [...reasons, reason],
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

function rangeOf(
  before: {
    readonly min?: number | undefined;
    readonly max?: number | undefined;
  },
  now: { readonly min?: number | undefined; readonly max?: number | undefined },
): Pick<ColumnDrift, "min" | "max"> {
  const { min = now.min, max = now.max } = before;
  return min === undefined || max === undefined ? {} : {
    min: Math.min(min, now.min ?? min),
    max: Math.max(max, now.max ?? max),
  };
}

function toSeverity(
  drift: Omit<ColumnDrift, "severity" | "reasons">,
  limits: Thresholds,
): Pick<ColumnDrift, "severity" | "reasons"> {
  const { n_ref, n_cur, psi = 0, psi_noise_limit = 0, ks = 0, p_adjusted = 1 } =
    drift;
  if (Math.min(n_ref, n_cur) < limits.min_rows) {
    const reason =
      `${n_ref} and ${n_cur} rows, at least ${limits.min_rows} of each are needed`;
    return { severity: "not-enough-data", reasons: [reason] };
  }
  if (drift.kind === "group") return toGroupSeverity(drift, limits);
  const outside = drift.out_of_range ?? 0;
  const missingChange = Math.abs(drift.missing_cur - drift.missing_ref);
  const findings = [
    {
      severity: psi > psi_noise_limit ? band(psi, limits.psi) : "ok",
      reason: `PSI ${psi.toFixed(3)} (noise limit ${
        psi_noise_limit.toFixed(3)
      })`,
    },
    {
      severity: ks >= limits.ks.distance ? certainty(p_adjusted, limits) : "ok",
      reason: `KS distance ${ks.toFixed(3)}, adjusted p ${
        describeP(p_adjusted)
      }`,
    },
    {
      severity: missingChange > toMissingNoise(drift)
        ? band(missingChange, limits.missing_share_change)
        : "ok",
      reason: `missing ${percent(drift.missing_ref)} before, ${
        percent(drift.missing_cur)
      } now`,
    },
    {
      severity: outside > rangeNoise({ expectedRows: n_ref, actualRows: n_cur })
        ? band(outside, limits.out_of_range_share)
        : "ok",
      reason: `${percent(outside)} outside the reference's range`,
    },
  ] as const;
  return {
    severity: worst(findings.map(({ severity }) => severity)),
    reasons: findings.filter(({ severity }) => severity !== "ok")
      .map(({ reason }) => reason),
  };
}

/** Judges a group: the effect is its PSI or the share of rows that changed category, and the chi-square test must exclude chance. */
function toGroupSeverity(
  drift: Omit<ColumnDrift, "severity" | "reasons">,
  limits: Thresholds,
): Pick<ColumnDrift, "severity" | "reasons"> {
  const { psi = 0, psi_noise_limit = 0, p_adjusted = 1 } = drift;
  const { distance = 0, distance_noise = 0 } = drift;
  const effect = worst([
    psi > psi_noise_limit ? band(psi, limits.psi) : "ok",
    distance - distance_noise >= limits.group.distance ? "fail" : "ok",
  ]);
  const certain = certainty(p_adjusted, limits);
  if (effect === "ok" || certain === "ok") {
    return { severity: "ok", reasons: [] };
  }
  return {
    severity: effect === "fail" && certain === "fail" ? "fail" : "warn",
    reasons: [
      `PSI ${psi.toFixed(3)} (noise limit ${psi_noise_limit.toFixed(3)}), ${
        percent(distance)
      } of the rows changed category (${
        percent(distance_noise)
      } by chance), chi-square ${drift.chi_square?.toFixed(1)}, adjusted p ${
        describeP(p_adjusted)
      }`,
      describeLargestChange(drift),
    ],
  };
}

function certainty(
  pAdjusted: number,
  { p_adjusted: { warn, fail } }: Thresholds,
): "ok" | "warn" | "fail" {
  if (pAdjusted < fail) return "fail";
  return pAdjusted < warn ? "warn" : "ok";
}

function describeLargestChange(
  { categories = [], counts_ref, counts_cur, n_ref, n_cur }: Omit<
    ColumnDrift,
    "severity" | "reasons"
  >,
): string {
  const changes = categories.map((category, index) => ({
    category,
    before: counts_ref[index]! / n_ref,
    now: counts_cur[index]! / n_cur,
  }));
  const { category, before, now } = changes.reduce((most, each) =>
    Math.abs(each.now - each.before) > Math.abs(most.now - most.before)
      ? each
      : most
  );
  return `${category}: ${percent(before)} before, ${percent(now)} now`;
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

function toMissingNoise(
  { n_ref, n_cur, missing_ref, missing_cur }: Pick<
    ColumnDrift,
    "n_ref" | "n_cur" | "missing_ref" | "missing_cur"
  >,
): number {
  return shareNoise(
    { count: missing_ref * n_ref, rows: n_ref },
    { count: missing_cur * n_cur, rows: n_cur },
  );
}

function conclude(
  { features, groups = [], score, associations = [] }: {
    features?: readonly ColumnDrift[];
    groups?: readonly ColumnDrift[];
    score: ColumnDrift | undefined;
    associations?: readonly AssociationDrift[] | undefined;
  },
  limits: Thresholds,
): Pick<DriftComparison, "severity" | "reasons" | "drifted_share"> {
  const judged = [...groups, ...features ?? []].filter((
    { severity, group },
  ) => severity !== "not-enough-data" && group === undefined);
  const failed = judged.filter(({ severity }) => severity === "fail");
  const share = judged.length > 0 ? failed.length / judged.length : undefined;
  const reasons = [
    share === undefined
      ? "no feature has enough rows"
      : `${failed.length} of ${judged.length} features drifted${
        describeNames(failed)
      }`,
    score
      ? `score ${score.severity}: ${describeStability(score)}`
      : "the reference has no scores",
    ...associations.slice(0, 3).map(({ reason }) => reason),
  ];
  const found = {
    reasons,
    ...(share === undefined ? {} : { drifted_share: share }),
  };
  const fails = score?.severity === "fail" ||
    associations.some(({ severity }) => severity === "fail") ||
    (share ?? 0) >= limits.drifted_share.fail ||
    failed.some((column) =>
      isImportant(column.importance, limits) &&
      Math.min(column.n_ref, column.n_cur) >=
        limits.drifted_share.min_rows_for_one
    );
  if (fails) return { severity: "fail", ...found };
  if (!features || !score) return { severity: "unknown", ...found };
  if (judged.length === 0) return { severity: "not-enough-data", ...found };
  const isQuiet = associations.length === 0 &&
    [...judged, score].every(({ severity }) => severity === "ok");
  return { severity: isQuiet ? "ok" : "warn", ...found };
}

/**
 * Returns whether a failing column fails its verdict: if enough of the scores'
 * dependence on the features is on it, or nothing is known of that.
 */
export function isImportant(
  importance: number | undefined,
  limits: Pick<Thresholds, "importance">,
): boolean {
  return importance === undefined || importance >= limits.importance;
}

function describeStability({ psi, psi_noise_limit }: ColumnDrift): string {
  return psi === undefined || psi_noise_limit === undefined
    ? "no values to compare"
    : `PSI ${psi.toFixed(3)} (noise limit ${psi_noise_limit.toFixed(3)})`;
}

/** Returns the stability index by which columns are sorted; one without values comes first. */
export function toPsi({ psi = Infinity }: Pick<ColumnDrift, "psi">): number {
  return psi;
}

/** Names the failed columns, of which one is enough for a failure. */
function describeNames(failed: readonly ColumnDrift[]): string {
  if (failed.length === 0) return "";
  const most = 3;
  const names = [...failed].sort((a, b) => toPsi(b) - toPsi(a)).slice(0, most)
    .map(({ name }) => name).join(", ");
  return ` (${names}${failed.length > most ? ", …" : ""})`;
}

function worst(severities: readonly ("ok" | "warn" | "fail")[]): Severity {
  return (["fail", "warn"] as const).find((each) =>
    severities.includes(each)
  ) ??
    "ok";
}

/**
 * Formats a p-value for display.
 *
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 *
 * strictEqual(describeP(0), "< 0.0001");
 * ```
 */
export function describeP(p: number): string {
  return p < 0.0001 ? "< 0.0001" : p.toPrecision(2);
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

function total(counts: readonly number[]): number {
  return counts.reduce((sum, count) => sum + count, 0);
}
