/** Judges simulated weeks with the functions that `log-model`, `predict` and `monitor` use, without files and databases. */
import { fileURLToPath } from "node:url";
import { openKernel, parseModel } from "../../lib/model/mod.ts";
import {
  compareWith,
  type DriftComparison,
  failedColumns,
  lastingColumns,
} from "../../lib/monitoring/columns.ts";
import {
  brokenColumns,
  type DataVerdict,
  judgeData,
  toJudgedColumns,
} from "../../lib/monitoring/data.ts";
import { type Group, toGroups } from "../../lib/monitoring/groups.ts";
import {
  measurePerformance,
  type Performance,
} from "../../lib/monitoring/performance.ts";
import {
  decide,
  type Decision,
  isJudged,
} from "../../lib/monitoring/verdict.ts";
import { profileImportance } from "../../lib/registration/importance.ts";
import type { RecordedRecipe } from "../../lib/rows/recipe.ts";
import {
  type BatchBins,
  countBatch,
  type CountedRows,
  toBins,
  toUnknownShares,
} from "../../lib/statistics/batch-profile.ts";
import { evaluationMetrics } from "../../lib/statistics/classification.ts";
import {
  type ReferenceProfile,
  toProfile,
} from "../../lib/statistics/profile.ts";
import type { PlayerRow, Week } from "./players.ts";

const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));

/** The shipped base model: it scores rows of players. */
export interface Model {
  readonly names: readonly string[];
  readonly recipe: RecordedRecipe;
  /** Returns the input matrix of rows, and the rows whose category the model does not know. */
  encode(rows: readonly PlayerRow[]): Encoded;
  predict(encoded: Encoded): Float32Array;
}

/** Rows as the model's input. */
export interface Encoded {
  readonly rows: number;
  readonly matrix: Float32Array;
  /** Number of rows by raw column; columns without such rows are absent. */
  readonly unknownCategories: Readonly<Record<string, number>>;
}

const numbers = [
  "total_deposit",
  "total_handle",
  "total_ngr",
  "months_active",
] as const;

const rawCategories = [
  "brand_id",
  "ben_login_id",
  "player_reg_product",
] as const;

/** Opens the shipped base model. */
export async function openModel(): Promise<Model> {
  const names: string[] = JSON.parse(
    await Deno.readTextFile(here("../../data/churn/feature_names_3.json")),
  );
  const model = parseModel(
    await Deno.readFile(here("../../models/churn/xgb_churn_model_2.bin")),
  );
  if (model.kind !== "trees") throw new TypeError("expected a model of trees");
  const kernel = openKernel(model);
  const recipe = {
    one_hot: rawCategories.map((column) => ({
      column,
      prefix: `${column}_`,
      categories: names.filter((name) => name.startsWith(`${column}_`))
        .map((name) => name.slice(column.length + 1)),
    })),
  };
  const positions = recipe.one_hot.map(({ column, categories }) => ({
    column,
    of: new Map(
      categories.map((category) => [
        category,
        names.indexOf(`${column}_${category}`),
      ]),
    ),
  }));
  return {
    names,
    recipe,
    encode(rows) {
      const width = names.length;
      const matrix = new Float32Array(rows.length * width);
      const unknown = new Map<string, number>();
      for (const [index, row] of rows.entries()) {
        const start = index * width;
        for (const column of numbers) {
          matrix[start + names.indexOf(column)] = row[column] ?? NaN;
        }
        for (const { column, of } of positions) {
          const category = row[column];
          // A null is a category that is absent, not one that is unknown.
          if (category === null) continue;
          const position = of.get(category);
          if (position !== undefined) matrix[start + position] = 1;
          else unknown.set(column, (unknown.get(column) ?? 0) + 1);
        }
      }
      return {
        rows: rows.length,
        matrix,
        unknownCategories: Object.fromEntries(unknown),
      };
    },
    predict: ({ matrix, rows }) => kernel.predict(matrix, rows),
  };
}

/** A logged model version: what later weeks are compared with. */
export interface Version {
  readonly model: Model;
  readonly reference: ReferenceProfile;
  readonly bins: BatchBins;
  readonly groups: readonly Group[];
}

