/** Measures the drift of every column between two samples and derives the verdict on the comparison; every verdict includes its numbers. */
import {
  adjustPValues,
  kolmogorovSmirnov,
  rangeNoise,
  shareNoise,
  stabilityIndex,
  stabilityNoise,
  type TestResult,
} from "../statistics/drift.ts";
import {
  type ColumnCounts,
  meanOf,
  rowsOf,
} from "../statistics/column-counts.ts";
import type { ColumnProfile, Profile } from "../statistics/profile.ts";
import { band, type Severity, thresholds } from "./verdict.ts";

/** One column in both samples, with the fields of the JSON report; unknown numbers are absent. */
export interface ColumnDrift {
  readonly name: string;
  readonly kind: "numeric" | "category";
  readonly severity: Severity;
  /** One sentence per exceeded threshold, with its numbers. */
  readonly reasons: readonly string[];
  readonly n_ref: number;
  readonly n_cur: number;
  readonly psi: number;
  readonly psi_noise: number;
  readonly psi_noise_limit: number;
  readonly ks?: number;
  readonly p_value?: number;
  readonly p_adjusted?: number;
  readonly missing_ref: number;
  readonly missing_cur: number;
  /** Share of the current values below the smallest or above the largest of the reference. */
  readonly out_of_range?: number;
  readonly mean_ref?: number;
  readonly mean_cur?: number;
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
  /** Share of failed features among those that could be judged; absent when there are none. */
  readonly drifted_share?: number;
  /** Absent when the rows of either sample are not available. */
  readonly features?: readonly ColumnDrift[];
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
}

/**
 * Compares the current rows with another sample's profile. P-values are adjusted
 * over all columns, including the score.
 *
 * @param reference The profile; it must have the features of `current`, in the same order.
 */
