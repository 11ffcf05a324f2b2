/** Rows that cannot be used: sets them aside with their reasons, within a limit. */
import { InputError, UsageError } from "../base/errors.ts";
import { createTemporary, type TemporaryFile } from "../rows/temporary-file.ts";
import type { FileWriter } from "../storage/store.ts";
import type { SetAsideRow } from "./score-block.ts";

/** How many rows of one input may be set aside. */
export type BadRowLimit =
  | { readonly unit: "rows"; readonly most: number }
  | { readonly unit: "percent"; readonly most: number };

/**
 * Parses the limit of a flag: a number of rows, or a percentage of an input's rows.
 *
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 *
 * deepStrictEqual(parseBadRowLimit("20"), { unit: "rows", most: 20 });
 * deepStrictEqual(parseBadRowLimit("0.5%"), { unit: "percent", most: 0.5 });
 * ```
 *
 * @throws {UsageError} If it is neither.
 */
export function parseBadRowLimit(text: string): BadRowLimit {
  const [, number, percent] = /^(\d+(?:\.\d+)?)\s*(%?)$/.exec(text) ?? [];
  const most = Number(number);
  if (percent === "" && Number.isSafeInteger(most)) {
    return { unit: "rows", most };
  }
  if (percent === "%" && most <= 100) return { unit: "percent", most };
  throw new UsageError(
    `Cannot use --max-bad-rows "${text}": expected a whole number of rows, such as 20, or a percentage of the rows from 0% to 100%, such as 0.5%`,
  );
}

/** Returns a row's reason without its place: `column "spend": expected …`. */
function reasonOf({ problem }: SetAsideRow): string {
  return problem.reason.replace(/^[:,] */, "");
}

/** Counts the rows of one input that are set aside, and stops when they are too many. */
export class BadRowCount {
  /** Rows set aside so far. */
  count = 0;
  /** The first one. */
  first: SetAsideRow | undefined;
  /** Rows read so far, including those set aside. */
  #read = 0;
  readonly #file: string;
  readonly #limit: BadRowLimit | undefined;

  constructor(file: string, limit: BadRowLimit | undefined) {
    this.#file = file;
    this.#limit = limit;
  }

  /**
   * Counts the rows of a block.
   *
   * @param block `rowsRead`: all its rows; `setAside`: those that cannot be used.
   * @throws {InputError} If there are more than a limit in rows allows; names the first one.
   */
  add(
    { rowsRead, setAside }: {
      rowsRead: number;
      setAside: readonly SetAsideRow[];
    },
  ): void {
    this.first ??= setAside[0];
    this.count += setAside.length;
    this.#read += rowsRead;
    const limit = this.#limit;
    if (limit?.unit !== "rows" || this.count <= limit.most) return;
    throw this.#refused(
      `${this.count} of its first ${this.#read} rows cannot be used, and --max-bad-rows allows ${limit.most}`,
    );
  }

  /**
   * Checks the limit after the last row.
   *
   * @throws {InputError} If the share of rows that were set aside is above a limit in percent, or no other row is left; names the first one.
   */
  finish(): void {
    const limit = this.#limit;
    const found = `${this.count} of its ${this.#read} rows`;
    if (
      limit?.unit === "percent" &&
      this.count * 100 > limit.most * this.#read
    ) {
      throw this.#refused(
        `${found} (${
          toPercent(this.count, this.#read)
        }) cannot be used, and --max-bad-rows allows ${limit.most} %`,
      );
    }
    if (this.count > 0 && this.count === this.#read) {
      throw this.#refused(`none of its ${this.#read} rows can be used`);
    }
  }

  #refused(why: string): InputError {
    return new InputError(
      `Cannot use ${this.#file}: ${why}; ${
        this.first ? describeFirst(this.first, this.#file) : ""
      }`,
    );
  }
}

/** Returns the first row that was set aside as messages name it: `the first is row 2 (line 3): expected …`. If it is not in `file`, its own file is named. */
export function describeFirst(row: SetAsideRow, file: string): string {
  const { line, file: own } = row.problem.place;
  return `the first is row ${row.row}${
    line === undefined ? "" : ` (line ${line})`
  }${own === file ? "" : ` of ${own}`}: ${reasonOf(row)}`;
}

/** Returns a share as a text in percent; a small one does not become 0. */
export function toPercent(count: number, all: number): string {
  const percent = count / all * 100;
  return `${
    percent >= 0.1 || percent === 0
      ? percent.toFixed(1)
      : percent.toPrecision(1)
  } %`;
}

/**
 * The rows that were set aside, on this disk until they are written to their
 * file, because there may be as many as the inputs have rows.
 */
export interface BadRowStore extends AsyncDisposable {
  /** Begins an input: forgets the rows that were added after the last `keep`. */
  begin(): Promise<void>;
  /** Adds rows of the current input. */
  add(rows: readonly SetAsideRow[]): Promise<void>;
  /** Keeps the rows of the current input. */
  keep(): void;
  /** Writes the file with all rows that were kept, in JSON Lines, unless it has them already. Without any, the file is empty. */
  publish(): Promise<void>;
}

const encoder = new TextEncoder();

/** Bytes that are read at once. */
const readBytes = 1 << 20;

/**
 * Opens a store.
 *
 * @param options `folder`: where a temporary file is made for the first row, and deleted at the end; `create`: starts the file that is published.
 */
export function openBadRows(
  { folder, create }: { folder: string; create: () => Promise<FileWriter> },
): BadRowStore {
  let opened: TemporaryFile | undefined;
  let used = 0;
  let kept = 0;
  let published = -1;
  const copyTo = async (sink: FileWriter) => {
    const bytes = new Uint8Array(readBytes);
    await opened?.file.seek(0, Deno.SeekMode.Start);
    for (let at = 0; at < kept;) {
      const most = Math.min(readBytes, kept - at);
      const count = await opened?.file.read(bytes.subarray(0, most));
      if (!count) {
        throw new Error("the temporary file of bad rows is cut short");
      }
      await sink.write(bytes.subarray(0, count));
      at += count;
    }
    await opened?.file.seek(used, Deno.SeekMode.Start);
  };
  return {
    async begin() {
      if (used === kept) return;
      await opened?.file.truncate(kept);
      await opened?.file.seek(kept, Deno.SeekMode.Start);
      used = kept;
    },
    async add(rows) {
      if (rows.length === 0) return;
      opened ??= await createTemporary(folder, "bad-rows-");
      const bytes = encoder.encode(
        rows.map((row) => `${JSON.stringify(toRecord(row))}\n`).join(""),
      );
      await opened.write(bytes);
      used += bytes.length;
    },
    keep() {
      kept = used;
    },
    async publish() {
      if (published === kept) return;
      await using file = await create();
      await copyTo(file);
      await file.finish();
      published = kept;
    },
    async [Symbol.asyncDispose]() {
      await opened?.[Symbol.asyncDispose]();
    },
  };
}

/** Returns a row as the file has it. */
function toRecord(row: SetAsideRow): Record<string, string | number | null> {
  const { file, line } = row.problem.place;
  return {
    file,
    row: row.row,
    line: line ?? null,
    reason: reasonOf(row),
    text: row.text ?? null,
  };
}
