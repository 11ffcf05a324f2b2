/** One contract over both databases: every input is stored once, whole or not at all. */
import {
  deepStrictEqual,
  match,
  ok,
  rejects,
  strictEqual,
} from "node:assert/strict";
import type { Database } from "../../lib/database/database.ts";
import { openPglite } from "../../lib/database/pglite.ts";
import { openPostgres } from "../../lib/database/postgres.ts";
import { sha256 } from "../../lib/base/digest.ts";
import {
  InputError,
  TransientError,
  UsageError,
} from "../../lib/base/errors.ts";
import {
  appendScores,
  findScoringRun,
  publishScoring,
  startScoring,
} from "../../lib/scoring/ledger.ts";
import type { ScoreChunk } from "../../lib/scoring/scores.ts";
import { abortable } from "../../lib/base/abortable.ts";
import {
  pack,
  type ScoredInput,
  storePredictions,
} from "../support/predictions.ts";
import { ensurePredictionsSchema } from "../../lib/services/schema.ts";
import { parsePeriod } from "../../lib/config/periods.ts";
import { toVariant } from "../../lib/config/variant.ts";
import { startPostgres, tempFolder } from "../support/servers.ts";
import { randomFrom } from "../support/random.ts";

let made = 0;

/** A new input of three rows, unlike every other one here. */
function newInput(more: Partial<ScoredInput> = {}): ScoredInput {
  made++;
  return {
    variant: toVariant({ geography: `G${made}` }),
    inputUri: `s3://bucket/${made}.jsonl`,
    contentSha256: sha256(`content ${made}`),
    recipeSha256: sha256("recipe"),
    modelName: "model",
    modelVersion: "1",
    modelSha256: sha256("model"),
    dataSource: "s3",
    mlflowRunId: `run-${made}`,
    startedAt: new Date("2026-11-23T06:00:00Z"),
    probabilities: new Float32Array([0.1, 0.5, 1]),
    ids: ["P-1", null, "P-3"],
    ...more,
  };
}

/** What is in the tables of one variant. */
async function stored(database: Database, { variant }: ScoredInput) {
  const runs = await database.query<{ attempt: number; version: string }>(
    "select attempt, model_version as version from scoring_runs where variant = $1 order by id",
    [variant.key],
  );
  const scores = async (table: string) =>
    (await database.query<{ score: number }>(
      `select churn_probability as score from ${table} where geography_id = $1 order by scoring_run_id, row_number`,
      [variant.geography],
    )).map(({ score }) => score);
  return {
    runs,
    all: await scores("churn_predictions"),
    current: await scores("churn_predictions_current"),
  };
}

const float = Math.fround;

const threeRows: readonly ScoreChunk[] = [{
  firstRow: 1,
  scores: new Float32Array([0.25, 0.5, 0.75]),
  ids: undefined,
}];

