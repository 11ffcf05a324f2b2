/** Compares all columns, groups and scores of two samples and derives the verdict on the comparison. */
import { type Thresholds, thresholds } from "../config/monitoring.ts";
import type { CountedRows } from "../statistics/batch-profile.ts";
import type { Profile, ReferenceProfile } from "../statistics/profile.ts";
import {
  associationChanges,
  type AssociationSums,
} from "../statistics/associations.ts";
import { areImportant, type ColumnDrift } from "./column-drift.ts";
import { countGroup, type Group } from "./groups.ts";
import { cusumOf, judge, toGroupSamples } from "./measure-columns.ts";
import {
  band,
  isAlarm,
  type Judgement,
  type Severity,
  worstFirst,
} from "./verdict.ts";

/** The comparison of all columns with one other sample. */
export interface DriftComparison extends Judgement {
  /** `baseline`: the model's reference. `consecutive`: the previous scoring run. */
  readonly comparison: "baseline" | "consecutive";
  /** Share of failed features and groups among those that could be judged; absent when there are none. */
  readonly drifted_share?: number | undefined;
  /** Absent when the rows of either sample are not available. */
  readonly features?: readonly ColumnDrift[] | undefined;
  /** Absent like the features, and in a result of an earlier release. */
  readonly groups?: readonly ColumnDrift[] | undefined;
  /** Pairs of columns whose rank correlation changed; absent when it was not measured. */
  readonly associations?: readonly AssociationDrift[] | undefined;
  /** Absent when the reference has no scores. */
  readonly score?: ColumnDrift | undefined;
  /** Share of scores above 0.5, which predict churn, in the reference and now. */
  readonly above_half?:
    | { readonly ref: number; readonly cur: number }
    | undefined;
}

/**
 * Compares the current rows with another sample's profile. P-values are adjusted
 * over all columns and groups, including the score. The columns of a group are
 * not judged themselves.
 *
 * @param current Rows counted in the bins of the reference.
 * @param reference The profile; it must have the features of `current`, in the same order.
 * @param options `groups`: the one-hot groups of the recipe, none by default; `past`: earlier periods in the same bins, oldest first, of which a sustained shift is found;
 * `importance`: that of each feature, see {@linkcode areImportant}; by default all are important;
 * `limits`: the variant's thresholds.
 */
export function compareWith(
  reference: Omit<Profile, "features"> & {
    readonly features?: Profile["features"] | undefined;
    readonly associations?: ReferenceProfile["associations"];
  },
  current: CountedRows,
  { comparison, groups = [], past = [], importance, limits = thresholds }: {
    comparison: DriftComparison["comparison"];
    groups?: readonly Group[];
    past?: readonly Pick<CountedRows, "features" | "score">[];
    importance?: readonly number[] | undefined;
    limits?: Thresholds;
  },
): DriftComparison {
  const { features: profiles, score: scoreProfile } = reference;
  const counts = current.features;
  const periods = [...past, current];
  const columns = profiles && counts && profiles.map((profile, index) => ({
    profile,
    counts: counts[index]!,
    importance: importance?.[index],
    cusum: cusumOf(
      profile,
      periods.map(({ features }) => features?.[index]),
      limits.cusum,
    ),
  }));
  const grouped = columns
    ? groups.flatMap((group) => {
      const found = countGroup(group, columns);
      return found ? [{ ...found, ...group }] : [];
    })
    : [];
  const groupOf = new Map(
    grouped.flatMap(({ name, members }) =>
      members.map((index) => [index, name] as const)
    ),
  );
  const scores = scoreProfile && current.score
    ? [{
      profile: scoreProfile,
      counts: current.score,
      cusum: cusumOf(
        scoreProfile,
        periods.map(({ score }) => score),
        limits.cusum,
      ),
    }]
    : [];
  const [judged, judgedGroups, [score] = []] = judge([
    columns?.map((column, index) => ({
      ...column,
      group: groupOf.get(index),
    })) ?? [],
    grouped.map((group) => toGroupSamples(group, columns ?? [])),
    scores,
  ], limits);
  const found = columns ? { features: judged, groups: judgedGroups } : {};
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
    associations,
    score,
    above_half: scoreProfile && current.rows > 0
      ? {
        ref: scoreProfile.aboveHalf / reference.rows,
        cur: current.aboveHalf / current.rows,
      }
      : undefined,
  };
}

