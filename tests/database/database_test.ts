/** One contract over both databases, and what only Postgres over a network can do: TLS, breaks, restarts. */
import {
  deepStrictEqual,
  match,
  ok,
  rejects,
  strictEqual,
  throws,
} from "node:assert/strict";
import process from "node:process";
import {
  type Database,
  DatabaseError,
  MissingDatabaseError,
  quoteIdentifier,
  quoteLiteral,
} from "../../lib/database/database.ts";
import { openPglite } from "../../lib/database/pglite.ts";
import {
  openPostgres,
  type PostgresSettings,
} from "../../lib/database/postgres.ts";
import {
  ensureDatabase,
  ensureNamedSchema,
  toOneStatement,
} from "../../lib/database/admin.ts";
import {
  InputError,
  TransientError,
  UsageError,
} from "../../lib/base/errors.ts";
import { rowsOf } from "../support/queries.ts";
import { exactNumber } from "../../lib/database/values.ts";
import {
  type PostgresServer,
  startPostgres,
  tempFolder,
} from "../support/servers.ts";
import { type Proxy, startProxy } from "../support/proxy.ts";
import { makeCertificates } from "../support/tls.ts";

/** What both databases must do; each test makes tables of its own. */
const contract: Record<string, (database: Database) => Promise<void>> = {
  "query() gives back values as JavaScript's own": async (database) => {
    const [row] = await database.query(
      `select 9007199254740991::int8 as big, 7::int4 as small, 0.1::numeric as money, 'NaN'::float8 as nan,
         '2026-11-23 01:02:03.004+02'::timestamptz as moment, '{"a":[1,null]}'::jsonb as json, 'x'::text as text,
         null::text as nothing, true as yes, count(*) as count from (values (1), (2)) as two`,
    );
    deepStrictEqual(row, {
      big: 9007199254740991,
      small: 7,
      money: 0.1,
      nan: NaN,
      moment: new Date("2026-11-22T23:02:03.004Z"),
      json: { a: [1, null] },
      text: "x",
      nothing: null,
      yes: true,
      count: 2,
    });
  },

  "quoteLiteral() is the text in any session": async (database) => {
    const text = `it's \\' a \\\\ "b"\n; é`;
    for (const setting of ["on", "off"]) {
      await database.transaction(async (tx) => {
        await tx.query(`set local standard_conforming_strings = ${setting}`);
        const [row] = await tx.query(`select ${quoteLiteral(text)} as text`);
        deepStrictEqual(row, { text });
      });
    }
  },

  "query() gives back arrays of numbers as numbers": async (database) => {
    const [row] = await database.query(
      `select array[1, null]::int8[] as big, array[0.5, null]::numeric[] as money,
         array['NaN', 1.5]::float8[] as doubles, array['a,"b', null]::text[] as texts`,
    );
    deepStrictEqual(row, {
      big: [1, null],
      money: [0.5, null],
      doubles: [NaN, 1.5],
      texts: ['a,"b', null],
    });
  },

  "query() refuses an int8 that a number would change": async (database) => {
    await rejects(
      database.query("select 9007199254740993::int8 as big"),
      /Cannot read the int8 9007199254740993/,
    );
    deepStrictEqual(await database.query("select 1 as one"), [{ one: 1 }]);
  },

  "query() gives back days and times as they are stored, in any time zone":
    async (database) => {
      // The texts are those that psql 15 prints with its time zone at UTC.
      const sql =
        `select '2026-11-25'::date as day, '2026-11-25 00:30:00'::timestamp as time,
           '2026-11-25 00:30:00.123456+00'::timestamptz as moment, 'infinity'::timestamptz as never,
           '-infinity'::date as always, '0044-03-15 BC'::date as ides, '1 day 02:00:00'::interval as span,
           array['2026-11-25', null]::date[] as days, array['2026-11-25 00:30:00']::timestamp[] as times,
           array['2026-11-25 00:30:00+00']::timestamptz[] as moments`;
      const texts = {
        day: "2026-11-25",
        time: "2026-11-25 00:30:00",
        never: "infinity",
        always: "-infinity",
        ides: "0044-03-15 BC",
        span: "1 day 02:00:00",
        days: ["2026-11-25", null],
        times: ["2026-11-25 00:30:00"],
      };
      const zone = Deno.env.get("TZ");
      try {
        for (const name of ["Asia/Tokyo", "America/Los_Angeles", "UTC"]) {
          Deno.env.set("TZ", name);
          const [row] = await database.query<Record<string, unknown>>(sql);
          deepStrictEqual({ ...row }, {
            ...texts,
            moment: new Date("2026-11-25T00:30:00.123Z"),
            moments: [new Date("2026-11-25T00:30:00Z")],
          });
          deepStrictEqual(await rowsOf(database, sql), [{
            ...texts,
            moment: "2026-11-25T00:30:00.123456Z",
            moments: ["2026-11-25T00:30:00.000Z"],
          }]);
        }
      } finally {
        if (zone === undefined) Deno.env.delete("TZ");
        else Deno.env.set("TZ", zone);
      }
    },

  "queryReadOnly() changes no number, and has text where JSON has no number":
    async (database) => {
      const [row] = await rowsOf(
        database,
        `select 9007199254740991::int8 as safe, 9007199254740993::int8 as big, '-9223372036854775808'::int8 as least,
           sum(x) as total, 12345678901234567.89::numeric as money, 0.5::numeric as half, 'NaN'::numeric as no,
           'NaN'::float8 as nan, '-Infinity'::float4 as low, 0.1::float8 as tenth,
           array[9007199254740993, null, 1]::int8[] as bigs, '\\x00ff'::bytea as bytes
         from (values (9007199254740993::int8), (2)) as two (x)`,
      );
      deepStrictEqual({ ...row }, {
        safe: 9007199254740991,
        big: "9007199254740993",
        least: "-9223372036854775808",
        total: "9007199254740995",
        money: "12345678901234567.89",
        half: 0.5,
        no: "NaN",
        nan: "NaN",
        low: "-Infinity",
        tenth: 0.1,
        bigs: ["9007199254740993", null, 1],
        bytes: "\\x00ff",
      });
    },

  "query() refuses an answer that an object cannot hold": async (database) => {
    for (const name of ["a", "__proto__"]) {
      await rejects(
        database.query(`select 1 as "${name}", 2 as "${name}"`),
        (error) =>
          error instanceof DatabaseError && error.message.includes(name),
      );
    }
    await rejects(database.query('select 1 as "__proto__"'), DatabaseError);
  },

  "query() stores what it is given, unchanged": async (database) => {
    await database.query(
      `create table given (position int, moment timestamptz, json jsonb, bytes bytea, text text, double float8)`,
    );
    const moment = new Date("2026-03-29T01:30:00.123Z");
    const bytes = Uint8Array.from({ length: 256 }, (_, byte) => byte);
    const text = `'; drop table given; -- " \\ \n é ✓ 😀 $1`;
    await database.query(
      "insert into given values (1, $1, $2, $3, $4, $5), (2, null, null, null, null, null)",
      [moment, { nested: { a: [true, "x"] } }, bytes, text, 0.1 + 0.2],
    );
    const [row, empty] = await database.query<Record<string, unknown>>(
      "select moment, json, bytes, text, double from given order by position",
    );
    const { bytes: found, ...rest } = row!;
    deepStrictEqual(rest, {
      moment,
      json: { nested: { a: [true, "x"] } },
      text,
      double: 0.30000000000000004,
    });
    ok(found instanceof Uint8Array);
    deepStrictEqual(Uint8Array.from(found), bytes);
    deepStrictEqual(Object.values(empty!), [null, null, null, null, null]);
  },

  "query() turns arrays into Postgres arrays, NaN, null and all": async (
    database,
  ) => {
    const texts = [
      "plain",
      null,
      "",
      'com,ma {"quote"} \\ NULL',
      "null",
      "é\n",
    ];
    const doubles = [0.1, NaN, null, 0, Infinity, 1e-320];
    const rows = await database.query<{ text: string; double: number }>(
      "select text, double from unnest($1::text[], $2::float8[]) as given (text, double)",
      [texts, doubles],
    );
    deepStrictEqual(rows.map(({ text }) => text), texts);
    deepStrictEqual(rows.map(({ double }) => double), doubles);
    const [empty] = await database.query<{ count: number }>(
      "select count(*) from unnest($1::text[])",
      [[]],
    );
    strictEqual(empty?.count, 0);
  },

  "query() carries the SQLSTATE and the constraint of what the server refuses":
    async (database) => {
      await database.query(
        "create table coded (id int constraint coded_once unique, share float8 constraint coded_share check (share <= 1))",
      );
      await database.query("insert into coded values (1, 0.5)");
      const refused = async (
        text: string,
        code: string,
        constraint?: string,
      ) => {
        await rejects(database.query(text), (error) => {
          ok(error instanceof DatabaseError, String(error));
          strictEqual(error.code, code);
          if (constraint !== undefined) {
            strictEqual(error.constraint, constraint);
          }
          return true;
        });
      };
      // Postgres's manual, appendix A.
      await refused("insert into coded values (1, 0)", "23505", "coded_once");
      await refused("insert into coded values (2, 2)", "23514", "coded_share");
      await refused("select * from absent", "42P01");
      await refused('select "ssl", "certificate" from coded', "42703");
      await refused("select connection closed by TLS", "42601");
      await refused("select 1 / 0", "22012");
    },

  "query() takes one statement: nothing rides along behind it": async (
    database,
  ) => {
    await database.query("create table kept (id int)");
    await database.query("insert into kept values (1)");
    for (
      const text of [
        "commit; delete from kept",
        "select 1; delete from kept",
        "delete from kept; select 1",
      ]
    ) {
      const inReadOnly = database.transaction(async (tx) => {
        await tx.query("set transaction read only");
        await tx.query(text);
      });
      await rejects(inReadOnly, { name: "DatabaseError", code: "42601" });
    }
    await rejects(
      database.transaction(async (tx) => {
        await tx.query("set transaction read only");
        await tx.query("delete from kept");
      }),
      { code: "25006" },
    );
    deepStrictEqual(await database.query("select id from kept"), [{ id: 1 }]);
  },

  "transaction() commits all, or nothing when its work throws": async (
    database,
  ) => {
    await database.query("create table whole (id int)");
    const insert = (id: number, problem?: Error) =>
      database.transaction(async (tx) => {
        await tx.query("insert into whole values ($1)", [id]);
        if (problem) throw problem;
        return id;
      });
    strictEqual(await insert(1), 1);
    // Errors of ours pass through as they are, whatever words they hold.
    const problem = new InputError("Cannot use the certificate of SSL row 2");
    await rejects(insert(2, problem), (error) => error === problem);
    await rejects(
      database.transaction(async (tx) => {
        await tx.query("insert into whole values (3)");
        await tx.query("insert into whole values ('x')");
      }),
      { name: "DatabaseError", code: "22P02" },
    );
    deepStrictEqual(await database.query("select id from whole"), [{ id: 1 }]);
  },

  "transaction() does not claim a commit after a refused statement": async (
    database,
  ) => {
    await database.query("create table claimed (id int)");
    const careless = database.transaction(async (tx) => {
      await tx.query("insert into claimed values (1)");
      await tx.query("select * from absent").catch(() => {});
    });
    await rejects(careless, { name: "DatabaseError", code: "25P02" });
    deepStrictEqual(await database.query("select id from claimed"), []);
  },

  "transaction() sees its own rows, others see them after the commit": async (
    database,
  ) => {
    await database.query("create table seen (id int)");
    await database.transaction(async (tx) => {
      await tx.query("insert into seen values (1)");
      deepStrictEqual(await tx.query("select id from seen"), [{ id: 1 }]);
    });
    deepStrictEqual(await database.query("select id from seen"), [{ id: 1 }]);
  },

  "copyRows() appends what it is given and tells how many rows there were":
    async (database) => {
      await database.query("create table copied (id int, name text)");
      const copy = (chunks: Uint8Array[]) =>
        database.transaction((tx) => tx.copyRows("copied (id, name)", chunks));
      strictEqual(await copy([]), 0);
      strictEqual(
        await copy([rowOf(1, "é✓"), joined(rowOf(2, null), rowOf(3, ""))]),
        3,
      );
      // More than the buffer of a socket holds.
      const wide = "x".repeat(1 << 20);
      strictEqual(
        await copy(Array.from({ length: 20 }, () => rowOf(4, wide))),
        20,
      );
      deepStrictEqual(
        await database.query(
          "select id, name from copied where id < 4 order by id",
        ),
        [{ id: 1, name: "é✓" }, { id: 2, name: null }, { id: 3, name: "" }],
      );
      deepStrictEqual(
        await database.query(
          "select count(*), sum(length(name)) from copied where id = 4",
        ),
        [{ count: 20, sum: 20 * (1 << 20) }],
      );
    },

  "copyRows() stores nothing when the server, the source or the signal stops it":
    async (database) => {
      await database.query(
        "create table stopped (id int check (id > 0), name text)",
      );
      const copy = (
        chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
        signal?: AbortSignal,
      ) =>
        database.transaction((tx) =>
          tx.copyRows("stopped (id, name)", chunks, { signal })
        );
      await rejects(copy([rowOf(1, "a"), rowOf(0, "b")]), {
        name: "DatabaseError",
        code: "23514",
      });
      await rejects(copy([Uint8Array.of(1, 2, 3)]), {
        name: "DatabaseError",
        code: "22P04",
      });
      await rejects(
        database.transaction((tx) => tx.copyRows("absent (id)", [])),
        { name: "DatabaseError", code: "42P01" },
      );
      async function* failing(): AsyncGenerator<Uint8Array> {
        yield rowOf(1, "a");
        await Promise.resolve();
        throw new RangeError("the source failed");
      }
      await rejects(copy(failing()), RangeError);
      const controller = new AbortController();
      async function* hanging(): AsyncGenerator<Uint8Array> {
        yield rowOf(1, "a");
        setTimeout(() => controller.abort(new RangeError("too late")), 20);
        await new Promise(() => {});
      }
      await rejects(copy(hanging(), controller.signal), /too late/);
      await rejects(copy([rowOf(1, "a")], controller.signal), /too late/);
      deepStrictEqual(await database.query("select id from stopped"), []);
      strictEqual(await copy([rowOf(1, "a")]), 1);
    },

  "transaction() may be called many times at once, and after another": async (
    database,
  ) => {
    await database.query("create table tally (n int)");
    await database.query("insert into tally values (0)");
    const warnings: string[] = [];
    const listen = (warning: Error) => void warnings.push(warning.name);
    process.on("warning", listen);
    await Promise.all(
      Array.from({ length: 60 }, () =>
        database.transaction(async (tx) => {
          await tx.query("update tally set n = n + 1");
        })),
    );
    process.off("warning", listen);
    deepStrictEqual(await database.query("select n from tally"), [{ n: 60 }]);
    deepStrictEqual(warnings, []);
  },

  "toOneStatement() runs many statements, and none when one fails": async (
    database,
  ) => {
    await database.query(
      toOneStatement(
        "create table script (id int); insert into script values (1), (2);",
      ),
    );
    await rejects(
      database.query(
        toOneStatement("delete from script; insert into absent values (1)"),
      ),
      { name: "DatabaseError", code: "42P01" },
    );
    deepStrictEqual(
      await database.query("select id from script order by id"),
      [{ id: 1 }, { id: 2 }],
    );
  },

  "description is fit to be printed": (database) => {
    match(database.description, /^(the embedded database in |postgres@127)/);
    ok(!database.description.includes("p@ss"));
    return Promise.resolve();
  },
};

