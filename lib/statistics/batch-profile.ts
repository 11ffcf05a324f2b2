/** The profile of a scored batch in the bins of its model's reference: what `monitor` needs of the rows. */
import * as v from "../base/schema.ts";
import {
  type ColumnBins,
  ColumnCounter,
  type ColumnCounts,
  columnCounts,
  meanOf,
  mergeColumn,
} from "./column-counts.ts";
import {
  addAssociations,
  associationSums,
  type RankedColumn,
  sumAssociations,
  toRanked,
} from "./associations.ts";
import type { ColumnProfile, Profile, ReferenceProfile } from "./profile.ts";

/** The bins in which a batch is counted; plain data. */
export interface BatchBins {
  /** SHA-256 of the reference profile's file. */
  readonly reference: string;
  readonly features: readonly ColumnBins[];
  /** Undefined if the reference has no scores. */
  readonly score: ColumnBins | undefined;
  /** The columns whose rank correlations are summed; empty if the reference has none. */
  readonly ranked: readonly RankedColumn[];
}

const batchCounts = {
  rows: v.number(),
  features: v.array(columnCounts),
  score: v.optional(columnCounts),
  /** Scores above 0.5, which predict churn. */
  aboveHalf: v.number(),
  /** Absent if the reference has none. */
  associations: v.exactOptional(associationSums),
};

const batchProfile = v.object({
  version: v.literal(1),
  /** SHA-256 of the reference profile whose bins these are. */
  reference: v.string(),
  ...batchCounts,
  /** Rows whose category the model does not know, by raw column. */
  unknownCategories: v.record(v.number()),
});

type Parsed = Readonly<v.InferOutput<typeof batchProfile>>;

/** Counts of a part of a batch, or of all of it; plain data. */
export interface BatchCounts
  extends Omit<Pick<Parsed, keyof typeof batchCounts>, "score"> {
  /** Undefined if the reference has no scores. */
  readonly score: ColumnCounts | undefined;
}

/** The profile of a batch, as the ledger stores it. */
export interface BatchProfile
  extends BatchCounts, Pick<Parsed, Exclude<keyof Parsed, keyof BatchCounts>> {}

/** Counts of a batch whose features may be unknown. */
export type CountedRows = Omit<BatchCounts, "features"> & {
  /** In the order of the reference's features; undefined when the run has no profile and its rows cannot be read again. */
  readonly features: BatchCounts["features"] | undefined;
};

/**
 * Returns the share of rows whose category the model does not know, by raw column.
 */
export function toUnknownShares(
  { rows, unknownCategories }: Pick<BatchProfile, "rows" | "unknownCategories">,
): Record<string, number> {
  return Object.fromEntries(
    Object.entries(unknownCategories)
      .map(([column, count]) => [column, count / rows]),
  );
}

/** Returns the bins of a reference profile. */
export function toBins(
  profile: Pick<ReferenceProfile, "features" | "score" | "associations">,
  { sha256 }: { sha256: string },
): BatchBins {
  const binsOf = ({ edges, min, max }: ColumnBins) => ({ edges, min, max });
  return {
    reference: sha256,
    features: profile.features.map(binsOf),
    score: profile.score && binsOf(profile.score),
    ranked: toRanked(
      profile.features,
      profile.associations?.features ?? [],
    ),
  };
}

/** Counts one block of rows. @param block `matrix`: rows × features; `scores`: one per row. */
export function countBatch(
  bins: BatchBins,
  block: {
    rows: number;
    matrix: ArrayLike<number>;
    scores: ArrayLike<number>;
  },
): BatchCounts {
  const features = new ColumnCounter(bins.features);
  features.add(block.matrix);
  const score = bins.score && new ColumnCounter([bins.score]);
  score?.add(block.scores);
  let aboveHalf = 0;
  for (let row = 0; row < block.scores.length; row++) {
    if (block.scores[row]! > 0.5) aboveHalf++;
  }
  return {
    rows: block.rows,
    features: features.columns(),
    score: score?.columns()[0],
    aboveHalf,
    // Rows whose columns are unknown have no ranks.
    ...(bins.ranked.length > 0 &&
        (block.matrix.length > 0 || block.rows === 0)
      ? {
        associations: sumAssociations(bins.ranked, {
          ...block,
          width: bins.features.length,
        }),
      }
      : {}),
  };
}

/** Returns the counts of two parts of a batch together. */
export function mergeBatches(a: BatchCounts, b: BatchCounts): BatchCounts {
  return {
    rows: a.rows + b.rows,
    features: a.features.map((column, index) =>
      mergeColumn(column, b.features[index]!)
    ),
    score: a.score && b.score && mergeColumn(a.score, b.score),
    aboveHalf: a.aboveHalf + b.aboveHalf,
    ...(a.associations && b.associations
      ? { associations: addAssociations(a.associations, b.associations) }
      : {}),
  };
}

/**
 * Returns a batch as a profile in the bins of its reference, with which another
 * batch in the same bins can be compared. Its range is not known; its features
 * are undefined if the batch has none.
 */
export function toComparable(
  reference: Pick<ReferenceProfile, "features" | "score">,
  batch: CountedRows,
): Omit<Profile, "features"> & { features: Profile["features"] | undefined } {
  const profileOf = (
    { name, kind, edges }: ColumnProfile,
    counted: ColumnCounts,
  ): ColumnProfile => {
    const { counts, missing, zeros } = counted;
    const mean = meanOf(counted);
    return {
      name,
      kind,
      edges,
      counts,
      missing,
      zeros,
      ...mean === undefined ? {} : { mean },
    };
  };
  const { score } = reference;
  return {
    rows: batch.rows,
    features: batch.features?.map((counts, index) =>
      profileOf(reference.features[index]!, counts)
    ),
    score: score && batch.score && {
      ...profileOf(score, batch.score),
      aboveHalf: batch.aboveHalf,
    },
  };
}

/**
 * Returns the profile in a ledger row; undefined if it has none.
 *
 * @param options `file`: its name in errors.
 * @throws {InputError} If it is not a profile of this version.
 */
export function parseBatchProfile(
  value: unknown,
  options: { file: string },
): BatchProfile | undefined {
  if (value === null || value === undefined) return undefined;
  const profile = v.validate(batchProfile, value, options);
  return { ...profile, score: profile.score };
}
