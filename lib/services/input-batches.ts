/** Finds the data of one call: the variant's inputs by period, or the files that a flag names. */
import { sha256 } from "../base/digest.ts";
import { InputError, TransientError, UsageError } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
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
import {
  type DataSource,
  type InputData,
  keptOpen,
  listMatching,
  locationOf,
  needBucket,
  openNamedFiles,
  openNewData,
  readNewData,
  sourceOf,
  splitUri,
  type VariantFiles,
} from "./variant-files.ts";

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

/** Files that are scored as one: one scoring run with one digest. */
export interface InputBatch extends AsyncDisposable {
  /** The file, or the pattern of several. */
  readonly uri: string;
  /** In the order in which they are scored; at least one. */
  readonly parts: readonly InputPart[];
  readonly source: DataSource;
  /** The period in the path; undefined if the path has none. */
  readonly period: Period | undefined;
  /** Changes whenever a file of the batch is written, added or removed; undefined if unknown. */
  readonly version: string | undefined;
  /** Returns the period's side file; undefined if there is none. */
  readManifest(): Promise<Manifest | undefined>;
}

/** A side file, not parsed yet. */
export interface Manifest {
  readonly uri: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** Returns the bytes of a batch. */
export function sizeOf({ parts }: Pick<InputBatch, "parts">): number {
  return parts.reduce((sum, { size }) => sum + size, 0);
}

/** What a batch has unless it says otherwise: no period, no version, no side file, and nothing to close. */
const plainBatch = {
  period: undefined,
  version: undefined,
  readManifest: () => Promise.resolve(undefined),
  [Symbol.asyncDispose]: () => Promise.resolve(),
};

/** Returns a file that is open already as a batch without a period; disposal closes it. */
export function toBatch({ file, source }: InputData): InputBatch {
  const { uri, size } = file;
  const open = () => Promise.resolve(keptOpen(file));
  return {
    ...plainBatch,
    uri,
    parts: [{ uri, size, open }],
    source,
    [Symbol.asyncDispose]: () => file[Symbol.asyncDispose](),
  };
}

/**
 * Returns the files that flags name as one batch, in the order of the flags: a
 * file, which is opened, or those that match a pattern with `*` or `**`, sorted
 * by name, which are opened when their turn comes.
 *
 * @param options `open`: opens the store for a folder's URI; `openStdin`: opens standard input, which `-` names.
 * @throws {InputError} If a file does not exist, or nothing matches a pattern.
 */
export async function findNamedBatch(
  named: readonly string[],
  options: {
    open: (folder: string) => ArtifactStore;
    openStdin: () => Promise<InputData>;
    period: Period | undefined;
  },
): Promise<InputBatch> {
  const { open, openStdin, period } = options;
  const batches: InputBatch[] = [];
  for (const uri of named) {
    if (uri.includes("*")) {
      batches.push(await matchingBatch(uri, open));
      continue;
    }
    const [data] = uri === "-"
      ? [await openStdin()]
      : await openNamedFiles(uri, open);
    batches.push(toBatch(data!));
  }
  const [first, ...more] = batches;
  const parts = batches.flatMap((batch) => batch.parts);
  return {
    ...plainBatch,
    uri: more.length === 0 ? first!.uri : describeFiles(parts),
    parts,
    source: batches.some(({ source }) => source === "s3") ? "s3" : "local",
    period,
    async [Symbol.asyncDispose]() {
      for (const batch of batches) await batch[Symbol.asyncDispose]();
    },
  };
}

/** Returns the first file, and how many others there are. */
function describeFiles(files: readonly { uri: string }[]): string {
  const [first, ...others] = new Set(files.map(({ uri }) => uri));
  return others.length === 0 ? first! : `${first} and ${others.length} more`;
}

async function matchingBatch(
  uri: string,
  open: (folder: string) => ArtifactStore,
): Promise<InputBatch> {
  const { folder, path } = splitUri(uri);
  const store = open(folder);
  const files = await listMatching(store, path);
  if (files.length === 0) {
    throw new InputError(`Cannot find ${uri}: there is no such file`);
  }
  return {
    ...plainBatch,
    uri: files.length === 1 ? uriOf(store, files[0]!.path) : uriOf(store, path),
    parts: files.map((file) => toPart(store, file)),
    source: sourceOf(uri),
  };
}

/** Where {@linkcode findBatches} looks, and what it may do. */
export interface BatchSearch {
  readonly inputs: PathPattern;
  /** The pattern of the side files; undefined: `{period}.manifest.json` where the period ends in the path. */
  readonly manifest: PathPattern | undefined;
  /** Whether the local folder may replace S3, as in {@linkcode openNewData}. */
  readonly fallback: boolean;
  readonly log: Pick<Log, "warn">;
}

/** The inputs of a variant that declares none. */
const weeklyFiles = toPathPattern("data/churn/weekly/{period}.jsonl", "inputs");

/**
 * Returns the inputs of a variant that declares none: its weekly files where there
 * are any, otherwise the sample, with the errors of {@linkcode openNewData}. The
 * local folder never replaces weekly files in S3.
 *
 * @param options `sample`: path of the sample below the variant's prefix.
 */
export async function findDefaultBatches(
  files: VariantFiles,
  options: Omit<BatchSearch, "inputs"> & { sample: string },
): Promise<InputBatch[]> {
  const { sample, fallback } = options;
  const search = { ...options, inputs: weeklyFiles };
  const weekly = files.embedded
    ? await findLocal(files, search, "local")
    : files.bucket && await listBucket(files, search).catch((error) => {
      // A login that may not list may still read the sample, and so may the local folder be read.
      const isRefused = error instanceof UsageError;
      if (isRefused || (fallback && error instanceof TransientError)) return;
      throw error;
    });
  if (weekly) return weekly;
  return [toBatch(await openNewData(files, sample, options))];
}

/**
 * Returns the variant's inputs, one batch per period, oldest first. Nothing is
 * read; a pattern without `{period}` and `*` names one file, which is opened. The
 * local folder replaces S3 in the cases of {@linkcode openNewData}.
 *
 * @throws {InputError} If no file matches, or a period is spelled in two ways.
 * @throws {TransientError} If S3 is unreachable and the local folder is not used.
 */
export async function findBatches(
  files: VariantFiles,
  search: BatchSearch,
): Promise<InputBatch[]> {
  const { inputs } = search;
  if (!inputs.hasPeriod && !/\*|\/$/.test(inputs.text)) {
    const data = await openNewData(files, inputs.text, search);
    return [toBatch(data)];
  }
  if (files.embedded) {
    const batches = await findLocal(files, search, "local");
    if (batches) return batches;
    throw new InputError(nothingFound(files, inputs));
  }
  return await readNewData(files, {
    ...search,
    inBucket: () => listBucket(files, search),
    inFolder: () => findLocal(files, search, "local-fallback"),
    missing: nothingFound(files, inputs),
    local: localPath(files.variant, inputs.text),
    uriOf: (batches) => batches.map(({ uri }) => uri).join(", "),
    shippedIn: (batches) => batches.flatMap(({ parts }) => parts),
  });
}

function nothingFound(files: VariantFiles, { text }: PathPattern): string {
  return `Cannot find any file at ${
    locationOf(files, text)
  }, the variant's "inputs"; {period} is a day such as 2026-11-23, or an ISO week such as 2026-W48`;
}

async function listBucket(
  files: VariantFiles,
  search: BatchSearch,
): Promise<InputBatch[] | undefined> {
  const { inputs } = search;
  const store = needBucket(files, inputs.text);
  return await files.withRetry(
    `list ${uriOf(store, inputs.folder)}`,
    () => listBatches(store, search, { ...files, source: "s3" }),
  );
}

/** Lists the local folder, where the variant's prefix follows the top folder. */
async function findLocal(
  files: VariantFiles,
  search: BatchSearch,
  source: DataSource,
): Promise<InputBatch[] | undefined> {
  const { project, variant, withRetry } = files;
  return await listBatches(project, search, {
    withRetry,
    source,
    toPath: (path) => localPath(variant, path),
  });
}

interface Listing {
  readonly withRetry: VariantFiles["withRetry"];
  readonly source: DataSource;
  /** Returns the path in the store of a path below the variant's prefix; the same by default. */
  readonly toPath?: (path: string) => string;
}

/** Returns the batches in one store; undefined if no file matches. */
async function listBatches(
  store: ArtifactStore,
  { inputs, manifest }: BatchSearch,
  { withRetry, source, toPath = (path) => path }: Listing,
): Promise<InputBatch[] | undefined> {
  const folder = inputs.folder === "" ? "" : toPath(inputs.folder);
  const own = toPath(inputs.text);
  const side = toPath(manifest?.text ?? manifestOf(inputs.text));
  const found = new Map<string, { match: PathMatch; files: ListedFile[] }>();
  for (const file of await store.list(folder)) {
    if (matchPath({ text: side }, file.path)) continue;
    const match = matchPath({ text: own }, file.path);
    if (!match) continue;
    const key = match.period ?? "";
    const group = found.get(key) ?? { match, files: [] };
    if (group.match.spelling !== match.spelling) {
      throw new InputError(
        `Cannot tell which files are those of ${match.period} in ${
          uriOf(store, folder)
        }: the period is spelled ${group.match.spelling} and ${match.spelling}; keep one of them`,
      );
    }
    group.files.push(file);
    found.set(key, group);
  }
  if (found.size === 0) return undefined;
  return [...found.values()]
    .toSorted((a, b) =>
      (a.match.period ?? "") < (b.match.period ?? "") ? -1 : 1
    )
    .map(({ match, files }) => {
      const spelling = match.spelling ?? "";
      const manifestPath = fillPeriod(side, spelling);
      return {
        ...plainBatch,
        uri: files.length === 1
          ? uriOf(store, files[0]!.path)
          : uriOf(store, fillPeriod(own, spelling)),
        parts: files.map((file) => toPart(store, file)),
        source,
        period: match.period,
        version: versionOf(files),
        readManifest: () =>
          withRetry(`read ${uriOf(store, manifestPath)}`, async () => {
            if (match.period === undefined) return undefined;
            const bytes = await store.find(manifestPath, { settled: true });
            return bytes && { uri: uriOf(store, manifestPath), bytes };
          }),
      };
    });
}

function toPart(store: ArtifactStore, file: ListedFile): InputPart {
  const uri = uriOf(store, file.path);
  return {
    uri,
    size: file.size ?? 0,
    async open() {
      const opened = await store.open(file.path, { settled: true });
      if (opened) return opened;
      throw new TransientError(`Cannot read ${uri}: it was deleted meanwhile`);
    },
  };
}

/** Returns the side file's pattern for an input pattern: beside the last folder or file that has the period in its name. */
function manifestOf(text: string): string {
  const end = text.lastIndexOf("{period}") + "{period}".length;
  const begin = text.lastIndexOf("/", end - 1) + 1;
  return `${text.slice(0, begin)}{period}.manifest.json`;
}

function versionOf(files: readonly ListedFile[]): string | undefined {
  if (files.some(({ version }) => version === undefined)) return undefined;
  const lines = files.map(({ path, size, version }) =>
    JSON.stringify([path, size, version])
  );
  return sha256(lines.join("\n"));
}
