/** The interface of an artifact store: a folder, S3, or an MLflow server's proxy. */
import { InputError } from "../base/errors.ts";
import type { RowSource } from "../rows/row-file.ts";

/** A file that is read piece by piece. Its `uri` is safe to print and store; every piece comes from the same version of the file. */
export interface StoredFile extends RowSource, AsyncDisposable {}

/** A file that is written piece by piece. Nobody sees it before it is finished; disposal discards an unfinished one. */
export interface FileWriter extends AsyncDisposable {
  /** Appends bytes; the caller may use their memory again afterwards. */
  write(bytes: Uint8Array): Promise<void>;
  /** Completes the file, replacing an existing one. */
  finish(): Promise<void>;
}

/** The files below one root; paths are relative and separated by `/`. */
export interface ArtifactStore {
  /** The root, safe to print and store: `s3://bucket/prefix`, an absolute path, `mlflow-artifacts:/…`. */
  readonly uri: string;
  /**
   * Returns the bytes of a file, or undefined if it does not exist.
   *
   * @param options `settled`: another process may still be writing the file, so a folder waits until it stops changing; other stores only ever show complete files.
   * @throws {TransientError} If the store cannot be reached, the bytes do not match their length or checksum, or the file keeps changing.
   * @throws {UsageError} If the store refuses the credentials.
   */
  find(
    path: string,
    options?: { settled?: boolean },
  ): Promise<Uint8Array<ArrayBuffer> | undefined>;
  /** Opens a file, with the options and errors of {@linkcode find}; undefined if it does not exist. */
  open(
    path: string,
    options?: { settled?: boolean },
  ): Promise<StoredFile | undefined>;
  /** Stores a file atomically, replacing an existing one. */
  write(path: string, bytes: Uint8Array): Promise<void>;
  /** Starts a file of any size. Nothing is visible, and an existing file stays, until it is finished. */
  create(path: string): Promise<FileWriter>;
  /**
   * Checks that {@linkcode create} can write the file, as far as a store can tell
   * without keeping anything: a folder creates and removes an empty folder beside
   * the file, S3 tells only whether the bucket exists, a server nothing.
   *
   * @throws {UsageError} If the file cannot be written.
   */
  checkCreate(path: string): Promise<void>;
  /** Returns the files below `folder` ("" for all), sorted by path. */
  list(folder: string): Promise<ListedFile[]>;
}

/** A file as a listing shows it. */
export interface ListedFile {
  readonly path: string;
  /** Bytes; undefined if the store's listing does not say. */
  readonly size: number | undefined;
  /** Changes whenever the file is written: the ETag in S3, the times of modification and change in a folder; undefined if the store's listing has neither. */
  readonly version: string | undefined;
}

/** Returns listed files sorted by path. */
export function sortedByPath(files: readonly ListedFile[]): ListedFile[] {
  return files.toSorted((a, b) =>
    a.path < b.path ? -1 : a.path > b.path ? 1 : 0
  );
}

/**
 * Returns the bytes of a file that must exist.
 *
 * @throws {InputError} If it does not; the message names the URI.
 */
export async function readArtifact(
  store: ArtifactStore,
  path: string,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = await store.find(path);
  if (bytes) return bytes;
  throw new InputError(`Cannot find ${uriOf(store, path)}`);
}

/** Returns bytes in memory as an open file. */
export function bytesAsFile(
  uri: string,
  bytes: Uint8Array<ArrayBuffer>,
): StoredFile {
  return {
    uri,
    size: bytes.length,
    read: (start, end) => Promise.resolve(bytes.subarray(start, end)),
    async *stream() {
      yield await Promise.resolve(bytes);
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

/** Returns a writer that collects the bytes in memory, for a store that only takes whole files. */
export function collectBytes(
  write: (bytes: Uint8Array<ArrayBuffer>) => Promise<void>,
): FileWriter {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  return {
    write(bytes) {
      parts.push(new Uint8Array(bytes));
      return Promise.resolve();
    },
    finish: async () => await write(await new Blob(parts).bytes()),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

/** Returns the URI of one file in a store. */
export function uriOf(store: Pick<ArtifactStore, "uri">, path: string): string {
  return path === "" ? store.uri : `${store.uri.replace(/\/$/, "")}/${path}`;
}

/**
 * Returns the path unchanged if it stays below its root.
 *
 * ```ts
 * import { strictEqual, throws } from "node:assert/strict";
 *
 * strictEqual(checkedPath("data/churn/sample.json"), "data/churn/sample.json");
 * throws(() => checkedPath("../secret"), /leaves its folder/);
 * ```
 *
 * @throws {InputError} If it is empty or absolute, has an empty, `.` or `..` segment, or contains NUL or a backslash.
 */
export function checkedPath(path: string): string {
  const parts = path.split("/");
  const leaves = path === "" || path.startsWith("/") || /[\0\\]/.test(path) ||
    parts.some((part) => part === "" || part === "." || part === "..");
  if (!leaves) return path;
  throw new InputError(
    `Cannot use the artifact path ${
      JSON.stringify(path)
    }: it leaves its folder`,
  );
}
