/** `churn_predictions_current` over random histories, compared after every step with a model of what it must show. */
import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import type { Database } from "../../lib/database/database.ts";
import { openPglite } from "../../lib/database/pglite.ts";
import { openPostgres } from "../../lib/database/postgres.ts";
import { TransientError } from "../../lib/base/errors.ts";
import { sha256 } from "../../lib/base/digest.ts";
import { noLog } from "../../lib/base/log.ts";
import { ensurePredictionsSchema } from "../../lib/services/schema.ts";
import {
  settleScores,
  startSettling,
} from "../../lib/services/settled-scores.ts";
import { randomFrom } from "../support/random.ts";
import { startPostgres, tempFolder } from "../support/servers.ts";

interface Row {
  readonly run: number;
  readonly row: number;
  readonly player: string | null;
  readonly score: number;
}

interface Run {
  readonly id: number;
  readonly variant: string;
  readonly period: string | null;
  readonly day: string;
  readonly status: "running" | "completed" | "failed";
}

/** What was stored, as the tests know it. */
interface Stored {
  runs: Run[];
  scores: Row[];
  before: Row[];
}

const variants = ["base", "geography-us", "geography-us/company-a"];
const days = ["2026-09-28", "2026-10-05", "2026-10-12", "2026-10-19"];
const players = Array.from({ length: 12 }, (_, index) => `P-${index}`);

/** What the view must show: of each player, newest period, newest run, last row; rows without a player of the newest run. */
function expectedRows({ runs, scores, before }: Stored): string[] {
  const shown: string[] = [];
  const completed = runs.filter(({ status }) => status === "completed");
  for (const [variant, own] of Map.groupBy(completed, (run) => run.variant)) {
    const ordered = own.toSorted((a, b) => {
      const [one, other] = [a.period ?? a.day, b.period ?? b.day];
      return one < other ? -1 : one > other ? 1 : a.id - b.id;
    });
    const byPlayer = new Map<string, string>();
    for (const { id, period, day } of ordered) {
      const rows = [...scores, ...before].filter(({ run }) => run === id)
        .toSorted((a, b) => a.row - b.row);
      for (const { row, player, score } of rows) {
        const line = [variant, player, period ?? day, id, row, score].join();
        if (player !== null) byPlayer.set(player, line);
        else if (id === ordered.at(-1)?.id) shown.push(line);
      }
    }
    shown.push(...byPlayer.values());
  }
  return shown.sort();
}

async function shownRows(database: Database): Promise<string[]> {
  const rows = await database.query<Record<string, unknown>>(
    `select r.variant, c.player_id, c.period::text as period, c.scoring_run_id, c.row_number, c.churn_probability
     from churn_predictions_current c join scoring_runs r on r.id = c.scoring_run_id`,
  );
  return rows.map((row) => Object.values(row).join()).sort();
}

/** Changes the database, and the model in the same way. */
class History {
  readonly stored: Stored = { runs: [], scores: [], before: [] };
  #made = 0;

  constructor(
    readonly database: Database,
    readonly random: () => number,
  ) {}

  pick<T>(values: readonly T[]): T | undefined {
    return values[Math.floor(this.random() * values.length)];
  }

  /** A run of a late, current or corrected week, or one that names no period. */
  async open(status: Run["status"], rows = 10): Promise<void> {
    const variant = this.pick(variants)!;
    const period = this.random() < 0.8 ? this.pick(days)! : null;
    const day = this.pick(days)!;
    const made = ++this.#made;
    const [inserted] = await this.database.query<{ id: number }>(
      `insert into scoring_runs (variant, geography_id, company_id, input_uri, content_sha256, recipe_sha256, model_name,
         model_version, model_sha256, attempt, row_count, data_source, status, started_at, finished_at, period, lease_expires_at)
       values ($1, $2, $3, 'x', $4, $4, 'm', '1', $4, $5, 0, 's3', $6, now(), $7::date + interval '12 hours', $8, now())
       returning id`,
      [
        variant,
        variant === "base" ? null : "US",
        variant.endsWith("a") ? "A" : null,
        sha256(`${made}`),
        made,
        status,
        day,
        period,
      ],
    );
    const { id } = inserted!;
    this.stored.runs.push({ id, variant, period, day, status });
    const added = Array.from(
      { length: Math.floor(this.random() * rows) },
      (_, index): Row => ({
        run: id,
        row: index + 1,
        player: rows > 100
          ? `W-${index}`
          : this.random() < 0.15
          ? null
          : this.pick(players)!,
        score: Math.fround(this.random()),
      }),
    );
    await this.#insert("scores", added);
    this.stored.scores.push(...added);
  }

