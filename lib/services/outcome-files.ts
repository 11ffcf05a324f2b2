/** Finds the files with a variant's matured outcomes, in the bucket or the local folder. */
import {
  fillPeriod,
  type PathPattern,
  type Period,
  toPathPattern,
} from "../config/periods.ts";
import { localPath } from "../config/variant.ts";
import { type ArtifactStore, uriOf } from "../storage/store.ts";
import {
  groupByPeriod,
  type InputPart,
  toPart,
  versionOf,
} from "./input-batches.ts";
import { needBucket, type VariantFiles } from "./variant-files.ts";

/** The files with the outcomes of one period, or of all. */
export interface OutcomeFiles {
  /** Undefined for a pattern without `{period}`. */
  readonly period: Period | undefined;
  /** The file, or the pattern of several. */
  readonly uri: string;
  /** Changes whenever a file is written, added or removed; undefined if unknown. */
  readonly version: string | undefined;
  /** At least one. */
  readonly parts: readonly InputPart[];
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
): Promise<OutcomeFiles[]> {
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
  { text, folder }: PathPattern,
): Promise<OutcomeFiles[]> {
  const listed = await store.list(folder);
  return [...groupByPeriod(listed, { store, pattern: text }).values()].map((
    { match, files },
  ) => ({
    period: match.period,
    uri: uriOf(
      store,
      files.length === 1
        ? files[0]!.path
        : fillPeriod(text, match.spelling ?? ""),
    ),
    version: versionOf(files),
    parts: files.map((file) => toPart(store, file)),
  }));
}
