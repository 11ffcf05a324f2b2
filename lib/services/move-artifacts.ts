/** Copies the files of the embedded store to another artifact store. */
import { sha256OfStream } from "../base/digest.ts";
import { InputError, TransientError, UsageError } from "../base/errors.ts";
import { inParallel } from "../base/parallel.ts";
import { type ArtifactStore, uriOf } from "../storage/store.ts";
import type { Services } from "./services.ts";

/** What {@linkcode moveArtifacts} did. */
export interface MovedArtifacts {
  /** Files that this call wrote. */
  readonly written: number;
  /** Files that were there with the same bytes. */
  readonly unchanged: number;
  /** Bytes of both. */
  readonly bytes: number;
}

/**
 * Copies every file of `from` to the same path in `to`, reads what was written
 * again, and compares the SHA-256. A file that is there with the same bytes is
 * left as it is. Nothing is written if a file is there with other bytes.
 *
 * @throws {InputError} If a file with other bytes is there.
 * @throws {TransientError} If a file that was written reads differently, or a store cannot be reached.
 */
export async function moveArtifacts(
  from: ArtifactStore,
  to: ArtifactStore,
  services: Pick<Services, "log" | "signal" | "withRetry">,
): Promise<MovedArtifacts> {
  const { log, withRetry } = services;
  const files = await digestsOf(from, services);
  const missing: FileDigest[] = [];
  await inParallel(files, async (file) => {
    const found = await withRetry(
      `read ${uriOf(to, file.path)}`,
      () => digestOf(to, file.path, file.size),
    );
    if (found === undefined) return void missing.push(file);
    if (found === file.sha256) return;
    throw new InputError(
      `Cannot move the artifacts: ${
        uriOf(to, file.path)
      } exists with other content; choose another MLFLOW_ARTIFACT_ROOT, such as s3://BUCKET/mlflow, or remove it there`,
    );
  }, services);
  if (missing.length > 0) {
    log.info(`Copying ${missing.length} files to ${to.uri}`);
  }
  await inParallel(missing, (file) =>
    withRetry(
      `write ${uriOf(to, file.path)}`,
      () => copyFile(from, to, file),
    ), services);
  return {
    written: missing.length,
    unchanged: files.length - missing.length,
    bytes: files.reduce((sum, { size }) => sum + size, 0),
  };
}

/**
 * Tells whether two stores are one folder, whose files then need no copy.
 *
 * @throws {UsageError} If the new one is inside the old one, which is to be deleted later.
 */
export async function isSameFolder(
  from: ArtifactStore,
  to: ArtifactStore,
): Promise<boolean> {
  const [old, own] = [await realPath(from.uri), await realPath(to.uri)];
  if (!own.startsWith(`${old}/`)) return own === old;
  throw new UsageError(
    `Cannot move to MLFLOW_ARTIFACT_ROOT ${to.uri}: it is inside the embedded store's own folder ${from.uri}; choose a place outside it`,
  );
}

/** Returns a path without symbolic links; what does not exist, or is no path, is returned as it is. */
async function realPath(path: string): Promise<string> {
  if (!path.startsWith("/")) return path;
  return await Deno.realPath(path).catch(() => path);
}

interface FileDigest {
  readonly path: string;
  readonly size: number;
  readonly sha256: string;
}

async function digestsOf(
  store: ArtifactStore,
  services: Pick<Services, "signal">,
): Promise<FileDigest[]> {
  const files: FileDigest[] = [];
  await inParallel(await store.list(""), async ({ path }) => {
    await using file = await store.open(path);
    if (!file) return; // deleted since it was listed
    const { size } = file;
    files.push({ path, size, sha256: await sha256OfStream(file.stream()) });
  }, services);
  return files;
}

/** Returns the SHA-256 of a file, "" if it has another size, or undefined if it does not exist. */
async function digestOf(
  store: ArtifactStore,
  path: string,
  size: number,
): Promise<string | undefined> {
  await using file = await store.open(path);
  if (!file) return undefined;
  return file.size === size ? await sha256OfStream(file.stream()) : "";
}

async function copyFile(
  from: ArtifactStore,
  to: ArtifactStore,
  { path, size, sha256 }: FileDigest,
): Promise<void> {
  await using file = await from.open(path);
  if (!file) {
    throw new TransientError(
      `Cannot copy ${uriOf(from, path)}: it was deleted in the meantime`,
    );
  }
  await using writer = await to.create(path);
  for await (const bytes of file.stream()) await writer.write(bytes);
  await writer.finish();
  if (await digestOf(to, path, size) === sha256) return;
  throw new TransientError(
    `Cannot copy ${uriOf(from, path)}: ${
      uriOf(to, path)
    } does not have the bytes that were written`,
  );
}
