/** `query` on a real Postgres and on the embedded database: sizes, formats, names, and what it says where there is nothing to query. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { displayWidth } from "../../lib/base/display-width.ts";
import { openPglite } from "../../lib/database/pglite.ts";
import { openPostgres } from "../../lib/database/postgres.ts";
import { queryReadOnly } from "../../lib/database/read-only.ts";
import { withTrace } from "../../lib/database/trace.ts";
import type { ResultColumn } from "../../lib/rows/output.ts";
import { openTable } from "../../lib/rows/table.ts";
import { ensurePredictionsSchema } from "../../lib/services/schema.ts";
import { runCommand } from "../support/commands.ts";
import { runPython, testWithPython } from "../support/python.ts";
import { startPostgres, tempFolder } from "../support/servers.ts";

/** An embedded database with the prediction tables, in a folder for `CHURN_HOME`. */
async function makeHome(folder: string): Promise<Record<string, string>> {
  await using database = await openPglite(`${folder}/home/database`);
  await ensurePredictionsSchema(database);
  return { CHURN_HOME: `${folder}/home`, CHURN_FILES: folder };
}

Deno.test("query on a fresh store answers at once, and creates nothing", async () => {
  await using folder = await tempFolder();
  const env = { CHURN_HOME: `${folder.path}/home` };
  for (const args of [[], ["select 1 as a"], ["\\d scores"]]) {
    const startMs = performance.now();
    const { stderr, report } = await runCommand("query", args, {
      env,
      code: 1,
    });
    match(
      stderr,
      /^query: Nothing is stored yet: .*home\/database\. `deno task predict`/,
    );
    strictEqual(report.exit_code, 1);
    // An empty PGlite takes 10 seconds to create.
    ok(performance.now() - startMs < 5_000);
  }
  deepStrictEqual([...Deno.readDirSync(folder.path)], []);
});

