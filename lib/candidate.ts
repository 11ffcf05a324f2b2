/** A model file with everything that belongs to it, read, checked and measured: what `log-model` logs. */
import { digestOf, sha256 } from "./digest.ts";
import { InputError } from "./errors.ts";
import {
  checkFeatureNames,
  type Column,
  type Features,
  parseFeatureNames,
  toFeatures,
  toModelRows,
} from "./features.ts";
import { type EvaluationMetrics, evaluationMetrics } from "./metrics.ts";
import { type ColumnSpec, inferColumns } from "./mlflow/signature.ts";
import type { Model } from "./model/ensemble.ts";
import { kindOfLabels, type Label, unseenCategory } from "./model/labels.ts";
import { evaluate } from "./model/evaluate.ts";
import { toOnnx } from "./model/onnx.ts";
import { toColumnGraph } from "./model/onnx-columns.ts";
import { parseModel } from "./model/parse.ts";
import { type ReferenceProfile, toProfile } from "./monitoring/profile.ts";
import type { Recipe } from "./recipe.ts";
import { parseRows } from "./rows.ts";

/** A file as it was read. */
export interface SourceFile {
  readonly uri: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** The files that make a candidate. */
export interface CandidateFiles {
  readonly model: SourceFile;
  readonly features: SourceFile;
  readonly sample: SourceFile;
  /** A labelled set; undefined when there is none. */
  readonly evaluation: SourceFile | undefined;
  /** What the training script wrote beside the model. */
  readonly manifest: SourceFile | undefined;
}

/** How rows of the files are read. */
export interface CandidateOptions {
  readonly recipe: Recipe;
  readonly idColumn: string;
  readonly label: string;
}

/** Rows of the sample that travel with the model, and what it makes of them. */
export interface InputExample {
  /** Rows × columns in the model's order; missing is null. */
  readonly rows: readonly (readonly unknown[])[];
  /** The same as the model reads it, row after row; NaN is missing. */
  readonly matrix: Float32Array;
  /** One prediction a row and output. */
  readonly scores: Float32Array;
}

/** A model that is ready to be logged. */
export interface Candidate {
  readonly model: Model;
  readonly modelBytes: Uint8Array<ArrayBuffer>;
  readonly onnxBytes: Uint8Array;
  /** The ONNX graph that takes rows as they are sent: typed columns, labels of categories. */
  readonly columnGraph: Uint8Array;
  readonly columns: readonly ColumnSpec[];
  readonly example: InputExample;
  /** The whole sample, rows × columns, for the parity gate. */
  readonly sample: {
    readonly matrix: Float32Array;
    readonly rows: number;
    /** The rows as they were sent, a cell per column in the model's order: labels of categories, null for missing. */
    readonly cells: readonly (readonly unknown[])[];
  };
  /** Undefined when there is no labelled set, or the model gives no single probability. */
  readonly metrics: EvaluationMetrics | undefined;
  readonly evaluation: SourceFile | undefined;
  /** What the labelled set looked like, or the sample where there is none: what `monitor` compares with. */
  readonly reference: ReferenceProfile;
  readonly digests: CandidateDigests;
  /** The day the training script says; undefined when it says none for this very file. */
  readonly trainingDate: string | undefined;
}

/** SHA-256 of each part; equal ones make no new version. */
export interface CandidateDigests {
  readonly model: string;
  readonly features: string;
  readonly evaluation: string | undefined;
  readonly recipe: string;
}

/** Rows of the input example: enough to reach many leaves, few enough to be read. */
const exampleRows = 20;

/**
 * The candidate that the files make: parsed, converted to ONNX, its signature
 * inferred from the sample, measured on the labelled set.
 *
 * @throws {InputError} If a file cannot be used, or they do not fit together.
 */
export function toCandidate(
  files: CandidateFiles,
  options: CandidateOptions,
): Candidate {
  const model = parseModel(files.model.bytes);
  const names = parseFeatureNames(files.features.bytes, {
    file: files.features.uri,
  });
  checkFeatureNames(names, {
    modelNames: model.features.names,
    modelCount: model.features.count,
    file: files.features.uri,
  });
  const sampleRows = [
    ...parseRows(files.sample.bytes, { file: files.sample.uri }),
  ];
  const anyType = anyTypeColumns(model, names);
  const { recipe, idColumn } = options;
  const sample = toFeatures(sampleRows, {
    columns: anyType,
    recipe,
    idColumn,
    file: files.sample.uri,
  });
  const modelRows = toModelRows(sampleRows, { columns: names, recipe });
  const cells = modelRows.map((row) => names.map((name) => row[name] ?? null));
  const columns = inferColumns(modelRows, names).map((column, feature) =>
    toServable(column, model.features.labels?.[feature])
  );
  const count = Math.min(exampleRows, sample.rows);
  const matrix = sample.matrix.slice(0, count * names.length);
  const labelled = files.evaluation &&
    readLabelled(model, { file: files.evaluation, names, options });
  const metrics = labelled?.scores && evaluationMetrics({
    probabilities: labelled.scores,
    outcomes: labelled.outcomes,
  });
  return {
    model,
    modelBytes: files.model.bytes,
    onnxBytes: toOnnx(model),
    columnGraph: toColumnGraph(
      model,
      columns.map(({ type }, feature) => ({
        name: names[feature] ?? "",
        type,
      })),
    ),
    columns,
    example: {
      rows: cells.slice(0, count),
      matrix,
      scores: evaluate(model, matrix, { rows: count }).predictions,
    },
    sample: { matrix: sample.matrix, rows: sample.rows, cells },
    metrics,
    evaluation: files.evaluation,
    reference: {
      version: 1,
      source: toSource(files, labelled ? "evaluation" : "sample"),
      ...toProfile({ names, ...labelled ?? score(model, sample) }),
      ...(metrics ? { metrics } : {}),
    },
    digests: {
      model: sha256(files.model.bytes),
      features: sha256(JSON.stringify(names)),
      evaluation: files.evaluation && sha256(files.evaluation.bytes),
      recipe: digestOf(recipe),
    },
    trainingDate: findTrainingDate(files),
  };
}

/** Columns before their types are known; any number is accepted, and the labels of categories. */
function anyTypeColumns(model: Model, names: readonly string[]): Column[] {
  return names.map((name, feature) => ({
    name,
    type: "double",
    labels: model.features.labels?.[feature],
    unseen: unseenCategory(model.library),
  }));
}

/**
 * The column with a type that MLflow serves: that of its labels, and `double`
 * for booleans with missing values, which MLflow's server would read as false.
 */
function toServable(
  column: ColumnSpec,
  labels: readonly Label[] | undefined,
): ColumnSpec {
  const kind = labels && kindOfLabels(labels);
  if (kind === "text") return { ...column, type: "string" };
  const isBoolean = kind === "boolean" || column.type === "boolean";
  if (!isBoolean) return column;
  return { ...column, type: column.required ? "boolean" : "double" };
}

/** Rows as the model takes them, and its one probability a row where it gives one. */
interface ScoredRows extends Pick<Features, "matrix" | "rows"> {
  readonly scores: Float32Array | undefined;
}

function score(
  model: Model,
  { matrix, rows }: Pick<Features, "matrix" | "rows">,
): ScoredRows {
  const scores = givesProbability(model)
    ? evaluate(model, matrix, { rows }).predictions
    : undefined;
  return { matrix, rows, scores };
}

function givesProbability(model: Model): boolean {
  return model.predictionKind === "probability" && model.outputs === 1;
}

/** Metrics exist only for one probability a row; a labelled set for any other model is left unread rather than misread. */
function readLabelled(
  model: Model,
  { file, names, options }: {
    file: SourceFile;
    names: readonly string[];
    options: CandidateOptions;
  },
): ScoredRows & { readonly outcomes: Uint8Array } | undefined {
  if (!givesProbability(model)) return undefined;
  const columns = anyTypeColumns(model, names);
  const rows = parseRows(file.bytes, { file: file.uri });
  const { recipe, idColumn, label: labelColumn } = options;
  const features = toFeatures(rows, {
    columns,
    recipe,
    idColumn,
    labelColumn,
    file: file.uri,
  });
  return {
    ...score(model, features),
    outcomes: features.labels ?? new Uint8Array(),
  };
}

/** The set that the reference profile is of. */
function toSource(
  { evaluation, sample }: CandidateFiles,
  kind: "evaluation" | "sample",
): ReferenceProfile["source"] {
  const { uri, bytes } = kind === "evaluation" && evaluation
    ? evaluation
    : sample;
  return { uri, sha256: sha256(bytes), kind };
}

/** A manifest beside another model file says nothing of this one, so its digest must match. */
function findTrainingDate(
  { model, manifest }: CandidateFiles,
): string | undefined {
  if (!manifest) return undefined;
  const { training_date: date, files } = parseManifest(manifest);
  if (files?.model?.sha256 !== sha256(model.bytes)) return undefined;
  return typeof date === "string" ? date : undefined;
}

interface Manifest {
  readonly training_date?: unknown;
  readonly files?: { readonly model?: { readonly sha256?: unknown } };
}

function parseManifest({ uri, bytes }: SourceFile): Manifest {
  try {
    return JSON.parse(new TextDecoder().decode(bytes)) as Manifest;
  } catch (cause) {
    throw new InputError(`Cannot parse ${uri}`, { cause });
  }
}
