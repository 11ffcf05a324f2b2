/** Judges whether a batch keeps the contract of its data. A broken delivery is repaired at its source; a new model would learn from it. */
import { countOf } from "../base/phrases.ts";
import { type Names, usualNames } from "../config/names.ts";
import { shareNoise } from "../statistics/drift.ts";
import {
  binOf,
  type ColumnCounts,
  rowsOf,
  total,
} from "../statistics/column-counts.ts";
import type { RecordedRecipe } from "../rows/recipe.ts";
import type { ColumnProfile } from "../statistics/profile.ts";
import { areImportant } from "./column-drift.ts";
import { type Thresholds, thresholds } from "../config/monitoring.ts";
import { groupName } from "./groups.ts";
import { percent } from "./numbers.ts";
import { band, type Severity } from "./verdict.ts";

/** One broken rule of the contract. */
export interface DataFinding {
  readonly check:
    | "constant"
    | "zeroed"
    | "missing"
    | "scale"
    | "unseen"
    | "rows"
    | "duplicate"
    | "late";
  /** The model's column, or the raw column for `unseen`; absent for what is true of all columns. */
  readonly column?: string | undefined;
  /** What a finding without a column is about, if the variant has other names for it. */
  readonly subject?: string | undefined;
  readonly severity: "warn" | "fail";
  /** The numbers and the limits, in one sentence. */
  readonly reason: string;
}

/** The verdict on a batch's data. */
export interface DataVerdict {
  readonly severity: Severity;
  /** Failures first. */
  readonly findings: readonly DataFinding[];
}

/** A column of the reference, and what was counted of it. */
export interface JudgedColumn {
  readonly profile: ColumnProfile;
  readonly counts: ColumnCounts;
  /** Share of the model's scores that depends on it; undefined if unknown. */
  readonly importance: number | undefined;
}

/** What the verdict on the data is derived from. */
export interface JudgedBatch {
  readonly rows: number;
  /** The columns of the reference that are judged, and what was counted of each; undefined when the rows or a reference are missing. */
  readonly columns: readonly JudgedColumn[] | undefined;
  /** Share of rows whose category the model does not know, by raw column. */
  readonly unseen: Readonly<Record<string, number>>;
  /** The same share of the reference; a column that it lacks has 0. */
  readonly unseenBefore?: Readonly<Record<string, number>> | undefined;
  /** Rows of the runs of earlier periods. */
  readonly earlierRows: readonly number[];
  /** Players of more than one row; undefined if they were not counted. */
  readonly duplicatePlayers?: number | undefined;
  /** Rows beyond the first of their player; undefined if only the players were counted. */
  readonly repeatedRows?: number | undefined;
  /** What the variant calls its rows; players by default. */
  readonly names?: Names | undefined;
  /** Days from the period's first day until it was scored, and the most that are expected; undefined without an expectation. */
  readonly delay?:
    | { readonly days: number; readonly maxDays: number }
    | undefined;
}

/**
 * Returns the verdict on the data of a batch: each column against the model's
 * reference, the categories, and the number of rows against the median of
 * earlier runs (of an even number, the lower of the two middle values). Too few rows are not judged.
 *
 * @param limits The variant's thresholds.
 */
export function judgeData(
  batch: JudgedBatch,
  limits: Thresholds = thresholds,
): DataVerdict {
  const findings = [
    ...judgeRows(batch, limits),
    ...judgeDuplicates(batch, limits),
    ...judgeDelay(batch),
    ...judgeUnseen(batch, limits),
    ...(batch.columns ?? []).flatMap((column) => judgeColumn(column, limits)),
  ].sort((a, b) =>
    Number(b.severity === "fail") - Number(a.severity === "fail")
  );
  if (findings.length > 0) {
    return { severity: worstOf(findings, { ...batch, limits }), findings };
  }
  const { rows, columns } = batch;
  const isFew = rows < limits.min_rows || (columns?.length ?? 0) > 0 &&
      !columns?.some((column) => hasEnoughRows(column, limits));
  if (isFew) return { severity: "not-enough-data", findings };
  return { severity: columns ? "ok" : "unknown", findings };
}

/** Returns the verdict on findings: failing columns that the model hardly uses, all together, only warn. */
function worstOf(
  findings: readonly DataFinding[],
  { columns = [], limits }: Pick<JudgedBatch, "columns"> & {
    limits: Thresholds;
  },
): "warn" | "fail" {
  const failed = new Set(
    findings.filter(({ severity }) => severity === "fail").map(subjectOf),
  );
  const known = new Map(
    columns.map(({ profile, importance }) => [profile.name, importance]),
  );
  const importances = [...failed].map((subject) => known.get(subject));
  return areImportant(importances, limits) ? "fail" : "warn";
}

