/** Compares the columns and scores of a scoring run with the model's reference and with the previous run. */
import type { Features } from "../rows/features.ts";
import type { VariantSettings } from "../config/variants.ts";
import type { Services } from "../services/services.ts";
import {
  type BatchBins,
  type BatchProfile,
  countBatch,
  type CountedRows,
  toBins,
  toComparable,
} from "../statistics/batch-profile.ts";
import { toProfile } from "../statistics/profile.ts";
import type { Thresholds } from "../config/monitoring.ts";
import { compareWith, type DriftComparison } from "./columns.ts";
import { type JudgedBatch, toJudgedColumns } from "./data.ts";
import { toGroups } from "./groups.ts";
import { readRows, type RecordedModel } from "./rows.ts";
import {
  type LedgerRun,
  readPastProfiles,
  readProfile,
  readScores,
} from "./runs.ts";

/** How a run differs from other data. */
export interface ComparedRun {
  /** The baseline first, if the model has a reference; then the previous run, if there is one. */
  readonly comparisons: readonly DriftComparison[];
  /** The columns that the verdict on the data judges, against the first of the comparisons; undefined when the rows or all other data are missing. */
  readonly columns: JudgedBatch["columns"];
  /** Rows whose category the model does not know, by raw column. */
  readonly unknownCategories: Readonly<Record<string, number>>;
}

/** The run, the previous run, and the run's model. */
export interface ComparedWith {
  readonly run: LedgerRun;
  readonly previous: LedgerRun | undefined;
  readonly model: RecordedModel;
  /** Receives a note on each part that could not be compared. */
  readonly notes: string[];
}

/**
 * Compares a run with its model's reference and the previous run, in the bins of
 * the reference. Without a reference the rows of both runs are read again.
 */
export async function compareRun(
  services: Services,
  settings: VariantSettings,
  { run, previous, model, notes }: ComparedWith,
): Promise<ComparedRun> {
  const { reference, recipe } = model;
  const { thresholds: limits } = settings.monitoring;
  const database = await services.predictions();
  const read = async (of: LedgerRun): Promise<ReadRun> => ({
    rows: of.rows,
    features: await readRows(services, settings, { run: of, model, notes }),
    scores: (await readScores(database, of)).scores,
  });
  if (!reference) {
    const current = await read(run);
    const before = previous && await read(previous);
    return {
      ...compareAgain(before, current, { model, limits }),
      unknownCategories: current.features?.unknownCategories ?? {},
    };
  }
  const { profile, sha256 } = reference;
  const { importance } = profile;
  const groups = toGroups(
    recipe?.one_hot ?? [],
    profile.features.map(({ name }) => name),
  );
  // A run from before counts were made, or of a model with another reference, is read again.
  const count = async (of: LedgerRun): Promise<
    CountedRows & Pick<BatchProfile, "unknownCategories">
  > => {
    const counted = await readProfile(database, of);
    if (counted?.reference === sha256) return counted;
    const rows = await read(of);
    const { unknownCategories = {} } = rows.features ?? {};
    return {
      ...toCounts(toBins(profile, { sha256 }), rows),
      unknownCategories,
    };
  };
  const current = await count(run);
  const past = await readPastProfiles(database, run, {
    reference: sha256,
    limit: limits.cusum.periods,
  });
  const options = { groups, importance, limits };
  const comparisons = [
    compareWith(profile, current, { ...options, comparison: "baseline", past }),
  ];
  if (previous) {
    const before = toComparable(profile, await count(previous));
    comparisons.push(
      compareWith(before, current, { ...options, comparison: "consecutive" }),
    );
  }
  const { features, unknownCategories } = current;
  return {
    comparisons,
    columns: features &&
      toJudgedColumns(profile.features, features, { recipe, importance }),
    unknownCategories,
  };
}

/** The rows of a run, as far as they can be read again. */
interface ReadRun {
  readonly rows: number;
  readonly features: Features | undefined;
  readonly scores: Float64Array;
}

/** Compares the rows of two runs in bins of the earlier one; only their scores if the rows of either are not available. */
function compareAgain(
  before: ReadRun | undefined,
  current: ReadRun,
  { model, limits }: { model: RecordedModel; limits: Thresholds },
): Omit<ComparedRun, "unknownCategories"> {
  if (!before) return { comparisons: [], columns: undefined };
  const features = before.features && current.features;
  const names = (features && model.columns || []).map(({ name }) => name);
  const profile = toProfile({
    names,
    matrix: before.features?.matrix ?? new Float32Array(),
    rows: before.rows,
    scores: before.scores,
  });
  const bins = toBins(profile, { sha256: "" });
  const counts = toCounts(bins, { ...current, features });
  const groups = toGroups(model.recipe?.one_hot ?? [], names);
  return {
    comparisons: [
      compareWith(profile, counts, {
        comparison: "consecutive",
        groups,
        limits,
      }),
    ],
    columns: counts.features &&
      toJudgedColumns(profile.features, counts.features, model),
  };
}

/** Counts rows; without features if they are not available. */
function toCounts(
  bins: BatchBins,
  { rows, features, scores }: ReadRun,
): CountedRows {
  const matrix = features?.matrix ?? [];
  const counts = countBatch(bins, { rows, matrix, scores });
  return { ...counts, features: features && counts.features };
}