  async #insert(table: string, rows: readonly Row[]): Promise<void> {
    await this.database.query(
      table === "scores"
        ? `insert into scores (scoring_run_id, row_number, player_id, churn_probability)
           select * from unnest($1::bigint[], $2::integer[], $3::text[], $4::real[])`
        : `insert into churn_predictions_before (prediction_timestamp, model_version, scoring_run_id, row_number, player_id, churn_probability)
           select now(), '1', * from unnest($1::bigint[], $2::bigint[], $3::text[], $4::double precision[])`,
      [
        rows.map(({ run }) => run),
        rows.map(({ row }) => row),
        rows.map(({ player }) => player),
        rows.map(({ score }) => score),
      ],
    );
  }

  /** A row of another program, or from before the ledger. */
  async addBefore(): Promise<void> {
    const run = this.pick(this.stored.runs);
    if (!run) return;
    const row = {
      run: run.id,
      row: 1000 + ++this.#made,
      player: this.random() < 0.3 ? null : this.pick(players)!,
      score: this.random(),
    };
    await this.#insert("before", [row]);
    this.stored.before.push(row);
  }

  async setRun(run: Run, change: Partial<Run>): Promise<void> {
    const now = { ...run, ...change };
    await this.database.query(
      `update scoring_runs set variant = $2, period = $3, status = $4, finished_at = $5::date + interval '12 hours' where id = $1`,
      [run.id, now.variant, now.period, now.status, now.day],
    );
    this.stored.runs = this.stored.runs.map((one) => one === run ? now : one);
  }

  async deleteRows(
    where: string,
    { values, gone }: { values: unknown[]; gone: (row: Row) => boolean },
  ): Promise<void> {
    await this.database.query(`delete from scores where ${where}`, values);
    this.stored.scores = this.stored.scores.filter((row) => !gone(row));
  }

  async deletePlayer(player: string): Promise<void> {
    await untilSerialized(() =>
      this.deleteRows("player_id = $1", {
        values: [player],
        gone: (row) => row.player === player,
      })
    );
  }

  async deleteRun(run: Run): Promise<void> {
    await this.database.query(
      "delete from churn_predictions_before where scoring_run_id = $1",
      [run.id],
    );
    await this.database.query("delete from scoring_runs where id = $1", [
      run.id,
    ]);
    this.stored.before = this.stored.before.filter((row) => row.run !== run.id);
    this.stored.runs = this.stored.runs.filter((one) => one !== run);
  }

  async updateRow(row: Row, change: Partial<Row>): Promise<void> {
    const now = { ...row, ...change };
    await this.database.query(
      `update scores set scoring_run_id = $3, row_number = $4, player_id = $5, churn_probability = $6
       where scoring_run_id = $1 and row_number = $2`,
      [row.run, row.row, now.run, now.row, now.player, now.score],
    );
    this.stored.scores = this.stored.scores.map((one) =>
      one === row ? now : one
    );
  }

  /** One random step. */
  async step(settle: (variant?: string) => Promise<unknown>): Promise<string> {
    const { stored } = this;
    const run = this.random() < 0.5
      ? stored.runs.at(-1)
      : this.pick(stored.runs);
    const row = this.pick(stored.scores);
    const player = this.pick(players)!;
    const steps: [number, string, () => Promise<unknown>][] = [
      [8, "publish", () => this.open("completed")],
      [3, "start", () => this.open("running")],
      [2, "publish many players", () => this.open("completed", 400)],
      [10, "settle one", () => settle(this.pick(variants))],
      [4, "settle all", () => settle()],
      [2, "row from before", () => this.addBefore()],
      [3, "delete player", () => this.deletePlayer(player)],
      [2, "delete player while settling", () =>
        Promise.all([
          this.deletePlayer(player),
          settle(this.pick(variants)),
        ])],
    ];
    if (run) {
      steps.push(
        [5, "set status", () =>
          this.setRun(run, {
            status: run.status === "completed" && this.random() < 0.2
              ? "failed"
              : "completed",
          })],
        [
          1,
          "set period",
          () => this.setRun(run, { period: this.pick([...days, null])! }),
        ],
        [1, "set day", () => this.setRun(run, { day: this.pick(days)! })],
        [
          1,
          "set variant",
          () => this.setRun(run, { variant: this.pick(variants)! }),
        ],
        [1, "delete run", () => this.deleteRun(run)],
        [
          2,
          "delete scores of run",
          () =>
            this.deleteRows("scoring_run_id = $1", {
              values: [run.id],
              gone: (one) => one.run === run.id,
            }),
        ],
        [
          1,
          "delete player of run",
          () =>
            this.deleteRows("scoring_run_id = $1 and player_id = $2", {
              values: [run.id, player],
              gone: (one) => one.run === run.id && one.player === player,
            }),
        ],
      );
    }
    if (row) {
      steps.push(
        [
          2,
          "delete row",
          () =>
            this.deleteRows("scoring_run_id = $1 and row_number = $2", {
              values: [row.run, row.row],
              gone: (one) => one.run === row.run && one.row === row.row,
            }),
        ],
        [
          2,
          "other player",
          () => this.updateRow(row, { player: this.pick([...players, null])! }),
        ],
        [
          1,
          "other score",
          () => this.updateRow(row, { score: Math.fround(this.random()) }),
        ],
      );
    }
    // Scores may be left when all runs were deleted.
    if (row && run) {
      steps.push([
        1,
        "other run",
        () =>
          this.updateRow(row, {
            run: run.id,
            row: 1000 + ++this.#made,
          }),
      ]);
    }
    const all = steps.reduce((sum, [weight]) => sum + weight, 0);
    let at = this.random() * all;
    const [, name, work] = steps.find(([weight]) => (at -= weight) < 0) ??
      steps[0]!;
    await work();
    return name;
  }
}

