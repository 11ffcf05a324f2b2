/** Reads models and data: from the variant's prefix in the bucket, its local folder, or a URI given by a flag. */
import { type ArtifactStore, uriOf } from "../storage/store.ts";
import { sha256 } from "../base/digest.ts";
import {
  InputError,
  messageOf,
  type Outage,
  TransientError,
  UsageError,
} from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import { localPath, type Variant } from "../config/variant.ts";

/** Where the scored rows were read from. */
export type DataSource = "s3" | "local" | "local-fallback";

/** A file that was read, and where it was read from. */
export interface InputFile {
  readonly uri: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly source: DataSource;
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
 * Returns a file of the variant: from the bucket, or from the local folder if
 * nothing is configured. Undefined if it does not exist.
 *
 * @param path Below the variant's prefix, such as `data/churn/feature_names_3.json`.
 * @throws {UsageError} If services are configured but no bucket is.
 */
export async function findVariantFile(
  files: VariantFiles,
  path: string,
): Promise<InputFile | undefined> {
  if (files.embedded) return await findLocal(files, path, "local");
  const bucket = needBucket(files, path);
  const uri = uriOf(bucket, path);
  const bytes = await files.withRetry(`read ${uri}`, () => bucket.find(path));
  return bytes && { uri, bytes, source: "s3" };
}

/**
 * Returns a file of the variant that must exist.
 *
 * @throws {InputError} If it does not; the message names where it should be.
 */
export async function readVariantFile(
  files: VariantFiles,
  path: string,
): Promise<InputFile> {
  const file = await findVariantFile(files, path);
  if (file) return file;
  throw new InputError(
    `Cannot find ${
      locationOf(files, path)
    }; put the file there, or name another with its flag`,
  );
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
 * retries, or has no such object, the file is read from the same variant's local
 * folder; this is logged and recorded in `source`. Any other failure is thrown
 * unchanged. The sample shipped with this project is never used as a fallback.
 *
 * @param options `fallback`: false disables the local folder; `log`: warns of a fallback.
 * @throws {TransientError} If S3 is unreachable and the local folder is not used.
 * @throws {InputError} If S3 has no such object and the local folder is not used.
 */
export async function readNewData(
  files: VariantFiles,
  path: string,
  options: { fallback: boolean; log: Pick<Log, "warn"> },
): Promise<InputFile> {
  if (files.embedded) return await readVariantFile(files, path);
  let problem: Error;
  try {
    const file = await findVariantFile(files, path);
    if (file) return file;
    problem = new InputError(`Cannot find ${locationOf(files, path)}`);
  } catch (error) {
    if (!allowsFallback(error)) throw error;
    problem = error;
  }
  if (!options.fallback) {
    throw withReason(problem, "and --no-fallback keeps the local folder out");
  }
  const local = await findLocal(files, path, "local-fallback");
  if (!local) {
    throw withReason(
      problem,
      `and there is no ${localPath(files.variant, path)} to fall back to`,
    );
  }
  if (await isShipped(files, local)) {
    throw withReason(
      problem,
      "and the local folder has only the shipped synthetic sample, which needs --input to be scored here",
    );
  }
  options.log.warn(
    `${
      messageOf(problem)
    }. Falling back to ${local.uri}; the ledger and the MLflow run record this`,
  );
  return local;
}

/**
 * Returns the files that one `--input` names: one file, or all that match a
 * pattern with `*` (within one folder) or `**` (across folders), sorted by name.
 *
 * @param open Opens the store for a folder's URI.
 * @throws {InputError} If no file exists.
 * @throws {TransientError} If a file is still being written.
 */
export async function readNamedFiles(
  uri: string,
  open: (folder: string) => ArtifactStore,
): Promise<InputFile[]> {
  const { folder, path } = splitUri(uri);
  const store = open(folder);
  const source: DataSource = uri.startsWith("s3://") ? "s3" : "local";
  const paths = path.includes("*") ? await matching(store, path) : [path];
  const files = await Promise.all(paths.map(async (found) => {
    const bytes = await store.find(found, { settled: true });
    return bytes && { uri: uriOf(store, found), bytes, source };
  }));
  const present = files.filter((file) => file !== undefined);
  if (present.length > 0) return present;
  throw new InputError(`Cannot find ${uri}: there is no such file`);
}

/** Stores a file at a URI or path atomically. @param open Opens the store for a folder's URI. */
export async function writeNamedFile(
  uri: string,
  bytes: Uint8Array,
  open: (folder: string) => ArtifactStore,
): Promise<void> {
  const { folder, path } = splitUri(uri);
  await open(folder).write(path, bytes);
}

async function matching(
  store: ArtifactStore,
  pattern: string,
): Promise<string[]> {
  const expression = pattern.split(/(\*\*\/?|\*)/).map((part) => {
    if (part.startsWith("**")) return ".*";
    return part === "*" ? "[^/]*" : part.replace(/[.+?^${}()|[\]\\]/g, "\\$&");
  }).join("");
  const paths = await store.list("");
  return paths.filter((path) => new RegExp(`^${expression}$`).test(path));
}

/** Splits a URI at the last slash before any `*`, because a pattern may span folders. */
function splitUri(uri: string): { folder: string; path: string } {
  const star = uri.indexOf("*");
  const end = uri.lastIndexOf("/", star < 0 ? undefined : star);
  if (end < 0) return { folder: ".", path: uri };
  return { folder: uri.slice(0, end) || "/", path: uri.slice(end + 1) };
}

async function findLocal(
  { project, variant }: VariantFiles,
  path: string,
  source: DataSource,
): Promise<InputFile | undefined> {
  const local = localPath(variant, path);
  const bytes = await project.find(local, { settled: true });
  return bytes && { uri: uriOf(project, local), bytes, source };
}

/** Tells whether a file is the shipped sample: the manifest beside each shipped model contains the digest of its sample. */
async function isShipped(
  { project, variant }: VariantFiles,
  file: InputFile,
): Promise<boolean> {
  const manifest = await project.find(
    localPath(variant, "models/churn/manifest.json"),
  );
  return manifest !== undefined &&
    new TextDecoder().decode(manifest).includes(sha256(file.bytes));
}

function needBucket({ bucket }: VariantFiles, path: string): ArtifactStore {
  if (bucket) return bucket;
  throw new UsageError(
    `Cannot tell where ${path} is: services are configured but MLFLOW_S3_BUCKET is not; set it, or name the file with its flag`,
  );
}

function locationOf(
  { embedded, bucket, project, variant }: VariantFiles,
  path: string,
): string {
  return embedded || !bucket
    ? uriOf(project, localPath(variant, path))
    : uriOf(bucket, path);
}

function withReason(problem: Error, reason: string): Error {
  const message = `${messageOf(problem)}, ${reason}`;
  return problem instanceof TransientError
    ? new TransientError(message)
    : new InputError(message);
}
