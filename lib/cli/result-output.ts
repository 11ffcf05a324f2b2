/** Writes the result of a query to standard output, to a file, or into the JSON line. */
import { basename, dirname } from "node:path";
import { abortable } from "../base/abortable.ts";
import { InputError, UsageError } from "../base/errors.ts";
import { toCount } from "../base/flag-value.ts";
import type { Outcome } from "../base/outcome.ts";
import { countOf, groupDigits } from "../base/phrases.ts";
import type { QueryResult } from "../database/read-only.ts";
import type { ResultSink, TextRow } from "../rows/output.ts";
import {
  openResult,
  parseResultFormat,
  type ResultFormat,
  uniqueNames,
} from "../rows/result.ts";
import { openLocal } from "../storage/local.ts";
import type { commandTable } from "../config/commands.ts";
import type { FlagValues } from "../config/flags.ts";
import type { Context } from "./program.ts";

/** Rows that a table in a terminal shows unless `--limit` says otherwise. */
const terminalRows = 1_000;

/** How a result is written. */
export interface ResultOptions {
  readonly format: ResultFormat;
  /** The file; undefined for standard output. */
  readonly output: string | undefined;
  /** Most rows; undefined for all. */
  readonly limit: number | undefined;
  /** True if the rows belong into the JSON line. */
  readonly json: boolean;
}

/**
 * Returns how a result is written. A table in a terminal shows 1,000 rows by
 * default, everything else all rows.
 *
 * @throws {UsageError} If a flag has a wrong value, or Parquet would be written to a terminal.
 */
export function toResultOptions(
  flags: FlagValues<typeof commandTable.query.flags>,
  { stdout }: Pick<Context, "stdout">,
): ResultOptions {
  const { output, json = false } = flags;
  const format = parseResultFormat(flags);
  const isTerminal = stdout.isTerminal && output === undefined && !json;
  if (format === "parquet" && isTerminal) {
    throw new UsageError(
      "Cannot print Parquet in a terminal: add --output FILE.parquet",
    );
  }
  const limit = flags.limit === undefined
    ? isTerminal && format === "table" ? terminalRows : 0
    : toCount(flags.limit, { flag: "limit", integer: true });
  return { format, output, json, limit: limit === 0 ? undefined : limit };
}

/**
 * Writes a result and returns the outcome; text that was written to standard
 * output is not part of it. Says if rows were left out, and how columns of one
 * name are told apart.
 *
 * @throws {InputError} If the rows are too many for one JSON line, or a value cannot be written in the format.
 */
export async function writeResult(
  { columns, rows }: QueryResult,
  options: ResultOptions,
  context: Pick<Context, "log" | "signal" | "stdout">,
): Promise<Outcome> {
  const { format, output, limit } = options;
  const { log, signal, stdout } = context;
  const names = columns.map(({ name }) => name);
  const isInLine = options.json && output === undefined;
  const isNamed = isInLine || (format !== "table" && format !== "csv");
  if (isNamed) explainNames(names, log);
  const limited = takeRows(abortable(rows, signal), limit);
  const toReport = (count: number) => ({
    status: "done",
    rows: count,
    ...limited.isCut() ? { limited: true } : {},
  });
  if (isInLine) {
    const result = await collect(columns, limited.rows);
    return {
      report: {
        ...toReport(result.length),
        columns: columns.map(({ name, type }) => ({ name, type })),
        result,
      },
      text: "",
    };
  }
  await using stack = new AsyncDisposableStack();
  const file = output === undefined
    ? undefined
    : stack.use(await openLocal(dirname(output)).create(basename(output)));
  const encoder = new TextEncoder();
  const sink: ResultSink = file
    ? {
      write: (part) =>
        file.write(typeof part === "string" ? encoder.encode(part) : part),
    }
    : stdout;
  const writer = await openResult(sink, {
    format,
    columns,
    table: file ? {} : stdout,
  });
  let count = 0;
  for await (const some of limited.rows) {
    count += some.length;
    await writer.write(some);
  }
  await writer.finish();
  await file?.finish();
  const number = groupDigits(count);
  const left = limited.isCut()
    ? `the first ${number} rows; there are more${
      options.limit === terminalRows ? ", --limit 0 shows all" : ""
    }`
    : undefined;
  if (file) {
    return {
      report: { ...toReport(count), format, output },
      text: `Wrote ${left ?? countOf(count, "row")} to ${output}`,
    };
  }
  if (left !== undefined) log.warn(`These are ${left}`);
  return { report: toReport(count), text: "" };
}

/** Says how columns of one name are called. */
function explainNames(names: readonly string[], log: Context["log"]): void {
  const unique = uniqueNames(names);
  const renamed = names.flatMap((name, index) =>
    unique[index] === name
      ? []
      : [`"${name}" (column ${index + 1}) is "${unique[index]}"`]
  );
  if (renamed.length === 0) return;
  log.info(`Several columns have one name, so here ${renamed.join(", ")}`);
}

/** Yields at most `limit` rows, and says whether there were more. */
function takeRows(
  rows: AsyncIterable<readonly TextRow[]>,
  limit: number | undefined,
): { rows: AsyncIterable<readonly TextRow[]>; isCut: () => boolean } {
  let isCut = false;
  async function* take() {
    let left = limit ?? Infinity;
    for await (const some of rows) {
      if (some.length > left) {
        isCut = true;
        if (left > 0) yield some.slice(0, left);
        return;
      }
      left -= some.length;
      yield some;
    }
  }
  return { rows: take(), isCut: () => isCut };
}

/** The most characters of all texts in one JSON line; a string of V8 has at most 2^29. */
const mostCharacters = 200_000_000;

async function collect(
  columns: QueryResult["columns"],
  rows: AsyncIterable<readonly TextRow[]>,
): Promise<Record<string, unknown>[]> {
  const names = uniqueNames(columns.map(({ name }) => name));
  const result: Record<string, unknown>[] = [];
  let characters = 0;
  for await (const some of rows) {
    for (const row of some) {
      result.push(Object.fromEntries(names.map((name, index) => {
        const text = row[index] ?? null;
        characters += name.length + (text?.length ?? 4) + 6;
        return [name, text === null ? null : columns[index]!.parse(text)];
      })));
    }
    if (characters > mostCharacters) {
      throw new InputError(
        `Cannot print the result as one JSON line: it is too large (${result.length} rows and more); use --format jsonl without --json, or --limit`,
      );
    }
  }
  return result;
}