/** What both databases must do; each test has a variant of its own. */
const contract: Record<string, (database: Database) => Promise<void>> = {
  "storePredictions() stores rows and ledger with all they are about": async (
    database,
  ) => {
    const input = newInput({
      variant: toVariant({ geography: "EU", company: "ClientB" }),
      dataSource: "local-fallback",
    });
    const { stored, run } = await storePredictions(database, input);
    strictEqual(stored, true);
    const { finishedAt, ...rest } = run;
    deepStrictEqual(rest, {
      id: run.id,
      period: new Date().toISOString().slice(0, 10),
      hasPeriod: false,
      inputUri: input.inputUri,
      contentSha256: input.contentSha256,
      inputVersion: null,
      inputBytes: null,
      modelName: "model",
      modelVersion: "1",
      attempt: 1,
      idempotencyKey: null,
      mlflowRunId: input.mlflowRunId,
      rows: 3,
      rowsSetAside: 0,
    });
    ok(finishedAt instanceof Date && finishedAt > input.startedAt);
    const rows = await database.query(
      `select p.geography_id, p.company_id, player_id, churn_probability, p.model_name, p.model_version, row_number,
         data_source, content_sha256, recipe_sha256, model_sha256, started_at, variant
       from churn_predictions p join scoring_runs r on r.id = p.scoring_run_id
       where r.id = $1 order by row_number`,
      [run.id],
    );
    const shared = {
      geography_id: "EU",
      company_id: "ClientB",
      model_name: "model",
      model_version: "1",
      data_source: "local-fallback",
      content_sha256: input.contentSha256,
      recipe_sha256: input.recipeSha256,
      model_sha256: input.modelSha256,
      started_at: input.startedAt,
      variant: "geography-eu/company-clientb",
    };
    deepStrictEqual(
      rows,
      [
        { player_id: "P-1", churn_probability: float(0.1), row_number: 1 },
        { player_id: null, churn_probability: 0.5, row_number: 2 },
        { player_id: "P-3", churn_probability: 1, row_number: 3 },
      ].map((row) => ({ ...shared, ...row })),
    );
  },

  "storePredictions() stores an input once, whichever model comes again":
    async (
      database,
    ) => {
      const input = newInput();
      const first = await storePredictions(database, input);
      for (
        const again of [
          { mlflowRunId: "other" },
          { mlflowRunId: "newer", modelVersion: "2", modelSha256: sha256("2") },
          { mlflowRunId: "moved", inputUri: "s3://elsewhere/x" },
        ]
      ) {
        const { stored, run } = await storePredictions(database, {
          ...input,
          ...again,
        });
        deepStrictEqual([stored, run], [false, first.run]);
      }
      const { runs, all } = await stored(database, input);
      deepStrictEqual([runs.length, all.length], [1, 3]);
      deepStrictEqual(await findScoringRun(database, input), first.run);
    },

  "storePredictions() takes other content, and the same content of another variant, for new":
    async (database) => {
      const input = newInput();
      const other = newInput({ contentSha256: input.contentSha256 });
      const more = {
        ...input,
        contentSha256: sha256("more"),
        mlflowRunId: "m",
      };
      for (const each of [input, other, more]) {
        strictEqual((await storePredictions(database, each)).stored, true);
      }
      strictEqual((await stored(database, input)).runs.length, 2);
      strictEqual((await stored(database, other)).runs.length, 1);
      strictEqual(
        await findScoringRun(database, {
          ...input,
          contentSha256: sha256("unseen"),
        }),
        undefined,
      );
    },

  "storePredictions() with force adds an attempt and deletes nothing": async (
    database,
  ) => {
    const input = newInput();
    await storePredictions(database, input);
    const { run } = await storePredictions(
      database,
      { ...input, mlflowRunId: "again" },
      { force: true },
    );
    strictEqual(run.attempt, 2);
    const { runs, all, current } = await stored(database, input);
    deepStrictEqual(runs.map(({ attempt }) => attempt), [1, 2]);
    deepStrictEqual([all.length, current.length], [6, 3]);
  },

  "storePredictions() called again for its MLflow run finds its own, forced or not, whatever came after":
    async (database) => {
      const input = newInput();
      for (const force of [false, true]) {
        const own = { ...input, mlflowRunId: `own-${force}` };
        const { run } = await storePredictions(database, own, { force });
        const later = { ...input, mlflowRunId: `later-${force}` };
        await storePredictions(database, later, { force: true });
        const again = await storePredictions(database, own, { force });
        deepStrictEqual(again, { stored: true, run });
      }
      strictEqual((await stored(database, input)).runs.length, 4);
    },

  "storePredictions() can be called again when the answer to its commit was lost":
    async (database) => {
      const input = newInput();
      const losing: Database = {
        ...database,
        query: async (text, ...more) => {
          const rows = await database.query(text, ...more);
          if (!text.includes("status = 'completed', content_sha256")) {
            return rows as never;
          }
          throw new TransientError("the connection broke");
        },
      };
      await rejects(storePredictions(losing, input), TransientError);
      const { stored: isOurs } = await storePredictions(database, input);
      strictEqual(isOurs, true);
      strictEqual((await stored(database, input)).all.length, 3);
    },

  "storePredictions() of one input, twenty at once, stores it once": async (
    database,
  ) => {
    const input = newInput();
    const results = await Promise.all(
      Array.from(
        { length: 20 },
        (_, index) =>
          storePredictions(database, { ...input, mlflowRunId: `run-${index}` }),
      ),
    );
    strictEqual(results.filter(({ stored }) => stored).length, 1);
    strictEqual(new Set(results.map(({ run }) => run.id)).size, 1);
    const { runs, all } = await stored(database, input);
    deepStrictEqual([runs.length, all.length], [1, 3]);
  },

  "churn_predictions_current shows the old model's scores again after a rollback":
    async (database) => {
      const old = newInput({
        probabilities: new Float32Array([0.25, 0.25, 0.25]),
      });
      const young = {
        ...old,
        modelVersion: "2",
        mlflowRunId: "young",
        probabilities: new Float32Array([0.75, 0.75, 0.75]),
      };
      const force = { force: true };
      await storePredictions(database, old);
      deepStrictEqual((await stored(database, old)).current, [
        0.25,
        0.25,
        0.25,
      ]);
      await storePredictions(database, young, force);
      deepStrictEqual((await stored(database, old)).current, [
        0.75,
        0.75,
        0.75,
      ]);
      await storePredictions(database, { ...old, mlflowRunId: "back" }, force);
      const { runs, all, current } = await stored(database, old);
      deepStrictEqual(current, [0.25, 0.25, 0.25]);
      deepStrictEqual(
        runs.map(({ attempt, version }) => [attempt, version]),
        [[1, "1"], [2, "2"], [3, "1"]],
      );
      strictEqual(all.length, 9);
    },

  "storePredictions() refuses what is no probability, names the row, stores nothing":
    async (database) => {
      const cases: [number, RegExp][] = [
        [NaN, /row 2 has NaN/],
        [-0.001, /row 2 has -0.001/],
        [1.001, /row 2 has 1.00/],
        [Infinity, /row 2 has Infinity/],
      ];
      for (const [score, message] of cases) {
        const input = newInput({
          probabilities: new Float32Array([0, score, 1]),
        });
        await rejects(storePredictions(database, input), (error) => {
          ok(error instanceof InputError);
          match(error.message, message);
          return true;
        });
        deepStrictEqual(await stored(database, input), {
          runs: [],
          all: [],
          current: [],
        });
      }
    },

  "storePredictions() stores more rows than one insert holds, each under its number":
    async (database) => {
      const rows = 45_001;
      const input = newInput({
        probabilities: Float32Array.from(
          { length: rows },
          (_, row) => row / rows,
        ),
        ids: Array.from({ length: rows }, (_, row) => `P-${row + 1}`),
      });
      const { run } = await storePredictions(database, input);
      strictEqual(run.rows, rows);
      const [found] = await database.query(
        `select count(*) as rows, count(distinct row_number) as numbers, min(row_number) as first, max(row_number) as last,
           bool_and(player_id = 'P-' || row_number) as players,
           bool_and(churn_probability = ((row_number - 1)::float8 / $2::float8)::float4::float8) as scores
         from churn_predictions where scoring_run_id = $1`,
        [run.id, rows],
      );
      deepStrictEqual(found, {
        rows,
        numbers: rows,
        first: 1,
        last: rows,
        players: true,
        scores: true,
      });
    },

  "churn_predictions_current shows each player of eight deliveries once per variant, with the newest score":
    async (database) => {
      const us = toVariant({ geography: "Weeks" });
      const eu = toVariant({ geography: "Weeks", company: "Other" });
      // Week by week: a first file, a superset, the same rows in another order, a corrected export, fewer players,
      // a player twice, rows without a player, and the first week scored again.
      const weeks: (readonly [typeof us, readonly (string | null)[]])[] = [
        [us, ["A", "B", "C", null]],
        [us, ["A", "B", "C", "D", "E"]],
        [eu, ["A", "E", "Z"]],
        [us, ["E", "D", "C", "B", "A"]],
        [us, ["A", "B", "C", "D"]],
        [us, ["B"]],
        [us, ["C", "F", "C"]],
        [eu, ["A", null, "Y", null]],
        [us, ["A", "B", "C", null]],
        [eu, ["Q", null]],
      ];
      const expected = new Map<string, readonly unknown[]>();
      for (const [index, [variant, ids]] of weeks.entries()) {
        const probabilities = Float32Array.from(
          ids,
          (_, row) => (index * 8 + row) / 128,
        );
        const contentSha256 = sha256(`${variant.key} ${ids}`);
        const { run } = await storePredictions(
          database,
          newInput({ variant, ids, probabilities, contentSha256 }),
          { force: true },
        );
        // Rows that name no player are those of the variant's newest run alone.
        for (const key of expected.keys()) {
          if (key.startsWith(`${variant.key}|null`)) expected.delete(key);
        }
        for (const [row, id] of ids.entries()) {
          expected.set(
            `${variant.key}|${id ?? `null ${row}`}`,
            [variant.key, id, probabilities[row], run.id, row + 1],
          );
        }
      }
      const rows = await database.query<Record<string, unknown>>(
        `select variant, player_id, churn_probability, scoring_run_id, row_number
         from churn_predictions_current c join scoring_runs r on r.id = c.scoring_run_id
         where c.geography_id = 'Weeks'`,
      );
      const sorted = (values: Iterable<readonly unknown[]>) =>
        [...values].map((value) => JSON.stringify(value)).sort();
      deepStrictEqual(
        sorted(rows.map((row) => Object.values(row))),
        sorted(expected.values()),
      );
      // A, B, C, D, E, F of the one, A, E, Z, Y, Q of the other, and one row without a player of each.
      strictEqual(rows.length, 6 + 5 + 2);
      const one = await database.query(
        "select churn_probability from churn_predictions_current where player_id = 'D' and geography_id = 'Weeks'",
      );
      deepStrictEqual(one, [{ churn_probability: (4 * 8 + 3) / 128 }]);
    },

  "churn_predictions_current leaves out runs that are not completed, and rows of before the ledger":
    async (database) => {
      const input = newInput();
      const { run } = await storePredictions(database, input);
      const { run: later } = await storePredictions(
        database,
        { ...input, mlflowRunId: "later" },
        { force: true },
      );
      await database.query(
        "update scoring_runs set status = 'failed' where id = $1",
        [later.id],
      );
      await database.query(
        `insert into churn_predictions (prediction_timestamp, geography_id, churn_probability, model_version, player_id)
         values (now(), $1, 0.5, '0', 'P-1')`,
        [input.variant.geography],
      );
      deepStrictEqual(
        await database.query(
          "select player_id, scoring_run_id from churn_predictions_current where geography_id = $1 order by row_number",
          [input.variant.geography],
        ),
        ["P-1", null, "P-3"].map((player_id) => ({
          player_id,
          scoring_run_id: run.id,
        })),
      );
    },

  "appendScores() stores 100,000 rows exactly as they were given": async (
    database,
  ) => {
    const input = newInput();
    const rows = 100_000;
    const random = randomFrom(20261125);
    const scores = Float32Array.from(
      { length: rows },
      (_, row) => [0, 1, 1e-45, 1.17549435e-38, 0.1][row] ?? random(),
    );
    const alphabet = ["a", "Z", "é", "✓", "😀", "\n", "\\", "\t", '"', " "];
    const ids = Array.from(
      { length: rows },
      (_, row) =>
        row % 7 === 0
          ? null
          : row % 11 === 0
          ? ""
          : `${row}-${alphabet[row % alphabet.length]}`.repeat(1 + row % 3),
    );
    await using run = await startScoring(database, input);
    // In chunks of several sizes, the last ones first.
    const cuts = [0, 1, 70_000, 70_001, rows];
    const chunks = cuts.slice(1).map((end, index) => ({
      firstRow: cuts[index]! + 1,
      scores: scores.subarray(cuts[index], end),
      ids: pack(ids.slice(cuts[index], end)),
    })).reverse();
    strictEqual(await appendScores(database, run, chunks), rows);
    await publishScoring(database, run, { ...input, rows, inputBytes: 5e9 });
    const found = await database.query<{ id: string | null; score: number }>(
      `select player_id as id, churn_probability as score from churn_predictions
       where scoring_run_id = $1 order by row_number`,
      [run.id],
    );
    deepStrictEqual(found.map(({ id }) => id), ids);
    deepStrictEqual(Float32Array.from(found, ({ score }) => score), scores);
    ok(found.every(({ score }, row) => score === scores[row]));
    deepStrictEqual(
      await database.query(
        "select row_count, input_bytes, rows_set_aside, status, lease_expires_at from scoring_runs where id = $1",
        [run.id],
      ),
      [{
        row_count: rows,
        input_bytes: 5e9,
        rows_set_aside: 0,
        status: "completed",
        lease_expires_at: null,
      }],
    );
  },

  "appendScores() at once on several connections makes one batch": async (
    database,
  ) => {
    const input = newInput();
    await using run = await startScoring(database, input);
    const counts = await Promise.all(
      [0, 1, 2, 3].map((part) =>
        appendScores(database, run, [{
          firstRow: part * 1000 + 1,
          scores: new Float32Array(1000).fill(part / 4),
          ids: undefined,
        }])
      ),
    );
    deepStrictEqual(counts, [1000, 1000, 1000, 1000]);
    strictEqual((await stored(database, input)).all.length, 0);
    await publishScoring(database, run, { ...input, rows: 4000 });
    strictEqual((await stored(database, input)).all.length, 4000);
  },

  "publishScoring() called again returns the same result, forced or not":
    async (database) => {
      const input = newInput();
      await using run = await startScoring(database, input);
      const rows = await appendScores(database, run, threeRows);
      const first = await publishScoring(database, run, { ...input, rows });
      strictEqual(first.stored, true);
      for (const force of [false, true]) {
        const again = { ...input, rows, force };
        deepStrictEqual(await publishScoring(database, run, again), first);
      }
      strictEqual((await stored(database, input)).all.length, 3);
    },

  "publishScoring() of runs for one content: the first is stored, the others are told and leave nothing; with force each is an attempt":
    async (database) => {
      const input = newInput();
      const publish = async (mlflowRunId: string, force: boolean) => {
        await using run = await startScoring(database, input);
        const rows = await appendScores(database, run, threeRows);
        await new Promise((resolve) => setTimeout(resolve, 50));
        return await publishScoring(database, run, {
          ...input,
          rows,
          mlflowRunId,
          force,
        });
      };
      const twenty = Array.from({ length: 20 }, (_, index) => index);
      const results = await Promise.all(
        twenty.map((index) => publish(`once-${index}`, false)),
      );
      strictEqual(results.filter(({ stored }) => stored).length, 1);
      strictEqual(new Set(results.map(({ run }) => run.id)).size, 1);
      deepStrictEqual((await stored(database, input)).runs.length, 1);
      const [left] = await database.query(
        "select count(*) as rows from scores where scoring_run_id not in (select id from scoring_runs)",
      );
      deepStrictEqual(left, { rows: 0 });
      const forced = await Promise.all(
        twenty.slice(12).map((index) => publish(`force-${index}`, true)),
      );
      deepStrictEqual(
        forced.map(({ run }) => run.attempt).sort((a, b) => a - b),
        [2, 3, 4, 5, 6, 7, 8, 9],
      );
    },

  "publishScoring() with force stores one attempt per idempotency key, even at once":
    async (
      database,
    ) => {
      for (const period of [undefined, parsePeriod("2026-11-23", "period")]) {
        const input = newInput({ period });
        const publish = async (
          mlflowRunId: string,
          key: string | undefined,
        ) => {
          await using run = await startScoring(database, input);
          const rows = await appendScores(database, run, threeRows);
          return await publishScoring(database, run, {
            ...input,
            rows,
            mlflowRunId,
            force: true,
            idempotencyKey: key,
          });
        };
        const attempts = async (keys: readonly (string | undefined)[]) => {
          const all = await Promise.all(
            keys.map((key) => publish(crypto.randomUUID(), key)),
          );
          return {
            stored: all.filter(({ stored }) => stored).length,
            ids: new Set(all.map(({ run }) => run.id)).size,
          };
        };
        await storePredictions(database, input);
        const eight = Array.from({ length: 8 }, () => "dispatch-1");
        deepStrictEqual(await attempts(eight), { stored: 1, ids: 1 });
        deepStrictEqual(await attempts(["dispatch-1"]), { stored: 0, ids: 1 });
        deepStrictEqual(await attempts(["dispatch-2", undefined, undefined]), {
          stored: 3,
          ids: 3,
        });
        deepStrictEqual(
          (await stored(database, input)).runs.map(({ attempt }) => attempt)
            .sort(),
          [1, 2, 3, 4, 5],
        );
      }
    },

  "publishScoring() refuses when rows are lost or stored twice": async (
    database,
  ) => {
    const input = newInput();
    await using run = await startScoring(database, input);
    await appendScores(database, run, threeRows);
    for (const rows of [2, 4]) {
      await rejects(
        publishScoring(database, run, { ...input, rows }),
        {
          name: "InputError",
          message: /3 rows, numbered 1 to 3, were stored/,
        },
      );
    }
    await appendScores(database, run, threeRows);
    await rejects(publishScoring(database, run, { ...input, rows: 3 }), {
      message: /6 rows, numbered 1 to 3, were stored, expected 3/,
    });
  },

  "appendScores() stops at once when its chunks are aborted, and disposal discards the rows":
    async (database) => {
      const input = newInput();
      const controller = new AbortController();
      async function* hanging(): AsyncGenerator<ScoreChunk> {
        yield* threeRows;
        setTimeout(() => controller.abort(new RangeError("too late")), 20);
        await new Promise(() => {});
      }
      let id = 0;
      {
        await using run = await startScoring(database, input);
        id = run.id;
        await appendScores(database, run, threeRows);
        await rejects(
          appendScores(
            database,
            run,
            abortable(hanging(), controller.signal),
          ),
          /too late/,
        );
        strictEqual(await countScores(database, run), 3);
      }
      strictEqual(await countScores(database, { id }), 0);
      deepStrictEqual((await stored(database, input)).runs, []);
    },

  "storePredictions() without players stores them as null": async (
    database,
  ) => {
    const input = newInput({ ids: undefined });
    const { run } = await storePredictions(database, input);
    deepStrictEqual(
      await database.query(
        "select count(*) as rows, count(player_id) as players from churn_predictions where scoring_run_id = $1",
        [run.id],
      ),
      [{ rows: 3, players: 0 }],
    );
  },
};

