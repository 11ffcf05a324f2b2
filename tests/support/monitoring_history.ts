/** Monitoring results of generated weeks, judged by the real functions: what the pages are drawn from in tests. */
import { compareWith, judgedColumns } from "../../lib/monitoring/columns.ts";
import { judgeData, toJudgedColumns } from "../../lib/monitoring/data.ts";
import { toGroups } from "../../lib/monitoring/groups.ts";
import {
  measurePerformance,
  type Performance,
} from "../../lib/monitoring/performance.ts";
import type {
  MonitoringResult,
  PastVerdict,
} from "../../lib/monitoring/result.ts";
import { thresholds } from "../../lib/config/monitoring.ts";
import { decide } from "../../lib/monitoring/verdict.ts";
import {
  type BatchCounts,
  countBatch,
  toBins,
  toComparable,
} from "../../lib/statistics/batch-profile.ts";
import { evaluationMetrics } from "../../lib/statistics/classification.ts";
import { type Profile, toProfile } from "../../lib/statistics/profile.ts";
import { randomFrom } from "./random.ts";

const brands =
  "AZ CA CO DC ER GM IA IN IS KS KY LA MA MD MI MS NC NE NJ NO NV NY OH PA TN US VA WV WY"
    .split(" ");
const logins =
  "BCCSB22 BCUSA22L BCUSA22N BCUSA22NP actionnetwork starsportsmx wedgetraffic"
    .split(" ");
const products = "BETTING BINGO CASINO POKER RACEBOOK".split(" ");

const oneHot = [
  { column: "brand_id", prefix: "brand_id_", categories: brands },
  { column: "ben_login_id", prefix: "ben_login_id_", categories: logins },
  {
    column: "player_reg_product",
    prefix: "player_reg_product_",
    categories: products,
  },
];

/** The 45 features of the shipped model, in its order. */
const names = [
  "total_deposit",
  "total_handle",
  "total_ngr",
  "months_active",
  ...oneHot.flatMap(({ prefix, categories }) =>
    categories.map((category) => prefix + category)
  ),
];

const groups = toGroups(oneHot, names);

/** How a week differs from the reference. */
export interface Week {
  readonly rows: number;
  /** Factor of months_active; 1 by default. */
  readonly months?: number;
  /** Share of players whose brand is replaced by GM. */
  readonly gm?: number;
  /** Share of players with the product POKER instead of theirs. */
  readonly poker?: number;
  /** Share of players with the login wedgetraffic instead of theirs. */
  readonly traffic?: number;
  /** Share of missing total_ngr. */
  readonly missing?: number;
  /** Added to the log-odds of churning, which the scores do not know. */
  readonly churn?: number;
  /** Share of players that churn as if by chance. */
  readonly noise?: number;
  readonly modelVersion?: string;
  /** Whether outcomes are known. */
  readonly matured?: boolean;
}

interface Sample {
  readonly matrix: Float32Array;
  readonly scores: Float64Array;
  readonly outcomes: number[];
  readonly ids: string[];
}

/** Draws the players of a week: skewed money with zeros and gaps, months, and one category per group. */
function draw(week: Week, seed: number): Sample {
  const random = randomFrom(seed);
  const normal = () =>
    Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  const { rows, months = 1, gm = 0, poker = 0, traffic = 0, missing = 0.05 } =
    week;
  const matrix = new Float32Array(rows * names.length);
  const scores = new Float64Array(rows);
  const outcomes: number[] = [];
  const pick = (categories: readonly string[]) =>
    Math.floor(categories.length * random() ** 1.7);
  for (let row = 0; row < rows; row++) {
    const active = Math.min(
      60,
      1 + Math.floor(-9 * months * Math.log(1 - random())),
    );
    const paid = random() < 0.55;
    const deposit = paid ? Math.round(Math.exp(4.2 + normal())) : 0;
    const handle = paid ? deposit * (2 + 4 * random()) : 0;
    const at = row * names.length;
    matrix[at] = random() < 0.02 ? NaN : deposit;
    matrix[at + 1] = random() < 0.03 ? NaN : handle;
    matrix[at + 2] = random() < missing ? NaN : handle * 0.07 * (1 + normal());
    matrix[at + 3] = active;
    const brand = random() < gm ? brands.indexOf("GM") : pick(brands);
    const login = random() < traffic ? 6 : pick(logins);
    const product = random() < poker ? 3 : pick(products);
    matrix[at + 4 + brand] = 1;
    if (random() > 0.05) matrix[at + 4 + brands.length + login] = 1;
    matrix[at + 4 + brands.length + logins.length + product] = 1;
    const logit = 1.4 - 0.95 * Math.log(active) - (paid ? 0.5 : -0.6) +
      (brand % 5 - 2) * 0.25;
    scores[row] = 1 / (1 + Math.exp(-logit));
    const real = (random() < (week.noise ?? 0) ? 0 : logit) +
      (week.churn ?? 0);
    outcomes.push(Number(random() < 1 / (1 + Math.exp(-real))));
  }
  return {
    matrix,
    scores,
    outcomes,
    ids: Array.from({ length: rows }, (_, row) => `P-${row}`),
  };
}

/** Returns the period of the week with this index: a Monday, from 2026-06-01 on. */
function periodOf(index: number): string {
  return new Date(Date.UTC(2026, 5, 1 + 7 * index)).toISOString().slice(0, 10);
}

/**
 * Returns the result of monitoring the last of several weeks, whose history are
 * the weeks before. The same weeks give the same result.
 *
 * @param weeks At least one.
 */