const subjects: Partial<Record<DataFinding["check"], string>> = {
  rows: "number of rows",
  duplicate: "duplicate players",
  late: "delivery",
};

/** Returns what a finding is about: its column, or in words what is true of all columns. */
export function subjectOf({ check, column, subject }: DataFinding): string {
  return column ?? subject ?? subjects[check] ?? check;
}

/**
 * Returns a finding as one sentence that names its column.
 *
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 *
 * const finding = { check: "missing", column: "total_ngr", severity: "fail", reason: "missing 0.0 % before, 40.0 % now" } as const;
 * strictEqual(describeFinding(finding), "total_ngr fails: missing 0.0 % before, 40.0 % now");
 * ```
 */
export function describeFinding(finding: DataFinding): string {
  return `${subjectOf(finding)} ${finding.severity}s: ${finding.reason}`;
}

/**
 * Returns the columns that {@linkcode judgeData} judges: all but the one-hot
 * columns of the recipe, for a category that no player has now is drift.
 */
export function toJudgedColumns(
  profiles: readonly ColumnProfile[],
  counts: readonly ColumnCounts[],
  options: {
    recipe?: RecordedRecipe | undefined;
    importance?: readonly number[] | undefined;
  },
): JudgedColumn[] {
  const encoded = new Set(
    (options.recipe?.one_hot ?? []).flatMap(({ prefix, categories }) =>
      categories.map((category) => prefix + category)
    ),
  );
  return profiles.map((profile, index) => ({
    profile,
    counts: counts[index]!,
    importance: options.importance?.[index],
  }))
    .filter(({ profile }) => !encoded.has(profile.name));
}

/** Returns the columns with a finding on their data, and the groups whose raw column has one: their drift is that finding's. */
export function brokenColumns(
  { findings }: DataVerdict,
  { recipe }: { recipe?: RecordedRecipe | undefined },
): string[] {
  const columns = findings.flatMap(({ column }) => column ?? []);
  const groups = (recipe?.one_hot ?? [])
    .filter(({ column }) => columns.includes(column))
    .map(({ prefix }) => groupName(prefix));
  return [...columns, ...groups];
}

function judgeRows(
  { rows, earlierRows }: JudgedBatch,
  limits: Thresholds,
): DataFinding[] {
  const sorted = earlierRows.toSorted((a, b) => a - b);
  const usual = sorted[Math.floor((sorted.length - 1) / 2)];
  if (usual === undefined) return [];
  const change = Math.max(rows / usual, usual / rows);
  const severity = band(change, limits.rows_ratio);
  if (severity === "ok") return [];
  const { warn, fail } = limits.rows_ratio;
  return [{
    check: "rows",
    severity,
    reason: `${rows} rows, ${usual} in the median of ${
      countOf(sorted.length, "earlier run")
    } (warns at a factor of ${warn}, fails at ${fail})`,
  }];
}

function judgeDuplicates(
  {
    rows,
    duplicatePlayers = 0,
    repeatedRows = duplicatePlayers,
    names = usualNames,
  }: JudgedBatch,
  limits: Thresholds,
): DataFinding[] {
  if (rows < limits.min_rows) return [];
  // A join that multiplies the rows of a few players is a fault of many rows.
  const share = repeatedRows / rows;
  const severity = band(share, limits.duplicate_share);
  if (severity === "ok") return [];
  const reason =
    `${repeatedRows} rows repeat one of ${duplicatePlayers} ${names.entities}, ${
      percent(share)
    } of ${rows} rows ${limitsOf(limits.duplicate_share)}`;
  const { entities } = names;
  const subject = entities === usualNames.entities
    ? undefined
    : `duplicate ${entities}`;
  return [{ check: "duplicate", subject, severity, reason }];
}

function judgeDelay({ delay }: JudgedBatch): DataFinding[] {
  if (!delay || delay.days <= delay.maxDays) return [];
  const reason =
    `scored ${delay.days} days after the period began, at most ${delay.maxDays} are expected (expect.max_age_days)`;
  return [{ check: "late", severity: "warn", reason }];
}

function judgeUnseen(
  { rows, unseen, unseenBefore = {} }: JudgedBatch,
  limits: Thresholds,
): DataFinding[] {
  if (rows < limits.min_rows) return [];
  return Object.entries(unseen).flatMap(([column, share]): DataFinding[] => {
    const before = unseenBefore[column] ?? 0;
    const severity = band(share - before, limits.unseen_share_rise);
    if (severity === "ok") return [];
    const reason = `${percent(share)} of rows have a category of ${column} ` +
      `that the model does not know, ${percent(before)} before ${
        limitsOf(limits.unseen_share_rise)
      }`;
    return [{ check: "unseen", column, severity, reason }];
  });
}

