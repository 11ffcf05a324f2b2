/** Reads the folder of a logged model: verifies every file whose digest was recorded. */
import {
  type ArtifactStore,
  readArtifact,
  uriOf,
} from "../../storage/store.ts";
import type { FileCache } from "../../storage/digest-cache.ts";
import { sha256 } from "../../base/digest.ts";
import { InputError } from "../../base/errors.ts";
import * as v from "../../base/schema.ts";
import { parseFeatureNames } from "../../rows/feature-names.ts";
import {
  parseReferenceProfile,
  type ReferenceProfile,
} from "../../statistics/profile.ts";
import { parseRecorded, type RecordedRecipe } from "../../rows/recipe.ts";
import { type ModelFile, parseMLmodel } from "./mlmodel-read.ts";
import { mlmodelFile } from "./mlmodel-write.ts";
import { type RecordedOutput, recordedOutput } from "./signature.ts";

/** Names of the files that we add to MLflow's in the folder. */
export const ownFiles = {
  expectedScores: "expected_scores.json",
  featureNames: "feature_names.json",
  referenceProfile: "reference_profile.json",
} as const;

/** Key of our entry in MLmodel's `metadata`. */
export const metadataKey = "churn";

const expectedScores = v.object({
  columns: v.array(v.string()),
  rows: v.array(v.array(v.unknown())),
  scores: v.array(v.number()),
});

/** The input example and its expected scores, from `expected_scores.json`. */
export interface ExpectedScores {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly unknown[])[];
  /** Float32 values, rows × outputs. */
  readonly scores: readonly number[];
}

/** A file and the SHA-256 of its bytes. */
interface DigestedFile {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly sha256: string;
}

/** The contents of a logged model's folder; every file of it whose digest was recorded has been verified. */
export interface LoadedFolder {
  readonly uri: string;
  readonly file: ModelFile;
  /** The native model; undefined if there is none. */
  readonly native: DigestedFile | undefined;
  /** The ONNX graph; undefined if there is none, or it was left out. */
  readonly onnx: DigestedFile | undefined;
  readonly expected: ExpectedScores | undefined;
  /** Feature names in the model's order; undefined if the folder does not have them. */
  readonly featureNames: readonly string[] | undefined;
  /** How rows are converted to the model's columns; undefined for a model logged without a recipe, by Python or by an earlier version of this project. */
  readonly recipe: RecordedRecipe | undefined;
  /** How the output is read; undefined for a native model, and for a model logged by Python. */
  readonly output: RecordedOutput | undefined;
  /** The profile of the rows that the model was measured on, and its digest; undefined if the folder does not have it. */
  readonly reference:
    | { readonly profile: ReferenceProfile; readonly sha256: string }
    | undefined;
  /** False if the model was logged without digests, as by MLflow itself. */
  readonly verified: boolean;
}

/** Options for reading a folder. */
export interface FolderOptions {
  /** SHA-256 of MLmodel, from the version's tag; undefined if it has none. */
  readonly mlmodelSha256: string | undefined;
  /** The cache to read through, keyed by digest. */
  readonly cache: FileCache;
  /** Leaves out the ONNX graph if there is a native model, because trees are scored without it; by default both are read. */
  readonly prefersNative?: boolean;
}

/**
 * Reads the logged model in a folder.
 *
 * @throws {InputError} If it cannot be scored here, or a file does not match its recorded digest because it was changed after logging.
 */
export async function readModelFolder(
  store: ArtifactStore,
  options: FolderOptions,
): Promise<LoadedFolder> {
  const { mlmodelSha256, cache, prefersNative = false } = options;
  const { file, own } = await readMLmodel(store, options);
  const read = (path: string) =>
    readVerified(store, { path, digest: own?.sha256[path], cache });
  const nativePath = file.nativeFile ?? own?.native;
  const onnxPath = prefersNative && nativePath !== undefined
    ? undefined
    : file.onnxFile;
  const names = own && await read(ownFiles.featureNames);
  const expected = own && await read(ownFiles.expectedScores);
  return {
    uri: store.uri,
    file,
    native: nativePath === undefined ? undefined : await read(nativePath),
    onnx: onnxPath === undefined ? undefined : await read(onnxPath),
    expected: expected && v.parseJson(expectedScores, expected.bytes, {
      file: uriOf(store, ownFiles.expectedScores),
    }),
    featureNames: names && parseFeatureNames(names.bytes, {
      file: uriOf(store, ownFiles.featureNames),
    }),
    recipe: own?.recipe,
    output: own?.output,
    reference: await readReference(store, own, cache),
    verified: own !== undefined && mlmodelSha256 !== undefined,
  };
}

/** What was recorded about rows when a model was logged; each part is undefined if the model was logged without it. */
export type RecordedRows = Pick<LoadedFolder, "reference" | "recipe">;

/**
 * Returns the reference profile and the recipe that were recorded with the
 * model in a folder.
 *
 * @throws {InputError} If a file does not match its recorded digest.
 */
export async function readRecordedRows(
  store: ArtifactStore,
  options: FolderOptions,
): Promise<RecordedRows> {
  const { own } = await readMLmodel(store, options);
  return {
    recipe: own?.recipe,
    reference: await readReference(store, own, options.cache),
  };
}

async function readMLmodel(
  store: ArtifactStore,
  { mlmodelSha256: digest, cache }: FolderOptions,
): Promise<{ file: ModelFile; own: OwnMetadata }> {
  const { bytes } = await readVerified(store, {
    path: mlmodelFile,
    digest,
    cache,
  });
  const file = parseMLmodel(new TextDecoder().decode(bytes), {
    file: uriOf(store, mlmodelFile),
  });
  return { file, own: ownMetadata(file.metadata) };
}

async function readReference(
  store: ArtifactStore,
  own: OwnMetadata,
  cache: FileCache,
): Promise<LoadedFolder["reference"]> {
  const path = ownFiles.referenceProfile;
  const digest = own?.sha256[path];
  if (digest === undefined) return undefined;
  const { bytes } = await readVerified(store, { path, digest, cache });
  return {
    profile: parseReferenceProfile(bytes, { file: uriOf(store, path) }),
    sha256: digest,
  };
}

const ownEntry = v.object({
  // Absent for an ONNX model.
  native: v.exactOptional(v.string()),
  output: v.exactOptional(recordedOutput),
  sha256: v.record(v.string()),
  recipe: v.optional(v.unknown()),
});

type OwnMetadata = ReturnType<typeof ownMetadata>;

/** Returns our own entry in MLmodel's metadata; undefined for a model logged by Python. */
function ownMetadata(metadata: Readonly<Record<string, unknown>>) {
  const own = v.match(ownEntry, metadata[metadataKey]);
  return own && {
    ...own,
    recipe: own.recipe === undefined ? undefined : parseRecorded(own.recipe),
  };
}

async function readVerified(
  store: ArtifactStore,
  { path, digest, cache }: {
    path: string;
    digest: string | undefined;
    cache: FileCache;
  },
): Promise<DigestedFile> {
  const cached = digest && await cache.find(digest);
  if (cached && sha256(cached) === digest) {
    return { bytes: cached, sha256: digest };
  }
  const bytes = await readArtifact(store, path);
  const found = sha256(bytes);
  if (digest !== undefined && found !== digest) {
    throw new InputError(
      `Cannot trust ${
        uriOf(store, path)
      }: its SHA-256 is ${found}, but ${digest} was recorded when it was logged; ` +
        `the file has changed: restore it, or log the model again and promote that version`,
    );
  }
  if (digest !== undefined) await cache.store(digest, bytes);
  return { bytes, sha256: found };
}
