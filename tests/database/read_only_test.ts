/** A query of a person's has no effect, whoever the login is: every trick that ran with one, on Postgres and on PGlite. */
import {
  deepStrictEqual,
  match,
  ok,
  rejects,
  strictEqual,
  throws,
} from "node:assert/strict";
import type { Database } from "../../lib/database/database.ts";
import { rowsOf } from "../support/queries.ts";
import { openPglite } from "../../lib/database/pglite.ts";
import {
  openPostgres,
  type PostgresLogin,
  type PostgresSettings,
} from "../../lib/database/postgres.ts";
import { parseRecord, queryReadOnly } from "../../lib/database/read-only.ts";
import { TransientError, UsageError } from "../../lib/base/errors.ts";
import {
  type PostgresServer,
  startPostgres,
  tempFolder,
} from "../support/servers.ts";

/** Objects that tricks could change, and functions with effects. */
const objects = [
  "create table players (id bigint, name text)",
  "insert into players values (1, 'a'), (2, 'b')",
  "create sequence numbers",
  "create function add_player() returns bigint language sql as 'insert into players values (3, ''c'') returning id'",
  "create function become_superuser() returns text language plpgsql as $$ begin execute 'set role postgres'; return current_user; end $$",
  "create function reset_role() returns text language plpgsql as $$ begin reset role; return current_user; end $$",
  "create function reset_login() returns text language plpgsql as $$ begin reset session authorization; return current_user; end $$",
  "create function add_later(sql text) returns void language plpgsql as $$ begin execute sql; end $$",
  "create procedure add_in_procedure(inout done int) language plpgsql as $$ begin insert into players values (4, 'd'); commit; end $$",
  "alter table players owner to owner",
  "alter sequence numbers owner to owner",
  "alter function add_player() owner to owner",
  "grant create on schema public to owner",
];

/** Queries that must be refused, and what the refusal says. */
const refused: readonly (readonly [string, RegExp])[] = [
  ["insert into players values (9, 'x') returning id", /read-only|permission/],
  [
    "with x as (delete from players returning id) select * from x",
    /read-only|permission|cursor/,
  ],
  ["update players set name = 'x' returning id", /read-only|permission/],
  ["select add_player()", /read-only|permission/],
  ["call add_in_procedure(1)", /read-only|permission|cursor|termination/],
  ["select nextval('numbers')", /read-only|permission/],
  ["select setval('numbers', 9)", /read-only|permission/],
  ["copy players to program 'touch /tmp/churn-program'", /returns no columns/],
  ["copy (select 1) to '/tmp/churn-file'", /returns no columns/],
  [
    "select add_later($x$copy (select 1) to program 'touch /tmp/churn-program'$x$)",
    /external program|permission denied/,
  ],
  ["do $$ begin perform 1; end $$", /returns no columns/],
  ["set role postgres", /returns no columns/],
  ["reset role", /returns no columns/],
  ["commit", /returns no columns/],
  ["listen x", /returns no columns/],
  ["-- nothing", /returns no columns/],
  ["select 1; select 2", /multiple commands/],
  ["select 1; commit; drop table players", /multiple commands/],
  ["select pg_read_file('postgresql.conf')", /permission denied|read/],
  ["select pg_ls_dir('.')", /permission denied/],
  ["select lo_import('/etc/passwd')", /permission denied/],
  ["select lo_export(1, '/tmp/churn-file')", /permission denied/],
  ["select pg_reload_conf()", /permission denied/],
  [
    "select set_config('transaction_read_only', 'off', true), add_player()",
    /read-write|read-only|permission/,
  ],
  ["select * from nowhere", /does not exist/],
];