/** A database without the prediction tables first says which command makes them; then the contract holds. */
async function fulfil(t: Deno.TestContext, database: Database): Promise<void> {
  for (const use of [findScoringRun, storePredictions]) {
    await rejects(use(database, newInput()), (error) => {
      ok(error instanceof UsageError, String(error));
      match(error.message, /run `deno task setup` first/);
      return true;
    });
  }
  await ensurePredictionsSchema(database);
  for (const [name, body] of Object.entries(contract)) {
    await t.step(name, () => body(database));
  }
}

Deno.test("the predictions' contract on PGlite", async (t) => {
  await using folder = await tempFolder();
  await using database = await openPglite(`${folder.path}/database`);
  await fulfil(t, database);
});

Deno.test("the predictions' contract on Postgres at repeatable read", async (t) => {
  await using server = await startPostgres({
    settings: { default_transaction_isolation: "'repeatable read'" },
  });
  await using database = await openPostgres({
    ...server,
    database: "postgres",
  });
  await fulfil(t, database);
});

Deno.test("the predictions' contract on Postgres", async (t) => {
  await using server = await startPostgres();
  const { host, port, user, password } = server;
  const open = () =>
    openPostgres({ host, port, user, password, database: "postgres" });
  await using database = await open();
  await fulfil(t, database);
  await using other = await open();
  await t.step(
    "two schedulers with separate connections store one input once",
    async () => {
      const input = newInput();
      const results = await Promise.all(
        [database, other].map((each, index) =>
          storePredictions(each, { ...input, mlflowRunId: `run-${index}` })
        ),
      );
      deepStrictEqual(results.map(({ stored }) => stored).sort(), [
        false,
        true,
      ]);
      strictEqual((await stored(database, input)).all.length, 3);
    },
  );
  await t.step(
    "a connection that is killed during a transaction stores nothing",
    () => killed(database, other),
  );
});

