/** A column in two samples, and the verdict on its drift; every verdict includes its numbers. */
import type { Thresholds } from "../config/monitoring.ts";
import { rangeNoise, shareNoise } from "../statistics/drift.ts";
import type { Cusum } from "../statistics/cusum.ts";
import { percent, points } from "./numbers.ts";
import {
  band,
  type JudgedSeverity,
  type Judgement,
  worstSeverity,
} from "./verdict.ts";

/** One column, or one group of one-hot columns, in both samples, with the fields of the JSON report; unknown numbers are absent. */
export interface ColumnDrift extends Judgement {
  readonly name: string;
  /** `group`: the one-hot columns of a step of the recipe, as one column of categories. */
  readonly kind: "numeric" | "category" | "group";
  /** Name of the group that is judged in place of this one-hot column, whose severity is then `unknown`. */
  readonly group?: string | undefined;
  /** The categories of a group, in the order of the counts. */
  readonly categories?: readonly string[] | undefined;
  /** Share of the model's scores that depends on it; absent for the score, and if the model was logged without. */
  readonly importance?: number | undefined;
  readonly n_ref: number;
  readonly n_cur: number;
  /** Of the values that are not missing, without too small bins; absent, like its mean and 99.99 % quantile without drift, when either sample has no values. */
  readonly psi?: number | undefined;
  readonly psi_noise?: number | undefined;
  readonly psi_noise_limit?: number | undefined;
  readonly ks?: number | undefined;
  /** Of a group: Pearson's statistic, the share of rows that changed category (total variation), and its mean without drift. */
  readonly chi_square?: number | undefined;
  readonly distance?: number | undefined;
  readonly distance_noise?: number | undefined;
  readonly p_value?: number | undefined;
  readonly p_adjusted?: number | undefined;
  /** Cumulative sum of the shifts of the mean rank against the reference over periods, and the shift in this one; of a group, those of the category with the largest sum. */
  readonly cusum?: number | undefined;
  readonly cusum_periods?: number | undefined;
  readonly rank_shift?: number | undefined;
  readonly missing_ref: number;
  readonly missing_cur: number;
  /** Share of the current values below the smallest or above the largest of the reference. */
  readonly out_of_range?: number | undefined;
  readonly mean_ref?: number | undefined;
  readonly mean_cur?: number | undefined;
  /** Smallest and largest value of both samples; absent in a result of an earlier release. */
  readonly min?: number | undefined;
  readonly max?: number | undefined;
  readonly edges: readonly number[];
  readonly counts_ref: readonly number[];
  readonly counts_cur: readonly number[];
}

/** A column before it is judged. */
type MeasuredColumn = Omit<ColumnDrift, keyof Judgement>;

/** Returns the verdict on a column or group in one period, and one reason per exceeded threshold. */
export function toSeverity(
  drift: MeasuredColumn,
  limits: Thresholds,
): Judgement {
  const { n_ref, n_cur, psi = 0, psi_noise_limit = 0, ks = 0, p_adjusted = 1 } =
    drift;
  if (Math.min(n_ref, n_cur) < limits.min_rows) {
    const reason =
      `${n_ref} and ${n_cur} rows, at least ${limits.min_rows} of each are needed`;
    return { severity: "not-enough-data", reasons: [reason] };
  }
  if (drift.kind === "group") return toGroupSeverity(drift, limits);
  const outside = drift.out_of_range ?? 0;
  const { missing_ref, missing_cur } = drift;
  const missingChange = Math.abs(missing_cur - missing_ref);
  const missingNoise = shareNoise(
    { count: missing_ref * n_ref, rows: n_ref },
    { count: missing_cur * n_cur, rows: n_cur },
  );
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
      severity: missingChange > missingNoise
        ? band(missingChange, limits.missing_share_change)
        : "ok",
      reason: `missing ${percent(missing_ref)} before, ${
        percent(missing_cur)
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
    severity: worstSeverity(findings.map(({ severity }) => severity)),
    reasons: findings.filter(({ severity }) => severity !== "ok")
      .map(({ reason }) => reason),
  };
}

/** Judges a group: the effect is its PSI or the share of rows that changed category, and the chi-square test must exclude chance. */
function toGroupSeverity(
  drift: MeasuredColumn,
  limits: Thresholds,
): Judgement {
  const { psi = 0, psi_noise_limit = 0, p_adjusted = 1 } = drift;
  const { distance = 0, distance_noise = 0 } = drift;
  const effect = worstSeverity([
    psi > psi_noise_limit ? band(psi, limits.psi) : "ok",
    distance - distance_noise >= limits.group.distance ? "fail" : "ok",
  ]);
  const certain = certainty(p_adjusted, limits);
  const { category, before, now } = largestChange(drift);
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
      `${category}: ${percent(before)} before, ${percent(now)} now`,
    ],
  };
}

function certainty(
  pAdjusted: number,
  { p_adjusted: { warn, fail } }: Thresholds,
): JudgedSeverity {
  if (pAdjusted < fail) return "fail";
  return pAdjusted < warn ? "warn" : "ok";
}

/** Returns the category of a group whose share changed most, with its share in both samples. */
export function largestChange(
  { categories = [], counts_ref, counts_cur, n_ref, n_cur }: MeasuredColumn,
): { category: string; before: number; now: number } {
  const shares = categories.map((category, index) => ({
    category,
    before: (counts_ref[index] ?? 0) / n_ref,
    now: (counts_cur[index] ?? 0) / n_cur,
  }));
  const [first = { category: "", before: 0, now: 0 }] = shares.sort((a, b) =>
    Math.abs(b.now - b.before) - Math.abs(a.now - a.before)
  );
  return first;
}

/** A shift over periods; of a group, that of one of its categories. */
export type SustainedShift = Cusum & { readonly category?: string | undefined };

/** Returns the verdict of one period with that of all periods, whichever is worse. */
export function addCusum(
  judged: Judgement,
  { cusum, limits: { cusum: limits } }: {
    cusum: SustainedShift | undefined;
    limits: Thresholds;
  },
): Judgement {
  const { severity, reasons } = judged;
  if (!cusum?.isRising || severity === "not-enough-data") return judged;
  const sustained = band(cusum.sum, limits);
  if (sustained === "ok") return judged;
  const subject = cusum.category === undefined ? "" : `${cusum.category}: `;
  const reason = `${subject}shifted for ${cusum.periods} periods, mean rank ${
    points(cusum.shift)
  }, cumulative sum ${
    cusum.sum.toFixed(1)
  } (warns at ${limits.warn}, fails at ${limits.fail})`;
  return {
    severity: severity === "fail" ? severity : sustained,
    reasons: [...reasons, reason],
  };
}

/**
 * Returns whether failing columns fail their verdict: if enough of the scores'
 * dependence on the features is on all of them together, or nothing is known of
 * that for one of them.
 *
 * @param importances One share per failing column.
 */
export function areImportant(
  importances: readonly (number | undefined)[],
  limits: Pick<Thresholds, "importance">,
): boolean {
  const sum = importances.reduce<number>(
    (sum, share = Infinity) => sum + share,
    0,
  );
  return importances.length > 0 && sum >= limits.importance;
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
