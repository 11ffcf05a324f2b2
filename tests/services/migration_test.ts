/** The migration to views over `scores`: from the table of the user's documents and from the released one, with everything bound to them. */
import {
  deepStrictEqual,
  match,
  ok,
  rejects,
  strictEqual,
} from "node:assert/strict";
import { ensureDatabase, toOneStatement } from "../../lib/database/admin.ts";
import type { Database } from "../../lib/database/database.ts";
import { openPglite } from "../../lib/database/pglite.ts";
import { openPostgres } from "../../lib/database/postgres.ts";
import { InputError, TransientError } from "../../lib/base/errors.ts";
import { sha256 } from "../../lib/base/digest.ts";
import { noLog } from "../../lib/base/log.ts";
import { toVariant } from "../../lib/config/variant.ts";
import { type ScoredInput, storePredictions } from "../support/predictions.ts";
import { ensurePredictionsSchema } from "../../lib/services/schema.ts";
import { settleScores } from "../../lib/services/settled-scores.ts";
import { startPostgres, tempFolder } from "../support/servers.ts";

/** Opens an empty database. */
type Open = () => Promise<Database>;

/** The table of the user's documents, as pandas or psql would make it, with rows that no rule of ours would accept. */
const fiveColumns = `
  create table churn_predictions (
    id serial primary key,
    prediction_timestamp timestamp not null default now(),
    geography_id varchar(50) not null,
    churn_probability double precision,
    model_version varchar(50)
  );
  insert into churn_predictions (prediction_timestamp, geography_id, churn_probability, model_version) values
    ('2024-01-01 00:00:00', 'GEO_0', 0.5, '1.0.0'), ('2024-01-08 12:30:00.123456', 'US', 1.5, null), ('2024-01-15', '', null, '')`;

/** What users may have built on it: each answers with the rows that it shows. */
const built = `
  create role ROLE_reader;
  create role ROLE_clerk;
  comment on table churn_predictions is 'every score';
  comment on column churn_predictions.geography_id is 'as in the export';
  grant select on churn_predictions to ROLE_reader with grant option;
  grant select (id, churn_probability) on churn_predictions to ROLE_clerk;
  grant insert on churn_predictions to ROLE_clerk;
  create view "High Risk" with (security_barrier = true) as
    select id, geography_id as place, churn_probability from churn_predictions where churn_probability >= 0.5;
  comment on view "High Risk" is 'call them';
  alter view "High Risk" owner to ROLE_reader;
  grant select on "High Risk" to ROLE_clerk;
  create view by_place as select place, count(*) as players from "High Risk" group by place;
  grant select (players) on by_place to public;
  create function newest(how_many int) returns setof churn_predictions language sql stable as
    'select * from churn_predictions order by id desc limit how_many';
  revoke execute on function newest from public;
  grant execute on function newest to ROLE_clerk;
  create function how_many() returns bigint language sql stable begin atomic select count(*) from churn_predictions; end;
  create view newest_places as select geography_id from newest(2)`;

/** Everything that readers can see of what was built, without the rows. */
async function readBuilt(database: Database): Promise<unknown> {
  const relations = await database.query(
    `select c.relname::text as name, pg_get_userbyid(relowner)::text as owner, coalesce(reloptions::text, '') as options,
       (select array_agg(entry order by entry) from (select unnest(relacl)::text as entry) entries) as grants,
       obj_description(c.oid, 'pg_class') as comment,
       (select json_agg(json_build_array(attname, attacl::text, col_description(c.oid, attnum)) order by attnum)
        from pg_attribute a where attrelid = c.oid and attnum > 0 and attnum <= 5 and not attisdropped) as columns
     from pg_class c where c.relname in ('churn_predictions', 'High Risk', 'by_place', 'newest_places')
       and c.relnamespace = current_schema()::regnamespace order by 1`,
  );
  const functions = await database.query(
    `select proname::text as name, pg_get_functiondef(oid) as definition, pg_get_userbyid(proowner)::text as owner,
       (select array_agg(entry order by entry) from (select unnest(proacl)::text as entry) entries) as grants
     from pg_proc where proname in ('newest', 'how_many') order by 1`,
  );
  return { relations, functions };
}