/** Repeats work at repeatable read that began before something was settled. */
async function untilSerialized(work: () => Promise<void>): Promise<void> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof TransientError)) throw error;
    }
  }
}

const steps = 150;

/** Runs a random history and compares after each step; the name of the step says how to repeat it. */
async function live(
  t: Deno.TestContext,
  { databases, random, seed }: {
    databases: readonly [Database, ...Database[]];
    random: () => number;
    seed: number;
  },
): Promise<void> {
  await t.step(`seed ${seed}`, async () => {
    const [database] = databases;
    await database.query("truncate scores, churn_predictions_before");
    await database.query("delete from scoring_runs");
    const warnings: (string | undefined)[] = [];
    const settle = async (variant?: string) => {
      const more = variant === undefined ? {} : { variant };
      warnings.push(
        ...await Promise.all(
          databases.map((each) => settleScores(each, { log: noLog, ...more })),
        ),
      );
    };
    const history = new History(database, random);
    const names: string[] = [];
    let mostSettled = 0;
    for (let step = 0; step < steps; step++) {
      names.push(await history.step(settle));
      deepStrictEqual(
        await shownRows(database),
        expectedRows(history.stored),
        `seed ${seed}, after ${names.join(", ")}`,
      );
      const [settled] = await database.query<{ rows: number }>(
        "select count(*) as rows from settled_scores",
      );
      mostSettled = Math.max(mostSettled, settled!.rows);
    }
    deepStrictEqual(warnings.filter((warning) => warning !== undefined), []);
    // The history was one in which settling matters.
    ok(mostSettled > 5, `${mostSettled} rows were settled at most`);
    await database.query("truncate scores");
    deepStrictEqual(
      await shownRows(database),
      expectedRows({ ...history.stored, scores: [] }),
    );
  });
}

const firstSeed = Math.floor(Math.random() * 2 ** 31);

Deno.test("churn_predictions_current is right in random histories on PGlite", async (t) => {
  await using folder = await tempFolder();
  await using database = await openPglite(`${folder.path}/database`);
  await ensurePredictionsSchema(database);
  for (let seed = firstSeed; seed < firstSeed + 3; seed++) {
    await live(t, { databases: [database], random: randomFrom(seed), seed });
  }
  await ownersChanges(t, database);
});

for (const isolation of ["read committed", "repeatable read"]) {
  Deno.test(`churn_predictions_current is right in random histories on Postgres at ${isolation}`, async (t) => {
    await using server = await startPostgres({
      settings: { default_transaction_isolation: `'${isolation}'` },
    });
    const open = () => openPostgres({ ...server, database: "postgres" });
    await using database = await open();
    await using other = await open();
    await ensurePredictionsSchema(database);
    for (let seed = firstSeed + 3; seed < firstSeed + 8; seed++) {
      await live(t, {
        databases: [database, other],
        random: randomFrom(seed),
        seed,
      });
    }
    await ownersChanges(t, database);
    await t.step(
      "scores that are deleted meanwhile are not settled",
      () => deletedMeanwhile(database, other),
    );
    await t.step(
      "a transaction that began before overlooks nothing",
      () => begunBefore(database, { other, isolation }),
    );
    await t.step(
      "two deletions of a player at once leave no row of it to show",
      () => deletedTwice(database, { other, isolation }),
    );
    await t.step(
      "a late week that is settled meanwhile counts",
      () => lateMeanwhile(database, { other, isolation }),
    );
  });
}