/** A row of an int4 and a text in Postgres's binary COPY format. */
function rowOf(id: number, name: string | null): Uint8Array {
  const text = new TextEncoder().encode(name ?? "");
  const bytes = new Uint8Array(14 + text.length);
  const view = new DataView(bytes.buffer);
  view.setInt16(0, 2);
  view.setInt32(2, 4);
  view.setInt32(6, id);
  view.setInt32(10, name === null ? -1 : text.length);
  bytes.set(text, 14);
  return bytes;
}

function joined(...parts: Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

const settingsOf = (
  server: PostgresServer,
  more: Partial<PostgresSettings> = {},
): PostgresSettings => {
  const { host, port, user, password } = server;
  return { host, port, user, password, database: "postgres", ...more };
};

/** Runs the whole contract, each part as a step of its own. */
async function steps(
  t: Deno.TestContext,
  database: Database,
): Promise<void> {
  for (const [name, body] of Object.entries(contract)) {
    await t.step(name, () => body(database));
  }
}

Deno.test("openPglite() fulfils the database's contract", async (t) => {
  await using folder = await tempFolder();
  await using database = await openPglite(`${folder.path}/database`);
  strictEqual(database.embedded, true);
  await steps(t, database);
});

Deno.test("openPostgres() fulfils the database's contract", async (t) => {
  await using server = await startPostgres();
  await using database = await openPostgres(settingsOf(server));
  strictEqual(database.embedded, false);
  await steps(t, database);
  await t.step("distinguishes rejected logins", () => logins(server));
  await t.step(
    "says what the server lacks",
    () => limits(server, database),
  );
  await t.step(
    "ends waits for answers that never come",
    () => silences(server),
  );
  await t.step(
    "survives broken connections and a restart",
    () => breaks(server, database),
  );
});

/** A server or network that stops answering: nothing is waited for without end. */
async function silences(server: PostgresServer): Promise<void> {
  const through = async (proxy: Proxy) =>
    await openPostgres(
      settingsOf(server, {
        host: proxy.host,
        port: proxy.port,
        sslMode: "disable",
        answerTimeoutMs: 300,
      }),
    );
  const silent = { name: "TransientError", message: /Query read timeout/ };
  {
    await using proxy = startProxy(server);
    await using database = await through(proxy);
    proxy.silence();
    await rejects(database.query("select 1 as one"), silent);
  }
  {
    await using direct = await openPostgres(settingsOf(server));
    await direct.query("create table silenced (id int)");
    await using proxy = startProxy(server);
    await using database = await through(proxy);
    await rejects(
      database.transaction(async (tx) => {
        await tx.query("insert into silenced values (1)");
        await tx.query("lock table silenced in access exclusive mode");
        proxy.silence();
        await tx.query("select 1 as one");
      }),
      silent,
    );
    // The connection is closed, so the server rolls back and releases the lock.
    deepStrictEqual(await direct.query("select id from silenced"), []);
  }
  {
    await using proxy = startProxy(server);
    await using database = await through(proxy);
    await rejects(
      database.transaction(async (tx) => {
        const chunks = (function* () {
          proxy.silence();
          yield Uint8Array.of(0, 1, 0, 0, 0, 4, 0, 0, 0, 7);
        })();
        await tx.copyRows("silenced (id)", chunks);
      }),
      silent,
    );
    await using direct = await openPostgres(settingsOf(server));
    deepStrictEqual(await direct.query("select id from silenced"), []);
  }
  // Sessions tell the server to notice clients that are gone within a minute.
  await using database = await openPostgres(settingsOf(server));
  deepStrictEqual(
    await database.query(
      `select name, setting from pg_settings where name like 'tcp_keepalives%' or name = 'idle_in_transaction_session_timeout' order by name`,
    ),
    [
      { name: "idle_in_transaction_session_timeout", setting: "60000" },
      { name: "tcp_keepalives_count", setting: "3" },
      { name: "tcp_keepalives_idle", setting: "20" },
      { name: "tcp_keepalives_interval", setting: "10" },
    ],
  );
  // A replica, as after a failover, accepts writes later or elsewhere.
  await rejects(
    database.transaction(async (tx) => {
      await tx.query("set transaction read only");
      await tx.query("insert into silenced values (2)");
    }),
    {
      name: "TransientError",
      message:
        /Cannot write to Postgres at .*read-only transaction; is it a replica/,
    },
  );
}

async function logins(server: PostgresServer): Promise<void> {
  const refused = async (
    settings: Partial<PostgresSettings>,
    kind: new (message: string) => Error,
    message: RegExp,
  ) => {
    await rejects(openPostgres(settingsOf(server, settings)), (error) => {
      strictEqual((error as Error).constructor, kind, String(error));
      match((error as Error).message, message);
      ok(!(error as Error).message.includes(server.password));
      ok(!(error as Error).message.includes("wrong-word"));
      return true;
    });
  };
  await refused(
    { password: "wrong-word" },
    UsageError,
    /Cannot log in to Postgres at postgres@127\.0\.0\.1.*password authentication failed/,
  );
  await refused({ user: "nobody" }, UsageError, /Cannot log in to Postgres/);
  await refused(
    { database: "absent" },
    MissingDatabaseError,
    /deno task setup/,
  );
  await refused({ port: 1 }, TransientError, /Cannot reach Postgres at/);
  await refused(
    { sslMode: "require" },
    UsageError,
    /does not support SSL.*PGSSLMODE/,
  );
}

/** The server answers, but lacks what the statement or the login needs. */
async function limits(
  server: PostgresServer,
  database: Database,
): Promise<void> {
  const told = (message: RegExp) => (error: unknown) => {
    ok(error instanceof TransientError, String(error));
    match(error.message, message);
    return true;
  };
  await database.query(
    "create role crowded login connection limit 1 password 'crowded'",
  );
  const settings = settingsOf(server, { user: "crowded", password: "crowded" });
  await using _only = await openPostgres(settings);
  await rejects(
    openPostgres(settings),
    told(
      /^Cannot complete this at crowded@.*: the server is out of connections \(too many connections for role "crowded"\); run the command again/,
    ),
  );
  // Sorting writes a temporary file.
  await rejects(
    database.transaction(async (tx) => {
      await tx.query("set local work_mem = '64kB'");
      await tx.query("set local temp_file_limit = '64kB'");
      await tx.query(
        "select max(n) from (select n from generate_series(1, 100000) n order by -n offset 1) sorted",
      );
    }),
    told(
      /^Cannot complete this at .*: the server has reached a limit \(temporary file size exceeds "?temp_file_limit"? \(64kB\)\)/,
    ),
  );
  await rejects(
    database.transaction(async (tx) => {
      await tx.query("set local statement_timeout = '50ms'");
      await tx.query("select pg_sleep(10)");
    }),
    told(
      /^Cannot complete this at .*: canceling statement due to statement timeout; run the command again$/,
    ),
  );
  // What this machine should not run out of for a test is said by the server in PL/pgSQL.
  for (const [code, what] of [["53100", "disk space"], ["53200", "memory"]]) {
    await rejects(
      database.query(
        `do $$ begin raise exception 'so it says' using errcode = '${code}'; end $$`,
      ),
      told(
        new RegExp(
          `^Cannot complete this at .*: the server is out of ${what} \\(so it says\\)`,
        ),
      ),
    );
  }
}

async function breaks(
  server: PostgresServer,
  database: Database,
): Promise<void> {
  await using other = await openPostgres(settingsOf(server));
  const killOthers =
    "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'churn' and pid <> pg_backend_pid()";
  // Idle connections are killed: the pool forgets them.
  await other.query(killOthers);
  await untilAnswers(database);
  // A connection is killed in mid-transaction: the transaction is not half there.
  await database.query("create table broken (id int)");
  await rejects(
    database.transaction(async (tx) => {
      await tx.query("insert into broken values (1)");
      await other.query(killOthers);
      await tx.query("insert into broken values (2)");
    }),
    TransientError,
  );
  await untilAnswers(database);
  deepStrictEqual(await database.query("select id from broken"), []);
  // The server goes away, and comes back.
  await server.stop();
  await rejects(database.query("select 1 as one"), TransientError);
  await rejects(
    openPostgres(settingsOf(server)),
    { name: "TransientError", message: /Cannot reach Postgres/ },
  );
  await server.start();
  await untilAnswers(database);
}

/** A query answers at once, or fails as transient until the pool has noticed what broke. */
async function untilAnswers(database: Database): Promise<void> {
  for (let attempt = 0;; attempt++) {
    try {
      deepStrictEqual(await database.query("select 1 as one"), [{ one: 1 }]);
      return;
    } catch (error) {
      ok(error instanceof TransientError, String(error));
      ok(attempt < 8, "more failures than the pool has connections");
    }
  }
}

Deno.test("openPostgres() implements libpq's sslmode", async (t) => {
  const own = await makeCertificates("localhost");
  const stranger = await makeCertificates("localhost");
  await using server = await startPostgres({ tls: own });
  const right = { host: "localhost", sslRootCertificate: own.authority };
  const wrong = { host: "localhost", sslRootCertificate: stranger.authority };
  /** Table 34.1 of Postgres's manual: true for TLS, false for none, a pattern for a refusal. */
  const cases: [Partial<PostgresSettings>, boolean | RegExp][] = [
    [{ sslMode: "disable" }, false],
    [{ sslMode: "allow" }, false],
    [{ sslMode: "prefer" }, true],
    [{ sslMode: "require" }, true],
    [{ sslMode: "require", ...right }, true],
    [{ sslMode: "require", ...wrong }, /verify/],
    [{ sslMode: "verify-ca", ...right }, true],
    [{ sslMode: "verify-ca", ...right, host: "127.0.0.1" }, true],
    [{ sslMode: "verify-ca", ...wrong }, /verify/],
    [{ sslMode: "verify-ca" }, /verify/],
    [{ sslMode: "verify-full", ...right }, true],
    [{ sslMode: "verify-full", ...right, host: "127.0.0.1" }, /does not match/],
    [{ sslMode: "verify-full", ...wrong }, /verify/],
    [{ sslMode: "verify-full", host: "localhost" }, /verify/],
  ];
  for (const [settings, expected] of cases) {
    const { sslMode, host = "127.0.0.1", sslRootCertificate: ca } = settings;
    const authority = ca === undefined
      ? "no"
      : ca === own.authority
      ? "the right"
      : "the wrong";
    await t.step(
      `${sslMode} at ${host} with ${authority} authority`,
      async () => {
        if (expected instanceof RegExp) {
          await rejects(openPostgres(settingsOf(server, settings)), (error) => {
            ok(error instanceof UsageError, String(error));
            match(error.message, expected);
            match(error.message, /^Cannot trust Postgres at .*PGSSLMODE/);
            return true;
          });
          return;
        }
        await using database = await openPostgres(settingsOf(server, settings));
        const [found] = await database.query(
          "select ssl from pg_stat_ssl where pid = pg_backend_pid()",
        );
        deepStrictEqual(found, { ssl: expected });
      },
    );
  }
});

Deno.test("openPostgres() passes on a connection's options, name and time limit", async () => {
  await using server = await startPostgres();
  await using plain = await openPostgres(settingsOf(server));
  await plain.query("create schema mlflow");
  const shown = async (database: Database) => {
    const [row] = await database.query(
      `select current_schema()::text as schema, current_setting('statement_timeout') as statement,
              current_setting('idle_in_transaction_session_timeout') as idle, current_setting('lock_timeout') as lock,
              current_setting('application_name') as name, current_setting('TimeZone') as zone`,
    );
    return row;
  };
  deepStrictEqual(await shown(plain), {
    schema: "public",
    statement: "10min",
    idle: "1min",
    lock: "0",
    name: "churn",
    zone: "UTC",
  });
  await using named = await openPostgres(settingsOf(server, {
    options: "-csearch_path=mlflow -c statement_timeout=7s --lock-timeout=3s",
    applicationName: "weekly scores",
  }));
  const expected = {
    schema: "mlflow",
    statement: "7s",
    idle: "1min",
    lock: "3s",
    name: "weekly scores",
    zone: "UTC",
  };
  // Each connection of the pool, also those that are opened later.
  const all = Array.from({ length: 4 }, () =>
    named.transaction(async (tx) => {
      await tx.query("select pg_sleep(0.2)");
      const [row] = await tx.query("select pg_backend_pid() as pid");
      return [row?.["pid"], await shown({ ...named, query: tx.query })];
    }));
  const found = await Promise.all(all);
  strictEqual(new Set(found.map(([pid]) => pid)).size, 4);
  for (const [, row] of found) deepStrictEqual(row, expected);
  await rejects(
    openPostgres(settingsOf(server, { options: "-c no_such_setting=1" })),
    /unrecognized configuration parameter "no_such_setting"/,
  );
  // A listener that never answers: the time limit ends the wait.
  using silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const startedMs = Date.now();
  await rejects(
    openPostgres(
      settingsOf(server, { port: silent.addr.port, connectTimeoutMs: 1000 }),
    ),
    TransientError,
  );
  const seconds = (Date.now() - startedMs) / 1000;
  ok(seconds > 0.9 && seconds < 5, String(seconds));
});

Deno.test("ensureNamedSchema() creates the first schema that the options name, and no other", async () => {
  await using server = await startPostgres();
  await using plain = await openPostgres(settingsOf(server));
  const schemas = async () =>
    (await plain.query<{ name: string }>(
      "select nspname::text as name from pg_namespace where nspname !~ '^(pg_|information_schema)' order by 1",
    )).map(({ name }) => name);
  await ensureNamedSchema(plain);
  deepStrictEqual(await schemas(), ["public"]);
  const paths: Record<string, string[]> = {
    '"$user",public': ["public"],
    "MLflow,public": ["mlflow", "public"],
    '"My\\ ""Schema"""': ['My "Schema"', "mlflow", "public"],
  };
  for (const [path, expected] of Object.entries(paths)) {
    const options = `-csearch_path=${path}`;
    await using database = await openPostgres(settingsOf(server, { options }));
    await Promise.all([1, 2, 3].map(() => ensureNamedSchema(database)));
    deepStrictEqual(await schemas(), expected);
  }
  await plain.query("create role small login password 'smallword'");
  const small = { user: "small", password: "smallword" };
  await using granted = await openPostgres(
    settingsOf(server, { ...small, options: "-csearch_path=mlflow" }),
  );
  await ensureNamedSchema(granted);
  await using other = await openPostgres(
    settingsOf(server, { ...small, options: "-csearch_path=other" }),
  );
  await rejects(ensureNamedSchema(other), UsageError);
});

Deno.test("openPglite() preserves stored data, and names the process that has the database", async () => {
  await using folder = await tempFolder();
  const path = `${folder.path}/database`;
  {
    await using database = await openPglite(path);
    await database.query("create table kept (id int)");
    await database.query("insert into kept values (1)");
    await rejects(
      openPglite(path, { waitMs: 300 }),
      (error) => {
        ok(error instanceof TransientError);
        ok(
          error.message.includes(`process ${Deno.pid} is using it`),
          error.message,
        );
        return true;
      },
    );
  }
  await using again = await openPglite(path, { waitMs: 0 });
  deepStrictEqual(await again.query("select id from kept"), [{ id: 1 }]);
});

Deno.test("openPglite() waits for the process that has the folder", async () => {
  await using folder = await tempFolder();
  const path = `${folder.path}/database`;
  const first = await openPglite(path);
  await first.query("create table kept (id int)");
  const second = openPglite(path);
  await first[Symbol.asyncDispose]();
  await using database = await second;
  deepStrictEqual(await database.query("select id from kept"), []);
});

Deno.test("ensureDatabase() accepts any name, and rejects names that Postgres would truncate", async () => {
  await using server = await startPostgres();
  await using admin = await openPostgres(settingsOf(server));
  const name = `my "db"; drop database x; -- é ' $`;
  const made = await Promise.all(
    Array.from({ length: 4 }, () => ensureDatabase(admin, name)),
  );
  strictEqual(made.filter(Boolean).length, 1);
  strictEqual(await ensureDatabase(admin, name), false);
  await using database = await openPostgres(
    settingsOf(server, { database: name }),
  );
  deepStrictEqual(await database.query("select current_database()::text"), [{
    current_database: name,
  }]);
  for (const bad of ["", "é".repeat(32), "a\0b"]) {
    await rejects(ensureDatabase(admin, bad), UsageError);
  }
  await admin.query("create role small login password 'smallword'");
  await using small = await openPostgres(
    settingsOf(server, { user: "small", password: "smallword" }),
  );
  await rejects(ensureDatabase(small, "other"), {
    name: "UsageError",
    message: /permission denied to create database; grant the privilege/,
  });
});

Deno.test("quoteIdentifier() doubles quotes; exactNumber() rejects numbers beyond 2^53", () => {
  strictEqual(quoteIdentifier('a"b'), '"a""b"');
  strictEqual(exactNumber("-9007199254740991"), -9007199254740991);
  throws(() => exactNumber("9007199254740992"), RangeError);
});
