/** Compares the columns and scores of a scoring run with the model's reference and with the previous run. */
import type { Column } from "../rows/cells.ts";
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
import { type Profile, toProfile } from "../statistics/profile.ts";
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
  if (!reference) {
    return await compareAgain(services, settings, {
      run,
      previous,
      model,
      notes,
    });
  }
  const { profile } = reference;
  const { importance } = profile;
  const { thresholds: limits } = settings.monitoring;
  const groups = toGroups(
    recipe?.one_hot ?? [],
    profile.features.map(({ name }) => name),
  );
  const count = (of: LedgerRun) =>
    countRun(services, settings, { run: of, model, reference, notes });
  const current = await count(run);
  const { features, unknownCategories } = current;
  const past = await readPastProfiles(await services.predictions(), run, {
    reference: reference.sha256,
    limit: limits.cusum.periods,
  });
  const comparisons = [
    compareWith(profile, current, {
      comparison: "baseline",
      groups,
      past,
      importance,
      limits,
    }),
  ];
  if (previous) {
    const before = toComparable(profile, await count(previous));
    comparisons.push(
      compareWith(before, current, {
        comparison: "consecutive",
        groups,
        importance,
        limits,
      }),
    );
  }
  return {
    comparisons,
    columns: features &&
      toJudgedColumns(profile.features, features, { recipe, importance }),
    unknownCategories,
  };
}

/**
 * Returns the counts of a run in the bins of the reference: those that were made
 * while it was scored, and for a run from before there were any, or of a model
 * with another reference, those of its rows, which are read again.
 */
async function countRun(
  services: Services,
  settings: VariantSettings,
  { run, model, reference, notes }: Omit<ComparedWith, "previous"> & {
    reference: NonNullable<RecordedModel["reference"]>;
  },
): Promise<CountedRows & Pick<BatchProfile, "unknownCategories">> {
  const database = await services.predictions();
  const profile = await readProfile(database, run);
  if (profile?.reference === reference.sha256) return profile;
  const read = await readRun(services, settings, { run, model, notes });
  const unknownCategories = read.features?.unknownCategories ?? {};
  const bins = toBins(reference.profile, reference);
  return { ...toCounts(bins, read), unknownCategories };
}

/** The rows of a run, as far as they can be read again. */
interface ReadRun {
  readonly rows: number;
  readonly features: Features | undefined;
  readonly scores: Float64Array;
}

async function readRun(
  services: Services,
  settings: VariantSettings,
  { run, model, notes }: Omit<ComparedWith, "previous">,
): Promise<ReadRun> {
  const features = await readRows(services, settings, { run, model, notes });
  const { scores } = await readScores(await services.predictions(), run);
  return { rows: run.rows, features, scores };
}

/** Compares the rows of two runs in bins of the earlier one; only their scores if the rows of either are not available. */
async function compareAgain(
  services: Services,
  settings: VariantSettings,
  { run, previous, model, notes }: ComparedWith,
): Promise<ComparedRun> {
  const read = (of: LedgerRun) =>
    readRun(services, settings, { run: of, model, notes });
  const current = await read(run);
  const unknownCategories = current.features?.unknownCategories ?? {};
  if (!previous) {
    return { comparisons: [], columns: undefined, unknownCategories };
  }
  const before = await read(previous);
  const columns = before.features && current.features ? model.columns : [];
  const profile = profileOf(before, columns);
  const counts = toCounts(toBins(profile, { sha256: "" }), {
    ...current,
    features: before.features && current.features,
  });
  const groups = toGroups(
    model.recipe?.one_hot ?? [],
    profile.features.map(({ name }) => name),
  );
  return {
    comparisons: [
      compareWith(profile, counts, {
        comparison: "consecutive",
        groups,
        limits: settings.monitoring.thresholds,
      }),
    ],
    columns: counts.features &&
      toJudgedColumns(profile.features, counts.features, model),
    unknownCategories,
  };
}

/** Returns the profile of a run's scores and of the given columns of its rows. */
function profileOf(
  { rows, features, scores }: ReadRun,
  columns: readonly Column[] = [],
): Profile {
  const names = columns.map(({ name }) => name);
  const matrix = names.length > 0 && features ? features.matrix : undefined;
  return toProfile({
    names,
    matrix: matrix ?? new Float32Array(),
    rows,
    scores,
  });
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