/** Two weeks of a variant; A, B and C are in both, L left after the first. */
async function twoWeeks(database: Database): Promise<void> {
  await database.query("truncate scores, scoring_runs cascade");
  await publishWeek(database, "2026-09-28", ["A", "B", "C", "L"]);
  await publishWeek(database, "2026-10-05", ["A", "B", "C"]);
}

async function publishWeek(
  database: Database,
  day: string,
  ids: readonly string[],
): Promise<void> {
  await database.query(
    `with run as (
       insert into scoring_runs (variant, input_uri, content_sha256, recipe_sha256, model_name, model_version, model_sha256,
         row_count, data_source, status, started_at, finished_at, period)
       values ('base', 'x', $1, $1, 'm', '1', $1, $4, 's3', 'completed', now(), now(), $2) returning id
     )
     insert into scores (scoring_run_id, row_number, player_id, churn_probability)
     select id, row, player, 0.5 from run, unnest($3::text[]) with ordinality p (player, row)`,
    [sha256(day), day, ids, ids.length],
  );
}

const shownPlayers = async (database: Database) =>
  (await database.query<{ player: string }>(
    "select player_id || extract(day from period) as player from churn_predictions_current order by 1",
  )).map(({ player }) => player);

const settleBase = (database: Database) =>
  database.transaction(async (tx) => {
    await tx.query("set transaction isolation level read committed");
    await tx.query("select settle_scores('base')");
  });

const newestRun = "(select max(id) from scoring_runs)";
const firstWeek = ["A28", "B28", "C28", "L28"];

/** What the owner of the tables may do after scores were settled, and what the list shows then. */
const changes: Record<string, readonly [string, readonly string[]]> = {
  "the newest run is deleted": [
    `delete from scoring_runs where id = ${newestRun}`,
    firstWeek,
  ],
  "the newest run is declared failed": [
    `update scoring_runs set status = 'failed' where id = ${newestRun}`,
    firstWeek,
  ],
  "the newest run gets an earlier period": [
    `update scoring_runs set period = '2026-09-21' where id = ${newestRun}`,
    firstWeek,
  ],
  "the newest run belongs to another variant": [
    `update scoring_runs set variant = 'geography-eu' where id = ${newestRun}`,
    ["A28", "A5", "B28", "B5", "C28", "C5", "L28"],
  ],
  "the scores of the newest run are deleted": [
    `delete from scores where scoring_run_id = ${newestRun}`,
    firstWeek,
  ],
  "a settled run is deleted": [
    `delete from scoring_runs where id < ${newestRun}`,
    ["A5", "B5", "C5"],
  ],
  "a settled run gets a later period": [
    `update scoring_runs set period = '2026-10-12' where id < ${newestRun}`,
    ["A12", "B12", "C12", "L12"],
  ],
  "a player is renamed": [
    "update scores set player_id = 'M' where player_id in ('A', 'L')",
    ["B5", "C5", "M5"],
  ],
  "all scores are deleted": ["delete from scores", []],
  "all scores are truncated": ["truncate scores", []],
};

async function ownersChanges(
  t: Deno.TestContext,
  database: Database,
): Promise<void> {
  for (const [name, [statement, expected]] of Object.entries(changes)) {
    await t.step(name, async () => {
      await twoWeeks(database);
      await settleBase(database);
      strictEqual(await countUnsettled(database), 1);
      await database.query(statement);
      deepStrictEqual(await shownPlayers(database), expected);
      await settleBase(database);
      deepStrictEqual(await shownPlayers(database), expected);
    });
  }
  await t.step("a run without a period was scored on another day", async () => {
    await twoWeeks(database);
    await database.query(
      "update scoring_runs set finished_at = period + interval '12 hours', period = null",
    );
    await settleBase(database);
    await database.query(
      `update scoring_runs set finished_at = '2026-09-21' where id = ${newestRun}`,
    );
    deepStrictEqual(await shownPlayers(database), firstWeek);
  });
  await t.step("more players are deleted than are looked up", async () => {
    await twoWeeks(database);
    await database.query(
      `insert into scores (scoring_run_id, row_number, player_id, churn_probability)
       select id, 10 + n, 'W' || n, 0.5 from scoring_runs, generate_series(1, 150) n`,
    );
    await settleBase(database);
    await database.query(
      `delete from scores where player_id like 'W%' and (scoring_run_id = ${newestRun} or player_id > 'W2')`,
    );
    const rows = await shownPlayers(database);
    // W1, W2, W10 to W19, and W100 to W150, all of the first week.
    deepStrictEqual(
      rows.filter((row) => row.startsWith("W")),
      Array.from({ length: 150 }, (_, index) => `W${index + 1}`)
        .filter((player) => player <= "W2").map((player) => `${player}28`)
        .toSorted(),
    );
  });
}