/** Queries by which a superuser would take its rights back; another login has none to take. */
const refusedToSuperusers: readonly (readonly [string, RegExp])[] = [
  [
    "select set_config('role', 'postgres', true), query_to_xml('select pg_read_file(''postgresql.conf'')', true, true, '')",
    /within security-definer function/,
  ],
  [
    "select set_config('role', 'none', false)",
    /within security-definer function/,
  ],
  [
    "select set_config('session_authorization', 'postgres', true)",
    /within security-definer function/,
  ],
  [
    "select query_to_xml('select set_config(''role'', ''none'', true)', true, true, '')",
    /within security-definer function/,
  ],
  [
    "select case n when 1500 then set_config('role', 'postgres', true) end from generate_series(1, 2000) n",
    /within security-definer function/,
  ],
  ["select become_superuser()", /within security-definer function/],
  ["select reset_role()", /within security-definer function/],
  ["select reset_login()", /within security-definer function/],
  [
    "explain analyze select set_config('role', 'postgres', true)",
    /within security-definer function/,
  ],
  [
    "select query_to_xml('copy players to program ''true''', true, true, '')",
    /COPY|not allowed|permission/,
  ],
];

/** What tricks would change, as text. */
async function stateOf(admin: Database): Promise<unknown> {
  return [
    await admin.query("select id, name from players order by id"),
    await admin.query("select last_value, is_called from numbers"),
    await admin.query("select count(*) as n from pg_largeobject_metadata"),
    await admin.query(
      "select rolname::text as n from pg_roles where rolname !~ '^pg_' order by 1",
    ),
    await admin.query(
      "select count(*) as n from pg_proc where proname = 'churn_query'",
    ),
    await admin.query(
      "select count(*) as n from pg_locks where locktype = 'advisory'",
    ),
  ];
}

async function refuses(
  database: Database,
  sql: string,
  message: RegExp,
): Promise<void> {
  await rejects(rowsOf(database, sql), (error) => {
    ok(error instanceof Error);
    match(error.message, message, sql);
    return true;
  });
}

function open(
  server: PostgresServer,
  others?: Partial<PostgresSettings>,
) {
  const { host, port, user, password } = server;
  return openPostgres({
    host,
    port,
    user,
    password,
    database: "postgres",
    ...others,
  });
}

for (
  const kind of [
    "a superuser of Postgres",
    "an owner in Postgres",
    "the embedded database",
  ]
) {
  Deno.test(`queryReadOnly() leaves no effect: ${kind}`, async (test) => {
    await using stack = new AsyncDisposableStack();
    const [database, admin] = await openBoth(stack, kind);
    for (const sql of objects) await admin.query(sql);
    const before = await stateOf(admin);
    const tricks = [
      ...refused,
      ...kind.startsWith("an owner") ? [] : refusedToSuperusers,
    ];
    for (const [sql, message] of tricks) {
      await test.step(sql, () => refuses(database, sql, message));
    }
    if (kind.startsWith("a superuser")) {
      await test.step("other sessions cannot be ended", () =>
        refuses(
          database,
          "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'postgres' and pid <> pg_backend_pid()",
          /superuser|permission/,
        ));
    }
    await test.step("large objects, locks and messages end with the query", async () => {
      await rowsOf(database, "select lo_from_bytea(0, 'x')").catch(
        () => {},
      );
      await rowsOf(database, "select pg_notify('x', 'y')").catch(
        () => {},
      );
      await rowsOf(database, "select pg_advisory_xact_lock(1)");
    });
    await test.step("the login's own rows can be read", async () => {
      deepStrictEqual(
        await rowsOf(
          database,
          "select id, name from players order by id desc;",
        ),
        [
          { id: 2, name: "b" },
          { id: 1, name: "a" },
        ],
      );
    });
    deepStrictEqual(await stateOf(admin), before);
    for (const name of ["churn-program", "churn-file"]) {
      ok(!await Deno.stat(`/tmp/${name}`).then(() => true, () => false));
    }
  });
}

/** Creates a login without privileges of its own and returns it. */
async function createReader(admin: Database): Promise<PostgresLogin> {
  await admin.query("create role reader login password 'of-a-reader'");
  return { user: "reader", password: "of-a-reader" };
}

/** Opens the database as the kind of login, and as the superuser; makes the login `owner`. */
async function openBoth(
  stack: AsyncDisposableStack,
  kind: string,
): Promise<[Database, Database]> {
  const role = "create role owner login password 'of-an-owner'";
  if (kind.startsWith("the embedded")) {
    const folder = stack.use(await tempFolder());
    const database = stack.use(await openPglite(`${folder.path}/database`));
    await database.query(role);
    return [database, database];
  }
  const server = stack.use(await startPostgres());
  const admin = stack.use(await open(server));
  await admin.query(role);
  const login = kind.startsWith("an owner")
    ? { user: "owner", password: "of-an-owner" }
    : undefined;
  return [stack.use(await open(server, login)), admin];
}