/** The five columns of the older rows. */
const older =
  "select id, prediction_timestamp::text, geography_id, churn_probability, model_version from churn_predictions where id <= 3 order by id";

const store = (database: Database, more: Partial<ScoredInput> = {}) =>
  storePredictions(database, {
    variant: toVariant({ geography: "US" }),
    inputUri: "s3://bucket/x.jsonl",
    contentSha256: sha256("content"),
    recipeSha256: sha256("recipe"),
    modelName: "model",
    modelVersion: "7",
    modelSha256: sha256("model"),
    dataSource: "s3",
    mlflowRunId: "run",
    startedAt: new Date("2026-11-23T06:00:00Z"),
    probabilities: new Float32Array([0.25, 0.75]),
    ids: ["P-1", "P-2"],
    ...more,
  });

let roles = 0;

const contract: Record<string, (open: Open) => Promise<void>> = {
  "a table of five columns keeps its rows, and what is built on it shows the new ones, too":
    async (open) => {
      await using database = await open();
      await database.query(toOneStatement(fiveColumns));
      await database.query(
        toOneStatement(built.replaceAll("ROLE", `migrated_${++roles}`)),
      );
      const [rows, before] = [
        await database.query(older),
        await readBuilt(database),
      ];
      // Interrupted after its last statement, before the commit.
      await rejects(
        ensurePredictionsSchema({
          ...database,
          transaction: (work) =>
            database.transaction(async (tx) => {
              await work(tx);
              throw new RangeError("interrupted");
            }),
        }),
        RangeError,
      );
      deepStrictEqual(await readBuilt(database), before);
      strictEqual((await ensurePredictionsSchema(database)).status, "extended");
      deepStrictEqual(await ensurePredictionsSchema(database), {
        status: "unchanged",
        applied: [],
      });
      deepStrictEqual(await database.query(older), rows);
      deepStrictEqual(await readBuilt(database), before);

      const { run } = await store(database);
      const id = run.id * 2 ** 31;
      deepStrictEqual(
        await database.query('select * from "High Risk" order by id'),
        [
          { id: 1, place: "GEO_0", churn_probability: 0.5 },
          { id: 2, place: "US", churn_probability: 1.5 },
          { id: id + 2, place: "US", churn_probability: 0.75 },
        ],
      );
      deepStrictEqual(
        await database.query("select * from by_place order by place"),
        [{ place: "GEO_0", players: 1 }, { place: "US", players: 2 }],
      );
      deepStrictEqual(
        await database.query(
          "select id, player_id, model_version from newest(2)",
        ),
        [
          { id: id + 2, player_id: "P-2", model_version: "7" },
          { id: id + 1, player_id: "P-1", model_version: "7" },
        ],
      );
      deepStrictEqual(await database.query("select how_many() as rows"), [
        { rows: 5 },
      ]);
      deepStrictEqual(await database.query("select * from newest_places"), [
        { geography_id: "US" },
        { geography_id: "US" },
      ]);
      // The program that filled the table before goes on, with less than a full row.
      deepStrictEqual(
        await database.query(
          "insert into churn_predictions (geography_id, churn_probability) values ('EU', 0.125) returning id, prediction_timestamp > '2026-01-01' as now",
        ),
        [{ id: 4, now: true }],
      );
      deepStrictEqual(
        await database.query(
          "select geography_id from churn_predictions where id = 4",
        ),
        [{ geography_id: "EU" }],
      );
    },

  "tables of the release before keep their runs, rows, attempts and ids":
    async (
      open,
    ) => {
      await using database = await open();
      await createReleased(database);
      const run = async (version: string, content: string, attempt: number) => {
        const [row] = await database.query<{ id: number }>(
          `insert into scoring_runs (variant, geography_id, input_uri, content_sha256, recipe_sha256, model_name, model_version,
           model_sha256, attempt, row_count, data_source, started_at, finished_at)
         values ('geography-us', 'US', 's3://bucket/x', $1, $3, 'model', $2, $3, $4, 2, 's3', now(), now()) returning id`,
          [sha256(content), version, sha256(""), attempt],
        );
        await database.query(
          `insert into churn_predictions (prediction_timestamp, geography_id, churn_probability, model_name, model_version, scoring_run_id, row_number, player_id)
         select now(), 'US', $1::int / 8.0, 'model', $2, $3, number, 'P-' || number from generate_series(1, 2) number`,
          [row!.id, version, row!.id],
        );
        return row!.id;
      };
      const ids = [
        await run("1", "a", 1),
        await run("2", "a", 1),
        await run("1", "b", 1),
        await run("1", "a", 2),
      ];
      await database.query(
        "update churn_predictions set id = 5000000000 where scoring_run_id = 4 and row_number = 2",
      );
      const query =
        "select * from churn_predictions order by scoring_run_id, row_number";
      const current =
        "select * from churn_predictions_current order by scoring_run_id, row_number";
      const before = [
        await database.query(query),
        await database.query(current),
      ];
      await ensurePredictionsSchema(database);
      // The day of scoring is the period of runs from before there were any.
      const withPeriod = before.map((rows) =>
        rows.map((row) => ({
          ...row,
          period: new Date().toISOString().slice(0, 10),
        }))
      );
      deepStrictEqual(
        [await database.query(query), await database.query(current)],
        withPeriod,
      );
      deepStrictEqual(
        await database.query(
          "select id, attempt from scoring_runs order by id",
        ),
        [1, 2, 1, 3].map((attempt, index) => ({ id: ids[index], attempt })),
      );
      // What was scored before is known; a new attempt is the fourth, and its ids are above all others.
      strictEqual(
        (await store(database, { contentSha256: sha256("a") })).stored,
        false,
      );
      const { run: forced } = await storePredictions(
        database,
        {
          variant: toVariant({ geography: "US" }),
          inputUri: "s3://bucket/x",
          contentSha256: sha256("a"),
          recipeSha256: sha256(""),
          modelName: "model",
          modelVersion: "3",
          modelSha256: sha256(""),
          dataSource: "s3",
          mlflowRunId: "forced",
          startedAt: new Date(),
          probabilities: new Float32Array([1]),
          ids: ["P-2"],
        },
        { force: true },
      );
      strictEqual(forced.attempt, 4);
      const all = await database.query<{ id: number; run: number }>(
        "select id, scoring_run_id as run from churn_predictions order by id",
      );
      strictEqual(new Set(all.map(({ id }) => id)).size, 9);
      strictEqual(all.at(-1)?.run, forced.id);
      deepStrictEqual(
        await database.query(
          "select player_id, churn_probability as score, scoring_run_id as run from churn_predictions_current order by player_id",
        ),
        [
          { player_id: "P-1", score: 0.5, run: 4 },
          { player_id: "P-2", score: 1, run: forced.id },
        ],
      );
    },

  "what cannot be moved is named, and nothing is changed": async (open) => {
    const cases: [string, RegExp][] = [
      [
        "create table calls (prediction int references churn_predictions)",
        /constraint calls_prediction_fkey on table calls/,
      ],
      [
        "create materialized view frozen as select * from churn_predictions",
        /materialized view frozen/,
      ],
      [
        "create view watched as select * from churn_predictions; create materialized view frozen as select * from watched",
        /materialized view frozen/,
      ],
      [
        "create function notify_us() returns trigger language plpgsql as 'begin return new; end'; create trigger notified after insert on churn_predictions for each row execute function notify_us()",
        /trigger notified on table churn_predictions/,
      ],
      [
        "create table archive (prediction churn_predictions)",
        /column prediction of table archive|table archive/,
      ],
      [
        "alter table churn_predictions enable row level security",
        /row level security of table churn_predictions/,
      ],
      [
        "create rule silent as on delete to churn_predictions do instead nothing",
        /rule silent on table churn_predictions/,
      ],
    ];
    await using database = await open();
    for (const [statement, message] of cases) {
      await database.query(
        toOneStatement("drop schema public cascade; create schema public"),
      );
      await database.query(toOneStatement(fiveColumns));
      await database.query(toOneStatement(statement));
      await rejects(ensurePredictionsSchema(database), (error) => {
        ok(error instanceof InputError, String(error));
        match(error.message, /^Cannot make churn_predictions a view/);
        match(error.message, message);
        return true;
      });
      // Not even the migrations before it.
      deepStrictEqual(
        await database.query(
          "select relkind from pg_class where relname in ('churn_predictions', 'churn_predictions_before', 'scores', 'scoring_runs')",
        ),
        [{ relkind: "r" }],
      );
    }
  },

  "settled scores come to a database of the release before: the list, its grants and options and what is built on it stay":
    async (open) => {
      await using database = await open();
      await createReleased(database, 10);
      const [reader, owner] = [`reads_${++roles}`, `owns_${roles}`];
      await database.query(
        toOneStatement(`
          create role ${reader}; create role ${owner};
          grant select on churn_predictions_current to ${reader};
          grant select (player_id) on churn_predictions_current to public;
          alter view churn_predictions_current set (security_barrier = true);
          comment on view churn_predictions_current is 'the list';
          grant select on scores, scoring_runs, churn_predictions_before, churn_predictions to ${owner};
          create view at_risk as select player_id, period from churn_predictions_current where churn_probability > 0.5;
          alter view churn_predictions_current owner to ${owner}`),
      );
      const weeks = [["A", "B", "C"], ["A", "B"], ["B", "D", null]];
      for (const [index, ids] of weeks.entries()) {
        await store(database, {
          ids,
          probabilities: Float32Array.from(
            ids,
            (_, row) => (4 * index + row) / 16,
          ),
          contentSha256: sha256(`${ids}`),
          mlflowRunId: `${index}`,
        });
      }
      const list = () =>
        database.query(
          "select * from churn_predictions_current order by player_id",
        );
      const about = () =>
        database.query(
          `select c.relname::text as name, pg_get_userbyid(relowner)::text as owner, reloptions::text as options,
             relacl::text as grants, obj_description(c.oid, 'pg_class') as comment,
             (select json_agg(json_build_array(attname, format_type(atttypid, atttypmod), attacl::text) order by attnum)
              from pg_attribute where attrelid = c.oid and attnum > 0) as columns
           from pg_class c where relname in ('churn_predictions_current', 'at_risk') order by 1`,
        );
      const before = [await list(), await about()];
      strictEqual(before[0]?.length, 5);
      deepStrictEqual((await ensurePredictionsSchema(database)).applied, [
        "011_settled_scores.sql",
      ]);
      deepStrictEqual(await ensurePredictionsSchema(database), {
        status: "unchanged",
        applied: [],
      });
      deepStrictEqual([await list(), await about()], before);
      strictEqual(await settleScores(database, { log: noLog }), undefined);
      deepStrictEqual(await list(), before[0]);
      deepStrictEqual(
        await database.query(
          "select player_id, scoring_run_id as run from settled_scores order by 1",
        ),
        [{ player_id: "A", run: 2 }, { player_id: "C", run: 1 }],
      );
      // The view's owner reads with its own rights.
      await database.transaction(async (tx) => {
        await tx.query(`set local role ${reader}`);
        strictEqual(
          (await tx.query("select * from churn_predictions_current")).length,
          5,
        );
      });
    },

  "the period comes to views with options, and is refused by name where there is one":
    async (
      open,
    ) => {
      await using database = await open();
      await createReleased(database, 5);
      const views = ["churn_predictions", "churn_predictions_current"];
      for (const view of views) {
        await database.query(
          `alter view ${view} set (security_barrier = true)`,
        );
      }
      await ensurePredictionsSchema(database);
      deepStrictEqual(
        await database.query(
          "select relname::text as name, reloptions::text as options from pg_class where relname = any($1) order by 1",
          [views],
        ),
        views.map((name) => ({ name, options: "{security_barrier=true}" })),
      );
      await database.query(
        toOneStatement("drop schema public cascade; create schema public"),
      );
      await database.query(toOneStatement(fiveColumns));
      await database.query(
        "alter table churn_predictions add column period text",
      );
      await rejects(ensurePredictionsSchema(database), {
        name: "InputError",
        message:
          /has a column of that name.*alter table churn_predictions rename column period/,
      });
      await database.query(
        "alter table churn_predictions rename column period to their_period",
      );
      await ensurePredictionsSchema(database);
      deepStrictEqual(
        await database.query(
          "select their_period, period::text from churn_predictions order by id limit 1",
        ),
        [{ their_period: null, period: "2024-01-01" }],
      );
    },
};