/** Holds the table and kills the connection that waits for it: what the run stored before is there, nobody sees it, and a later run sweeps it. */
async function killed(database: Database, other: Database): Promise<void> {
  const input = newInput();
  const run = await startScoring(database, input);
  await appendScores(database, run, threeRows);
  const waiting =
    "select pid from pg_stat_activity where wait_event_type = 'Lock' and query like 'copy scores%' and pid <> pg_backend_pid()";
  await other.transaction(async (holder) => {
    await holder.query("lock table scores in share mode");
    const appending = appendScores(database, run, threeRows).catch((error) =>
      error
    );
    while ((await other.query(waiting)).length === 0) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await other.query(
      `select pg_terminate_backend(pid) from (${waiting}) as it`,
    );
    ok(await appending instanceof TransientError, String(await appending));
  });
  const { all, current } = await stored(other, input);
  deepStrictEqual([all, current], [[], []]);
  ok(await countScores(other, run) > 0);
  // As if the process was gone, too: it cannot discard its run. While the lease lasts, the run counts as alive.
  {
    await using _ = await startScoring(other, input);
    ok(await countScores(other, run) > 0);
  }
  await other.query(
    "update scoring_runs set lease_expires_at = now() where id = $1",
    [run.id],
  );
  {
    await using _ = await startScoring(other, newInput());
    ok(await countScores(other, run) > 0, "swept by a run of another variant");
  }
  strictEqual((await storePredictions(other, input)).stored, true);
  strictEqual(await countScores(other, run), 0);
  strictEqual((await stored(other, input)).all.length, 3);
  // The run that was taken for dead notices.
  await untilAnswers(database);
  await rejects(
    publishScoring(database, run, {
      contentSha256: sha256("late"),
      mlflowRunId: "late",
      rows: 0,
    }),
    { name: "TransientError", message: /was discarded; run the command again/ },
  );
  await run[Symbol.asyncDispose]();
}

