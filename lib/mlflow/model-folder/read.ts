/** The folder of a logged model as it is read back: every file whose digest is on record is verified. */
import {
  type ArtifactStore,
  readArtifact,
  uriOf,
} from "../../storage/store.ts";
import type { FileCache } from "../../storage/digest-cache.ts";
import { sha256 } from "../../base/digest.ts";
import { InputError } from "../../base/errors.ts";
import {
  parseReferenceProfile,
  type ReferenceProfile,
} from "../../statistics/profile.ts";
import { parseRecorded, type RecordedRecipe } from "../../rows/recipe.ts";
import { type ModelFile, parseMLmodel } from "./mlmodel-read.ts";
import { mlmodelFile } from "./mlmodel-write.ts";

/** Names of our own files in the folder, beside MLflow's. */
export const ownFiles = {
  expectedScores: "expected_scores.json",
  featureNames: "feature_names.json",
  referenceProfile: "reference_profile.json",
} as const;

/** Key of our entry in MLmodel's `metadata`. */
export const metadataKey = "churn";

/** The scores that the input example must give, in `expected_scores.json`. */
export interface ExpectedScores {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly unknown[])[];
  /** Rows × outputs, float32 values. */
  readonly scores: readonly number[];
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
    expected: own
      ? await decode<ExpectedScores>(ownFiles.expectedScores)
      : undefined,
    featureNames: own
      ? await decode<string[]>(ownFiles.featureNames)
      : undefined,
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
  const profile = own?.sha256[ownFiles.referenceProfile];
  return {
    recipe: own?.recipe,
    profile: profile === undefined ? undefined : parseReferenceProfile(
      await readVerified(store, {
        path: ownFiles.referenceProfile,
        digest: profile,
        cache,
      }),
      { file: uriOf(store, ownFiles.referenceProfile) },
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
