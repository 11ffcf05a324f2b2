/** The folder of a logged model: what is written into it, and how it is read back and trusted. */
import { type ArtifactStore, readArtifact, uriOf } from "./artifacts/store.ts";
import type { Candidate } from "./candidate.ts";
import { sha256 } from "./digest.ts";
import { InputError } from "./errors.ts";
import { type ModelFile, parseMLmodel } from "./mlflow/flavors.ts";
import {
  columnGraphFile,
  mlmodelFile,
  type ModelDescription,
  onnxFile,
  toEnvironment,
  toInputExample,
  toMLmodel,
} from "./mlflow/mlmodel.ts";
import { scoreOutput } from "./mlflow/signature.ts";
import {
  parseReferenceProfile,
  type ReferenceProfile,
} from "./monitoring/profile.ts";
import { parseRecorded, type RecordedRecipe, toRecorded } from "./recipe.ts";

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

/** The scores that the input example must give, in `expected_scores.json`. */
export interface ExpectedScores {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly unknown[])[];
  /** Rows × outputs, float32 values. */
  readonly scores: readonly number[];
}

/** What an MLflow of our time is asked for by `requirements.txt`; the tests load our models with it. */
const mlflowVersion = "3.17.2";
const onnxVersion = "1.23.2";
/** LightGBM's files do not say which release wrote them; this one reads all formats that we do. */
const lightgbmVersion = "4.7.0";
const expectedFile = "expected_scores.json";
const featuresFile = "feature_names.json";
const referenceFile = "reference_profile.json";
/** Key of our entry in MLmodel's `metadata`. */
const metadataKey = "churn";

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
    [expectedFile]: JSON.stringify(expected),
    [featuresFile]: JSON.stringify(names),
    [referenceFile]: JSON.stringify(candidate.reference),
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

/** A logged model's folder as it was read; every file whose digest is on record was verified. */
export interface LoadedFolder {
  readonly uri: string;
  readonly file: ModelFile;
  /** The native model's bytes, where there is one. */
  readonly native: Uint8Array<ArrayBuffer> | undefined;
  readonly onnx: Uint8Array<ArrayBuffer> | undefined;
  readonly expected: ExpectedScores | undefined;
  /** Names in the model's order, where the folder has them. */
  readonly featureNames: readonly string[] | undefined;
  /** How rows become the model's columns; undefined for a model that was logged without, by Python or before it was recorded. */
  readonly recipe: RecordedRecipe | undefined;
  /** False when the model was logged without digests, as MLflow itself does. */
  readonly verified: boolean;
}

/** How a folder is read. */
export interface FolderOptions {
  /** SHA-256 of MLmodel, from the version's tag; undefined when it has none. */
  readonly mlmodelSha256: string | undefined;
  /** Reads through a cache that is keyed by digest. */
  readonly cache: FileCache;
}

/** Files by their digest, so that scoring survives an artifact store that is briefly away. */
export interface FileCache {
  find(digest: string): Promise<Uint8Array<ArrayBuffer> | undefined>;
  keep(digest: string, bytes: Uint8Array): Promise<void>;
}

/**
 * The logged model in a folder.
 *
 * @throws {InputError} If it cannot be scored here, or a file differs from its digest on record: then it was changed after it was logged.
 */
export async function readModelFolder(
  store: ArtifactStore,
  options: FolderOptions,
): Promise<LoadedFolder> {
  const { mlmodelSha256, cache } = options;
  const text = new TextDecoder().decode(
    await readVerified(store, {
      path: mlmodelFile,
      digest: mlmodelSha256,
      cache,
    }),
  );
  const file = parseMLmodel(text, { file: uriOf(store, mlmodelFile) });
  const own = ownMetadata(file.metadata);
  const read = (path: string) =>
    readVerified(store, { path, digest: own?.sha256[path], cache });
  const nativePath = file.native?.file ?? own?.native;
  const decode = async <T>(path: string) =>
    JSON.parse(new TextDecoder().decode(await read(path))) as T;
  return {
    uri: store.uri,
    file,
    native: nativePath === undefined ? undefined : await read(nativePath),
    onnx: file.onnxFile === undefined ? undefined : await read(file.onnxFile),
    expected: own ? await decode<ExpectedScores>(expectedFile) : undefined,
    featureNames: own ? await decode<string[]>(featuresFile) : undefined,
    recipe: own?.recipe,
    verified: own !== undefined && mlmodelSha256 !== undefined,
  };
}

/** What was recorded about rows when a model was logged; each part is undefined for a model that was logged without it. */
export interface RecordedRows {
  readonly profile: ReferenceProfile | undefined;
  readonly recipe: RecordedRecipe | undefined;
}

/**
 * Returns the reference profile and the recipe that were recorded with the
 * model in a folder.
 *
 * @throws {InputError} If a file differs from its digest on record.
 */
export async function readRecordedRows(
  store: ArtifactStore,
  { mlmodelSha256: digest, cache }: FolderOptions,
): Promise<RecordedRows> {
  const bytes = await readVerified(store, { path: mlmodelFile, digest, cache });
  const text = new TextDecoder().decode(bytes);
  const file = parseMLmodel(text, { file: uriOf(store, mlmodelFile) });
  const own = ownMetadata(file.metadata);
  const profile = own?.sha256[referenceFile];
  return {
    recipe: own?.recipe,
    profile: profile === undefined ? undefined : parseReferenceProfile(
      await readVerified(store, {
        path: referenceFile,
        digest: profile,
        cache,
      }),
      { file: uriOf(store, referenceFile) },
    ),
  };
}

interface OwnMetadata {
  readonly native: string;
  readonly recipe: RecordedRecipe | undefined;
  readonly sha256: Readonly<Record<string, string>>;
}

/** The part of MLmodel that we wrote; undefined for a model that Python logged. */
function ownMetadata(
  metadata: Readonly<Record<string, unknown>>,
): OwnMetadata | undefined {
  const own = metadata[metadataKey] as
    | Partial<Omit<OwnMetadata, "recipe">> & { recipe?: unknown }
    | undefined;
  if (own?.native === undefined || own.sha256 === undefined) return undefined;
  const { native, sha256, recipe } = own;
  return {
    native,
    sha256,
    recipe: recipe === undefined ? undefined : parseRecorded(recipe),
  };
}

async function readVerified(
  store: ArtifactStore,
  { path, digest, cache }: {
    path: string;
    digest: string | undefined;
    cache: FileCache;
  },
): Promise<Uint8Array<ArrayBuffer>> {
  if (digest === undefined) return await readArtifact(store, path);
  const cached = await cache.find(digest);
  if (cached && sha256(cached) === digest) return cached;
  const bytes = await readArtifact(store, path);
  const found = sha256(bytes);
  if (found !== digest) {
    throw new InputError(
      `Cannot trust ${
        uriOf(store, path)
      }: its SHA-256 is ${found}, recorded when it was logged is ${digest}; ` +
        `it was changed since: restore it, or log the model again and promote that version`,
    );
  }
  await cache.keep(digest, bytes);
  return bytes;
}
