/** Finds the batches of one call, and tells new ones from those that were scored before. */
import { digestParts, type ScoringRun } from "./ledger.ts";
import { sha256OfStream } from "../base/digest.ts";
import { InputError, UsageError } from "../base/errors.ts";
import {
  namedPlace,
  nameOfInput,
  stdinUri,
} from "../services/variant-files.ts";
import {
  findBatches,
  findDefaultBatches,
  findNamedBatch,
  type InputBatch,
  sizeOf,
} from "../services/input-batches.ts";
import type { InputPart } from "../services/period-files.ts";
import { type Services, temporaryFolder } from "../services/services.ts";
import { uriOf } from "../storage/store.ts";
import { openStdin } from "../services/stdin.ts";
import { dayIn, type Period, toDay, toPeriod } from "../config/periods.ts";
import type { VariantSettings } from "../config/variants.ts";

/** Which data a call scores. */
export interface InputChoice {
  /** URIs or paths, `*` allowed, {@linkcode stdinUri} for standard input; undefined: the variant's inputs. */
  readonly named: readonly string[] | undefined;
  /** The one period to score, or the period of the named files. */
  readonly period: Period | undefined;
  /** The first and last period to score. */
  readonly from: Period | undefined;
  readonly to: Period | undefined;
  /** Whether the local folder may replace S3. */
  readonly fallback: boolean;
  /** The files that the call writes, and the flags that name them. */
  readonly written: readonly {
    readonly flag: "output" | "bad-rows";
    /** Path or `s3://` URI. */
    readonly file: string;
  }[];
}

/** What the printed command line of a call does. */
export interface CommandOptions {
  /** The one batch that it is for; by default, all that the call is for. */
  readonly batch?: InputBatch;
  /** Whether it scores again what was scored before; false by default. */
  readonly force?: boolean;
}

/**
 * Returns the batches of one call, oldest period first: the named files as one
 * batch, or else the variant's inputs of the chosen periods, with their declared
 * fallback. The caller closes them.
 *
 * @throws {UsageError} If a period is chosen that the inputs do not have, or an input is the file that will be replaced, such as last week's file under a pattern.
 * @throws {InputError} If there is no file, or none of the chosen period.
 */
export async function openInputs(
  services: Services,
  settings: VariantSettings,
  choice: InputChoice,
): Promise<InputBatch[]> {
  const { artifacts } = services;
  const batches = await chosenBatches(services, settings, choice);
  for (const { flag, file } of choice.written) {
    const { store, path } = namedPlace(file, artifacts);
    const uri = uriOf(store, path);
    if (!batches.some(({ parts }) => parts.some((part) => part.uri === uri))) {
      continue;
    }
    throw new UsageError(
      `Cannot use --${flag} ${file}: it is also an input, and would be replaced`,
    );
  }
  return batches;
}

async function chosenBatches(
  services: Services,
  { variant, files, inputs, expect }: VariantSettings,
  choice: InputChoice,
): Promise<InputBatch[]> {
  const { withRetry, artifacts, config, log } = services;
  const { named, period, from, to, fallback } = choice;
  if (named !== undefined) {
    // Read once, whatever is tried again.
    const stdin = named.includes(stdinUri)
      ? await openStdin(temporaryFolder(config))
      : undefined;
    try {
      const batch = await withRetry(
        `read ${named.map(nameOfInput).join(", ")}`,
        () => findNamedBatch(named, { open: artifacts, stdin, period }),
      );
      warnOfUnnamedPeriod(services, batch);
      return [batch];
    } catch (error) {
      await stdin?.file[Symbol.asyncDispose]();
      throw error;
    }
  }
  const { manifest } = expect;
  const search = { manifest, fallback, log };
  const stores = services.variantFiles(variant);
  const batches = inputs
    ? await findBatches(stores, { ...search, inputs })
    : await findDefaultBatches(stores, { ...search, sample: files.sample });
  const [first] = batches;
  if (first?.period === undefined) {
    if ((from ?? to) === undefined) {
      return batches.map((batch) => ({ ...batch, period }));
    }
    throw new UsageError(
      `Cannot use --${
        from === undefined ? "to" : "from"
      } for ${variant.title}: its input ${first?.uri} has no period in its path; set "inputs" in variants.yaml to a path with {period}`,
    );
  }
  const isChosen = (each: Period) =>
    (period === undefined || each === period) &&
    (from === undefined || each >= from) && (to === undefined || each <= to);
  const chosen = batches.filter((batch) => isChosen(batch.period ?? ""));
  if (chosen.length > 0) return chosen;
  const known = batches.slice(-5).map((batch) => batch.period).join(", ");
  throw new InputError(
    `Cannot find data of ${variant.title} for ${
      period ?? `the periods from ${from ?? "the first"} to ${to ?? "the last"}`
    }: no file like ${first.uri} belongs to it; the newest periods there are ${known}`,
  );
}

