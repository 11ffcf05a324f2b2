/** Builds the candidate that `log-model` logs: a model file and its related files, parsed, validated and evaluated. */
import { digestOf, sha256 } from "../base/digest.ts";
import * as v from "../base/schema.ts";
import { checkFeatureNames, parseFeatureNames } from "../rows/feature-names.ts";
import { cellOf, type Column } from "../rows/cells.ts";
import { type Features, toFeatures, toModelRows } from "../rows/features.ts";
import {
  type EvaluationMetrics,
  evaluationMetrics,
} from "../statistics/classification.ts";
import {
  type ColumnSpec,
  toColumnSpec,
  toSchemaJson,
} from "../mlflow/model-folder/signature.ts";
import {
  type CandidateGraphs,
  type CandidateModel,
  type ModelFeatures,
  openCandidateModel,
  type OpenModel,
  ownNames,
  toGraphs,
} from "./candidate-model.ts";
import { profileImportance } from "./importance.ts";
import { checkLibraryScores } from "./library-scores.ts";
import { isProbability, type OutputSettings } from "../scoring/model-output.ts";
import { toUnknownShares } from "../statistics/batch-profile.ts";
import { type ReferenceProfile, toProfile } from "../statistics/profile.ts";
import { prepareRows } from "../rows/apply-steps.ts";
import {
  checkSteps,
  digestRecipe,
  type Recipe,
  resolveRecipe,
} from "../rows/recipe.ts";
import type { InputRow } from "../rows/json.ts";

