/** Finds the data of one call: the variant's inputs by period, or the files that a flag names. */
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
  matchPath,
  type PathPattern,
  type Period,
  toPathPattern,
} from "../config/periods.ts";
import { localPath } from "../config/variant.ts";
import type { VariantSettings } from "../config/variants.ts";
import {
  type ArtifactStore,
  type ListedFile,
  uriOf,
} from "../storage/store.ts";
import {
  describeGroup,
  groupByPeriod,
  type InputFiles,
  type PeriodFiles,
  toPart,
} from "./period-files.ts";
import {
  type DataSource,
  findLocalFile,
  findVariantFile,
  type InputData,
  listMatching,
  locationOf,
  namedPlace,
  needBucket,
  openNamedFiles,
  openVariantFile,
  readNewData,
  sourceOf,
  stdinUri,
  type VariantFiles,
} from "./variant-files.ts";

/** Files that are scored as one: one scoring run with one digest. */
export interface InputBatch extends InputFiles, AsyncDisposable {
  readonly source: DataSource;
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
function toBatch(
  { file, source }: InputData,
  uri: string = file.uri,
): InputBatch {
  const { size } = file;
  // Somebody who opens it does not close it.
  const opened = { ...file, [Symbol.asyncDispose]: () => Promise.resolve() };
  const open = () => Promise.resolve(opened);
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
    if (uri === stdinUri && stdin) batches.push(toBatch(stdin, uri));
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
    uri: more.length === 0
      ? first!.uri
      : listSome([...new Set(parts.map(({ uri }) => uri))], 1),
    parts,
    source: batches.some(({ source }) => source === "s3") ? "s3" : "local",
    period,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function matchingBatch(
  uri: string,
  open: (folder: string) => ArtifactStore,
): Promise<InputBatch> {
  const { store, path } = namedPlace(uri, open);
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
  /** Whether the local folder may replace S3, as in {@linkcode readNewData}. */
  readonly fallback: boolean;
  readonly log: Pick<Log, "warn">;
}

/** The inputs of a variant that declares none. */
const weeklyFiles = toPathPattern("data/churn/weekly/{period}.jsonl", "inputs");

/**
 * Returns the inputs of a variant that declares none: its weekly files where there
 * are any, otherwise the sample, with the errors of {@linkcode readNewData}. The
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
  return await openNewFile(files, sample, { ...options, outage });
}

/** Opens the variant's new data in one file, as {@linkcode readNewData}. @param options `outage`: the bucket could not be listed before, so it is not read. */
async function openNewFile(
  files: VariantFiles,
  path: string,
  options: Pick<BatchSearch, "fallback" | "log"> & {
    outage?: TransientError | undefined;
  },
): Promise<InputBatch[]> {
  const { outage } = options;
  if (files.embedded) return [toBatch(await openVariantFile(files, path))];
  const asBatches = (data: InputData | undefined) => data && [toBatch(data)];
  return await readNewData(files, {
    ...options,
    path,
    async inBucket() {
      if (outage) throw outage;
      return asBatches(await findVariantFile(files, path));
    },
    inFolder: async () =>
      asBatches(await findLocalFile(files, path, "local-fallback")),
    missing: `Cannot find ${locationOf(files, path)}`,
  });
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
 * local folder replaces S3 in the cases of {@linkcode readNewData}.
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
    return await openNewFile(files, inputs.text, search);
  }
  if (files.embedded) {
    const batches = await findLocal(files, search, "local");
    if (batches) return batches;
    throw new InputError(nothingFound(files, inputs));
  }
  return await readNewData(files, {
    ...search,
    path: inputs.text,
    inBucket: () => listBucket(files, search),
    inFolder: () => findLocal(files, search, "local-fallback"),
    missing: nothingFound(files, inputs),
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

/** Returns the batches in one store; undefined if no file matches. */
async function listBatches(
  store: ArtifactStore,
  { inputs, manifest, log }: BatchSearch,
  { source, toPath = (path) => path }: {
    source: DataSource;
    /** Returns the path in the store of a path below the variant's prefix; the same by default. */
    toPath?: (path: string) => string;
  },
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
        ...describeGroup(store, own, { match, files }),
        source,
        async readManifest() {
          if (match.period === undefined || !sideFile) return undefined;
          const bytes = await store.find(sideFile.path, { settled: true });
          return bytes && { uri: uriOf(store, sideFile.path), bytes };
        },
      };
    });
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

/** Returns the side file's pattern for an input pattern: beside the last folder or file that has the period in its name. */
function manifestOf(text: string): string {
  const end = text.lastIndexOf("{period}") + "{period}".length;
  const begin = text.lastIndexOf("/", end - 1) + 1;
  return `${text.slice(0, begin)}{period}.manifest.json`;
}
