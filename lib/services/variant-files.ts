/** Reads models and data: from the variant's prefix in the bucket, its local folder, or a URI given by a flag. */
import {
  type ArtifactStore,
  bytesAsFile,
  type ListedFile,
  type StoredFile,
  uriOf,
} from "../storage/store.ts";
import { sha256OfStream } from "../base/digest.ts";
import {
  InputError,
  messageOf,
  MissingFileError,
  type Outage,
  TransientError,
  UsageError,
} from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import { oneLine } from "../base/printable.ts";
import { matchPath } from "../config/periods.ts";
import { localPath, type Variant } from "../config/variant.ts";

/** Where the scored rows were read from. */
export type DataSource = "s3" | "local" | "local-fallback";

/** A file that was read, and where it was read from. */
export interface InputFile {
  readonly uri: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly source: DataSource;
}

/** A file of rows that is open for reading, and where it is read from. */
export interface InputData {
  readonly file: StoredFile;
  readonly source: DataSource;
}

/** What names standard input in flags, in the ledger and in JSON. */
export const stdinUri = "-";

/** Returns how messages name an input or a batch that begins with it: `standard input`, or its URI. */
export function nameOfInput(uri: string): string {
  return uri.replace(/^-(?=$| and \d+ more$)/, "standard input");
}

/** Returns a file's bytes. The file is closed. */
export async function readWhole(
  { file, source }: InputData,
): Promise<InputFile> {
  await using open = file;
  return { uri: open.uri, bytes: await open.read(0, open.size), source };
}

/** Returns a file that was read as a file to read rows from. */
export function asData({ uri, bytes, source }: InputFile): InputData {
  return { file: bytesAsFile(uri, bytes), source };
}

/** The stores that hold one variant's files. */
export interface VariantFiles {
  readonly variant: Variant;
  /** The variant's prefix in the bucket; undefined if no bucket is configured. */
  readonly bucket: ArtifactStore | undefined;
  /** The project's folder. */
  readonly project: ArtifactStore;
  /** True if nothing is configured: files are then read from the local folder. */
  readonly embedded: boolean;
  /** Runs a step and retries it while a service is unavailable. */
  readonly withRetry: <T>(what: string, step: () => Promise<T>) => Promise<T>;
}

/**
 * Opens a file of the variant: from the bucket, or from the local folder if
 * nothing is configured. Undefined if it does not exist.
 *
 * @param path Below the variant's prefix, such as `data/churn/feature_names_3.json`.
 * @throws {UsageError} If services are configured but no bucket is.
 */
export async function findVariantFile(
  files: VariantFiles,
  path: string,
): Promise<InputData | undefined> {
  if (files.embedded) return await findLocalFile(files, path, "local");
  const bucket = needBucket(files, path);
  const uri = uriOf(bucket, path);
  const file = await files.withRetry(`read ${uri}`, () => bucket.open(path));
  return file && { file, source: "s3" };
}

/**
 * Opens a file of the variant that must exist.
 *
 * @throws {InputError} If it does not; the message names where it should be.
 */
export async function openVariantFile(
  files: VariantFiles,
  path: string,
): Promise<InputData> {
  const file = await findVariantFile(files, path);
  if (file) return file;
  throw new InputError(
    `Cannot find ${
      locationOf(files, path)
    }; put the file there, or name another file with its flag`,
  );
}

/** Returns a file of the variant; the errors are those of {@linkcode openVariantFile}. */
export async function readVariantFile(
  files: VariantFiles,
  path: string,
): Promise<InputFile> {
  return await readWhole(await openVariantFile(files, path));
}

/**
 * The outages of S3 in which the local folder may be read instead. The only other
 * case is that S3 has no such object: refused credentials, a wrong region,
 * redirects, wrong checksums and responses that are not S3's are errors.
 */
const fallbackOutages: readonly Outage[] = ["unreachable", "unavailable"];

function allowsFallback(error: unknown): error is TransientError {
  return error instanceof TransientError && error.outage !== undefined &&
    fallbackOutages.includes(error.outage);
}

/**
 * Returns the variant's new data. If S3 is unreachable, answers 5xx after all
 * retries, or has no such object, the data are read from the same variant's local
 * folder; this is logged and recorded in `source`. Any other failure is thrown
 * unchanged. The sample shipped with this project is never used as a fallback.
 *
 * @throws {TransientError} If S3 is unreachable and the local folder is not used.
 * @throws {InputError} If S3 has no such object and the local folder is not used.
 */
export async function readNewData<
  Batch extends {
    readonly uri: string;
    readonly parts: readonly { open(): Promise<StoredFile> }[];
  },
