/**
 * Profiles of rows: bins and counts per column, small enough to be stored with a
 * model, and without any individual row.
 */
import * as v from "../base/schema.ts";
import {
  associationSums,
  chooseRanked,
  sumAssociations,
  toRanked,
} from "./associations.ts";
import { countColumn, meanOf } from "./column-counts.ts";

const columnEntries = {
  name: v.string(),
  /** `category`: only 0 and 1 occur, as in boolean and one-hot columns. */
  kind: v.picklist(["numeric", "category"]),
  /**
   * Ascending upper edges of all bins but the last: bin i contains the values
   * above `edges[i - 1]`, up to and including `edges[i]`. The first bin has no
   * lower limit and the last one no upper limit.
   */
  edges: v.array(v.number()),
  /** Rows per bin; one more entry than `edges`. */
  counts: v.array(v.number()),
  /** Rows without a value. */
  missing: v.number(),
  /** Rows whose value is 0; absent in profiles of an earlier release. */
  zeros: v.exactOptional(v.number()),
  /** Smallest and largest value; absent when all are missing. */
  min: v.exactOptional(v.number()),
  max: v.exactOptional(v.number()),
  /** Absent when all are missing. */
  mean: v.exactOptional(v.number()),
};

const columnProfile = v.object(columnEntries);

/** One column of a set of rows. */
export type ColumnProfile = v.InferOutput<typeof columnProfile>;

const labels = v.pipe(
  v.array(v.union([v.string(), v.number(), v.boolean()])),
  v.readonly(),
);

const referenceProfile = v.object({
  version: v.literal(1),
  source: v.object({
    uri: v.string(),
    sha256: v.string(),
    kind: v.picklist(["evaluation", "sample"]),
  }),
  rows: v.number(),
  features: v.array(columnProfile),
  /** The profile of probabilities; `aboveHalf` counts those above 0.5, which predict churn. */
  score: v.optional(v.object({ ...columnEntries, aboveHalf: v.number() })),
  /** Category labels per feature, whose codes the profile counts; null for a feature without categories, absent when no feature has any. */
  labels: v.exactOptional(v.array(v.nullable(labels))),
  /** How much the scores depend on each feature, as shares of 1, in the order of the features; absent in profiles of an earlier release. */
  importance: v.exactOptional(v.array(v.number())),
  /** The features whose rank correlations are watched, and their sums; absent in profiles of an earlier release. */
  associations: v.exactOptional(
    v.object({ ...associationSums.entries, features: v.array(v.number()) }),
  ),
  /** Share of rows whose category the model does not know, by raw column; absent in profiles of an earlier release. */
  unknownShares: v.exactOptional(v.record(v.number())),
  /** The model's metrics on the labelled set, by `lib/statistics/classification.ts`; absent without a labelled set. */
  metrics: v.exactOptional(v.record(v.number())),
});

/** The profile that is logged with a model, as `reference_profile.json`. */
export type ReferenceProfile = v.InferOutput<typeof referenceProfile>;

/** The profile of a set of rows: a model's input columns and, if the model returns one probability per row, its score. */
export type Profile = Pick<ReferenceProfile, "rows" | "features" | "score">;

/** A model's input rows and its scores for them. */
export interface ProfiledRows {
  readonly names: readonly string[];
  /** Rows × names; NaN means missing. */
  readonly matrix: Float32Array;
  readonly rows: number;
  /** One probability per row; undefined when the model returns something else. */
  readonly scores: ArrayLike<number> | undefined;
}

/** Deciles, and finer shares at both ends, where a change moves few rows and much money. */
const quantiles = [
  ...[0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5],
  ...[0.6, 0.7, 0.8, 0.9, 0.95, 0.99],
];

/** Returns the profile of rows: each column in bins of its own quantiles, see {@linkcode toColumnProfile}. */
export function toProfile(
  { names, matrix, rows, scores }: ProfiledRows,
): Profile {
  const valuesOf = (column: number) =>
    Float32Array.from(
      { length: rows },
      (_, row) => matrix[row * names.length + column]!,
    );
  return {
    rows,
    features: names.map((name, column) =>
      toColumnProfile(name, valuesOf(column))
    ),
    score: scores && {
      ...toColumnProfile("score", scores),
      aboveHalf: Array.from(scores).filter((score) => score > 0.5).length,
    },
  };
}

/**
 * Returns the features whose rank correlations are watched, and the sums of the profiled rows.
 *
 * @param data `importance`: the share of each feature; `matrix`: rows × features.
 */
export function toAssociations(
  { features }: Pick<Profile, "features">,
  { importance, ...block }: {
    importance: readonly number[];
    matrix: ArrayLike<number>;
    rows: number;
  },
): NonNullable<ReferenceProfile["associations"]> {
  const chosen = chooseRanked(features, importance);
  const columns = toRanked(features, chosen);
  const width = features.length;
  return {
    features: chosen,
    ...sumAssociations(columns, { ...block, width }),
  };
}

/**
 * Returns the profile of one column. The edges are the distinct 1, 5, 10, 20 …
 * 90, 95 and 99 % quantiles of its values (Hyndman and Fan 1996, definition 1:
 * values that occur), so a value that many rows share has one bin, and none is
 * empty. Zeros, of which a column of money may mostly consist, have a bin of
 * their own, and the quantiles are those of the other values. A column of zeros
 * and ones has two bins.
 */
export function toColumnProfile(
  name: string,
  values: ArrayLike<number>,
): ColumnProfile {
  const sorted = Float64Array.from(values).filter((value) =>
    !Number.isNaN(value)
  ).sort();
  const isCategory = sorted.length > 0 &&
    sorted.every((value) => value === 0 || value === 1);
  const edges = isCategory ? [0] : edgesOf(sorted);
  const counted = countColumn({ edges }, values);
  const { counts, missing, zeros } = counted;
  const mean = meanOf(counted);
  return {
    name,
    kind: isCategory ? "category" : "numeric",
    edges,
    counts,
    missing,
    zeros,
    ...(mean === undefined
      ? {}
      : { min: sorted[0]!, max: sorted.at(-1)!, mean }),
  };
}

/**
 * Parses a `reference_profile.json`.
 *
 * @param options `file`: its name in errors.
 * @throws {InputError} If it is not a reference profile, or its version is not 1.
 */
export function parseReferenceProfile(
  bytes: Uint8Array,
  options: { file: string },
): ReferenceProfile {
  return v.parseJson(referenceProfile, bytes, options);
}

/** Returns the edges below the largest value; the bin above the largest value would be empty. */
function edgesOf(sorted: Float64Array): number[] {
  const others = sorted.filter((value) => value !== 0);
  const edges = quantiles.flatMap((share) =>
    others[Math.max(0, Math.ceil(share * others.length) - 1)] ?? []
  );
  if (others.length < sorted.length) {
    const below = others.findLast((value) => value < 0);
    edges.push(0, ...below === undefined ? [] : [below]);
  }
  return [...new Set(edges)].sort((a, b) => a - b)
    .filter((edge) => edge < sorted.at(-1)!);
}