/** Warns if the files that a flag names all have one period in their names, but no flag says that it is theirs. */
function warnOfUnnamedPeriod({ log }: Services, batch: InputBatch): void {
  if (batch.period !== undefined) return;
  // In the file's name or that of its folder; a date further up may be anything.
  const days = batch.parts.map(({ uri }) =>
    toPeriod(dayIn(uri.split("/").slice(-2).join("/")) ?? "")
  );
  const [day] = days;
  const today = toDay(new Date());
  if (day === undefined || days.some((each) => each !== day)) return;
  if (day === today) return;
  log.warn(
    `${batch.uri} has the period ${day} in its name, but no flag says so, and its scores count with the day of scoring, ${today}; --period ${day} makes it their period`,
  );
}

/** A batch that is not scored in this call, because a completed run has scored its content. */
export interface SkippedBatch {
  readonly batch: InputBatch;
  readonly run: ScoringRun;
  /** The newest attempt of its period, if that scored other content, so that readers see that content. */
  readonly replacement: ScoringRun | undefined;
}

/** A file that has the same content as an earlier one of its batch, and is left out. */
export interface SameContent {
  readonly uri: string;
  readonly sameAs: string;
}

/** The batches of a call. */
export interface SortedInputs {
  readonly fresh: readonly InputBatch[];
  readonly skipped: readonly SkippedBatch[];
  readonly copies: readonly SameContent[];
}

/**
 * Separates batches that need no scoring, because a completed run of their period
 * (without one, of any period) has scored the same content, and of files that a
 * flag names, copies of others. A batch whose files are unchanged since it was
 * scored is not read. Otherwise a batch is only hashed here if it is small, or a
 * completed run has exactly as many bytes; if not, it is hashed while it is scored.
 *
 * @param options `runs`: the variant's completed runs; `again`: whether a batch is scored even if its content was scored before; `named`: whether flags name the files.
 */
export async function sortInputs(
  services: Services,
  batches: readonly InputBatch[],
  options: {
    runs: readonly ScoringRun[];
    again: (batch: InputBatch) => boolean;
    named: boolean;
  },
): Promise<SortedInputs> {
  const fresh: InputBatch[] = [];
  const skipped: SkippedBatch[] = [];
  const copies: SameContent[] = [];
  for (const found of batches) {
    // All files of a period count: its side file speaks of them.
    const { batch, same } = options.named
      ? await withoutCopies(services, found)
      : { batch: found, same: [] };
    copies.push(...same);
    const run = options.again(batch)
      ? undefined
      : await findKnown(services, batch, options.runs);
    if (run) {
      const replacement = findReplacement(run, options.runs);
      skipped.push({ batch, run, replacement });
    } else fresh.push(batch);
  }
  return { fresh, skipped, copies };
}

/**
 * Returns which batches are scored even if their content was scored before: all if
 * the scores go to a file, or with `force` those of the chosen periods, and without
 * a choice the newest. A batch of a period, or without one of a file, that a
 * completed run has with the same idempotency key is not scored again.
 */
export function toAgain(
  batches: readonly InputBatch[],
  { force, output, choice, idempotencyKey, runs }: {
    force: boolean;
    output: string;
    choice: InputChoice;
    idempotencyKey: string | undefined;
    runs: readonly ScoringRun[];
  },
): (batch: InputBatch) => boolean {
  if (output !== "postgres") return () => true;
  if (!force) return () => false;
  const done = runs.filter((run) =>
    idempotencyKey !== undefined && run.idempotencyKey === idempotencyKey
  );
  const newest = batches.at(-1)?.period;
  return ({ period, uri }) =>
    (isExplicit(choice) || period === newest) &&
    !done.some((run) =>
      run.hasPeriod
        ? run.period === period
        : period === undefined && run.inputUri === uri
    );
}

