/** Writes the result of a query, some rows at a time, as a table, CSV, JSON, JSON Lines or Parquet. */
import { InputError, UsageError } from "../base/errors.ts";
import {
  type OutputCell,
  type ResultColumn,
  type ResultSink,
  type ResultWriter,
  showRow,
  type TextRow,
  toCsvLine,
} from "./output.ts";
import { openTable, type TableOptions } from "./table.ts";
import { openRowWriter } from "./write.ts";

/** Formats of a result. */
const resultFormats = [
  "table",
  "csv",
  "json",
  "jsonl",
  "parquet",
] as const;

/** Format of a result. */
export type ResultFormat = typeof resultFormats[number];

/**
 * Returns the format of `--format`, or that of the suffix of `--output`; otherwise a table.
 *
 * @throws {UsageError} If it is not a format, or the two differ.
 */
export function parseResultFormat(
  flags: { format?: string | undefined; output?: string | undefined },
): ResultFormat {
  const { format, output } = flags;
  const named = resultFormats.find((known) => known === format);
  const list = `${resultFormats.slice(0, -1).join(", ")} or parquet`;
  if (format !== undefined && !named) {
    throw new UsageError(`Cannot use --format "${format}": expected ${list}`);
  }
  if (output === undefined) return named ?? "table";
  const suffix = output.slice(output.lastIndexOf(".") + 1);
  const bySuffix = resultFormats.find((known) => known === suffix);
  if (named && bySuffix && named !== bySuffix) {
    throw new UsageError(
      `Cannot write --format ${named} to --output "${output}": its name says ${bySuffix}; leave out --format, or change the name`,
    );
  }
  if (named ?? bySuffix) return named ?? bySuffix!;
  throw new UsageError(
    `Cannot use --output "${output}": its name does not end in .csv, .json, .jsonl or .parquet; add --format`,
  );
}

/** Starts a result. Columns of one name are told apart in JSON and Parquet by {@linkcode uniqueNames}. */
export async function openResult(
  sink: ResultSink,
  { format, columns, table }: {
    format: ResultFormat;
    columns: readonly ResultColumn[];
    table: TableOptions;
  },
): Promise<ResultWriter> {
  switch (format) {
    case "table":
      return openTable(sink, columns, table);
    case "csv":
      await sink.write(`${toCsvLine(columns.map(({ name }) => name))}\n`);
      return toLines(sink, (row) => toCsvLine(showRow(row, columns)));
    case "json":
      return await openJson(sink, columns);
    case "jsonl":
      return toLines(sink, toJsonLine(columns));
    case "parquet":
      return await openParquet(sink, columns);
  }
}

/** Returns a writer of one line per row. */
function toLines(
  sink: ResultSink,
  toLine: (row: TextRow) => string,
): ResultWriter {
  return {
    write: (rows) => sink.write(rows.map((row) => `${toLine(row)}\n`).join("")),
    finish: () => Promise.resolve(),
  };
}

/**
 * Returns names of which no two are equal: the second `a` is `a_2`, the third
 * `a_3`, or the next number that no other column has.
 *
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 *
 * deepStrictEqual(uniqueNames(["a", "a", "a_2", "a"]), ["a", "a_3", "a_2", "a_4"]);
 * ```
 */
export function uniqueNames(names: readonly string[]): string[] {
  const given = new Set(names);
  const used = new Set<string>();
  return names.map((name) => {
    let own = name;
    for (let n = 2; used.has(own); n++) {
      const next = `${name}_${n}`;
      if (!given.has(next)) own = next;
    }
    used.add(own);
    return own;
  });
}

/** Returns the function that writes a row as one line of JSON. */
function toJsonLine(
  columns: readonly ResultColumn[],
): (row: TextRow) => string {
  // Not an object: it would sort keys such as "2" before others.
  const keys = uniqueNames(columns.map(({ name }) => name))
    .map((name) => JSON.stringify(name));
  return (row) =>
    `{${
      columns.map(({ parse }, index) => {
        const text = row[index] ?? null;
        const value = text === null ? null : parse(text);
        return `${keys[index]}:${JSON.stringify(value) ?? "null"}`;
      }).join(",")
    }}`;
}

