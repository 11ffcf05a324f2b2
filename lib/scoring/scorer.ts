/** A registered version that is ready to score: read, verified, replayed on its own example. */
import { type Column, toFeatures } from "../rows/encode.ts";
import { sha256 } from "../base/digest.ts";
import { InputError, UsageError } from "../base/errors.ts";
import type { Schema } from "../mlflow/model-folder/signature.ts";
import {
  evaluate,
  type Model,
  openKernel,
  openOnnx,
  parseModel,
  type TreeEnsemble,
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
import {
  checkUnnamed,
  type OutputSettings,
  toModelOutput,
} from "./model-output.ts";

/** What computes the scores. */
export type Engine = "trees" | "onnxruntime";

/** A model that scores; disposing it frees the runtime's memory. */
export interface Scorer extends AsyncDisposable {
  readonly engine: Engine;
  /** The model's columns in the model's order; undefined when neither model nor signature names them. */
  readonly columns: readonly Column[] | undefined;
  readonly features: number | undefined;
  /** How rows become those columns, as it was recorded with the model; undefined for a model without. */
  readonly recipe: RecordedRecipe | undefined;
  readonly predictionKind: "probability" | "score";
  /** Predictions a row. */
  readonly outputs: number;
  /** SHA-256 of the file that is scored with. */
  readonly modelSha256: string;
  /** The predictions, rows × outputs. @param matrix Rows × features in the model's order; NaN is missing. */
  predict(matrix: Float32Array, rows: number): Promise<Float32Array>;
}

/** The largest difference to an expected score that passes the replay. */
const tolerance = 1e-6;

/**
 * The scorer of a logged model. `auto` takes the trees where the folder has a
 * native model, else ONNX. A model with an input example must first give its
 * expected scores again.
 *
 * @throws {InputError} If the model cannot be scored, or its example gives other scores: then the file or the runtime is not what was logged.
 * @param options `settings`: what the variant says of an ONNX graph's output.
 * @throws {UsageError} If the engine asked for does not fit the model, or the positive class of an ONNX classifier is not known.
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

/** The engine a flag names. @throws {UsageError} If it names none. */
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
  bytes: Uint8Array<ArrayBuffer>,
): Scorer {
  const model = parseModel(bytes);
  const score = toPredict(model);
  return {
    engine: "trees",
    columns: withLabels(
      toColumns(namesOf(model, folder), folder.file.signature.inputs),
      model,
    ),
    features: model.features.count,
    recipe: folder.recipe,
    predictionKind: model.predictionKind,
    outputs: model.outputs,
    modelSha256: sha256(bytes),
    predict: (matrix, rows) => Promise.resolve(score(matrix, rows)),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

/** The kernel serves trees; a linear model is one pass over the row, which the reference does as well. */
function toPredict(
  model: Model,
): (matrix: Float32Array, rows: number) => Float32Array {
  if (model.kind === "linear") {
    return (matrix, rows) => evaluate(model, matrix, { rows }).predictions;
  }
  const kernel = openKernel(model satisfies TreeEnsemble);
  return (matrix, rows) => kernel.predict(matrix, rows);
}

/** Whether a model gives one probability per row, which is what `churn_predictions` holds. */
export function isProbability(
  { predictionKind, outputs }: Pick<Scorer, "predictionKind" | "outputs">,
): boolean {
  return predictionKind === "probability" && outputs === 1;
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
  const model = native && parseModel(native);
  const names = model ? namesOf(model, folder) : folder.featureNames ?? [];
  const columns = withLabels(
    toColumns(names, folder.file.signature.inputs),
    model,
  );
  const session = await openOnnx(onnx);
  try {
    // The graph beside a native model is ours: all its columns are the model's outputs.
    const output = model ? { ...model, take: asIs } : toModelOutput(
      session.facts,
      { columns: session.outputs, settings, what: uri },
    );
    return {
      engine: "onnxruntime",
      columns,
      features: session.features,
      recipe: folder.recipe,
      predictionKind: output.predictionKind,
      outputs: output.outputs,
      modelSha256: sha256(onnx),
      predict: async (matrix, rows) =>
        output.take(await session.predict(matrix, rows)),
      [Symbol.asyncDispose]: () => session[Symbol.asyncDispose](),
    };
  } catch (error) {
    await session[Symbol.asyncDispose]();
    throw error;
  }
}

function asIs(values: Float32Array): Float32Array {
  return values;
}

function namesOf(model: Model, folder: LoadedFolder): readonly string[] {
  return model.features.names.length > 0
    ? model.features.names
    : folder.featureNames ?? [];
}

/** The model's order and the signature's types; a signature without a name of the model's is a wrong pairing. */
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
      `Cannot use the model: it was trained on "${name}", which its signature does not have`,
    );
  });
}

/** Columns in the model's order with the labels that it has for them. */
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
      recipe: scorer.recipe
        ? fromRecorded(scorer.recipe, plainRecipe)
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
      `when it was logged it was ${scores[at]}; nothing was scored`,
  );
}
