/** What a variant calls its rows, its outcome and its scores: in messages, on pages and in output files. */
import { UsageError } from "../base/errors.ts";
import * as v from "../base/schema.ts";
import { text } from "./recipe.ts";

/** The schema of `names` in `variants.yaml`. */
export const namesSchema = v.mapping({
  entity: v.optionalKey(
    text,
    "What a row is about, such as machine. By default player.",
  ),
  entities: v.optionalKey(
    text,
    "The plural of entity, such as machines. By default as most English nouns have it.",
  ),
  outcome: v.optionalKey(
    text,
    "What happened if the label is 1, such as failure. By default churn.",
  ),
  score: v.optionalKey(
    text,
    "What the model returns, such as failure probability or days to failure; output files have it with underscores as the column. By default the outcome and the word probability, and score for a model that returns no probability.",
  ),
});

/** The names of one variant. */
export interface Names {
  /** What a row is about: `player`. */
  readonly entity: string;
  /** The plural of {@linkcode entity}: `players`. */
  readonly entities: string;
  /** What happened if the label is 1: `churn`. */
  readonly outcome: string;
  /** The model's output if it is one probability per row: `churn probability`. */
  readonly probability: string;
  /** Any other output: `score`. */
  readonly score: string;
  /** Columns of output files. */
  readonly columns: {
    readonly id: string;
    readonly probability: string;
    readonly score: string;
  };
}

/** The other columns of output files, which a name cannot take. */
const fixedColumns = [
  "model_name",
  "model_version",
  "input_uri",
  "row_number",
  "geography_id",
  "company_id",
  "prediction_timestamp",
  "period",
];

/**
 * Returns a variant's names. Output files have the columns `player_id` and
 * `churn_probability` (or `score`) unless the variant declares names: with
 * `entity`, the column of ids has the name of `id_column`, or `id` if another
 * column of output files has that name, such as `company_id`.
 *
 * ```ts
 * import { deepStrictEqual, strictEqual } from "node:assert/strict";
 *
 * const names = toNames({ entity: "machine", outcome: "failure" }, "machine_id");
 * deepStrictEqual([names.entities, names.probability], ["machines", "failure probability"]);
 * const { entities, columns } = toNames({ entity: "company" }, "company_id");
 * deepStrictEqual([entities, columns.id], ["companies", "id"]);
 * deepStrictEqual(names.columns, { id: "machine_id", probability: "failure_probability", score: "score" });
 * strictEqual(toNames(undefined, "customer_id").columns.id, "player_id");
 * ```
 *
 * @param idColumn The variant's id column; undefined if it has none.
 * @throws {UsageError} If a column of output files would have the name of another one.
 */
export function toNames(
  declared: v.InferOutput<typeof namesSchema> | undefined,
  idColumn: string | undefined,
): Names {
  const { entity, entities, outcome = "churn", score } = declared ?? {};
  const probability = score ?? `${outcome} probability`;
  const scores = [toColumn(probability), toColumn(score ?? "score")] as const;
  const own = idColumn ?? "id";
  const id = fixedColumns.includes(own) ? "id" : own;
  const columns = {
    id: entity === undefined ? "player_id" : id,
    probability: scores[0],
    score: scores[1],
  };
  const taken = scores.find((name) =>
    fixedColumns.includes(name) || name === columns.id
  );
  if (taken !== undefined) {
    throw new UsageError(
      `Cannot use names in variants.yaml: two columns of an output file would be "${taken}"; choose another "score"`,
    );
  }
  return {
    entity: entity ?? "player",
    entities: entities ?? toPlural(entity ?? "player"),
    outcome,
    probability,
    score: score ?? "score",
    columns,
  };
}

/** The names of a variant that declares none: players who churn. */
export const usualNames: Names = toNames(undefined, undefined);

/** Returns the plural of an English noun by the rules of spelling; `entities` is for other nouns. */
function toPlural(noun: string): string {
  if (/[^aeiou]y$/.test(noun)) return `${noun.slice(0, -1)}ies`;
  return /(s|x|z|ch|sh)$/.test(noun) ? `${noun}es` : `${noun}s`;
}

/** Returns a name as the name of a column: `failure probability` is `failure_probability`. */
function toColumn(name: string): string {
  return name.trim().replaceAll(/\s+/g, "_");
}