/** Returns the findings on one column. A constant column is not reported a second time for its zeros or its scale. */
function judgeColumn(column: JudgedColumn, limits: Thresholds): DataFinding[] {
  if (!hasEnoughRows(column, limits)) return [];
  const { profile, counts } = column;
  const missing = judgeMissing(profile, counts, limits);
  const constant = judgeConstant(profile, counts, limits);
  if (constant) return [...missing, constant];
  const zeroed = judgeZeros(profile, counts, limits);
  const scale = judgeScale(profile, counts, limits);
  return [...missing, ...zeroed ? [zeroed] : [], ...scale ? [scale] : []];
}

function hasEnoughRows(
  { profile, counts }: JudgedColumn,
  limits: Thresholds,
): boolean {
  return Math.min(rowsOf(counts), rowsOf(profile)) >= limits.min_rows;
}

function judgeMissing(
  profile: ColumnProfile,
  counts: ColumnCounts,
  limits: Thresholds,
): DataFinding[] {
  const before = { count: profile.missing, rows: rowsOf(profile) };
  const now = { count: counts.missing, rows: rowsOf(counts) };
  const shares = [before.count / before.rows, now.count / now.rows] as const;
  const change = Math.abs(shares[1] - shares[0]);
  const severity = change > shareNoise(before, now)
    ? band(change, limits.missing_share_change)
    : "ok";
  if (severity === "ok") return [];
  const reason = `missing ${percent(shares[0])} before, ${
    percent(shares[1])
  } now ${limitsOf(limits.missing_share_change)}`;
  return [{ check: "missing", column: profile.name, severity, reason }];
}

/** Finds a column with a single value, unless the reference's share of that value makes it likely. */
function judgeConstant(
  profile: ColumnProfile,
  { min, max, counts }: ColumnCounts,
  limits: Thresholds,
): DataFinding | undefined {
  if (min === undefined || min !== max || profile.min === profile.max) {
    return undefined;
  }
  const known = total(profile.counts);
  const share = known === 0
    ? 0
    : profile.counts[binOf(profile.edges, min)]! / known;
  if (share ** total(counts) >= limits.constant_chance) return undefined;
  return {
    check: "constant",
    column: profile.name,
    severity: "fail",
    reason:
      `every value is ${min}; the reference has ${profile.min} to ${profile.max}`,
  };
}

function judgeZeros(
  profile: ColumnProfile,
  { zeros, counts }: ColumnCounts,
  limits: Thresholds,
): DataFinding | undefined {
  // A flag that is 0 more often is drift, not a fault of the data.
  if (profile.kind === "category") return undefined;
  const before = { count: mostZeros(profile), rows: total(profile.counts) };
  const now = { count: zeros, rows: total(counts) };
  if (before.rows === 0 || now.rows === 0) return undefined;
  const rise = now.count / now.rows - before.count / before.rows;
  if (rise <= shareNoise(before, now)) return undefined;
  const severity = band(rise, limits.zero_share_rise);
  if (severity === "ok") return undefined;
  return {
    check: "zeroed",
    column: profile.name,
    severity,
    reason: `${percent(before.count / before.rows)} zeros before, ${
      percent(now.count / now.rows)
    } now ${limitsOf(limits.zero_share_rise)}`,
  };
}

/** Compares the mean of the values that are not zero; only of columns without negative values, whose mean is not near zero. */
function judgeScale(
  profile: ColumnProfile,
  { zeros, counts, sum, min = 0 }: ColumnCounts,
  limits: Thresholds,
): DataFinding | undefined {
  const known = total(profile.counts);
  const used = total(counts) - zeros;
  const { mean = 0, min: least = -1 } = profile;
  if (least < 0 || min < 0 || mean <= 0 || used < limits.scale.values) {
    return undefined;
  }
  const zerosBefore = profile.zeros ??
    (profile.edges[0] === 0 ? profile.counts[0]! : 0);
  const before = mean * known / (known - zerosBefore);
  const now = sum / used;
  const ratio = now / before;
  const { factor } = limits.scale;
  if (ratio < factor && ratio > 1 / factor) return undefined;
  return {
    check: "scale",
    column: profile.name,
    severity: "fail",
    reason: `values other than 0 are ${number(now)} on average, ${
      number(before)
    } before: ${number(ratio)} times (fails at ${factor} times or 1/${factor})`,
  };
}

/** Returns the zeros of the reference; of one that did not count them the largest possible number, all values of the bin that contains 0. */
function mostZeros(profile: ColumnProfile): number {
  if (profile.zeros !== undefined) return profile.zeros;
  const { min = 1, max = -1 } = profile;
  return min > 0 || max < 0 ? 0 : profile.counts[binOf(profile.edges, 0)]!;
}

function limitsOf({ warn, fail }: { warn: number; fail: number }): string {
  return `(warns at ${percent(warn)}, fails at ${percent(fail)})`;
}

function number(value: number): string {
  return String(Number(value.toPrecision(3)));
}