/** A file's location and contents. */
export interface SourceFile {
  readonly uri: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** A file of rows. */
export interface SourceRows extends SourceFile {
  readonly rows: readonly InputRow[];
}

/** The files of a candidate. */
export interface CandidateFiles {
  readonly model: SourceFile;
  readonly features: SourceFile;
  readonly sample: SourceRows;
  /** A labelled set; undefined when there is none. */
  readonly evaluation: SourceRows | undefined;
  /** The manifest that the training script wrote next to the model. */
  readonly manifest: SourceFile | undefined;
}

/** How the files are read: the rows, and the output of an ONNX model. */
export interface CandidateOptions extends OutputSettings {
  readonly recipe: Recipe;
  readonly idColumn: string | undefined;
  readonly label: string;
  /** Column of the sample with the library's own scores; undefined to compare with none. */
  readonly scores?: string | undefined;
}

/** Sample rows that are stored with the model, and its predictions for them. */
export interface InputExample {
  /** Rows × columns in the model's order; missing is null. */
  readonly rows: readonly (readonly unknown[])[];
  /** One prediction per row and output. */
  readonly scores: Float32Array;
}

/** A model that is ready to be logged. */
export interface Candidate {
  readonly model: CandidateModel;
  readonly modelBytes: Uint8Array<ArrayBuffer>;
  readonly graphs: CandidateGraphs;
  readonly columns: readonly ColumnSpec[];
  /** The recipe with the categories of each step; it is recorded with the version, and `predict` uses the recorded one. */
  readonly recipe: Recipe;
  readonly example: InputExample;
  /** The whole sample, rows × columns, for the parity gate. */
  readonly sample: {
    readonly matrix: Float32Array;
    readonly rows: number;
    /** The model's predictions, rows × outputs. */
    readonly scores: Float32Array;
    /** The rows as users sent them, one cell per column in the model's order: labels for categories, null for missing. */
    readonly cells: readonly (readonly unknown[])[];
    /** The player id of each row; undefined when no row has one. */
    readonly ids: readonly (string | null)[] | undefined;
  };
  /** Undefined when there is no labelled set, or the model does not return one probability per row. */
  readonly metrics: EvaluationMetrics | undefined;
  readonly evaluation: SourceRows | undefined;
  /** Profile of the labelled set, or of the sample without one; `monitor` compares with it. */
  readonly reference: ReferenceProfile;
  readonly digests: CandidateDigests;
  /** The largest difference from the library's own scores; undefined if the sample has none. */
  readonly libraryError: number | undefined;
  /** What the user should know although the model can be logged; each is a sentence. */
  readonly warnings: readonly string[];
  /** The training date in the manifest; undefined when the manifest has none for this model file. */
  readonly trainingDate: string | undefined;
}

/** SHA-256 of each part; if all are equal to those of the newest version, no new version is needed. */
export interface CandidateDigests {
  readonly model: string;
  readonly features: string;
  readonly evaluation: string | undefined;
  readonly recipe: string;
  /** The parts of the version that come from the sample: types, which columns may be missing, and the input example. */
  readonly sample: string;
}

/** Number of rows in the input example: enough to reach many leaves, few enough to read. */
const exampleRows = 20;

/**
 * Returns the candidate for the files: the parsed model, its graphs, a signature
 * from the model's types and the sample, and metrics on the labelled set.
 *
 * @throws {InputError} If a file cannot be used, or the files do not match.
 * @throws {UsageError} If the positive class of an ONNX classifier is unknown.
 */
export async function toCandidate(
  files: CandidateFiles,
  options: CandidateOptions,
): Promise<Candidate> {
  await using opened = await openCandidateModel(files.model.bytes, {
    settings: options,
    file: files.model.uri,
  });
  const { model } = opened;
  const names = readNames(files.features, model);
  const sampleRows = files.sample.rows;
  // If the model does not return one probability per row, the labelled set is not used.
  const evaluation = isProbability(model) ? files.evaluation : undefined;
  const { idColumn } = options;
  const { columns, recipe } = toColumns(model, {
    names,
    recipe: options.recipe,
    sample: files.sample,
    labelled: evaluation,
  });
  checkSteps(recipe, [
    ...names,
    options.label,
    ...idColumn === undefined ? [] : [idColumn],
  ]);
  const binding = {
    columns: columns.map((column, feature) => ({
      ...toColumn(column),
      labels: model.features.labels?.[feature],
      unseen: model.features.unseen,
    })),
    recipe,
    idColumn,
  };
  const sample = await scored(
    opened,
    toFeatures(sampleRows, { ...binding, file: files.sample.uri }),
  );
  const libraryError = options.scores === undefined
    ? undefined
    : checkLibraryScores(sampleRows, {
      scores: sample.scores,
      outputs: model.outputs,
      column: options.scores,
      what: files.model.uri,
      file: files.sample.uri,
    });
  const count = Math.min(exampleRows, sample.rows);
  const prepared = prepareRows(sampleRows, { recipe, file: files.sample.uri });
  const cells = toModelRows(prepared, binding)
    .map((row) => names.map((name) => row[name] ?? null));
  const rows = cells.slice(0, count);
  const labelled = evaluation && await scored(
    opened,
    toFeatures(evaluation.rows, {
      ...binding,
      labelColumn: options.label,
      file: evaluation.uri,
    }),
  );
  const profiled = labelled ?? sample;
  const profile = toProfile({
    names,
    matrix: profiled.matrix,
    rows: profiled.rows,
    scores: isProbability(model) ? profiled.scores : undefined,
  });
  const { uri, bytes } = evaluation ?? files.sample;
  const metrics = labelled && evaluationMetrics({
    probabilities: labelled.scores,
    outcomes: labelled.labels ?? new Uint8Array(),
  });
  return {
    model,
    modelBytes: files.model.bytes,
    graphs: toGraphs(model, {
      bytes: files.model.bytes,
      columns: binding.columns,
      missingValue: recipe.missingValue,
    }),
    columns,
    recipe,
    example: {
      rows,
      scores: sample.scores.slice(0, count * model.outputs),
    },
    sample: { ...sample, cells },
    metrics,
    evaluation: files.evaluation,
    reference: {
      version: 1,
      source: {
        uri,
        sha256: sha256(bytes),
        kind: labelled ? "evaluation" : "sample",
      },
      ...profile,
      ...await profileImportance(opened.predict, profile, profiled),
      unknownShares: toUnknownShares(profiled),
      ...(model.features.labels
        ? { labels: model.features.labels.map((labels) => labels ?? null) }
        : {}),
      ...(metrics ? { metrics } : {}),
    },
    digests: {
      model: sha256(files.model.bytes),
      features: sha256(JSON.stringify(names)),
      evaluation: files.evaluation && sha256(files.evaluation.bytes),
      recipe: toRecipeDigest(model, recipe),
      sample: digestOf({ columns: toSchemaJson(columns), rows }),
    },
    libraryError,
    warnings: toWarnings(files, { model, sample, width: names.length }),
    trainingDate: findTrainingDate(files),
  };
}

/** Returns a warning if the sample has missing values that the model's trees handle otherwise than the library that trained them. */
function toWarnings(
  files: CandidateFiles,
  { model, sample, width }: {
    model: CandidateModel;
    sample: Features;
    width: number;
  },
): string[] {
  if (model.kind !== "onnx" || !model.ignoresMissing) return [];
  const { matrix, rows } = sample;
  const incomplete = Array.from({ length: rows }, (_, row) => row).filter(
    (row) => matrix.subarray(row * width, (row + 1) * width).some(Number.isNaN),
  ).length;
  if (incomplete === 0) return [];
  return [
    `${incomplete} of ${rows} rows of ${files.sample.uri} have missing values, and ${files.model.uri} lacks the directions that scikit-learn's trees learn for them ` +
    `(skl2onnx does not convert them), so these scores can differ from predict_proba; replace missing values inside the pipeline (SimpleImputer) and convert it again`,
  ];
}

/** Returns the digest of the recipe, and of the output's interpretation where the file alone does not determine it. */
function toRecipeDigest(model: CandidateModel, recipe: Recipe): string {
  const digest = digestRecipe(recipe);
  return model.kind === "onnx"
    ? digestOf({ recipe: digest, output: model.output })
    : digest;
}

function readNames(features: SourceFile, model: CandidateModel): string[] {
  const names = parseFeatureNames(features.bytes, { file: features.uri });
  const modelNames = ownNames(model.features);
  // Named inputs are bound by name, so that the order of the file does not matter.
  const isBound = model.kind === "onnx" &&
    model.frame.inputs.kind === "columns";
  const isSame = names.length === modelNames.length &&
    modelNames.every((name) => names.includes(name));
  const ordered = isBound && isSame ? [...modelNames] : names;
  checkFeatureNames(ordered, {
    modelNames,
    modelCount: model.features.count ?? names.length,
    file: features.uri,
  });
  return ordered;
}

/** Returns the signature's columns and the recipe's categories, which depend on each other: types identify categories, and categories are booleans. */
function toColumns(
  { kind, features }: CandidateModel,
  { names, recipe, sample, labelled }: {
    names: readonly string[];
    recipe: Recipe;
    sample: SourceRows;
    labelled: SourceRows | undefined;
  },
): { columns: ColumnSpec[]; recipe: Recipe } {
  const prepared = ({ rows, uri: file }: SourceRows, recipe: Recipe) =>
    prepareRows(rows, { recipe, file });
  const sampleRows = prepared(sample, recipe);
  const specsOf = (
    valuesOf: (name: string) => unknown[],
    types: ModelFeatures["types"],
  ) =>
    names.map((name, index): ColumnSpec => {
      const spec = toColumnSpec({
        name,
        labels: features.labels?.[index],
        modelType: types[index],
        values: valuesOf(name),
      });
      // A graph reads every column; MLflow would drop an optional one and shift the others.
      return kind === "onnx" ? { ...spec, required: true } : spec;
    });
  // Missing values are ignored here, because a raw sample lacks all encoded columns.
  // A graph reads categories as floats, which does not tell them from numbers; the sample's true and false do.
  const known = specsOf(
    (name) =>
      sampleRows.flatMap(({ value }) =>
        (cellOf(value, name) ?? null) === null ? [] : [value[name]]
      ),
    kind === "onnx" ? [] : features.types,
  );
  const resolved = resolveRecipe(recipe, {
    columns: known.map(toColumn),
    rows: [...sampleRows, ...labelled ? prepared(labelled, recipe) : []]
      .map(({ value }) => value),
  });
  const modelRows = toModelRows(prepared(sample, resolved), {
    columns: names.map((name) => ({ name, type: "" })),
    recipe: resolved,
  });
  return {
    columns: specsOf(
      (name) => modelRows.map((row) => row[name]),
      // A matrix whose number of columns is open has one type for all.
      names.map((_, index) => features.types[index] ?? features.types[0]),
    ),
    recipe: resolved,
  };
}

function toColumn({ name = "", type }: ColumnSpec): Column {
  return { name, type };
}

/** The model's input rows and its predictions. */
interface ScoredRows extends Features {
  readonly scores: Float32Array;
}

async function scored(
  { predict }: OpenModel,
  features: Features,
): Promise<ScoredRows> {
  const scores = await predict(features.matrix, features.rows);
  return { ...features, scores };
}

/** What a manifest may say; the training script writes more. */
const manifestSchema = v.object({
  training_date: v.optional(v.string()),
  files: v.optional(
    v.object({
      model: v.optional(v.object({ sha256: v.optional(v.string()) })),
    }),
  ),
});

/** Returns the training date in the manifest; undefined if its digest does not match this model file, because the manifest may describe another. */
function findTrainingDate(
  { model, manifest }: CandidateFiles,
): string | undefined {
  if (!manifest) return undefined;
  const { uri: file, bytes } = manifest;
  const { training_date, files } = v.parseJson(manifestSchema, bytes, { file });
  return files?.model?.sha256 === sha256(model.bytes)
    ? training_date
    : undefined;
}
