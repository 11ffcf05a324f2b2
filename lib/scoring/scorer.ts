/** Opens a logged model for scoring and verifies it against its input example. */
import type { Column } from "../rows/cells.ts";
import { toFeatures } from "../rows/features.ts";
import { InputError, UsageError } from "../base/errors.ts";
import type { Schema } from "../mlflow/model-folder/signature.ts";
import {
  type GraphInputs,
  type Model,
  openOnnx,
  parseModel,
  unseenCategory,
} from "../model/mod.ts";
import type {
  ExpectedScores,
  LoadedFolder,
} from "../mlflow/model-folder/read.ts";
import {
  fromRecorded,
  plainRecipe,
  type RecordedRecipe,
} from "../rows/recipe.ts";
import { type BatchBins, toBins } from "../statistics/batch-profile.ts";
import { toPredict } from "./score-block.ts";
import {
  checkUnnamed,
  isProbability,
  type OutputSettings,
  settingsOf,
  toModelOutput,
} from "./model-output.ts";

/** The engine that computes the scores. */
export type Engine = "trees" | "onnxruntime";

/** A model that is ready to score; disposing it frees the runtime's memory. */
export interface Scorer extends AsyncDisposable {
  readonly engine: Engine;
  /** The model's columns in the model's order; undefined when neither the model nor its signature names them. */
  readonly columns: readonly Column[] | undefined;
  readonly features: number | undefined;
  /** The feature recipe recorded with the model; undefined when there is none. */
  readonly recipe: RecordedRecipe | undefined;
  readonly predictionKind: "probability" | "score";
  /** Predictions per row. */
  readonly outputs: number;
  /** The bins in which scored rows are counted; undefined if the model has no reference profile, or returns no probability. */
  readonly bins: BatchBins | undefined;
  /** SHA-256 of the model file in use. */
  readonly modelSha256: string;
  /** The native model's bytes, from which other threads can open the same scorer; undefined if the ONNX runtime scores. */
  readonly trees: Uint8Array<ArrayBuffer> | undefined;
  /** Returns the predictions, rows × outputs. @param matrix Rows × features in the model's order; NaN means missing. */
  predict(
    matrix: Float32Array,
    rows: number,
  ): Promise<Float32Array>;
}

/** The largest accepted difference from an expected score of the input example. */
const tolerance = 1e-6;

/**
 * Returns the scorer of a logged model. `auto` selects the trees if the folder
 * has a native model, otherwise ONNX. If the model has an input example, the
 * scorer must first reproduce its expected scores.
 *
 * @param options `settings`: the variant's settings for a model's output.
 * @throws {InputError} If the model cannot be scored, or the example's scores differ, so the file or the runtime is not the one that was logged.
 * @throws {UsageError} If the requested engine does not support the model, or the positive class of an ONNX classifier is unknown.
 */
export async function openScorer(
  folder: LoadedFolder,
  options: { engine: "auto" | Engine; settings: OutputSettings },
): Promise<Scorer> {
  const { engine, settings } = options;
  const scorer = engine !== "onnxruntime" && folder.native
    ? openTrees(folder, folder.native)
    : await openGraph(folder, options);
  try {
    if (folder.native && isProbability(scorer)) {
      checkUnnamed(settings, folder.uri);
    }
    if (folder.expected) await replay(scorer, folder.expected, folder.uri);
    return scorer;
  } catch (error) {
    await scorer[Symbol.asyncDispose]();
    throw error;
  }
}

/** Validates the value of `--engine`. @throws {UsageError} If it is not an engine. */
export function parseEngine(text: string): "auto" | Engine {
  if (text === "auto" || text === "trees" || text === "onnxruntime") {
    return text;
  }
  throw new UsageError(
    `Cannot use --engine "${text}": expected auto, trees or onnxruntime`,
  );
}