async function deletedMeanwhile(
  database: Database,
  other: Database,
): Promise<void> {
  await twoWeeks(database);
  let settling: Promise<void> | undefined;
  await database.transaction(async (tx) => {
    await tx.query("delete from scores where player_id = 'L'");
    settling = settleBase(other);
    await untilWaiting(database);
  });
  await settling;
  deepStrictEqual(await shownPlayers(database), ["A5", "B5", "C5"]);
  strictEqual(await countUnsettled(database), 1);
}

async function begunBefore(
  database: Database,
  { other, isolation }: { other: Database; isolation: string },
): Promise<void> {
  await twoWeeks(database);
  const deleting = database.transaction(async (tx) => {
    await tx.query("select count(*) as rows from scores");
    await settleBase(other);
    // Of the newest run: the player's row of the week before is shown again.
    await tx.query(
      "delete from scores where player_id = 'A' and scoring_run_id = (select max(id) from scoring_runs)",
    );
  });
  await endsWith(deleting, {
    database,
    isolation,
    refused: ["A5", "B5", "C5", "L28"],
    done: ["A28", "B5", "C5", "L28"],
  });
}

/** Two deletions of a player at once: of the newest row, and in a transaction that began before, of the row that is then shown. */
async function deletedTwice(
  database: Database,
  { other, isolation }: { other: Database; isolation: string },
): Promise<void> {
  await twoWeeks(database);
  await settleBase(database);
  const deleting = database.transaction(async (tx) => {
    await tx.query("select count(*) as rows from scores");
    await other.query(
      `delete from scores where player_id = 'A' and scoring_run_id = ${newestRun}`,
    );
    await tx.query(
      `delete from scores where player_id = 'A' and scoring_run_id < ${newestRun}`,
    );
  });
  await endsWith(deleting, {
    database,
    isolation,
    refused: ["A28", "B5", "C5", "L28"],
    done: ["B5", "C5", "L28"],
  });
}

/** A deletion in a transaction that began before a late week was published and settled. */
async function lateMeanwhile(
  database: Database,
  { other, isolation }: { other: Database; isolation: string },
): Promise<void> {
  await twoWeeks(database);
  await settleBase(database);
  const deleting = database.transaction(async (tx) => {
    await tx.query("select count(*) as rows from scores");
    await publishWeek(other, "2026-09-30", ["A"]);
    await settleBase(other);
    await tx.query(
      "delete from scores where player_id = 'A' and scoring_run_id = (select id from scoring_runs where period = '2026-10-05')",
    );
  });
  await endsWith(deleting, {
    database,
    isolation,
    refused: ["A5", "B5", "C5", "L28"],
    done: ["A30", "B5", "C5", "L28"],
  });
}

/** Checks how a deletion ends: at repeatable read it is refused, otherwise it is done; and who is then shown. */
async function endsWith(
  deleting: Promise<void>,
  { database, isolation, refused, done }: {
    database: Database;
    isolation: string;
    refused: readonly string[];
    done: readonly string[];
  },
): Promise<void> {
  const isRefused = isolation === "repeatable read";
  if (isRefused) {
    await rejects(deleting, {
      name: "TransientError",
      message: /could not serialize access due to concurrent update/,
    });
  } else await deleting;
  deepStrictEqual(await shownPlayers(database), isRefused ? refused : done);
}

