/** Opens a candidate's model file of any format: its features, its output, and a function that scores rows. */
import { InputError, messageOf, UsageError } from "../base/errors.ts";
import type { RecordedOutput } from "../mlflow/model-folder/signature.ts";
import {
  evaluate,
  feedsFrames,
  type FrameGraphOptions,
  isOnnx,
  type Label,
  type Model,
  type OnnxFile,
  type OnnxSession,
  openOnnx,
  parseModel,
  readOnnxFile,
  toColumnGraph,
  toFrameGraph,
  toOnnx,
  treesIgnoreMissing,
  unseenCategory,
} from "../model/mod.ts";
import { type OutputSettings, toModelOutput } from "../scoring/model-output.ts";

/** The features of a model, in its order. */
export interface ModelFeatures {
  /** Empty if the file has no names. */
  readonly names: readonly string[];
  /** Undefined if the file does not say. */
  readonly count: number | undefined;
  /** XGBoost's names of types (`float`, `int`, `i`); undefined for a feature without one. */
  readonly types: readonly (string | undefined)[];
  /** Per feature, the labels of its categories; undefined for a number. Absent if there are no categories. */
  readonly labels?: readonly (readonly Label[] | undefined)[] | undefined;
  /** What happens to an unknown category. */
  readonly unseen: "missing" | "error";
}

/** Names that LightGBM makes up for a model that was trained without names. */
const placeholder = /^Column_\d+$/;

/** Returns the names of the features that a model was trained on; empty if it was trained without names. */
export function ownNames({ names }: ModelFeatures): readonly string[] {
  return names.every((name) => placeholder.test(name)) ? [] : names;
}

/** What logging needs to know of a model, whatever its format. */
interface ModelFacts {
  readonly features: ModelFeatures;
  readonly predictionKind: "probability" | "score";
  /** Predictions per row. */
  readonly outputs: number;
  /** For MLflow's `params`. */
  readonly parameters: Readonly<Record<string, string>>;
}

/** A model of XGBoost or LightGBM. */
export interface NativeCandidate extends ModelFacts {
  readonly kind: "native";
  readonly model: Model;
}

/** An ONNX graph. */
export interface OnnxCandidate extends ModelFacts {
  readonly kind: "onnx";
  readonly output: RecordedOutput;
  /** True if the converter dropped what the trees learned about missing values; see `treesIgnoreMissing`. */
  readonly ignoresMissing: boolean;
  /** How the graph is adapted to a pandas frame; the missing value comes from the recipe. */
  readonly frame: Omit<FrameGraphOptions, "missingValue">;
}

/** A candidate's model. */
export type CandidateModel = NativeCandidate | OnnxCandidate;

/** A candidate's model that can score; disposing it frees the runtime's memory. */
export interface OpenModel extends AsyncDisposable {
  readonly model: CandidateModel;
  /** Returns rows × outputs predictions for rows × features. */
  predict(matrix: Float32Array, rows: number): Promise<Float32Array>;
}

/**
 * Opens a model file: a model of XGBoost or LightGBM, or an ONNX graph. The
 * bytes decide, not the file's name.
 *
 * @param options `settings`: those for a model's output; `file`: the file's name, for messages.
 * @throws {InputError} If the file has another format, is damaged, or contains something that cannot be scored.
 * @throws {UsageError} If the positive class of an ONNX classifier is unknown.
 */
export async function openCandidateModel(
  bytes: Uint8Array<ArrayBuffer>,
  options: { settings: OutputSettings; file: string },
): Promise<OpenModel> {
  const { file } = options;
  try {
    return isOnnx(bytes)
      ? await openOnnxCandidate(bytes, options)
      : openNativeCandidate(parseModel(bytes));
  } catch (cause) {
    const isNamed = !(cause instanceof InputError) ||
      cause.message.startsWith(`Cannot use ${file}`);
    throw isNamed ? cause : new InputError(`Cannot use ${file}`, { cause });
  }
}