/** Tells whether flags name the data or the periods. */
export function isExplicit({ named, period, from, to }: InputChoice): boolean {
  return (named ?? period ?? from ?? to) !== undefined;
}

function findReplacement(
  run: ScoringRun,
  runs: readonly ScoringRun[],
): ScoringRun | undefined {
  if (!run.hasPeriod) return undefined;
  const newest = runs.find(({ hasPeriod, period }) =>
    hasPeriod && period === run.period
  );
  return newest?.contentSha256 === run.contentSha256 ? undefined : newest;
}

/** Says that a period has the content of an earlier attempt again, which only `--force` scores again; undefined if readers see that content. */
export function describeReplacement(
  { run, replacement }: SkippedBatch,
): string | undefined {
  return replacement &&
    `the data of ${run.period} have the content of attempt ${run.attempt} again, but churn_predictions_current shows attempt ${replacement.attempt}, whose content was another`;
}

/** Bytes of a batch that is hashed before it is scored, because reading it twice costs nothing. */
const smallBytes = 4 << 20;

async function findKnown(
  services: Services,
  batch: InputBatch,
  runs: readonly ScoringRun[],
): Promise<ScoringRun | undefined> {
  const { period, version, parts } = batch;
  const own = period === undefined
    ? runs
    : runs.filter((run) => run.hasPeriod && run.period === period);
  if (own.length === 0) return undefined;
  if (period !== undefined && version !== undefined) {
    const unchanged = own.find((run) => run.inputVersion === version);
    if (unchanged) return unchanged;
  }
  const size = sizeOf(batch);
  const mayBeKnown = size <= smallBytes ||
    own.some(({ inputBytes }) => inputBytes === null || inputBytes === size);
  if (!mayBeKnown) return undefined;
  const digests = [];
  for (const part of parts) {
    digests.push({ sha256: await digestPart(services, part) });
  }
  const contentSha256 = digestParts(digests);
  return own.find((run) => run.contentSha256 === contentSha256);
}

/**
 * Returns the batches of scored periods whose content changed since, so that
 * `predict` would score them again, and those that did not. One is left out if only
 * reading more than 4 MiB would tell.
 *
 * @param options `runs`: the variant's completed runs.
 */
export async function findChanged(
  services: Services,
  batches: readonly InputBatch[],
  { runs }: { runs: readonly ScoringRun[] },
): Promise<{ changed: readonly InputBatch[]; same: readonly SkippedBatch[] }> {
  const known = batches.filter((batch) => {
    const own = runs.filter((run) =>
      run.hasPeriod && run.period === batch.period
    );
    const size = sizeOf(batch);
    const isCheap = size <= smallBytes ||
      own.some(({ inputVersion }) =>
        inputVersion !== null && inputVersion === batch.version
      ) || own.every(({ inputBytes }) =>
        inputBytes !== null && inputBytes !== size
      );
    return own.length > 0 && isCheap;
  });
  const { fresh, skipped } = await sortInputs(services, known, {
    runs,
    again: () => false,
    named: false,
  });
  return { changed: fresh, same: skipped };
}

/** Leaves out the files of a batch that have the same content as an earlier one. Only files of equal size are read. */
async function withoutCopies(
  services: Services,
  batch: InputBatch,
): Promise<{ batch: InputBatch; same: SameContent[] }> {
  const same: SameContent[] = [];
  const kept: InputPart[] = [];
  const bySize = Map.groupBy(batch.parts, ({ size }) => size);
  const first = new Map<string, InputPart>();
  for (const part of batch.parts) {
    if (bySize.get(part.size)!.length > 1) {
      const digest = await digestPart(services, part);
      const earlier = first.get(digest);
      if (earlier) {
        same.push({ uri: part.uri, sameAs: earlier.uri });
        continue;
      }
      first.set(digest, part);
    }
    kept.push(part);
  }
  if (same.length === 0) return { batch, same };
  const uri = kept.length === 1 ? kept[0]!.uri : batch.uri;
  return { batch: { ...batch, uri, parts: kept }, same };
}

/** Returns the SHA-256 of a file. */
async function digestPart(
  { withRetry }: Services,
  part: InputPart,
): Promise<string> {
  return await withRetry(`read ${nameOfInput(part.uri)}`, async () => {
    await using file = await part.open();
    return await sha256OfStream(file.stream());
  });
}
