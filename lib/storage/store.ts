/** The interface of an artifact store: a folder, S3, or an MLflow server's proxy. */
import { InputError } from "../base/errors.ts";

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
  /** Stores a file atomically, replacing an existing one. */
  write(path: string, bytes: Uint8Array): Promise<void>;
  /** Returns the sorted paths of the files below `folder` ("" for all). */
  list(folder: string): Promise<string[]>;
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
