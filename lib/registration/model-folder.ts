/** The folder of a logged model as it is written: the files, MLmodel last. */
import type { Candidate } from "./candidate.ts";
import { sha256 } from "../base/digest.ts";
import {
  columnGraphFile,
  mlmodelFile,
  type ModelDescription,
  onnxFile,
  toEnvironment,
  toInputExample,
  toMLmodel,
} from "../mlflow/model-folder/mlmodel-write.ts";
import {
  type ExpectedScores,
  metadataKey,
  ownFiles,
} from "../mlflow/model-folder/read.ts";
import { scoreOutput } from "../mlflow/model-folder/signature.ts";
import { toRecorded } from "../rows/recipe.ts";

/** Where a model is logged. */
export interface ModelPlace {
  readonly artifactPath: string;
  readonly modelId: string | undefined;
  readonly runId: string;
  readonly createdMs: number;
  /** The store's `writesRequired`; true when left out. */
  readonly writesRequired?: boolean | undefined;
}

/** A folder that is ready to be written: its files by path, and its description. */
export interface ModelFolder {
  readonly files: ReadonlyMap<string, Uint8Array>;
  readonly description: ModelDescription;
}

/** What an MLflow of our time is asked for by `requirements.txt`; the tests load our models with it. */
const mlflowVersion = "3.17.2";
const onnxVersion = "1.23.2";
/** LightGBM's files do not say which release wrote them; this one reads all formats that we do. */
const lightgbmVersion = "4.7.0";

/**
 * The files of a logged model: `MLmodel`, the native file, `model.onnx`, the
 * input example with its expected scores, the reference profile, and Python's
 * environment. The digest of every file but MLmodel stands in MLmodel, and
 * MLmodel's own is given back to be kept as a tag.
 */
export function toModelFolder(
  candidate: Candidate,
  place: ModelPlace,
): ModelFolder {
  const { model, columns, example } = candidate;
  const native = toNative(candidate);
  const names = columns.map(({ name }) => name ?? "");
  const expected: ExpectedScores = {
    columns: names,
    rows: example.rows,
    scores: [...example.scores],
  };
  const isDescribable = describable(candidate);
  const environment = {
    native: isDescribable ? native : undefined,
    onnxVersion,
    hasColumnGraph: !isDescribable,
    mlflowVersion,
  };
  const texts = {
    ...toInputExample(names, { rows: example.rows }),
    ...toEnvironment(environment),
    [ownFiles.expectedScores]: JSON.stringify(expected),
    [ownFiles.featureNames]: JSON.stringify(names),
    [ownFiles.referenceProfile]: JSON.stringify(candidate.reference),
  };
  const files = new Map<string, Uint8Array>([
    [native.file, candidate.modelBytes],
    [onnxFile, candidate.onnxBytes],
    ...isDescribable ? [] : [[columnGraphFile, candidate.columnGraph] as const],
    ...Object.entries(texts).map(([path, text]) =>
      [path, new TextEncoder().encode(text)] as const
    ),
  ]);
  const description: ModelDescription = {
    ...place,
    ...environment,
    signature: { inputs: columns, outputs: scoreOutput },
    hasInputExample: true,
    sizeBytes: [...files.values()].reduce((sum, { length }) => sum + length, 0),
    metadata: {
      [metadataKey]: {
        native: native.file,
        objective: model.objective,
        recipe: toRecorded(candidate.recipe),
        sha256: Object.fromEntries(
          [...files].map(([path, bytes]) => [path, sha256(bytes)]),
        ),
      },
    },
  };
  files.set(mlmodelFile, new TextEncoder().encode(toMLmodel(description)));
  return { files, description };
}

/** UBJSON and JSON are told apart by their second byte: a UBJSON object names its key's length type there. */
function toNative(
  { model, modelBytes }: Candidate,
): { flavor: "xgboost" | "lightgbm"; file: string; version: string } {
  if (model.library === "lightgbm") {
    return {
      flavor: "lightgbm",
      file: "model.lgb",
      version: lightgbmVersion,
    };
  }
  const isUbjson = modelBytes[0] === 0x7b &&
    /^[iUIlL$#]$/.test(String.fromCharCode(modelBytes[1] ?? 0));
  return {
    flavor: "xgboost",
    file: isUbjson ? "model.ubj" : "model.json",
    version: model.libraryVersion,
  };
}

/**
 * Whether MLflow's own loader of the native file would score as we do: it loads
 * a Booster, which uses all rounds, takes NaN alone for missing, and refuses
 * labels of categories outside a pandas `category`, a type that MLflow's
 * signatures do not have. Otherwise Python loads an ONNX file, which holds
 * exactly what scores.
 */
function describable({ model, recipe }: Candidate): boolean {
  return model.rounds.used === model.rounds.total &&
    model.features.labels === undefined &&
    recipe.missingValue === undefined;
}