export function compareWith(
  reference: Omit<Profile, "features"> & {
    readonly features?: Profile["features"] | undefined;
  },
  current: CurrentRows,
  comparison: DriftComparison["comparison"],
): DriftComparison {
  const { features: counted } = current;
  const measured = (counted ? reference.features ?? [] : []).map((
    profile,
    index,
  ) => measure(profile, counted![index]!));
  const ofScore = reference.score && current.score
    ? [measure(reference.score, current.score)]
    : [];
  const judged = judge([...measured, ...ofScore]);
  const score = judged[measured.length];
  const features = counted && reference.features
    ? judged.slice(0, measured.length)
    : undefined;
  return {
    comparison,
    ...conclude({ features, score }),
    ...(features ? { features } : {}),
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

interface Measured {
  readonly profile: ColumnProfile;
  readonly counts: ColumnCounts;
  readonly rows: { readonly expectedRows: number; readonly actualRows: number };
  readonly ks: TestResult | undefined;
}

function measure(profile: ColumnProfile, counts: ColumnCounts): Measured {
  const actualRows = rowsOf(counts);
  const known = actualRows - counts.missing;
  const expectedRows = total(profile.counts) + profile.missing;
  return {
    profile,
    counts,
    rows: { expectedRows, actualRows },
    ks: known > 0 && expectedRows > profile.missing
      ? kolmogorovSmirnov(profile.counts, counts.counts)
      : undefined,
  };
}

/** Returns the drift of all columns of one comparison, whose p-values are adjusted together. */
function judge(columns: readonly Measured[]): ColumnDrift[] {
  const tested = columns.filter(({ ks }) => ks !== undefined);
  const adjusted = adjustPValues(tested.map(({ ks }) => ks!.pValue));
  return columns.map((column) =>
    toDrift(column, adjusted[tested.indexOf(column)])
  );
}

function toDrift(
  { profile, counts, rows, ks }: Measured,
  pAdjusted: number | undefined,
): ColumnDrift {
  const { expectedRows, actualRows } = rows;
  // Missing values are a separate bin, which counts as used if either sample has any.
  const before = [...profile.counts, profile.missing];
  const after = [...counts.counts, counts.missing];
  const used = before.filter((count, bin) => count + after[bin]! > 0).length;
  const noise = stabilityNoise(used, rows);
  const known = actualRows - counts.missing;
  const mean = meanOf(counts);
  const drift = {
    name: profile.name,
    kind: profile.kind,
    n_ref: expectedRows,
    n_cur: actualRows,
    psi: stabilityIndex(before, after),
    psi_noise: noise.expected,
    psi_noise_limit: noise.limit,
    ...(ks ? { ks: ks.statistic, p_value: ks.pValue } : {}),
    ...(pAdjusted === undefined ? {} : { p_adjusted: pAdjusted }),
    missing_ref: profile.missing / expectedRows,
    missing_cur: counts.missing / actualRows,
    ...(known > 0 && profile.min !== undefined
      ? { out_of_range: counts.outOfRange / known }
      : {}),
    ...(profile.mean === undefined ? {} : { mean_ref: profile.mean }),
    ...(mean === undefined ? {} : { mean_cur: mean }),
    edges: profile.edges,
    counts_ref: profile.counts,
    counts_cur: counts.counts,
  };
  return { ...drift, ...toSeverity(drift) };
}

function toSeverity(
  drift: Omit<ColumnDrift, "severity" | "reasons">,
): Pick<ColumnDrift, "severity" | "reasons"> {
  const { n_ref, n_cur, psi, psi_noise_limit, ks = 0, p_adjusted = 1 } = drift;
  if (Math.min(n_ref, n_cur) < thresholds.min_rows) {
    const reason =
      `${n_ref} and ${n_cur} rows, at least ${thresholds.min_rows} of each are needed`;
    return { severity: "not-enough-data", reasons: [reason] };
  }
  const outside = drift.out_of_range ?? 0;
  const missingChange = Math.abs(drift.missing_cur - drift.missing_ref);
  const findings = [
    {
      severity: psi > psi_noise_limit ? band(psi, thresholds.psi) : "ok",
      reason: `PSI ${psi.toFixed(3)} (noise limit ${
        psi_noise_limit.toFixed(3)
      })`,
    },
    {
      severity: ks >= thresholds.ks.distance &&
          p_adjusted < thresholds.ks.p_adjusted
        ? "fail"
        : "ok",
      reason: `KS distance ${ks.toFixed(3)}, adjusted p ${
        describeP(p_adjusted)
      }`,
    },
    {
      severity: missingChange > toMissingNoise(drift)
        ? band(missingChange, thresholds.missing_share_change)
        : "ok",
      reason: `missing ${percent(drift.missing_ref)} before, ${
        percent(drift.missing_cur)
      } now`,
    },
    {
      severity: outside > rangeNoise({ expectedRows: n_ref, actualRows: n_cur })
        ? band(outside, thresholds.out_of_range_share)
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
  { features, score }: {
    features: readonly ColumnDrift[] | undefined;
    score: ColumnDrift | undefined;
  },
): Pick<DriftComparison, "severity" | "reasons" | "drifted_share"> {
  const judged = (features ?? []).filter(({ severity }) =>
    severity !== "not-enough-data"
  );
  const failed = judged.filter(({ severity }) => severity === "fail");
  const share = judged.length > 0 ? failed.length / judged.length : undefined;
  const reasons = [
    share === undefined
      ? "no feature has enough rows"
      : `${failed.length} of ${judged.length} features drifted`,
    score
      ? `score ${score.severity}: PSI ${score.psi.toFixed(3)} (noise limit ${
        score.psi_noise_limit.toFixed(3)
      })`
      : "the reference has no scores",
  ];
  const found = {
    reasons,
    ...(share === undefined ? {} : { drifted_share: share }),
  };
  const fails = score?.severity === "fail" ||
    (share ?? 0) >= thresholds.drifted_share.fail;
  if (fails) return { severity: "fail", ...found };
  if (!features || !score) return { severity: "unknown", ...found };
  if (judged.length === 0) return { severity: "not-enough-data", ...found };
  const isQuiet = [...judged, score].every(({ severity }) => severity === "ok");
  return { severity: isQuiet ? "ok" : "warn", ...found };
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