Deno.test("queryReadOnly() refuses a login that could become a superuser or use files, and never returns fewer rows because of row level security", async () => {
  await using server = await startPostgres();
  await using admin = await open(server);
  await admin.query(
    "create role reader login password 'of-a-reader' noinherit",
  );
  await using reader = await open(server, {
    user: "reader",
    password: "of-a-reader",
  });
  deepStrictEqual(
    await rowsOf(reader, "select current_user::text as me"),
    [{ me: "reader" }],
  );
  for (
    const role of [
      "postgres",
      "pg_execute_server_program",
      "pg_read_server_files",
      "pg_write_server_files",
    ]
  ) {
    await admin.query(`grant ${role} to reader`);
    await rejects(rowsOf(reader, "select 1 as one"), (error) => {
      ok(error instanceof UsageError);
      match(error.message, new RegExp(`member of ${role}, .*churn_reader`));
      return true;
    });
    await admin.query(`revoke ${role} from reader`);
  }
  await admin.query("create table hidden as select 1 as id");
  await admin.query("alter table hidden enable row level security");
  await refuses(
    admin,
    "select id from hidden",
    /row-level security policy for table "hidden"/,
  );
  // One query does not wait for another.
  await Promise.all(
    Array.from(
      { length: 4 },
      () => rowsOf(admin, "select pg_sleep(0.2), 1 as one"),
    ),
  );
});

/** Values of many types, with all that is special in a composite value's text. */
const values = `select
  1::int2 as small, 9007199254740993::int8 as big, 12345678901234567890.5::numeric as decimal, 'NaN'::numeric as nan,
  1.5::float4 as real, 'Infinity'::float8 as infinite, 0.1::float8 as double, true as yes, null::text as nothing, '' as empty,
  'a "b", (c) \\ d' as quoted, E'two\\nlines\\tand {} ' as spaced, 'é 😀' as letters, '\\xdeadbeef'::bytea as bytes,
  date '2026-11-26' as day, timestamp '2026-11-26 01:02:03.4' as local, timestamptz '2026-11-26 01:02:03.456789+02' as moment,
  interval '1 day 2 hours' as span, '{"a": [1, null]}'::json as doc, '{"b": 1}'::jsonb as docb,
  array[1, null, 3] as numbers, array['a,b', '"', null, 'NULL'] as texts, array[[1,2],[3,4]] as nested,
  array[9007199254740993] as bigs, row(1, 'x', null) as pair, point(1, 2) as place, '10.0.0.1'::inet as host,
  gen_random_uuid() is not null as has_uuid, int4range(1, 5) as numbers_range, 'x'::"char" as letter, 'abc'::varchar(5) as short, pg_sleep(0) as void`;

Deno.test("queryReadOnly() returns a superuser the same values as any other login", async () => {
  await using server = await startPostgres();
  await using admin = await open(server);
  await using reader = await open(server, await createReader(admin));
  for (
    const sql of [
      values,
      "values (1, 'a'), (null, 'b')",
      "show timezone",
      "explain (costs off) select 1",
      "select n, n::text as t from generate_series(1, 20000) n order by n desc; -- the last",
      "select relname, relkind, relacl from pg_class where relname like 'pg_c%' order by 1",
      "select repeat('x\"', 1000000) as long",
      "select 1 as one where false",
      "select t from (select 1 as t) t",
    ]
  ) {
    deepStrictEqual(await rowsOf(admin, sql), await rowsOf(reader, sql), sql);
  }
});

Deno.test("queryReadOnly() returns the same values from the embedded database as from a server", async () => {
  await using folder = await tempFolder();
  await using database = await openPglite(`${folder.path}/database`);
  await using server = await startPostgres();
  await using admin = await open(server);
  await using reader = await open(server, await createReader(admin));
  for (const sql of [values, "select n from generate_series(1, 1000) n"]) {
    deepStrictEqual(await rowsOf(database, sql), await rowsOf(reader, sql));
  }
  deepStrictEqual(await rowsOf(database, "show timezone"), [
    { TimeZone: "UTC" },
  ]);
});