Deno.test("query without SQL lists tables, views and columns; \\d TABLE lists those of one", async () => {
  await using folder = await tempFolder();
  const env = await makeHome(folder.path);
  const text = async (...args: string[]) =>
    (await runCommand("query", args, { env, json: false })).stdout;
  const listed = await text();
  match(listed, /^churn_predictions_current +view .*newest period$/m);
  match(listed, /^scoring_runs +table /m);
  match(
    listed,
    /^ {4}scoring_run_id bigint, row_number integer, churn_probability real, player_id text$/m,
  );
  strictEqual(await text("\\d"), listed);
  // A file has the rows, one per column of a table.
  const path = `${folder.path}/tables.txt`;
  match(await text("--format", "table", "--output", path), /^Wrote \d+ rows/);
  const file = await Deno.readTextFile(path);
  match(file, /^public +scores +table +player_id +text +true/m);
  // As Postgres's own catalog has them.
  deepStrictEqual(
    JSON.parse(await text("\\d scores", "--format", "json")),
    [
      { column: "scoring_run_id", type: "bigint", nullable: false },
      { column: "row_number", type: "integer", nullable: false },
      { column: "churn_probability", type: "real", nullable: false },
      { column: "player_id", type: "text", nullable: true },
    ],
  );
  strictEqual(await text("\\d scores;"), await text("\\d scores"));
  const { report } = await runCommand("query", [], { env });
  strictEqual(
    report.result.filter(({ relation }: { relation: string }) =>
      relation === "scores"
    ).length,
    4,
  );
  const unknown = await runCommand("query", ["select * from churn"], {
    env,
    code: 1,
  });
  match(
    unknown.stderr,
    /relation "churn" does not exist; `deno task query` lists the tables/,
  );
  for (const name of ["nothing", "t"]) {
    const { stderr } = await runCommand("query", [`\\d ${name}`], {
      env,
      code: 1,
    });
    match(stderr, /Cannot find a table or view ".*`deno task query` lists/);
  }
});

testWithPython(
  "query writes columns of one name, exact numbers and typed Parquet",
  async () => {
    await using folder = await tempFolder();
    const env = await makeHome(folder.path);
    const run = (...args: string[]) =>
      runCommand("query", args, {
        env: { ...env, TZ: "Asia/Tokyo" },
        json: false,
      });
    const same = "select 1 as a, 'x' as b, 2 as a, 3 as a_2, 4 as a";
    strictEqual(
      (await run(same, "--format", "csv")).stdout,
      "a,b,a,a_2,a\n1,x,2,3,4\n",
    );
    const lines = await run(same, "--format", "jsonl");
    strictEqual(lines.stdout, '{"a":1,"b":"x","a_3":2,"a_2":3,"a_4":4}\n');
    match(
      lines.stderr,
      /"a" \(column 3\) is "a_3", "a" \(column 5\) is "a_4"/,
    );
    deepStrictEqual(
      (await runCommand("query", [same], { env })).report.result,
      [{ a: 1, b: "x", a_3: 2, a_2: 3, a_4: 4 }],
    );
    strictEqual((await run(same)).stdout.split("\n")[0], "a  b  a  a_2  a");

    // No number of a document or a decimal is rounded.
    const exact = `select '{"a": 9007199254740993, "b": [0.1]}'::jsonb as doc,
      '{"c": 1e400}'::json as raw, array['12345678901234567890'::jsonb] as docs,
      0.12345678901234567890123::numeric as long, 1234567890.50::numeric as short,
      9007199254740991::numeric as safe`;
    strictEqual(
      (await run(exact, "--format", "jsonl")).stdout,
      '{"doc":{"a":9007199254740993,"b":[0.1]},"raw":{"c":1e400},"docs":[12345678901234567890],' +
        '"long":"0.12345678901234567890123","short":1234567890.5,"safe":9007199254740991}\n',
    );

    const path = `${folder.path}/types.parquet`;
    await run(
      `select 1::int2 as small, 9007199254740993::int8 as big, 1.5::float4 as real, 0.1::float8 as double, true as yes,
       date '2026-11-26' as day, timestamp '2026-11-26 01:02:03.456789' as local, timestamptz '2026-11-26 01:02:03.456789+09' as moment,
       'é' as text, 12.5::numeric as decimal, array[1,2] as list, '{"a": 1}'::jsonb as doc, 'p' as text
     union all select -1, -9007199254740993, 'NaN', 'infinity', null, '0001-01-01', '1969-12-31 23:59:59.999999',
       '1969-12-31 23:59:59.999999+00', null, 1e20, null, '{}', ''`,
      "--output",
      path,
    );
    const { stdout } = await runPython(
      "columnar",
      `import json, sys, pyarrow.parquet as p
t = p.read_table(sys.argv[1])
print(json.dumps([[f.name, str(f.type)] for f in t.schema]))
print(json.dumps([{k: str(v) for k, v in row.items()} for row in t.to_pylist()]))`,
      { args: [path] },
    );
    const [types, rows] = stdout.trim().split("\n").map((line) =>
      JSON.parse(line)
    );
    deepStrictEqual(types, [
      ["small", "int32"],
      ["big", "int64"],
      ["real", "float"],
      ["double", "double"],
      ["yes", "bool"],
      ["day", "date32[day]"],
      ["local", "timestamp[us]"],
      ["moment", "timestamp[us, tz=UTC]"],
      ["text", "string"],
      ["decimal", "double"],
      ["list", "string"],
      ["doc", "string"],
      ["text_2", "string"],
    ]);
    deepStrictEqual(rows, [{
      small: "1",
      big: "9007199254740993",
      real: "1.5",
      double: "0.1",
      yes: "True",
      day: "2026-11-26",
      local: "2026-11-26 01:02:03.456789",
      moment: "2026-11-25 16:02:03.456789+00:00",
      text: "é",
      decimal: "12.5",
      list: "[1,2]",
      doc: '{"a": 1}',
      text_2: "p",
    }, {
      small: "-1",
      big: "-9007199254740993",
      real: "nan",
      double: "inf",
      yes: "None",
      day: "0001-01-01",
      local: "1969-12-31 23:59:59.999999",
      moment: "1969-12-31 23:59:59.999999+00:00",
      text: "None",
      decimal: "1e+20",
      list: "None",
      doc: "{}",
      text_2: "",
    }]);

    for (
      const [value, reason] of [
        ["'infinity'::date", "Parquet has no such day or time"],
        ["'0044-03-15 BC'::timestamptz", "Parquet has no such day or time"],
        ["18446744073709551617::numeric", "a DOUBLE cannot hold it exactly"],
        ["1e309::numeric", "a DOUBLE cannot hold it exactly"],
        ["-1e309::numeric - 0.5", "a DOUBLE cannot hold it exactly"],
      ]
    ) {
      const { stderr } = await runCommand("query", [
        `select ${value} as v`,
        "--output",
        `${folder.path}/refused.parquet`,
      ], { env, code: 1 });
      match(stderr, new RegExp(`of column "v" to Parquet: ${reason}`));
    }
    deepStrictEqual(
      [...Deno.readDirSync(folder.path)].map(({ name }) => name).sort(),
      ["home", "types.parquet"],
    );
  },
);

Deno.test("query \\d NAME shows the table that SQL finds, or asks for the schema", async () => {
  await using folder = await tempFolder();
  {
    await using database = await openPglite(`${folder.path}/home/database`);
    for (
      const sql of [
        "create schema s1",
        "create schema s2",
        "create table scores (a int)",
        "create table s1.scores (b int)",
        "create table s1.others (c int)",
        "create table s2.others (d int)",
        "create table s2.single (e int)",
        'create table "Single" (f int)',
      ]
    ) await database.query(sql);
  }
  const env = { CHURN_HOME: `${folder.path}/home`, CHURN_FILES: folder.path };
  const columnsOf = async (name: string) => {
    const { report } = await runCommand("query", [`\\d ${name}`], { env });
    return report.result.map(({ column }: { column: string }) => column);
  };
  for (
    const [name, column] of [
      ["scores", "a"],
      ["SCORES", "a"],
      ["s1.scores", "b"],
      ["S2.others ;", "d"],
      ["single", "e"],
      ["Single", "f"],
    ] as const
  ) deepStrictEqual(await columnsOf(name), [column], name);
  const { stderr } = await runCommand("query", ["\\d others"], {
    env,
    code: 2,
  });
  match(
    stderr,
    /columns of "others": several schemas have it; expected one of s1\.others, s2\.others/,
  );
});

Deno.test("query stops at --limit and says so; --output writes a whole file", async () => {
  await using folder = await tempFolder();
  const env = await makeHome(folder.path);
  const sql = "select n from generate_series(1, 3000) as n";
  for (const [limit, rows] of [["2500", 2500], ["0", 3000], ["3000", 3000]]) {
    const { stdout, stderr } = await runCommand("query", [
      sql,
      "--limit",
      String(limit),
      "--format",
      "csv",
    ], { env, json: false });
    strictEqual(stdout.trim().split("\n").length, Number(rows) + 1);
    strictEqual(
      stderr,
      rows === 3000
        ? ""
        : "WARNING: These are the first 2,500 rows; there are more\n",
    );
  }
  const path = `${folder.path}/n.jsonl`;
  const { report } = await runCommand("query", [sql, "--output", path], {
    env,
  });
  deepStrictEqual(
    [report.rows, report.format, report.output],
    [3000, "jsonl", path],
  );
  const lines = (await Deno.readTextFile(path)).trim().split("\n");
  deepStrictEqual([lines[0], lines.length], ['{"n":1}', 3000]);
  // The JSON line says so too, also of a file, whose CSV repeats a name.
  const csv = `${folder.path}/n.csv`;
  const cut = await runCommand("query", [
    "select n, n from generate_series(1, 3000) as n",
    "--output",
    csv,
    "--limit",
    "20",
  ], { env });
  deepStrictEqual([cut.report.rows, cut.report.limited], [20, true]);
  strictEqual(cut.stderr, "");
  match(await Deno.readTextFile(csv), /^n,n\n1,1\n/);
  match(
    (await runCommand("query", [sql, "--format", "json", "--output", csv], {
      env,
      code: 2,
    })).stderr,
    /Cannot write --format json to --output ".*n\.csv": its name says csv/,
  );
  match(
    (await runCommand("query", [sql, "--output", `${folder.path}/n.xls`], {
      env,
      code: 2,
    })).stderr,
    /does not end in \.csv, \.json, \.jsonl or \.parquet/,
  );
  // A reader that has seen enough ends the command, quietly.
  const head = new Deno.Command("sh", {
    args: [
      "-c",
      "deno task -q query 'select repeat($$x$$, 1000) from generate_series(1, 100000)' | head -3; echo ended",
    ],
    env,
  });
  const { stdout, stderr } = await head.output();
  const text = new TextDecoder();
  strictEqual(text.decode(stdout).split("\n").at(-2), "ended");
  strictEqual(text.decode(stderr), "");
});

/** Resident memory of this process, in MB. */
function residentMb(): number {
  return Deno.memoryUsage().rss / 1e6;
}

Deno.test("queryReadOnly() holds few rows of a large result, and ends a query whose reader has enough", async (t) => {
  await using server = await startPostgres();
  const { host, port, user, password } = server;
  const at = { host, port, database: "postgres" };
  await using admin = await openPostgres({ ...at, user, password });
  await admin.query("create role reader login password 'of-a-reader'");
  await using reader = await openPostgres({
    ...at,
    user: "reader",
    password: "of-a-reader",
  });
  await using folder = await tempFolder();
  await using embedded = await openPglite(`${folder.path}/database`);
  for (
    const [kind, database, rows] of [
      ["a superuser", admin, 500_000],
      ["another login", withTrace(reader, () => {}), 2_000_000],
      ["the embedded database", embedded, 200_000],
    ] as const
  ) {
    await t.step(kind, async () => {
      const sql =
        `select n, repeat('x', 300) as x from generate_series(1, ${rows}) as n`;
      const before = residentMb();
      let count = 0;
      let most = 0;
      await queryReadOnly(database, sql, async (result) => {
        for await (const some of result.rows) {
          count += some.length;
          // Slower than the server.
          if (count % 50_000 < some.length) {
            await new Promise((resolve) => setTimeout(resolve, 50));
            most = Math.max(most, residentMb() - before);
          }
        }
      });
      strictEqual(count, rows);
      // As objects, the rows would take more than 300 bytes each: 60 MB in the smallest case, which the garbage of reading may reach.
      ok(most < 200, `${most} MB more for ${rows} rows`);

      const startMs = performance.now();
      const endless = "select generate_series(1, 1000000000000) as n";
      const first = await queryReadOnly(database, endless, async (result) => {
        for await (const some of result.rows) return some[0];
      });
      deepStrictEqual(first, ["1"]);
      ok(performance.now() - startMs < 10_000);
      deepStrictEqual(await database.query("select 1 as one"), [{ one: 1 }]);
    });
  }
});

/** Returns a table of texts as it is shown. */
async function show(
  header: Readonly<Record<string, ResultColumn["type"]>>,
  rows: readonly (string | null)[][],
  columns?: number,
): Promise<string[]> {
  let shown = "";
  const same = (text: string) => text;
  const table = openTable(
    {
      write: (part) => {
        shown += part;
        return Promise.resolve();
      },
    },
    Object.entries(header).map(([name, type]) => ({
      name,
      type,
      parse: same,
      show: same,
    })),
    { columns },
  );
  for (let start = 0; start < rows.length; start += 500) {
    await table.write(rows.slice(start, start + 500));
  }
  await table.finish();
  return shown.split("\n").slice(0, -1);
}

Deno.test("a table fits the terminal: texts are cut, numbers never, and what does not fit is a list", async () => {
  const header = { n: "integer", text: "text", other: "text" } as const;
  const rows = [["1234567890", "x".repeat(80), "日本語".repeat(10)], [
    "1",
    "b",
    null,
  ]];
  const fitted = await show(header, rows, 60);
  ok(fitted.every((line) => displayWidth(line) <= 60), fitted.join("\n"));
  strictEqual(fitted.length, 4);
  match(fitted[2]!, /^1234567890 {2}x{22}… {2}(日本語)+日?本?…$/);
  match(fitted[3]!, /^ {9}1 {2}b$/);
  // Too narrow: nothing is cut.
  deepStrictEqual(await show(header, rows, 30), [
    "row 1",
    "  n      1234567890",
    `  text   ${"x".repeat(80)}`,
    `  other  ${"日本語".repeat(10)}`,
    "row 2",
    "  n      1",
    "  text   b",
    "  other",
  ]);
  // Wider below the rows that decide the widths: the text is cut, the number and the day are not.
  const day = { day: "date", ...header } as const;
  const short = Array.from({ length: 1_000 }, () => [null, "1", "b", "c"]);
  const below = await show(
    day,
    [...short, ["2026-11-26", "-1234567890", "x".repeat(80), "d"]],
    60,
  );
  strictEqual(below.at(-1), "2026-11-26  -1234567890  xxx…  d");
  // A pipe has no width.
  const piped = await show(header, rows);
  ok(piped[2]!.includes("x".repeat(80)));
});