/** Returns the model as `log-model` would log it with a labelled week. */
export async function logVersion(
  model: Model,
  labelled: Week,
): Promise<Version> {
  const encoded = model.encode(labelled.rows);
  const scores = model.predict(encoded);
  const profile = toProfile({ names: model.names, ...encoded, scores });
  const reference: ReferenceProfile = {
    version: 1,
    source: { uri: "", sha256: "", kind: "evaluation" },
    ...profile,
    ...await profileImportance(
      (matrix, rows) =>
        Promise.resolve(model.predict({ matrix, rows, unknownCategories: {} })),
      profile,
      encoded,
    ),
    unknownShares: {},
    metrics: {
      ...evaluationMetrics({
        probabilities: scores,
        outcomes: labelled.outcomes,
      }),
    },
  };
  return {
    model,
    reference,
    bins: toBins(reference, { sha256: "" }),
    groups: toGroups(model.recipe.one_hot, model.names),
  };
}

/** A week as `predict` leaves it: its counts, its scores and its players. */
export interface ScoredWeek {
  readonly counts: CountedRows;
  readonly unknownCategories: Readonly<Record<string, number>>;
  readonly ids: readonly string[];
  readonly scores: Float32Array;
}

/** Scores the rows of a week. */
export function scoreWeek(
  { model, bins }: Version,
  rows: readonly PlayerRow[],
): ScoredWeek {
  const encoded = model.encode(rows);
  const scores = model.predict(encoded);
  return {
    counts: countBatch(bins, { ...encoded, scores }),
    unknownCategories: encoded.unknownCategories,
    ids: rows.map(({ player_id }) => player_id),
    scores,
  };
}

/** The verdicts on one week. */
export interface JudgedWeek {
  readonly data: DataVerdict;
  readonly drift: DriftComparison;
  /** With the outcomes of the week, as if they had matured. */
  readonly performance: Performance;
  readonly decision: Decision;
}

/** What `monitor` knows of the weeks before. */
export interface Past {
  readonly rows: readonly number[];
  readonly profiles: readonly CountedRows[];
  readonly last: JudgedWeek | undefined;
}

/** No week before. */
export const noPast: Past = { rows: [], profiles: [], last: undefined };

/** Judges a week and adds it to the past. @param outcomes By player. */
export function judgeWeek(
  { model, reference, groups }: Version,
  week: ScoredWeek,
  { past, outcomes }: { past: Past; outcomes: ReadonlyMap<string, number> },
): { judged: JudgedWeek; past: Past } {
  const { counts, ids, scores } = week;
  const { rows, features } = counts;
  const data = judgeData({
    rows,
    columns: features &&
      toJudgedColumns(reference.features, features, {
        ...model,
        importance: reference.importance,
      }),
    unseen: toUnknownShares({
      rows,
      unknownCategories: week.unknownCategories,
    }),
    unseenBefore: reference.unknownShares,
    earlierRows: past.rows,
  });
  const drift = compareWith(reference, counts, {
    comparison: "baseline",
    groups,
    past: past.profiles,
    importance: reference.importance,
  });
  const performance = measurePerformance({ ids, scores }, {
    outcomes,
    reference,
    file: "outcomes.jsonl",
  });
  const before = past.last;
  const broken = brokenColumns(data, model);
  const lasting = before === undefined || before.data.severity === "fail"
    ? []
    : lastingColumns(drift, {
      before: before.drift.severity === "fail"
        ? failedColumns(before.drift).map(({ name }) => name)
        : [],
      broken,
    });
  const judged = {
    data,
    drift,
    performance,
    decision: decide({
      data: data.severity,
      drift: drift.severity,
      performance: performance.severity,
      lasting,
      ...before && isJudged(before.performance.severity)
        ? {
          earlier: {
            severity: before.performance.severity,
            scoring_run_id: 0,
          },
        }
        : {},
    }),
  };
  return {
    judged,
    past: {
      rows: [rows, ...past.rows].slice(0, 12),
      profiles: data.severity === "fail"
        ? past.profiles
        : [...past.profiles, counts].slice(-12),
      last: judged,
    },
  };
}
