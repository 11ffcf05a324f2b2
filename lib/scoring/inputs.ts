/** Finds the inputs of one call, and tells new ones from those that were scored before. */
import { createHash } from "node:crypto";
import { findScoringRun, hasInputOfSize, type ScoringRun } from "./ledger.ts";
import { UsageError } from "../base/errors.ts";
import {
  type InputData,
  namedUri,
  openNamedFiles,
  openNewData,
} from "../services/variant-files.ts";
import { type Services, temporaryFolder } from "../services/services.ts";
import { openStdin } from "../services/stdin.ts";
import type { StoredFile } from "../storage/store.ts";
import type { VariantSettings } from "../config/variants.ts";

/** An input that is not scored in this call. */
export interface SkippedInput {
  readonly data: InputData;
  /** The run that scored the same content before; undefined for a copy of an earlier input. */
  readonly ledger: ScoringRun | undefined;
  /** An earlier input of the same call with the same content. */
  readonly sameAs: InputData | undefined;
}

/** The inputs of a call. */
export interface SortedInputs {
  readonly fresh: readonly InputData[];
  readonly skipped: readonly SkippedInput[];
}

/**
 * Opens the inputs of one call: the named ones (`-` is standard input), or else
 * the variant's new data with its declared fallback.
 *
 * @param options `named`: URIs or paths, `*` allowed; `fallback`: whether the local folder may replace S3; `replaced`: the file that will hold the bad rows.
 * @throws {UsageError} If an input is the file that will be replaced, such as last week's file under a pattern.
 */
export async function openInputs(
  services: Services,
  settings: VariantSettings,
  options: {
    named: readonly string[] | undefined;
    fallback: boolean;
    replaced?: string | undefined;
  },
): Promise<OpenInputs> {
  const { artifacts } = services;
  const { replaced } = options;
  const inputs = await findInputs(services, settings, options);
  const uri = replaced === undefined
    ? undefined
    : namedUri(replaced, artifacts);
  if (inputs.some(({ file }) => file.uri === uri)) {
    throw new UsageError(
      `Cannot use --bad-rows ${replaced}: it is also an input, and would be replaced`,
    );
  }
  return {
    inputs,
    async [Symbol.asyncDispose]() {
      for (const { file } of inputs) await file[Symbol.asyncDispose]();
    },
  };
}

async function findInputs(
  services: Services,
  settings: VariantSettings,
  options: { named: readonly string[] | undefined; fallback: boolean },
): Promise<InputData[]> {
  const { withRetry, artifacts, config, log } = services;
  const { named, fallback } = options;
  if (named === undefined) {
    const files = services.variantFiles(settings.variant);
    const { sample } = settings.files;
    return [await openNewData(files, sample, { fallback, log })];
  }
  const files = named.map(async (uri) =>
    uri === "-"
      ? [await openStdin(temporaryFolder(config))]
      : await withRetry(`read ${uri}`, () => openNamedFiles(uri, artifacts))
  );
  return (await Promise.all(files)).flat();
}

/** The inputs of a call, which disposal closes. */
export interface OpenInputs extends AsyncDisposable {
  readonly inputs: readonly InputData[];
}

/**
 * Separates inputs that need no scoring: copies, which have the same content as
 * an earlier input, and, unless `again` is true, content that a completed run of
 * the variant has scored. A large file is only hashed here if another input or a
 * completed run has exactly as many bytes; otherwise it is hashed while it is
 * scored.
 *
 * @param options `again`: whether content that was scored before is scored again; the ledger is then not read.
 */
export async function sortInputs(
  services: Services,
  inputs: readonly InputData[],
  options: { settings: VariantSettings; again: boolean },
): Promise<SortedInputs> {
  const fresh: InputData[] = [];
  const skipped: SkippedInput[] = [];
  const first = new Map<string, InputData>();
  for (const data of inputs) {
    const { size } = data.file;
    const isTwin = inputs.some((other) =>
      other !== data && other.file.size === size
    );
    const mayBeKnown = !options.again &&
      (size <= smallBytes || await isKnownSize(services, size, options));
    if (!isTwin && !mayBeKnown) {
      fresh.push(data);
      continue;
    }
    const digest = await services.withRetry(
      `read ${data.file.uri}`,
      () => digestFile(data.file),
    );
    const sameAs = first.get(digest);
    first.set(digest, sameAs ?? data);
    const ledger = sameAs || !mayBeKnown
      ? undefined
      : await findKnown(services, digest, options);
    if (sameAs || ledger) skipped.push({ data, ledger, sameAs });
    else fresh.push(data);
  }
  return { fresh, skipped };
}

/** Bytes of a file that is hashed before it is scored, because reading it twice costs nothing. */
const smallBytes = 4 << 20;

async function findKnown(
  services: Services,
  contentSha256: string,
  { settings: { variant } }: { settings: VariantSettings },
): Promise<ScoringRun | undefined> {
  const database = await services.predictions();
  return await services.withRetry(
    "read the ledger",
    () => findScoringRun(database, { variant, contentSha256 }),
  );
}

async function isKnownSize(
  services: Services,
  inputBytes: number,
  { settings: { variant } }: { settings: VariantSettings },
): Promise<boolean> {
  const database = await services.predictions();
  return await services.withRetry(
    "read the ledger",
    () => hasInputOfSize(database, { variant, inputBytes }),
  );
}

/** Returns the SHA-256 of a file. */
async function digestFile(file: StoredFile): Promise<string> {
  const hash = createHash("sha256");
  for await (const bytes of file.stream()) hash.update(bytes);
  return hash.digest("hex");
}