/** The pool forgets connections that broke. */
async function untilAnswers(database: Database): Promise<void> {
  while (await database.query("select 1").catch(() => undefined) === undefined);
}

async function countScores(
  database: Database,
  { id }: { id: number },
): Promise<number> {
  const [row] = await database.query<{ rows: number }>(
    "select count(*) as rows from scores where scoring_run_id = $1",
    [id],
  );
  return row!.rows;
}

Deno.test("storePredictions() stores UTC in an older table whose times have no zone", async () => {
  await using server = await startPostgres();
  await using database = await openPostgres({
    ...server,
    database: "postgres",
  });
  await database.query(
    `create table churn_predictions (id serial primary key, prediction_timestamp timestamp not null,
       geography_id text, churn_probability double precision not null, model_version text not null)`,
  );
  await ensurePredictionsSchema(database);
  const zone = Deno.env.get("TZ");
  Deno.env.set("TZ", "Asia/Tokyo");
  try {
    await storePredictions(database, newInput());
  } finally {
    if (zone === undefined) Deno.env.delete("TZ");
    else Deno.env.set("TZ", zone);
  }
  const [row] = await database.query<{ seconds: number }>(
    "select extract(epoch from (now() at time zone 'UTC') - prediction_timestamp) as seconds from churn_predictions",
  );
  ok(
    Math.abs(row?.seconds ?? NaN) < 600,
    `the stored time is ${row?.seconds} s off`,
  );
});