async function openJson(
  sink: ResultSink,
  columns: readonly ResultColumn[],
): Promise<ResultWriter> {
  const toLine = toJsonLine(columns);
  let separator = "\n  ";
  await sink.write("[");
  return {
    async write(rows) {
      for (const row of rows) {
        await sink.write(`${separator}${toLine(row)}`);
        separator = ",\n  ";
      }
    },
    finish: () => sink.write(separator.startsWith(",") ? "\n]\n" : "]\n"),
  };
}

async function openParquet(
  sink: ResultSink,
  columns: readonly ResultColumn[],
): Promise<ResultWriter> {
  const names = uniqueNames(columns.map(({ name }) => name));
  const named = columns.map((column, index) => ({
    ...column,
    name: names[index]!,
  }));
  const writer = await openRowWriter(sink, {
    format: "parquet",
    columns: named,
  });
  return {
    write: (rows) =>
      writer.write(named.map((column, index) =>
        rows.map((row) => {
          const text = row[index] ?? null;
          return text === null ? null : toCell(text, column);
        })
      )),
    finish: () => writer.finish(),
  };
}

/**
 * Returns a value as a cell of Parquet.
 *
 * @throws {InputError} If the type of the column cannot hold it, such as a time of infinity.
 */
function toCell(text: string, column: ResultColumn): OutputCell {
  switch (column.type) {
    case "integer":
      return BigInt(text);
    case "number": {
      const value = Number(text);
      if (!isLost(value, text)) return value;
      throw unwritable(text, column, "a DOUBLE cannot hold it exactly");
    }
    case "int32":
    case "float":
      return Number(text);
    case "boolean":
      return text === "t" || text === "true";
    case "date":
      return Number(toMicros(text, column) / microsPerDay);
    case "micros":
    case "local-micros":
      return toMicros(text, column);
    default:
      return column.show(text);
  }
}

/** Tells whether a number has not the value of a text: a whole number that is rounded, or one beyond the range. The fraction of others may be rounded. */
function isLost(value: number, text: string): boolean {
  if (!Number.isFinite(value)) return /\d/.test(text);
  return /^-?\d+$/.test(text) && BigInt(value) !== BigInt(text);
}

const microsPerDay = 86_400_000_000n;

/** Returns a day or time in UTC, in Postgres's text form, as microseconds since 1970-01-01. */
function toMicros(text: string, column: ResultColumn): bigint {
  const [
    ,
    year,
    month,
    day,
    hour = "0",
    minute = "0",
    second = "0",
    part = "",
  ] =
    /^(\d{4,6})-(\d\d)-(\d\d)(?: (\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?(?:\+00)?)?$/
      .exec(text) ?? [];
  if (year === undefined) {
    throw unwritable(text, column, "Parquet has no such day or time");
  }
  const date = new Date(0);
  date.setUTCFullYear(Number(year), Number(month) - 1, Number(day));
  date.setUTCHours(Number(hour), Number(minute), Number(second));
  const micros = BigInt(date.getTime()) * 1000n + BigInt(part.padEnd(6, "0"));
  // The range of 64-bit microseconds ends in the year 294247.
  if (BigInt.asIntN(64, micros) === micros && !Number.isNaN(date.getTime())) {
    return micros;
  }
  throw unwritable(text, column, "Parquet has no such day or time");
}

function unwritable(
  text: string,
  { name }: ResultColumn,
  reason: string,
): InputError {
  const shown = text.length > 40 ? `${text.slice(0, 40)}…` : text;
  return new InputError(
    `Cannot write ${shown} of column "${name}" to Parquet: ${reason}; write it as text, such as "${name}"::text`,
  );
}