Deno.test("queryReadOnly() ends at once when many rows arrive together with their end", async (t) => {
  await using server = await startPostgres();
  await using admin = await open(server);
  await using reader = await open(server, await createReader(admin));
  const numbers = (count: number) =>
    `select n from generate_series(1, ${count}) n`;
  /** Runs a query and then another on the same connection; rejects if they take 20 seconds, far less than any time limit. */
  const soon = async <T>(work: Promise<T>): Promise<T> => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(new Error("the query hangs")), 20_000);
    });
    const both = work.finally(() => rowsOf(reader, "select 1 as one"));
    return await Promise.race([both, late])
      .finally(() => clearTimeout(timer));
  };
  for (const count of [1_999, 2_000, 3_000]) {
    await t.step(`${count} rows`, async () => {
      const rows = await soon(rowsOf(reader, numbers(count)));
      deepStrictEqual([rows.length, rows.at(-1)], [count, { n: count }]);
    });
  }
  await t.step("an error after 3,000 rows", async () => {
    const failing =
      "select 1 / (3001 - n) as n from generate_series(1, 4000) n";
    await rejects(soon(rowsOf(reader, failing)), /division by zero/);
  });
  await t.step("a reader that has enough", async () => {
    const first = queryReadOnly(reader, numbers(3_000), async ({ rows }) => {
      for await (const some of rows) return some[0];
    });
    deepStrictEqual(await soon(first), ["1"]);
  });
});

Deno.test("queryReadOnly() gives a reader that pauses, or reads for long, two hours", async () => {
  await using server = await startPostgres();
  await using admin = await open(server);
  const login = await createReader(admin);
  const limits =
    `select current_setting('statement_timeout') as statement, current_setting('idle_in_transaction_session_timeout') as idle`;
  await using reader = await open(server, login);
  deepStrictEqual(await rowsOf(reader, limits), [
    { statement: "2h", idle: "2h" },
  ]);
  // One call of a superuser's is one statement of many, so only pauses are long.
  deepStrictEqual(await rowsOf(admin, limits), [
    { statement: "10min", idle: "2h" },
  ]);
  // The session's own limits are back.
  deepStrictEqual(await reader.query(limits), [
    { statement: "10min", idle: "1min" },
  ]);
  // Neither the server nor the client ends a statement that is read for longer than others may take.
  await using hurried = await open(server, {
    ...login,
    statementTimeoutMs: 500,
    answerTimeoutMs: 1_000,
  });
  await rejects(hurried.query("select pg_sleep(2)"), TransientError);
  let count = 0;
  await queryReadOnly(
    hurried,
    "select repeat('x', 1000) as x from generate_series(1, 50000) n",
    async ({ rows }) => {
      for await (const some of rows) {
        if (count === 0) {
          await new Promise((resolve) => setTimeout(resolve, 1_500));
        }
        count += some.length;
      }
    },
  );
  strictEqual(count, 50_000);
  // Limits of the connection's own options are kept.
  await using limited = await open(server, {
    ...login,
    options:
      "-c statement_timeout=300ms -c idle_in_transaction_session_timeout=7s",
  });
  deepStrictEqual(await rowsOf(limited, limits), [
    { statement: "300ms", idle: "7s" },
  ]);
  await rejects(rowsOf(limited, "select pg_sleep(2)"), TransientError);
});

Deno.test("parseRecord() reads a field of any size, and refuses what is not a composite value", () => {
  const long = '{"a": "b\\\\c"}, '.repeat(1_000_000);
  const quoted = `"${long.replaceAll("\\", "\\\\").replaceAll('"', '""')}"`;
  deepStrictEqual(parseRecord(`(1,${quoted},2)`), ["1", long, "2"]);
  deepStrictEqual(parseRecord("()"), [null]);
  for (
    const text of ["", "1", "(1", '("a)', "(a b", '("a"b)', '(a"b")', "(a(b)"]
  ) {
    throws(() => parseRecord(text), RangeError);
  }
});