/** The tables of the first migrations, as the release before made them. */
async function createReleased(database: Database, count = 4): Promise<void> {
  await database.query(
    "create table predictions_schema_migrations (number integer primary key, name text not null, applied_at timestamptz not null default now())",
  );
  const folder = new URL("../../sql/predictions/", import.meta.url);
  const names = [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
  for (const name of names.slice(0, count)) {
    await database.query(
      toOneStatement(await Deno.readTextFile(new URL(name, folder))),
    );
    await database.query(
      "insert into predictions_schema_migrations (number, name) values ($1, $2)",
      [Number(name.slice(0, 3)), name],
    );
  }
}

Deno.test("ensurePredictionsSchema() migrates on PGlite", async (t) => {
  await using folder = await tempFolder();
  let databases = 0;
  for (const [name, body] of Object.entries(contract)) {
    await t.step(
      name,
      () => body(() => openPglite(`${folder.path}/${++databases}`)),
    );
  }
});

Deno.test("ensurePredictionsSchema() migrates on Postgres", async (t) => {
  await using server = await startPostgres();
  const { host, port, user, password } = server;
  const open = (database: string) =>
    openPostgres({ host, port, user, password, database });
  await using admin = await open("postgres");
  let databases = 0;
  const openNew = async () => {
    const name = `migrated_${++databases}`;
    await ensureDatabase(admin, name);
    return await open(name);
  };
  for (const [name, body] of Object.entries(contract)) {
    await t.step(name, () => body(openNew));
  }
  await t.step(
    "after an interruption half-way, nothing or all of it is done",
    async () => {
      await using database = await openNew();
      await database.query(toOneStatement(fiveColumns));
      const rows = await database.query(older);
      await using holder = await open(`migrated_${databases}`);
      // The migration waits for a reader, and its connection is killed.
      await interrupted({ database, holder, admin });
      deepStrictEqual(await database.query(older), rows);
      deepStrictEqual(
        await database.query(
          "select relkind from pg_class where relname in ('churn_predictions', 'scores', 'scoring_runs')",
        ),
        [{ relkind: "r" }],
      );
      strictEqual((await ensurePredictionsSchema(database)).status, "extended");
      deepStrictEqual(await database.query(older), rows);
    },
  );
});

async function interrupted(
  { database, holder, admin }: Record<
    "database" | "holder" | "admin",
    Database
  >,
): Promise<void> {
  await holder.transaction(async (tx) => {
    await tx.query("select count(*) from churn_predictions");
    const migrating = ensurePredictionsSchema(database).catch((error) => error);
    const waiting =
      "select pid from pg_stat_activity where wait_event_type = 'Lock' and query like '%churn_predictions%' and pid <> pg_backend_pid()";
    while ((await admin.query(waiting)).length === 0) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await admin.query(`select pg_terminate_backend(pid) from (${waiting}) it`);
    ok(await migrating instanceof TransientError, String(await migrating));
  });
  while (await database.query("select 1").catch(() => undefined) === undefined);
}