function openTrees(
  folder: LoadedFolder,
  { bytes, sha256 }: NonNullable<LoadedFolder["native"]>,
): Scorer {
  const model = parseModel(bytes);
  const score = toPredict(model);
  const { features: { count }, predictionKind, outputs } = model;
  return {
    engine: "trees",
    columns: withLabels(
      toColumns(namesOf(model, folder), folder.file.signature.inputs),
      model,
    ),
    features: count,
    recipe: folder.recipe,
    predictionKind,
    outputs,
    bins: binsOf(folder, { count, predictionKind, outputs }),
    modelSha256: sha256,
    trees: bytes,
    predict: (matrix, rows) => Promise.resolve(score(matrix, rows)),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

/** Returns the bins of a model's reference, which has one entry per feature. */
function binsOf(
  { reference }: LoadedFolder,
  { count, ...output }:
    & Pick<Scorer, "predictionKind" | "outputs">
    & { count: number | undefined },
): BatchBins | undefined {
  if (!reference || !isProbability(output)) return undefined;
  const bins = toBins(reference.profile, reference);
  return bins.features.length === count ? bins : undefined;
}

async function openGraph(
  folder: LoadedFolder,
  options: { engine: "auto" | Engine; settings: OutputSettings },
): Promise<Scorer> {
  const { engine, settings } = options;
  const { onnx, native, uri } = folder;
  if (!onnx || engine === "trees") {
    throw new UsageError(
      `Cannot score ${uri} with ${engine}: it holds ${
        onnx ? "an ONNX graph" : "a native model"
      } only; use --engine auto`,
    );
  }
  const model = native && parseModel(native.bytes);
  const session = await openOnnx(onnx.bytes);
  try {
    const { inputs } = session;
    // The columns of a matrix have no names.
    const ownNames = model
      ? namesOf(model, folder)
      : inputs.kind === "columns"
      ? inputs.columns.map(({ name }) => name)
      : folder.featureNames ?? [];
    const columns = withStrings(
      withLabels(toColumns(ownNames, folder.file.signature.inputs), model),
      inputs,
    );
    // This project wrote the graph next to a native model, so all its columns are the model's outputs.
    const output = model
      ? { ...model, take: (values: Float32Array) => values }
      : toModelOutput(session.facts, {
        columns: session.outputs,
        settings: settingsOf(settings, { recorded: folder.output, what: uri }),
        what: uri,
      });
    return {
      engine: "onnxruntime",
      columns,
      features: session.features,
      recipe: folder.recipe,
      predictionKind: output.predictionKind,
      outputs: output.outputs,
      bins: binsOf(folder, { ...output, count: session.features }),
      modelSha256: onnx.sha256,
      trees: undefined,
      predict: async (matrix, rows) =>
        output.take(await session.predict(matrix, rows)),
      [Symbol.asyncDispose]: () => session[Symbol.asyncDispose](),
    };
  } catch (error) {
    await session[Symbol.asyncDispose]();
    throw error;
  }
}

/** Returns the feature names with which the model was logged; those in its file may be ones that LightGBM made up. */
function namesOf(model: Model, folder: LoadedFolder): readonly string[] {
  return folder.featureNames ?? model.features.names;
}

/** Returns columns in the model's order with the signature's types; a model column that the signature lacks is an error. */
function toColumns(
  names: readonly string[],
  inputs: Schema | undefined,
): Column[] | undefined {
  const specs = (inputs ?? []).flatMap((spec) =>
    spec.kind === "column" && spec.name !== undefined
      ? [{ name: spec.name, type: spec.type }]
      : []
  );
  if (names.length === 0) return specs.length > 0 ? specs : undefined;
  if (specs.length === 0) {
    return names.map((name) => ({ name, type: "double" }));
  }
  const types = new Map(specs.map(({ name, type }) => [name, type]));
  return names.map((name) => {
    const type = types.get(name);
    if (type !== undefined) return { name, type };
    throw new InputError(
      `Cannot use the model: it was trained on "${name}", which its signature lacks`,
    );
  });
}

/** Adds the model's category labels to its columns. */
function withLabels(
  columns: Column[] | undefined,
  model: Model | undefined,
): Column[] | undefined {
  const labels = model?.features.labels;
  if (!labels) return columns;
  const unseen = unseenCategory(model.library);
  return columns?.map((column, feature) => ({
    ...column,
    labels: labels[feature],
    unseen,
  }));
}

/** Adds the strings that an ONNX graph compares with to its columns of strings. */
function withStrings(
  columns: Column[] | undefined,
  inputs: GraphInputs,
): Column[] | undefined {
  return columns?.map((column, feature) => {
    const strings = inputs.kind === "columns"
      ? inputs.columns[feature]?.strings
      : inputs.strings;
    return strings
      ? { ...column, labels: strings.labels, unseen: strings.unseen }
      : column;
  });
}

async function replay(
  scorer: Scorer,
  expected: ExpectedScores,
  uri: string,
): Promise<void> {
  const { columns: names, rows, scores } = expected;
  const features = toFeatures(
    rows.map((row, index) => ({
      number: index + 1,
      line: undefined,
      value: Object.fromEntries(names.map((name, at) => [name, row[at]])),
    })),
    {
      columns: scorer.columns ??
        names.map((name) => ({ name, type: "double" })),
      // The example has the model's columns, which the steps have made.
      recipe: scorer.recipe
        ? { ...fromRecorded(scorer.recipe, plainRecipe), steps: [] }
        : plainRecipe,
      idColumn: undefined,
      file: `${uri}'s input example`,
    },
  );
  const found = await scorer.predict(features.matrix, rows.length);
  const at = scores.findIndex((score, index) =>
    !(Math.abs(score - (found[index] ?? NaN)) <= tolerance)
  );
  if (at < 0 && found.length === scores.length) return;
  throw new InputError(
    `Cannot trust ${uri}: row ${
      Math.floor(at / scorer.outputs) + 1
    } of its input example scores ${found[at]} with ${scorer.engine}, ` +
      `but scored ${scores[at]} when it was logged; nothing was scored`,
  );
}
