/** Finds the data of one call: the variant's inputs by period, or the files that a flag names. */
import { sha256 } from "../base/digest.ts";
import {
  InputError,
  messageOf,
  MissingFileError,
  TransientError,
  UsageError,
} from "../base/errors.ts";
import { type Log, noLog } from "../base/log.ts";
import { listSome } from "../base/phrases.ts";
import {
  dayIn,
  fillPeriod,
  matchPath,
  type PathMatch,
  type PathPattern,
  type Period,
  toPathPattern,
} from "../config/periods.ts";
import { localPath } from "../config/variant.ts";
import type { VariantSettings } from "../config/variants.ts";
import {
  type ArtifactStore,
  type ListedFile,
  type StoredFile,
  uriOf,
} from "../storage/store.ts";
import {
  type DataSource,
  findVariantFile,
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
function toBatch({ file, source }: InputData): InputBatch {
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
 * @param options `open`: opens the store for a folder's URI; `stdin`: standard input, which `-` names; the batch closes it, unless this throws.
 * @throws {MissingFileError} If a file does not exist, or nothing matches a pattern.
 */
export async function findNamedBatch(
  named: readonly string[],
  options: {
    open: (folder: string) => ArtifactStore;
    stdin: InputData | undefined;
    period: Period | undefined;
  },
): Promise<InputBatch> {
  const { open, stdin, period } = options;
  await using stack = new AsyncDisposableStack();
  const batches: InputBatch[] = [];
  for (const uri of named) {
    if (uri.includes("*")) {
      batches.push(await matchingBatch(uri, open));
      continue;
    }
    if (uri === "-" && stdin) batches.push(toBatch(stdin));
    else {
      const [data] = await openNamedFiles(uri, open);
      batches.push(stack.use(toBatch(data!)));
    }
  }
  const owned = stack.move();
  if (stdin) owned.use(stdin.file);
  const [first, ...more] = batches;
  const parts = batches.flatMap((batch) => batch.parts);
  return {
    ...plainBatch,
    uri: more.length === 0 ? first!.uri : describeFiles(parts),
    parts,
    source: batches.some(({ source }) => source === "s3") ? "s3" : "local",
    period,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Returns the first file, and how many others there are. */
function describeFiles(files: readonly { uri: string }[]): string {
  return listSome([...new Set(files.map(({ uri }) => uri))], 1);
}

async function matchingBatch(
  uri: string,
  open: (folder: string) => ArtifactStore,
): Promise<InputBatch> {
  const { folder, path } = splitUri(uri);
  const store = open(folder);
  const files = await listMatching(store, path);
  if (files.length === 0) {
    throw new MissingFileError(uri);
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
 * local folder never replaces weekly files in S3. If the bucket cannot be listed
 * because S3 is away, its sample is not read either; if the login may not list it,
 * a warning says so.
 *
 * @param options `sample`: path of the sample below the variant's prefix.
 */
export async function findDefaultBatches(
  files: VariantFiles,
  options: Omit<BatchSearch, "inputs"> & { sample: string },
): Promise<InputBatch[]> {
  const { sample, log } = options;
  const search = { ...options, inputs: weeklyFiles };
  let outage: TransientError | undefined;
  const weekly = files.embedded
    ? await findLocal(files, search, "local")
    : files.bucket && await listBucket(files, search).catch((error) => {
      if (error instanceof TransientError) outage = error;
      else if (!(error instanceof UsageError)) throw error;
      else {
        log.warn(
          `Cannot look for weekly files, so only ${sample} is scored: ${
            messageOf(error)
          }`,
        );
      }
      return undefined;
    });
  if (weekly) return weekly;
  return [toBatch(await openNewData(files, sample, { ...options, outage }))];
}

/** What the place of a variant's inputs holds. */
export interface FoundInputs {
  /** The pattern of the inputs as a URI, or the sample if there are no weekly files. */
  readonly uri: string;
  /** The pattern below the variant's prefix. */
  readonly path: string;
  /** Number of files that match it; for a variant without declared inputs and weekly files, 1 if it has the sample. */
  readonly files: number;
  /** The batches with a period in their path, oldest first; they need not be closed. */
  readonly batches: readonly InputBatch[];
}

/**
 * Lists the inputs of a variant where they belong: in the bucket, or in the local
 * folder if nothing is configured. Nothing is read, and nothing replaces S3.
 *
 * @throws {TransientError} If S3 is unreachable.
 */
export async function findInputs(
  files: VariantFiles,
  { inputs, expect, files: { sample } }: Pick<
    VariantSettings,
    "inputs" | "expect" | "files"
  >,
): Promise<FoundInputs> {
  const pattern = inputs ?? weeklyFiles;
  const search: BatchSearch = {
    inputs: pattern,
    manifest: expect.manifest,
    fallback: false,
    log: noLog,
  };
  const batches = files.embedded
    ? await findLocal(files, search, "local")
    : await listBucket(files, search);
  const path = pattern.text;
  const uri = locationOf(files, path);
  if (batches || inputs) {
    return {
      uri,
      path,
      files: (batches ?? []).reduce((sum, { parts }) => sum + parts.length, 0),
      batches: (batches ?? []).filter(({ period }) => period !== undefined),
    };
  }
  const found = await findVariantFile(files, sample);
  await found?.file[Symbol.asyncDispose]();
  return found
    ? { uri: found.file.uri, path: sample, files: 1, batches: [] }
    : { uri, path, files: 0, batches: [] };
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
    () => listBatches(store, search, { source: "s3" }),
  );
}

/** Lists the local folder, where the variant's prefix follows the top folder. */
async function findLocal(
  files: VariantFiles,
  search: BatchSearch,
  source: DataSource,
): Promise<InputBatch[] | undefined> {
  const { project, variant } = files;
  return await listBatches(project, search, {
    source,
    toPath: (path) => localPath(variant, path),
  });
}

interface Listing {
  readonly source: DataSource;
  /** Returns the path in the store of a path below the variant's prefix; the same by default. */
  readonly toPath?: (path: string) => string;
}

/** The files of one period in a store. */
export interface PeriodFiles {
  readonly match: PathMatch;
  readonly files: ListedFile[];
}

/** Returns the batches in one store; undefined if no file matches. */
async function listBatches(
  store: ArtifactStore,
  { inputs, manifest, log }: BatchSearch,
  { source, toPath = (path) => path }: Listing,
): Promise<InputBatch[] | undefined> {
  // A local path has the variant's prefix inside, so the folder is that of the whole path.
  const inStore = ({ text }: Pick<PathPattern, "text">) =>
    toPathPattern(toPath(text), "inputs");
  const own = inStore(inputs);
  const side = inStore(manifest ?? { text: manifestOf(inputs.text) });
  const listed = await store.list(own.folder);
  const isBelow = `${side.folder}/`.startsWith(`${own.folder}/`) ||
    own.folder === "";
  const sides = groupByPeriod(
    isBelow ? listed : await store.list(side.folder),
    { store, pattern: side.text },
  );
  const data = listed.filter(({ path }) => !matchPath(side, path));
  const found = groupByPeriod(data, { store, pattern: own.text });
  warnOfUnmatched(data, { store, own, found, log });
  if (found.size === 0) return undefined;
  return [...found.values()]
    .toSorted((a, b) =>
      (a.match.period ?? "") < (b.match.period ?? "") ? -1 : 1
    )
    .map(({ match, files }) => {
      const sideFile = oneSideFile(store, sides.get(match.period ?? ""));
      return {
        ...plainBatch,
        uri: files.length === 1
          ? uriOf(store, files[0]!.path)
          : uriOf(store, fillPeriod(own.text, match.spelling ?? "")),
        parts: files.map((file) => toPart(store, file)),
        source,
        period: match.period,
        version: versionOf(files),
        async readManifest() {
          if (match.period === undefined || !sideFile) return undefined;
          const bytes = await store.find(sideFile.path, { settled: true });
          return bytes && { uri: uriOf(store, sideFile.path), bytes };
        },
      };
    });
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

/** How many files a warning names. */
const shownFiles = 3;

/**
 * Warns of files that seem to belong to a newer period than all that match: their
 * names do not match the pattern or their day does not exist, so they are not scored.
 */
function warnOfUnmatched(
  listed: readonly ListedFile[],
  { store, own, found, log }: {
    store: ArtifactStore;
    own: PathPattern;
    found: ReadonlyMap<string, PeriodFiles>;
    log: BatchSearch["log"];
  },
): void {
  // The folder of all files has those of other variants, too, and so have deeper ones.
  if (!own.hasPeriod || own.folder === "") return;
  const depth = own.text.split("/").length;
  const newest = [...found.keys()].sort().at(-1) ?? "";
  const missed = listed.filter(({ path }) => {
    const below = path.slice(own.folder.length + 1);
    const isHidden = /(^|\/)[_.]/.test(below);
    if (isHidden || path.split("/").length > depth + 1) return false;
    return (dayIn(below) ?? "") > newest && !matchPath(own, path);
  });
  if (missed.length === 0) return;
  const shown = missed.map(({ path }) => uriOf(store, path));
  log.warn(
    `Not scored: ${listSome(shown, shownFiles)}: ${
      missed.length === 1 ? "the name has" : "the names have"
    } a period${
      newest === "" ? "" : ` after ${newest}`
    }, but inputs are ${own.text}, and {period} is a day or an ISO week that exists; rename the files, or correct "inputs" in variants.yaml`,
  );
}

/** Returns a period's side file. @throws {InputError} If there are several. */
function oneSideFile(
  store: ArtifactStore,
  group: PeriodFiles | undefined,
): ListedFile | undefined {
  const [file, second] = group?.files ?? [];
  if (!file || !second) return file;
  throw new InputError(
    `Cannot tell which side file belongs to ${group?.match.period}: ${
      uriOf(store, file.path)
    } and ${uriOf(store, second.path)} both match; keep one of them`,
  );
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

/** Returns the side file's pattern for an input pattern: beside the last folder or file that has the period in its name. */
function manifestOf(text: string): string {
  const end = text.lastIndexOf("{period}") + "{period}".length;
  const begin = text.lastIndexOf("/", end - 1) + 1;
  return `${text.slice(0, begin)}{period}.manifest.json`;
}

/** Returns a text that changes whenever one of the files is written, added or removed; undefined if the listing does not tell. */
export function versionOf(files: readonly ListedFile[]): string | undefined {
  if (files.some(({ version }) => version === undefined)) return undefined;
  const lines = files.map(({ path, size, version }) =>
    JSON.stringify([path, size, version])
  );
  return sha256(lines.join("\n"));
}
