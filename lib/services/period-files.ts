/** Groups files by the period in their path, and finds the files with a variant's matured outcomes. */
import { sha256 } from "../base/digest.ts";
import { InputError, TransientError } from "../base/errors.ts";
import {
  fillPeriod,
  matchPath,
  type PathMatch,
  type PathPattern,
  type Period,
  toPathPattern,
} from "../config/periods.ts";
import { localPath } from "../config/variant.ts";
import {
  type ArtifactStore,
  type ListedFile,
  type StoredFile,
  uriOf,
} from "../storage/store.ts";
import { needBucket, type VariantFiles } from "./variant-files.ts";

/** A file of a batch, which is opened when its turn comes. */
export interface InputPart {
  readonly uri: string;
  /** Bytes. */
  readonly size: number;
  /**
   * Opens the file as it is now.
   *
   * @throws {TransientError} If it was deleted, is still being written, or cannot be reached.
   */
  open(): Promise<StoredFile>;
}

/** Files that belong together, such as those of one period. */
export interface InputFiles {
  /** The file, or the pattern of several. */
  readonly uri: string;
  /** In the order in which they are read; at least one. */
  readonly parts: readonly InputPart[];
  /** The period in the path; undefined if the path has none. */
  readonly period: Period | undefined;
  /** Changes whenever a file is written, added or removed; undefined if unknown. */
  readonly version: string | undefined;
}

/**
 * Returns the files that match a pattern below the variant's prefix, one entry per
 * period; none if there are no files. Files are looked up in the bucket if
 * services are configured, otherwise in the local folder, which never replaces
 * the bucket.
 *
 * @throws {InputError} If a period is spelled in two ways.
 * @throws {UsageError} If services are configured but no bucket is.
 * @throws {TransientError} If S3 is unreachable.
 */
export async function findOutcomeFiles(
  files: VariantFiles,
  pattern: PathPattern,
): Promise<InputFiles[]> {
  const { embedded, project, variant } = files;
  if (embedded) {
    const local = toPathPattern(
      localPath(variant, pattern.text),
      "outcomes.files",
    );
    return await listFiles(project, local);
  }
  const bucket = needBucket(files, pattern.text);
  return await files.withRetry(
    `list ${uriOf(bucket, pattern.folder)}`,
    () => listFiles(bucket, pattern),
  );
}

async function listFiles(
  store: ArtifactStore,
  pattern: PathPattern,
): Promise<InputFiles[]> {
  const listed = await store.list(pattern.folder);
  const groups = groupByPeriod(listed, { store, pattern: pattern.text });
  return [...groups.values()].map((group) =>
    describeGroup(store, pattern, group)
  );
}

/** The files of one period in a store. */
export interface PeriodFiles {
  readonly match: PathMatch;
  readonly files: ListedFile[];
}

/**
 * Groups the files that match a pattern by their period; "" for a pattern without.
 *
 * @throws {InputError} If a period is spelled in two ways.
 */
export function groupByPeriod(
  files: readonly ListedFile[],
  { store, pattern }: { store: ArtifactStore; pattern: string },
): Map<string, PeriodFiles> {
  const groups = new Map<string, PeriodFiles>();
  for (const file of files) {
    const match = matchPath({ text: pattern }, file.path);
    if (!match) continue;
    const key = match.period ?? "";
    const group = groups.get(key) ?? { match, files: [] };
    if (group.match.spelling !== match.spelling) {
      throw new InputError(
        `Cannot tell which files belong to ${match.period} at ${
          uriOf(store, pattern)
        }: the period is spelled ${group.match.spelling} and ${match.spelling}; keep one of them`,
      );
    }
    group.files.push(file);
    groups.set(key, group);
  }
  return groups;
}

/** Returns the files of one period as one. */
export function describeGroup(
  store: ArtifactStore,
  { text }: Pick<PathPattern, "text">,
  { match, files }: PeriodFiles,
): InputFiles {
  const path = files.length === 1
    ? files[0]!.path
    : fillPeriod(text, match.spelling ?? "");
  return {
    period: match.period,
    uri: uriOf(store, path),
    version: versionOf(files),
    parts: files.map((file) => toPart(store, file)),
  };
}

/** Returns a listed file as one that is opened when its turn comes. */
export function toPart(store: ArtifactStore, file: ListedFile): InputPart {
  const uri = uriOf(store, file.path);
  return {
    uri,
    size: file.size ?? 0,
    async open() {
      const opened = await store.open(file.path, { settled: true });
      if (opened) return opened;
      throw new TransientError(
        `Cannot read ${uri}: it was deleted in the meantime`,
      );
    },
  };
}

/** Returns a text that changes whenever one of the files is written, added or removed; undefined if the listing does not tell. */
function versionOf(files: readonly ListedFile[]): string | undefined {
  if (files.some(({ version }) => version === undefined)) return undefined;
  const lines = files.map(({ path, size, version }) =>
    JSON.stringify([path, size, version])
  );
  return sha256(lines.join("\n"));
}
