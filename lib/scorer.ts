/** A registered version that is ready to score: read, verified, replayed on its own example. */
import { type Column, toFeatures } from "./features.ts";
import { sha256 } from "./digest.ts";
import { InputError, UsageError } from "./errors.ts";
import type { Schema } from "./mlflow/signature.ts";
import type { Model, TreeEnsemble } from "./model/ensemble.ts";
import { evaluate } from "./model/evaluate.ts";
import { openKernel } from "./model/kernel.ts";
import { unseenCategory } from "./model/labels.ts";
import { openOnnx } from "./model/onnxruntime.ts";
import { parseModel } from "./model/parse.ts";
import type { ExpectedScores, LoadedFolder } from "./modelfolder.ts";

/** What computes the scores. */
export type Engine = "trees" | "onnxruntime";

/** A model that scores; disposing it frees the runtime's memory. */
export interface Scorer extends AsyncDisposable {
  readonly engine: Engine;
  /** The model's columns in the model's order; undefined when neither model nor signature names them. */
  readonly columns: readonly Column[] | undefined;
  readonly features: number | undefined;
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
 * @throws {UsageError} If the engine asked for does not fit the model.
 */
export async function openScorer(
  folder: LoadedFolder,
  engine: "auto" | Engine,
): Promise<Scorer> {
  const scorer = engine !== "onnxruntime" && folder.native
    ? openTrees(folder, folder.native)
    : await openGraph(folder, engine);
  try {
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

async function openGraph(
  folder: LoadedFolder,
  engine: "auto" | Engine,
): Promise<Scorer> {
  const { onnx, native, uri } = folder;
  if (!onnx || engine === "trees") {
    throw new UsageError(
      `Cannot score ${uri} with ${engine}: it holds ${
        onnx ? "an ONNX graph" : "a native model"
      } only; use --engine auto`,
    );
  }
  const session = await openOnnx(onnx);
  const model = native && parseModel(native);
  const names = model ? namesOf(model, folder) : folder.featureNames ?? [];
  return {
    engine: "onnxruntime",
    columns: withLabels(
      toColumns(names, folder.file.signature.inputs),
      model,
    ),
    features: session.features,
    // A graph does not say what its numbers are; storing refuses what is outside 0 to 1.
    predictionKind: model?.predictionKind ?? "probability",
    outputs: model?.outputs ?? 1,
    modelSha256: sha256(onnx),
    predict: (matrix, rows) => session.predict(matrix, rows),
    [Symbol.asyncDispose]: () => session[Symbol.asyncDispose](),
  };
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
  const { rows, scores } = expected;
  const columns = scorer.columns ??
    expected.columns.map((name) => ({ name, type: "double" }));
  const { matrix } = toFeatures(
    rows.map((value, row) => ({ number: row + 1, line: undefined, value })),
    {
      columns,
      recipe: { oneHot: [] },
      idColumn: "",
      file: `the input example of ${uri}`,
    },
  );
  const found = await scorer.predict(matrix, rows.length);
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
