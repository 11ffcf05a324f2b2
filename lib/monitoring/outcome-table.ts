/** Reads outcomes from a table in the predictions database. */
import { UsageError } from "../base/errors.ts";
import type { OutcomeSettings, OutcomeTable } from "../config/outcomes.ts";
import { addDays, isoWeekOf, type Period } from "../config/periods.ts";
import {
  type Database,
  type Queryable,
  quoteIdentifier,
} from "../database/database.ts";
import type { InputRow } from "../rows/json.ts";

/** The period whose outcomes are read, and the days on which they may have been known. */
export interface PeriodWindow {
  readonly period: Period;
  /** The first day on which the period's outcomes are mature. */
  readonly from: Period;
  /** The first day on which those of the next period are. */
  readonly before: Period;
}

/** Rows that are read at once. */
const blockRows = 20_000;

/**
 * Passes on the rows of a table that belong to a period, in blocks: its period
 * column is the period's day or ISO week, or, without a period column, its as-of
 * day may be in the period's window. Columns have the names of the settings; days
 * are texts.
 *
 * @throws {UsageError} If the table or a column does not exist, or the login may not read the table.
 * @throws {TransientError} If the database is unreachable.
 */
export async function readOutcomeTable(
  database: Database,
  settings: OutcomeSettings & { source: { kind: "table" } },
  options: {
    window: PeriodWindow;
    onRows: (rows: readonly InputRow["value"][]) => void;
  },
): Promise<void> {
  const { table } = settings.source;
  const types = await columnTypes(database, table);
  const select = toSelect(settings, { types, window: options.window });
  await database.transaction(async (tx) => {
    await tx.query("set transaction read only");
    await tx.query(
      `declare churn_outcomes no scroll cursor for ${select.text}`,
      select.values,
    );
    while (true) {
      const rows = await tx.query(
        `fetch forward ${blockRows} from churn_outcomes`,
      );
      if (rows.length === 0) break;
      options.onRows(rows);
    }
  });
}

/** Returns the name of a table as SQL. */
function toSql({ schema, name }: OutcomeTable): string {
  return [...schema === undefined ? [] : [schema], name]
    .map(quoteIdentifier).join(".");
}

/** Returns the type of each column. @throws {UsageError} If there is no such table. */
async function columnTypes(
  database: Queryable,
  table: OutcomeTable,
): Promise<ReadonlyMap<string, string>> {
  const rows = await database.query<{ name: string; type: string }>(
    `select attname as name, format_type(atttypid, null) as type from pg_attribute
     where attrelid = to_regclass($1) and attnum > 0 and not attisdropped`,
    [toSql(table)],
  );
  if (rows.length > 0) {
    return new Map(rows.map(({ name, type }) => [name, type]));
  }
  throw new UsageError(
    `Cannot read the outcomes: there is no table or view ${
      toSql(table)
    } in the predictions database; correct outcomes.table in variants.yaml`,
  );
}

function toSelect(
  settings: OutcomeSettings & { source: { kind: "table" } },
  { types, window }: {
    types: ReadonlyMap<string, string>;
    window: PeriodWindow;
  },
): { text: string; values: unknown[] } {
  const { idColumn = "", label, durationColumn, periodColumn, asOfColumn } =
    settings;
  const typeOf = (column: string) => {
    const type = types.get(column);
    if (type !== undefined) return type;
    throw new UsageError(
      `Cannot read the outcomes: ${
        toSql(settings.source.table)
      } has no column ${
        JSON.stringify(column)
      }; correct outcomes in variants.yaml, the columns are ${
        [...types.keys()].join(", ")
      }`,
    );
  };
  const values: unknown[] = [];
  const parameter = (value: unknown) => `$${values.push(value)}`;
  const isDay = (column: string) => /^(date$|timestamp )/.test(typeOf(column));
  /** The first moment of a day, so that an index on the column is used. */
  const begins = (column: string, day: Period) => {
    const text = `${parameter(day)}::date`;
    return typeOf(column) === "timestamp with time zone"
      ? `(${text}::timestamp at time zone 'UTC')`
      : text;
  };
  const between = (column: string, from: Period, before: Period) => {
    const name = `t.${quoteIdentifier(column)}`;
    return `${name} >= ${begins(column, from)} and ${name} < ${
      begins(column, before)
    }`;
  };
  const conditions: string[] = [];
  if (periodColumn !== undefined) {
    conditions.push(
      isDay(periodColumn)
        ? between(periodColumn, window.period, addDays(window.period, 1))
        : `left(t.${quoteIdentifier(periodColumn)}::text, 10) = any(${
          parameter(spellings(window.period))
        }::text[])`,
    );
  } else if (asOfColumn !== undefined && isDay(asOfColumn)) {
    conditions.push(between(asOfColumn, window.from, window.before));
  }
  const json = (column: string) => {
    typeOf(column);
    const name = quoteIdentifier(column);
    return `to_jsonb(t.${name}) as ${name}`;
  };
  const text = (column: string) => {
    const name = quoteIdentifier(column);
    const type = typeOf(column);
    if (!isDay(column)) return `t.${name}::text as ${name}`;
    return `to_char(t.${name}${
      type === "timestamp with time zone" ? " at time zone 'UTC'" : ""
    }, 'YYYY-MM-DD') as ${name}`;
  };
  const columns = new Map([
    [label, json(label)],
    ...durationColumn === undefined
      ? []
      : [[durationColumn, json(durationColumn)] as const],
    ...[periodColumn, asOfColumn].flatMap((column) =>
      column === undefined ? [] : [[column, text(column)] as const]
    ),
    [idColumn, text(idColumn)],
  ]);
  return {
    text: `select ${[...columns.values()].join(", ")} from ${
      toSql(settings.source.table)
    } t where ${conditions.join(" and ") || "true"}`,
    values,
  };
}

/** Returns the ways in which a text column may spell a period. */
function spellings(period: Period): string[] {
  const week = isoWeekOf(period);
  const all = [period, ...week === undefined ? [] : [week]];
  return [...all, ...all.map((each) => each.replaceAll("-", ""))];
}
