/** Tells whether the delivered periods are whole and in time, by `expect` in `variants.yaml` and by side files. */
import { InputError } from "../base/errors.ts";
import * as v from "../base/schema.ts";
import { ageInDays, type Period } from "../config/periods.ts";
import type { Expectations } from "../config/variants.ts";
import type { InputBatch, Manifest } from "../services/input-batches.ts";

/** A delivery that is not the one its side file promises; its scores are not stored. */
export class IncompleteDelivery extends InputError {
  override readonly name = "InputError";
}

/** What a side file promises. */
export interface PromisedDelivery {
  readonly uri: string;
  /** Rows of all files of the period; undefined if it does not say. */
  readonly rows: number | undefined;
  /** The digest of the file, or for several files of the lines with their digests; undefined if it does not say. */
  readonly sha256: string | undefined;
}

const hexDigest = "a SHA-256 in 64 hexadecimal digits";

const sideFile = v.object({
  rows: v.nullish(
    v.pipe(
      v.number(),
      v.safeInteger("a whole number"),
      v.minValue(0, "0 or more rows"),
    ),
  ),
  sha256: v.nullish(
    v.pipe(
      v.string(hexDigest),
      v.transform((text) => text.toLowerCase()),
      v.regex(/^[0-9a-f]{64}$/, hexDigest),
    ),
  ),
});

/**
 * Parses a side file: JSON with `rows`, `sha256`, or both; other keys are ignored.
 *
 * @throws {InputError} If it is not such JSON.
 */
function parseManifest({ uri, bytes }: Manifest): PromisedDelivery {
  const { rows, sha256 } = v.parseJson(
    sideFile,
    new TextDecoder().decode(bytes),
    { file: uri },
  );
  if ((rows ?? sha256 ?? undefined) === undefined) {
    throw new InputError(
      `Cannot use ${uri}: it has neither "rows" nor "sha256", such as {"rows": 400}`,
    );
  }
  return { uri, rows: rows ?? undefined, sha256: sha256 ?? undefined };
}

/**
 * Returns what the side file of a batch promises; undefined if there is none.
 *
 * @throws {IncompleteDelivery} If the variant's periods must have one.
 */
export async function readPromise(
  batch: InputBatch,
  { expect }: { expect: Pick<Expectations, "manifest"> },
): Promise<PromisedDelivery | undefined> {
  const manifest = await batch.readManifest();
  if (manifest) return parseManifest(manifest);
  if (expect.manifest === undefined || batch.period === undefined) {
    return undefined;
  }
  throw new IncompleteDelivery(
    `Cannot use ${batch.uri}: its side file ${expect.manifest.text} (expect.manifest) is missing`,
  );
}

/**
 * Compares a delivery with its side file.
 *
 * @throws {IncompleteDelivery} If rows or digest differ.
 */
export function checkPromise(
  delivered: { uri: string; rows: number; contentSha256: string },
  { uri, rows, sha256 }: PromisedDelivery,
): void {
  if (rows !== undefined && rows !== delivered.rows) {
    throw new IncompleteDelivery(
      `Cannot use ${delivered.uri}: it has ${delivered.rows} rows, ${uri} promises ${rows}`,
    );
  }
  if (sha256 !== undefined && sha256 !== delivered.contentSha256) {
    throw new IncompleteDelivery(
      `Cannot use ${delivered.uri}: its SHA-256 is ${delivered.contentSha256}, ${uri} promises ${sha256}`,
    );
  }
}

/** A period and the rows of its newest delivery, including those that were set aside; undefined if they are not known yet. */
export interface Delivery {
  readonly period: Period;
  readonly rows: number | undefined;
}

/** Why a period is not as expected. */
export interface DeliveryProblem {
  readonly kind: "incomplete" | "overdue";
  readonly period: Period | null;
  readonly reason: string;
}

/** How many earlier periods the usual number of rows is taken from. */
const earlierPeriods = 8;

/**
 * Returns what is wrong with the rows of the checked periods: fewer than
 * `minRows`, or a fall of more than `rowsChange` against the median of the up to
 * eight periods before.
 *
 * @param deliveries One per period, newest first.
 * @param options `checked`: the periods to check.
 */
export function findIncomplete(
  deliveries: readonly Delivery[],
  { checked, expect }: {
    checked: ReadonlySet<Period>;
    expect: Pick<Expectations, "minRows" | "rowsChange">;
  },
): DeliveryProblem[] {
  const { minRows, rowsChange } = expect;
  return deliveries.flatMap(({ period, rows }, index): DeliveryProblem[] => {
    if (!checked.has(period) || rows === undefined) return [];
    const problem = (reason: string): DeliveryProblem[] => [
      { kind: "incomplete", period, reason },
    ];
    if (rows < minRows) {
      return problem(`${rows} rows, expected at least ${minRows} (min_rows)`);
    }
    const before = deliveries.slice(index + 1)
      .flatMap((earlier) => earlier.rows ?? []).slice(0, earlierPeriods);
    if (rowsChange === undefined || before.length === 0) return [];
    const usual = medianOf(before);
    if (rows >= usual * (1 - rowsChange)) return [];
    return problem(
      `${rows} rows, ${
        ((1 - rows / usual) * 100).toFixed(1)
      } % fewer than the median ${usual} of the ${before.length} periods before; rows_change allows ${
        Number((rowsChange * 100).toPrecision(6))
      } %`,
    );
  });
}

/** Returns the middle value, or the mean of the two middle ones. */
function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1
    ? sorted[middle]!
    : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Returns the problem if the newest period is too old, or there is none. */
export function findOverdue(
  newest: Period | undefined,
  { expect: { maxAgeDays }, now }: {
    expect: Pick<Expectations, "maxAgeDays">;
    now: Date;
  },
): DeliveryProblem[] {
  if (maxAgeDays === undefined) return [];
  const age = newest === undefined ? Infinity : ageInDays(newest, now);
  if (age <= maxAgeDays) return [];
  const found = newest === undefined
    ? "nothing has been delivered"
    : `the newest period began ${age} days ago`;
  return [{
    kind: "overdue",
    period: newest ?? null,
    reason: `${found}; max_age_days allows ${maxAgeDays}`,
  }];
}