export function monitorWeeks(
  weeks: readonly Week[],
  options: { title?: string } = {},
): MonitoringResult {
  const labelled = draw({ rows: 1500 }, 7);
  const profile: Profile = toProfile({ names, rows: 1500, ...labelled });
  const metrics = {
    ...evaluationMetrics({
      probabilities: labelled.scores,
      outcomes: labelled.outcomes,
    }),
    rows: 1500,
  };
  const reference = { ...profile, metrics };
  const history: PastVerdict[] = [];
  const measured = new Map<number, Performance>();
  let before: BatchCounts | undefined;
  let result: MonitoringResult | undefined;
  for (const [index, week] of weeks.entries()) {
    const { rows, matured = index < weeks.length - 4, modelVersion = "3" } =
      week;
    const sample = draw(week, 100 + index);
    const counted = countBatch(toBins(profile, { sha256: "" }), {
      rows,
      matrix: sample.matrix,
      scores: sample.scores,
    });
    const comparisons = [
      compareWith(profile, counted, { comparison: "baseline", groups }),
      ...before
        ? [
          compareWith(
            toComparable(profile, before),
            counted,
            { comparison: "consecutive" as const, groups },
          ),
        ]
        : [],
    ];
    const data = judgeData({
      rows,
      columns: toJudgedColumns(profile.features, counted.features, {
        recipe: { one_hot: oneHot },
      }),
      unseen: { brand_id: 0.004 },
      earlierRows: history.map(({ rows }) => rows),
    });
    const performance = matured
      ? measurePerformance(sample, {
        outcomes: new Map(
          sample.ids.slice(0, Math.ceil(rows * 0.93)).map((id, row) => [
            id,
            sample.outcomes[row] ?? 0,
          ]),
        ),
        reference,
        file: "s3://acme-churn/outcomes.jsonl",
      })
      : undefined;
    const drift = comparisons[0]?.severity ?? "unknown";
    const failed = judgedColumns(comparisons[0] ?? {})
      .filter(({ severity }) => severity === "fail").map(({ name }) => name);
    const lasting = failed.filter((name) => history[0]?.failed?.includes(name));
    const severity = performance?.severity ?? "unknown";
    const run = {
      id: index + 1,
      period: periodOf(index),
      input_uri: `s3://acme-churn/data/churn/weekly/${periodOf(index)}.jsonl`,
      content_sha256: "5".repeat(64),
      model_name: "churn-prediction-model",
      model_version: modelVersion,
      rows,
      finished_at: `${periodOf(index)}T05:12:00.000Z`,
      mlflow_run_id: "0f0e0d0c0b0a09080706050403020100",
    };
    result = {
      version: 1,
      variant: "base",
      title: options.title ?? "base",
      monitored_at: `${periodOf(index)}T05:13:00.000Z`,
      scoring_run: run,
      ...result ? { previous: result.scoring_run } : {},
      reference: {
        uri: "s3://acme-churn/data/churn/evaluation.jsonl",
        sha256: "e".repeat(64),
        kind: "evaluation",
        rows: 1500,
      },
      ...performance
        ? {
          outcomes: {
            uri: "s3://acme-churn/outcomes.jsonl",
            sha256: "0".repeat(64),
          },
        }
        : {},
      verdict: {
        data: data.severity,
        drift,
        performance: severity,
        ...decide({
          data: data.severity,
          drift,
          performance: severity,
          lasting,
        }),
      },
      data,
      comparisons,
      ...performance ? { performance } : {},
      ...performance ? {} : earlierOf(history, modelVersion, measured),
      unseen_categories: { brand_id: 0.004 },
      notes: [],
      thresholds,
      history: history.slice(0, 26),
    };
    if (performance) measured.set(run.id, performance);
    history.unshift({
      scoring_run_id: run.id,
      period: run.period,
      finished_at: run.finished_at,
      model_version: modelVersion,
      rows,
      data: data.severity,
      drift,
      performance: severity,
      drifted_share: comparisons[0]?.drifted_share ?? null,
      score_psi: comparisons[0]?.score?.psi ?? null,
      auc: performance?.metrics["auc"] ?? null,
      auc_interval: performance?.auc_interval ?? null,
      auc_reference: performance?.auc_reference ?? null,
      failed,
      columns: Object.fromEntries(
        judgedColumns(comparisons[0] ?? {}).map((
          { name, severity, psi },
        ) => [name, { severity, psi: psi ?? null }]),
      ),
    });
    before = counted;
  }
  if (!result) throw new RangeError("Cannot monitor: there are no weeks");
  return result;
}

/** Returns the latest performance of the model version, as a result without its own has it. */
function earlierOf(
  history: readonly PastVerdict[],
  version: string,
  measured: ReadonlyMap<number, Performance>,
): Pick<MonitoringResult, "earlier_performance"> {
  const found = history.find(({ scoring_run_id, model_version }) =>
    measured.has(scoring_run_id) && model_version === version
  );
  const performance = found && measured.get(found.scoring_run_id);
  return !performance ? {} : {
    earlier_performance: {
      scoring_run_id: found.scoring_run_id,
      severity: found.performance,
      auc: found.auc,
      outcomes_uri: "s3://acme-churn/outcomes.jsonl",
      monitored_at: found.finished_at,
      ...found.period === undefined ? {} : { period: found.period },
      performance,
    },
  };
}

/** Returns 26 weeks without a change, with a volume that varies. */
export function quietWeeks(weeks = 26): Week[] {
  return Array.from({ length: weeks }, (_, index) => ({
    rows: 950 + 37 * (index % 5) + (index % 9 === 4 ? 120 : 0),
    modelVersion: index < 12 ? "2" : "3",
  }));
}