function conclude(
  { features, groups = [], score, associations = [] }: {
    features?: readonly ColumnDrift[] | undefined;
    groups?: readonly ColumnDrift[] | undefined;
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
  const found = { reasons, drifted_share: share };
  const fails = score?.severity === "fail" ||
    associations.some(({ severity }) => severity === "fail") ||
    (share ?? 0) >= limits.drifted_share.fail ||
    areImportant(
      failed.filter(({ n_ref, n_cur }) =>
        Math.min(n_ref, n_cur) >= limits.drifted_share.min_rows_for_one
      ).map(({ importance }) => importance),
      limits,
    );
  if (fails) return { severity: "fail", ...found };
  if (!features || !score) return { severity: "unknown", ...found };
  if (judged.length === 0) return { severity: "not-enough-data", ...found };
  const isQuiet = associations.length === 0 &&
    [...judged, score].every(({ severity }) => severity === "ok");
  return { severity: isQuiet ? "ok" : "warn", ...found };
}

function describeStability({ psi, psi_noise_limit }: ColumnDrift): string {
  return psi === undefined || psi_noise_limit === undefined
    ? "no values to compare"
    : `PSI ${psi.toFixed(3)} (noise limit ${psi_noise_limit.toFixed(3)})`;
}

/** Names the failed columns, of which one is enough for a failure. */
function describeNames(failed: readonly ColumnDrift[]): string {
  if (failed.length === 0) return "";
  const most = 3;
  const names = [...failed].sort((a, b) => toPsi(b) - toPsi(a)).slice(0, most)
    .map(({ name }) => name).join(", ");
  return ` (${names}${failed.length > most ? ", …" : ""})`;
}

/** Returns the groups and the features that are not part of one; none without a comparison. */
export function judgedColumns(
  comparison: Pick<DriftComparison, "groups" | "features"> | undefined,
): ColumnDrift[] {
  const { groups = [], features = [] } = comparison ?? {};
  return [
    ...groups,
    ...features.filter(({ group }) => group === undefined),
  ];
}

/** Returns the columns and groups that warn or fail, worst first. */
export function alarmingColumns(
  comparison: DriftComparison | undefined,
): ColumnDrift[] {
  return sortedByConcern(judgedColumns(comparison))
    .filter(({ severity }) => isAlarm(severity));
}

/** Sorts columns by severity, worst first, then by stability index, largest first. */
export function sortedByConcern(
  columns: readonly ColumnDrift[],
): ColumnDrift[] {
  return columns.toSorted((a, b) =>
    worstFirst.indexOf(a.severity) - worstFirst.indexOf(b.severity) ||
    toPsi(b) - toPsi(a)
  );
}

/** Returns the columns and groups that failed, and "the score" first if it did. A changed correlation is none: most often values belong to other rows, which a new model would learn. */
export function failedColumns(
  comparison: DriftComparison | undefined,
): Pick<ColumnDrift, "name" | "importance">[] {
  const { features = [], groups = [], score } = comparison ?? {};
  const failed = [...groups, ...features]
    .filter(({ severity }) => severity === "fail");
  return score?.severity === "fail"
    ? [{ name: "the score" }, ...failed]
    : failed;
}

/**
 * Returns the names of what failed in two adjacent periods; none if the model
 * hardly depends on all of it together.
 *
 * @param options `before`: the names of what failed in the period before; `broken`: columns whose data is broken, which do not count.
 */
export function lastingColumns(
  comparison: DriftComparison | undefined,
  { before, broken, limits = thresholds }: {
    before: readonly string[];
    broken: readonly string[];
    limits?: Thresholds;
  },
): string[] {
  const lasting = failedColumns(comparison).filter(({ name }) =>
    before.includes(name) && !broken.includes(name)
  );
  const importances = lasting.map(({ importance }) => importance);
  return areImportant(importances, limits)
    ? lasting.map(({ name }) => name)
    : [];
}

/** Returns the stability index by which columns are sorted; one without values comes first. */
function toPsi({ psi = Infinity }: ColumnDrift): number {
  return psi;
}

/** A changed pair of columns, with the fields of the JSON report. */
export interface AssociationDrift {
  readonly columns: readonly [string, string];
  readonly severity: "warn" | "fail";
  /** Rank correlation in the reference and now. */
  readonly correlation_ref: number;
  readonly correlation_cur: number;
  readonly reason: string;
}

/**
 * Returns the pairs whose correlation changed: by at least the limit, and beyond
 * the standard errors that the number of pairs asks for. The largest change first.
 *
 * @param reference `features`: the watched features; `names`: all features'.
 */
export function judgeAssociations(
  reference: AssociationSums & {
    readonly features: readonly number[];
    readonly names: readonly string[];
  },
  current: AssociationSums,
  { association, min_rows }: Pick<Thresholds, "association" | "min_rows">,
): AssociationDrift[] {
  if (Math.min(reference.rows, current.rows) < min_rows) return [];
  return associationChanges(reference, current)
    .filter(({ errors }) => errors > association.errors)
    .toSorted((a, b) => sizeOf(b) - sizeOf(a))
    .flatMap((change) => {
      const severity: Severity = band(sizeOf(change), association);
      if (severity === "ok") return [];
      const { pair, before, now } = change;
      const nameOf = (position: number) =>
        reference.names[reference.features[position]!]!;
      const columns = [nameOf(pair[1]), nameOf(pair[0])] as const;
      return [{
        columns,
        severity,
        correlation_ref: before,
        correlation_cur: now,
        reason: `${columns[0]} with ${
          columns[1]
        } ${severity}s: rank correlation ${before.toFixed(2)} before, ${
          now.toFixed(2)
        } now (warns at a change of ${association.warn}, fails at ${association.fail})`,
      }];
    });
}

function sizeOf({ before, now }: { before: number; now: number }): number {
  return Math.abs(now - before);
}
