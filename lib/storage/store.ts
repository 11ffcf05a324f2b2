/** A place for files, whatever it is made of: a folder, S3, or an MLflow server's proxy. */
import { InputError } from "../base/errors.ts";

/** The files below one root; paths are relative, with `/` between their parts. */
export interface ArtifactStore {
  /** The root, fit to be printed and stored: `s3://bucket/prefix`, an absolute path, `mlflow-artifacts:/…`. */
  readonly uri: string;
  /**
   * The bytes of a file, or undefined where there is none.
   *
   * @param options `settled`: the file is written by somebody else, so a folder waits until it no longer changes; other places show whole files only.
   * @throws {TransientError} If the place cannot be reached, its bytes do not agree with what it says of them, or the file keeps changing.
   * @throws {UsageError} If it refuses the credentials.
   */
  find(
    path: string,
    options?: { settled?: boolean },
  ): Promise<Uint8Array<ArrayBuffer> | undefined>;
  /** Stores a file whole or not at all, replacing what was there. */
  write(path: string, bytes: Uint8Array): Promise<void>;
  /** Paths of the files below `folder` ("" for all), sorted. */
  list(folder: string): Promise<string[]>;
}

/**
 * The bytes of a file that must be there.
 *
 * @throws {InputError} If there is none; names the URI.
 */
export async function readArtifact(
  store: ArtifactStore,
  path: string,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = await store.find(path);
  if (bytes) return bytes;
  throw new InputError(`Cannot find ${uriOf(store, path)}`);
}

/** The URI of one file of a store. */
export function uriOf(store: Pick<ArtifactStore, "uri">, path: string): string {
  return path === "" ? store.uri : `${store.uri.replace(/\/$/, "")}/${path}`;
}

/**
 * The path itself, when it stays below its root.
 *
 * ```ts
 * import { strictEqual, throws } from "node:assert/strict";
 *
 * strictEqual(checkedPath("data/churn/sample.json"), "data/churn/sample.json");
 * throws(() => checkedPath("../secret"), /leaves its folder/);
 * ```
 *
 * @throws {InputError} If it is absolute, empty, climbs up, or holds NUL or a backslash.
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