function openNativeCandidate(model: Model): OpenModel {
  const { names, count, types, labels } = model.features;
  return {
    model: {
      kind: "native",
      model,
      features: {
        names,
        count,
        // A LightGBM file shows which features are categories, but not their types.
        types: model.library === "xgboost" ? types : [],
        labels,
        unseen: unseenCategory(model.library),
      },
      predictionKind: model.predictionKind,
      outputs: model.outputs,
      parameters: model.parameters,
    },
    predict: (matrix, rows) =>
      Promise.resolve(evaluate(model, matrix, { rows }).predictions),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

/**
 * Opens the model as `log-model` will.
 *
 * @param options `usual`: what `variants.yaml` says of the variant; `positiveClass`: the class of an ONNX classifier whose probability is the score, instead of the one there; `outcome`: what that class is, for messages.
 * @throws {InputError} If the model cannot be scored.
 * @throws {UsageError} If the positive class is unknown; lists the classes and names the flag.
 */
export async function openOwnModel(
  { bytes, uri: file }: { bytes: Uint8Array<ArrayBuffer>; uri: string },
  options: {
    usual: Omit<OutputSettings, "names">;
    positiveClass: string | undefined;
    outcome: string | undefined;
  },
): Promise<OpenModel> {
  const { usual, outcome = "the outcome" } = options;
  const settings = {
    positiveClass: options.positiveClass ?? usual.positiveClass,
    modelOutput: usual.modelOutput,
    names: { outcome },
  };
  try {
    return await openCandidateModel(bytes, { settings, file });
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    throw new UsageError(`${error.message}; or pass --positive-class CLASS`);
  }
}

/** The graphs beside a candidate's model file. */
export interface CandidateGraphs {
  /** The graph that takes rows as users send them, for the parity gate and for Python. */
  readonly columnGraph: Uint8Array;
  /** The graph that takes a matrix; undefined for an ONNX model, which is one itself. */
  readonly onnx: Uint8Array | undefined;
  /** Whether `mlflow.pyfunc` returns the predictions of the model file itself, without the column graph. */
  readonly loadsInPython: boolean;
}

/**
 * Returns the graphs of a model.
 *
 * @param options `columns`: names and MLflow types of the features, in order; `missingValue`: a number that means missing, like NaN.
 * @throws {InputError} If a graph cannot represent the model.
 */
export function toGraphs(
  model: CandidateModel,
  { bytes, columns, missingValue }: {
    bytes: Uint8Array;
    columns: readonly { readonly name: string; readonly type: string }[];
    missingValue: number | undefined;
  },
): CandidateGraphs {
  if (model.kind === "native") {
    return {
      columnGraph: toColumnGraph(model.model, { columns, missingValue }),
      onnx: toOnnx(model.model),
      loadsInPython: loadsInPython(model.model) && missingValue === undefined,
    };
  }
  const frame = { ...model.frame, missingValue };
  const loads = feedsFrames(bytes, frame);
  return {
    columnGraph: loads ? bytes : toFrameGraph(bytes, frame),
    onnx: undefined,
    loadsInPython: loads,
  };
}

/**
 * Returns true if MLflow's own loader of the native file returns the same scores
 * as this project. It loads a Booster, which uses all rounds, and rejects
 * category labels outside a pandas `category`, a type that MLflow's signatures
 * do not have. Otherwise Python loads an ONNX file, which contains exactly what
 * is scored here.
 */
function loadsInPython({ rounds, features }: Model): boolean {
  return rounds.used === rounds.total && features.labels === undefined;
}

async function openOnnxCandidate(
  bytes: Uint8Array<ArrayBuffer>,
  { settings, file }: { settings: OutputSettings; file: string },
): Promise<OpenModel> {
  const about = readOnnxFile(bytes);
  const session = await openOnnx(bytes).catch((cause) => {
    throw describeRejection(cause, { about, file });
  });
  try {
    const { inputs, facts } = session;
    const output = toModelOutput(facts, {
      columns: session.outputs,
      settings,
      what: file,
    });
    const { predictionKind, outputs, positiveClass } = output;
    const features = toFeatures(session, about.featureNames);
    return {
      model: {
        kind: "onnx",
        features,
        predictionKind,
        outputs,
        parameters: {
          model_format: "onnx",
          onnx_opsets: about.opsets.join(", "),
          ...about.producer ? { onnx_producer: about.producer } : {},
          ...facts.classes ? { classes: facts.classes.join(", ") } : {},
          ...positiveClass === undefined
            ? {}
            : { positive_class: positiveClass },
        },
        output: {
          kind: predictionKind,
          ...positiveClass === undefined
            ? {}
            : { positive_class: positiveClass },
          ...facts.classes ? { classes: [...facts.classes] } : {},
        },
        ignoresMissing: about.producer.startsWith("skl2onnx") &&
          treesIgnoreMissing(bytes),
        frame: {
          inputs,
          output: {
            name: session.output,
            columns: session.outputs,
            take: output.column,
            as: predictionKind,
          },
        },
      },
      predict: async (matrix, rows) =>
        output.take(await session.predict(matrix, rows)),
      [Symbol.asyncDispose]: () => session[Symbol.asyncDispose](),
    };
  } catch (error) {
    await session[Symbol.asyncDispose]();
    throw error;
  }
}

/** Returns the error for a graph that the runtime rejects: its own words, the graph's operator sets, and how to convert the model again. Any other error is returned unchanged. */
function describeRejection(
  error: unknown,
  { about, file }: { about: OnnxFile; file: string },
): unknown {
  if (!(error instanceof InputError) || error.cause === undefined) return error;
  const { opsets, producer } = about;
  const advice = producer.startsWith("skl2onnx")
    ? `to_onnx(model, X[:1].astype("float32"), target_opset=18, options={"zipmap": False})`
    : "with an operator set of 18 or lower and no operators outside ai.onnx and ai.onnx.ml";
  return new InputError(
    `Cannot use ${file}: the ONNX runtime rejects the graph (${
      opsets.join(", ")
    }${producer ? `, written by ${producer}` : ""}): ${
      runtimeMessage(error.cause)
    }; convert the model again: ${advice}`,
  );
}

/** Returns the runtime's own words without its error codes and the signatures of its functions. */
function runtimeMessage(cause: unknown): string {
  const text = messageOf(cause).replace(/^.*?ERROR_MESSAGE: /s, "")
    .replace(/^\S+\.(h|cc):\d+ .*?\) (?=[A-Z])/s, "")
    .replace(/(\s|\\n)+/g, " ").trim().replace(/\.$/, "");
  return text.length > 300 ? `${text.slice(0, 300)}…` : text;
}

/** Returns the features of a graph: its inputs' names, or for a matrix the names in its metadata. */
function toFeatures(
  { inputs, features }: OnnxSession,
  named: readonly string[],
): ModelFeatures {
  const count = features ?? (named.length > 0 ? named.length : undefined);
  const columns = inputs.kind === "columns"
    ? inputs.columns
    : Array.from({ length: count ?? 0 }, () => inputs);
  const strings = columns.map(({ strings }) => strings);
  return {
    names: inputs.kind === "columns"
      ? inputs.columns.map(({ name }) => name)
      : named,
    count,
    types: columns.map(({ type }) => typeNames[type]),
    ...strings.some((found) => found)
      ? { labels: strings.map((found) => found?.labels) }
      : {},
    unseen: strings.some((found) => found?.unseen === "error")
      ? "error"
      : "missing",
  };
}

/** XGBoost's names of the element types, which decide the types of the signature. */
const typeNames = {
  float32: "float",
  float64: "float",
  int32: "int",
  int64: "int",
  bool: "i",
  string: undefined,
} as const;
