/** Builds the folder of a logged model; MLmodel is the last file. */
import type { Candidate } from "./candidate.ts";
import { sha256 } from "../base/digest.ts";
import {
  columnGraphFile,
  mlmodelFile,
  type ModelDescription,
  type NativeModel,
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
import type { Model } from "../model/mod.ts";
import { scoreOutput } from "../mlflow/model-folder/signature.ts";
import { testedMlflow } from "../mlflow/tested.ts";
import { toRecorded } from "../rows/recipe.ts";

/** Where a model is logged. */
export type ModelOrigin = Pick<
  ModelDescription,
  "artifactPath" | "modelId" | "runId" | "createdMs" | "writesRequired"
>;

/** The contents of a model folder: its files by path, and its description. */
export interface ModelFolder {
  readonly files: ReadonlyMap<string, Uint8Array>;
  readonly description: ModelDescription;
}

const onnxVersion = "1.23.2";
/** LightGBM's files do not record the release that wrote them; this release reads all formats that this project reads. */
const lightgbmVersion = "4.7.0";

/**
 * Returns the files of a logged model: `MLmodel`, the model file, its graphs, the
 * input example with its expected scores, the reference profile, and Python's
 * environment. MLmodel contains the digest of every other file.
 */
export function toModelFolder(
  candidate: Candidate,
  origin: ModelOrigin,
): ModelFolder {
  const { model, modelBytes, graphs, columns, example } = candidate;
  const native = model.kind === "native"
    ? toNative(model.model, modelBytes)
    : undefined;
  const names = columns.map(({ name }) => name ?? "");
  const expected: ExpectedScores = {
    columns: names,
    rows: example.rows,
    scores: [...example.scores],
  };
  const environment = {
    native: graphs.loadsInPython ? native : undefined,
    onnxVersion,
    hasColumnGraph: !graphs.loadsInPython,
    mlflowVersion: testedMlflow,
  };
  const texts = {
    ...toInputExample(names, { rows: example.rows }),
    ...toEnvironment(environment),
    [ownFiles.expectedScores]: JSON.stringify(expected),
    [ownFiles.featureNames]: JSON.stringify(names),
    [ownFiles.referenceProfile]: JSON.stringify(candidate.reference),
  };
  const files = new Map<string, Uint8Array>([
    ...native ? [[native.file, modelBytes] as const] : [],
    [onnxFile, graphs.onnx ?? modelBytes],
    ...graphs.loadsInPython
      ? []
      : [[columnGraphFile, graphs.columnGraph] as const],
    ...Object.entries(texts).map(([path, text]) =>
      [path, new TextEncoder().encode(text)] as const
    ),
  ]);
  const description: ModelDescription = {
    ...origin,
    ...environment,
    signature: { inputs: columns, outputs: scoreOutput },
    hasInputExample: true,
    sizeBytes: [...files.values()].reduce((sum, { length }) => sum + length, 0),
    metadata: {
      [metadataKey]: {
        ...native ? { native: native.file } : {},
        ...model.kind === "native"
          ? { objective: model.model.objective }
          : { output: model.output },
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

/** Returns the flavor, file name and version of the native model. The second byte distinguishes UBJSON from JSON: in UBJSON it is the type of the first key's length. */
function toNative(model: Model, bytes: Uint8Array): NativeModel {
  if (model.library === "lightgbm") {
    return {
      flavor: "lightgbm",
      file: "model.lgb",
      version: lightgbmVersion,
    };
  }
  const isUbjson = bytes[0] === 0x7b &&
    /^[iUIlL$#]$/.test(String.fromCharCode(bytes[1] ?? 0));
  return {
    flavor: "xgboost",
    file: isUbjson ? "model.ubj" : "model.json",
    version: model.libraryVersion,
  };
}