>(files: VariantFiles, options: {
  /** Path or pattern below the variant's prefix. */
  readonly path: string;
  /** Returns the data in the bucket; undefined if there are none. */
  readonly inBucket: () => Promise<Batch[] | undefined>;
  /** Returns the data in the local folder; undefined if there are none. */
  readonly inFolder: () => Promise<Batch[] | undefined>;
  /** The error if the bucket has none. */
  readonly missing: string;
  /** False disables the local folder. */
  readonly fallback: boolean;
  /** Warns of a fallback. */
  readonly log: Pick<Log, "warn">;
}): Promise<Batch[]> {
  let problem: Error;
  try {
    const batches = await options.inBucket();
    if (batches) return batches;
    problem = new InputError(options.missing);
  } catch (error) {
    if (!allowsFallback(error)) throw error;
    problem = error;
  }
  if (!options.fallback) {
    throw withReason(
      problem,
      "and the local folder is not used because of --no-fallback",
    );
  }
  const local = await options.inFolder();
  if (!local) {
    const place = localPath(files.variant, options.path);
    throw withReason(problem, `and there is no ${place} to fall back to`);
  }
  for (const part of local.flatMap(({ parts }) => parts)) {
    await using opened = await part.open();
    if (!await isShipped(files, opened)) continue;
    throw withReason(
      problem,
      "and the local folder has only the shipped synthetic data; name the file with --input to score it",
    );
  }
  options.log.warn(
    `${messageOf(problem)}. Falling back to ${
      local.map(({ uri }) => uri).join(", ")
    }; the ledger and the MLflow run record this`,
  );
  return local;
}

/**
 * Opens the files that one `--input` names: one file, or all that match a
 * pattern with `*` (within one folder) or `**` (across folders), sorted by name.
 *
 * @param open Opens the store for a folder's URI.
 * @throws {MissingFileError} If no file exists.
 * @throws {TransientError} If a file is still being written.
 */
export async function openNamedFiles(
  uri: string,
  open: (folder: string) => ArtifactStore,
): Promise<InputData[]> {
  const { store, path } = namedPlace(uri, open);
  const source = sourceOf(uri);
  const paths = path.includes("*")
    ? (await listMatching(store, path)).map((file) => file.path)
    : [path];
  const files = await Promise.all(paths.map(async (found) => {
    const file = await store.open(found, { settled: true });
    return file && { file, source };
  }));
  const present = files.filter((file) => file !== undefined);
  if (present.length > 0) return present;
  throw new MissingFileError(uri);
}

/** Returns where the files that a flag names are read from. */
export function sourceOf(uri: string): DataSource {
  return uri.startsWith("s3://") ? "s3" : "local";
}

/** Returns the files in a store that match a pattern, sorted by name. */
export async function listMatching(
  store: ArtifactStore,
  pattern: string,
): Promise<ListedFile[]> {
  const files = await store.list("");
  return files.filter(({ path }) =>
    matchPath({ text: pattern }, path) !== undefined
  );
}

/** Returns the one file that a flag names; the errors are those of {@linkcode openNamedFiles}. */
export async function readNamedFile(
  uri: string,
  open: (folder: string) => ArtifactStore,
): Promise<InputFile> {
  const [first] = await openNamedFiles(uri, open);
  return await readWhole(first!);
}

/**
 * Returns where the file or the files are that a flag names: the store of the
 * folder, and the path or pattern below it. They are split at the last slash before
 * any `*`, because a pattern may span folders.
 *
 * @param open Opens the store for a folder's URI.
 */
export function namedPlace(
  uri: string,
  open: (folder: string) => ArtifactStore,
): { store: ArtifactStore; path: string } {
  const star = uri.indexOf("*");
  const end = uri.lastIndexOf("/", star < 0 ? undefined : star);
  if (end < 0) return { store: open("."), path: uri };
  return { store: open(uri.slice(0, end) || "/"), path: uri.slice(end + 1) };
}

/** Opens a file in the variant's local folder; undefined if it does not exist. */
export async function findLocalFile(
  { project, variant }: VariantFiles,
  path: string,
  source: DataSource,
): Promise<InputData | undefined> {
  const local = localPath(variant, path);
  const file = await project.open(local, { settled: true });
  return file && { file, source };
}

/** Tells whether a file is shipped with this project: the manifest beside each shipped model contains the digests of its data. */
async function isShipped(
  { project, variant }: VariantFiles,
  file: StoredFile,
): Promise<boolean> {
  const manifest = await project.find(
    localPath(variant, "models/churn/manifest.json"),
  );
  if (manifest === undefined) return false;
  const digest = await sha256OfStream(file.stream());
  return new TextDecoder().decode(manifest).includes(digest);
}

/** Returns the bucket. @throws {UsageError} If none is configured; names the `path` that is wanted. */
export function needBucket(
  { bucket }: VariantFiles,
  path: string,
): ArtifactStore {
  if (bucket) return bucket;
  throw new UsageError(
    `Cannot find ${path}: services are configured, but MLFLOW_S3_BUCKET is not; set it, or name the file with its flag`,
  );
}

/** Returns where a path of the variant is, or should be. */
export function locationOf(
  { embedded, bucket, project, variant }: VariantFiles,
  path: string,
): string {
  return embedded || !bucket
    ? uriOf(project, localPath(variant, path))
    : uriOf(bucket, path);
}

/** Returns how files are shown: those of the project by their path in it. */
export function placeIn({ project }: VariantFiles): (uri: string) => string {
  const folder = `${project.uri}/`;
  return (uri) =>
    oneLine(
      uri.startsWith(folder) ? uri.slice(folder.length) : nameOfInput(uri),
    );
}

function withReason(problem: Error, reason: string): Error {
  const message = `${messageOf(problem)}, ${reason}`;
  return problem instanceof TransientError
    ? new TransientError(message)
    : new InputError(message);
}