async function untilWaiting(database: Database): Promise<void> {
  const waiting =
    "select 1 as one from pg_stat_activity where wait_event_type = 'Lock' and query like '%settle_scores%'";
  while ((await database.query(waiting)).length === 0) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function countUnsettled(database: Database): Promise<number> {
  const [row] = await database.query<{ runs: number }>(
    "select count(*) as runs from scoring_runs where settled_at is null",
  );
  return row!.runs;
}

Deno.test("the current scores of a variant are read without its history: no scan of the table, and no compilation", async () => {
  await using server = await startPostgres({
    settings: { autovacuum: "off" },
  });
  await using database = await openPostgres({
    ...server,
    database: "postgres",
  });
  await ensurePredictionsSchema(database);
  await database.query(
    `insert into scoring_runs (variant, geography_id, input_uri, content_sha256, recipe_sha256, model_name, model_version, model_sha256,
       row_count, data_source, status, started_at, finished_at, period)
     select 'geography-' || lower(geography), geography, 'x', repeat(to_hex(week % 16), 64), repeat('0', 64), 'm', '1', repeat('0', 64),
       50000, 's3', 'completed', now(), now(), date '2026-01-05' + 7 * week
     from generate_series(0, 19) week, unnest(array['EU', 'US']) geography order by week`,
  );
  // Each week 500 of 50,000 players leave, and as many come.
  await database.query(
    `insert into scores (scoring_run_id, row_number, player_id, churn_probability)
     select id, row, 'P-' || (id - 1) / 2 * 500 + row, 0.5 from scoring_runs, generate_series(1, 50000) row order by id, row`,
  );
  await database.query("vacuum analyze scores");
  strictEqual(await settleScores(database, { log: noLog }), undefined);
  const question = "from churn_predictions_current where geography_id = 'US'";
  const plan = await readPlan(database, `select * ${question}`);
  deepStrictEqual(
    plan.scans.filter(({ table }) => table === "scores").map(({ node }) =>
      node
    ),
    ["Bitmap Heap Scan"],
  );
  strictEqual(plan.isCompiled, false);
  // The newest run, and 19 weeks of players who left.
  deepStrictEqual(
    await database.query(`select count(*) as rows ${question}`),
    [{ rows: 50_000 + 19 * 500 }],
  );
  const one = await readPlan(
    database,
    "select * from churn_predictions_current where player_id = 'P-1'",
  );
  deepStrictEqual(
    one.scans.filter(({ table, node }) =>
      table === "scores" && !node.startsWith("Bitmap")
    ),
    [],
  );
});

Deno.test("startSettling() settles few rows before it returns, and many while the caller goes on", async () => {
  await using server = await startPostgres();
  await using database = await openPostgres({
    ...server,
    database: "postgres",
  });
  await using other = await openPostgres({ ...server, database: "postgres" });
  await ensurePredictionsSchema(database);
  for (
    const { rowCount, returnsFirst } of [
      { rowCount: 40_000, returnsFirst: false },
      { rowCount: 60_000, returnsFirst: true },
    ]
  ) {
    await database.query("delete from scoring_runs");
    await database.query(
      `insert into scoring_runs (variant, input_uri, content_sha256, recipe_sha256, model_name, model_version, model_sha256,
         row_count, data_source, status, started_at, finished_at, period)
       select 'base', 'x', repeat(to_hex(week), 64), repeat('0', 64), 'm', '1', repeat('0', 64),
         $1, 's3', 'completed', now(), now(), date '2026-01-05' + 7 * week
       from generate_series(0, 1) week`,
      [rowCount],
    );
    const order: string[] = [];
    const started = Promise.withResolvers<{ warning: Promise<unknown> }>();
    await other.transaction(async (tx) => {
      await tx.query("select from scoring_runs for update");
      startSettling(database, { variant: "base", log: noLog }).then(
        (settling) => {
          order.push("returned");
          started.resolve(settling);
        },
      );
      await untilWaiting(database);
      order.push("waited");
    });
    strictEqual(await (await started.promise).warning, undefined);
    deepStrictEqual(
      order,
      returnsFirst ? ["returned", "waited"] : ["waited", "returned"],
    );
    strictEqual(await countUnsettled(database), 1);
  }
});

/** How the tables are read, and whether the query is compiled. */
async function readPlan(
  database: Database,
  query: string,
): Promise<
  { scans: { table: string; node: string }[]; isCompiled: boolean }
> {
  const lines = await database.query<{ "QUERY PLAN": string }>(
    `explain ${query}`,
  );
  const text = lines.map((line) => line["QUERY PLAN"]);
  return {
    scans: text.flatMap((line) => {
      const [, node, table] =
        /->\s+(.*Scan)(?: using \S+)? on (\w+)/.exec(line) ?? [];
      return node === undefined || table === undefined
        ? []
        : [{ node: node.replace("Parallel ", ""), table }];
    }),
    isCompiled: text.includes("JIT:"),
  };
}
