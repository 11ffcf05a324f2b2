/** The setting `outcomes` in `variants.yaml`: where matured outcomes are, and when they count. */
import { UsageError } from "../base/errors.ts";
import * as v from "../base/schema.ts";
import { type PathPattern, toPathPattern } from "./periods.ts";
import { columnName, text } from "./recipe.ts";

/** A table or view in the predictions database. */
export interface OutcomeTable {
  /** Undefined: the connection's search path decides. */
  readonly schema: string | undefined;
  readonly name: string;
}

/** Where a variant's outcomes are, and which of them belong to a period. */
export interface OutcomeSettings {
  readonly source:
    | { readonly kind: "files"; readonly pattern: PathPattern }
    | { readonly kind: "table"; readonly table: OutcomeTable };
  /** Days from a period's first day until its outcomes are known. */
  readonly maturityDays: number;
  /** Column with the period that an outcome belongs to; undefined if the path or the as-of day determines it. */
  readonly periodColumn: string | undefined;
  /** Column with the day on which an outcome was known; undefined if outcomes that exist are mature. */
  readonly asOfColumn: string | undefined;
  /** Column of the outcome. */
  readonly label: string;
  /** Column of the player's id; undefined if the variant's rows have none. */
  readonly idColumn: string | undefined;
  /** Column with the time until the event, or until the observation ended without it; undefined when there is none. */
  readonly durationColumn: string | undefined;
  /** Scores above it count as predicted churn, for precision and recall. */
  readonly threshold: number;
}

const wholeDays = "a whole number of days";
const threshold = "a probability from 0 to 1";

/** The schema of the setting. */
export const outcomesSchema = v.mapping({
  files: v.optionalKey(
    text,
    "A key, prefix or pattern below the variant's prefix, such as data/churn/outcomes/{period}.csv, or one file for all periods with period_column or as_of_column. Either files or table.",
  ),
  table: v.optionalKey(
    text,
    'A table or view in the predictions database, such as warehouse.churn_outcomes; double quotes keep a dot in a name: "my.schema".outcomes.',
  ),
  maturity_days: v.pipe(
    v.number(),
    v.safeInteger(wholeDays),
    v.minValue(0, wholeDays),
    v.description(
      "Days from the first day of a period until its outcomes are known: 28 for no bet in the four weeks from that day on.",
    ),
  ),
  period_column: v.optionalKey(
    columnName,
    "Column with the period that an outcome belongs to: a day or an ISO week, as predict names it.",
  ),
  as_of_column: v.optionalKey(
    columnName,
    "Column with the day on which an outcome was known. Rows from before a period's outcomes are mature are not used for it.",
  ),
  label: v.optionalKey(
    columnName,
    "Column of the outcome: 0, 1, false, true, or null while unknown. By default the variant's label.",
  ),
  id_column: v.optionalKey(
    columnName,
    "Column of the player's id. By default the variant's id_column.",
  ),
  duration_column: v.optionalKey(
    columnName,
    "Column with the time until the player churned, or until the observation ended without churn; with it the C-index is measured.",
  ),
  threshold: v.optionalKey(
    v.pipe(
      v.number(),
      v.minValue(0, threshold),
      v.maxValue(1, threshold),
    ),
    "Scores above it count as predicted churn, for precision and recall. By default 0.5.",
  ),
});

/**
 * Returns the settings of a variant's outcomes; undefined when there are none.
 *
 * @param variant `label` and `idColumn` of the variant, the defaults.
 * @throws {UsageError} If not exactly one of `files` and `table` is set, or nothing tells which period an outcome belongs to.
 */
export function toOutcomeSettings(
  entry: v.InferOutput<typeof outcomesSchema> | undefined,
  variant: { label: string; idColumn: string | undefined },
): OutcomeSettings | undefined {
  if (!entry) return undefined;
  const refuse = (why: string) =>
    new UsageError(`Cannot use outcomes in variants.yaml: ${why}`);
  const { files, table, period_column, as_of_column } = entry;
  if ((files === undefined) === (table === undefined)) {
    throw refuse(
      `expected either "files" or "table", found ${
        files === undefined ? "neither" : "both"
      }`,
    );
  }
  const pattern = files === undefined
    ? undefined
    : toPathPattern(files, "outcomes.files");
  if (!pattern?.hasPeriod && !(period_column ?? as_of_column)) {
    throw refuse(
      `nothing tells which period an outcome belongs to; set "period_column" or "as_of_column"${
        pattern ? ", or write {period} into files" : ""
      }`,
    );
  }
  return {
    source: pattern
      ? { kind: "files", pattern }
      : { kind: "table", table: parseTable(table ?? "") },
    maturityDays: entry.maturity_days,
    periodColumn: period_column,
    asOfColumn: as_of_column,
    label: entry.label ?? variant.label,
    idColumn: variant.idColumn === undefined
      ? undefined
      : entry.id_column ?? variant.idColumn,
    durationColumn: entry.duration_column,
    threshold: entry.threshold ?? 0.5,
  };
}

const part = String.raw`"((?:[^"]|"")+)"|([^".\s]+)`;
const tableName = new RegExp(String.raw`^(?:(?:${part})\.)?(?:${part})$`);

/**
 * Returns the table that a setting names: `schema.name` or `name`. Names are used
 * as they are spelled; one with a dot, a space or a quote is in double quotes.
 *
 * @throws {UsageError} If it is neither.
 */
function parseTable(setting: string): OutcomeTable {
  const found = tableName.exec(setting);
  if (!found) {
    throw new UsageError(
      `Cannot use outcomes.table ${
        JSON.stringify(setting)
      } in variants.yaml: expected a table such as warehouse.churn_outcomes`,
    );
  }
  const [, quotedSchema, schema, quoted, name] = found;
  const plain = (text: string | undefined) => text?.replaceAll('""', '"');
  return {
    schema: plain(quotedSchema) ?? schema,
    name: plain(quoted) ?? name ?? "",
  };
}
