/** Shows which tables and views there are to query, as text. */
import type { CatalogColumn } from "../database/catalog.ts";
import { oneLine } from "../base/printable.ts";
import { wrap } from "../base/wrap.ts";

/** The tables and views of the predictions, those for readers first, with what they contain. */
const ours: readonly (readonly [string, string])[] = [
  [
    "churn_predictions_current",
    "each id once per variant, from its newest period",
  ],
  ["churn_predictions", "every score of every completed run"],
  ["scoring_runs", "the ledger: one row per scored batch"],
  ["monitoring_runs", "one row per monitoring result"],
  ["drift_metrics", "one row per column and comparison of a monitoring result"],
  ["monitoring_alerts", "alerts that monitor raised"],
  ["monitoring_states", "the last known severity of each verdict"],
  ["scores", "the stored scores behind churn_predictions"],
  [
    "settled_scores",
    "scores of earlier runs that churn_predictions_current still shows",
  ],
  [
    "churn_predictions_before",
    "rows from before the ledger, and of other programs",
  ],
];

/** Longer type names in their short form, which Postgres also accepts. */
const shortTypes: Readonly<Record<string, string>> = {
  "timestamp with time zone": "timestamptz",
  "timestamp without time zone": "timestamp",
  "double precision": "double",
  "character varying": "varchar",
};

/**
 * Returns the tables and views of a database as text: those of the predictions
 * with their columns, the names of all others, and what to type next.
 *
 * @param options `width`: characters per line; `description`: the database.
 */
export function describeTables(
  catalog: readonly CatalogColumn[],
  { description, width }: { description: string; width: number },
): string {
  const columnsOf = Map.groupBy(catalog, nameOf);
  const known = ours.flatMap(([name, purpose]) => {
    const columns = columnsOf.get(name);
    return columns ? [{ name, purpose, columns }] : [];
  });
  const names = new Set(known.map(({ name }) => name));
  const others = [...columnsOf.keys()].filter((name) => !names.has(name));
  const nameWidth = Math.max(0, ...known.map(({ name }) => name.length));
  return [
    `Tables and views of ${description}`,
    "",
    ...known.flatMap(({ name, purpose, columns }) => [
      `${name.padEnd(nameWidth)}  ${columns[0]!.kind.padEnd(5)}  ${purpose}`,
      ...toLines(columns.map(toText), width),
      "",
    ]),
    ...others.length === 0 ? [] : [
      ...known.length === 0 ? [] : [
        others.includes("alembic_version")
          ? "Other tables and views, with those of MLflow"
          : "Other tables and views",
      ],
      ...toLines(others.map(oneLine), width),
      "",
    ],
    "Columns of one table, and a query",
    `    deno task query "\\d ${known[0]?.name ?? others[0] ?? "NAME"}"`,
    names.has("churn_predictions_current")
      ? `    deno task query "select * from churn_predictions_current order by churn_probability desc limit 10"`
      : `    deno task query "select * from ${others[0] ?? "NAME"} limit 10"`,
  ].join("\n");
}

/** Returns the name of a column's table or view as SQL needs it: with the schema if the search path does not find it. */
function nameOf({ schema, relation, visible }: CatalogColumn): string {
  return visible ? relation : `${schema}.${relation}`;
}

function toText({ column, type }: CatalogColumn): string {
  const [, base = type, rest = ""] = /^([a-z ]+?)(\(.*|\[\])?$/.exec(type) ??
    [];
  return oneLine(`${column} ${shortTypes[base] ?? base}${rest}`);
}

/** Returns items, with commas between them, as lines; an item is not broken. */
function toLines(items: readonly string[], width: number): string[] {
  // A space within an item must not be where a line ends.
  const text = items.map((item) => item.replaceAll(" ", hard)).join(", ");
  return wrap(text, width - 4).map((line) =>
    `    ${line.replaceAll(hard, " ")}`
  );
}

/** A space at which no line ends; in no name of a table or type. */
const hard = "\u0000";
