/** `history`: every score of one id, and what it says if there is none. */
import { deepStrictEqual, match, strictEqual } from "node:assert/strict";
import { sha256 } from "../../lib/base/digest.ts";
import { parsePeriod } from "../../lib/config/periods.ts";
import { toVariant } from "../../lib/config/variant.ts";
import { toVariants } from "../../lib/config/variants.ts";
import type { Database } from "../../lib/database/database.ts";
import { openPglite } from "../../lib/database/pglite.ts";
import {
  describeHistories,
  type PastScore,
  toHistories,
} from "../../lib/scoring/history.ts";
import { ensurePredictionsSchema } from "../../lib/services/schema.ts";
import { runCommand } from "../support/commands.ts";
import { storePredictions } from "../support/predictions.ts";
import { tempFolder } from "../support/servers.ts";

/** Stores scores of some ids, in their order, as a run. */
async function store(
  database: Database,
  { geography, period, version = "1", force = false, scores }: {
    geography?: string;
    period: string;
    version?: string;
    force?: boolean;
    scores: readonly (readonly [string, number])[];
  },
): Promise<void> {
  await storePredictions(database, {
    variant: toVariant({ geography }),
    period: parsePeriod(period, "period"),
    inputUri: `/data/${period}.jsonl`,
    contentSha256: sha256(`${geography} ${period}`),
    recipeSha256: sha256("recipe"),
    modelName: geography
      ? "churn-prediction-model-us"
      : "churn-prediction-model",
    modelVersion: version,
    modelSha256: sha256(version),
    dataSource: "local",
    mlflowRunId: `run-${geography}-${period}-${version}`,
    startedAt: new Date("2026-11-23T06:00:00Z"),
    probabilities: new Float32Array(scores.map(([, score]) => score)),
    ids: scores.map(([id]) => id),
  }, { force });
}

Deno.test("history shows periods, attempts, versions and changes of one id in every variant", async () => {
  await using folder = await tempFolder();
  const env = { CHURN_HOME: `${folder.path}/home` };
  {
    await using database = await openPglite(`${env.CHURN_HOME}/database`);
    await ensurePredictionsSchema(database);
    const other = ["P-2", 0.9] as const;
    await store(database, {
      period: "2026-11-09",
      scores: [["P-1", 0.25], other],
    });
    await store(database, { period: "2026-11-16", scores: [other] });
    await store(database, {
      period: "2026-11-23",
      scores: [["P-1", 0.5], other],
    });
    await store(database, {
      period: "2026-11-23",
      version: "2",
      force: true,
      scores: [["P-1", 0.125], other, ["P-1", 0.75]],
    });
    await store(database, {
      period: "2026-W48",
      geography: "US",
      scores: [["P-1", 0.625]],
    });
    // Written by another program, before there was a ledger.
    await database.query(
      `insert into churn_predictions (prediction_timestamp, churn_probability, model_version, player_id)
       values ('2026-11-02 12:00:00+00', 0.375, '0', 'P-1')`,
    );
  }
  const { report } = await runCommand("history", ["P-1"], { env });
  deepStrictEqual(
    report.variants.map((
      { variant, id_column, entity, scores }: Record<string, unknown>,
    ) => [
      variant,
      id_column,
      entity,
      (scores as Record<string, unknown>[]).map((score) => [
        score.period,
        score.score,
        score.change,
        score.current,
        score.model_version,
        score.attempt,
        score.scoring_run_id,
        score.row_number,
      ]),
    ]),
    [
      ["base", "player_id", "player", [
        ["2026-11-02", 0.375, null, true, "0", null, null, null],
        ["2026-11-09", 0.25, -0.125, true, "1", 1, 1, 1],
        ["2026-11-23", 0.5, null, false, "1", 1, 3, 1],
        ["2026-11-23", 0.125, null, false, "2", 2, 4, 1],
        ["2026-11-23", 0.75, 0.5, true, "2", 2, 4, 3],
      ]],
      ["geography-us", "player_id", "player", [
        ["2026-11-23", 0.625, null, true, "1", 1, 5, 1],
      ]],
    ],
  );
  // The current score is that of the view for readers.
  const { report: current } = await runCommand("query", [
    "select geography_id, churn_probability as p, period from churn_predictions_current where player_id = 'P-1' order by 1 nulls first",
  ], { env });
  deepStrictEqual(current.result, [
    { geography_id: null, p: 0.75, period: "2026-11-23" },
    { geography_id: "US", p: 0.625, period: "2026-11-23" },
  ]);

  const us = await runCommand("history", ["P-1", "--geography", "us"], {
    env,
    json: false,
  });
  match(
    us.stdout,
    /^player_id P-1, geography US: 1 period, churn-prediction-model-us\n\nperiod +churn probability +change .*\n-.*\n2026-11-23 +0\.6250 +1 +1 +5 +\d{4}-\d\d-\d\d \d\d:\d\d\n$/,
  );
  const elsewhere = await runCommand(
    "history",
    ["P-2", "--geography", "US"],
    { env, code: 1 },
  );
  match(
    elsewhere.stderr,
    /no score of player "P-2" of geography US; it was scored by base/,
  );
  const unknown = await runCommand("history", ["p-1"], { env, code: 1 });
  match(unknown.stderr, /no score of player "p-1"; the ids look like "P-1"/);
  const never = await runCommand("history", ["P-1", "--company", "ClientA"], {
    env,
    code: 1,
  });
  match(never.stderr, /it was scored by base; geography US/);
  match(
    (await runCommand("history", [], { env, code: 2 })).stderr,
    /expected one id/,
  );
  const fresh = await runCommand("history", ["P-1"], {
    env: { CHURN_HOME: `${folder.path}/none` },
    code: 1,
  });
  match(fresh.stderr, /Nothing is stored yet/);
});

Deno.test("history keeps variants apart that variants.yaml tells apart by a dimension, or no longer declares", () => {
  const variants = toVariants({
    dimensions: ["brand"],
    variants: [{ dimensions: { brand: "NJ" } }, {}],
  });
  const scoreOf = (variant: string | null): PastScore => ({
    variant,
    geography: null,
    company: null,
    period: "2026-11-23",
    score: 0.5,
    modelName: "m",
    modelVersion: "1",
    attempt: 1,
    scoringRunId: 1,
    mlflowRunId: null,
    rowNumber: 1,
    scoredAt: "2026-11-23T06:00:00.000Z",
  });
  const histories = toHistories(
    ["base", "brand-gone", "brand-nj", null].map(scoreOf),
    variants,
  );
  deepStrictEqual(
    histories.map(({ key, title, scores }) => [key, title, scores.length]),
    [
      ["brand-nj", "brand NJ", 1],
      ["base", "base", 2],
      ["brand-gone", "brand-gone", 1],
    ],
  );
});

Deno.test("history calls ids and scores as variants.yaml does", async () => {
  const variants = toVariants({
    names: { entity: "machine", outcome: "failure" },
    id_column: "serial",
    variants: [{}],
  });
  const score: PastScore = {
    variant: "base",
    geography: null,
    company: null,
    period: "2026-11-23",
    score: 0.5,
    modelName: "m",
    modelVersion: "3",
    attempt: 1,
    scoringRunId: 1,
    mlflowRunId: null,
    rowNumber: 1,
    scoredAt: "2026-11-23T06:00:00.000Z",
  };
  const { text, report } = await describeHistories(
    "M-1",
    toHistories([score], variants),
    { width: 100 },
  );
  match(text, /^serial M-1, base: 1 period, m\n\nperiod +failure probability /);
  strictEqual(/player|churn/.test(text + JSON.stringify(report)), false);
});
